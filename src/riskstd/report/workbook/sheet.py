"""Sheets of a workbook as plain rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

import numpy as np

from riskstd.report.wording import Suppressed

NO_CASES = "NQ"
"""Text form of a figure about no cases at all."""
NOT_APPLICABLE = "N/A"
"""Text form of a figure that makes no sense where it stands."""
END = "End of worksheet"

HEADER_ROW = 6
"""Row of the column headers, counted from 0; the row above it holds coefficients."""

_LONGEST_TEXT = 32767
_LONGEST_HEADER = 250
_ACTIVE = re.compile(r"^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

Value = str | int | float | date | Suppressed | None


class Styled(NamedTuple):
    """A value with a style of its own, in a column whose cells differ."""

    value: Value
    style: str


Cell = Value | Styled


@dataclass(frozen=True)
class Field:
    """One column: header with unit, what it means, number style, width in characters."""

    header: str
    meaning: str
    style: str = "text"
    width: float = 12.0

    @property
    def kind(self) -> str:
        """Kind of value in words."""
        if self.style in {"text", "wrap"}:
            return "text"
        if self.style == "date":
            return "date"
        return "whole number" if self.style in {"count", "key"} else "number"


@dataclass(frozen=True, eq=False)
class Sheet:
    """One sheet: a table with what stands above and below it.

    Attributes
    ----------
    name, title : str
    fields : tuple of Field
    rows : sequence of sequences of Cell
        A table without rows gets one that says so.
    intro : str
        One line above the table.
    above : sequence of Cell
        One cell per column right above the headers, or nothing.
    notes : tuple of str
        Paragraphs below the table.
    frozen_columns : int
        Columns that stay when a reader scrolls to the right.
    holds : str
        What the sheet is for, for the cover.
    """

    name: str
    title: str
    fields: tuple[Field, ...]
    rows: Sequence[Sequence[Cell]] = field(repr=False)
    intro: str = ""
    above: Sequence[Cell] = ()
    notes: tuple[str, ...] = ()
    frozen_columns: int = 0
    holds: str = ""


def text_sheet(
    name: str, title: str, headers: tuple[str, str], rows: Sequence[tuple[str, str]], intro: str, holds: str = ""
) -> Sheet:
    """Return a sheet of two columns of words."""
    fields = (Field(headers[0], "What the row is about.", "wrap", 30), Field(headers[1], "Text.", "wrap", 110))
    return Sheet(name, title, fields, rows, intro=intro, holds=holds)


def plain(text: str) -> str:
    """Return text that no program takes for a formula: an apostrophe goes before a sign that starts one.

    Examples
    --------
    >>> plain("=1+1"), plain("Smith"), plain("[c]")
    ("'=1+1", 'Smith', '[c]')
    """
    text = text[: _LONGEST_TEXT - 1]
    return f"'{text}" if _ACTIVE.match(text) else text


def unique_headers(headers: Sequence[str]) -> list[str]:
    """Return headers on one line each, made different where they are not.

    Examples
    --------
    >>> unique_headers(["Stroke", "stroke", "Age"])
    ['Stroke', 'stroke (2)', 'Age']
    """
    seen: set[str] = set()
    result = []
    for header in headers:
        base = plain(" ".join(header.split())[:_LONGEST_HEADER]) or "Column"
        name, count = base, 1
        while name.lower() in seen:
            count += 1
            name = f"{base} ({count})"
        seen.add(name.lower())
        result.append(name)
    return result


def as_date(value: object) -> date | None:
    """Return a day as a date, whatever type a table held it in; None if there is none."""
    if isinstance(value, datetime):
        return None if value != value else value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, np.datetime64) and not np.isnat(value):
        return value.astype("datetime64[D]").item()
    return None
