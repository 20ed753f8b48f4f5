"""Posterior of ratios, ranks and probabilities against a plain computation, draw by draw and row by row."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from scipy.stats import rankdata

from riskstd.errors import FitError, OptionError
from riskstd.rates import Standardization, standardize
from riskstd.rates.posterior import mean_error, posterior_rates


@pytest.fixture(scope="module")
def plain_ratio(fit, rows):
    """Shape (n_draws, n_facilities)."""
    posterior = fit.posterior
    mu, beta = posterior.mu.ravel(), posterior.beta.reshape(-1, 2)
    effects = posterior.effects.reshape(len(mu), -1)
    out = np.empty(effects.shape)
    for k in range(len(mu)):
        average = mu[k] + rows.X @ beta[k]
        predicted = np.bincount(rows.facility, expit(average + effects[k][rows.facility]))
        out[k] = predicted / np.bincount(rows.facility, expit(average))
    return out


@pytest.fixture(scope="module")
def found(fit):
    return posterior_rates(fit, scale="per_1000", margin=1.25)


def test_rates_are_those_of_the_draws(found, plain_ratio, rows):
    rates = found.rates
    assert_allclose(found.ratio_draws.reshape(plain_ratio.shape), plain_ratio, rtol=1e-10)
    assert_allclose(rates.ratio, plain_ratio.mean(axis=0))
    assert_allclose(rates.rate, plain_ratio.mean(axis=0) * 1000 * rows.y.mean())
    lower, upper = np.quantile(plain_ratio, (0.025, 0.975), axis=0) * 1000 * rows.y.mean()
    assert_allclose(rates.lower, lower)
    assert_allclose(rates.upper, upper)
    assert_array_equal(rates.observed, np.bincount(rows.facility, rows.y))


def test_probabilities_and_ranks_are_counts_of_draws(found, plain_ratio):
    assert_allclose(found.probability_worse, (plain_ratio > 1).mean(axis=0))
    assert_allclose(found.probability_beyond_margin, (plain_ratio > 1.25).mean(axis=0))
    ranks = rankdata(plain_ratio, axis=1)
    assert_allclose(found.rank_mean, ranks.mean(axis=0))
    assert_allclose(found.rank_mean.sum(), 12 * 13 / 2)
    assert np.all((found.rank_lower <= found.rank_mean) & (found.rank_mean <= found.rank_upper))


def test_worse_facilities_are_those_whose_lower_limit_is_above(found):
    worse = found.rates.category == "worse"
    assert_array_equal(worse, found.rates.lower > found.rates.comparator)
    assert np.all(found.probability_worse[worse] >= 0.974)
    assert worse.any()


def test_near_the_plug_in_rates_of_the_same_fit(fit, found):
    """Ratio at the mean effect; posterior means of ratios are a little above, as exp() is convex."""
    plug_in = standardize(fit, scale="per_1000", interval="plug-in")
    assert_allclose(found.rates.ratio, plug_in.ratio, rtol=0.05)
    assert_allclose(found.rates.reliability, plug_in.reliability)


def test_measure_rules_apply(fit):
    few = posterior_rates(fit, measure=Standardization("ratio", minimum_cases=10**6))
    assert set(few.rates.category) == {"too few cases"}
    narrow = posterior_rates(fit, scale="ratio", level=0.5).rates
    wide = posterior_rates(fit, scale="ratio", level=0.9).rates
    assert np.all(narrow.upper - narrow.lower < wide.upper - wide.lower)


def test_batch_means_know_correlated_draws():
    """AR(1) with coefficient 0.5: the variance of a mean is three times that of independent draws."""
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(4, 10_000, 3))
    chain = np.empty_like(noise)
    chain[:, 0] = noise[:, 0] / np.sqrt(0.75)
    for k in range(1, 10_000):
        chain[:, k] = 0.5 * chain[:, k - 1] + noise[:, k]
    assert_allclose(mean_error(chain), 2.0 / np.sqrt(40_000), rtol=0.15)


def test_unconverged_draws_are_refused_or_marked(short_fit):
    with pytest.raises(FitError, match="r-hat"):
        posterior_rates(short_fit)
    marked = posterior_rates(short_fit, allow_unconverged=True)
    assert not marked.converged
    assert not marked.to_frame()["converged"].any()
    assert any("not converged" in text for text in marked.warnings)
    assert "converged=False" in repr(marked)


def test_frame_has_the_columns_of_facility_rates_and_its_own(found):
    frame = found.to_frame()
    assert list(frame.columns[:2]) == ["facility_id", "cases"]
    assert list(frame.columns[-3:]) == ["rank_lower", "rank_upper", "converged"]
    assert frame.shape == (12, 21)


@pytest.mark.parametrize("margin", [0.5, float("nan"), True, "1.2"], ids=str)
def test_impossible_margins_are_refused(fit, margin):
    with pytest.raises(OptionError, match="margin"):
        posterior_rates(fit, margin=margin)
