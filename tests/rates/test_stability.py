"""The probability of another category under another seed, against other seeds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from riskstd.model import fit_hierarchical
from riskstd.rates import Standardization, standardize
from riskstd.rates.percentiles import summarize_draws
from riskstd.rates.rules import CategoryLabels, categorize
from riskstd.rates.stability import (
    SETTLED_RISK,
    UNSETTLED_RISK,
    category_stability,
    chance_of_passing,
    draws_to_settle,
    stability_warning,
)

PRESENCE = 1 - np.exp(-1)


@pytest.mark.parametrize("n_replicates", [60, 200, 1000, 2000])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_chance_of_passing_is_that_of_a_beta_binomial_count(n_replicates, level):
    """Summed over how often a facility is drawn, with one half where the limit averages two draws."""
    tail = (1 - level) / 2
    present = round(n_replicates * PRESENCE)
    middle = present * tail
    counts = np.unique(np.maximum(0, np.round(middle + np.array([-3, -1, 0, 1, 2, 3]) * np.sqrt(middle)))).astype(int)
    found = chance_of_passing(counts, np.full(len(counts), present), tail, n_replicates, PRESENCE)
    numbers = np.arange(1, n_replicates + 1)
    rank = np.round(numbers * tail, 9)
    whole = np.floor(rank).astype(int)
    for count, chance in zip(counts, found, strict=True):
        drawn = stats.betabinom(numbers, count + 0.5, present - count + 0.5)
        passes = drawn.cdf(whole) - np.where(whole == rank, 0.5 * drawn.pmf(whole), 0.0)
        exact = np.sum(stats.binom.pmf(numbers, n_replicates, PRESENCE) * passes)
        assert_allclose(chance, exact, atol=0.002)


def latent_run(rng, centre, n_replicates):
    """Draws of facilities whose bootstrap distributions are normal, their counts and categories."""
    draws = 1 + centre[:, None] + 0.2 * rng.standard_normal((len(centre), n_replicates))
    draws[rng.random(draws.shape) > PRESENCE] = np.nan
    found = summarize_draws([draws], (0.95,), 1.0)
    category = categorize(*found.limits[0], np.full(len(centre), 9), comparator=1.0, rules=Standardization())
    return found, category


def stability_of(found, category, n_replicates):
    labels = CategoryLabels()
    return category_stability(found, category, level=0.95, labels=labels, n_bootstrap=n_replicates)


def test_flip_probability_is_calibrated_over_seeds():
    rng = np.random.default_rng(11)
    centre = rng.normal(0, 0.3, 2000)
    n_replicates, n_seeds = 250, 15
    found, category = latent_run(rng, centre, n_replicates)
    predicted = stability_of(found, category, n_replicates).flip_probability
    flipped = np.mean([latent_run(rng, centre, n_replicates)[1] != category for _ in range(n_seeds)], axis=0)
    assert_calibrated(predicted, flipped)


def assert_calibrated(predicted, flipped):
    """By class of the prediction, the share that changed lies within 3.5 standard errors over facilities."""
    edges = [0.0, 0.01, 0.05, 0.2, 0.4, 1.01]
    for low, high in pairwise(edges):
        these = (predicted >= low) & (predicted < high)
        assert these.sum() > 15
        difference = flipped[these] - predicted[these]
        assert abs(difference.mean()) < 3.5 * difference.std() / np.sqrt(these.sum()) + 0.003
    assert_allclose(predicted.sum(), flipped.sum(), rtol=0.15)


def test_warning_foretells_how_many_stay_near_the_line():
    rng = np.random.default_rng(5)
    centre = rng.normal(0, 0.3, 3000)
    stability = stability_of(*latent_run(rng, centre, 200), 200)
    later = stability_of(*latent_run(rng, centre, 2000), 2000)
    left = np.sum(later.flip_probability >= UNSETTLED_RISK)
    assert abs(stability.unsettled_with_more - left) < 4 * np.sqrt(left)
    now = np.sum(stability.flip_probability >= UNSETTLED_RISK)
    assert left < 0.5 * now
    text = stability_warning(stability, 200)
    assert text.startswith(f"{now:,} of 3,000 facilities would change category under another seed")
    assert text.endswith(f"2,000 bootstrap replicates would leave about {stability.unsettled_with_more:.0f}")


def test_replicates_to_settle_suffice_in_five_of_six_cases():
    rng = np.random.default_rng(8)
    share, tail = rng.uniform(0.0, 0.08, 4000), 0.025
    present = rng.binomial(2000, PRESENCE, 4000)
    needed = draws_to_settle(rng.binomial(present, share), present, tail)
    named = np.isfinite(needed)
    draws = needed[named].astype(int) + 1
    passes = stats.binom.cdf(np.floor(draws * tail), draws, share[named])
    suffices = 2 * passes * (1 - passes) <= 1.2 * SETTLED_RISK
    assert 0.79 < suffices.mean() < 0.97
    off = np.abs(share - tail) / np.sqrt(tail * (1 - tail) / present)
    assert np.all(off[~named] < 5)
    assert np.mean(off[~named] < 2) > 0.85
    assert np.median(needed[named & (off > 10)]) < np.median(needed[named & (off < 4)])


def test_sides_mirror_each_other():
    rng = np.random.default_rng(3)
    found, category = latent_run(rng, rng.normal(0, 0.3, 300), 200)
    turned = type(found)(found.limits, found.present, found.not_below, found.not_above)
    words = {"better": "worse", "worse": "better", "no different": "no different"}
    opposite = np.array([words[one] for one in category], dtype=object)
    one, two = stability_of(found, category, 200), stability_of(turned, opposite, 200)
    assert_allclose(one.flip_probability, two.flip_probability, rtol=1e-12)
    assert_array_equal(one.replicates_to_settle, two.replicates_to_settle)


def test_facilities_without_category_or_with_too_few_cases():
    rng = np.random.default_rng(3)
    found, category = latent_run(rng, np.full(3, 0.39), 200)
    category[:2] = [None, "too few cases"]
    stability = stability_of(found, category, 200)
    assert_array_equal(stability.flip_probability[:2], [np.nan, 0.0])
    assert_array_equal(stability.replicates_to_settle[:2], [np.nan, 0.0])
    assert stability.flip_probability[2] > 0


def test_dropped_replicates_count_as_absent():
    rng = np.random.default_rng(3)
    found, category = latent_run(rng, rng.normal(0, 0.3, 300), 200)
    options = {"level": 0.95, "labels": CategoryLabels()}
    kept = category_stability(found, category, n_bootstrap=200, **options)
    half = category_stability(found, category, n_bootstrap=400, n_dropped=200, **options)
    finite = np.isfinite(kept.replicates_to_settle) & (kept.flip_probability >= SETTLED_RISK)
    assert_allclose(half.replicates_to_settle[finite], 2 * kept.replicates_to_settle[finite], atol=1)


def test_result_shows_the_facilities_near_the_line(fit):
    rates = standardize(fit, n_bootstrap=40, seed=1, scale="ratio")
    frame = rates.to_frame(stability=True)
    assert frame.columns.tolist() == [*rates.to_frame().columns, "flip_probability", "replicates_to_settle"]
    assert np.all((rates.flip_probability >= 0) & (rates.flip_probability <= 1))
    near = rates.stability()
    assert set(near["facility_id"]) == set(rates.facility_id[rates.flip_probability >= 0.01])
    assert near["flip_probability"].is_monotonic_decreasing
    assert len(rates.stability(risk=0.2)) == np.sum(rates.flip_probability >= 0.2) < len(near)
    assert rates.n_unsettled == np.sum(rates.flip_probability >= 0.05) > 0
    assert any(text.startswith(f"{rates.n_unsettled} of 25 facilities would change") for text in rates.warnings)
    settled = rates.flip_probability < 0.01
    assert settled.any()
    assert np.all(rates.replicates_to_settle[settled] <= 40)


@pytest.mark.parametrize("interval", ["plug-in", "closed-form", "none"])
def test_interval_without_seed_has_no_flip_probability(fit, interval):
    rates = standardize(fit, interval=interval)
    assert np.all(np.isnan(rates.flip_probability) & np.isnan(rates.replicates_to_settle))
    assert rates.n_unsettled == 0
    assert len(rates.stability()) == 0
    assert rates.warnings == ()


def test_clear_facilities_give_no_warning():
    rng = np.random.default_rng(4)
    stability = stability_of(*latent_run(rng, np.array([-2.0, 0.0, 2.0]), 400), 400)
    assert stability_warning(stability, 400) == ""
    assert np.all(stability.flip_probability < SETTLED_RISK)


@pytest.mark.slow
def test_flip_probability_is_calibrated_on_a_fit(simulator):
    rows = simulator(n=30_000, n_facilities=300, tau=0.4, mu=-2.5, seed=21)
    fit = fit_hierarchical(rows.y, rows.X, rows.facility)
    options = {"n_bootstrap": 100, "scale": "percent"}
    runs = [standardize(fit, seed=seed, **options) for seed in range(16)]
    predicted, flipped = [], []
    for run in runs:
        predicted.append(run.flip_probability)
        flipped.append(np.sum([other.category != run.category for other in runs], axis=0) / (len(runs) - 1))
    assert_calibrated(np.concatenate(predicted), np.concatenate(flipped))
