"""Writes sheets as an Excel file, all laid out alike."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_range
from xlsxwriter.worksheet import Worksheet

from riskstd.report.wording import MISSING, SUPPRESSED, Suppressed
from riskstd.report.workbook.sheet import END, HEADER_ROW, NO_CASES, Cell, Field, Sheet, Styled, plain, unique_headers

LINE_HEIGHT = 15.0
"""Points."""
_CREATED = datetime(2000, 1, 1)
_DAY_ZERO = date(1899, 12, 30)
_TEXT: Mapping[str, Any] = {"valign": "top"}
_STYLES: Mapping[str, Mapping[str, Any]] = {
    "text": _TEXT,
    "wrap": {**_TEXT, "text_wrap": True},
    "mark": {**_TEXT, "align": "right"},
    "date": {**_TEXT, "num_format": "yyyy-mm-dd", "align": "right"},
    "count": {**_TEXT, "num_format": "#,##0"},
    "key": {**_TEXT, "num_format": "0"},
    **{f"real{n}": {**_TEXT, "num_format": f"#,##0.{'0' * n}"} for n in range(1, 7)},
    "title": {"bold": True, "font_size": 14},
    "heading": {"bold": True},
    "header": {
        "bold": True,
        "text_wrap": True,
        "valign": "vcenter",
        "bg_color": "#1F4E79",
        "font_color": "#FFFFFF",
        "border": 1,
        "border_color": "#BFBFBF",
    },
    "note": {"font_color": "#404040"},
}


def write_sheets(sheets: Sequence[Sheet], heading: tuple[str, str], *, title: str, footer: str) -> bytes:
    """Write sheets as a workbook; the same sheets give the same bytes.

    Parameters
    ----------
    sheets : sequence of Sheet
    heading : tuple of str
        Facility and period: rows 2 and 3 of every sheet; row 1 is the sheet's title.
    title : str
        Title in the properties of the document, which name no person and no time.
    footer : str
        Left part of the printed footer.

    Returns
    -------
    bytes
        A file in the format of Excel (.xlsx).
    """
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    book.set_properties({"title": title, "created": _CREATED})
    book.read_only_recommended()
    formats = {name: book.add_format(dict(style)) for name, style in _STYLES.items()}
    for number, sheet in enumerate(sheets):
        writer = _Writer(book.add_worksheet(sheet.name), formats)
        writer.write(sheet, heading, f"Table{number}_{re.sub('[^A-Za-z]', '_', sheet.name)}", footer)
    book.close()
    return stream.getvalue()


class _Writer:
    """Writes one sheet."""

    def __init__(self, page: Worksheet, formats: dict[str, Format]) -> None:
        self.page = page
        self.formats = formats

    def write(self, sheet: Sheet, heading: tuple[str, str], table_name: str, footer: str) -> None:
        for row, (text, style) in enumerate(zip((sheet.title, *heading), ("title", "heading", "heading"), strict=True)):
            self.text(row, 0, text, style)
        self.text(3, 0, sheet.intro, "note")
        self._table(sheet, table_name)
        last = HEADER_ROW + max(1, len(sheet.rows))
        last = self._notes(sheet, last + 1)
        self.text(last + 1, 0, END, "text")
        self._layout(sheet, footer)

    def text(self, row: int, column: int, text: str, style: str) -> None:
        if text:
            self.page.write_string(row, column, plain(text), self.formats[style])

    def cell(self, row: int, column: int, cell: Cell, style: str) -> None:
        value, style = cell if isinstance(cell, Styled) else (cell, style)
        if isinstance(value, str):
            is_word = style in {"text", "wrap"}
            self.text(row, column, value, style if is_word else "mark")
        elif isinstance(value, Suppressed):
            self.text(row, column, SUPPRESSED, "mark")
        elif isinstance(value, date):
            self.page.write_number(row, column, (value - _DAY_ZERO).days, self.formats["date"])
        elif value is None or not math.isfinite(value):
            self.text(row, column, MISSING, "mark")
        else:
            self.page.write_number(row, column, value, self.formats[style])

    def _table(self, sheet: Sheet, name: str) -> None:
        for column, cell in enumerate(sheet.above):
            if cell != "":
                self.cell(HEADER_ROW - 1, column, cell, "real6" if column else "text")
        styles = [column.style for column in sheet.fields]
        empty = [[NO_CASES, *[""] * (len(styles) - 1)]]
        for row, cells in enumerate(sheet.rows or empty, start=HEADER_ROW + 1):
            for column, (cell, style) in enumerate(zip(cells, styles, strict=True)):
                self.cell(row, column, cell, style)
            # programs that do not fit heights themselves would print wrapped lines over each other
            lines = max(_line_count(cell, declared) for cell, declared in zip(cells, sheet.fields, strict=True))
            if lines > 1:
                self.page.set_row(row, LINE_HEIGHT * lines)
        headers = unique_headers([column.header for column in sheet.fields])
        columns = [{"header": header, "header_format": self.formats["header"]} for header in headers]
        options = {"name": name, "style": "Table Style Light 1", "columns": columns}
        last = HEADER_ROW + max(1, len(sheet.rows))
        if self.page.add_table(HEADER_ROW, 0, last, len(styles) - 1, options) != 0:
            raise RuntimeError(f"sheet {sheet.name!r} cannot hold its table")

    def _notes(self, sheet: Sheet, row: int) -> int:
        """Write paragraphs as lines no wider than the table; return the row after which the sheet ends."""
        width = int(min(150, max(80, sum(column.width for column in sheet.fields))))
        for note in sheet.notes:
            for line in textwrap.wrap(note, width):
                row += 1
                self.text(row, 0, line, "note")
        return row + 1 if sheet.notes else row

    def _layout(self, sheet: Sheet, footer: str) -> None:
        page = self.page
        for column, declared in enumerate(sheet.fields):
            page.set_column(column, column, declared.width)
        lines = max(math.ceil(len(declared.header) / (declared.width - 4)) for declared in sheet.fields)
        page.set_row(HEADER_ROW, LINE_HEIGHT * max(2, lines))
        page.freeze_panes(HEADER_ROW + 1, sheet.frozen_columns)
        page.set_landscape()
        page.set_paper(1)
        page.fit_to_pages(1, 0)
        page.repeat_rows(HEADER_ROW - 1 if len(sheet.above) else HEADER_ROW, HEADER_ROW)
        last = HEADER_ROW + max(1, len(sheet.rows))
        page.ignore_errors({"number_stored_as_text": xl_range(HEADER_ROW + 1, 0, last, len(sheet.fields) - 1)})
        page.set_footer(f"&L{footer.replace('&', '&&')}&RPage &P of &N")


def _line_count(cell: Cell, declared: Field) -> int:
    """Lines that a cell takes in its column."""
    value, style = cell if isinstance(cell, Styled) else (cell, declared.style)
    if style != "wrap" or not isinstance(value, str):
        return 1
    return max(1, len(textwrap.wrap(value, int(declared.width))))
