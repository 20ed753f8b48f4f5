"""Sentences of the national report are right for none, one and many."""

from __future__ import annotations

import math

import numpy as np
import pytest

from riskstd.model.assess import CStatistic
from riskstd.report.disclosure.counts import Counts
from riskstd.report.national.cohort_figures import day_sentence
from riskstd.report.national.model_quality import ModelQuality
from riskstd.report.national.model_view import latent_icc
from riskstd.report.national.outliers import more_sentence
from riskstd.report.national.quality_view import quality_sentence
from riskstd.report.national.shrinkage_figure import shrinkage_sentence
from riskstd.report.national.volume import VolumeNeed, reliability_at, volume_for, volume_needs, volume_sentences
from riskstd.report.national.volume_figures import volume_sentence
from riskstd.spec import load_measure

NOUNS = ("scored facility", "scored facilities")


def needs_of(*facilities: int) -> list[VolumeNeed]:
    return [VolumeNeed(r, c, n) for r, c, n in zip((0.4, 0.6, 0.7), (100.2, 225.0, 350.0), facilities, strict=True)]


@pytest.mark.parametrize(
    ("facilities", "total", "second"),
    [
        ((3, 1, 0), 9, "3, 1 and 0 of 9 scored facilities have that many."),
        ((0, 0, 0), 9, "None of 9 scored facilities has that many."),
        ((1, 1, 0), 1, "The one scored facility has enough for 0.4 and 0.6."),
        ((0, 0, 0), 1, "The one scored facility has fewer."),
    ],
)
def test_volume_in_words(facilities, total, second):
    first = "A reliability of 0.4, 0.6 and 0.7 needs about 101, 225 and 350 cases, in this order."
    assert volume_sentences(needs_of(*facilities), total, NOUNS) == [first, second]


def test_volume_without_any_difference_between_facilities():
    text = volume_sentences(volume_needs(np.array([50.0]), 0.0, 0.02), 1, NOUNS)
    assert text == ["No volume gives a reliability above 0, since no difference between facilities could be estimated."]


@pytest.mark.parametrize("level", [0.4, 0.6, 0.7])
def test_the_needed_volume_has_the_reliability(level):
    cases = volume_for(level, 0.35, 0.019)
    assert reliability_at(np.array([cases]), 0.35, 0.019)[0] == pytest.approx(level)


@pytest.mark.parametrize(
    ("visits", "says"),
    [
        ((0, 0), "No visit counts."),
        ((1, 0), "The one visit that counts starts on day 0."),
        ((1, 1), "Of 2 visits that count, 1 each starts on days 0 and 1."),
        ((5, 5), "Of 10 visits that count, 5 each start on days 0 and 1."),
        ((5, 9), "Of 14 visits that count, 9 start on day 1, more than on any other day."),
    ],
)
def test_days_in_words(visits, says):
    counts = Counts({f"day.all.{day}": n for day, n in enumerate(visits)}, frozenset(), days=(0, 1))
    assert day_sentence(counts) == f"Day 0 is the procedure date. {says}"


def test_days_in_words_hold_no_hidden_number():
    counts = Counts({"day.all.0": 3, "day.all.1": 40}, frozenset({"day.all.0"}), days=(0, 1))
    assert day_sentence(counts) == "Day 0 is the procedure date. [c]: not shown."


@pytest.mark.parametrize(
    ("observed", "ends"),
    [
        ([0.5, 2.0], "belong to large facilities."),
        ([0.0, 2.0], "The one facility without a visit does not score 0 but 0.90."),
        ([0.0, 0.0], "The 2 facilities without a visit do not score 0 but 0.80 to 0.90."),
    ],
)
def test_shrinkage_in_words(observed, ends):
    assert shrinkage_sentence(np.array(observed), np.array([0.9, 0.8])).endswith(ends)


def test_scores_by_volume_are_compared_for_many_facilities_only():
    measure = load_measure("ASC-12")
    assert volume_sentence(np.array([40.0, 50.0]), np.array([9.0, 11.0]), measure) == ""
    text = volume_sentence(np.arange(100.0, 180.0, 10.0), np.arange(8.0, 16.0), measure)
    assert text == (
        "Scores of the quarter with the fewest cases (up to 117) run from 8.0 to 9.0, of the quarter with the most "
        "(153 or more) from 14.0 to 15.0."
    )


def test_c_statistic_in_words():
    quality = ModelQuality(c=CStatistic(0.6832, 0.01, 0.66, 0.70, 0.95, 1000, 40))
    assert quality_sentence(quality).endswith(
        "the higher risk 68 times in 100 (c-statistic 0.68); 50 would be a coin toss."
    )


def test_icc_is_a_share_of_the_logistic_variance():
    assert latent_icc(0.0) == 0.0
    assert latent_icc(math.pi / math.sqrt(3)) == pytest.approx(0.5)


def test_cut_tables_say_what_is_left():
    assert more_sentence(0, 50) == ""
    assert more_sentence(53, 50) == "3 further facilities are in the facility table."
