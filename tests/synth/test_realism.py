"""A nation without claims: cases, risk factors and outcomes as the generator draws them give published-like results."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

import riskstd
from riskstd.synth.nation import calibrate, draw_national_facilities, events_excluded, sample_truth
from riskstd.synth.plan import Vocabulary
from riskstd.synth.profile import measure_profile
from riskstd.synth.simulate import make_land
from riskstd.synth.synthesize import MEASURES
from riskstd.synth.volumes import nation_facts, published

pytestmark = pytest.mark.slow

# CMS facility file of July 2024: standard deviation of the logarithm of rates.
SD_OF_LOG_RATES = {"ASC-12": 0.098, "ASC-17": 0.114, "ASC-18": 0.138, "ASC-19": 0.134}
# Public labels of two measures are stricter than their limits of 95 %; about 99 % fits them.
LABEL_QUANTILE = {"ASC-12": 1.96, "ASC-17": 2.576, "ASC-18": 2.576, "ASC-19": 1.96}


@pytest.fixture(scope="module")
def nation():
    """Facilities of a nation, a sample of what its cases look like, and the intercepts."""
    seeds = np.random.SeedSequence(12).spawn(3)
    profiles = [measure_profile(name) for name in MEASURES]
    vocabulary = Vocabulary()
    land = make_land(vocabulary, profiles)
    people = nation_facts()["people"]
    facilities = draw_national_facilities(people, profiles, vocabulary, np.random.default_rng(seeds[0]))
    truths = sample_truth(land, profiles, facilities, seeds[1])
    mu, _ = calibrate(truths, facilities, land.books, np.random.default_rng(seeds[2]))
    lost = {profile.id: events_excluded(land.books[profile.id], profile) for profile in profiles}
    return facilities, {truth.profile.id: truth for truth in truths}, mu, lost


class Result:
    """Rates of one measure with limits, over facilities with enough cases, beside what they were drawn from."""

    def __init__(self, name, facilities, truth, mu, lost):
        rng = np.random.default_rng(MEASURES.index(name))
        self.profile = truth.profile
        cases = rng.poisson(facilities.weight[name])
        facility = np.repeat(np.arange(len(cases)), cases)
        sample = truth.factors.to_numpy(dtype=float)
        x = sample[rng.integers(0, len(sample), len(facility))]
        beta = np.array([self.profile.coefficients[column] for column in truth.factors.columns])
        p = expit(mu + x @ beta + facilities.effect[name][facility])
        y = (rng.random(len(p)) < p).astype(np.int8)
        stays = (y == 0) | (rng.random(len(y)) >= lost)  # the diagnosis of some visits excludes the procedure
        x, y, facility = x[stays], y[stays], facility[stays]
        self.event_rate = float(y.mean())
        self.fit = riskstd.fit_hierarchical(y, x[:, x.std(axis=0) > 0], facility, method="laplace")
        rates = riskstd.standardize(self.fit, measure=self.profile.measure, interval="closed-form").to_frame()
        self.rates = rates[rates["cases"] >= published(name).cases[0]]
        self.width = np.log(self.rates["upper"] / self.rates["lower"]) / 3.92

    def flagged(self, z):
        """Tell which facilities differ from the nation at a normal quantile."""
        return np.abs(np.log(self.rates["ratio"]) / self.width) > z


@pytest.fixture(scope="module")
def results(nation):
    facilities, truths, mu, lost = nation
    return {name: Result(name, facilities, truths[name], mu[name], lost[name]) for name in MEASURES}


@pytest.mark.parametrize("name", MEASURES)
def test_event_rate_and_tau_come_back(results, name):
    found = results[name]
    assert found.event_rate == pytest.approx(found.profile.event_rate, rel=0.04)
    assert found.fit.tau == pytest.approx(found.profile.tau, abs=3 * found.fit.tau_se)


@pytest.mark.parametrize("name", MEASURES)
def test_rates_spread_as_published(results, name):
    # The spread goes about as tau squared, which a nation tells to 6-8 %: hence the tolerance.
    spread = np.log(results[name].rates["rate"]).std()
    assert spread == pytest.approx(SD_OF_LOG_RATES[name], rel=0.2)


@pytest.mark.parametrize("name", MEASURES)
def test_interval_width_follows_the_closed_form(results, name):
    found = results[name]
    p = found.event_rate
    expected = 1 / np.sqrt(1 / found.fit.tau**2 + found.rates["cases"] * p * (1 - p))
    assert np.median(np.abs(found.width / expected - 1)) < 0.03


def test_few_facilities_are_flagged(results):
    flagged = np.concatenate([found.flagged(1.96) for found in results.values()])
    assert 0.002 < flagged.mean() < 0.02
    for name, found in results.items():
        assert found.flagged(LABEL_QUANTILE[name]).mean() < 0.02, name
