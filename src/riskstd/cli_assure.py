"""The command on invented patients: assure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskstd.cli_parts import choices_of, print_table, results, write_or_print
from riskstd.errors import OptionError

if TYPE_CHECKING:
    from riskstd.pipeline.assurance import Assurance, Verdict

EXIT_FAILED = 1
_ROWS_SHOWN = 40


def assure(
    files: Annotated[list[Path] | None, typer.Argument(help="Patient files (TOML).")] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(help="Measure id or definition file; may be repeated; all that the files name if left out."),
    ] = None,
    year: Annotated[int, typer.Option(help="Specification year.")] = 2025,
    option: Annotated[list[str] | None, typer.Option("--option", help="name=value.")] = None,
    form: Annotated[str, typer.Option("--format", help="text, md or json.")] = "text",
    out: Annotated[Path | None, typer.Option(help="File for md or json; standard output if left out.")] = None,
    every: Annotated[bool, typer.Option("--every", help="Show every patient, however many.")] = False,
    new: Annotated[
        Path | None, typer.Option(help="Write a draft of a patient file for --measure, and run nothing.")
    ] = None,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Change the measures clause by clause, and list what no patient notices.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option(help="Write the patients by clause into a Markdown page, and run nothing.")
    ] = None,
) -> None:
    """Run measures on invented patients and compare verdicts with those expected; exit code 1 if any differs."""
    if new is not None:
        _draft(new, measure or [], year)
        return
    if not files:
        raise OptionError("no patient file", expected="a file, or --new FILE --measure ID for a draft of one")
    if form not in ("text", "md", "json"):
        raise OptionError(f"--format cannot be {form!r}", expected="one of text, md, json")
    if mutants:
        _score(files, measure or [], year)
        return
    if page is not None:
        from riskstd.pipeline.assurance.page import write_page

        write_page(page, files, measure or ())
        results.print(f"written to {page}", soft_wrap=True, markup=False)
        return
    from riskstd.pipeline.assurance import assure as run
    from riskstd.pipeline.assurance.words import as_markdown

    found = run(files, measure or (), year=year, options=choices_of(option))
    if form == "text":
        _print(found, every=every)
    else:
        write_or_print(as_markdown(found) if form == "md" else _json(found), out)
    if found.failed:
        raise typer.Exit(EXIT_FAILED)


def _score(files: list[Path], measures: list[str], year: int) -> None:
    from riskstd.pipeline.assurance import mutation_score

    if not measures:
        raise OptionError("--mutants needs a measure", expected="--measure ID, or --measure my/definition.toml")
    scores = [mutation_score(files, each, year=year) for each in measures]
    for score in scores:
        results.print(score.in_words(), markup=False, highlight=False, soft_wrap=True)
        for each in score.of("survives"):
            results.print(f"no patient notices: {each.mutant.name}", markup=False, highlight=False, soft_wrap=True)
    if any(score.of("survives") for score in scores):
        raise typer.Exit(EXIT_FAILED)


def _draft(file: Path, measures: list[str], year: int) -> None:
    from riskstd.pipeline.assurance.draft import draft_patients
    from riskstd.spec import load_measure

    if len(measures) != 1:
        raise OptionError("--new needs one measure", expected="--measure ID, or --measure my/definition.toml")
    if file.exists():
        raise OptionError(f"{file} is there already", expected="a new file", hint="name another, or delete it")
    write_or_print(draft_patients(load_measure(measures[0], year)), file)


def _json(found: Assurance) -> str:
    return json.dumps(found.to_dict(), indent=1, ensure_ascii=False)


def _print(found: Assurance, *, every: bool) -> None:
    from riskstd.pipeline.assurance.words import measures_of, summary

    for measure in measures_of(found):
        verdicts = [verdict for verdict in found.verdicts if verdict.measure == measure]
        if every or len(verdicts) <= _ROWS_SHOWN:
            _print_patients(summary(found, measure), verdicts)
        else:
            _print_clauses(summary(found, measure), verdicts)
        for path in found.untested[measure] if every else ():
            results.print(f"without a patient: {path}", markup=False, highlight=False)
    for verdict in found.failed:
        _print_failure(verdict)


def _print_patients(title: str, verdicts: list[Verdict]) -> None:
    rows = [[v.patient, "\n".join(v.clauses), v.expected, "passes" if v.passes else "FAILS"] for v in verdicts]
    print_table(_escaped(title), ["patient", "clause", "expected", "result"], _escaped_rows(rows))


def _print_clauses(title: str, verdicts: list[Verdict]) -> None:
    from riskstd.pipeline.assurance.words import counts_by_clause

    rows = [
        [clause, str(patients), str(patients - failed), "passes" if not failed else "FAILS"]
        for clause, patients, failed in counts_by_clause(verdicts)
    ]
    print_table(_escaped(title), ["clause", "patients", "as expected", "result"], _escaped_rows(rows))


def _print_failure(verdict: Verdict) -> None:
    lines = [f"FAILS: {verdict.measure}, {verdict.file}, patient {verdict.patient}: {verdict.says}"]
    lines += [f"  tests: {', '.join(verdict.clauses)}", f"  expected: {verdict.expected}"]
    lines += [f"  {reason}" for reason in verdict.reasons]
    results.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _escaped_rows(rows: list[list[str]]) -> list[list[str]]:
    return [[_escaped(cell) for cell in row] for row in rows]
