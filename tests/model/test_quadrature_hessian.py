"""The exact Hessian of the quadrature likelihood, and what it makes of the fit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from riskstd.model import compiled, fit_hierarchical
from riskstd.model.algebra import broyden_update, central_differences
from riskstd.model.collapse import collapse_rows
from riskstd.model.compiled import CompiledPath
from riskstd.model.evaluation import HermiteRule
from riskstd.model.objective import Objective
from riskstd.model.plain import PlainPath

PATHS = {"compiled": CompiledPath, "plain": PlainPath}
THETA = np.array([-1.1, 0.3, -0.2, 0.4, np.log(0.7)])


@pytest.fixture(params=["single cases", "counts", "offset"])
def cells(request, simulator):
    rows = simulator(n=400, n_facilities=12, n_factors=3)
    X, n, y, offset = rows.X.copy(), np.ones(400), rows.y.astype(float), None
    if request.param == "counts":
        X[:, 0] = X[:, 0] > 12
        n = 1.0 + np.arange(400) % 5
        y = y * n
    if request.param == "offset":
        offset = np.random.default_rng(0).normal(0, 0.3, 400)
    return collapse_rows(X, rows.facility, n, y, offset, 12)


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("n_nodes", [1, 2, 5, 7, 8, 9, 25])
def test_hessian_is_the_derivative_of_the_score(cells, kind, n_nodes):
    objective = Objective(PATHS[kind](cells), HermiteRule.of(n_nodes), False, False)
    multiplicity = 1.0 + np.arange(12.0) % 3
    at = objective.evaluate(THETA, np.zeros(12), multiplicity)
    differences = central_differences(lambda t: objective.evaluate(t, at.u, multiplicity).score, THETA)
    assert_allclose(objective.exact_curvature(at, multiplicity).hessian, differences, rtol=1e-7, atol=2e-6)


@pytest.mark.parametrize("n_nodes", [1, 7, 25])
def test_both_paths_agree(cells, n_nodes):
    one, two = (Objective(path(cells), HermiteRule.of(n_nodes), False, False) for path in PATHS.values())
    multiplicity = np.arange(12.0) % 3
    curvatures = [o.exact_curvature(o.evaluate(THETA, np.zeros(12), multiplicity), multiplicity) for o in (one, two)]
    assert_allclose(curvatures[0].hessian, curvatures[1].hessian, rtol=1e-10, atol=1e-10)
    assert_allclose(curvatures[0].sum_wx, curvatures[1].sum_wx, rtol=1e-11, atol=1e-12)


def test_rows_put_together_from_sparse_parts_agree(cells, monkeypatch):
    path = CompiledPath(cells)
    objective = Objective(path, HermiteRule.of(7), False, False)
    at = objective.evaluate(THETA, np.zeros(12), np.ones(12))
    dense = path.curvature(at, np.ones(12), pseudo=False, rule=objective.rule).hessian
    monkeypatch.setattr(path._curvature, "MAX_DENSE", 0)
    sparse = CompiledPath(cells).curvature(at, np.ones(12), pseudo=False, rule=objective.rule).hessian
    assert np.array_equal(dense, sparse)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_bit_of_the_hessian(cells, threads, monkeypatch):
    monkeypatch.setattr(compiled, "CHUNK_CELLS", 15)
    ones, found = np.ones(12), []
    for count in (1, threads):
        objective = Objective(CompiledPath(cells, count), HermiteRule.of(7), False, False)
        at = objective.evaluate(THETA, np.zeros(12), ones)
        found.append(objective.exact_curvature(at, ones).hessian)
    assert np.array_equal(*found)


def test_working_curvature_from_known_sums(cells):
    """After the exact curvature only the weights of the working one are new."""
    objective = Objective(CompiledPath(cells), HermiteRule.of(7), False, False)
    multiplicity = 1.0 + np.arange(12.0) % 3
    at = objective.evaluate(THETA, np.zeros(12), multiplicity)
    whole = objective.working_curvature(at, multiplicity)
    known = type(at)(**{**vars(at), "curvature": objective.exact_curvature(at, multiplicity)})
    short = objective.working_curvature(known, multiplicity)
    assert_allclose(short.hessian, whole.hessian, rtol=1e-11, atol=1e-11)
    assert_allclose(short.sum_wx, whole.sum_wx, rtol=1e-13)


@pytest.mark.parametrize("n_nodes", [2, 7, 25])
def test_quadrature_converges_quadratically(simulator, n_nodes):
    rows = simulator(n=4000, n_facilities=40, n_factors=3)
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, n_nodes=n_nodes)
    near = [step.decrement for step in fit.path if 1e-6 < step.decrement < 0.5]
    after = [two.decrement for one, two in zip(fit.path, fit.path[1:], strict=False) if one.decrement in near]
    assert near
    assert all(new < 3 * old**2 + 1e-9 for old, new in zip(near, after, strict=True))


def test_broyden_updates_learn_the_jacobian():
    jacobian = np.array([[3.0, 0.5], [0.2, 2.0]])
    inverse = np.eye(2)
    for step in (np.array([1.0, 0.0]), np.array([0.3, 1.0])):
        inverse = broyden_update(inverse, step, jacobian @ step)
        assert_allclose(inverse @ (jacobian @ step), step, atol=1e-14)
