"""Variance inflation against statsmodels and singular values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.stats.outliers_influence import variance_inflation_factor

from riskstd.errors import FitError
from riskstd.model.assess import variance_inflation


def draw(n=400, seed=0):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=n)
    years = np.round(70 + 8 * base + 3 * rng.normal(size=n))
    return np.column_stack([years, base > 0.5, rng.random(n) < 0.1, (base + 0.1 * rng.normal(size=n)).round(2)])


def test_equals_statsmodels():
    X = draw()
    found = variance_inflation(X)
    design = sm.add_constant(X)
    assert_allclose(found.vif, [variance_inflation_factor(design, k) for k in range(1, 5)], rtol=1e-8)
    assert_allclose(found.correlation, np.corrcoef(X.T), rtol=1e-10, atol=1e-12)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    singular = np.linalg.svd(scaled, compute_uv=False)
    assert_allclose(found.condition_number, singular[0] / singular[-1], rtol=1e-8)


def test_weights_are_repeated_rows_and_order_does_not_count():
    X, rng = draw(), np.random.default_rng(1)
    weights, order = rng.integers(1, 5, len(X)), rng.permutation(len(X))
    found = variance_inflation(X, weights)
    assert_array_equal(found.vif, variance_inflation(np.repeat(X, weights, axis=0)).vif)
    assert_array_equal(found.vif, variance_inflation(X[order], weights[order]).vif)
    assert found.n_cases == weights.sum()
    fraction = rng.uniform(0.1, 2, len(X))
    one, two = variance_inflation(X, fraction), variance_inflation(X[order], fraction[order])
    assert_array_equal(one.vif, two.vif)
    covariance = np.cov(X.T, aweights=fraction)
    sd = np.sqrt(np.diag(covariance))
    assert_allclose(one.correlation, covariance / np.outer(sd, sd), rtol=1e-9, atol=1e-12)


def test_independent_factors_and_far_off_columns():
    grid = np.array([[a, b] for a in (0, 1) for b in (0, 1)])
    assert_allclose(variance_inflation(grid).vif, 1, rtol=1e-12)
    X = draw()
    assert_allclose(
        variance_inflation(X * [1, 1e6, 1, 1e-6] + [1e6, 0, 0, 5]).vif, variance_inflation(X).vif, rtol=1e-4
    )
    assert_array_equal(variance_inflation(X[:, 0]).vif, 1)


def test_names_and_frame():
    found = variance_inflation(pd.DataFrame(draw(), columns=["years", "copd", "cancer", "frailty"]))
    frame = found.to_frame()
    assert list(frame["term"]) == ["years", "copd", "cancer", "frailty"]
    assert_allclose(frame["tolerance"] * frame["vif"], 1)
    largest = found.factor_names[int(np.argmax(found.vif))]
    assert f"('{largest}') of 4 risk factors" in repr(found)
    with pytest.raises(ValueError, match="read-only"):
        found.vif[0] = 0


def refused(*given):
    with pytest.raises(FitError) as caught:
        variance_inflation(*given)
    return str(caught.value)


def test_bad_input_is_refused():
    X = draw()
    constant = np.column_stack([X, np.full(len(X), 3.0)])
    assert "constant risk factors: e" in refused(constant, None, list("abcde"))
    dependent = np.column_stack([X, X[:, 1] + X[:, 2]])
    assert "is a linear combination of" in refused(dependent)
    assert "weights: 1 of 400 rows 0 or below" in refused(X, np.append(np.ones(399), 0))
    assert "0 rows and 2 columns" in refused(np.zeros((0, 2)))
    assert "missing or infinite" in refused(np.where(X[0, 3] == X, np.inf, X))
