"""The fit: its fields, its seed, its checks, and what happens without the extra."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import FitError, OptionError, TooFewDataError
from riskstd.model import HierarchicalFit, fit_hierarchical
from riskstd.model.bayes import ConvergenceLimits, Priors, Sampling, fit_bayes
from riskstd.model.bayes.convergence import Convergence

needs_extra = pytest.mark.skipif(importlib.util.find_spec("nutpie") is None, reason="needs the extra riskstd[bayes]")
SHORT = Sampling(draws=8, tune=5, seed=1)


def test_posterior_lies_around_the_likelihood_estimates(fit, rows):
    """1,000 x 4 draws; a quarter of a posterior standard deviation leaves room for the priors."""
    likelihood = fit_hierarchical(*rows, n_nodes=25)
    assert isinstance(fit, HierarchicalFit)
    assert fit.converged, fit.convergence.problems
    assert abs(fit.mu - likelihood.mu) < 0.25 * likelihood.mu_se
    assert np.all(np.abs(fit.beta - likelihood.beta) < 0.25 * likelihood.beta_se)
    assert likelihood.tau < fit.tau < likelihood.tau + likelihood.tau_se
    assert_allclose(fit.beta_se, likelihood.beta_se, rtol=0.15)
    assert_allclose(fit.effects, likelihood.effects_mean, atol=0.15)
    assert np.all(fit.effects_variance > 0.9 * likelihood.effects_variance)
    assert likelihood.log_likelihood - 2.0 < fit.log_likelihood < likelihood.log_likelihood


def test_fields_are_the_moments_of_the_draws(fit):
    posterior = fit.posterior
    assert posterior.mu.shape == (4, 1000)
    assert posterior.beta.shape == (4, 1000, 2)
    assert posterior.effects.shape == (4, 1000, 12)
    assert_allclose(fit.mu, posterior.mu.mean())
    assert_allclose(fit.tau_se, posterior.tau.std(ddof=1))
    assert_allclose(fit.effects, posterior.effects.mean(axis=(0, 1)))
    assert_allclose(np.sqrt(np.diag(fit.covariance)), [fit.mu_se, *fit.beta_se, fit.tau_se])
    assert not posterior.mu.flags.writeable


@needs_extra
def test_same_seed_same_draws_on_one_core_and_two_and_in_any_order(rows):
    first = fit_bayes(*rows, sampling=Sampling(draws=8, tune=5, seed=1, cores=1))
    order = np.random.default_rng(0).permutation(len(rows.y))
    names = np.array([f"F{99 - k}" for k in range(12)])
    second = fit_bayes(
        rows.y[order], rows.X[order], names[rows.facility[order]], sampling=Sampling(draws=8, tune=5, seed=1, cores=2)
    )
    other = fit_bayes(*rows, sampling=Sampling(draws=8, tune=5, seed=2))
    assert_array_equal(first.posterior.tau, second.posterior.tau)
    assert_array_equal(first.posterior.effects[..., ::-1], second.posterior.effects)
    assert not np.any(first.posterior.tau == other.posterior.tau)


def test_short_chains_are_called_unconverged(short_fit):
    assert not short_fit.converged
    assert any("r-hat" in text for text in short_fit.warnings)
    assert any("effective sample size" in text for text in short_fit.warnings)
    assert "NOT converged" in short_fit.summary()
    assert "converged=False" in repr(short_fit)
    with pytest.raises(FitError, match="allow_unconverged"):
        short_fit.require_converged()
    short_fit.require_converged(allow_unconverged=True)


def test_every_check_can_fail(fit):
    """Each limit in turn made impossible to meet."""
    limits = {
        "r-hat": ConvergenceLimits(max_r_hat=0.5),
        "effective sample size": ConvergenceLimits(min_ess=1e9),
        "divergent": ConvergenceLimits(max_divergent=-1),
        "E-BFMI": ConvergenceLimits(min_e_bfmi=9.0),
    }
    for words, limit in limits.items():
        checks = Convergence(**{**vars(fit.convergence), "limits": limit})
        assert [words in text for text in checks.problems] == [True]
        assert not checks.converged


def test_a_quantity_that_does_not_move_has_not_converged(fit):
    stuck = {**fit.convergence.r_hat, "tau": np.array([np.nan])}
    checks = Convergence(**{**vars(fit.convergence), "r_hat": stuck})
    assert np.isnan(checks.max_r_hat)
    assert "1 of 1 tau" in checks.problems[0]


def test_checks_are_those_of_arviz(fit):
    arviz = pytest.importorskip("arviz")
    found = arviz.summary(fit.to_arviz(), var_names=["mu", "beta", "tau"], round_to="none")
    frame = fit.posterior_frame()
    for ours, theirs in (("mean", "mean"), ("sd", "sd"), ("r_hat", "r_hat"), ("ess_bulk", "ess_bulk")):
        assert_allclose(frame[ours], found[theirs], rtol=1e-10)
    assert_allclose(frame["mc_error"], found["mcse_mean"], rtol=1e-10)
    assert list(fit.to_arviz().posterior["effects"].coords["facility"].values) == list(range(12))


@needs_extra
def test_a_narrow_prior_of_tau_pulls_it_in(fit, rows):
    narrow = fit_bayes(*rows, priors=Priors(tau_scale=0.05), sampling=Sampling(draws=100, tune=150, seed=1))
    assert narrow.tau < 0.5 * fit.tau


def test_summary_names_priors_and_no_facility(fit):
    text = fit.summary()
    assert "half-normal(1)" in text
    assert "seed 11" in text
    assert repr(fit.posterior) == "Posterior(4 chains of 1000 draws, 2 factors, 12 facilities)"


@needs_extra
def test_separated_factor_is_sampled_with_a_warning(rows):
    X = np.column_stack([rows.X, np.arange(len(rows.y)) < 20]).astype(float)
    y = np.where(X[:, 2] == 1, 0, rows.y)
    found = fit_bayes(y, X, rows.facility, sampling=SHORT)
    assert any("the prior decides" in text for text in found.warnings)
    assert np.all(np.isfinite(found.beta))


@pytest.mark.parametrize(
    "wrong",
    [
        {"draws": 2},
        {"tune": 0},
        {"chains": 1},
        {"seed": -1},
        {"sampler": "gibbs"},
        {"cores": 0},
        {"target_accept": 1.0},
    ],
    ids=str,
)
def test_impossible_sampling_is_refused(wrong):
    with pytest.raises(OptionError, match="expected"):
        Sampling(**wrong)


@needs_extra
def test_data_too_few_are_refused_before_sampling():
    with pytest.raises(TooFewDataError):
        fit_bayes([0, 1, 1, 0], np.zeros((4, 0)), ["A", "A", "A", "A"])


def test_estimates_alone_are_not_saved(fit, tmp_path):
    with pytest.raises(FitError, match="to_netcdf"):
        fit.save(tmp_path / "fit")


def test_without_the_extra_the_error_names_it(rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(OptionError, match=r"riskstd\[bayes\]"):
        fit_bayes(*rows, sampling=SHORT)
