"""Reliability, ranks, change over time and strata against papers, closed forms and simulated truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import FitError, OptionError
from riskstd.model import fit_hierarchical
from riskstd.rates import standardize
from riskstd.rates.alternatives import (
    equity_strata,
    exact_test,
    improvement,
    normal_draws,
    observed_expected,
    rank_intervals,
    rank_sets,
    resampled_reliability,
    signal_to_noise,
    split_sample,
)
from riskstd.rates.alternatives.reliability import icc_2_1, spearman_brown


@pytest.fixture(scope="module")
def facilities():
    """60 facilities of 120 cases, 20 % events, effects with a standard deviation of 0.5 in log-odds."""
    generator = np.random.default_rng(8)
    code = np.repeat(np.arange(60), 120)
    p = 1 / (1 + np.exp(-(-1.4 + generator.normal(0, 0.5, 60)[code])))
    return (generator.random(len(code)) < p).astype(float), np.full(len(code), 0.2), code


def test_icc_of_shrout_and_fleiss():
    # Shrout and Fleiss 1979, table 2 and table 4: ICC(2,1) = 0.29
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert round(icc_2_1(np.array(ratings, float)), 2) == 0.29
    assert np.isnan(icc_2_1(np.ones((4, 2))))
    assert_allclose(spearman_brown(np.array([0.6]), 3.0), 1.8 / 2.2)


def test_split_sample_is_near_its_expectation(facilities):
    """Halves of 60 cases: reliability = variance between / (variance between + p (1 - p) / 60)."""
    y, p, code = facilities
    found = split_sample(y, p, code, n_splits=60, seed=3)
    rate = np.bincount(code, y) / 120
    noise = np.mean(rate * (1 - rate)) / 119
    between = np.var(rate, ddof=1) - noise
    expected = between / (between + noise * 119 / 60)
    assert abs(found.mean_icc - expected) < 0.03
    assert_allclose(found.mean_full_sample, 2 * found.mean_icc / (1 + found.mean_icc))
    assert abs(np.mean(found.pearson) - found.mean_icc) < 0.03
    assert found.n_facilities == 60


def test_reliability_of_chance_alone_is_near_zero():
    generator = np.random.default_rng(9)
    y, code = (generator.random(6000) < 0.2).astype(float), np.repeat(np.arange(60), 100)
    p = np.full(6000, 0.2)
    assert abs(split_sample(y, p, code, n_splits=60, seed=1).mean_icc) < 0.2
    assert resampled_reliability(y, p, code, n_resamples=200, seed=1).inter_unit < 0.3


def test_resampled_reliability_is_the_analysis_of_variance(facilities):
    """With equal probabilities and sizes, 1 - within / between of the rates, in closed form."""
    y, p, code = facilities
    found = resampled_reliability(y, p, code, n_resamples=400, seed=4)
    rate = np.bincount(code, y) / 120
    within, total = np.mean(rate * (1 - rate) / 120) / 0.04, np.var(rate, ddof=1) / 0.04
    assert_allclose(found.total, total, rtol=1e-12)
    assert_allclose(found.within, within, rtol=0.02)
    assert_allclose(found.inter_unit, 1 - within / total, atol=0.005)


def test_same_seed_same_numbers_in_any_order(facilities):
    y, p, code = facilities
    order = np.random.default_rng(1).permutation(len(y))
    for function, option in ((split_sample, "n_splits"), (resampled_reliability, "n_resamples")):
        first, second = (
            function(y[rows], p[rows], code[rows], seed=5, **{option: 10}) for rows in (np.arange(len(y)), order)
        )
        for name in first.columns:
            assert_array_equal(getattr(first, name), getattr(second, name))


def test_signal_to_noise_is_the_reliability_of_the_rates(facilities):
    y, _, code = facilities
    fit = fit_hierarchical(y, np.zeros((len(y), 0)), code)
    found = signal_to_noise(fit)
    assert_array_equal(found.reliability, standardize(fit, interval="none").reliability)
    assert_allclose(found.latent_icc, fit.tau**2 / (fit.tau**2 + np.pi**2 / 3))
    cases = found.cases_needed(float(found.reliability[0]))
    assert_allclose(cases, 120, rtol=1e-9)  # all facilities have the same information


def test_reliability_refusals():
    with pytest.raises(FitError, match="2 facilities with 2 cases or more"):
        split_sample([0, 1, 0, 1, 1], [0.5] * 5, list("AABBC"), seed=1)
    with pytest.raises(OptionError, match="seed"):
        split_sample([0, 1], [0.5] * 2, list("AB"), seed=-1)
    nothing = split_sample([0] * 6, [0.5] * 6, list("AABBCC"), n_splits=3, seed=1)
    assert np.isnan(nothing.mean_icc)
    assert resampled_reliability([0] * 6, [0.5] * 6, list("AABBCC"), n_resamples=3, seed=1).inter_unit == 0.0


def test_ranks_by_hand():
    draws = [[1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0], [1.0, 2.0, 4.0, 3.0]]
    found = rank_intervals(draws, level=0.5, share=0.25)
    assert found.mean_rank.tolist() == [1.25, 2.0, 3.0, 3.75]
    assert found.lowest_share.tolist() == [0.75, 0.25, 0.0, 0.0]
    assert found.highest_share.tolist() == [0.0, 0.0, 0.25, 0.75]


def test_mean_rank_is_the_sum_of_pairwise_probabilities():
    """E rank_i = 1 + sum over j of P(theta_j < theta_i) (Laird and Louis 1989)."""
    draws = normal_draws([0.0, 0.3, 0.3, 1.0], [0.3, 0.5, 0.1, 0.4], n_draws=500, seed=2)
    found = rank_intervals(draws)
    pairs = np.mean(draws[:, :, None] > draws[:, None, :], axis=0)
    assert_allclose(found.mean_rank, 1 + pairs.sum(axis=1))
    assert_array_equal(normal_draws([0.0], [1.0], n_draws=3, seed=2), normal_draws([0.0], [1.0], n_draws=3, seed=2))


def test_replicates_that_lack_a_facility():
    found = rank_intervals([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]], level=0.5)
    assert found.mean_rank[1] == 2.0
    # first of two stands for the ranks 1 and 2 of three: 0.5 x 3 / 2 + 0.5
    assert_allclose(found.mean_rank[0], (1.25 + 1.0) / 2)
    with pytest.raises(FitError, match="1 facilities without a draw"):
        rank_intervals([[1.0, np.nan]])
    with pytest.raises(FitError, match="draws of shape"):
        rank_intervals([1.0, 2.0])
    one = rank_intervals([[5.0], [6.0]])
    assert (one.mean_rank[0], one.lower[0], one.upper[0]) == (1.0, 1.0, 1.0)


def test_rank_sets_by_pairs_and_their_joint_coverage():
    estimate, error = np.array([0.0, 0.2, 1.0, 3.0]), np.array([0.2, 0.1, 0.3, 0.5])
    found = rank_sets(estimate, error)
    half = 2.49091513102 * error  # qnorm(0.5 + 0.95^(1/4) / 2), R 4.2.2
    low, high = estimate - half, estimate + half
    assert found.lower.tolist() == [1 + sum(high[j] < low[i] for j in range(4)) for i in range(4)]
    assert found.upper.tolist() == [4 - sum(low[j] > high[i] for j in range(4)) for i in range(4)]
    truth, generator = np.linspace(0, 2, 10), np.random.default_rng(6)
    held = 0
    for _ in range(300):
        sets = rank_sets(truth + 0.2 * generator.standard_normal(10), np.full(10, 0.2))
        held += np.all((sets.lower <= np.arange(1, 11)) & (np.arange(1, 11) <= sets.upper))
    assert held / 300 >= 0.95
    assert rank_sets([1.0], [0.1]).upper.tolist() == [1]


def test_change_is_r_poisson_test():
    # poisson.test(c(11, 6), c(8.3, 9.1)): 2.010040160643 (0.681393766047 to 6.619342549357), R 4.2.2
    found = improvement([6, 11], [9.1, 8.3], ["2023", "2024"])
    assert_allclose(
        [found.change[1], found.change_lower[1], found.change_upper[1]],
        [2.010040160643, 0.681393766047, 6.619342549357],
        rtol=1e-8,
    )
    assert np.isnan([found.change[0], found.p_value[0]]).all()
    # 2 * pbinom(10, 17, 8.3 / 17.4, lower = FALSE), R 4.2.2
    assert_allclose(found.p_value[1], 0.245536847503, rtol=1e-9)
    # uniroot on pbinom and half of dbinom, 6 of 17, over 9.1 / 8.3, R 4.2.2
    half = improvement([11, 6], [8.3, 9.1], ["2023", "2024"], mid_p=True)
    assert_allclose([half.change_lower[1], half.change_upper[1]], [0.170225122248, 1.34074134814], rtol=1e-8)


def test_periods_of_several_facilities():
    found = improvement(
        [1, 0, 2, 0, 3], [1.0, 1.5, 1.0, 2.0, 1.0], [2, 1, 2, 2, 3], ["A", "A", "A", "B", "B"], baseline=2
    ).to_frame()
    a = found[found.facility_id == "A"].set_index("period")
    assert a.loc[2, "observed"] == 3
    assert a.loc[1, "change"] == 0.0
    assert np.isnan(a.loc[3, "ratio"])
    b = found[found.facility_id == "B"].set_index("period")
    assert b.loc[3, "change"] == np.inf
    assert np.isnan(b.loc[1, "change"])
    assert len(found) == 6
    one = observed_expected([3], [2.0])
    assert_allclose(a.loc[2, ["lower", "upper"]].astype(float), [one.lower[0], one.upper[0]])


def test_improvement_refusals():
    with pytest.raises(FitError, match="1 period"):
        improvement([1], [1.0], [2023])
    with pytest.raises(OptionError, match="baseline 2020"):
        improvement([1, 2], [1.0, 1.0], [2023, 2024], baseline=2020)


def test_strata_by_newcombe_and_poisson_test():
    # Newcombe 1998, table II: 56/70 - 48/80, method 10; poisson.test(c(56, 48), c(35, 40)) for the relative, R 4.2.2
    found = equity_strata([56, 48], [0.5, 0.5], ["a", "b"], trials=[70, 80], reference="b")
    assert_allclose([found.rate_difference_lower[0], found.rate_difference_upper[0]], [0.0524, 0.3339], atol=6e-5)
    assert_allclose(found.relative[0], 56 / 35 / (48 / 40))
    alone = observed_expected([56, 48], [35.0, 40.0])
    assert_allclose(found.ratio_lower, alone.lower)
    overall = 104 / 150
    below = np.hypot(alone.ratio[0] - alone.lower[0], alone.upper[1] - alone.ratio[1])
    assert_allclose(found.adjusted_difference_lower[0], overall * (alone.ratio[0] - alone.ratio[1] - below))
    assert np.isnan([found.relative[1], found.rate_difference[1]]).all()


def test_small_missing_and_absent_strata():
    n = 40
    stratum = np.array(["dual"] * 15 + ["not dual"] * 20 + [None] * 5, dtype=object)
    facility = np.array(["A"] * 35 + ["B"] * 5)
    y = np.tile([0, 1], n // 2)
    found = equity_strata(y, np.full(n, 0.4), stratum, facility)
    frame = found.to_frame().set_index(["facility_id", "stratum"])
    assert found.reference == "not dual"
    assert len(frame) == 6
    assert frame.cases.sum() == n
    assert frame.loc[("B", "not recorded"), "cases"] == 5
    assert frame.loc[("B", "not recorded"), "small"]
    assert np.isnan(frame.loc[("B", "dual"), "rate"])
    assert np.isfinite(frame.loc[("A", "dual"), "rate_difference"])
    assert frame.loc["B", "rate_difference":].isna().all().all()
    everything = equity_strata(y, np.full(n, 0.4), stratum, minimum_cases=1)
    assert not everything.small.any()


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA])
def test_kinds_of_missing_labels(missing):
    found = equity_strata([0, 1, 1], [0.5] * 3, pd.Series([1, 2, missing], dtype="Float64"), minimum_cases=1)
    assert found.stratum.tolist() == ["1", "2", "not recorded"]


def test_strata_without_and_with_nothing_but_events():
    found = equity_strata([0, 20], [0.3, 0.3], ["a", "b"], trials=[20, 20], reference="a")
    assert found.rate.tolist() == [0.0, 1.0]
    assert found.rate_lower[0] == 0.0
    assert found.rate_upper[1] == 1.0
    assert found.relative[1] == np.inf
    assert found.relative_lower[1] > 1.0
    single = equity_strata([1], [0.3], ["a"], minimum_cases=1)
    assert np.isnan(single.rate_difference).all()
    with pytest.raises(OptionError, match="reference 'c'"):
        equity_strata([0, 20], [0.3, 0.3], ["a", "b"], trials=[20, 20], reference="c")
    with pytest.raises(OptionError, match="minimum_cases"):
        equity_strata([1], [0.3], ["a"], minimum_cases=0)


def test_frames_of_other_kinds_and_indexes():
    import polars as pl

    table = pl.DataFrame({"y": [0, 1, 1, 0], "p": [0.2, 0.3, 0.4, 0.5], "facility": ["A", "A", "B", "B"]})
    from_polars = exact_test(table["y"], table["p"], table["facility"])
    from_lists = exact_test([0, 1, 1, 0], [0.2, 0.3, 0.4, 0.5], ["A", "A", "B", "B"])
    assert_array_equal(from_polars.p_value, from_lists.p_value)
    with pytest.raises(FitError, match="different indexes"):
        observed_expected(pd.Series([1, 2]), pd.Series([1.0, 2.0], index=[5, 6]))
