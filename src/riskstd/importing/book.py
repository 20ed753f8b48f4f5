"""Files as sheets of text cells: workbooks, comma- or tab-separated text, plain lines."""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskstd.errors import InputError

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_BLANKS = re.compile(r"[\s\u00a0\u200b\ufeff]+")
_OLE, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
_DELIMITERS = ",\t;|"
_SAVE_AS = "open it in a spreadsheet program and save it as .xlsx or as CSV"
DATE_CELL = "(a date)"
"""What a cell that a spreadsheet program has turned into a date is read as: no code is written like that."""


@dataclass(frozen=True)
class Sheet:
    """One sheet: cleaned text by row and column, without the blank cells at the ends of rows.

    Attributes
    ----------
    name : str
        Empty for a text file.
    rows : list of list of str
    hidden_rows : int
        Rows that the workbook hides; they are read like the others.
    merged : int
        Merged ranges; every cell of one has its value.
    """

    name: str
    rows: list[list[str]] = field(repr=False)
    hidden_rows: int = 0
    merged: int = 0

    def cell(self, row: int, column: int) -> str:
        """Return the text of a cell by position from 0; empty outside of the sheet."""
        cells = self.rows[row] if 0 <= row < len(self.rows) else []
        return cells[column] if 0 <= column < len(cells) else ""

    def place(self, row: int, column: int | None = None) -> str:
        """Name a cell or a row, for example `sheet 'PR.3', cell B17` or `line 9`."""
        if not self.name:
            return f"line {row + 1}" if column is None else f"line {row + 1}, column {column + 1}"
        where = f"row {row + 1}" if column is None else f"cell {column_letters(column)}{row + 1}"
        return f"sheet {self.name!r}, {where}"


@dataclass(frozen=True)
class Book:
    """A file that was read: its sheets in order, and what identifies it.

    Attributes
    ----------
    file : str
        Name of the file, without folders.
    sha256 : str
    sheets : list of Sheet
        Those that can be seen.
    hidden : list of str
        Names of hidden sheets, which are not read.
    dated : str
        Day of the last change that the workbook itself carries; empty for text.
    lines : list of str
        Lines of a text file, as they are.
    """

    file: str
    sha256: str
    sheets: list[Sheet] = field(repr=False)
    hidden: tuple[str, ...] = ()
    dated: str = ""
    lines: list[str] = field(default_factory=list, repr=False)

    def first_words(self, rows: int = 12) -> str:
        """Return the text of the first rows of every sheet, where titles are."""
        return " ".join(cell for sheet in self.sheets for row in sheet.rows[:rows] for cell in row)


def column_letters(column: int) -> str:
    """Return the letters of a column by position from 0.

    Examples
    --------
    >>> column_letters(0), column_letters(27)
    ('A', 'AB')
    """
    letters, number = "", column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def clean_text(text: str) -> str:
    """Return text without blanks at its ends; any run of blanks, non-breaking ones too, becomes one.

    Examples
    --------
    >>> clean_text(" K50.90\\u00a0 ")
    'K50.90'
    """
    return _BLANKS.sub(" ", text).strip()


