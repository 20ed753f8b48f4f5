"""Gradients and Hessians against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from riskstd.model.cells import collapse_rows
from riskstd.model.curvature import central_differences, laplace_hessians
from riskstd.model.pseudo import PseudoObjective
from riskstd.model.quadrature import HermiteRule, evaluate

THETA_STEP = 1e-5


@pytest.fixture(scope="module", params=["table", "direct", "offset"])
def cells(request, simulator):
    """Cells with a shared pattern table, with a row each, and with an offset."""
    rows = simulator(n=400, n_facilities=12, n_factors=3)
    X, offset = rows.X.copy(), None
    if request.param == "table":
        X[:, 0] = X[:, 0] > 12
    if request.param == "direct":
        X[:, 0] += np.random.default_rng(1).random(len(X))
    if request.param == "offset":
        offset = np.random.default_rng(0).normal(0, 0.3, len(X))
    n = np.ones(len(X))
    built = collapse_rows(X, rows.facility, n, rows.y.astype(float), offset, 12)
    assert built.has_pattern_table == (request.param == "table")
    return built


THETA = np.array([-1.1, 0.3, -0.2, 0.4, np.log(0.7)])


@pytest.mark.parametrize("n_nodes", [1, 2, 5, 7, 20])
def test_score_is_the_gradient_of_the_value(cells, n_nodes):
    rule, start = HermiteRule.of(n_nodes), np.zeros(12)
    score = evaluate(cells, THETA, start, rule).score
    for k in range(len(THETA)):
        step = np.zeros(len(THETA))
        step[k] = THETA_STEP
        up = evaluate(cells, THETA + step, start, rule).log_likelihood
        down = evaluate(cells, THETA - step, start, rule).log_likelihood
        assert_allclose(score[:, k], (up - down) / (2 * THETA_STEP), atol=1e-7)


def test_laplace_hessian_per_facility(cells):
    rule, start = HermiteRule.of(1), np.zeros(12)
    at = evaluate(cells, THETA, start, rule)
    exact = laplace_hessians(cells, float(np.exp(THETA[-1])), at.modes)
    differences = central_differences(lambda t: evaluate(cells, t, start, rule).score, THETA)
    assert_allclose(exact, differences, atol=1e-6)


def test_one_node_equals_laplace(cells):
    rule = HermiteRule.of(1)
    generic = HermiteRule(np.append(rule.x, 0.0), np.append(rule.log_weight, -800.0))
    one, two = (evaluate(cells, THETA, np.zeros(12), r) for r in (rule, generic))
    assert_allclose(one.log_likelihood, two.log_likelihood, rtol=1e-13)
    assert_allclose(one.score, two.score, atol=1e-12)


def test_working_curvature_is_the_expected_jacobian_in_beta(cells):
    """In beta the pseudo-likelihood equations have an exact Jacobian; in tau an expected one."""
    objective, ones = PseudoObjective(cells, reml=False), np.ones(12)
    at = objective.evaluate(THETA, np.zeros(12), ones)
    differences = central_differences(lambda t: objective.evaluate(t, at.modes.u, ones).score, THETA)
    working = objective.curvatures(THETA, at)
    assert_allclose(working[:, :-1, :], differences[:, :-1, :], atol=1e-6)


def test_modes_solve_their_equation(cells):
    at = evaluate(cells, THETA, np.zeros(12), HermiteRule.of(1)).modes
    tau = np.exp(THETA[-1])
    residual = cells.events - cells.facility_sum(cells.n * at.p) - at.u / tau**2
    assert_allclose(residual, 0, atol=1e-11)
