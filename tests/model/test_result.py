"""What the result shows and computes from its estimates."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import FitError
from riskstd.model import fit_hierarchical

NAMES = ["years", "diabetes", "copd", "cancer"]


@pytest.fixture(scope="module")
def fit(simulated):
    return fit_hierarchical(simulated.y, simulated.X, simulated.facility, factor_names=NAMES)


def test_intraclass_correlation(fit):
    """The share of the latent variance, by simulation of latent log-odds."""
    rng = np.random.default_rng(1)
    effects, noise = rng.normal(0, fit.tau, 400_000), rng.logistic(size=(2, 400_000))
    one, two = effects + noise
    assert_allclose(fit.icc, np.corrcoef(one, two)[0, 1], atol=0.005)
    assert fit.icc == pytest.approx(fit.tau**2 / (fit.tau**2 + math.pi**2 / 3))


def test_median_odds_ratio(fit):
    """The median of the ratio of odds of two random facilities, the higher over the lower."""
    first, second = np.random.default_rng(2).normal(0, fit.tau, (2, 400_000))
    assert_allclose(fit.median_odds_ratio, np.median(np.exp(np.abs(first - second))), rtol=0.01)
    # tau = 1: exp(0.954), Larsen and Merlo 2005
    assert replace(fit, tau=1.0).median_odds_ratio == pytest.approx(math.exp(0.9538726))


def test_no_spread_has_no_correlation(fit):
    flat = replace(fit, tau=0.0)
    assert (flat.icc, flat.median_odds_ratio) == (0.0, 1.0)


def test_effects_frame(fit):
    frame = fit.effects_frame()
    assert frame.columns.tolist() == ["facility_id", "effect", "posterior_sd", "prediction_sd", "posterior_mean"]
    assert_array_equal(frame["facility_id"], fit.facilities)
    assert_array_equal(frame["effect"], fit.effects)
    assert_allclose(frame["posterior_sd"] ** 2, fit.effects_variance)
    assert_allclose(frame["prediction_sd"] ** 2, fit.prediction_variance)
    assert_array_equal(frame["posterior_mean"], fit.effects_mean)
    assert (frame["prediction_sd"] > frame["posterior_sd"]).all()


def test_summary_lines_up(fit):
    lines = fit.summary().splitlines()
    assert lines[0] == "Hierarchical logistic regression (agq, 7 nodes)"
    assert re.fullmatch(r"log-likelihood -\d+\.\d{4}; converged after \d+ iterations", lines[2])
    table = lines[4:11]
    assert [line.split()[0] for line in table[2:]] == [*NAMES, "tau"]
    ends = {re.match(r".*?-?\d+\.\d{5}", line[15:]).end() for line in table[1:]}
    assert len(ends) == 1
    assert lines[-1] == f"intraclass correlation {fit.icc:.4f}, median odds ratio {fit.median_odds_ratio:.3f}"


def test_summary_of_a_factor_named_tau(simulated):
    """Odds ratios belong to the place of a term, not to its name."""
    fit = fit_hierarchical(simulated.y, simulated.X[:, :2], simulated.facility, factor_names=["tau", "intercept (mu)"])
    frame = fit.to_frame()
    assert frame["odds_ratio"].notna().tolist() == [False, True, True, False]
    assert [len(line.split(" to ")) for line in fit.summary().splitlines()[5:9]] == [1, 2, 2, 1]


def test_table_for_notebooks(simulated):
    names = ["<b>years</b>", *NAMES[1:]]
    fit = fit_hierarchical(simulated.y, simulated.X, simulated.facility, factor_names=names)
    html = fit._repr_html_()
    assert "&lt;b&gt;years" in html
    assert "<b>" not in html
    assert html.count("<tr>") == 1 + 6
    assert f"<td>{fit.tau:.5f}</td>" in html


def test_predict_with_an_offset(fit, simulated):
    plain = fit.predict(simulated.X)
    shifted = fit.predict(simulated.X, offset=np.full(len(plain), 0.7))
    assert_allclose(np.log(shifted / (1 - shifted)) - np.log(plain / (1 - plain)), 0.7, rtol=1e-9)
    with pytest.raises(FitError, match="offset"):
        fit.predict(simulated.X, offset=[0.0])
    with pytest.raises(FitError, match="facility has shape"):
        fit.predict(simulated.X, facility="site")


def test_predict_by_dates_in_another_unit(simulated):
    """A facility labelled by a day is the same facility in nanoseconds."""
    days = np.datetime64("2024-01-01") + simulated.facility
    fit = fit_hierarchical(simulated.y, simulated.X, days)
    other = days.astype("datetime64[ns]")
    assert_array_equal(fit.predict(simulated.X, other), fit.predict(simulated.X, days))
    again = fit_hierarchical(simulated.y, simulated.X, other)
    assert_array_equal(again.predict(simulated.X, days), fit.predict(simulated.X, days))


def test_arrays_of_a_result_are_read_only(fit):
    for name in ("beta", "beta_se", "covariance", "facilities", "effects", "effects_mean", "prediction_variance"):
        assert not getattr(fit, name).flags.writeable, name
