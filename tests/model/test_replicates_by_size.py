"""The fast refits against the plain path at full convergence, on simulated data of the measures' sizes."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from riskstd.model import fit_hierarchical
from riskstd.model.evaluation import HermiteRule
from riskstd.model.lanes import LaneRefitter, make_refitter
from riskstd.model.newton import maximise
from riskstd.model.objective import Objective
from riskstd.model.plain import PlainPath

pytestmark = pytest.mark.slow

BENCH = Path(__file__).parents[2] / "bench" / "model"
N_RESAMPLES = 50
LARGEST_DISTANCE = 0.005
"""In bootstrap standard deviations of each parameter."""


@pytest.fixture(scope="module", params=["asc12", "asc17", "asc18", "asc19"])
def rows(request):
    """Outcome, risk factors and facility of one measure's simulated cases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        simulate = importlib.import_module("simulate")
    size = simulate.SIZES[request.param]
    truth = simulate.draw_truth(size)
    facility = simulate.draw_facilities(size, truth)
    X, y = np.empty((size.rows, size.columns)), np.empty(size.rows)
    for here, factors, outcome in simulate.draw_chunks(size, truth, facility):
        X[here], y[here] = factors, outcome
    return y, X, facility


@pytest.mark.parametrize(("method", "n_nodes", "form"), [("laplace", 1, "ml"), ("agq", 7, "ml"), ("pql", 1, "reml")])
def test_refits_are_those_of_the_plain_path_at_full_convergence(rows, method, n_nodes, form):
    fit = fit_hierarchical(*rows, method=method, n_nodes=n_nodes, pql_form=form)
    refitter = make_refitter(fit)
    assert isinstance(refitter, LaneRefitter)
    rng = np.random.default_rng(17)
    n = fit.n_facilities
    resamples = [np.bincount(rng.integers(0, n, n), minlength=n).astype(float) for _ in range(N_RESAMPLES)]
    pseudo = method == "pql"
    found, exact = [], []
    for multiplicity, refit in zip(resamples, refitter.refit_many(resamples), strict=True):
        assert refit is not None
        held = refitter._separated(multiplicity)
        assert refit.flagged == held.any()
        cells = fit.data.cells.hold_coefficients(held, fit.data.beta)
        plain = Objective(PlainPath(cells), HermiteRule.of(n_nodes), pseudo, pseudo and form == "reml")
        start = np.append(refit.beta[~held], np.log(refit.tau))
        optimum = maximise(plain, start, refit.effects, multiplicity)
        assert optimum.converged
        beta = fit.data.beta.copy()
        beta[~held] = optimum.theta[:-1]
        exact.append(np.append(beta, optimum.theta[-1]))
        found.append(np.append(refit.beta, np.log(refit.tau)))
    distance = np.abs(np.array(found) - np.array(exact)) / np.std(exact, axis=0)
    assert distance.max() < LARGEST_DISTANCE
