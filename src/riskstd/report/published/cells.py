"""Cells of the public facility file: numbers, categories, footnotes, row positions."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from riskstd.rates.rules import CategoryLabels
from riskstd.report.wording import listed

WORDS = CategoryLabels()
"""One wording of the categories for all measures and years."""

_NONE = frozenset({"", "n/a", "na", "not available"})
_INNER_FOOTNOTE = re.compile(r"(.*?)\s*\(\s*(\w+)\s*\)")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?")
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
_STARTS = {
    "better than": WORDS.better,
    "no different": WORDS.no_different,
    "worse than": WORDS.worse,
    "number of cases too small": WORDS.too_few,
}
_ROWS_NAMED = 5


class NumberCell(NamedTuple):
    """A number as it stands in the file; `cut` when its decimals are missing after the point."""

    value: float
    footnote: str
    cut: bool
    readable: bool


class CategoryCell(NamedTuple):
    """A category in the words of `WORDS`; None when there is none."""

    word: str | None
    footnote: str
    readable: bool


@lru_cache(maxsize=65536)
def read_number(cell: str) -> NumberCell:
    """Read a number; empty and N/A are missing, a footnote may stand behind in brackets.

    Examples
    --------
    >>> read_number("1,931").value, read_number("10.").cut, read_number("N/A (5)").footnote
    (1931.0, True, '5')
    >>> read_number("about 9").readable
    False
    """
    text, footnote = _split_footnote(cell)
    if text.lower() in _NONE:
        return NumberCell(math.nan, footnote, cut=False, readable=True)
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if not (_NUMBER.fullmatch(text) and text.isascii()):
        return NumberCell(math.nan, footnote, cut=False, readable=False)
    return NumberCell(float(text), footnote, text.endswith("."), readable=True)


@lru_cache(maxsize=1024)
def read_category(cell: str) -> CategoryCell:
    """Read a category; upper and lower case do not matter.

    Examples
    --------
    >>> read_category("No different than the National Rate").word, read_category("Worse than expected").word
    ('no different', 'worse')
    """
    text, footnote = _split_footnote(cell)
    text = " ".join(text.lower().split())
    word = next((word for start, word in _STARTS.items() if text.startswith(start)), None)
    return CategoryCell(word, footnote, readable=word is not None or text in _NONE)


def pad_zip(cell: str) -> str:
    """Return a ZIP code with the leading zeros that spreadsheets drop; anything else stays as it is.

    Examples
    --------
    >>> pad_zip("501"), pad_zip("02134"), pad_zip("021345"), pad_zip("")
    ('00501', '02134', '021345', '')
    """
    text = cell.strip()
    return text.zfill(5) if text.isdigit() and len(text) < 5 else text


def row_list(rows: Sequence[int]) -> str:
    """Name rows by position, the header being row 1, the first few only.

    Examples
    --------
    >>> row_list([3]), row_list([5, 3]), row_list([9, 8, 7, 6, 5, 4, 3, 2])
    ('row 3', 'rows 3 and 5', 'rows 2, 3, 4, 5, 6 and 3 more')
    """
    rows = sorted(rows)
    shown = [f"{row:,}" for row in rows[:_ROWS_NAMED]]
    if len(rows) > _ROWS_NAMED:
        shown.append(f"{len(rows) - _ROWS_NAMED:,} more")
    return f"{'row' if len(rows) == 1 else 'rows'} {listed(shown)}"


def _split_footnote(cell: str) -> tuple[str, str]:
    text = cell.replace("\N{NO-BREAK SPACE}", " ").strip()
    match = _INNER_FOOTNOTE.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")
