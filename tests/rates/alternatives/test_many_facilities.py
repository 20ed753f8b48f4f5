"""Empirical null, false discovery, funnel limits and agreement against R and plain formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtri
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests

from riskstd.errors import FitError, OptionError
from riskstd.rates.alternatives import empirical_null, false_discovery, flag_agreement, funnel_limits
from riskstd.rates.alternatives.density import fit_density
from riskstd.rates.alternatives.empirical_null import truncated_normal
from riskstd.rates.alternatives.false_discovery import storey_share
from riskstd.report.national.funnel import dispersion_of

# 1,400 quantiles of N(0.1, 1.2^2) and 100 scores from 3.2 to 7
SCORES = np.append(0.1 + 1.2 * ndtri((np.arange(1, 1401) - 0.5) / 1400), np.linspace(3.2, 7, 100))
# Benjamini and Hochberg 1995, the 15 p-values of their example; R 4.2.2 p.adjust(p, "BH")
P_1995 = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1,
]  # fmt: skip
R_BH = [
    0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.0638571428571, 0.0638571428571, 0.0645, 0.0765, 0.486, 0.5811818181818,
    0.714875, 0.7532307692308, 0.8132142857143, 1,
]  # fmt: skip


def test_null_by_likelihood():
    # optim(BFGS) on the truncated normal likelihood, window as documented, twice, R 4.2.2
    found = empirical_null(SCORES)
    assert_allclose([found.delta, found.sigma, found.share_null], [0.0992765, 1.1987298, 0.9328230], atol=2e-6)


def test_density_is_a_glm_on_a_natural_spline():
    # glm(y ~ ns(x, df = 7), poisson)$fitted[c(1, 30, 60, 90, 119)] on 119 bins, R 4.2.2
    found = fit_density(SCORES, 119, 7)
    expected = [0.198008538237, 22.5584499959, 19.9408964663, 2.16425339489, 2.25987005728]
    assert_allclose(found.counts[[0, 29, 59, 89, 118]], expected, rtol=1e-6)


def test_null_by_central_matching():
    # lm of the logarithm of the fitted counts between the quartiles, R 4.2.2
    found = empirical_null(SCORES, method="central-matching")
    assert_allclose([found.delta, found.sigma, found.share_null], [0.126516124, 1.10726766, 0.881658169], rtol=1e-6)


def test_local_false_discovery_rate_and_theoretical_share():
    # min(1, p0 dnorm(z, delta, sigma) / f(z)) at the 1,420th and 1,450th score, R 4.2.2
    found = empirical_null(SCORES)
    assert_allclose(found.local_fdr[[1419, 1449]], [0.115836815, 0.00314135092], rtol=1e-4)
    assert_allclose(empirical_null(SCORES, method="theoretical").share_null, 0.827340493, rtol=1e-7)
    flags = found.flag(0.2)
    assert flags[:1300].tolist() == [0.0] * 1300
    assert flags[-60:].tolist() == [1.0] * 60


def test_null_holds_the_truth():
    """Known truth: N(-0.2, 1.5^2) with 5 % far away; over 20 sets the mean estimate is right."""
    generator = np.random.default_rng(11)
    found = []
    for _ in range(20):
        z = np.append(generator.normal(-0.2, 1.5, 1900), generator.normal(8.0, 1.0, 100))
        null = empirical_null(z)
        found.append((null.delta, null.sigma, null.share_null))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(20)
    assert np.all(np.abs(mean - [-0.2, 1.5, 0.95]) < 4 * error)


def test_null_refusals():
    with pytest.raises(FitError, match="20 z-scores"):
        empirical_null(np.arange(20.0))
    with pytest.raises(FitError, match="without spread"):
        empirical_null(np.ones(80))
    with pytest.raises(FitError, match="missing or infinite"):
        empirical_null(np.append(np.arange(80.0), np.inf))
    with pytest.raises(FitError, match="not like a normal"):
        truncated_normal(np.repeat([-1.0, 1.0], 50), (-1.01, 1.01))


def test_benjamini_hochberg():
    found = false_discovery(P_1995, rate=0.05)
    assert_allclose(found.q_value, R_BH, rtol=1e-11)
    assert found.flagged.sum() == 4  # the paper's own count


def test_benjamini_yekutieli():
    found = false_discovery(P_1995, method="benjamini-yekutieli")
    assert_allclose(found.q_value, multipletests(P_1995, method="fdr_by")[1], rtol=1e-12)


def test_storey():
    # #{p > 1/2} = 4 of 15: pi0 = 4 / (15 x 0.5)
    found = false_discovery(P_1995, method="storey")
    assert_allclose(found.share_null, 4 / 7.5)
    assert_allclose(found.q_value, np.minimum(1, np.array(R_BH) * 4 / 7.5), rtol=1e-11)
    assert storey_share(np.zeros(0)) == 1.0
    assert false_discovery([0.03], facility=["A"]).flagged.tolist() == [True]


def test_false_discovery_refusals():
    with pytest.raises(FitError, match="outside 0 to 1"):
        false_discovery([1.2])
    with pytest.raises(OptionError, match="rate"):
        false_discovery([0.2], rate=5)


OBSERVED = [2, 15, 9, 30, 0, 12, 22, 7, 41, 5]
EXPECTED = [5.2, 10.1, 9.5, 18.3, 3.1, 12.4, 13, 8.8, 39.6, 2.2]


def test_funnel_limits_by_chance():
    # uniroot on pgamma(18.3, v + 1, lower = FALSE) and, for 12 of 60 expected, pbeta(0.8, 60 - v, v + 1), R 4.2.2
    found = funnel_limits(OBSERVED, EXPECTED)
    _, lower, upper = found.limits[0]
    assert_allclose([lower[3], upper[3]], [0.542646445965, 1.45487357149], rtol=1e-8)
    assert_allclose(funnel_limits([9], [12.0], cases=[60]).limits[0][2], 1.4848799728, rtol=1e-8)
    assert found.to_frame().columns[-1] == "upper_99.8"
    assert funnel_limits([0], [1.0]).limits[0][1].tolist() == [0.0]


def test_overdispersion():
    # phi of clipped scores, DerSimonian and Laird tau, limits by qnorm and uniroot as above, R 4.2.2
    found = funnel_limits(OBSERVED, EXPECTED, overdispersion="additive")
    assert_allclose([found.phi, found.tau], [2.30191620352, 0.371756567609], rtol=1e-10)
    _, lower, upper = found.limits[0]
    assert_allclose([lower[8], upper[8]], [0.207593879285, 1.79240612071], rtol=1e-10)
    assert lower[0] == 0.0
    assert_allclose(found.z_adjusted[8], 0.0874446249312, rtol=1e-10)
    wide = funnel_limits(OBSERVED, EXPECTED, overdispersion="multiplicative")
    assert_allclose(wide.limits[0][2][3], 1.73435692081, rtol=1e-8)
    assert_allclose(wide.z_adjusted, wide.z / np.sqrt(wide.phi))
    root = funnel_limits(OBSERVED, EXPECTED, overdispersion="additive", transform="root")
    assert_allclose([root.phi, root.tau], [2.08677379841, 0.171021850392], rtol=1e-10)
    assert_allclose([root.limits[0][1][3], root.limits[0][2][3]], [0.352836363668, 1.9768351392], rtol=1e-9)


def test_phi_is_that_of_the_reports():
    found = funnel_limits(OBSERVED, EXPECTED)
    assert_allclose(found.phi, dispersion_of(np.array(OBSERVED, float), np.array(EXPECTED)))


def test_no_overdispersion_leaves_limits_alone():
    calm = [10, 11, 9, 10, 10]
    plain = funnel_limits(calm, [10.0] * 5)
    for kind in ("multiplicative", "additive"):
        found = funnel_limits(calm, [10.0] * 5, overdispersion=kind)
        assert found.tau == 0.0
        assert found.flag(0.95).tolist() == [0.0] * 5
    wide = funnel_limits(calm, [10.0] * 5, overdispersion="multiplicative")
    assert_array_equal(wide.limits[0][1], plain.limits[0][1])
    one = funnel_limits([3], [2.0], overdispersion="additive")
    assert one.tau == 0.0


def test_funnel_refusals():
    with pytest.raises(FitError, match="expected: 1 of 1 rows 0"):
        funnel_limits([0], [0.0])
    with pytest.raises(FitError, match="not above expected"):
        funnel_limits([1], [5.0], cases=[5])
    with pytest.raises(OptionError, match="level 0"):
        funnel_limits([1], [5.0]).flag(0.9)
    with pytest.raises(OptionError, match="root"):
        funnel_limits([1], [5.0], cases=[9], transform="root")


def test_kappa():
    generator = np.random.default_rng(4)
    a = generator.integers(-1, 2, 200)
    b = np.where(generator.random(200) < 0.6, a, generator.integers(-1, 2, 200))
    table = np.array([[np.sum((a == i) & (b == j)) for j in (-1, 0, 1)] for i in (-1, 0, 1)])
    found = flag_agreement({"a": a, "b": b})
    assert_allclose(found.matrix("kappa").loc["a", "b"], cohens_kappa(table).kappa, rtol=1e-12)
    assert found.matrix("worse").loc["a", "b"] == table[2, 2]
    assert found.matrix("better").loc["a", "b"] == table[0, 0]
    assert_allclose(np.diag(found.matrix("kappa")), 1.0)


def test_agreement_edges():
    found = flag_agreement({"none": [0, 0, 0], "some": [0.0, 1.0, np.nan], "never": [np.nan] * 3})
    assert np.isnan(found.matrix("kappa").loc["none", "none"])
    assert found.matrix("both").loc["none", "some"] == 2
    assert_allclose(found.matrix("agreement").loc["none", "some"], 0.5)
    assert np.isnan(found.matrix("agreement").loc["none", "never"])
    assert len(found.to_frame()) == 9
    with pytest.raises(FitError, match="different lengths"):
        flag_agreement({"a": [1], "b": [1, 0]})
    with pytest.raises(FitError, match="another value"):
        flag_agreement({"a": [2]})
    with pytest.raises(FitError, match="not numbers"):
        flag_agreement({"a": ["worse"]})
