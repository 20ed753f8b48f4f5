"""c-statistic against pair counting, the Mann-Whitney statistic and repeated sampling."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import mannwhitneyu, norm

from riskstd.errors import FitError, OptionError
from riskstd.model.assess import c_statistic, compare_c_statistics


def pair_matrix(risk, y):
    """1, 1/2 or 0 for every pair of an event (row) and a non-event (column)."""
    events, others = risk[y == 1], risk[y == 0]
    return (events[:, None] > others) + 0.5 * (events[:, None] == others)


def delong_by_pairs(y, *risks):
    """c of each column of risks, and DeLong's covariance matrix, from all pairs."""
    pairs = [pair_matrix(risk, y) for risk in risks]
    by_event = np.array([m.mean(axis=1) for m in pairs])
    by_other = np.array([m.mean(axis=0) for m in pairs])
    covariance = np.cov(by_event) / by_event.shape[1] + np.cov(by_other) / by_other.shape[1]
    return np.array([m.mean() for m in pairs]), np.atleast_2d(covariance)


@st.composite
def scored_cases(draw, columns=1):
    """Rows with two cases of either outcome at least, ties, and whole weights."""
    n = draw(st.integers(4, 40))
    y = np.array([0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), min_size=n - 4, max_size=n - 4))])
    risks = [np.array(draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))) / 12 for _ in range(columns)]
    weights = np.array(draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)))
    return y, *risks, weights


@settings(max_examples=200, deadline=None)
@given(scored_cases())
def test_equals_pair_counting_with_ties(rows):
    y, risk, _ = rows
    found = c_statistic(y, risk)
    (c,), covariance = delong_by_pairs(y, risk)
    assert_allclose(found.c, c, rtol=1e-12, atol=1e-15)
    assert_allclose(found.se, np.sqrt(covariance[0, 0]), rtol=1e-10, atol=1e-12)
    assert_allclose(found.c, mannwhitneyu(risk[y == 1], risk[y == 0]).statistic / (y.sum() * (y == 0).sum()))
    assert np.isnan(found.lower) == (found.se == 0)
    assert not found.lower > found.c
    assert not found.upper < found.c


@settings(max_examples=200, deadline=None)
@given(scored_cases())
def test_weights_are_repeated_rows_to_the_bit(rows):
    y, risk, weights = rows
    assert_same(c_statistic(y, risk, weights=weights), c_statistic(np.repeat(y, weights), np.repeat(risk, weights)))


@settings(max_examples=100, deadline=None)
@given(scored_cases(), st.integers(0, 2**32 - 1))
def test_binomial_counts_are_single_cases(rows, seed):
    _, risk, trials = rows
    events = np.random.default_rng(seed).integers(0, trials + 1)
    events[:2] = 0, trials[1]
    spread = np.concatenate([np.repeat([1, 0], [k, n - k]) for k, n in zip(events, trials, strict=True)])
    assert_same(c_statistic(events, risk, trials=trials), c_statistic(spread, np.repeat(risk, trials)))


@settings(max_examples=100, deadline=None)
@given(scored_cases(columns=2), st.randoms(use_true_random=False))
def test_row_order_leaves_every_bit(rows, random):
    y, first, second, _ = rows
    weights = np.array([random.uniform(0.2, 3) for _ in y])
    order = np.array(random.sample(range(len(y)), len(y)))
    assert_same(c_statistic(y, first, weights=weights), c_statistic(y[order], first[order], weights=weights[order]))
    one = compare_c_statistics(y, first, second, weights=weights)
    two = compare_c_statistics(y[order], first[order], second[order], weights=weights[order])
    assert (one.difference, repr(one.se)) == (two.difference, repr(two.se))


@settings(max_examples=100, deadline=None)
@given(scored_cases())
def test_only_the_order_of_the_risks_counts(rows):
    y, risk, _ = rows
    assert_same(c_statistic(y, risk), c_statistic(y, 0.01 + 0.5 * risk**3))
    mirrored = c_statistic(y, 1 - risk)
    assert_allclose([mirrored.c, mirrored.se], [1 - c_statistic(y, risk).c, c_statistic(y, risk).se], atol=1e-12)


def assert_same(one, two):
    assert all(
        np.array_equal(a, b, equal_nan=True)
        for a, b in zip(dataclasses.astuple(one), dataclasses.astuple(two), strict=True)
    )


def test_interval_is_symmetric_in_log_odds():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 300)
    found = c_statistic(y, norm.cdf(0.5 * y + rng.normal(size=300)), level=0.9)
    half = norm.ppf(0.95) * found.se / (found.c * (1 - found.c))
    middle = np.log(found.c / (1 - found.c))
    assert_allclose(
        np.log([found.lower / (1 - found.lower), found.upper / (1 - found.upper)]), [middle - half, middle + half]
    )


