"""A map from ICD-10-CM codes to condition categories: a column of codes, a column of categories, any header."""

from __future__ import annotations

import re
from collections.abc import Sequence

from riskstd.errors import InputError
from riskstd.importing.book import Book, Sheet, column_letters
from riskstd.importing.codes import CC, ICD10CM, CodeForm
from riskstd.importing.headers import rows_below
from riskstd.importing.newtable import NewTable, list_rows
from riskstd.importing.report import Findings, shown_header
from riskstd.spec.codetables import load_code_table

_SHARE = 0.6
"""Share of a column's cells that must be codes, or categories, for it to be such a column."""
_KNOWN_CODES, _AGREEING = 3, 0.5
_OTHER_MODELS = re.compile(r"\bV\s?(23|24|28)\b|rx-?hcc", re.IGNORECASE)
_RIGHT_MODELS = re.compile(r"\bV\s?2[12]\b", re.IGNORECASE)


def read_condition_categories(book: Book, year: int, years: str, found: Findings, column: str = "") -> list[NewTable]:
    """Read a map from diagnosis codes to condition categories in the numbering of model V22.

    Parameters
    ----------
    book, years, found
        As in `read_planned_admission`.
    year : int
        Service year of the map.
    column : str
        Header of the column of categories; needed when several columns hold such numbers.

    Returns
    -------
    list of NewTable
        One table of kind `category_map`; a code may have several categories.

    Raises
    ------
    InputError
        When there is no such pair of columns, when it is not clear which column is meant, or when the numbers are
        those of another model (V23, V24, V28): categories of the public V22 map that mostly hold other codes here.
    """
    sheet, header, code_column, category_column = _find_columns(book, column)
    title = sheet.cell(header, category_column) if header >= 0 else ""
    if _OTHER_MODELS.search(title) and not _RIGHT_MODELS.search(title):
        raise _other_model(book.file, f"{sheet.place(header, category_column)}: header {title!r}")
    codes_of: dict[str, set[str]] = {}
    count = found.of(sheet.name)
    for row in rows_below(sheet, header):
        count.rows += 1
        code_text, category_text = sheet.cell(row, code_column), sheet.cell(row, category_column)
        code, category = ICD10CM.read(code_text), CC.read(category_text)
        if code is None:
            found.reject(sheet.name, sheet.place(row, code_column), code_text, f"expected {ICD10CM.says}")
        elif not category_text:
            count.set_aside += 1
        elif category is None:
            found.reject(sheet.name, sheet.place(row, category_column), category_text, f"expected {CC.says}")
        else:
            codes_of.setdefault(category, set()).add(code)
            count.taken += 1
    _refuse_other_numbering(codes_of, book.file, sheet)
    listed: dict[tuple[str, ...], set[str]] = {
        (category, "", "V22"): codes_of[category] for category in sorted(codes_of, key=int)
    }
    table = NewTable(
        name=f"condition_categories_{year}",
        kind="category_map",
        stands_for="condition_categories",
        system=ICD10CM.name,
        version=f"map of {year} ({book.file})",
        says="Maps diagnosis codes to condition categories in the numbering of V22.",
        years=years,
        rows=list_rows(listed, ("category", "label", "model"), book.file),
        lists={
            "categories": len(codes_of),
            "codes": len(set().union(*codes_of.values())),
            "pairs": sum(map(len, codes_of.values())),
        },
        note="Categories that this map holds are taken from it alone; the project's maps keep the rest.",
    )
    return [table]


def _find_columns(book: Book, column: str) -> tuple[Sheet, int, int, int]:
    """The sheet, its header row (-1 for none), the column of codes and the column of categories."""
    for sheet in book.sheets:
        codes = _columns_of(sheet, ICD10CM)
        if not codes:
            continue
        first = next(row for row in range(len(sheet.rows)) if ICD10CM.read(sheet.cell(row, codes[0])))
        header = first - 1
        candidates = [k for k in _columns_of(sheet, CC) if k not in codes]
        chosen = _choose(sheet, header, candidates, column, book.file)
        return sheet, header, codes[0], chosen
    raise InputError(
        f"{book.file}: no sheet has a column of ICD-10-CM codes; sheets: "
        f"{', '.join(repr(sheet.name) for sheet in book.sheets)}",
        expected="a column of codes and a column of condition categories",
        hint="check that it is the right file",
    )


def _columns_of(sheet: Sheet, form: CodeForm) -> list[int]:
    width = max((len(row) for row in sheet.rows), default=0)
    found = []
    for column in range(width):
        cells = [form.read(row[column]) for row in sheet.rows if len(row) > column and row[column]]
        # Titles and headers stand above the first code.
        first = next((k for k, read in enumerate(cells) if read is not None), len(cells))
        fitting = sum(read is not None for read in cells)
        if fitting and fitting >= _SHARE * len(cells[first:]):
            found.append(column)
    return found


def _choose(sheet: Sheet, header: int, candidates: Sequence[int], column: str, file: str) -> int:
    titles = {k: sheet.cell(header, k) if header >= 0 else "" for k in candidates}
    fitting = [k for k, title in titles.items() if not column or title.lower() == column.lower()]
    if len(fitting) > 1:
        fitting = [k for k in fitting if _RIGHT_MODELS.search(titles[k])] or fitting
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{column_letters(k)} {shown_header(title)!r}" for k, title in titles.items()) or "none"
    raise InputError(
        f"{file}, {sheet.place(max(header, 0))}: {len(fitting)} columns could hold the categories"
        + (f" named {column!r}" if column else "")
        + f"; columns of small numbers: {listed}",
        expected="one column of condition categories, numbers from 1 to 201",
        hint="name it with --column HEADER",
    )


def _refuse_other_numbering(codes_of: dict[str, set[str]], file: str, sheet: Sheet) -> None:
    """Compare with the public V22 members: a category that mostly holds codes of others is numbered otherwise."""
    public = load_code_table("condition_categories_public").category_map()
    wrong = []
    for category in sorted(codes_of, key=int):
        known = [code for code in sorted(codes_of[category]) if code in public.exact]
        agreeing = sum(category in public.categories(code) for code in known)
        if len(known) >= _KNOWN_CODES and agreeing < _AGREEING * len(known):
            wrong.append(f"{category} ({len(known) - agreeing} of {len(known)} codes, for example {known[0]})")
    if wrong:
        where = f"sheet {sheet.name!r}" if sheet.name else "file"
        raise _other_model(
            file, f"{where}: {len(wrong)} categories hold codes that V22 has elsewhere: {', '.join(wrong[:5])}"
        )


def _other_model(file: str, what: str) -> InputError:
    return InputError(
        f"{file}, {what}",
        expected="categories numbered by V22 (V21 shares its numbers)",
        hint="V23, V24 and V28 give the same numbers other meanings: take the V22 column or file",
    )
