"""Facilities scored with given mu, beta and tau: the same modes as the fit these come from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import FitError, OptionError
from riskstd.model import fit_hierarchical
from riskstd.rates import predicted_expected, score_facilities, standardize

HERE = Path(__file__).parent
SURGICAL_DEATHS = [0, 18, 8, 46, 8, 13, 9, 31, 14, 8, 29, 24]
SURGICAL_CASES = [47, 148, 119, 810, 211, 196, 148, 215, 207, 97, 256, 360]


@pytest.fixture(scope="module")
def model(fit):
    return {"mu": fit.mu, "beta": fit.beta, "tau": fit.tau}


@pytest.mark.parametrize("interval", ["plug-in", "closed-form"])
@pytest.mark.parametrize("method", ["agq", "laplace", "pql"])
def test_own_estimates_give_back_the_rates_of_the_fit(rows, method, interval):
    fit = fit_hierarchical(rows.y, rows.X, rows.facility, method=method)
    own = standardize(fit, interval=interval, variance="posterior", level=0.9)
    given = score_facilities(
        rows.y, rows.X, rows.facility, mu=fit.mu, beta=fit.beta, tau=fit.tau,
        national_rate="observed", interval=interval, level=0.9,
    )  # fmt: skip
    assert_array_equal(given.facility_id, own.facility_id)
    assert_array_equal(given.cases, own.cases)
    assert_array_equal(given.observed, own.observed)
    assert_allclose(given.effect, own.effect, atol=1e-6)
    names = ["effect_se", "predicted", "expected", "ratio", "rate", "lower", "upper", "reliability", "observed_rate"]
    for name in names:
        assert_allclose(getattr(given, name), getattr(own, name), rtol=1e-6)
    assert given.category.tolist() == own.category.tolist()
    assert given.national_rate == own.national_rate
    assert given.variance == "posterior"
    assert np.all(np.isnan(given.flip_probability))


@pytest.mark.parametrize("key", ["laplace", "pql_reml"])
def test_effects_are_those_of_the_reference_solution(key):
    golden = json.loads((HERE.parent / "model" / "data" / "golden.json").read_text())["surgical"][key]
    rates = score_facilities(
        SURGICAL_DEATHS, np.zeros((12, 0)), range(12), trials=SURGICAL_CASES,
        mu=golden["mu"], beta=[], tau=golden["tau"], scale="ratio",
    )  # fmt: skip
    assert_allclose(rates.effect, golden["effects"], atol=1e-6)
    assert_allclose(rates.effect_se**2, golden["effects_variance"], atol=1e-6)


@pytest.mark.parametrize("name", ["AMI", "COPD", "PN"])
def test_mock_report_is_reproduced_with_its_effect(name):
    cohort = json.loads((HERE / "data" / "mock_hsr.json").read_text())[name]
    flags = [[int(flag) for flag in row] for row in cohort["conditions"]]
    X = np.column_stack([cohort["years_over_65"], flags]).astype(float)
    rates = score_facilities(
        np.zeros(len(X)), X, ["hospital"] * len(X), mu=cohort["average_effect"], beta=cohort["coefficients"], tau=0.2,
        effects={"hospital": cohort["hospital_effect"] - cohort["average_effect"]}, national_rate=0.15,
    )  # fmt: skip
    for column in ("predicted", "expected", "ratio"):
        assert_allclose(getattr(rates, column), cohort[column], atol=1e-10)
    assert_allclose(rates.rate, cohort["ratio"] * 15, atol=1e-8)


def test_one_facility_alone_has_the_row_it_has_among_others(rows, model):
    options = {**model, "national_rate": 0.2, "scale": "per_1000"}
    among = score_facilities(rows.y, rows.X, rows.facility, **options).to_frame()
    for j in (0, 7, 24):
        own = rows.facility == j
        alone = score_facilities(rows.y[own], rows.X[own], rows.facility[own], **options).to_frame()
        assert len(alone) == 1
        pd.testing.assert_series_equal(alone.iloc[0], among.iloc[j], check_names=False, rtol=1e-9)


def test_labels_of_facilities_leave_every_bit(rows, model):
    other = np.random.default_rng(2).permutation(25)
    labels = np.array([f"site {k}" for k in other])
    one, two = (
        score_facilities(rows.y, rows.X, facility, national_rate="observed", **model)
        for facility in (rows.facility, labels[rows.facility])
    )
    place = np.searchsorted(two.facility_id, labels)
    assert one.national_rate == two.national_rate
    for name in ("effect", "effect_se", "predicted", "expected", "ratio", "rate", "lower", "upper", "reliability"):
        assert_array_equal(getattr(one, name), getattr(two, name)[place], err_msg=name)


def test_mode_by_hand(rows, model):
    own = rows.facility == 3
    rates = score_facilities(rows.y[own], rows.X[own], rows.facility[own], **model, scale="ratio")
    average = model["mu"] + rows.X[own] @ model["beta"]
    p = 1 / (1 + np.exp(-average - rates.effect[0]))
    assert_allclose(rows.y[own].sum() - p.sum(), rates.effect[0] / model["tau"] ** 2, atol=1e-6)
    variance = 1 / (np.sum(p * (1 - p)) + 1 / model["tau"] ** 2)
    assert_allclose(rates.effect_se**2, [variance], rtol=1e-8)
    expected = 1 / (1 + np.exp(-average))
    assert_allclose(rates.ratio, [p.sum() / expected.sum()], rtol=1e-9)
    half = 1.959963984540054 * np.sqrt(variance)
    upper = np.sum(1 / (1 + np.exp(-average - rates.effect[0] - half))) / expected.sum()
    assert_allclose(rates.upper, [upper], rtol=1e-9)
    information = np.sum(expected * (1 - expected))
    assert_allclose(rates.reliability, [model["tau"] ** 2 / (model["tau"] ** 2 + 1 / information)], rtol=1e-9)


@pytest.mark.parametrize("event", [0, 1])
def test_facility_with_no_or_only_events_has_a_finite_effect(event, model):
    rates = score_facilities([event] * 4, np.zeros((4, 3)), ["mine"] * 4, **model, national_rate=0.1)
    assert np.isfinite(rates.effect[0])
    assert (rates.effect[0] > 0) == bool(event)
    assert rates.observed.tolist() == [4 * event]


def test_trials_and_offset_equal_rows(rows, model):
    shift = 0.3 * rows.X[:, 2]
    own = score_facilities(rows.y, rows.X, rows.facility, **model, offset=shift, scale="ratio")
    raised = {**model, "beta": model["beta"] + [0, 0, 0.3]}
    assert_allclose(
        own.ratio, score_facilities(rows.y, rows.X, rows.facility, **raised, scale="ratio").ratio, rtol=1e-9
    )
    counts = score_facilities([3], [[0.0]], ["a"], mu=-1.0, beta=[0.0], tau=0.5, trials=[10], scale="ratio")
    single = score_facilities(
        [1, 1, 1, 0, 0, 0, 0, 0, 0, 0], np.zeros((10, 1)), ["a"] * 10, mu=-1.0, beta=[0.0], tau=0.5, scale="ratio"
    )
    assert_allclose(counts.ratio, single.ratio, rtol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_layout_of_the_factors_changes_no_bit(rows, model, seed):
    beta = model["beta"] + np.random.default_rng(seed).normal(0, 0.1, 3)
    found = [
        score_facilities(rows.y, X, rows.facility, mu=model["mu"], beta=beta, tau=model["tau"], scale="ratio").ratio
        for X in (np.ascontiguousarray(rows.X), np.asfortranarray(rows.X))
    ]
    assert_array_equal(*found)


def test_coefficients_by_name_and_measure_rules(rows, model):
    names = ["age", "diabetes", "asthma"]
    frame = pd.DataFrame(rows.X, columns=names)
    turned = dict(reversed(list(zip(names, model["beta"].tolist(), strict=True))))
    by_name = score_facilities(
        rows.y, frame, rows.facility, mu=model["mu"], beta=turned, tau=model["tau"], scale="ratio"
    )
    assert_array_equal(by_name.ratio, score_facilities(rows.y, rows.X, rows.facility, **model, scale="ratio").ratio)
    with pytest.raises(OptionError, match="load_measure"):
        score_facilities(rows.y, rows.X, rows.facility, **model, measure="ASC-18")


def test_tau_of_zero_gives_ratios_of_exactly_one(rows, model):
    rates = score_facilities(rows.y, rows.X, rows.facility, **{**model, "tau": 0.0}, scale="ratio")
    for values in (rates.ratio, rates.lower, rates.upper):
        assert_array_equal(values, 1.0)
    assert rates.warnings == ("tau is 0: every ratio is 1",)


def test_given_effects_score_as_predicted_expected(rows, model):
    effects = {j: rows.effects[j] for j in range(25)}
    rates = score_facilities(rows.y, rows.X, rows.facility, **model, effects=effects, scale="ratio")
    scored = predicted_expected(rows.X, rows.facility, mu=model["mu"], beta=model["beta"], effects=effects)
    assert_array_equal(rates.effect, rows.effects)
    for name in ("predicted", "expected", "ratio"):
        assert_allclose(getattr(rates, name), getattr(scored, name), rtol=1e-12)
    assert_array_equal(scored.rate(0.15, "per_1000"), scored.ratio * 150.0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"national_rate": None}, OptionError, "no national_rate for the scale 'percent'"),
        ({"national_rate": 15}, OptionError, "a proportion between 0 and 1"),
        ({"national_rate": "crude"}, OptionError, "national_rate 'crude'"),
        ({"interval": "bootstrap"}, OptionError, "the bootstrap refits the model"),
        ({"interval": "exact"}, OptionError, "interval 'exact'"),
        ({"mu": np.nan}, FitError, "mu nan"),
        ({"tau": -0.1}, FitError, "a standard deviation, not a variance"),
        ({"tau": np.inf}, FitError, "tau inf"),
        ({"beta": [1.0]}, FitError, r"beta of shape \(1,\)"),
        ({"effects": {"other": 0.1}}, FitError, "1 of 1 facilities have no effect"),
        ({"y": [0, 2]}, FitError, "neither 0 nor 1"),
        ({"y": [], "X": np.zeros((0, 2)), "facility": []}, FitError, "no rows"),
        ({"y": [1, 1], "national_rate": "observed"}, OptionError, "all have the same outcome"),
    ],
)
def test_what_cannot_be_scored_is_refused(change, error, message):
    options = {
        "y": [0, 1], "X": [[0.0, 1.0], [1.0, 0.0]], "facility": ["mine", "mine"],
        "mu": -2.0, "beta": [0.1, 0.2], "tau": 0.3, "national_rate": 0.1, **change,
    }  # fmt: skip
    y, X, facility = options.pop("y"), options.pop("X"), options.pop("facility")
    with pytest.raises(error, match=message):
        score_facilities(y, X, facility, **options)