def read_book(path: Path) -> Book:
    """Read a workbook (.xlsx, .xlsm) or a text file.

    Raises
    ------
    InputError
        When the file is not there, empty, or of a kind that is not read (.xls, .xlsb, .ods, zip archives).
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file", expected="a workbook (.xlsx) or a text file (.csv, .txt)")
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if content.startswith(_OLE):
        raise InputError(
            f"{path.name} is an Excel 97 workbook (.xls), or one with a password",
            expected="a workbook of kind .xlsx without a password",
            hint=_SAVE_AS,
        )
    if content.startswith(_ZIP):
        sheets, hidden, dated = _read_workbook(content, path.name)
        return Book(path.name, sha256, sheets, hidden, dated)
    lines = _text_lines(content, path.name)
    return Book(path.name, sha256, [Sheet("", _text_rows(lines))], lines=lines)


# ---- workbooks --------------------------------------------------------------------------------


def _read_workbook(content: bytes, name: str) -> tuple[list[Sheet], tuple[str, ...], str]:
    try:
        members = set(zipfile.ZipFile(BytesIO(content)).namelist())
    except zipfile.BadZipFile:
        raise _damaged(name, "BadZipFile") from None
    if "xl/workbook.xml" not in members:
        listed = ", ".join(sorted(members)[:6])
        raise InputError(
            f"{name} is an archive or a workbook of another kind; it holds {listed}",
            expected="a workbook of kind .xlsx, or a text file",
            hint=f"unpack an archive and import the file in it; {_SAVE_AS} for .xlsb and .ods",
        )
    from openpyxl import load_workbook

    try:
        book = load_workbook(BytesIO(content), data_only=True)
    except (KeyError, ValueError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise _damaged(name, type(error).__name__) from None
    shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    hidden = tuple(sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible")
    modified = book.properties.modified
    return [_read_sheet(sheet) for sheet in shown], hidden, modified.date().isoformat() if modified else ""


def _damaged(name: str, kind: str) -> InputError:
    return InputError(f"{name} is a damaged workbook ({kind})", expected="a workbook that opens", hint=_SAVE_AS)


def _read_sheet(sheet: Worksheet) -> Sheet:
    rows = [[_cell_text(cell.value, cell.number_format) for cell in row] for row in sheet.iter_rows()]
    merged = list(sheet.merged_cells.ranges)
    for area in merged:
        _fill(rows, area.bounds)
    hidden = sum(1 for dimension in sheet.row_dimensions.values() if dimension.hidden)
    return Sheet(sheet.title, [_without_end(row) for row in rows], hidden, len(merged))


def _fill(rows: list[list[str]], bounds: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = bounds
    value = rows[top - 1][left - 1]
    for row in rows[top - 1 : bottom]:
        # One column only: a title merged across columns is one cell, not a header of each.
        if left == right:
            row[left - 1] = value


def _cell_text(value: Any, number_format: str) -> str:
    """Text of a cell: whole numbers without a point, with the zeros that its format shows in front."""
    if value is None:
        return ""
    if isinstance(value, datetime | date | time):
        return DATE_CELL
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int):
        zeros = number_format if number_format and set(number_format) == {"0"} else ""
        return str(value).zfill(len(zeros))
    return clean_text(str(value))


# ---- text -------------------------------------------------------------------------------------


def _text_lines(content: bytes, name: str) -> list[str]:
    if b"\x00" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{name} is neither a workbook nor text", expected="a workbook (.xlsx) or a text file")
    lines = decode_text(content).splitlines()
    if not any(line.strip() for line in lines):
        raise InputError(f"{name} is empty", expected="a table")
    return lines


def _text_rows(lines: list[str]) -> list[list[str]]:
    delimiter = _delimiter(lines)
    if delimiter is None:
        return [[line.rstrip()] for line in lines]
    return [_without_end([clean_text(cell) for cell in row]) for row in _split(lines, delimiter)]


def decode_text(content: bytes) -> str:
    """Decode text: UTF-16 or UTF-8 by its mark, UTF-8, else Windows-1252, which older CMS files are in."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _delimiter(lines: Sequence[str]) -> str | None:
    """The mark that splits most of the first lines into the same number of cells, two or more; None if none does."""
    first = [line for line in lines if line.strip()][:200]
    best: tuple[int, str] | None = None
    for mark in _DELIMITERS:
        counts = [len(row) for row in _split(first, mark) if len(row) > 1]
        regular = max((counts.count(n) for n in set(counts)), default=0)
        if 2 * regular > len(first) and (best is None or regular > best[0]):
            best = (regular, mark)
    return None if best is None else best[1]


def _split(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=delimiter)


def _without_end(row: list[str]) -> list[str]:
    last = next((k for k in range(len(row), 0, -1) if row[k - 1]), 0)
    return row[:last]
