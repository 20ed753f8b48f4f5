"""Headers found below title rows, by the words in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from riskstd.errors import InputError
from riskstd.importing.book import Book, Sheet, column_letters
from riskstd.importing.report import shown_header

_LOOKED_AT = 40
_STACKED = 6
_ENDS = re.compile(r"^(end of (work)?sheet|end of table|end of file|eof)\b", re.IGNORECASE)
Columns = Mapping[str, str]
"""Pattern by name of a column; a name that ends in `?` may be missing."""


def find_header(sheet: Sheet, columns: Columns, *, file: str, stacked: bool = False) -> tuple[int, dict[str, int]]:
    """Find the header row and the position of each column.

    Parameters
    ----------
    sheet : Sheet
    columns : mapping of str to str
        What each column's header looks like, as a pattern of words in lower case.
    file : str
        For the message.
    stacked : bool
        Whether the words of a header may stand above each other in several rows.

    Returns
    -------
    (int, dict of str to int)
        Row of the header, and position by name.

    Raises
    ------
    InputError
        When no row has all columns that are needed: names the sheet, the cell of the best row, and what is missing.
    """
    best_row, best = 0, dict[str, int]()
    for row in range(min(len(sheet.rows), _LOOKED_AT)):
        found = _matches(_words(sheet, row, stacked), columns)
        if not _missing(found, columns):
            return row, found
        if len(found) > len(best):
            best_row, best = row, found
    missing = _missing(best, columns)
    raise InputError(
        f"{file}, {sheet.place(best_row, 0)}: no header with {_names(missing)} in the first {_LOOKED_AT} rows; "
        f"{_nearest(sheet, best_row, best)}",
        expected=f"a row with the columns {_names([name for name in columns if not name.endswith('?')])}",
        hint="check that it is the right file; for another layout draft a mapping: `riskstd import dictionary`",
    )


def _matches(words: Sequence[str], columns: Columns) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, pattern in columns.items():
        for position, text in enumerate(words):
            if position not in found.values() and re.search(pattern, text):
                found[name.rstrip("?")] = position
                break
    return found


def _missing(found: Mapping[str, int], columns: Columns) -> list[str]:
    return [name for name in columns if not name.endswith("?") and name not in found]


def _words(sheet: Sheet, row: int, stacked: bool) -> list[str]:
    width = len(sheet.rows[row])
    rows = range(max(0, row - _STACKED + 1), row + 1) if stacked else (row,)
    # Title rows have few cells; rows of a header that stands in several have many.
    rows = [k for k in rows if k == row or sum(map(bool, sheet.rows[k])) > width / 4]
    return [" ".join(sheet.cell(k, column) for k in rows).strip().lower() for column in range(width)]


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name.replace('_', ' ')}`" for name in names)


def _nearest(sheet: Sheet, row: int, found: Mapping[str, int]) -> str:
    """What the best row holds; of a row without any of the columns, which may be data, only the number of its cells."""
    texts = sheet.rows[row] if sheet.rows else []
    if not found:
        return f"its first row has {len(texts)} cells"
    cells = [f"{column_letters(k)} {shown_header(text)!r}" for k, text in enumerate(texts) if text]
    return f"the nearest is row {row + 1}: {', '.join(cells[:6])}"


def rows_below(sheet: Sheet, header: int) -> Iterator[int]:
    """Yield the rows below a header that are not blank, to the mark of the end of the sheet or the end."""
    for row in range(header + 1, len(sheet.rows)):
        cells = [cell for cell in sheet.rows[row] if cell]
        if cells and _ENDS.match(cells[0]):
            return
        if cells:
            yield row


def is_removed(text: str) -> bool:
    """Tell whether a status says that the row holds no more.

    Examples
    --------
    >>> is_removed("Removed in 2022"), is_removed("Deleted"), is_removed("Added"), is_removed("")
    (True, True, False, False)
    """
    return re.match(r"(remov|delet|inactiv|retired|drop)", text.strip().lower()) is not None


def sheet_named(book: Book, pattern: str, said: str) -> Sheet:
    """Return the sheet whose name fits.

    Raises
    ------
    InputError
        When there is none among those that can be seen, or more than one.
    """
    found = [sheet for sheet in book.sheets if re.search(pattern, sheet.name, re.IGNORECASE)]
    if len(found) == 1:
        return found[0]
    hidden = [name for name in book.hidden if re.search(pattern, name, re.IGNORECASE)]
    listed = ", ".join(repr(sheet.name) for sheet in book.sheets) or "none"
    raise InputError(
        f"{book.file} has {len(found)} sheets {said}; its sheets are {listed}"
        + (f", and hidden {', '.join(map(repr, hidden))}" if hidden else ""),
        expected=f"one sheet {said}",
        hint="unhide the sheet in a spreadsheet program and save the file"
        if hidden
        else "check that it is the right file",
    )
