"""Calibration against statsmodels, scipy, plain formulas and repeated sampling."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logit
from scipy.stats import binomtest, chi2, rankdata

from riskstd.errors import FitError, OptionError
from riskstd.model.assess import calibration, pooled_logistic


def draw_rows(seed=1, n=3000, shift=0.3, slope=0.7, decimals=3):
    rng = np.random.default_rng(seed)
    risk = np.clip(expit(rng.normal(-2, 1, n)).round(decimals), 0.001, 0.999)
    return (rng.random(n) < expit(shift + slope * logit(risk))).astype(int), risk


def numbers_of(found):
    """Every number of a result, tables included."""
    out = []
    for value in vars(found).values():
        if hasattr(value, "cases"):
            out += [getattr(value, name) for name in vars(value) if name != "labels"]
        elif value is not None:
            out.append(np.asarray(value))
    return out


def assert_same_bits(one, two):
    for a, b in zip(numbers_of(one), numbers_of(two), strict=True):
        assert_array_equal(a, b)


def test_recalibration_equals_statsmodels():
    y, risk = draw_rows()
    found = calibration(y, risk)
    z = logit(risk)
    large = sm.GLM(y, np.ones(len(y)), family=sm.families.Binomial(), offset=z).fit(tol=1e-12)
    both = sm.GLM(y, sm.add_constant(z), family=sm.families.Binomial()).fit(tol=1e-12)
    assert_allclose(found.intercept_in_the_large, large.params[0], rtol=1e-8)
    assert_allclose(found.intercept_in_the_large_se, large.bse[0], rtol=1e-8)
    assert_allclose([found.intercept, found.slope], both.params, rtol=1e-8)
    assert_allclose([found.intercept_se, found.slope_se], both.bse, rtol=1e-7)


def test_scores_by_their_formulas():
    y, risk = draw_rows()
    found = calibration(y, risk)
    brier = np.mean((y - risk) ** 2)
    assert_allclose(found.brier, brier, rtol=1e-12)
    assert_allclose(found.brier_scaled, 1 - brier / np.var(y), rtol=1e-10)
    assert_allclose(found.expected_observed, risk.sum() / y.sum(), rtol=1e-12)


@pytest.mark.parametrize("groups", [2, 7, 10, 50])
def test_risk_groups_and_hosmer_lemeshow(groups):
    y, risk = draw_rows(decimals=2)
    found = calibration(y, risk, groups=groups)
    group = np.floor(rankdata(risk) * groups / (len(y) + 1))
    frame = pd.DataFrame({"y": y, "p": risk}).groupby(group).agg(["sum", "mean", "count", "min", "max"])
    table = found.by_risk
    assert_array_equal(table.labels, frame.index + 1)
    assert_array_equal(table.cases, frame["y"]["count"])
    assert_array_equal(table.events, frame["y"]["sum"])
    assert_allclose(table.predicted, frame["p"]["mean"], rtol=1e-12)
    assert_array_equal(table.lowest_risk, frame["p"]["min"])
    assert_array_equal(table.highest_risk, frame["p"]["max"])
    expected = frame["p"]["sum"]
    statistic = np.sum((frame["y"]["sum"] - expected) ** 2 / (expected * (1 - frame["p"]["mean"])))
    assert_allclose(found.hosmer_lemeshow, statistic, rtol=1e-10)
    df = len(frame) - 2
    assert found.hosmer_lemeshow_df == df
    assert_allclose(found.hosmer_lemeshow_p, chi2.sf(statistic, df) if df else np.nan, rtol=1e-9)
    assert calibration(y, risk, groups=groups, in_sample=False).hosmer_lemeshow_df == len(frame)
    assert_allclose(found.predictive_range, frame["y"]["mean"].iloc[[0, -1]])


def test_untied_risks_fill_the_deciles_equally():
    risk = np.random.default_rng(0).permutation(np.linspace(0.01, 0.5, 1000))
    table = calibration(np.arange(1000) % 7 == 0, risk).by_risk
    assert_array_equal(table.cases, 100)
    assert np.all(table.highest_risk[:-1] < table.lowest_risk[1:])


@pytest.mark.parametrize("interval", ["wilson", "exact"])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_limits_equal_scipy(interval, level):
    cases = np.array([1, 1, 5, 40, 300, 300, 300])
    events = np.array([0, 1, 0, 3, 17, 0, 300])
    risk = np.linspace(0.1, 0.7, 7)
    table = calibration(events, risk, trials=cases, by=np.arange(7), interval=interval, level=level).by_subgroup
    for k, (y, n) in enumerate(zip(events, cases, strict=True)):
        limits = binomtest(int(y), int(n)).proportion_ci(level, method=interval)
        assert_allclose([table.lower[k], table.upper[k]], [limits.low, limits.high], rtol=1e-9, atol=1e-12)


def test_subgroups_of_any_label():
    y, risk = draw_rows()
    age = np.array(["65-74", "75-84", "85+"])[np.random.default_rng(3).integers(0, 3, len(y))]
    table = calibration(y, risk, by=age).by_subgroup
    frame = pd.DataFrame({"y": y, "p": risk}).groupby(age).mean()
    assert table.labels.tolist() == ["65-74", "75-84", "85+"]
    assert_allclose(table.observed, frame["y"], rtol=1e-12)
    assert_allclose(table.predicted, frame["p"], rtol=1e-12)
    assert_allclose(table.observed_expected, frame["y"] / frame["p"], rtol=1e-12)
    assert table.to_frame().shape == (3, 10)
    assert repr(table) == "CalibrationTable(3 groups, 3,000 cases)"
    assert_array_equal(calibration(y, risk, by=pl.Series(age)).by_subgroup.observed, table.observed)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.booleans())
def test_weights_counts_and_row_order(seed, groups, whole):
    rng = np.random.default_rng(seed)
    y, risk = draw_rows(seed, n=80, decimals=1)
    y[:2] = 0, 1
    by, weights = rng.integers(0, 3, 80), rng.integers(1, 5, 80)
    if whole:
        repeated = [np.repeat(column, weights) for column in (y, risk, by)]
        one = calibration(y, risk, weights=weights, by=by, groups=groups)
        assert_same_bits(one, calibration(*repeated[:2], by=repeated[2], groups=groups))
        assert_same_bits(one, calibration(y * weights, risk, trials=weights, by=by, groups=groups))
    weights = weights if whole else rng.uniform(0.2, 3, 80)
    order = rng.permutation(80)
    one = calibration(y, risk, weights=weights, by=by, groups=groups)
    two = calibration(y[order], risk[order], weights=weights[order], by=by[order], groups=groups)
    assert_same_bits(one, two)


def test_a_fitted_model_is_calibrated_on_its_own_cases(simulated):
    fit = pooled_logistic(simulated.y, simulated.X)
    found = calibration(simulated.y, fit.predict(simulated.X))
    assert_allclose([found.intercept_in_the_large, found.intercept, found.slope - 1], 0, atol=1e-8)
    assert_allclose(found.expected_observed, 1, rtol=1e-9)


def test_true_risks_are_recognised():
    """With the true risks, statistics have the distribution they are judged by."""
    rng, n_samples = np.random.default_rng(5), 400
    rejected, z = 0, []
    statistics = []
    for _ in range(n_samples):
        risk = expit(rng.normal(-1, 1, 1000))
        found = calibration(rng.random(1000) < risk, risk, in_sample=False)
        rejected += found.hosmer_lemeshow_p < 0.05
        statistics.append(found.hosmer_lemeshow)
        z.append([found.intercept_in_the_large / found.intercept_in_the_large_se, (found.slope - 1) / found.slope_se])
    assert abs(np.mean(statistics) - 10) < 3 * np.sqrt(20 / n_samples)
    assert abs(rejected / n_samples - 0.05) < 3 * np.sqrt(0.05 * 0.95 / n_samples)
    assert np.all(np.abs(np.mean(z, axis=0)) < 3 / np.sqrt(n_samples))
    assert np.all(np.abs(np.mean(np.abs(z) > 1.96, axis=0) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / n_samples))


@pytest.mark.parametrize(
    ("y", "risk"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]),
        ([1, 0, 1, 0], [0.2, 0.2, 0.2, 0.2]),
        ([1, 1, 0, 0], [0.1, 0.2, 0.2, 0.4]),
        ([0, 1, 0, 1], [0.1, 0.2, 0.2, 0.4]),
    ],
)
def test_slope_without_finite_estimate_is_nan(y, risk):
    found = calibration(y, risk, groups=2)
    assert np.isnan([found.slope, found.slope_se, found.intercept, found.intercept_se]).all()
    assert np.isfinite(found.intercept_in_the_large)


def test_far_off_predictions_still_converge():
    y, risk = draw_rows(n=2000)
    for far in (expit(20 * logit(risk)), expit(logit(risk) / 50 + 12), expit(-logit(risk))):
        far = np.clip(far, 1e-300, 1 - 1e-16)
        found = calibration(y, far)
        check = sm.GLM(y, sm.add_constant(logit(far)), family=sm.families.Binomial()).fit(tol=1e-13, maxiter=200)
        assert_allclose([found.intercept, found.slope], check.params, rtol=1e-6)


def test_summary_and_frame():
    y, risk = draw_rows()
    found = calibration(y, risk)
    text = found.summary()
    assert "Calibration of 3,000 cases" in text
    assert "Hosmer-Lemeshow" in text
    assert len(text.splitlines()) == 10 + 10
    assert list(found.to_frame()["group"]) == list(range(1, 11))
    assert repr(found).startswith("Calibration(intercept_in_the_large=")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"predicted": [0.1, 1.0, 0.3]}, FitError, "predicted: 1 of 3 rows not between 0 and 1"),
        ({"predicted": [0.1, 0.2]}, FitError, "predicted has shape (2,), outcome y has 3 rows"),
        ({"y": [1, 1, 1]}, FitError, "only events among 3 cases"),
        ({"by": ["a", "b"]}, FitError, "by has shape (2,), outcome y has 3 rows"),
        ({"by": ["a", None, "b"]}, FitError, "by: 1 of 3 rows missing"),
        ({"by": np.array(["a", 1, "b"], dtype=object)}, FitError, "subgroup labels of mixed types"),
        ({"groups": 1}, OptionError, "groups 1"),
        ({"groups": 2.5}, OptionError, "groups 2.5"),
        ({"interval": "wald"}, OptionError, "interval 'wald'"),
        ({"level": 2}, OptionError, "level 2"),
    ],
)
def test_bad_input_is_refused(options, error, message):
    given = {"y": [0, 1, 0], "predicted": [0.1, 0.2, 0.3]} | options
    with pytest.raises(error) as caught:
        calibration(given.pop("y"), given.pop("predicted"), **given)
    assert message in str(caught.value)
