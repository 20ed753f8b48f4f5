"""Poisson-binomial tests against R and enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import FitError, OptionError
from riskstd.rates.alternatives import exact_test
from riskstd.rates.alternatives.poisson_binomial import _tails, poisson_binomial, tail_probabilities

P = np.array([0.02, 0.05, 0.05, 0.1, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6])
SIX = np.array([0.0] * 6 + [1.0] * 6)


def test_probabilities_by_enumeration():
    p = np.array([0.1, 0.35, 0.5, 0.8, 0.05])
    found = np.zeros(6)
    for outcome in itertools.product([0, 1], repeat=5):
        y = np.array(outcome)
        found[y.sum()] += np.prod(np.where(y == 1, p, 1 - p))
    assert_allclose(poisson_binomial(p), found, rtol=1e-13)


# R 4.2.2: f <- 1; for (q in P) f <- c(f * (1 - q), 0) + c(0, f * q); o <- 6, and sums of f
@pytest.mark.parametrize(
    ("rule", "mid_p", "p_value"),
    [
        ("double", False, 0.04085667491),
        ("double", True, 0.023593207965),
        ("probability", False, 0.020428337455),
        ("probability", True, 0.0117966039825),
    ],
)
def test_p_values(rule, mid_p, p_value):
    found = exact_test(SIX, P, np.zeros(12), rule=rule, mid_p=mid_p)
    assert_allclose(found.p_value, p_value, rtol=1e-10)
    assert_allclose(found.expected, 2.72)
    assert_allclose(found.z, 2.26368967516, rtol=1e-10)


def test_limits():
    # uniroot on the shift of qlogis(P) at which the mid-P tail is 0.025; sum of plogis there over 2.72, R 4.2.2
    found = exact_test(SIX, P, np.zeros(12))
    assert_allclose([found.lower[0], found.upper[0]], [1.14345353833, 3.26160038099], rtol=1e-9)


def test_equal_probabilities_are_binom_test():
    # binom.test(2, 30, 0.2): p-value, conf.int / 0.2, R 4.2.2
    found = exact_test([2], [0.2], ["A"], trials=[30], rule="probability", mid_p=False)
    assert_allclose(found.p_value, 0.0697952404873, rtol=1e-10)
    assert_allclose([found.lower[0], found.upper[0]], [0.0408906723033, 1.10367700761], rtol=1e-9)


def test_no_events_all_events_one_case():
    y, p = [0, 0, 1, 1, 1, 0], [0.2, 0.3, 0.2, 0.3, 0.4, 0.4]
    found = exact_test(y, p, ["none", "none", "all", "all", "one", "one other"])
    frame = found.to_frame().set_index("facility_id")
    assert frame.loc["none", "lower"] == 0.0
    assert_allclose(frame.loc["all", "upper"], 2 / 0.5)
    assert_allclose(frame.loc["none", "p_value"], 0.56)
    assert_allclose(frame.loc["all", "p_value"], 0.06)
    assert_allclose(frame.loc["one", "p_value"], 0.4)
    assert_allclose(frame.loc["one other", "p_value"], 0.6)
    assert np.isfinite(found.z).all()


def test_single_cases_and_counts_agree_in_any_order():
    generator = np.random.default_rng(5)
    p, facility = generator.choice([0.05, 0.1, 0.3], 300), generator.integers(0, 7, 300)
    y = (generator.random(300) < p).astype(float)
    shuffled = generator.permutation(300)
    first, second = exact_test(y, p, facility), exact_test(y[shuffled], p[shuffled], facility[shuffled])
    for name in first.columns:
        assert_array_equal(getattr(first, name), getattr(second, name))
    keys, at = np.unique(np.column_stack([facility, p]), axis=0, return_inverse=True)
    counts = exact_test(np.bincount(at, y), keys[:, 1], keys[:, 0].astype(int), trials=np.bincount(at))
    assert_allclose(counts.p_value, first.p_value, rtol=1e-12)


def test_tails_keep_their_precision_far_out():
    """P(30 of 30) with probability 1e-3 each is 1e-90."""
    log_odds = np.full(30, np.log(1e-3 / (1 - 1e-3)))
    fewer, equal, more = tail_probabilities(log_odds, np.array([0, 30]), np.array([30]), np.zeros(1))
    assert_allclose(equal, 1e-90, rtol=1e-10)
    assert more[0] == 0.0
    assert_allclose(fewer, 1.0)


def test_compiled_and_plain_tails_agree():
    generator = np.random.default_rng(1)
    log_odds, pointer, observed = generator.normal(-2, 1, 50), np.array([0, 20, 50]), np.array([3, 0])
    out = np.empty((3, 2))
    _tails(log_odds, pointer, observed, np.array([0.1, -0.2]), out)
    assert_allclose(tail_probabilities(log_odds, pointer, observed, np.array([0.1, -0.2])), out, rtol=1e-12)


def test_mid_p_is_uniform_on_average():
    """Under the null mid-P p-values have mean 1/2 one-sided, exactly."""
    mass = poisson_binomial(P)
    upper = [mass[k + 1 :].sum() + 0.5 * mass[k] for k in range(13)]
    assert_allclose(np.sum(mass * upper), 0.5)


def test_flags_and_refusals():
    assert exact_test(SIX, P, np.zeros(12)).flag.tolist() == [1.0]
    with pytest.raises(FitError, match="probability: 1 of 2 rows not between"):
        exact_test([0, 1], [0.5, 1.0], ["A", "B"])
    with pytest.raises(FitError, match="no rows"):
        exact_test([], [], [])
    with pytest.raises(FitError, match="neither 0 nor 1"):
        exact_test([2], [0.5], ["A"])
    with pytest.raises(OptionError, match="rule"):
        exact_test([1], [0.5], ["A"], rule="both")
