"""Estimates against an independent implementation and, through it, R."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import gammaln

from riskstd.model import fit_hierarchical

ESTIMATE_RTOL = 1e-6
LOGLIK_RTOL = 1e-8
EFFECT_ATOL = 1e-6

METHODS = {
    "laplace": {"method": "laplace"},
    "agq2": {"method": "agq", "n_nodes": 2},
    "agq7": {"method": "agq", "n_nodes": 7},
    "agq25": {"method": "agq", "n_nodes": 25},
    "agq100": {"method": "agq", "n_nodes": 100},
    "pql_reml": {"method": "pql"},
    "pql_ml": {"method": "pql", "pql_form": "ml"},
}
DATASETS = ("cbpp", "surgical", "contraception", "toenail")


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("key", METHODS)
def test_estimates_match_reference(dataset, key, published, golden):
    rows, expected = published[dataset], golden[dataset][key]
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, trials=rows.trials, **METHODS[key])

    assert fit.converged
    assert not fit.singular
    assert_allclose(fit.tau, expected["tau"], rtol=ESTIMATE_RTOL)
    assert_allclose(fit.mu, expected["mu"], rtol=ESTIMATE_RTOL)
    assert_allclose(fit.beta, expected["beta"], rtol=ESTIMATE_RTOL)
    if "log_likelihood_without_constant" in expected:
        constant = binomial_constant(rows)
        assert_allclose(fit.log_likelihood - constant, expected["log_likelihood_without_constant"], rtol=LOGLIK_RTOL)
    if "se" in expected:
        assert_allclose([fit.mu_se, *fit.beta_se], expected["se"], rtol=1e-5)
    if "effects" in expected:
        assert_allclose(fit.effects, expected["effects"], atol=EFFECT_ATOL)
        assert_allclose(fit.effects_variance, expected["effects_variance"], atol=EFFECT_ATOL)


def binomial_constant(rows):
    if rows.trials is None:
        return 0.0
    n, y = rows.trials, rows.y
    return float(np.sum(gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)))


def test_binomial_constant_of_the_small_data_sets(published):
    assert_allclose(binomial_constant(published["cbpp"]), 185.475659684159, rtol=1e-12)
    assert_allclose(binomial_constant(published["surgical"]), 697.772723338447, rtol=1e-12)


def test_laplace_log_likelihood_on_the_scale_of_r(published):
    """lme4 with nAGQ = 1 and glmmTMB print the log-likelihood with the binomial constant."""
    rows = published["cbpp"]
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, trials=rows.trials, method="laplace")
    assert_allclose(fit.log_likelihood, -92.02628187, rtol=1e-8)


def test_hard_case_needs_few_iterations(published):
    rows = published["toenail"]
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, n_nodes=25)
    assert fit.n_iterations < 20
    likelihoods = [step.log_likelihood for step in fit.path]
    assert np.all(np.diff(likelihoods) >= -1e-9)


def test_posterior_mean_against_fine_grid(published):
    """Posterior mean by brute force on a grid of 4,001 points per hospital."""
    rows = published["surgical"]
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, trials=rows.trials, n_nodes=25)
    grid = np.linspace(-4, 4, 4001)
    log_odds = fit.mu + grid
    log_posterior = rows.y[:, None] * log_odds - rows.trials[:, None] * np.log1p(np.exp(log_odds))
    log_posterior = log_posterior - grid**2 / (2 * fit.tau**2)
    weight = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
    mean = (weight * grid).sum(axis=1) / weight.sum(axis=1)
    assert_allclose(fit.effects_mean, mean, atol=1e-7)
    assert np.max(np.abs(fit.effects_mean - fit.effects)) > 1e-3


def test_log_likelihood_against_fine_grid(published):
    """Marginal log-likelihood at the estimate, integrated on a grid."""
    rows = published["surgical"]
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, trials=rows.trials, n_nodes=50)
    grid = np.linspace(-6, 6, 12001)
    n, y = rows.trials[:, None], rows.y[:, None]
    log_odds = fit.mu + grid
    log_joint = y * log_odds - n * np.log1p(np.exp(log_odds)) - grid**2 / (2 * fit.tau**2)
    log_joint += gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
    marginal = np.exp(log_joint).sum(axis=1) * (grid[1] - grid[0]) / (fit.tau * np.sqrt(2 * np.pi))
    assert_allclose(fit.log_likelihood, np.log(marginal).sum(), rtol=1e-10)
