"""The command `trace`: why a case is in or out, and which cases a clause decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskstd.cli_parts import print_table, results, write_or_print
from riskstd.errors import OptionError

if TYPE_CHECKING:
    from riskstd.pipeline.tracing.reverse import ClauseCases

_SHOWN_CASES = 50


def trace(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the run of one measure.")],
    procedure: Annotated[int | None, typer.Option(help="procedure_id of the run.")] = None,
    clause: Annotated[
        str | None, typer.Option(help="Clause, factor or part of the algorithm: list the cases it decided.")
    ] = None,
    form: Annotated[str | None, typer.Option("--format", help="text, json or html.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[Path | None, typer.Option(help="File to write to; standard output if left out.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Audience; that of the run if left out. public is refused.")
    ] = None,
) -> None:
    """Say why a case is in or out, decision by decision down to the claim lines; or which cases a clause decided."""
    chosen = _form(form, as_json=as_json)
    if (procedure is None) == (clause is None):
        found = "neither --procedure nor --clause" if procedure is None else "--procedure together with --clause"
        raise OptionError(found, expected="one of them")
    if procedure is not None:
        _trace_case(run_dir, procedure, chosen, out, profile)
    elif clause is not None:
        _trace_clause(run_dir, clause, chosen, out, profile)


def _form(form: str | None, *, as_json: bool) -> str:
    chosen = form or ("json" if as_json else "text")
    if chosen not in ("text", "json", "html") or (as_json and chosen != "json"):
        raise OptionError(f"--format {chosen}{' with --json' if as_json else ''}", expected="text, json or html")
    return chosen


def _trace_case(run_dir: Path, procedure: int, form: str, out: Path | None, profile: str | None) -> None:
    from riskstd.pipeline.trace import trace_procedure
    from riskstd.pipeline.tracing.words import as_text

    found = trace_procedure(run_dir, procedure, profile=profile)
    if form == "html":
        from riskstd.pipeline.tracing.page import trace_page

        write_or_print(trace_page(found.content), out)
        return
    text = as_text(found.content) if form == "text" else json.dumps(found.content, indent=1, ensure_ascii=False)
    write_or_print(text, out)


def _trace_clause(run_dir: Path, clause: str, form: str, out: Path | None, profile: str | None) -> None:
    from riskstd.pipeline.tracing.reverse import cases_of_clause

    if form == "html":
        raise OptionError("--clause with --format html", expected="text or json")
    found = cases_of_clause(run_dir, clause, profile=profile)
    if form == "json":
        write_or_print(json.dumps(found.as_dict(), indent=1, ensure_ascii=False), out)
        return
    if out is not None:
        write_or_print("\n".join([*_head(found), *("\t".join(row) for row in _rows(found))]), out)
        return
    for line in _head(found):
        results.print(line, markup=False, highlight=False)
    shown = _rows(found)[:_SHOWN_CASES]
    print_table("Cases", ["procedure", "facility", "verdict", "outcome", "what"], shown)
    if len(found.cases) > len(shown):
        results.print(f"{len(shown):,} of {len(found.cases):,} rows; --out or --json give all", markup=False)


def _head(found: ClauseCases) -> list[str]:
    procedures = len({case["procedure_id"] for case in found.cases})
    return [
        f"{found.clause}: {found.says} [{found.source} ({found.origin})]",
        f"{found.decided}: {procedures:,} procedure(s), {len(found.cases):,} row(s)",
    ]


def _rows(found: ClauseCases) -> list[list[str]]:
    return [
        [
            str(case["procedure_id"]),
            case["facility_id"] or "",
            case["verdict"],
            "" if case["outcome"] is None else str(case["outcome"]),
            case["what"],
        ]
        for case in found.cases
    ]