def test_interval_covers_the_true_value():
    """Two normal distributions a shift apart have c = Phi(shift / sqrt 2)."""
    rng, shift, n_samples = np.random.default_rng(20), 1.0, 1000
    truth, covered = norm.cdf(shift / np.sqrt(2)), 0
    for _ in range(n_samples):
        y = np.repeat([1, 0], [30, 120])
        found = c_statistic(y, norm.cdf(shift * y + rng.normal(size=150)))
        covered += found.lower <= truth <= found.upper
    # three Monte Carlo standard errors around 0.95
    assert abs(covered / n_samples - 0.95) < 3 * np.sqrt(0.95 * 0.05 / n_samples)


def test_perfect_and_single_cases_have_no_interval():
    perfect = c_statistic([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9])
    assert (perfect.c, perfect.se) == (1.0, 0.0)
    assert np.isnan([perfect.lower, perfect.upper]).all()
    single = c_statistic([0, 0, 1], [0.1, 0.4, 0.2])
    assert single.c == 0.5
    assert np.isnan([single.se, single.lower, single.upper]).all()
    assert c_statistic([0, 1, 0, 1], [0.3] * 4).c == 0.5


@settings(max_examples=200, deadline=None)
@given(scored_cases(columns=2))
def test_comparison_equals_pair_counting(rows):
    y, first, second, weights = rows
    found = compare_c_statistics(y, first, second, weights=weights)
    repeated = [np.repeat(column, weights) for column in (y, first, second)]
    c, covariance = delong_by_pairs(*repeated)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert_allclose([found.first.c, found.second.c], c, rtol=1e-12)
    assert_allclose(found.se, np.sqrt(max(variance, 0)), rtol=1e-6, atol=1e-7)
    if found.se > 1e-6:
        assert_allclose(found.p_value, 2 * norm.sf(abs(c[0] - c[1]) / found.se), rtol=1e-9)
        assert_allclose(found.upper - found.lower, 2 * norm.ppf(0.975) * found.se)


def test_a_model_compared_with_itself():
    found = compare_c_statistics([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], [0.2, 0.4, 0.6, 0.8])
    assert (found.difference, found.se) == (0.0, 0.0)
    assert np.isnan(found.p_value)


def test_repr_is_one_sentence():
    found = c_statistic([0, 0, 1, 0, 1], [0.1, 0.2, 0.2, 0.3, 0.6])
    assert repr(found).startswith("c-statistic 0.7500 (95% interval 0.")
    assert repr(found).endswith("of 5 cases, 2 with the event")
    both = compare_c_statistics([0, 0, 1, 0, 1], [0.1, 0.2, 0.2, 0.3, 0.6], [0.1, 0.3, 0.2, 0.4, 0.6])
    assert "differ by 0.0833" in repr(both)


@pytest.mark.parametrize(
    ("y", "predicted", "options", "message"),
    [
        ([0, 1, 1], [0.1, 0.2], {}, "predicted has shape (2,), outcome y has 3 rows"),
        ([0, 1], [0.1, np.nan], {}, "predicted: 1 of 2 rows missing or infinite (row positions from 0: 1)"),
        ([0, 1], [0.1, 1.2], {}, "predicted: 1 of 2 rows outside 0 to 1 (row positions from 0: 1)"),
        ([0, 1], [-2.0, 0.2], {}, "pass probabilities, not log-odds"),
        ([0, 2], [0.1, 0.2], {}, "outcome y: 1 of 2 rows neither 0 nor 1"),
        ([1, 1], [0.1, 0.2], {}, "only events among 2 cases"),
        ([0, 0], [0.1, 0.2], {}, "no events among 2 cases"),
        ([], [], {}, "no events among 0 cases"),
        ([0, 1], ["a", "b"], {}, "predicted cannot be read as numbers"),
        ([0, 1], [0.1, 0.2], {"weights": [1, 0]}, "weights: 1 of 2 rows 0 or below"),
        ([0, 1], [0.1, 0.2], {"weights": [1]}, "weights has shape (1,), outcome y has 2 rows"),
        ([0, 3], [0.1, 0.2], {"trials": [2, 2]}, "outcome y: 1 of 2 rows above trials"),
    ],
)
def test_bad_rows_are_refused(y, predicted, options, message):
    with pytest.raises(FitError) as caught:
        c_statistic(y, predicted, **options)
    assert message in str(caught.value)


def test_bad_level_and_other_index_are_refused():
    for level in (0, 1, 95, "0.95", True):
        with pytest.raises(OptionError, match="level"):
            c_statistic([0, 1], [0.1, 0.2], level=level)
    with pytest.raises(FitError, match="different indexes"):
        c_statistic(pd.Series([0, 1]), pd.Series([0.1, 0.2], index=[1, 0]))
