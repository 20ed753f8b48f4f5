"""Gradients and Hessians against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from riskstd.model import design
from riskstd.model.algebra import central_differences
from riskstd.model.collapse import collapse_rows
from riskstd.model.compiled import CompiledPath
from riskstd.model.evaluation import HermiteRule, pack, unpack
from riskstd.model.objective import Objective
from riskstd.model.plain import PlainPath

THETA_STEP = 1e-5


@pytest.fixture(params=["table", "direct", "offset", "blocks"])
def cells(request, simulator, monkeypatch):
    """Cells with a shared pattern table, with a row each, with an offset, and with columns in blocks."""
    rows = simulator(n=400, n_facilities=12, n_factors=3)
    X, offset = rows.X.copy(), None
    if request.param == "table":
        X[:, 0] = X[:, 0] > 12
    if request.param == "direct":
        X[:, 0] += np.random.default_rng(1).random(len(X))
    if request.param == "blocks":
        monkeypatch.setattr(design, "BLOCK_ROWS", 20)
    if request.param in ("offset", "blocks"):
        offset = np.random.default_rng(0).normal(0, 0.3, len(X))
    n = np.ones(len(X))
    built = collapse_rows(X, rows.facility, n, rows.y.astype(float), offset, 12)
    assert (built.design.n_blocks > 1) == (request.param == "blocks")
    assert (len(built.X) < len(built.n)) == (request.param == "table")
    return built


THETA = np.array([-1.1, 0.3, -0.2, 0.4, np.log(0.7)])
ONES, ZEROS = np.ones(12), np.zeros(12)
PATHS = {"compiled": CompiledPath, "plain": PlainPath}


@pytest.fixture(params=PATHS)
def path(request, cells):
    return PATHS[request.param](cells)


def objective_of(path, n_nodes=1, *, pseudo=False, reml=False):
    return Objective(path, HermiteRule.of(n_nodes), pseudo, reml)


@pytest.mark.parametrize("n_nodes", [1, 2, 5, 7, 20])
def test_score_is_the_gradient_of_the_value(path, n_nodes):
    objective = objective_of(path, n_nodes)
    score = path.facility_scores(objective.evaluate(THETA, ZEROS, ONES))
    for k in range(len(THETA)):
        step = np.zeros(len(THETA))
        step[k] = THETA_STEP
        up = objective.evaluate(THETA + step, ZEROS, ONES).log_likelihood
        down = objective.evaluate(THETA - step, ZEROS, ONES).log_likelihood
        assert_allclose(score[:, k], (up - down) / (2 * THETA_STEP), atol=1e-7)


@pytest.mark.parametrize("n_nodes", [1, 7])
def test_score_counts_facilities_as_often_as_asked(path, n_nodes):
    multiplicity = np.arange(12.0) % 4
    at = objective_of(path, n_nodes).evaluate(THETA, ZEROS, multiplicity)
    assert_allclose(at.score, multiplicity @ path.facility_scores(at), rtol=1e-12, atol=1e-12)


def test_laplace_hessian_per_facility(path):
    objective = objective_of(path)
    at = objective.evaluate(THETA, ZEROS, ONES)
    exact = unpack(path.facility_curvature(at, pseudo=False).packed)

    def scores(theta):
        return path.facility_scores(objective.evaluate(theta, ZEROS, ONES))

    assert_allclose(exact, central_differences(scores, THETA), atol=1e-6)
    multiplicity = np.arange(12.0) % 3
    total = path.curvature(at, multiplicity, pseudo=False).hessian
    assert_allclose(total, np.einsum("j,jik->ik", multiplicity, exact), rtol=1e-12, atol=1e-12)


def test_one_node_equals_laplace(path):
    rule = HermiteRule.of(1)
    generic = HermiteRule(np.append(rule.x, 0.0), np.append(rule.log_weight, -800.0))
    one, two = (Objective(path, r, False, False).evaluate(THETA, ZEROS, ONES) for r in (rule, generic))
    assert_allclose(one.log_likelihood, two.log_likelihood, rtol=1e-13)
    assert_allclose(path.facility_scores(one), path.facility_scores(two), atol=1e-12)


def test_working_curvature_is_the_expected_jacobian_in_beta(path):
    """In beta the pseudo-likelihood equations have an exact Jacobian; in tau an expected one."""
    objective = objective_of(path, pseudo=True)
    at = objective.evaluate(THETA, ZEROS, ONES)
    differences = central_differences(lambda t: objective.evaluate(t, at.u, ONES).score, THETA)
    working = objective.curvature(at, ONES).hessian
    assert_allclose(working[:-1, :], differences[:-1, :], atol=1e-5)


def test_modes_solve_their_equation(path):
    at = objective_of(path).evaluate(THETA, ZEROS, ONES)
    n_p = path.cells.facility_sum(objective_of(path, pseudo=True).evaluate(THETA, at.u, ONES).residual)
    assert_allclose(path.cells.events - n_p - at.u / np.exp(THETA[-1]) ** 2, 0, atol=1e-11)


@pytest.mark.parametrize(("n_nodes", "pseudo", "reml"), [(1, False, False), (7, False, False), (1, True, True)])
def test_both_paths_agree(cells, n_nodes, pseudo, reml):
    compiled, plain = (objective_of(p(cells), n_nodes, pseudo=pseudo, reml=reml) for p in PATHS.values())
    multiplicity = 1.0 + np.arange(12.0) % 3
    one, two = (o.evaluate(THETA, ZEROS, multiplicity) for o in (compiled, plain))
    for name in ("log_likelihood", "score", "score_tau", "u", "sum_w", "sum_w1", "variance", "mean", "residual"):
        assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-9, atol=1e-11, err_msg=name)
    for a, b in zip(
        vars(compiled.path.facility_curvature(one, pseudo=pseudo)).values(),
        vars(plain.path.facility_curvature(two, pseudo=pseudo)).values(),
        strict=True,
    ):
        assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    scored = [o.path.predicted_expected(THETA[:-1], one.u) for o in (compiled, plain)]
    assert_allclose(scored[0], scored[1], rtol=1e-12)


def test_packed_matrices_unpack():
    matrix = np.array([[2.0, 1.0, 4.0], [1.0, 3.0, 5.0], [4.0, 5.0, 6.0]])
    assert_allclose(unpack(pack(matrix)), matrix)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_bit(cells, threads, monkeypatch):
    monkeypatch.setattr("riskstd.model.compiled.CHUNK_CELLS", 15)
    one, many = (objective_of(CompiledPath(cells, t), 7).evaluate(THETA, ZEROS, ONES) for t in (1, threads))
    assert len(CompiledPath(cells).chunks) > 2
    assert np.array_equal(one.score, many.score)
    assert np.array_equal(one.log_likelihood, many.log_likelihood)
