"""Influence against statsmodels' least squares and refits without each facility."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.stats.outliers_influence import OLSInfluence

from riskstd.model import fit_hierarchical
from riskstd.model.assess import facility_influence, one_step_deletion, pooled_logistic
from riskstd.model.assess.influence import cook_distance


def test_kernel_is_exact_for_least_squares():
    rng = np.random.default_rng(0)
    X = sm.add_constant(rng.normal(size=(40, 3)))
    fit = sm.OLS(X @ [1, 2, 3, 4] + rng.normal(size=40), X).fit()
    information, scores = X.T @ X, X * fit.resid[:, None]
    curvatures = X[:, :, None] * X[:, None, :]
    moves = one_step_deletion(scores, information, curvatures)
    for j in (0, 7, 39):
        kept = np.arange(40) != j
        assert_allclose(fit.params + moves[j], sm.OLS(fit.model.endog[kept], X[kept]).fit().params, rtol=1e-9)
    check = OLSInfluence(fit).cooks_distance[0]
    assert_allclose(cook_distance(moves, information) / fit.mse_resid, check, rtol=1e-9)


def test_step_without_own_curvature_is_smaller():
    scores, curvatures = np.array([[1.0], [-1.0]]), np.array([[[1.0]], [[3.0]]])
    short = one_step_deletion(scores, curvatures.sum(axis=0))
    assert_allclose(short[:, 0], [-0.25, 0.25])
    assert_allclose(one_step_deletion(scores, curvatures.sum(axis=0), curvatures)[:, 0], [-1 / 3, 1.0])
    assert np.isnan(one_step_deletion(np.zeros((1, 1)), np.eye(1), np.ones((1, 1, 1)))).all()


@pytest.mark.parametrize("method", ["agq", "laplace", "pql"])
def test_one_step_is_near_the_refit_without_the_facility(simulator, method):
    rows = simulator(n=1500, n_facilities=25, n_factors=3)
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, method=method)
    found = facility_influence(fit)
    moves = []
    for j in range(25):
        kept = rows.facility != j
        left = fit_hierarchical(rows.y[kept], rows.X[kept], rows.facility[kept], method=method)
        moves.append([left.mu - fit.mu, *(left.beta - fit.beta), left.tau - fit.tau])
    cook = np.einsum("jq,qr,jr->j", moves, np.linalg.inv(fit.covariance), moves) / len(found.terms)
    moves = np.array(moves) / np.sqrt(np.diag(fit.covariance))
    assert np.abs(moves).max() > 0.3
    for k, term in enumerate(found.terms):
        assert np.corrcoef(moves[:, k], found.dfbetas[:, k])[0, 1] > 0.98, term
    assert np.abs(moves - found.dfbetas).max() < 0.2
    assert np.corrcoef(cook, found.cook_distance)[0, 1] > 0.95
    assert_allclose(found.cook_distance, cook, rtol=0.5)


def test_a_planted_facility_stands_out(simulator):
    rows = simulator(n=3000, n_facilities=40, n_factors=2, tau=0.3)
    y = rows.y.copy()
    y[rows.facility == 17] = 1 - rows.X[rows.facility == 17, 1]
    found = facility_influence(fit_hierarchical(y, rows.X, rows.facility, factor_names=["years", "copd"]))
    assert found.facilities[np.abs(found.dfbetas[:, 2]).argmax()] == 17
    frame = found.to_frame()
    assert list(frame.columns[:2]) == ["facility_id", "cook_distance"]
    assert list(frame.columns[2:]) == [f"dfbetas {term}" for term in ("intercept (mu)", "years", "copd", "tau")]
    assert repr(found).startswith("FacilityInfluence(40 facilities, largest Cook's distance")


def test_at_the_boundary_the_pooled_model_moves():
    rng = np.random.default_rng(4)
    x = np.tile([0.0, 0, 0, 0, 1, 1, 1, 1, 2, 2], 20)
    y, facility = np.tile([0, 0, 0, 1, 0, 0, 1, 1, 0, 1], 20), np.repeat(np.arange(20), 10)
    x[facility == 3] = rng.permutation(x[facility == 3])
    fit = fit_hierarchical(y, x, facility)
    assert fit.singular
    found = facility_influence(fit)
    assert np.isnan(found.dfbeta[:, -1]).all()
    kept = facility != 3
    left = pooled_logistic(y[kept], x[kept])
    assert_allclose(found.dfbeta[3, :2], [left.mu - fit.mu, left.beta[0] - fit.beta[0]], rtol=0.1, atol=2e-3)
    assert "nan" not in repr(found)


def test_row_order_leaves_every_bit(simulated):
    order = np.random.default_rng(6).permutation(len(simulated.y))
    one = facility_influence(fit_hierarchical(simulated.y, simulated.X, simulated.facility))
    two = facility_influence(fit_hierarchical(simulated.y[order], simulated.X[order], simulated.facility[order]))
    assert_array_equal(one.dfbetas, two.dfbetas)
    assert_array_equal(one.cook_distance, two.cook_distance)
