"""The compiled density against plain numpy, finite differences and PyMC's own distributions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import expit

from riskstd.errors import OptionError
from riskstd.model import fit_hierarchical
from riskstd.model.bayes import Priors
from riskstd.model.bayes.density import Likelihood, LogDensity

PRIORS = (
    Priors(),
    Priors(mu_mean=-2.0, mu_sd=1.5, beta_mean=(0.1, -0.2), beta_sd=(0.5, 2.0)),
    Priors(tau_family="half-t", tau_scale=0.7, tau_df=4.0),
)


@pytest.fixture(scope="module")
def cells(rows):
    return fit_hierarchical(*rows).data.cells


def points(density, n=3):
    return np.random.default_rng(5).normal(0.0, 0.7, (n, density.n_coordinates))


def log_density_by_scipy(rows, order, priors, point):
    """Row by row, on standardised columns, with the constants scipy has."""
    mean, sd = rows.X.mean(axis=0), rows.X.std(axis=0)
    q = rows.X.shape[1]
    mu, beta, tau, score = point[0], point[1 : q + 1], np.exp(point[q + 1]), point[q + 2 :]
    effects = order.by_label(tau * score)
    p = expit(mu + (rows.X - mean) / sd @ beta + effects[rows.facility])
    if priors.tau_family == "half-normal":
        prior = stats.halfnorm.logpdf(tau, scale=priors.tau_scale)
    else:
        prior = stats.t.logpdf(tau, priors.tau_df, scale=priors.tau_scale)
    means, sds = priors.per_factor(q)
    prior += point[q + 1] + stats.norm.logpdf(mu, priors.mu_mean, priors.mu_sd)
    prior += stats.norm.logpdf(beta, means, sds).sum() + stats.norm.logpdf(score).sum()
    return prior + stats.bernoulli.logpmf(rows.y, p).sum()


@pytest.mark.parametrize("priors", PRIORS, ids=("default", "informative", "half-t"))
def test_density_differs_from_scipy_by_a_constant(rows, priors):
    fit = fit_hierarchical(*rows)
    density = LogDensity(fit.data.cells, priors)
    differences = [
        density(point)[0] - log_density_by_scipy(rows, fit.data.order, priors, point) for point in points(density)
    ]
    assert_allclose(differences, differences[0], rtol=1e-9)


@pytest.mark.parametrize("priors", PRIORS, ids=("default", "informative", "half-t"))
def test_gradient_is_the_derivative(cells, priors):
    density, step = LogDensity(cells, priors), 1e-5
    for point in points(density):
        numeric = [
            (density(point + step * unit)[0] - density(point - step * unit)[0]) / (2 * step)
            for unit in np.eye(len(point))
        ]
        assert_allclose(density(point)[1], numeric, rtol=1e-5, atol=1e-5)


def test_compiled_and_plain_likelihood_agree(simulator):
    """Also where columns are split into blocks and cells hold several cases."""
    rng = np.random.default_rng(8)
    rows = simulator(n=3000, n_facilities=9)
    X = np.column_stack([rows.X, rng.integers(0, 90, 3000), rng.integers(0, 200, 3000), rng.random((3000, 5)) < 0.4])
    offset = rng.integers(0, 3, 3000) / 4
    cells = fit_hierarchical(rows.y, X, rows.facility, offset=offset).data.cells
    likelihood = Likelihood(cells)
    coefficients, effects = rng.normal(0, 0.5, cells.n_coefficients), rng.normal(0, 1, 9)
    for ours, plain in zip(likelihood(coefficients, effects), likelihood.plain(coefficients, effects), strict=True):
        # the event part leaves out what no coefficient changes: nothing, as the offset is in both
        assert_allclose(ours, plain, rtol=1e-9, atol=1e-9)


def test_density_stays_finite_far_out(cells):
    density = LogDensity(cells, Priors())
    for far in (-900.0, 900.0):
        value, gradient = density(np.full(density.n_coordinates, far))
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    "wrong",
    [{"mu_sd": 0.0}, {"beta_sd": -1.0}, {"tau_scale": float("nan")}, {"tau_family": "gamma"}, {"mu_mean": True}],
    ids=str,
)
def test_impossible_priors_are_refused(wrong):
    with pytest.raises(OptionError, match="expected"):
        Priors(**wrong)


def test_priors_for_other_factors_are_refused(cells):
    with pytest.raises(OptionError, match="one per risk factor"):
        LogDensity(cells, Priors(beta_sd=(1.0, 1.0, 1.0)))
