"""The command `import`: official and user tables into one's definition folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from riskstd.cli_parts import write_or_print
from riskstd.errors import OptionError

KINDS = "paa, ccs, cc, rvu, addendum-aa, icd10cm, icd10pcs or dictionary"


def import_table(
    kind: Annotated[str, typer.Argument(help=f"What the file is: {KINDS}.")],
    file: Annotated[Path, typer.Argument(help="Workbook (.xlsx) or text file (.csv, .txt).")],
    definitions: Annotated[
        Path | None, typer.Option(help="Definition folder; found by the rule, else riskstd-definitions here.")
    ] = None,
    year: Annotated[
        int | None, typer.Option(help="Year of the file; from its name or titles if left out. With --draft: spec year.")
    ] = None,
    service_years: Annotated[str, typer.Option(help="Years of service the table is for, for example 2022.")] = "",
    column: Annotated[str, typer.Option(help="Header of the column of categories (cc).")] = "",
    draft: Annotated[
        Path | None, typer.Option(help="Write a draft of the mapping file and import nothing (dictionary).")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="Mapping file (dictionary).")] = None,
    measure: Annotated[str, typer.Option(help="Measure that the dictionary is of (with --draft).")] = "",
    date: Annotated[str, typer.Option(help="Day of the import; that of the workbook if left out.")] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a table that is there from another file.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Turn an official or a user's table into a table of one's definition folder, which runs then use."""
    from riskstd.importing import ImportRequest, import_file
    from riskstd.importing.request import definitions_to_write

    if draft is not None:
        _draft(kind, file, draft, measure, year)
        return
    report = import_file(
        ImportRequest(kind, file, definitions, year, service_years, column, mapping, date, replace=replace)
    )
    if as_json:
        print(json.dumps(report.to_dict(), indent=1, ensure_ascii=False))
        return
    print(report)
    folder = definitions_to_write(definitions)
    print(f"  {_use_of([table.name for table in report.tables], folder)}")


def _use_of(names: list[str], folder: Path) -> str:
    """Say which measures use some imported tables, and what their runs may call themselves now."""
    from riskstd.spec import fidelity_of, list_measures, load_measure
    from riskstd.spec.imported import imports_in_use

    users: dict[str, list[str]] = {}
    for measure_id, year in list_measures(folder):
        measure = load_measure(measure_id, year, definitions=folder)
        if set(names) & imports_in_use(measure):
            users.setdefault(fidelity_of(measure).label, []).append(f"{measure_id} {year}")
    said = [f"used by {', '.join(measures)}; fidelity: {label}" for label, measures in users.items()]
    return "\n  ".join(said) or "no measure uses it yet"


def _draft(kind: str, file: Path, draft: Path, measure: str, year: int | None) -> None:
    from riskstd.importing.book import read_book
    from riskstd.importing.draft import draft_mapping
    from riskstd.spec import load_measure

    if kind != "dictionary":
        raise OptionError(f"--draft with {kind}", expected="--draft with dictionary only")
    if not measure:
        raise OptionError("--draft without a measure", expected="--measure, for example --measure ASC-17")
    if draft.exists():
        raise OptionError(f"{draft} is there already", expected="a new file", hint="name another --draft, or delete it")
    found = load_measure(measure, year) if year else load_measure(measure)
    write_or_print(draft_mapping(read_book(file), found), draft)
