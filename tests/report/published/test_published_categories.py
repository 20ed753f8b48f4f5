"""The category rule applied to published limits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskstd.errors import InputError, OptionError
from riskstd.rates.rules import Standardization
from riskstd.report.published.categories import check_categories
from riskstd.report.published.category_rule import at_category_level, within_rounding
from riskstd.report.published.file import read_published
from riskstd.report.published.intervals import closed_form, fit_interval_form, log_standard_error, z_of
from riskstd.report.published.national import national_value
from riskstd.spec import load_measure

BETTER, WORSE = "Better Than the National Rate", "Worse Than the National Rate"
PUBLISHED = os.environ.get("RISKSTD_PUBLISHED", "")


def test_every_label_follows(samples, read):
    rows = [
        samples.facility(1, asc12=samples.result(3000, 7.0, 5.0, 9.8, BETTER)),
        samples.facility(2, asc12=samples.result(3000, 13.0, 10.0, 16.0, WORSE)),
        samples.facility(3, asc12=samples.result(40, 9.9, 7.0, 14.0)),
        samples.facility(4, asc12=samples.result(40, 12.0, 9.9, 14.0)),
        samples.facility(5, asc12=samples.too_small()),
        samples.facility(6),
    ]
    check = check_categories(read(rows), load_measure("ASC-12"))
    assert (check.n_checked, check.n_misses, check.n_cut) == (4, 0, 0)
    assert (check.national.value, check.national.origin) == (9.9, "published")
    assert check.holds
    assert check.fitting_levels is None
    assert check.sentences == [
        "4 published categories of ASC-12 (data year 2022) were checked against the rule.",
        "Every one follows from its 95 % interval and the national value (9.90, as published).",
    ]


def test_misses_are_listed_with_their_reason(samples, read):
    rows = [
        samples.facility(1, asc18=samples.result(566, 7.0, 5.4, 8.9)),
        samples.facility(2, asc18=samples.result(900, 3.6, 2.7, 4.8)),
        samples.facility(3, asc18=samples.result(900, 7.6, 5.1, 9.9, WORSE)),
        samples.facility(4, asc18=samples.result(30, 5.6, 3.1, 8.9)),
        samples.facility(5, asc18=samples.result(900, 5.6, 3.1, 8.9, WORSE)),
        samples.facility(6, asc18=samples.result(900, 5.6, 3.1, 8.9)),
    ]
    check = check_categories(read(rows), load_measure("ASC-18"))
    stricter = "published labels of this measure follow a stricter rule, which is not public"
    assert check.n_checked == 6
    misses = check.misses.set_index("npi")
    assert misses["reason"].tolist() == [
        stricter, stricter, "rounding of the printed limit",
        "the release gave scores below the 35 cases of this definition", "not known",
    ]  # fmt: skip
    assert misses["by_rule"].tolist() == ["worse", "better", "no different", "too few cases", "no different"]
    assert misses["gap"].tolist()[:3] == [0.3, 0.3, 0.0]
    assert (check.n_misses, check.n_beyond_rounding, check.holds) == (5, 4, False)
    text = " ".join(check.sentences)
    assert "5 do not follow from the 95 % interval and the national value (5.10, as published)." in text
    assert f"Reason known so far (2 of them): {stricter}." in text


def test_a_stricter_level_moves_the_limits(samples, read):
    rows = [samples.facility(1, asc18=samples.result(566, 7.0, 5.4, 8.9))]
    published, measure = read(rows), load_measure("ASC-18")
    assert check_categories(published, measure).n_misses == 1
    stricter = check_categories(published, measure, category_level=0.999)
    assert (stricter.n_misses, stricter.category_level, stricter.display_level) == (0, 0.999, 0.95)
    assert "99.9 % interval" in stricter.sentences[1]
    low, high = check_categories(published, measure).fitting_levels or (0, 0)
    for level, misses in ((low - 0.002, 1), (low, 0), (high, 0)):
        check = check_categories(published, measure, category_level=round(level, 3))
        assert check.n_beyond_rounding == misses


def test_cut_limits_are_left_out(samples, read):
    rows = [
        samples.facility(1, asc12=samples.result(2000, 12.4, "10.", 15.0)),
        samples.facility(2, asc12=samples.result(2000, 12.4, 9.0, 15.0)),
    ]
    check = check_categories(read(rows), load_measure("ASC-12"), 10.5)
    assert (check.n_checked, check.n_cut, check.n_misses) == (1, 1, 0)
    assert "1 facility is left out because the file cuts the decimals of the lower limit." in check.sentences


@pytest.mark.parametrize(
    ("measure_id", "year", "given", "value", "origin"),
    [
        ("ASC-12", "2022", None, 9.9, "published"),
        ("ASC-17", "2023", None, 2.2, "published"),
        ("ASC-19", "2021", None, 1.0, "definition"),
        ("ASC-12", "2017", None, 10.5, "estimated"),
        ("ASC-12", "2022", 10.0, 10.0, "given"),
    ],
)
def test_where_the_national_value_is_from(measure_id, year, given, value, origin):
    rows = pd.DataFrame({"year": year, "score": [9.0, 11.0], "cases": [100, 300]})
    found = national_value(rows, load_measure(measure_id), given)
    assert (found.value, found.origin) == (value, origin)


def test_a_national_rate_on_another_scale_is_refused(samples, read):
    rows = [samples.facility(k, asc12=samples.result(score=9 + k)) for k in (1, 2)]
    with pytest.raises(OptionError, match="on another scale than the published scores") as caught:
        check_categories(read(rows), load_measure("ASC-12"), 0.0099)
    assert "visits per 1,000 colonoscopies" in caught.value.hint


def test_nothing_to_check(samples, read):
    with pytest.raises(InputError, match="no facility with score, limits and category"):
        check_categories(read([samples.facility(asc12=samples.too_small())]), load_measure("ASC-12"))
    with pytest.raises(OptionError, match="category_level"):
        check_categories(read([samples.facility()]), load_measure("ASC-12"), category_level=95)


def test_published_scale_counts_whatever_the_option(samples, read):
    expected = "No Different than expected"
    published = read([samples.facility(asc19=samples.result(883, 0.6, 0.4, 1.1, expected))])
    check = check_categories(published, load_measure("ASC-19", options={"scale": "percent"}))
    assert (check.national.value, check.n_misses) == (1.0, 0)


@settings(max_examples=200)
@given(
    ratio=st.floats(0.3, 3.0),
    error=st.floats(0.02, 0.6),
    national=st.sampled_from([1.0, 2.2, 5.1, 9.9]),
    level=st.sampled_from([0.95, 0.98, 0.99]),
)
def test_categories_made_before_rounding_are_within_rounding(ratio, error, national, level):
    rules = Standardization("percent", category_level=level)
    score = ratio * national
    exact = score * np.exp(np.array([-1, 1]) * error * z_of(level))
    category = "better" if exact[1] < national else "worse" if exact[0] > national else "no different"
    printed = score * np.exp(np.array([-1, 1]) * error * z_of(0.95))
    rows = pd.DataFrame({"score": [score], "lower": printed[:1], "upper": printed[1:], "category": category}).round(1)
    assert within_rounding(rows, rules, national).all()


def test_rounding_explains_half_a_unit_and_no_more():
    rows = pd.DataFrame({"score": 7.0, "lower": [5.1, 5.0, 5.2, 5.1], "upper": 9.0})
    rows["category"] = ["worse", "worse", "no different", "no different"]
    assert within_rounding(rows, Standardization(), 5.1).tolist() == [True, False, False, True]


@given(st.floats(0.1, 50), st.floats(0.1, 50))
def test_same_level_leaves_limits_alone(limit, score):
    assert at_category_level([limit], [score], Standardization()) == pytest.approx([limit])


@settings(max_examples=30, deadline=None)
@given(tau=st.floats(0.1, 0.5), information=st.floats(0.005, 0.08), level=st.sampled_from([0.9, 0.95, 0.99]))
def test_spread_is_found_from_interval_widths(tau, information, level):
    cases = np.geomspace(30, 5000, 60)
    score = 5.1 * np.linspace(0.8, 1.25, 60)
    half = z_of(level) * closed_form(cases, score / 5.1, tau, information)
    limits = score * np.exp(-half), score * np.exp(half)
    assert log_standard_error(*limits, level) == pytest.approx(half / z_of(level))
    form = fit_interval_form(cases, score, *limits, comparator=5.1, level=level)
    assert form is not None
    assert (form.tau, form.information_per_case) == pytest.approx((tau, information), rel=1e-3)
    assert form.median_relative_error < 1e-4
    assert form.reliability(100) == pytest.approx(tau**2 / (tau**2 + 1 / (100 * information)), rel=1e-3)


def test_too_few_or_no_intervals_give_no_form():
    nine, many = np.full(9, 10.0), np.full(20, 10.0)
    assert fit_interval_form(nine, nine, nine - 1, nine + 1, comparator=10) is None
    assert fit_interval_form(many, many, many, many, comparator=10) is None
    assert fit_interval_form(many, many, many - 1, many + 1, comparator=10) is None


@pytest.fixture(scope="module")
def july_2024():
    """Figures of the tests that use it were counted from the public file itself."""
    if not PUBLISHED:
        pytest.skip("RISKSTD_PUBLISHED names no folder with the file of July 2024")
    return read_published(next(Path(PUBLISHED).glob("asc_facility*2022*.csv*")))


@pytest.mark.parametrize(
    ("measure_id", "checked", "misses", "beyond_rounding"),
    [("ASC-12", 1905, 0, 0), ("ASC-17", 1715, 11, 11), ("ASC-18", 576, 9, 9), ("ASC-19", 1427, 1, 0)],
)
def test_categories_of_july_2024(july_2024, measure_id, checked, misses, beyond_rounding):
    check = check_categories(july_2024, load_measure(measure_id))
    assert (check.n_checked, check.n_misses, check.n_beyond_rounding) == (checked, misses, beyond_rounding)


@pytest.mark.parametrize(
    ("measure_id", "tau"), [("ASC-12", 0.197), ("ASC-17", 0.242), ("ASC-18", 0.235), ("ASC-19", 0.305)]
)
def test_spread_of_july_2024(july_2024, measure_id, tau):
    rows = july_2024.measure(measure_id)
    columns = (rows[name].to_numpy(float, na_value=np.nan) for name in ("cases", "score", "lower", "upper"))
    national = national_value(rows, load_measure(measure_id)).value
    form = fit_interval_form(*columns, comparator=national)
    assert form is not None
    assert form.tau == pytest.approx(tau, rel=0.05)


def test_counts_of_july_2024(july_2024):
    counts = july_2024.measure("ASC-12")["category"].value_counts()
    assert (counts["better"], counts["no different"], counts["worse"]) == (8, 1888, 9)
    assert len(july_2024.measure("ASC-12")) == 5689
