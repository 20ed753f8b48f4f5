"""Files by HCPCS code: the fee schedule (work RVU, global days), and Addendum AA (procedures covered in ASCs)."""

from __future__ import annotations

import re

from riskstd.errors import InputError
from riskstd.importing.book import Book, Sheet
from riskstd.importing.codes import HCPCS
from riskstd.importing.headers import find_header, is_removed, rows_below
from riskstd.importing.newtable import NewTable, list_rows
from riskstd.importing.report import Findings

CPT_NOTE = (
    "CPT numbers only, without descriptors; the AMA notice in AMA-NOTICE.txt goes wherever the list is shown. "
    "Work RVUs are not assigned by the AMA."
)
_FEE_COLUMNS = {
    "code": r"\bhcpcs\b|cpt",
    "modifier": r"^mod\b|modifier|\bmod$",
    "work_rvu": r"\bwork\b.*rvu|rvu.*\bwork\b",
    "global_days": r"glob.*days?|\bglobal\b",
}
_COVERED_COLUMNS = {"code": r"\bhcpcs\b|cpt", "payment": r"payment indicator|payment weight|payment rate|\bindicator\b"}
_GLOBAL_WORDS = frozenset({"XXX", "YYY", "ZZZ", "MMM"})
_RVU = re.compile(r"\d{1,3}(\.\d+)?")


def read_fee_schedule(book: Book, year: int, years: str, found: Findings) -> list[NewTable]:
    """Read work RVU and global days from a fee schedule file (PPRRVU, as workbook or CSV).

    Parameters
    ----------
    book, year, years, found
        As in `read_planned_admission`; `year` is the calendar year of service.

    Returns
    -------
    list of NewTable
        Tables of kind `work_rvu` and `global_days`.

    Raises
    ------
    InputError
        When there is no header with code, modifier, work RVU and global days; the words of a header may stand above
        each other.

    Notes
    -----
    Only rows without a modifier are taken: those with one, such as 53, hold part of the value. Global days that lost
    their zeros are filled to three digits.
    """
    sheet = _only_sheet(book, _FEE_COLUMNS, stacked=True)
    header, at = find_header(sheet, _FEE_COLUMNS, file=book.file, stacked=True)
    rvus: dict[str, str] = {}
    days: dict[str, str] = {}
    count = found.of(sheet.name)
    for row in rows_below(sheet, header):
        count.rows += 1
        code = _code(sheet, row, at["code"], found)
        if code is None:
            continue
        if sheet.cell(row, at["modifier"]):
            count.set_aside += 1
            continue
        rvu, period = sheet.cell(row, at["work_rvu"]), sheet.cell(row, at["global_days"])
        read_days = _global_days(period)
        if not _RVU.fullmatch(rvu):
            found.reject(sheet.name, sheet.place(row, at["work_rvu"]), rvu, "expected a work RVU such as 3.26")
        elif read_days is None:
            reason = "expected global days: 000, 010, 090, XXX, YYY, ZZZ or MMM"
            found.reject(sheet.name, sheet.place(row, at["global_days"]), period, reason)
        elif code in rvus and (float(rvus[code]), days[code]) != (float(rvu), read_days):
            found.reject(sheet.name, sheet.place(row, at["code"]), code, "listed above with other values")
        else:
            count.taken += 1
            rvus[code], days[code] = f"{float(rvu):.2f}", read_days
    found.notes.append("Rows with a modifier are set aside: they hold part of the value.")
    return [
        _by_code("work_rvu", "work RVU", rvus, book.file, year, years, stands_for="work_rvu"),
        _by_code("global_days", "global days", days, book.file, year, years, stands_for="global_days"),
    ]


def read_covered_procedures(book: Book, year: int, years: str, found: Findings) -> list[NewTable]:
    """Read the procedures that Medicare covers in ambulatory surgical centers (Addendum AA).

    Parameters
    ----------
    book, year, years, found
        As in `read_fee_schedule`.

    Returns
    -------
    list of NewTable
        One code list with the role `covered`.

    Raises
    ------
    InputError
        When no sheet has a header with a code and a payment column.
    """
    sheet = _only_sheet(book, _COVERED_COLUMNS)
    header, at = find_header(sheet, _COVERED_COLUMNS | {"status?": r"\bstatus\b"}, file=book.file)
    codes = set()
    count = found.of(sheet.name)
    for row in rows_below(sheet, header):
        count.rows += 1
        if "status" in at and is_removed(sheet.cell(row, at["status"])):
            count.removed += 1
            continue
        code = _code(sheet, row, at["code"], found)
        if code is not None:
            count.taken += 1
            codes.add(code)
    table = NewTable(
        name=f"asc_covered_procedures_{year}",
        kind="code_list",
        stands_for="asc_covered_procedures",
        system=HCPCS.name,
        version=f"Addendum AA of {year} ({book.file})",
        says="Lists the procedure numbers that Medicare covers in ambulatory surgical centers.",
        years=years,
        rows=[
            row | {"years": years} for row in list_rows({("covered", HCPCS.name): codes}, ("role", "system"), book.file)
        ],
        lists={"covered": len(codes)},
        note=CPT_NOTE,
    )
    return [table]


def _only_sheet(book: Book, columns: dict[str, str], *, stacked: bool = False) -> Sheet:
    """The one sheet that has the header; the error of the first sheet if none has it."""
    found: list[Sheet] = []
    first: InputError | None = None
    for sheet in book.sheets:
        try:
            find_header(sheet, columns, file=book.file, stacked=stacked)
            found.append(sheet)
        except InputError as error:
            first = first or error
    if len(found) == 1:
        return found[0]
    if first is not None and not found:
        raise first
    raise InputError(
        f"{book.file}: {len(found)} sheets hold such a table: {', '.join(repr(sheet.name) for sheet in found)}",
        expected="one",
        hint="save the sheet that is meant as a workbook or CSV of its own",
    )


def _code(sheet: Sheet, row: int, column: int, found: Findings) -> str | None:
    """The code of a row; notes and footers below the table, longer than any code, are set aside."""
    text = sheet.cell(row, column)
    code = HCPCS.read(text)
    if code is None and (not text or len(text) > 12):
        found.of(sheet.name).set_aside += 1
    elif code is None:
        found.reject(sheet.name, sheet.place(row, column), text, f"expected {HCPCS.says}")
    return code


def _global_days(text: str) -> str | None:
    word = text.strip().upper()
    if word in _GLOBAL_WORDS:
        return word
    number = re.fullmatch(r"0*(0|10|90)(\.0+)?", word)
    return number.group(1).zfill(3) if number else None


def _by_code(
    kind: str, noun: str, values: dict[str, str], file: str, year: int, years: str, *, stands_for: str
) -> NewTable:
    return NewTable(
        name=f"{kind}_{year}",
        kind=kind,
        stands_for=stands_for,
        system=HCPCS.name,
        version=f"fee schedule of {year} ({file})",
        says=f"Gives the {noun} of procedure numbers for services of {year}.",
        years=years,
        rows=[{"code": code, "years": years, kind: value} for code, value in sorted(values.items())],
        lists={f"codes with {noun}": len(values)},
        note=CPT_NOTE,
    )
