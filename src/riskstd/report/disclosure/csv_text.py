"""Tables as comma-separated text that spreadsheet programs read as text and numbers, never as formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that a spreadsheet program may take for the start of a formula."""


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    r"""Return a table as CSV: UTF-8, lines end with a line feed, an apostrophe before what starts like a formula.

    Examples
    --------
    >>> csv_bytes(["name", "cases"], [["=1+1", "12"]])
    b"name,cases\n'=1+1,12\n"
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([plain_cell(cell) for cell in row] for row in (header, *rows))
    return stream.getvalue().encode("utf-8")


def plain_cell(text: str) -> str:
    """Return text that no program takes for a formula.

    Examples
    --------
    >>> plain_cell("@SUM(A1)"), plain_cell("Hill Surgery Center")
    ("'@SUM(A1)", 'Hill Surgery Center')
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text
