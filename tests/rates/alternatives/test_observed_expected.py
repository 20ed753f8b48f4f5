"""Observed over expected, its exact relatives for two counts, and direct standardization against R and papers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import gammaincinv

from riskstd.errors import FitError, OptionError
from riskstd.rates.alternatives import direct_rates, observed_expected
from riskstd.rates.alternatives.proportions import difference_limits, ratio_of_ratios, wilson_limits

# poisson.test(x, 3.2)$conf.int for x = 0, 1, 5, 12, 100, R 4.2.2
R_EXACT = {
    0: (0, 1.15277482941),
    1: (0.00791181499509, 1.74113855967),
    5: (0.507339496912, 3.64635377479),
    12: (1.93767972148, 6.55049532756),
    100: (25.4262472659, 38.0083730601),
}
# uniroot on ppois(x, m, lower = FALSE) + dpois(x, m) / 2 and ppois(x - 1, m) + dpois(x, m) / 2, over 3.2, R 4.2.2
R_MID_P = {
    0: (0, 0.936166335486),
    1: (0.015631357761, 1.54120641397),
    5: (0.572498377665, 3.46325489531),
    12: (2.03182647523, 6.37526642374),
    100: (25.5599440913, 37.8448409055),
}


@pytest.mark.parametrize(("method", "table"), [("exact", R_EXACT), ("mid-p", R_MID_P)])
def test_limits_are_those_of_r(method, table):
    found = observed_expected(list(table), [3.2] * len(table), method=method)
    assert_allclose(np.column_stack([found.lower, found.upper]), list(table.values()), rtol=2e-9, atol=1e-12)


def test_other_level():
    # poisson.test(5, 3.2, conf.level = 0.9)$conf.int, R 4.2.2
    found = observed_expected([5], [3.2], method="exact", level=0.9)
    assert_allclose([found.lower[0], found.upper[0]], [0.615671740019, 3.28532340898], rtol=1e-9)


def test_p_values():
    # min(1, 2 * min(ppois(x, 3.2), ppois(x - 1, 3.2, lower = FALSE))), R 4.2.2
    expected = [0.0815244079567, 0.342402513418, 0.438774977865, 0.000258498481682]
    assert_allclose(observed_expected([0, 1, 5, 12], [3.2] * 4, method="exact").p_value, expected, rtol=1e-9)


@pytest.mark.parametrize("method", ["exact", "mid-p"])
def test_p_value_is_the_level_at_which_a_limit_is_one(method):
    first = observed_expected([9], [4.0], method=method)
    again = observed_expected([9], [4.0], method=method, level=1.0 - float(first.p_value[0]))
    assert_allclose(again.lower, 1.0, rtol=1e-9)


def test_byar_is_near_exact():
    """Breslow and Day 1987: accurate for 10 events or more, and above for fewer."""
    counts = np.arange(1, 200)
    exact, byar = (observed_expected(counts, counts * 1.0, method=m) for m in ("exact", "byar"))
    assert np.max(np.abs(byar.lower / exact.lower - 1)[9:]) < 0.002
    assert np.max(np.abs(byar.upper / exact.upper - 1)) < 0.002
    assert_allclose(byar.p_value[99], 1.0, atol=0.05)
    far = [float(observed_expected([30], [15.0], method=m).p_value[0]) for m in ("byar", "exact")]
    assert_allclose(far[0], far[1], rtol=0.05)


@pytest.mark.parametrize("method", ["exact", "mid-p", "byar"])
def test_no_events_nothing_expected_one_facility(method):
    found = observed_expected([0, 0], [2.0, 0.0], facility=["A", "B"], method=method)
    assert found.lower[0] == 0.0
    assert found.upper[0] > 1.0
    assert np.isnan([found.ratio[1], found.lower[1], found.upper[1], found.p_value[1]]).all()
    assert len(observed_expected([3], [2.0], method=method).to_frame()) == 1
    assert observed_expected([30, 1, 5], [5.0, 9.0, 5.0], method=method).flag.tolist() == [1.0, -1.0, 0.0]


def test_refusals():
    with pytest.raises(FitError, match="not a whole number"):
        observed_expected([1.5], [2.0])
    with pytest.raises(FitError, match="1 rows with events where 0 are expected"):
        observed_expected([1], [0.0])
    with pytest.raises(FitError, match="repeat a facility"):
        observed_expected([1, 1], [1.0, 1.0], facility=["A", "A"])
    with pytest.raises(OptionError, match="method 'wald'"):
        observed_expected([1], [1.0], method="wald")


def test_mid_p_coverage_is_near_nominal_and_exact_is_never_below():
    means, counts = np.linspace(1.0, 12.0, 60), np.arange(60)
    mass = np.exp(counts * np.log(means[:, None]) - means[:, None] - np.cumsum(np.log(np.maximum(counts, 1))))
    for method, least in (("exact", 0.95), ("mid-p", 0.91)):
        found = observed_expected(counts, np.ones(60), method=method)
        held = (found.lower <= means[:, None]) & (means[:, None] <= found.upper)
        coverage = np.sum(mass * held, axis=1)
        assert coverage.min() >= least
    assert abs(coverage.mean() - 0.95) < 0.01


def test_results_are_read_only_and_name_nobody():
    found = observed_expected([1], [2.0], facility=["secret name"])
    assert "secret" not in repr(found)
    with pytest.raises(ValueError, match="read-only"):
        found.ratio[0] = 1.0


def test_ratio_of_ratios_is_r_poisson_test():
    # poisson.test(c(11, 6), c(8.3, 9.1)), c(0, 6), c(6, 0): estimate, conf.int, R 4.2.2
    second, first = np.array([11.0, 0.0, 6.0]), np.array([6.0, 6.0, 0.0])
    ratio, lower, upper, _ = ratio_of_ratios(first, np.full(3, 9.1), second, np.full(3, 8.3), 0.95)
    assert_allclose(ratio, [2.010040160643, 0.0, np.inf], rtol=1e-11)
    assert_allclose(lower, [0.681393766047, 0.0, 1.2909114462759], rtol=1e-8)
    assert_allclose(upper, [6.619342549357, 0.9311725142296, np.inf], rtol=1e-8)


def test_ratio_of_ratios_without_events_or_expectation():
    none = np.zeros(2)
    found = ratio_of_ratios(none, np.array([1.0, 0.0]), np.array([0.0, 3.0]), np.ones(2), 0.95)
    assert np.isnan(np.array(found)).all()


def test_wilson_is_r_prop_test():
    # prop.test(0, 17, correct = FALSE) and prop.test(8, 40, correct = FALSE), R 4.2.2
    lower, upper = wilson_limits(np.array([0.0, 8.0, 5.0]), np.array([17.0, 40.0, 5.0]), 0.95)
    assert_allclose(lower[:2], [0.0, 0.104999897254], rtol=1e-9, atol=1e-15)
    assert_allclose(upper[:2], [0.184318135009, 0.347573063464], rtol=1e-9)
    assert upper[2] == 1.0


def test_difference_is_newcombe():
    # Newcombe 1998;17:873, table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 5/56 - 0/29, 10/10 - 0/20
    a, m = np.array([56.0, 9.0, 5.0, 10.0]), np.array([70.0, 10.0, 56.0, 10.0])
    b, n = np.array([48.0, 3.0, 0.0, 0.0]), np.array([80.0, 10.0, 29.0, 20.0])
    lower, upper = difference_limits(a / m, wilson_limits(a, m, 0.95), b / n, wilson_limits(b, n, 0.95))
    assert_allclose(lower, [0.0524, 0.1705, -0.0381, 0.6791], atol=6e-5)
    assert_allclose(upper, [0.3339, 0.8090, 0.1926, 1.0], atol=6e-5)


# Down syndrome by mother's age (rows) and birth order (columns), Fleiss 1981 p. 249, the example of Fay and Feuer 1997
BIRTHS = np.array(
    [
        [230061, 329449, 114920, 39487, 14208, 3052],
        [72202, 326701, 208667, 83228, 28466, 5375],
        [15050, 175702, 207081, 117300, 45026, 8660],
        [2293, 68800, 132424, 98301, 46075, 9834],
        [327, 30666, 123419, 149919, 104088, 34392],
    ]
)
CASES = np.array(
    [
        [107, 141, 60, 40, 39, 25],
        [25, 150, 110, 84, 82, 39],
        [3, 71, 114, 103, 108, 75],
        [1, 26, 64, 89, 137, 96],
        [0, 8, 63, 112, 262, 295],
    ]
)
# qgamma with the shapes and scales of Fay and Feuer, per 100,000, R 4.2.2: rate, lower, upper
FAY_FEUER = [
    (92.3045255332, 80.4417498507, 105.763345749),
    (91.1741168347, 82.361211652, 100.867576317),
    (85.0692213383, 77.1834534027, 94.2235698322),
    (92.7178650552, 80.0099927554, 114.669444823),
    (75.5290074453, 67.7021204176, 188.300172728),
]


def _down(**options):
    order, age = np.indices(CASES.shape)
    standard = dict(enumerate(BIRTHS.mean(axis=0)))
    return direct_rates(CASES.ravel(), BIRTHS.ravel(), age.ravel(), order.ravel(), standard=standard, **options)


def test_direct_rates_of_fay_and_feuer():
    found = _down()
    assert_allclose(1e5 * np.column_stack([found.rate, found.lower, found.upper]), FAY_FEUER, rtol=1e-9)


def test_modified_gamma_is_less_conservative_above_and_equal_below():
    gamma, modified, dobson = (_down(method=m) for m in ("gamma", "modified-gamma", "dobson"))
    assert_array_equal(gamma.lower, modified.lower)
    assert np.all((modified.upper < gamma.upper) & (modified.upper > modified.rate))
    assert np.all(dobson.upper < gamma.upper)


@pytest.mark.parametrize("method", ["gamma", "modified-gamma", "dobson"])
def test_one_stratum_gives_exact_poisson_limits(method):
    found = direct_rates([7], [200], ["all"], method=method)
    expected = [gammaincinv(7, 0.025) / 200, gammaincinv(8, 0.975) / 200]
    assert_allclose([found.lower[0], found.upper[0]], expected, rtol=1e-10)


def test_dobson_by_hand():
    # weights 1/4 and 3/4 of 10 and 40 cases; y = 0.025 * 2 + 0.01875 * 8; limits of a count of 10 as poisson.test(10)
    found = direct_rates([2, 8], [10, 40], ["a", "b"], standard={"a": 1, "b": 3}, method="dobson")
    w = np.array([0.025, 0.01875])
    scale = np.sqrt((w**2 @ [2, 8]) / 10)
    assert_allclose(found.rate, [w @ [2, 8]])
    assert_allclose(found.upper, found.rate + scale * (18.39035604 - 10), rtol=1e-8)


def test_missing_strata_and_no_events():
    found = direct_rates([1, 2, 0, 0], [9, 9, 9, 9], ["a", "b", "a", "b"], ["X", "X", "Y", "Y"])
    assert found.rate[1] == 0.0
    assert found.lower[1] == 0.0
    assert found.upper[1] > 0.0
    gap = direct_rates([1, 2, 3], [9, 9, 9], ["a", "b", "a"], ["X", "X", "Y"])
    assert gap.missing_strata.tolist() == [0, 1]
    assert_allclose(gap.missing_weight, [0.0, 1 / 3])
    assert np.isnan([gap.rate[1], gap.lower[1], gap.upper[1]]).all()
    assert direct_rates([3], [3], ["a"]).rate.tolist() == [1.0]


def test_direct_refusals():
    with pytest.raises(FitError, match="above cases"):
        direct_rates([3], [2], ["a"])
    with pytest.raises(FitError, match="1 strata of the cases are not in the standard"):
        direct_rates([1], [2], ["a"], standard={"b": 1.0})
    with pytest.raises(FitError, match="size 0"):
        direct_rates([0], [0], ["a"])
