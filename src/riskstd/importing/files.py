"""One import: a file read by its importer, judged, and stored with its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from riskstd.errors import InputError, OptionError
from riskstd.importing.book import Book, read_book
from riskstd.importing.ccs import read_ccs
from riskstd.importing.condition_categories import read_condition_categories
from riskstd.importing.dictionary import read_dictionary
from riskstd.importing.fee_schedule import read_covered_procedures, read_fee_schedule
from riskstd.importing.icd10 import read_icd10cm, read_icd10pcs
from riskstd.importing.newtable import NewTable
from riskstd.importing.planned_admission import read_planned_admission
from riskstd.importing.report import Findings, ImportReport, TableReport
from riskstd.importing.request import ImportRequest, check_options, definitions_to_write, year_of
from riskstd.importing.store import Source, entries_of, store_tables

Reader = Callable[[Book, int, str, Findings], list[NewTable]]
MOST_REJECTED = 0.2
"""Share of rejected rows above which a file is not what it is said to be."""


@dataclass(frozen=True)
class Importer:
    """One kind of file.

    Attributes
    ----------
    what : str
        For messages.
    read : callable
    year_means : str
        What the year of such a file is.
    years_before : int
        How many years the services that the table is for lie before that year.
    """

    what: str
    read: Reader
    year_means: str
    years_before: int = 0


IMPORTERS: Mapping[str, Importer] = {
    "paa": Importer("planned-admission workbook", read_planned_admission, "reporting year", 2),
    "ccs": Importer("modified CCS map workbook", read_ccs, "reporting year", 2),
    "cc": Importer("ICD-10 to condition-category map", read_condition_categories, "service year"),
    "rvu": Importer("fee schedule file", read_fee_schedule, "calendar year"),
    "addendum-aa": Importer("Addendum AA", read_covered_procedures, "calendar year"),
    "icd10cm": Importer("ICD-10-CM code list", read_icd10cm, "fiscal year"),
    "icd10pcs": Importer("ICD-10-PCS code list", read_icd10pcs, "fiscal year"),
}


def import_file(request: ImportRequest) -> ImportReport:
    """Import a file into the definition folder.

    Parameters
    ----------
    request : ImportRequest

    Returns
    -------
    ImportReport
        Also kept in the folder, as `imports/<table>.json`.

    Raises
    ------
    InputError
        When the file is not what the importer expects (names sheet and cell), when more than a fifth of its rows are
        rejected, or when another file's table is there and is not to be replaced. Nothing is written then.
    OptionError
        When the year is not given and cannot be told, or an option cannot be read.
    """
    _check_importer(request)
    check_options(request)
    book = read_book(request.file)
    found = Findings()
    tables = _read(request, book, found)
    _note_quirks(book, found)
    _refuse_mostly_rejected(book, found)
    if not tables or not all(table.rows for table in tables):
        raise InputError(
            f"{book.file} holds no rows for a table", expected="codes", hint="check that it is the right file"
        )
    source = Source(book.file, book.sha256, request.dated or book.dated)
    entries = entries_of(tables, source)
    reports = tuple(
        TableReport(table.name, table.kind, table.years, entries[table.name]["sha256"], table.lists) for table in tables
    )
    facts = (
        reports,
        tuple(found.sheets[name] for name in found.sheets),
        tuple(found.rejected),
        tuple(found.notes),
    )
    kept = ImportReport(request.importer, book.file, book.sha256, source.dated, "new", *facts)
    folder = definitions_to_write(request.definitions)
    outcome = store_tables(
        folder, tables, source, {f"imports/{tables[0].name}.json": _json(kept)}, replace=request.replace
    )
    return ImportReport(request.importer, book.file, book.sha256, source.dated, outcome, *facts)


def _read(request: ImportRequest, book: Book, found: Findings) -> list[NewTable]:
    if request.importer == "dictionary":
        if request.mapping is None:
            raise OptionError(
                "a data dictionary has no layout that is known",
                expected="--mapping MAP.toml",
                hint="draft one with --draft MAP.toml, check it, and import with --mapping MAP.toml",
            )
        folder = definitions_to_write(request.definitions)
        return read_dictionary(book, request.mapping, found, folder if folder.is_dir() else None)
    importer = IMPORTERS[request.importer]
    year = request.year or year_of(book, importer.year_means)
    years = request.service_years or str(year - importer.years_before)
    read = partial(importer.read, column=request.column) if request.column else importer.read  # type: ignore[call-arg]
    return read(book, year, years, found)


def _check_importer(request: ImportRequest) -> None:
    known = [*IMPORTERS, "dictionary"]
    if request.importer not in known:
        raise OptionError(f"no importer {request.importer!r}", expected=f"one of {', '.join(known)}")


def _note_quirks(book: Book, found: Findings) -> None:
    if book.hidden:
        found.notes.append(f"hidden sheets were not read: {', '.join(map(repr, book.hidden))}")
    for sheet in book.sheets:
        if sheet.name in found.sheets and sheet.hidden_rows:
            found.notes.append(f"sheet {sheet.name!r}: {sheet.hidden_rows:,} hidden rows were read like the others")
        if sheet.name in found.sheets and sheet.merged:
            found.notes.append(f"sheet {sheet.name!r}: {sheet.merged:,} merged ranges")


def _refuse_mostly_rejected(book: Book, found: Findings) -> None:
    for count in found.sheets.values():
        nothing = count.rejected and not count.taken + count.set_aside + count.removed
        if nothing or count.rejected > MOST_REJECTED * count.rows:
            own = [one for one in found.rejected if not count.sheet or repr(count.sheet) in one.place]
            first = own[0]
            raise InputError(
                f"{book.file}, {first.place}: found {first.found!r}; in all {count.rejected:,} of {count.rows:,} rows "
                "cannot be read",
                expected=first.reason.removeprefix("expected "),
                hint="check that it is the right file and importer; nothing was imported",
            )


def _json(report: ImportReport) -> bytes:
    content = {key: value for key, value in report.to_dict().items() if key != "outcome"}
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
