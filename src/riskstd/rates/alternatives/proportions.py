"""Two counts compared: Wilson and Newcombe limits of proportions, exact limits of a ratio of ratios."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betainc, betaincinv, ndtri

from riskstd.rates.alternatives.columns import divide
from riskstd.rates.alternatives.observed_expected import bisect

FloatArray = NDArray[np.floating[Any]]
Pair = tuple[FloatArray, FloatArray]


def wilson_limits(events: FloatArray, cases: FloatArray, level: float) -> Pair:
    """Score limits of a proportion; NaN without cases.

    Notes
    -----
    Wilson, JASA 1927;22:209; Newcombe, Statistics in Medicine 1998;17:857, method 3.

    Examples
    --------
    >>> [limit.round(4).tolist() for limit in wilson_limits(np.array([0.0, 8.0]), np.array([17.0, 40.0]), 0.95)]
    [[0.0, 0.105], [0.1843, 0.3476]]
    """
    z2 = float(ndtri(0.5 + level / 2.0)) ** 2
    n = np.where(cases > 0, cases, np.nan)
    p = events / n
    middle, half = p + z2 / (2 * n), np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n**2)))
    lower, upper = ((middle + sign * half) / (1 + z2 / n) for sign in (-1.0, 1.0))
    return np.where(events == 0, np.where(n > 0, 0.0, np.nan), lower), np.where(events == n, 1.0, upper)


def difference_limits(first: FloatArray, first_limits: Pair, second: FloatArray, second_limits: Pair) -> Pair:
    """Limits of first - second from the limits of either, taken as independent.

    Notes
    -----
    With Wilson limits this is method 10 of Newcombe, Statistics in Medicine 1998;17:873; in general Zou and
    Donner, Statistics in Medicine 2008;27:1693.

    Examples
    --------
    >>> a, b = np.array([0.7]), np.array([0.6])
    >>> [x.round(4).tolist() for x in difference_limits(a, (a - 0.3, a + 0.3), b, (b - 0.4, b + 0.4))]
    [[-0.4], [0.6]]
    """
    difference = first - second
    (first_low, first_high), (second_low, second_high) = first_limits, second_limits
    below = np.sqrt((first - first_low) ** 2 + (second_high - second) ** 2)
    above = np.sqrt((first_high - first) ** 2 + (second - second_low) ** 2)
    return difference - below, difference + above


def ratio_of_ratios(
    first: FloatArray,
    first_expected: FloatArray,
    second: FloatArray,
    second_expected: FloatArray,
    level: float,
    *,
    mid_p: bool = False,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Observed / expected of `second` over that of `first`, with exact limits and p-value.

    Given the sum of two Poisson counts, `second` is binomial with odds
    ratio x second_expected / first_expected; the limits are those of Clopper and Pearson (or their mid-P
    form) for its probability.

    Parameters
    ----------
    first, second : ndarray, shape (n,)
        Events.
    first_expected, second_expected : ndarray, shape (n,)
    level : float
    mid_p : bool

    Returns
    -------
    ratio, lower, upper, p_value : ndarray, shape (n,)
        NaN where neither has an event or one has nothing expected; the p-value is twice the smaller tail.

    Notes
    -----
    Breslow and Day, Statistical Methods in Cancer Research II, IARC 1987, chapter 3; Przyborowski
    and Wilenski, Biometrika 1940;31:313.

    Examples
    --------
    >>> found = ratio_of_ratios(*(np.array([v]) for v in (6.0, 9.1, 11.0, 8.3)), 0.95)
    >>> [round(float(v[0]), 4) for v in found[:3]]
    [2.01, 0.6814, 6.6193]
    """
    total = first + second
    known = (total > 0) & (first_expected > 0) & (second_expected > 0)
    base = np.where(known, divide(second_expected, first_expected), np.nan)
    lower, upper = _clopper_pearson(second, total, (1.0 - level) / 2.0, mid_p=mid_p)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (second / first) / base
        odds = [limit / (1.0 - limit) / base for limit in (lower, upper)]
    p_value = np.where(known, _p_value(second, total, base / (1.0 + base), mid_p=mid_p), np.nan)
    ratio, low, high = (np.where(known, value, np.nan) for value in (ratio, *odds))
    return ratio, low, high, p_value


def _clopper_pearson(count: FloatArray, total: FloatArray, tail: float, *, mid_p: bool) -> Pair:
    some = np.maximum(total, 1.0)
    lower = np.where(count > 0, betaincinv(np.maximum(count, 1.0), some - count + 1.0, tail), 0.0)
    upper = np.where(count < some, betaincinv(count + 1.0, np.maximum(some - count, 1.0), 1.0 - tail), 1.0)
    if not mid_p:
        return lower, upper
    low = bisect(lambda p: _tails(count, some, p, 0.5)[1] - tail, lower, upper)
    high = bisect(lambda p: tail - _tails(count, some, p, 0.5)[0], lower, upper)
    return np.where(count > 0, low, 0.0), np.where(count < some, high, 1.0)


def _tails(count: FloatArray, total: FloatArray, p: FloatArray, share: float) -> Pair:
    """Binomial probabilities of at most and at least `count`, less a share of that of `count` itself."""
    up_to = bdtr(count, total.astype(np.int64), p)
    below = np.where(count > 0, bdtr(np.maximum(count - 1.0, 0.0), total.astype(np.int64), p), 0.0)
    at_least = np.where(count > 0, betainc(np.maximum(count, 1.0), total - count + 1.0, p), 1.0)
    above = np.where(count < total, betainc(count + 1.0, np.maximum(total - count, 1.0), p), 0.0)
    return (1 - share) * up_to + share * below, (1 - share) * at_least + share * above


def _p_value(count: FloatArray, total: FloatArray, p: FloatArray, *, mid_p: bool) -> FloatArray:
    tails = _tails(count, np.maximum(total, 1.0), np.where(np.isnan(p), 0.5, p), 0.5 if mid_p else 0.0)
    return np.minimum(1.0, 2.0 * np.minimum(*tails))
