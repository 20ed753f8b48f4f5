"""Sentences are right for none, one and many."""

from __future__ import annotations

import re

import numpy as np
import pytest

from riskstd.report import IntervalFacts
from riskstd.report.disclosure.counts import Counts
from riskstd.report.disclosure.facilities import CategoryCounts
from riskstd.report.national.funnel import calibration_of, funnel_of
from riskstd.report.national.headline import category_sentences, headline, interval_sentence
from riskstd.report.national.model_view import median_odds_ratio
from riskstd.report.national.plots import caterpillar_title, funnel_title
from riskstd.report.national.views import no_model_sentence, note_sentences
from riskstd.report.wording import counted, number
from riskstd.spec import load_measure

RATE = load_measure("ASC-12")
RATIO = load_measure("ASC-19")


@pytest.mark.parametrize(
    ("counts", "first", "second"),
    [
        (
            CategoryCounts(0, 0, 0, 0, 0),
            "No facility has the 30 cases that a score needs.",
            "Every facility has at least 30 cases.",
        ),
        (
            CategoryCounts(0, 0, 0, 1, 0),
            "No facility has the 30 cases that a score needs.",
            "1 facility has fewer than 30 cases and gets no category.",
        ),
        (
            CategoryCounts(1, 0, 0, 2, 0),
            "The one scored facility is better than the national rate.",
            "2 facilities have fewer than 30 cases and get no category.",
        ),
        (
            CategoryCounts(0, 0, 1, 0, 0),
            "The one scored facility is worse than the national rate.",
            "Every facility has at least 30 cases.",
        ),
        (
            CategoryCounts(1, 1998, 1, 312, 0),
            ("Of 2,000 scored facilities, 1 is better than the national rate, 1 is worse and 1,998 are no different."),
            "312 facilities have fewer than 30 cases and get no category.",
        ),
        (
            CategoryCounts(0, 2, 0, 0, 0),
            ("Of 2 scored facilities, none is better than the national rate, none is worse and 2 are no different."),
            "Every facility has at least 30 cases.",
        ),
        (
            CategoryCounts(0, 0, 0, 0, 1),
            "1 facility has a score and none has a category, since there are no interval estimates.",
            "Every facility has at least 30 cases.",
        ),
    ],
)
def test_categories(counts, first, second):
    assert category_sentences(counts, RATE) == [first, second]


def test_categories_of_a_ratio():
    text = category_sentences(CategoryCounts(2, 5, 0, 0, 0), RATIO)[0]
    assert text == "Of 7 scored facilities, 2 are better than expected, none is worse and 5 are no different."
    assert category_sentences(CategoryCounts(0, 1, 0, 0, 0), RATIO)[0].endswith("no different from what is expected.")


@pytest.mark.parametrize(
    ("n", "events", "first", "second"),
    [
        (0, 0, "No colonoscopies are in the cohort", "So none can have had an unplanned hospital visit"),
        (1, 0, "1 colonoscopy is in the cohort", "It did not have an unplanned"),
        (
            2,
            1,
            "2 colonoscopies are in the cohort",
            "1 of them had an unplanned hospital visit on days 0 to 7 (50.0 %).",
        ),
        (12345, 200, "12,345 colonoscopies are in the cohort", "200 of them had"),
    ],
)
def test_cases_and_events(make_report, n, events, first, second):
    content = make_report("ASC-12", rates=None, n_cases=n, n_events=events)
    counts = Counts({"cases": n, "events": events}, frozenset())
    sentences = headline(content, counts, None)
    assert sentences[0].startswith(first)
    assert sentences[1].startswith(second)
    assert sentences[-1] == "There is no model and there are no rates, since the data were too few."


def test_headline_with_hidden_counts_holds_no_number_of_them(make_report):
    content = make_report("ASC-12", rates=None, n_cases=40, n_events=3)
    hidden = Counts({"cases": 40, "events": 3}, frozenset({"events"}))
    text = " ".join(headline(content, hidden, None))
    assert not re.search(r"\b3\b|7\.5", text.replace(content.period, "").replace("days 0 to 7", ""))


