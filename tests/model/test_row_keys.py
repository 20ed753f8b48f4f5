"""Distinct rows: guessed keys, packed keys and numpy give the same rows in the same order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from riskstd.model.row_keys import SAMPLE_ROWS, find_distinct, guess_keys

N_ROWS = 5000


def table(kind):
    rng = np.random.default_rng(3)
    X = rng.integers(0, 2, (N_ROWS, 4)).astype(np.float64)
    if kind == "ages":
        X[:, 1] = rng.integers(18, 95, N_ROWS)
    if kind == "negative":
        X[:, 2] = rng.integers(-3, 4, N_ROWS)
    if kind == "negative zero":
        X[::7, 0] = -0.0
    if kind == "rare":
        X[1, 3] = 40.0
    if kind == "fractions":
        X[:, 0] = rng.random(N_ROWS).round(2)
    if kind == "large":
        X[:, 0] = rng.integers(0, 2**40, N_ROWS)
    return X


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["binary", "ages", "negative", "negative zero", "rare", "fractions", "large"])
def test_distinct_rows_are_those_of_numpy(kind, order):
    X = np.asarray(table(kind), order=order)
    unique, first, rank = np.unique(X, axis=0, return_index=True, return_inverse=True)
    for keys in (guess_keys(X), None):
        distinct = find_distinct(X, None, keys)
        assert_array_equal(X[distinct.first], unique)
        assert_array_equal(distinct.first, first)
        assert_array_equal(distinct.rank, rank.ravel())


@pytest.mark.parametrize("kind", ["binary", "ages", "negative", "negative zero"])
def test_small_whole_numbers_are_guessed(kind):
    assert guess_keys(table(kind)) is not None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.5, 7.0, -1.0, 1e300])
@pytest.mark.parametrize("order", ["C", "F"])
def test_values_outside_the_guess_are_never_packed(value, order):
    assert N_ROWS // SAMPLE_ROWS > 1
    X = np.asarray(table("binary"), order=order)
    X[1, 2] = value
    assert guess_keys(X) is None


def test_an_offset_joins_guessed_keys():
    X = table("ages")
    offset = np.random.default_rng(1).normal(size=N_ROWS).round(1)
    with_keys, without = (find_distinct(X, offset, keys) for keys in (guess_keys(X), None))
    assert_array_equal(with_keys.first, without.first)
    assert_array_equal(with_keys.rank, without.rank)


def test_many_columns_overflow_no_key():
    X = np.arange(200.0 * 60).reshape(200, 60) % 977
    assert guess_keys(X) is None
    assert_array_equal(X[find_distinct(X, None).first], np.unique(X, axis=0))
