"""The yearly planned-admission workbook: sheets PR.1 to PR.4, or PA1 to PA4 of the value sets for accountable care."""

from __future__ import annotations

import re

from riskstd.errors import InputError
from riskstd.importing.book import Book, Sheet
from riskstd.importing.codes import CCS, ICD10CM, ICD10PCS, CodeForm
from riskstd.importing.headers import find_header, is_removed, rows_below, sheet_named
from riskstd.importing.newtable import NewTable, list_rows
from riskstd.importing.report import Findings, shown_header

_SHEETS = r"(^\s*PR\.?\s*{0}\b|\bPA\s*{0}\b)"
_SIMPLE = {"category": r"\bccs\b|category", "status?": r"\bstatus\b"}
_MIXED = {
    "record_type": r"record type|code type|^type$",
    "value": r"^value|^code\b|ccs.*code|\bvalue\b",
    "status?": r"\bstatus\b",
}
_TWO_PART = {"category": r"\bccs\b|category|code", "status?": r"\bstatus\b"}
_SIDE = {1: "procedure", 2: "diagnosis", 3: "procedure", 4: "diagnosis"}
_CODES = {"procedure": ICD10PCS, "diagnosis": ICD10CM}
Lists = dict[tuple[str, ...], list[str]]


def read_planned_admission(book: Book, year: int, years: str, found: Findings) -> list[NewTable]:
    """Read the four lists of the planned admission algorithm.

    Parameters
    ----------
    book : Book
    year : int
        Reporting year of the workbook.
    years : str
        Years of admission that the lists are for.
    found : Findings
        Takes counts, rejected cells and notes.

    Returns
    -------
    list of NewTable
        One table, of kind `planned_admission`.

    Raises
    ------
    InputError
        When one of the four sheets or its header is missing.

    Notes
    -----
    Rows whose status begins with removed or deleted are left out, as are headers that are repeated within a sheet.
    In a sheet without a column for the kind of a row, a second header that speaks of ICD-10 codes begins the codes.
    """
    lists: Lists = {}
    for part in (1, 2, 3, 4):
        sheet = sheet_named(book, _SHEETS.format(part), f"PR.{part} (or PA{part})")
        count = found.of(sheet.name)
        _read_part(sheet, part, lists, book.file, found)
        if not any(key[0] == f"PA{part}" for key in lists) and not count.rejected:
            raise InputError(
                f"{book.file}, sheet {sheet.name!r}: {count.rows:,} rows below the header, none of them in force",
                expected=f"the list PA{part}",
                hint="check that it is the right file",
            )
    table = NewTable(
        name=f"planned_admission_ry{year}",
        kind="planned_admission",
        stands_for="planned_admission",
        system="CCS, ICD-10-PCS, ICD-10-CM",
        version=f"tables of reporting year {year} ({book.file})",
        says="Gives the four lists that decide whether an inpatient admission was planned.",
        years=years,
        rows=list_rows(dict(sorted(lists.items())), ("part", "kind"), book.file),
        lists={f"{part} {kind}": len(set(codes)) for (part, kind), codes in sorted(lists.items())},
    )
    return [table]


def _read_part(sheet: Sheet, part: int, lists: Lists, file: str, found: Findings) -> None:
    side, name = _SIDE[part], f"PA{part}"
    has_types = part > 2 and _has_types(sheet)
    columns = _SIMPLE if part < 3 else _MIXED if has_types else _TWO_PART
    header, at = find_header(sheet, columns, file=file)
    count, in_codes = found.of(sheet.name), False
    column = at.get("value", at.get("category", 0))
    for row in rows_below(sheet, header):
        count.rows += 1
        text, kind_text = sheet.cell(row, column), sheet.cell(row, at["record_type"]) if has_types else ""
        if _is_header_again(text, kind_text):
            in_codes = in_codes or "ICD" in f"{text} {kind_text}".upper()
            count.set_aside += 1
        elif "status" in at and is_removed(sheet.cell(row, at["status"])):
            count.removed += 1
        elif not text:
            count.set_aside += 1
        else:
            form = _form(kind_text, side, part, found, sheet, row) if has_types else _CODES[side] if in_codes else CCS
            _take(sheet, row, column, form, lists, (name, side), found)


def _has_types(sheet: Sheet) -> bool:
    return any(re.search(_MIXED["record_type"], cell.lower()) for row in sheet.rows[:40] for cell in row)


def _is_header_again(text: str, kind_text: str) -> bool:
    """A row of words where a code would stand: the header of the second part of a sheet, or one printed again."""
    words = f"{text} {kind_text}".lower()
    said = re.search(
        r"\bcodes?\b|description|\bvalue\b|record type|^\s*icd-?10-?(cm|pcs)?\s*(codes?|$)|^(ahrq )?.*\bccs\b.*[a-z]",
        words,
    )
    return said is not None and not any(form.read(text) for form in (CCS, ICD10CM, ICD10PCS))


def _form(kind_text: str, side: str, part: int, found: Findings, sheet: Sheet, row: int) -> CodeForm | None:
    words = kind_text.upper().replace(" ", "")
    if "CCS" in words:
        return CCS
    if "ICD" in words and words.endswith("PCS" if side == "procedure" else "CM"):
        return _CODES[side]
    expected = f"a record type CCS or {_CODES[side].name} on the sheet of PA{part}"
    found.reject(sheet.name, sheet.place(row, None), shown_header(kind_text), f"expected {expected}", is_label=True)
    return None


def _take(
    sheet: Sheet, row: int, column: int, form: CodeForm | None, lists: Lists, key: tuple[str, str], found: Findings
) -> None:
    if form is None:
        return
    text = sheet.cell(row, column)
    code = form.read(text)
    if code is None:
        found.reject(sheet.name, sheet.place(row, column), text, f"expected {form.says}")
        return
    part, side = key
    lists.setdefault((part, f"{side}_{'category' if form is CCS else 'code'}"), []).append(code)
    found.of(sheet.name).taken += 1
