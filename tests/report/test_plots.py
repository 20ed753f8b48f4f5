"""The plots: control limits against the distributions, what is drawn, and size at thousands of facilities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, poisson

from riskstd.report import make_plots, plot_caterpillar, plot_funnel
from riskstd.report.figures import to_png, to_svg
from riskstd.report.national.funnel import control_limits, funnel_of
from riskstd.spec import load_measure


@pytest.mark.parametrize("level", [0.95, 0.998])
@pytest.mark.parametrize(("n", "rate"), [(30, 0.02), (500, 0.02), (4000, 0.01), (20000, 0.05)])
def test_control_limits_lie_between_the_quantiles_of_the_binomial(level, n, rate):
    lower, upper = (float(side[0]) * n for side in control_limits(np.array([float(n)]), level, rate=rate))
    for value, p in ((lower, (1 - level) / 2), (upper, (1 + level) / 2)):
        quantile = binom.ppf(p, n, rate)
        assert max(quantile - 1, 0) <= value + 1e-9
        assert value <= quantile + 1e-9


@pytest.mark.parametrize("expected", [0.4, 3.0, 25.0, 800.0])
def test_control_limits_of_a_ratio_lie_between_the_quantiles_of_the_poisson(expected):
    lower, upper = (float(side[0]) * expected for side in control_limits(np.array([expected]), 0.95, rate=None))
    for value, p in ((lower, 0.025), (upper, 0.975)):
        quantile = poisson.ppf(p, expected)
        assert max(quantile - 1, 0) <= value + 1e-9
        assert value <= quantile + 1e-9


def test_control_limits_are_exact_where_the_distribution_function_is():
    n, rate, x = 400, 0.03, 18
    level = 2 * binom.cdf(x, n, rate) - 1
    assert control_limits(np.array([float(n)]), level, rate=rate)[1][0] * n == pytest.approx(x, abs=1e-6)


def test_limits_narrow_with_volume():
    grid = np.geomspace(30, 30000, 200)
    for level in (0.95, 0.998):
        lower, upper = control_limits(grid, level, rate=0.02)
        assert np.all(np.diff(upper) < 0)
        assert np.all(np.diff(lower) >= -1e-12)


def test_average_facilities_lie_outside_as_often_as_the_level_says(make_rates):
    measure = load_measure("ASC-17")
    rates = make_rates(measure, 6000, 4, spread=1e-9)
    rates = rates[rates["cases"] > 400].assign(expected=0.02)
    rng = np.random.default_rng(8)
    rates = rates.assign(observed=rng.binomial(rates["cases"], 0.02))
    funnel = funnel_of(rates, measure, national_rate=0.02)
    assert 0.03 < funnel.outside[0.95].mean() < 0.06
    assert funnel.outside[0.998].mean() < 0.006


def test_points_are_risk_adjusted_and_not_shrunken(make_rates):
    measure = load_measure("ASC-12")
    rates = make_rates(measure, 10, 1)
    funnel = funnel_of(rates, measure, national_rate=0.02)
    np.testing.assert_allclose(funnel.value, 20 * rates["observed"] / (rates["cases"] * rates["expected"]))
    np.testing.assert_array_equal(funnel.volume, rates["cases"])


def test_axes_name_unit_and_level(make_rates):
    measure = load_measure("ASC-12")
    rates = make_rates(measure, 60, 1)
    axes = plot_caterpillar(rates, measure, national_rate=0.02, level=0.9, source="Source: x").axes[0]
    assert "visits per 1,000 colonoscopies" in axes.get_ylabel()
    assert "90 % interval" in axes.get_ylabel()
    figure = plot_funnel(rates, measure, national_rate=0.02, source="Source: x")
    assert "visits per 1,000 colonoscopies" in figure.axes[0].get_ylabel()
    assert [text.get_text() for text in figure.texts] == ["Source: x"]


def test_facilities_with_too_few_cases_are_not_drawn(make_rates):
    measure = load_measure("ASC-12")
    rates = make_rates(measure, 200, 1)
    scored = int((rates["cases"] >= 30).sum())
    assert 0 < scored < 200
    for figure in (
        plot_caterpillar(rates, measure, national_rate=0.02),
        plot_funnel(rates, measure, national_rate=0.02),
    ):
        drawn = sum(len(line.get_xdata()) for line in figure.axes[0].lines if line.get_linestyle() == "None")
        assert drawn == scored


def test_thousands_of_facilities_stay_small(make_rates):
    measure = load_measure("ASC-17")
    rates = make_rates(measure, 6000, 1)
    for figure in (
        plot_caterpillar(rates, measure, national_rate=0.02),
        plot_funnel(rates, measure, national_rate=0.02),
    ):
        assert len(to_svg(figure)) < 1_000_000
        assert to_png(figure).startswith(b"\x89PNG")


def test_one_facility_and_no_interval_can_be_drawn(make_rates):
    measure = load_measure("ASC-19")
    rates = make_rates(measure, 1, 1).assign(cases=200, lower=np.nan, upper=np.nan, category=None)
    assert to_png(plot_caterpillar(rates, measure, national_rate=None))
    assert to_png(plot_funnel(rates, measure, national_rate=None))


def test_public_figures_hold_shown_facilities_only_and_are_images(make_report):
    content = make_report("ASC-17", 120)
    own, public = make_plots(content), make_plots(content, profile="public")
    assert all(plot.svg is not None for plot in own)
    assert all(plot.svg is None for plot in public)
    of_facilities = {"caterpillar", "funnel", "shrinkage", "rate_by_volume", "reliability"}
    drawn = [plot for plot in public if plot.name in of_facilities]
    assert {plot.name for plot in drawn} == of_facilities
    assert all("Not drawn" in plot.caption and "shown" in plot.alt for plot in drawn)
    assert all("Not drawn" not in plot.caption for plot in own)


def test_without_rows_to_show_there_is_no_figure(make_report, make_rates):
    measure = load_measure("ASC-12")
    rates = make_rates(measure, 8, 1).assign(cases=60, observed=3)
    plots = make_plots(make_report("ASC-12", rates=rates), profile="public")
    assert {plot.name for plot in plots} <= {"attrition", "visits_by_day", "odds_ratios"}