def test_the_national_rate_is_in_the_scale_of_the_measure(make_report):
    content = make_report("ASC-12", 30, national_rate=0.00987)
    counts = Counts({"cases": content.n_cases, "events": content.n_events}, frozenset())
    sentences = headline(content, counts, CategoryCounts(0, 20, 0, 10, 0))
    assert sentences[2].endswith("is 9.87 visits per 1,000 colonoscopies.")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (IntervalFacts("none"), "No interval estimates were made."),
        (
            IntervalFacts("bootstrap", replicates=1, dropped=0, seed=4),
            "1 bootstrap replicate of whole facilities, of which none was dropped (seed 4).",
        ),
        (IntervalFacts("bootstrap", replicates=2000, dropped=1, seed=4), "of which 1 was dropped"),
        (IntervalFacts("bootstrap", replicates=2000, dropped=12, seed=4), "of which 12 were dropped"),
        (
            IntervalFacts("plug-in", level=0.9, category_level=0.99),
            "level of 90 %; categories are read from intervals of 99 %.",
        ),
    ],
)
def test_intervals(make_report, facts, says):
    assert says in interval_sentence(make_report("ASC-12", 20, interval=facts))


def with_categories(rates, better=0, worse=0):
    labels = RATE.definition.score.categories.labels
    words = [labels.better] * better + [labels.worse] * worse
    rates = rates.assign(cases=100)
    return rates.assign(category=words + [labels.no_different] * (len(rates) - len(words)))


@pytest.mark.parametrize(
    ("n", "better", "worse", "title"),
    [
        (5, 0, 0, "None of 5 facilities differs from the national rate"),
        (5, 1, 0, "1 of 5 facilities differs from the national rate"),
        (5, 1, 2, "3 of 5 facilities differ from the national rate"),
        (1, 0, 0, "The one scored facility does not differ from the national rate"),
        (1, 0, 1, "The one scored facility differs from the national rate"),
    ],
)
def test_title_of_the_caterpillar(make_rates, n, better, worse, title):
    assert caterpillar_title(with_categories(make_rates(RATE, n, 1), better, worse), RATE) == title


@pytest.mark.parametrize(
    ("observed", "title"),
    [
        ([2, 2, 2], "All 3 facilities lie within the 99.8 % control limits"),
        ([40, 2, 2], "1 of 3 facilities lies outside the 99.8 % control limits"),
        ([40, 40, 2], "2 of 3 facilities lie outside the 99.8 % control limits"),
        ([2], "The one facility lies within the 99.8 % control limits"),
    ],
)
def test_title_of_the_funnel(make_rates, observed, title):
    rates = make_rates(RATE, len(observed), 1).assign(cases=100, expected=0.02, observed=observed)
    assert funnel_title(funnel_of(rates, RATE, national_rate=0.02)) == title


def test_words_for_notes():
    counts = Counts({"lost": 1798, "cases": 40}, frozenset({"lost"}))
    assert note_sentences(["done", "3 lost"], counts, "facility") == ["Done.", "3 lost."]
    public = note_sentences(["3 lost", "1,798 lost", "none lost"], counts, "public")
    assert public == ["None lost.", "2 further notes are not shown here, since a small count may be stated."]


def test_reason_without_a_model_keeps_small_counts_private(make_report):
    content = make_report("ASC-12", rates=None, no_model_reason="4 cases have a visit")
    counts = Counts({}, frozenset())
    assert no_model_sentence(content, counts, "facility") == "4 cases have a visit."
    assert "4" not in no_model_sentence(content, counts, "public")


def test_numbers():
    assert counted(1, "day", "days") == "1 day"
    assert number(-0.5, 1) == "−0.5"
    assert number(float("nan")) == "–"


def test_median_odds_ratio_is_1_without_spread():
    assert median_odds_ratio(0.0) == 1.0
    draws = np.random.default_rng(0).normal(0, 0.3, (200_000, 2))
    assert median_odds_ratio(0.3) == pytest.approx(np.median(np.exp(np.abs(draws[:, 0] - draws[:, 1]))), rel=0.01)


def test_calibration_makes_observed_and_expected_equal(make_rates):
    rates = make_rates(RATE, 40, 2)
    total = (rates["cases"] * rates["expected"]).sum() * calibration_of(rates)
    assert total == pytest.approx(rates["observed"].sum())
