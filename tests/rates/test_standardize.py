"""Rates, scales, categories, reliability and the cheap intervals."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import OptionError
from riskstd.model import fit_hierarchical
from riskstd.rates import CategoryLabels, Standardization, predicted_expected, standardize
from riskstd.rates.rules import categorize
from riskstd.spec import load_measure

COLUMNS = [
    "facility_id", "cases", "observed", "observed_rate", "predicted", "expected", "ratio", "rate",
    "lower", "upper", "category", "reliability", "effect", "effect_se",
]  # fmt: skip


def test_columns_and_counts(fit, rows):
    frame = standardize(fit, interval="plug-in").to_frame()
    assert frame.columns.tolist() == COLUMNS
    assert frame["cases"].tolist() == np.bincount(rows.facility).tolist()
    assert frame["observed"].tolist() == np.bincount(rows.facility, rows.y).astype(int).tolist()
    assert frame["cases"].dtype == np.int64


def test_ratio_agrees_with_scoring_by_coefficients(fit, rows):
    rates = standardize(fit, interval="none")
    scored = predicted_expected(rows.X, rows.facility, mu=fit.mu, beta=fit.beta, effects=fit.effects)
    for name in ("predicted", "expected", "ratio"):
        assert_allclose(getattr(rates, name), getattr(scored, name), rtol=1e-12)


@pytest.mark.parametrize(("scale", "factor"), [("per_1000", 1000), ("percent", 100)])
def test_rate_is_ratio_times_national_rate(fit, rows, scale, factor):
    rates = standardize(fit, scale=scale, interval="plug-in")
    crude = rows.y.mean()
    assert_allclose(rates.national_rate, crude, rtol=1e-14)
    assert_allclose(rates.rate, rates.ratio * crude * factor, rtol=1e-13)
    assert_allclose(rates.comparator, crude * factor, rtol=1e-13)
    assert_allclose(rates.observed_rate, rates.observed / rates.cases * factor)
    assert np.all((rates.lower < rates.rate) & (rates.rate < rates.upper))


def test_ratio_scale_shows_the_ratio(fit):
    rates = standardize(fit, scale="ratio", interval="plug-in", national_rate=0.02)
    assert_array_equal(rates.rate, rates.ratio)
    assert rates.comparator == 1.0
    assert_allclose(rates.observed_rate, rates.observed / (rates.expected * rates.cases))


def test_given_national_rate_scales_rates_and_limits(fit):
    own = standardize(fit, interval="bootstrap", n_bootstrap=20, seed=4)
    given = standardize(fit, interval="bootstrap", n_bootstrap=20, seed=4, national_rate=0.05)
    factor = 0.05 / own.national_rate
    for name in ("rate", "lower", "upper"):
        assert_allclose(getattr(given, name), getattr(own, name) * factor, rtol=1e-12)
    assert given.category.tolist() == own.category.tolist()


def test_plug_in_interval_by_hand(fit, rows):
    rates = standardize(fit, scale="ratio", interval="plug-in", level=0.9)
    half = 1.6448536269514722 * np.sqrt(fit.prediction_variance)
    average = fit.mu + rows.X @ fit.beta
    for limits, effect in ((rates.lower, fit.effects - half), (rates.upper, fit.effects + half)):
        p = 1 / (1 + np.exp(-(average + effect[rows.facility])))
        predicted = np.bincount(rows.facility, p) / np.bincount(rows.facility)
        assert_allclose(limits, predicted / rates.expected, rtol=1e-9)


def test_closed_form_interval_by_hand(fit, rows):
    rates = standardize(fit, scale="ratio", interval="closed-form")
    p = fit.predict(rows.X)
    information = np.bincount(rows.facility, p * (1 - p))
    width = 1 / np.sqrt(information * rates.ratio + 1 / fit.tau**2)
    assert_allclose(np.log(rates.upper / rates.lower) / (2 * 1.959963984540054), width, rtol=1e-9)
    assert_allclose(rates.reliability, fit.tau**2 / (fit.tau**2 + 1 / information), rtol=1e-9)


def test_variance_option_changes_the_standard_error(fit):
    prediction = standardize(fit, interval="plug-in")
    posterior = standardize(fit, interval="plug-in", variance="posterior")
    assert_allclose(prediction.effect_se**2, fit.prediction_variance)
    assert_allclose(posterior.effect_se**2, fit.effects_variance)
    assert np.all(posterior.upper < prediction.upper)


@pytest.mark.parametrize("interval", ["plug-in", "closed-form", "bootstrap", "none"])
def test_singular_fit_has_ratios_of_exactly_one(singular_fit, interval):
    rates = standardize(singular_fit, scale="ratio", interval=interval, n_bootstrap=20, seed=1)
    assert_array_equal(rates.ratio, 1.0)
    assert_array_equal(rates.reliability, 0.0)
    if interval in ("plug-in", "closed-form"):
        assert_array_equal(rates.lower, 1.0)
        assert set(rates.category) == {"no different"}
    assert any("tau is 0" in text for text in rates.warnings)


def test_no_interval_gives_no_category(fit):
    rates = standardize(fit, interval="none")
    assert np.all(np.isnan(rates.lower) & np.isnan(rates.upper))
    assert set(rates.category) == {None}


def test_categories_are_read_before_rounding():
    lower, upper = np.array([0.98, 1.001, 0.5, 0.5, 1.1]), np.array([1.02, 1.3, 0.9996, 1.0, 1.2])
    rules = Standardization(scale="ratio", minimum_cases=25)
    category = categorize(lower, upper, np.array([25, 30, 30, 30, 24]), comparator=1.0, rules=rules)
    assert category.tolist() == ["no different", "worse", "better", "no different", "too few cases"]


def test_measure_is_read_by_its_attributes(fit):
    measure = SimpleNamespace(
        scale="per_1000",
        minimum_cases=60,
        display_level=0.90,
        category_level=0.50,
        category_labels={"better": "B", "no_different": "N", "worse": "W", "too_few": "F"},
    )
    rates = standardize(fit, measure=measure, interval="plug-in")
    assert rates.level == 0.90
    assert rates.category_level == 0.50
    assert_array_equal(rates.category == "F", rates.cases < 60)
    strict = standardize(fit, measure=measure, interval="plug-in", level=0.50)
    judged = np.where(strict.upper < strict.comparator, "B", "N")
    judged[strict.lower > strict.comparator] = "W"
    judged[rates.cases < 60] = "F"
    assert rates.category.tolist() == judged.tolist()
    assert {"B", "N", "W", "F"} == set(judged)
    assert np.all(np.isfinite(rates.rate))


@pytest.mark.parametrize("name", ["ASC-12", "ASC-17", "ASC-18", "ASC-19"])
def test_measure_definitions_are_read(fit, name):
    measure = load_measure(name, year=2025)
    categories = measure.definition.score.categories
    rates = standardize(fit, measure=measure, interval="plug-in")
    assert rates.scale == measure.scale.kind
    too_few = rates.category == categories.labels.too_few
    assert_array_equal(too_few, rates.cases < categories.minimum_cases)
    assert (rates.level, rates.category_level) == (categories.display_level, categories.category_level)


def test_measure_without_rules_is_refused(fit):
    with pytest.raises(OptionError, match="measure of type SimpleNamespace without"):
        standardize(fit, measure=SimpleNamespace(scale="percent"), interval="none")
    labels = {"better": "B", "worse": "W"}
    with pytest.raises(OptionError, match="no_different"):
        standardize(fit, measure=Standardization(category_labels=labels), interval="none")


def test_name_of_a_measure_is_refused_with_the_way_to_load_it(fit):
    with pytest.raises(OptionError, match=r"pass measure=load_measure\('ASC-17'\)"):
        standardize(fit, measure="ASC-17", interval="none")


def test_display_level_does_not_move_the_category(fit):
    labels = CategoryLabels("better", "no different", "worse", "too few")
    narrow = Standardization("ratio", 0, 0.5, 0.95, labels)
    wide = Standardization("ratio", 0, 0.95, 0.95, labels)
    one, two = (standardize(fit, measure=m, interval="plug-in") for m in (narrow, wide))
    assert one.category.tolist() == two.category.tolist()
    assert np.all(one.upper - one.lower < two.upper - two.lower)


def test_effects_and_labels_keep_their_order(rows):
    labels = np.array([f"ASC{99 - j:02d}" for j in range(25)])
    fit = fit_hierarchical(rows.y, rows.X, labels[rows.facility])
    frame = standardize(fit, interval="none").to_frame()
    assert frame["facility_id"].is_monotonic_increasing
    assert frame["cases"].tolist() == np.bincount(rows.facility)[::-1].tolist()


@pytest.mark.parametrize(
    "options",
    [
        {"interval": "jackknife"},
        {"interval": "bootstrap"},
        {"interval": "bootstrap", "seed": -1},
        {"interval": "bootstrap", "seed": 1.5},
        {"interval": "bootstrap", "seed": 1, "n_bootstrap": 0},
        {"interval": "bootstrap", "seed": 1, "n_bootstrap": 100.0},
        {"interval": "bootstrap", "seed": 1, "threads": 0},
        {"interval": "bootstrap", "seed": 1, "progress": "yes"},
        {"interval": "plug-in", "checkpoint": "folder"},
        {"interval": "none", "scale": "per_10000"},
        {"interval": "none", "level": 95},
        {"interval": "none", "national_rate": 9.9},
        {"interval": "none", "variance": "both"},
    ],
)
def test_options_outside_their_values(fit, options):
    with pytest.raises(OptionError):
        standardize(fit, **options)


def test_repr_shows_no_facility(fit):
    text = repr(standardize(fit, interval="none"))
    assert text.startswith("FacilityRates(25 facilities, scale='percent'")
    assert "array" not in text
