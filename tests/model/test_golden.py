"""Estimates against an independent implementation and, through it, R."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, gammaln

from riskstd.model import fit_hierarchical
from riskstd.rates import standardize

RTOL = 1e-6
LOGLIK_RTOL = 1e-8

OPTIONS = {
    "laplace": {"method": "laplace"},
    **{f"agq{nodes}": {"method": "agq", "n_nodes": nodes} for nodes in (1, 2, 5, 7, 10, 25, 100)},
    "pql_reml": {"method": "pql", "pql_form": "reml"},
    "pql_ml": {"method": "pql", "pql_form": "ml"},
}
DATASETS = ("cbpp", "surgical", "contraception", "toenail", "bacteria")


@pytest.fixture(scope="module", params=DATASETS)
def dataset(request):
    return request.param


@pytest.fixture(scope="module", params=OPTIONS)
def case(request, dataset, published, golden):
    """Rows, our fit and the reference solution; one node is the Laplace approximation."""
    rows = published[dataset]
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, trials=rows.trials, **OPTIONS[request.param])
    return rows, fit, golden[dataset]["laplace" if request.param == "agq1" else request.param]


def test_parameters_match_reference(case):
    _, fit, expected = case
    assert fit.converged
    assert not fit.singular
    assert_allclose(fit.tau, expected["tau"], rtol=RTOL)
    assert_allclose(fit.mu, expected["mu"], rtol=RTOL)
    assert_allclose(fit.beta, expected["beta"], rtol=RTOL)
    if "se" in expected:
        assert_allclose([fit.mu_se, *fit.beta_se], expected["se"], rtol=RTOL)


def test_log_likelihood_matches_reference(case):
    """PQL has no likelihood; its Laplace value at the reference estimates is computed here."""
    rows, fit, expected = case
    value = expected.get("log_likelihood_without_constant", laplace_log_likelihood(rows, expected))
    assert_allclose(fit.log_likelihood - binomial_constant(rows), value, rtol=LOGLIK_RTOL)


def test_effects_and_variances_match_reference(case):
    _, fit, expected = case
    assert_allclose(fit.effects, expected["effects"], rtol=RTOL, atol=1e-9)
    assert_allclose(fit.effects_variance, expected["effects_variance"], rtol=RTOL)
    assert np.all(fit.prediction_variance > fit.effects_variance)


def test_predicted_and_expected_match_reference(case):
    """Sums over cases in plain numpy with the reference's coefficients and effects."""
    rows, fit, expected = case
    facility = np.unique(rows.facility, return_inverse=True)[1]
    trials = trials_of(rows)
    average = expected["mu"] + rows.X @ np.array(expected["beta"])
    own = average + np.array(expected["effects"])[facility]
    cases = np.bincount(facility, trials)
    predicted = np.bincount(facility, trials * expit(own)) / cases
    at_average = np.bincount(facility, trials * expit(average)) / cases
    rates = standardize(fit, scale="ratio", interval="none")
    assert_allclose(rates.predicted, predicted, rtol=RTOL)
    assert_allclose(rates.expected, at_average, rtol=RTOL)
    assert_allclose(rates.ratio, predicted / at_average, rtol=RTOL)


@pytest.mark.parametrize("key", OPTIONS)
def test_boundary_is_the_plain_logistic_model_of_r(key, published, golden):
    rows, expected = published["boundary"], golden["boundary"]["glm"]
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, **OPTIONS[key])
    assert fit.singular
    assert fit.converged
    assert fit.tau == expected["tau"] == 0
    assert_allclose([fit.mu, *fit.beta], [expected["mu"], *expected["beta"]], rtol=RTOL)
    assert_allclose(fit.log_likelihood, expected["log_likelihood_without_constant"], rtol=LOGLIK_RTOL)
    rates = standardize(fit, scale="ratio", interval="none")
    assert_array_equal(rates.ratio, 1)
    assert_array_equal(rates.predicted, rates.expected)


def test_data_sets_have_their_published_counts(published):
    counts = {
        name: (len(rows.y), len(np.unique(rows.facility)), int(rows.y.sum()), int(trials_of(rows).sum()))
        for name, rows in published.items()
    }
    assert counts == {
        "cbpp": (56, 15, 99, 842),
        "contraception": (1934, 60, 759, 1934),
        "toenail": (1908, 294, 408, 1908),
        "bacteria": (220, 50, 177, 220),
        "boundary": (500, 25, 106, 500),
        "surgical": (12, 12, 208, 2814),
    }


def trials_of(rows):
    return np.ones(len(rows.y)) if rows.trials is None else rows.trials


def laplace_log_likelihood(rows, at):
    """sum_j [log f_j(u_j) - u_j^2 / (2 tau^2) - log(1 + tau^2 W_j) / 2], without constants."""
    facility = np.unique(rows.facility, return_inverse=True)[1]
    effects, trials = np.array(at["effects"]), trials_of(rows)
    log_odds = at["mu"] + rows.X @ np.array(at["beta"]) + effects[facility]
    p = expit(log_odds)
    information = np.bincount(facility, trials * p * (1 - p))
    conditional = np.sum(rows.y * log_odds - trials * np.logaddexp(0, log_odds))
    return conditional - np.sum(effects**2) / (2 * at["tau"] ** 2) - np.log1p(at["tau"] ** 2 * information).sum() / 2


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
