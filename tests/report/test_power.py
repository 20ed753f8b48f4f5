"""Power: the distribution of visits against enumeration and simulation, and the smallest detectable difference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binom

from riskstd.report.facility.power import POWERS, events_at_most, power_of, probabilities
from riskstd.report.facility.whatif import FlagRule


def log_odds(n, seed=3, mean=-3.9):
    return np.random.default_rng(seed).normal(mean, 0.7, n)


def test_few_cases_agree_with_every_outcome_enumerated():
    x, shift = log_odds(9, mean=-1.0), 0.4
    p = expit(x + shift)
    mass = np.zeros(10)
    for outcome in itertools.product((0, 1), repeat=9):
        mass[sum(outcome)] += np.prod(np.where(outcome, p, 1 - p))
    np.testing.assert_allclose(events_at_most(x, np.array([shift]), 9)[0], np.cumsum(mass), atol=1e-14)
    np.testing.assert_allclose(events_at_most(x, np.array([shift]), 3)[0], np.cumsum(mass)[:4], atol=1e-14)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 33, 400, 3001])
def test_equal_cases_are_binomial(n):
    x = np.full(n, logit(0.03))
    found = events_at_most(x, np.array([0.0, 1.0]), min(n, 40))
    for row, p in zip(found, (0.03, expit(logit(0.03) + 1)), strict=True):
        np.testing.assert_allclose(row, binom.cdf(np.arange(min(n, 40) + 1), n, p), atol=1e-12)


def test_power_agrees_with_simulated_facilities():
    x, rule, draws = log_odds(350), FlagRule(2, 16), 4000
    rng = np.random.default_rng(5)
    for shift in (-1.5, 0.0, 0.6, 1.0):
        visits = (rng.random((draws, len(x))) < expit(x + shift)).sum(axis=1)
        for found, simulated in zip(
            probabilities(x, np.array([shift]), rule), (visits >= 16, visits <= 2), strict=True
        ):
            error = np.sqrt(found[0] * (1 - found[0]) / draws)
            assert simulated.mean() == pytest.approx(found[0], abs=4 * error + 2e-3)


def test_the_smallest_detectable_difference_has_its_power():
    x, rule = log_odds(500), FlagRule(3, 20)
    power = power_of(x, rule)
    shifts = np.linspace(-8, 8, 16001)
    ratios = expit(x[:, None] + shifts[None, ::100]).sum(axis=0) / expit(x).sum()
    for level in POWERS:
        for ratio, side in ((power.worse_at[level], 0), (power.better_at[level], 1)):
            shift = np.interp(np.log(ratio), np.log(ratios), shifts[::100])
            assert probabilities(x, np.array([shift]), rule)[side][0] == pytest.approx(level, abs=3e-3)
    assert power.worse_at[0.8] > power.worse_at[0.5] > 1 > power.better_at[0.5] > power.better_at[0.8] > 0
    assert np.all(np.diff(power.worse) >= -1e-12)
    assert np.all(np.diff(power.better) <= 1e-12)
    at_one = probabilities(x, np.zeros(1), rule)
    assert (power.false_worse, power.false_better) == (at_one[0][0], at_one[1][0])


def test_never_means_never():
    x = log_odds(40)
    for rule in (FlagRule(None, None), FlagRule(None, 5), FlagRule(1, None)):
        power = power_of(x, rule)
        assert all((ratio is None) == (rule.worse_from is None) for ratio in power.worse_at.values())
        assert all((ratio is None) == (rule.better_up_to is None) for ratio in power.better_at.values())
        assert power.worse.any() == (rule.worse_from is not None)


def test_more_cases_detect_smaller_differences():
    found = [power_of(log_odds(n), FlagRule(None, k)).worse_at[0.8] for n, k in ((150, 9), (600, 22), (2400, 68))]
    assert found[0] > found[1] > found[2] > 1


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_cases(n):
    power = power_of(np.full(n, -4.0), FlagRule(None, n))
    assert power.worse_at[0.8] == pytest.approx(0.8 ** (1 / n) / expit(-4.0), rel=1e-3)
    assert power.false_worse == pytest.approx(expit(-4.0) ** n)
