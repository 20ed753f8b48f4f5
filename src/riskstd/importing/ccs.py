"""The modified CCS map: one sheet each for ICD-10-CM and ICD-10-PCS codes."""

from __future__ import annotations

from riskstd.importing.book import Book, Sheet
from riskstd.importing.codes import CCS, ICD10CM, ICD10PCS, CodeForm
from riskstd.importing.headers import find_header, is_removed, rows_below, sheet_named
from riskstd.importing.newtable import NewTable, list_rows
from riskstd.importing.report import Findings

_COLUMNS = {
    "code": r"icd-?10.*code|^'?icd|^code\b",
    "category": r"^'?ccs category'?$|^ccs( code| number)?$|ccs category(?!.*desc)|^ccs\b(?!.*desc)",
    "label?": r"ccs.*desc|ccs.*label",
    "status?": r"\bstatus\b",
}
_PARTS = (
    ("diagnoses", r"ICD-?10-?CM|\bDX\b|diagnos", ICD10CM),
    ("procedures", r"ICD-?10-?PCS|\bPR\b|procedure", ICD10PCS),
)


def read_ccs(book: Book, year: int, years: str, found: Findings) -> list[NewTable]:
    """Read the map of ICD-10 codes into CCS categories.

    Parameters
    ----------
    book, year, years, found
        As in `read_planned_admission`.

    Returns
    -------
    list of NewTable
        Two tables of kind `category_map`, for diagnoses and for procedures.

    Raises
    ------
    InputError
        When a sheet or its header is missing.

    Notes
    -----
    A code has one category: of two rows with different ones the first holds, and the second is rejected.
    """
    return [_read_map(book, name, pattern, form, year, years, found) for name, pattern, form in _PARTS]


def _read_map(book: Book, name: str, pattern: str, form: CodeForm, year: int, years: str, found: Findings) -> NewTable:
    sheet = sheet_named(book, pattern, f"of {form.name} codes")
    header, at = find_header(sheet, _COLUMNS, file=book.file)
    category_of: dict[str, str] = {}
    labels: dict[str, str] = {}
    for row in rows_below(sheet, header):
        _read_row(sheet, row, at, form, category_of, labels, found)
    codes: dict[tuple[str, ...], list[str]] = {}
    for code, category in sorted(category_of.items(), key=lambda item: (int(item[1]), item[0])):
        codes.setdefault((category, labels.get(category, ""), ""), []).append(code)
    return NewTable(
        name=f"ccs_{name}_ry{year}",
        kind="category_map",
        stands_for=f"ccs_{name}",
        system=form.name,
        version=f"map for reporting year {year} ({book.file})",
        says=f"Sorts {form.name} codes into the categories that the planned admission tables are written in.",
        years=years,
        rows=list_rows(codes, ("category", "label", "model"), book.file),
        lists={f"{form.name} codes": len(category_of), "categories": len(codes)},
        note="Whole codes: a code that is not listed has no category.",
    )


def _read_row(
    sheet: Sheet,
    row: int,
    at: dict[str, int],
    form: CodeForm,
    category_of: dict[str, str],
    labels: dict[str, str],
    found: Findings,
) -> None:
    count = found.of(sheet.name)
    count.rows += 1
    code_text, category_text = sheet.cell(row, at["code"]), sheet.cell(row, at["category"])
    if "status" in at and is_removed(sheet.cell(row, at["status"])):
        count.removed += 1
        return
    code, category = form.read(code_text), CCS.read(category_text)
    if code is None:
        found.reject(sheet.name, sheet.place(row, at["code"]), code_text, f"expected {form.says}")
    elif category is None:
        found.reject(sheet.name, sheet.place(row, at["category"]), category_text, f"expected {CCS.says}")
    elif category_of.setdefault(code, category) != category:
        reason = f"{code} has category {category_of[code]} in a row above"
        found.reject(sheet.name, sheet.place(row, at["category"]), category_text, reason)
    else:
        count.taken += 1
        if "label" in at and sheet.cell(row, at["label"]):
            labels.setdefault(category, sheet.cell(row, at["label"]))
