"""The PyMC model: the same density as the sampler's own, and as PyMC's binomial over plain rows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from riskstd.model.bayes import Priors, Sampling, fit_bayes
from riskstd.model.bayes.density import LogDensity
from riskstd.model.bayes.libraries import load_library
from riskstd.model.bayes.pymc_model import build_pymc_model

pytest.importorskip("nutpie")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pm():
    return load_library("pymc")


def point_of(values, density):
    q = density.n_factors
    return {
        "intercept": values[0],
        "beta": values[1 : q + 1],
        "tau_log__": values[q + 1],
        "standardised_effect": values[q + 2 :],
    }


@pytest.mark.parametrize("priors", [Priors(), Priors(tau_family="half-t", tau_scale=2.0)], ids=("normal", "t"))
def test_density_and_gradient_are_those_of_pymc(pm, fit, rows, priors):
    cells, order = fit.data.cells, fit.data.order
    density = LogDensity(cells, priors)
    mean, sd = rows.X.mean(axis=0), rows.X.std(axis=0)
    with pm.Model() as plain:
        intercept = pm.Normal("intercept", priors.mu_mean, priors.mu_sd)
        beta = pm.Normal("beta", 0.0, 1.0, shape=2)
        is_t = priors.tau_family == "half-t"
        tau = pm.HalfStudentT("tau", nu=3, sigma=2.0) if is_t else pm.HalfNormal("tau", 1.0)
        score = pm.Normal("standardised_effect", shape=density.n_facilities)
        effects = (tau * score)[order.content_position]
        log_odds = intercept + pm.math.dot((rows.X - mean) / sd, beta) + effects[rows.facility]
        pm.Bernoulli("y", logit_p=log_odds, observed=rows.y)
    ours = build_pymc_model(density)
    compiled = [(m.compile_logp(), m.compile_dlogp()) for m in (ours, plain)]
    values, gradients = [], []
    for point in np.random.default_rng(3).normal(0, 0.5, (3, density.n_coordinates)):
        at = point_of(point, density)
        values.append([density(point)[0], *(float(logp(at)) for logp, _ in compiled)])
        gradients.append([density(point)[1], *(dlogp(at) for _, dlogp in compiled)])
    apart = np.array(values) - np.array(values)[:, :1]
    assert_allclose(apart, np.broadcast_to(apart[0], apart.shape), atol=1e-8)
    for own, by_op, by_pymc in gradients:
        assert_allclose(by_op, own, rtol=1e-7, atol=1e-9)
        assert_allclose(by_pymc, own, rtol=1e-7, atol=1e-9)


def test_pymc_samples_the_same_posterior(fit, rows):
    other = fit_bayes(*rows, sampling=Sampling(draws=300, tune=300, seed=3, sampler="pymc", cores=1))
    ours, theirs = fit.posterior_frame(), other.posterior_frame()
    error = np.hypot(ours["mc_error"], theirs["mc_error"])
    assert np.all(np.abs(ours["mean"] - theirs["mean"]) < 4 * error)


def test_same_seed_same_draws_of_pymc_on_one_core_and_two(rows):
    first, second = (
        fit_bayes(*rows, sampling=Sampling(draws=8, tune=5, seed=3, sampler="pymc", cores=cores)) for cores in (1, 2)
    )
    assert np.array_equal(first.posterior.effects, second.posterior.effects)
