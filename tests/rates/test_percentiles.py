"""Percentiles of draws against numpy's, and the counts on either side of the comparator."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from riskstd.rates.percentiles import percentile_limits, summarize_draws


@pytest.fixture(scope="module")
def draws():
    """Facilities with 0 to 400 draws of 400, ties among them."""
    rng = np.random.default_rng(2)
    values = np.round(rng.normal(1.0, 0.2, (30, 400)), 2)
    values[rng.random(values.shape) < np.linspace(0, 1, 30)[:, None]] = np.nan
    return values


@pytest.mark.parametrize("level", [0.95, 0.9, 0.8, 0.5, 0.999])
def test_percentiles_are_those_of_numpy_by_the_same_definition(draws, level):
    lower, upper = percentile_limits(draws.T, level)
    for j, row in enumerate(draws):
        present = row[~np.isnan(row)]
        tail = round(100 * (1 - level) / 2, 9)
        expected = [np.nan] * 2
        if len(present):
            expected = np.percentile(present, [tail, 100 - tail], method="averaged_inverted_cdf")
        assert_array_equal([lower[j], upper[j]], expected)


def test_rank_that_is_whole_takes_the_average_of_two_draws():
    values = np.array([[4.0], [1.0], [np.nan], [3.0], [2.0]])
    lower, upper = percentile_limits(values, 0.5)
    assert (lower[0], upper[0]) == (1.5, 3.5)


def test_several_levels_and_blocks_give_the_bits_of_one(draws):
    levels = (0.95, 0.6)
    whole = summarize_draws([draws.copy()], levels, 1.0)
    parts = summarize_draws([draws[:7].copy(), draws[7:8].copy(), draws[8:].copy()], levels, 1.0, threads=3)
    for k, level in enumerate(levels):
        for side in (0, 1):
            assert_array_equal(whole.limits[k][side], parts.limits[k][side])
            assert_array_equal(whole.limits[k][side], percentile_limits(draws.T, level)[side])


def test_counts_beside_the_comparator_include_it(draws):
    found = summarize_draws([draws.copy()], (0.95,), 1.0)
    assert_array_equal(found.present, [sum(v == v for v in row) for row in draws.tolist()])
    assert_array_equal(found.not_above, [sum(v <= 1.0 for v in row) for row in draws.tolist()])
    assert_array_equal(found.not_below, [sum(v >= 1.0 for v in row) for row in draws.tolist()])
    assert np.any(found.not_above + found.not_below > found.present)
