"""Rows of a sheet and the file made of them."""

from __future__ import annotations

import io
from datetime import date, datetime

import numpy as np
import openpyxl
import pandas as pd
import pytest

from riskstd.report.wording import HIDDEN
from riskstd.report.workbook.sheet import Field, Sheet, Styled, as_date, plain, unique_headers
from riskstd.report.workbook.writer import write_sheets


def cells(fields, rows, **more):
    sheet = Sheet("Data", "A title", fields, rows, **more)
    content = write_sheets([sheet], ("Facility", "Period"), title="T", footer="A & B")
    return openpyxl.load_workbook(io.BytesIO(content))["Data"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_signs_that_start_a_formula_are_neutralised(text):
    assert plain(text) == "'" + text
    found = cells((Field("=header", ""), Field("@b", "")), [[text, text]], notes=(text + " note",), intro=text)
    assert found["A8"].data_type == "s"
    assert found["A8"].value.startswith("'")
    assert found["A7"].value == "'=header"
    assert found["A4"].value.startswith("'")


def test_marks_are_distinct():
    fields = tuple(Field(name, "", "count") for name in "abcde")
    row = cells(fields, [[HIDDEN, None, "NQ", "N/A", 0]])[8]
    assert [cell.value for cell in row] == ["[c]", "\N{EN DASH}", "NQ", "N/A", 0]


def test_numbers_dates_and_styles():
    fields = (Field("n", "", "count"), Field("p", "", "real6"), Field("d", "", "date"), Field("s", "", "count"))
    row = cells(fields, [[np.int64(3), np.float64(1 / 3), date(2024, 2, 29), Styled(0.5, "real2")]])[8]
    assert row[0].value == 3
    assert row[1].value == pytest.approx(1 / 3, abs=1e-15)
    assert row[2].value == datetime(2024, 2, 29)
    assert row[3].number_format == "#,##0.00"


def test_an_empty_table_says_so():
    assert cells((Field("a", ""), Field("b", "")), [])["A8"].value == "NQ"


def test_headers_are_unique_and_on_one_line():
    assert unique_headers(["A\nb", "a b", "", "x" * 400])[:3] == ["A b", "a b (2)", "Column"]
    assert len(unique_headers(["x" * 400])[0]) < 256


def test_text_of_any_length_and_with_markup_is_kept():
    found = cells((Field("a", ""), Field("b", "")), [["<b>&'\"\x07", "y" * 40_000]])
    assert found["A8"].value.startswith("<b>&'\"")
    assert len(found["B8"].value) == 32_766


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (date(2024, 1, 2), date(2024, 1, 2)),
        (pd.Timestamp("2024-01-02"), date(2024, 1, 2)),
        (np.datetime64("2024-01-02"), date(2024, 1, 2)),
        (pd.NaT, None),
        (None, None),
    ],
)
def test_days_of_any_type_become_dates(value, day):
    assert as_date(value) == day
