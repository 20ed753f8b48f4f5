"""Commands on measure definitions: list, show, check, diff, new."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskstd.cli_parts import choices_of, print_table, write_or_print
from riskstd.errors import OptionError, SpecError

if TYPE_CHECKING:
    from riskstd.pipeline.spec_check import CheckedDefinition

spec_app = typer.Typer(help="Measure definitions: list, show, check, diff, new.", no_args_is_help=True)

YearOption = Annotated[int, typer.Option(help="Specification year.")]
OutFile = Annotated[Path | None, typer.Option(help="File to write to; standard output if left out.")]


@spec_app.command("list")
def spec_list() -> None:
    """List the measures: the project's and those of one's own definition folder."""
    from riskstd.spec import fidelity_of, list_measures, load_measure

    rows = []
    for name, year in list_measures():
        measure = load_measure(name, year)
        head = measure.definition.measure
        rows.append([name, str(year), head.short_title, measure.scale.kind, fidelity_of(measure).label])
    print_table("Measures", ["measure", "year", "title", "scale", "fidelity"], rows)


@spec_app.command("show")
def spec_show(
    measure: Annotated[str, typer.Argument(help="Measure id, or a definition file.")],
    year: YearOption = 2025,
    option: Annotated[list[str] | None, typer.Option("--option", help="name=value.")] = None,
    form: Annotated[str, typer.Option("--format", help="md or html.")] = "md",
    out: OutFile = None,
) -> None:
    """Show a measure in words, every clause with its values, source and origin."""
    from riskstd.report.definition_page import definition_page
    from riskstd.spec import load_measure
    from riskstd.spec.describe import describe_measure

    _one_of(form, "--format", ("md", "html"))
    found = load_measure(measure, year, options=choices_of(option))
    write_or_print(describe_measure(found) if form == "md" else definition_page(found), out)


@spec_app.command("check")
def spec_check(
    files: Annotated[
        list[str] | None, typer.Argument(help="Definition files or measure ids; all that `spec list` shows if none.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check definitions: schema, references, contradictions, clauses that never decide, codes by year."""
    from riskstd.pipeline.spec_check import check_definitions

    checked = check_definitions(files or None)
    if as_json:
        print(json.dumps([asdict(one) for one in checked], indent=1, ensure_ascii=False))
    else:
        _print_checked(checked)
    _raise_defects(checked)


def _raise_defects(checked: list[CheckedDefinition]) -> None:
    defects = [(one.file, finding) for one in checked for finding in one.defects]
    if defects:
        lines = "".join(f"\n  {file}, {f.place}: {f.found}\n    what to do: {f.mend}" for file, f in defects)
        raise SpecError(f"{len(defects)} defect(s) in {len({file for file, _ in defects})} definition(s):{lines}")


def _print_checked(checked: list[CheckedDefinition]) -> None:
    rows = [
        [one.file, str(one.clauses), str(one.rules), str(one.tables), "fails" if one.defects else "passes"]
        for one in checked
    ]
    print_table("Checked", ["definition", "clauses", "rules", "code tables", "result"], rows)
    for one in checked:
        for finding in one.findings:
            if finding not in one.defects:
                print(f"{finding.level}: {one.file}, {finding.place}: {finding.found}\n  what to do: {finding.mend}")


