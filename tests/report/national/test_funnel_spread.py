"""Overdispersion of the funnel: phi, widened limits, and the words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from riskstd.report import make_plots
from riskstd.report.national.funnel import control_limits, dispersion_of, funnel_of, widened_level
from riskstd.report.national.score_figures import phi_sentence
from riskstd.spec import load_measure


def test_chance_alone_gives_a_phi_near_1_and_true_spread_a_larger_one():
    rng = np.random.default_rng(4)
    expected = rng.uniform(20, 80, 3000)
    cases = 50 * expected
    assert dispersion_of(rng.binomial(cases.astype(int), 0.02).astype(float), expected, cases) < 1.02
    spread = rng.poisson(expected * np.exp(rng.normal(0, 0.4, 3000))).astype(float)
    assert dispersion_of(spread, expected) > 3


def test_winsorised_scores_do_not_follow_one_extreme_facility():
    expected = np.full(50, 25.0)
    observed = np.tile([20.0, 30.0], 25)
    with_extreme = np.where(np.arange(50) == 0, 400.0, observed)
    assert dispersion_of(with_extreme, expected) == pytest.approx(dispersion_of(observed, expected), rel=0.05)


def test_widened_limits_stand_at_the_widened_normal_score():
    level = widened_level(0.95, 2.25)
    assert norm.isf((1 - level) / 2) == pytest.approx(1.5 * norm.isf(0.025))
    n, rate = 2000, 0.03
    upper = control_limits(np.array([float(n)]), level, rate=rate)[1][0] * n
    assert binom.cdf(np.floor(upper) - 1, n, rate) < (1 + level) / 2 <= binom.cdf(np.ceil(upper), n, rate)
    assert 0.998 < widened_level(0.998, 40.0) < 1.0


def test_fewer_facilities_lie_outside_widened_limits(make_rates):
    measure = load_measure("ASC-17")
    rates = make_rates(measure, 400, 3, spread=0.6)
    plain, wide = (funnel_of(rates, measure, national_rate=0.02, overdispersion=option) for option in (False, True))
    assert plain.dispersion == wide.dispersion > 1.2
    assert wide.outside[0.998].sum() < plain.outside[0.998].sum()
    assert "the limits are not widened" in phi_sentence(plain)
    assert "the limits are widened by that" in phi_sentence(wide)


def test_the_option_is_off_by_default_and_phi_is_in_the_caption(make_report):
    content = make_report("ASC-17", 60)
    for option, words in ((False, "limits are not widened|no more than chance"), (True, "limits are widened|no more")):
        caption = next(p for p in make_plots(content, overdispersion=option) if p.name == "funnel").caption
        assert any(word in caption for word in words.split("|"))
        assert "phi" in caption
    by_default = next(plot for plot in make_plots(content) if plot.name == "funnel")
    switched_off = next(plot for plot in make_plots(content, overdispersion=False) if plot.name == "funnel")
    assert by_default.png == switched_off.png


def test_no_facility_has_no_spread():
    assert dispersion_of(np.zeros(0), np.zeros(0)) == 1.0
