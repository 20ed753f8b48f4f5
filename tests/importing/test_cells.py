"""Cells as codes, headers below titles, spans of years: properties over drawn input."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given as given_in_time
from hypothesis import settings
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter

from riskstd.errors import SpecError
from riskstd.importing.book import column_letters, decode_text
from riskstd.importing.codes import CC, CCS, HCPCS, ICD10CM, ICD10PCS, REVENUE
from riskstd.importing.report import shown_cell
from riskstd.spec.tableset import edition_spans
from riskstd.spec.years import Years


def given(*strategies):
    """Draw without a time limit: the machine may be busy."""
    return lambda test: settings(deadline=None)(given_in_time(*strategies)(test))


PCS = st.from_regex(r"[0-9A-HJ-NP-Z]{7}", fullmatch=True)
CPT = st.integers(100, 99999).map(lambda n: f"{n:05d}")
BLANK = st.sampled_from(["", " ", "\u00a0", "  "])


@given(PCS, BLANK, BLANK)
def test_a_procedure_code_is_read_whatever_stands_around_it(code, before, after):
    assert ICD10PCS.read(f"{before}{code.lower()}{after}") == code


@given(CPT, st.sampled_from(["{}", "{}.0", "{}.00", "'{}", " {} "]))
def test_a_number_that_lost_its_zeros_gets_them_back(code, form):
    assert HCPCS.read(form.format(int(code))) == code
    assert HCPCS.read(form.format(code)) == code


@given(st.text(max_size=12))
def test_whatever_is_read_is_a_code_of_its_form(text):
    for form in (ICD10CM, ICD10PCS, HCPCS, CCS, CC, REVENUE):
        code = form.read(text)
        assert code is None or form.pattern.fullmatch(code)
        assert code is None or form.read(code) == code


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (ICD10CM, "U"),
        (ICD10CM, "45378"),
        (ICD10CM, "1.00E+05"),
        (ICD10PCS, "0DJD8Z"),
        (ICD10PCS, "0DJD8OZ"),
        (HCPCS, "12"),
        (HCPCS, "J18.99"),
        (HCPCS, "78 79"),
        (CCS, "0"),
        (CCS, "12345"),
        (CC, "202"),
        (CC, "85a"),
        (REVENUE, "45"),
    ],
)
def test_what_is_no_code(form, text):
    assert form.read(text) is None


@pytest.mark.parametrize(("text", "number"), [("CC 85", "85"), ("HCC085", "85"), ("CMS-HCC 85", "85"), ("85.0", "85")])
def test_condition_categories_with_letters(text, number):
    assert CC.read(text) == number


@given(st.text(min_size=9, max_size=40))
def test_no_long_text_is_shown(text):
    shown = shown_cell(text)
    assert len(shown.replace(".", "")) <= 7 or shown.endswith(" characters)")


@given(st.integers(0, 16000))
def test_columns_are_lettered_as_spreadsheets_do(column):
    assert column_letters(column) == get_column_letter(column + 1)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufeff"), min_size=1))
def test_text_comes_back_from_utf_8_and_utf_16(text):
    assert decode_text(text.encode("utf-8-sig")) == text
    assert decode_text(text.encode("utf-8")) == text
    assert decode_text(text.encode("utf-16")) == text


@given(st.lists(st.integers(2000, 2040), min_size=1, max_size=6, unique=True))
def test_every_year_has_just_one_edition_and_it_is_the_nearest_earlier_else_the_first(years):
    years.sort()
    spans = edition_spans([SimpleNamespace(years=str(year)) for year in years])  # type: ignore[misc]
    for year in range(1990, 2050):
        holding = [first for first, span in zip(years, spans, strict=True) if year in Years.of(span)]
        assert holding == [max((first for first in years if first <= year), default=years[0])]


def test_editions_of_one_year_are_refused():
    with pytest.raises(SpecError, match="have the same years"):
        edition_spans([SimpleNamespace(years="2022", file=name) for name in ("a.csv", "b.csv")])  # type: ignore[misc]
