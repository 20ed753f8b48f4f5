"""Likelihood-ratio and Wald tests against statsmodels and repeated sampling."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy.stats import chi2

from riskstd.errors import FitError, OptionError
from riskstd.model import fit_hierarchical
from riskstd.model.assess import likelihood_ratio_test, pooled_logistic, wald_test

NAMES = ["years", "diabetes", "copd", "cancer"]


def fit_some(rows, columns=(0, 1, 2, 3), **options):
    names = [NAMES[k] for k in columns]
    return fit_hierarchical(rows.y, rows.X[:, columns], rows.facility, factor_names=names, **options)


def pool_some(rows, columns=(0, 1, 2, 3), **options):
    return pooled_logistic(rows.y, rows.X[:, columns], factor_names=[NAMES[k] for k in columns], **options)


def test_pooled_likelihood_ratio_equals_statsmodels(simulated):
    found = likelihood_ratio_test(pool_some(simulated), pool_some(simulated, (0, 2)))
    full = sm.Logit(simulated.y, sm.add_constant(simulated.X)).fit(disp=0, tol=1e-12)
    small = sm.Logit(simulated.y, sm.add_constant(simulated.X[:, [0, 2]])).fit(disp=0, tol=1e-12)
    statistic = 2 * (full.llf - small.llf)
    assert_allclose([found.statistic, found.p_value], [statistic, chi2.sf(statistic, 2)], rtol=1e-6)
    assert (found.df, found.terms, found.on_boundary) == (2, ("diabetes", "cancer"), False)


@pytest.mark.parametrize("method", ["agq", "laplace"])
def test_hierarchical_likelihood_ratio(simulated, method):
    full, small = fit_some(simulated, method=method), fit_some(simulated, (0, 1), method=method)
    found = likelihood_ratio_test(full, small)
    statistic = 2 * (full.log_likelihood - small.log_likelihood)
    assert_allclose([found.statistic, found.p_value], [statistic, chi2.sf(statistic, 2)], rtol=1e-10)
    assert repr(found).startswith("likelihood-ratio test of copd, cancer: ")
    assert "(chi-square, 2 df), p = " in repr(found)


def test_tau_is_tested_on_the_boundary(simulated):
    full = fit_some(simulated)
    alone = likelihood_ratio_test(full, pool_some(simulated))
    assert (alone.terms, alone.df, alone.on_boundary) == (("tau",), 1, True)
    assert_allclose(alone.p_value, 0.5 * chi2.sf(alone.statistic, 1))
    both = likelihood_ratio_test(full, pool_some(simulated, (0, 1, 2)))
    assert both.terms == ("cancer", "tau")
    assert_allclose(both.p_value, 0.5 * chi2.sf(both.statistic, 1) + 0.5 * chi2.sf(both.statistic, 2))
    assert "equal mixture of chi-square, 1 and 2 df" in repr(both)
    even = np.tile([0, 0, 1, 0, 1], 20), np.zeros((100, 0)), np.repeat(np.arange(20), 5)
    none = likelihood_ratio_test(fit_hierarchical(*even), pooled_logistic(*even[:2]))
    assert (none.statistic, none.p_value) == (0.0, 1.0)


def test_rejections_without_differences_between_facilities():
    """Under tau = 0 about half of the statistics are 0, and at 10 % about that many are rejected."""
    rng, n_samples, p_values = np.random.default_rng(8), 300, []
    X, facility = np.zeros((40, 0)), np.arange(40)
    for _ in range(n_samples):
        y, trials = rng.binomial(60, 0.2, 40), np.full(40, 60)
        full = fit_hierarchical(y, X, facility, trials=trials)
        p_values.append(likelihood_ratio_test(full, pooled_logistic(y, X, trials=trials)).p_value)
    p_values = np.array(p_values)
    rejected = np.mean(p_values < 0.1)
    assert 0.04 < rejected < 0.1 + 3 * np.sqrt(0.09 / n_samples)
    # with 40 facilities the share at the boundary is above the half of large samples
    assert 0.45 < np.mean(p_values == 1.0) < 0.68


def test_wald_equals_statsmodels(simulated):
    fit = pool_some(simulated)
    check = sm.GLM(simulated.y, sm.add_constant(simulated.X), family=sm.families.Binomial()).fit(tol=1e-13)
    rows = np.array([[0, 1, 0, -1], [1, 0, 2, 0]])
    padded = np.column_stack([np.zeros(2), rows])
    found = wald_test(fit, contrast=rows, value=[0.1, 0.2])
    by_statsmodels = check.wald_test((padded, [0.1, 0.2]), scalar=True)
    assert_allclose([found.statistic, found.p_value], [by_statsmodels.statistic, by_statsmodels.pvalue], rtol=1e-6)
    assert found.terms == tuple(NAMES)
    joint = wald_test(fit, ["cancer", "diabetes"])
    wanted = check.wald_test(np.eye(5)[[2, 4]], scalar=True)
    assert_allclose([joint.statistic, joint.p_value], [wanted.statistic, wanted.pvalue], rtol=1e-6)
    assert joint.terms == ("diabetes", "cancer")


def test_wald_of_a_hierarchical_fit(simulated):
    fit = fit_some(simulated)
    one = wald_test(fit, "copd")
    assert_allclose(one.statistic, (fit.beta[2] / fit.beta_se[2]) ** 2, rtol=1e-10)
    assert_allclose([one.estimate[0], one.se[0]], [fit.beta[2], fit.beta_se[2]], rtol=1e-10)
    all_four = wald_test(fit, NAMES)
    block = fit.covariance[1:5, 1:5]
    assert_allclose(all_four.statistic, fit.beta @ np.linalg.solve(block, fit.beta), rtol=1e-9)
    near = likelihood_ratio_test(fit, fit_some(simulated, (0, 1, 3)))
    assert_allclose(one.statistic, near.statistic, rtol=0.1)
    assert repr(one).startswith("Wald test of copd: ")
    assert wald_test(fit_some(simulated, method="pql"), "copd").df == 1


def test_wald_does_not_depend_on_the_scale_of_contrasts(simulated):
    fit, rows = fit_some(simulated), np.array([[1.0, 0, 0, 0], [0, 1, 1, 0]])
    one = wald_test(fit, contrast=rows)
    for mixed in ([[1e8, 0], [0, 1e-8]], [[1, 2], [3, -1]]):
        assert_allclose(wald_test(fit, contrast=np.array(mixed) @ rows).statistic, one.statistic, rtol=1e-9)


def refused(call, *given, error=FitError, **options):
    with pytest.raises(error) as caught:
        call(*given, **options)
    return str(caught.value)


def test_fits_that_cannot_be_compared_are_refused(simulated, simulator):
    full, small = fit_some(simulated), fit_some(simulated, (0, 1))
    other = fit_some(simulator(seed=9), (0, 1))
    moved = fit_hierarchical(simulated.y, simulated.X[:, :2], simulated.facility + 1, factor_names=NAMES[:2])
    pql = fit_some(simulated, method="pql")
    assert "which has no likelihood" in refused(likelihood_ratio_test, pql, pql)
    assert "which has no likelihood" in refused(likelihood_ratio_test, pql, pool_some(simulated))
    assert "different methods" in refused(likelihood_ratio_test, full, fit_some(simulated, (0,), method="laplace"))
    assert "numbers of nodes" in refused(likelihood_ratio_test, full, fit_some(simulated, (0,), n_nodes=9))
    assert "fits of different data: n_events" in refused(likelihood_ratio_test, full, other)
    assert "other facilities" in refused(likelihood_ratio_test, full, moved)
    assert "not nested: 'copd', 'cancer' in it alone" in refused(likelihood_ratio_test, small, full)
    assert "same parameters" in refused(likelihood_ratio_test, full, full)
    assert "swap them" in refused(likelihood_ratio_test, pool_some(simulated), small)
    shuffled = simulated._replace(y=np.random.default_rng(0).permutation(simulated.y))
    weaker = pooled_logistic(shuffled.y, shuffled.X, factor_names=NAMES)
    assert "lower log-likelihood, by" in refused(likelihood_ratio_test, weaker, pool_some(simulated, (0, 1)))


def test_bad_hypotheses_are_refused(simulated):
    fit = fit_some(simulated)
    assert "both or neither" in refused(wald_test, fit, error=OptionError)
    assert "both or neither" in refused(wald_test, fit, "copd", contrast=[[1, 0, 0, 0]], error=OptionError)
    assert "does not have: 'smoking'" in refused(wald_test, fit, ["copd", "smoking"])
    assert "2 terms, repeated" in refused(wald_test, fit, ["copd", "copd"])
    assert "0 terms" in refused(wald_test, fit, [])
    assert "use likelihood_ratio_test" in refused(wald_test, fit, "tau")
    assert "contrast of shape (1, 3)" in refused(wald_test, fit, contrast=[1, 0, 0])
    assert "rows of zeros" in refused(wald_test, fit, contrast=[[0, 0, 0, 0]])
    assert "cannot be read" in refused(wald_test, fit, contrast=["copd = 0"])
    assert "not independent" in refused(wald_test, fit, contrast=[[1, 0, 0, 0], [2, 0, 0, 0]])
    assert "hypothesised values" in refused(wald_test, fit, "copd", value=[1, 2])
    few = pool_some(simulated, facility=simulated.facility % 3)
    assert "no more than clusters" in refused(wald_test, few, NAMES)