@spec_app.command("diff")
def spec_diff(
    before: Annotated[str, typer.Argument(help="Measure id, definition file or code table; ID@YEAR:option=value,...")],
    after: Annotated[str, typer.Argument(help="The same.")],
    year: YearOption = 2025,
    form: Annotated[str, typer.Option("--format", help="text, md or json.")] = "text",
    out: Annotated[
        Path | None,
        typer.Option(help="File to write to, or with --claims a folder; standard output if left out."),
    ] = None,
    claims: Annotated[
        Path | None, typer.Option(help="Claims on which both definitions are run, to see what the change does.")
    ] = None,
    layout: Annotated[str, typer.Option(help="Layout of the claim files: auto, ccw, flat, lds, tuva.")] = "auto",
    period: Annotated[str | None, typer.Option(help="First and last procedure date, with a colon between.")] = None,
    method: Annotated[str, typer.Option(help="Estimator: agq, laplace, pql.")] = "agq",
    bootstrap: Annotated[
        int | None, typer.Option(min=1, help="Bootstrap replicates; as in the definition if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 1,
    model: Annotated[bool, typer.Option("--model/--no-model", help="Fit models, which categories need.")] = True,
    memory: Annotated[str | None, typer.Option(help="Memory limit of the engine, for example 4GB.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder that is there.")] = False,
) -> None:
    """Say which clauses and codes changed, and with --claims what that does to cases, outcomes and categories."""
    from riskstd.spec import Measure
    from riskstd.spec.diff import diff
    from riskstd.spec.diffwords import as_markdown, as_text
    from riskstd.spec.sides import read_side

    _one_of(form, "--format", ("text", "md", "json"))
    sides = [read_side(text, year=year) for text in (before, after)]
    found = diff(*sides)
    if claims is None:
        texts = {"text": as_text, "md": as_markdown, "json": lambda one: _json(one.to_dict())}
        write_or_print(texts[form](found), out)
        return
    measures = [side for side in sides if isinstance(side, Measure)]
    if len(measures) < len(sides):
        raise OptionError("code tables cannot be run on claims", expected="two measures, or leave out --claims")
    from riskstd.pipeline.spec_effect import compare_on_claims
    from riskstd.pipeline.spec_effect_words import effect_as_markdown, effect_as_text

    effect = compare_on_claims(
        *measures,
        claims=claims,
        layout=layout,
        period=period.split(":") if period else None,
        model=model,
        method=method,
        n_bootstrap=bootstrap,
        seed=seed,
        memory=memory,
        out=out,
        overwrite=overwrite,
    )
    if form == "json":
        print(_json({**found.to_dict(), "effect": effect.to_dict()}))
    else:
        words = effect_as_text if form == "text" else effect_as_markdown
        print(words(effect), as_text(found) if form == "text" else as_markdown(found), sep="\n\n")


@spec_app.command("new")
def spec_new(
    measure: Annotated[str, typer.Argument(help="Id of the new measure in capitals, for example SPINE-90.")],
    codes: Annotated[str, typer.Option(help="Qualifying HCPCS codes with blanks between, or 63001..63003.")] = "",
    icd10pcs: Annotated[str, typer.Option(help="Qualifying ICD-10-PCS codes of inpatient claims, or 0SG*.")] = "",
    title: Annotated[str, typer.Option(help="Title.")] = "",
    like: Annotated[str, typer.Option(help="Measure or file that the rest is taken from.")] = "ASC-17",
    year: YearOption = 2025,
    window: Annotated[str, typer.Option(help="First and last day of the outcome window.")] = "0:7",
    visits: Annotated[str, typer.Option(help="Visits that count, comma between.")] = "ed,observation,inpatient",
    factor: Annotated[
        list[str] | None,
        typer.Option(help="Risk factor of a shipped measure, or NAME=cc:85,86 or NAME=dx:F17*; may be repeated."),
    ] = None,
    setting: Annotated[str, typer.Option(help="asc, outpatient, inpatient (hospital); comma between.")] = "asc",
    unit: Annotated[str, typer.Option(help="facility or surgeon.")] = "facility",
    age: Annotated[int, typer.Option(min=0, max=120, help="Youngest age in years.")] = 65,
    scale: Annotated[str, typer.Option(help="percent, per_1000 or ratio.")] = "percent",
    out: Annotated[
        Path | None, typer.Option(help="Definition folder; the one in use, else riskstd-definitions, if left out.")
    ] = None,
) -> None:
    """Draft a measure of one's own: a definition file and its code list, which `spec check` passes."""
    from riskstd.pipeline.spec_check import check_definitions
    from riskstd.spec.draft import Wishes, write_draft

    file = write_draft(
        Wishes(
            id=measure,
            codes=tuple(codes.split()),
            icd10pcs=tuple(icd10pcs.split()),
            title=title,
            like=like,
            year=year,
            window=_days(window),
            visits=_words(visits),
            factors=tuple(factor or ()),
            settings=_words(setting),
            unit=unit,
            age=age,
            scale=scale,
        ),
        out,
    )
    (checked,) = check_definitions([file], definitions=file.parent.parent)
    _print_checked([checked])
    _raise_defects([checked])
    print(f"written to {file} and {file.parent.parent / 'tables'}")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _days(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    if not first.isdigit() or not last.isdigit():
        raise OptionError(f"window {text!r}", expected="first and last day, for example 0:90")
    return int(first), int(last)


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False)


def _one_of(value: str, name: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(f"{name} cannot be {value!r}", expected=f"one of {', '.join(allowed)}")
