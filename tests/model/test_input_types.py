"""Any type of number gives the results of its float64 conversion, bit for bit, in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from riskstd import fit_hierarchical
from riskstd.errors import FitError
from riskstd.model.inputs import code_facilities, read_model_input
from riskstd.model.row_keys import BLOCK_ROWS, guess_keys

N_ROWS = 3 * BLOCK_ROWS // 2
TYPES = ("bool", "int8", "uint8", "int16", "uint32", "int64", "float16", "float32", ">f8", "longdouble")


def rows(kind="uint8"):
    rng = np.random.default_rng(8)
    X = rng.integers(0, 2, (N_ROWS, 3)).astype(kind)
    facility = rng.integers(0, 30, N_ROWS)
    effect = rng.normal(0.0, 0.6, 30)
    y = rng.random(N_ROWS) < 1 / (1 + np.exp(1.5 - 0.4 * X[:, 0].astype(float) - effect[facility]))
    return y.astype(np.int64), X, facility


def bits(fit):
    parts = (fit.beta, fit.covariance, fit.effects, fit.effects_variance, [fit.mu, fit.tau, fit.log_likelihood])
    return b"".join(np.asarray(part, dtype=np.float64).tobytes() for part in parts)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", TYPES)
def test_types_of_risk_factors_change_no_bit(kind, order):
    y, X, facility = rows()
    expected = bits(fit_hierarchical(y, X.astype(np.float64), facility, method="laplace"))
    assert bits(fit_hierarchical(y, np.asarray(X.astype(kind), order=order), facility, method="laplace")) == expected


@pytest.mark.parametrize("kind", ["int16", "float32"])
def test_types_change_no_bit_where_keys_cannot_be_guessed(kind):
    y, X, facility = rows(kind)
    X[:, 1] = np.random.default_rng(2).integers(0, 400, N_ROWS) / (4 if kind == "float32" else 1)
    X[1, 2] = 30_000  # far outside the sample
    assert guess_keys(X) is None
    expected = bits(fit_hierarchical(y, X.astype(np.float64), facility, method="laplace"))
    assert bits(fit_hierarchical(y, X, facility, method="laplace")) == expected


@pytest.mark.parametrize("kind", ["bool", "uint8", "float32", "float64"])
def test_types_of_outcomes_change_no_bit(kind):
    y, X, facility = rows()
    expected = bits(fit_hierarchical(y, X, facility, method="laplace"))
    assert bits(fit_hierarchical(y.astype(kind), X, facility, method="laplace")) == expected


def test_ones_given_or_left_out_change_no_bit():
    y, X, facility = rows()
    ones = np.ones(N_ROWS)
    expected = bits(fit_hierarchical(y, X, facility, method="laplace"))
    for trials, weights in ((ones, None), (None, ones), (ones, ones)):
        fit = fit_hierarchical(y, X, facility, method="laplace", trials=trials, weights=weights)
        assert bits(fit) == expected


def test_columns_of_different_types_share_the_narrowest_that_holds_them():
    y, X, facility = rows()
    frame = pd.DataFrame({"a": X[:, 0].astype(bool), "b": X[:, 1], "c": X[:, 2]})
    read = read_model_input(y, frame, facility)
    assert read.X.dtype == np.uint8
    assert_array_equal(read.X, X)
    assert read_model_input(y, frame.assign(c=X[:, 2] + 0.5), facility).X.dtype == np.float64


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_narrow_floats_are_checked(kind, value):
    y, X, facility = rows(kind)
    X[[5, BLOCK_ROWS + 1], 1] = value
    with pytest.raises(FitError, match=rf"'x2': 2 of {N_ROWS} rows missing or infinite .*: 5, {BLOCK_ROWS + 1}\)"):
        fit_hierarchical(y, X, facility)


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32"])
def test_outcomes_of_any_type_are_checked(kind):
    y, X, facility = rows()
    y[[7, 9]] = 2
    with pytest.raises(FitError, match=r"outcome y: 2 of \d+ rows neither 0 nor 1 .*: 7, 9\)"):
        fit_hierarchical(y.astype(kind), X, facility)


@pytest.mark.parametrize("values", [np.array([-128, 127, 0], np.int8), np.array([2**64 - 1, 2**64 - 3], np.uint64)])
def test_labels_at_the_ends_of_their_type(values):
    labels, codes = code_facilities(values)
    assert_array_equal(labels, np.sort(values))
    assert_array_equal(labels[codes], values)


def test_reading_a_narrow_file_takes_less_than_the_file():
    y, X, facility = (np.tile(part, (40, 1) if part.ndim == 2 else 40) for part in rows())
    X = np.repeat(X, 8, axis=1)
    read_model_input(y[:9000], X[:9000], facility[:9000])  # compiles
    tracemalloc.start()
    read_model_input(y, X, facility)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes + y.nbytes + facility.nbytes
