"""ICD-10-CM and ICD-10-PCS code lists: the order file, the code file, or a simple table."""

from __future__ import annotations

import re

from riskstd.errors import InputError
from riskstd.importing.book import Book, Sheet
from riskstd.importing.codes import ICD10CM, ICD10PCS, CodeForm
from riskstd.importing.headers import find_header, rows_below
from riskstd.importing.newtable import NewTable, list_rows
from riskstd.importing.report import Findings

_ORDER_LINE = re.compile(r"^(\d{5}) (.{7}) ([01]) \S")
_CODE_LINE = re.compile(r"^([0-9A-Z][0-9A-Z.]{2,7})(?: +\S.*)?\s*$")
_TABLE = {"code": r"\bcode\b|icd-?10", "valid?": r"\bvalid\b|billable|\bheader\b"}
_LAYOUTS = (
    "the order file (order number in columns 1-5, code in 7-13, 0 or 1 in 15), the code file (code, blank, text), "
    "or a table with a column of codes"
)


def read_icd10cm(book: Book, year: int, years: str, found: Findings) -> list[NewTable]:
    """Read the diagnosis codes of a fiscal year; see `read_icd10`."""
    return read_icd10(book, year, years, found, ICD10CM, "icd10cm_codes")


def read_icd10pcs(book: Book, year: int, years: str, found: Findings) -> list[NewTable]:
    """Read the procedure codes of a fiscal year; see `read_icd10`."""
    return read_icd10(book, year, years, found, ICD10PCS, "icd10pcs_codes")


def read_icd10(book: Book, year: int, years: str, found: Findings, form: CodeForm, name: str) -> list[NewTable]:
    """Read the codes of a code system in a fiscal year, which begins on 1 October of the year before.

    Parameters
    ----------
    book, years, found
        As in `read_planned_admission`.
    year : int
        Fiscal year.
    form : CodeForm
    name : str
        Name of the table.

    Returns
    -------
    list of NewTable
        One code list with the roles `billable` and, from an order file, `heading`.

    Raises
    ------
    InputError
        When most lines are of no known layout.
    """
    codes: dict[tuple[str, ...], list[str]] = {}
    order, plain = _share(book.lines, _ORDER_LINE), _share(book.lines, _CODE_LINE)
    if max(order, plain) > 0.5:
        _read_lines(book, form, codes, found, order=order > 0.5)
    elif book.lines and max(map(len, book.sheets[0].rows)) == 1:
        raise InputError(
            f"{book.file}, line 1: most lines are no codes of {form.name}",
            expected=_LAYOUTS,
            hint="check that it is the right file",
        )
    else:
        _read_table(book, form, codes, found)
    table = NewTable(
        name=f"{name}_{year}",
        kind="code_list",
        stands_for=name,
        system=form.name,
        version=f"codes of fiscal year {year} ({book.file})",
        says=f"Lists the {form.name} codes of a fiscal year.",
        years=years,
        rows=[row | {"years": years} for row in list_rows(codes, ("role", "system"), book.file)],
        lists={role: len(set(listed)) for (role, _), listed in codes.items()},
        note="Years are fiscal years: 2024 is 1 October 2023 to 30 September 2024.",
    )
    return [table]


def _share(lines: list[str], pattern: re.Pattern[str]) -> float:
    filled = [line for line in lines if line.strip()][:500]
    return sum(pattern.match(line) is not None for line in filled) / max(1, len(filled))


def _read_lines(
    book: Book, form: CodeForm, codes: dict[tuple[str, ...], list[str]], found: Findings, *, order: bool
) -> None:
    sheet = Sheet("", [[line] for line in book.lines])
    count = found.of(sheet.name)
    for row, line in enumerate(book.lines):
        if not line.strip():
            continue
        count.rows += 1
        match = (_ORDER_LINE if order else _CODE_LINE).match(line)
        text = (match.group(2) if order else match.group(1)) if match else line[:20]
        code = _code_or_heading(form, text) if match else None
        if match is None or code is None:
            found.reject(sheet.name, sheet.place(row), text, f"expected {form.says}")
            continue
        billable = not order or match.group(3) == "1"
        codes.setdefault(("billable" if billable else "heading", form.name), []).append(code)
        count.taken += 1


def _code_or_heading(form: CodeForm, text: str) -> str | None:
    """A code, or the beginning of one, as headings of ICD-10-PCS are."""
    code = form.read(text)
    if code is None and form is ICD10PCS and re.fullmatch(r"[0-9A-HJ-NP-Z]{3}", text.strip()):
        return text.strip()
    return code


def _read_table(book: Book, form: CodeForm, codes: dict[tuple[str, ...], list[str]], found: Findings) -> None:
    sheet = book.sheets[0]
    header, at = find_header(sheet, _TABLE, file=book.file)
    count = found.of(sheet.name)
    for row in rows_below(sheet, header):
        count.rows += 1
        text = sheet.cell(row, at["code"])
        code = form.read(text)
        if code is None:
            found.reject(sheet.name, sheet.place(row, at["code"]), text, f"expected {form.says}")
            continue
        billable = "valid" not in at or sheet.cell(row, at["valid"]).lower() not in {"0", "n", "no", "false"}
        codes.setdefault(("billable" if billable else "heading", form.name), []).append(code)
        count.taken += 1
