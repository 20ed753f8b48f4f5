"""Observed over expected events with limits that take the events as a Poisson count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, gammaincinv, ndtr, ndtri

from riskstd.errors import FitError
from riskstd.model.inputs import refuse_other_index
from riskstd.model.options import check_level
from riskstd.rates.alternatives.columns import (
    ColumnResult,
    FloatArray,
    check_choice,
    divide,
    read_amounts,
    read_counts,
    read_labels,
)

METHODS = ("exact", "mid-p", "byar")
BISECTIONS = 200
"""More than it takes to halve any bracket of doubles down to neighbours."""
Pair = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False, repr=False)
class ObservedExpected(ColumnResult):
    """Observed over expected; arrays of shape (n_rows,), NaN where nothing is expected.

    Parameters
    ----------
    facility_id : ndarray
    observed, expected : ndarray
        Events.
    ratio, lower, upper : ndarray
        Observed / expected, and limits at `level`.
    p_value : ndarray
        Two-sided, of ratio 1: twice the smaller tail.
    method : str
    level : float
    """

    columns: ClassVar[tuple[str, ...]] = ("facility_id", "observed", "expected", "ratio", "lower", "upper", "p_value")

    facility_id: NDArray[Any]
    observed: FloatArray
    expected: FloatArray
    ratio: FloatArray
    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    method: str
    level: float

    @property
    def flag(self) -> FloatArray:
        """1 where the limits lie above 1 (more events than expected), -1 below, 0 otherwise."""
        return np.where(self.lower > 1.0, 1.0, np.where(self.upper < 1.0, -1.0, 0.0))


def observed_expected(
    observed: Any, expected: Any, *, facility: Any = None, method: str = "mid-p", level: float = 0.95
) -> ObservedExpected:
    """Standardize indirectly: observed over expected events, without shrinkage.

    Parameters
    ----------
    observed : array, shape (n_facilities,)
        Events, whole numbers.
    expected : array, shape (n_facilities,)
        Sum of the probabilities of the facility's cases under the standard; taken as known.
    facility : array of labels, shape (n_facilities,), optional
    method : {"mid-p", "exact", "byar"}
        Limits (and p-value) with half the probability of the observed count in either tail; with all of
        it, so that coverage is at least `level`; by Byar's approximation to the exact ones.
    level : float

    Returns
    -------
    ObservedExpected

    Raises
    ------
    FitError
        Counts or expected events that are not numbers of 0 or more; events where none are expected.
    OptionError

    Notes
    -----
    Exact limits for a Poisson count O: chi2_{alpha/2}(2 O) / 2 and chi2_{1-alpha/2}(2 O + 2) / 2 (Garwood,
    Biometrika 1936;28:437), over E (Ulm, American Journal of Epidemiology 1990;131:373). Byar:
    O (1 - 1/(9 O) - z/(3 sqrt(O)))^3 and the same with O + 1 and + z (Breslow and Day, Statistical Methods
    in Cancer Research II, IARC 1987, eq. 2.13). Mid-P: Lancaster, JASA 1961;56:223. Rare events are nearly
    Poisson; for common ones the limits are too wide, and `exact_test` is the one to use.

    Examples
    --------
    >>> found = observed_expected([5], [3.2], method="exact")
    >>> [round(float(v[0]), 4) for v in (found.ratio, found.lower, found.upper)]
    [1.5625, 0.5073, 3.6464]
    """
    check_choice("method", method, METHODS)
    check_level(level)
    refuse_other_index(observed, expected, facility)
    events = read_counts(observed, "observed")
    mean = read_amounts(expected, "expected", len(events))
    if np.any((mean == 0) & (events > 0)):
        count = int(np.sum((mean == 0) & (events > 0)))
        raise FitError(f"{count} rows with events where 0 are expected", expected="expected events above 0")
    lower, upper = poisson_limits(events, level, method)
    return ObservedExpected(
        facility_id=read_labels(facility, len(events)),
        observed=events,
        expected=mean,
        ratio=divide(events, mean),
        lower=divide(lower, mean),
        upper=divide(upper, mean),
        p_value=poisson_p_value(events, mean, method),
        method=method,
        level=float(level),
    )


def poisson_limits(count: FloatArray, level: float, method: str) -> Pair:
    """Limits for the mean of a Poisson count.

    Parameters
    ----------
    count : ndarray, shape (n,)
    level : float
    method : {"exact", "mid-p", "byar"}

    Returns
    -------
    lower, upper : ndarray, shape (n,)

    Examples
    --------
    >>> [limit.round(3).tolist() for limit in poisson_limits(np.array([0.0, 10.0]), 0.95, "byar")]
    [[0.0, 4.787], [3.668, 18.391]]
    """
    tail = (1.0 - level) / 2.0
    if method == "byar":
        z = float(ndtri(1.0 - tail))
        return _byar(count, -z), _byar(count + 1.0, z)
    lower, upper = gammaincinv(count, tail), gammaincinv(count + 1.0, 1.0 - tail)
    lower = np.where(count > 0, lower, 0.0)
    return (lower, upper) if method == "exact" else _mid_p_limits(count, tail, lower, upper)


def poisson_p_value(count: FloatArray, mean: FloatArray, method: str) -> FloatArray:
    """Two-sided p-value of a Poisson count: twice the smaller tail, at most 1; NaN where the mean is 0."""
    known = mean > 0
    count, at = np.broadcast_arrays(count, np.where(known, mean, 1.0))
    if method == "byar":
        above = count > at
        size = np.where(above, count, count + 1.0)
        score = 3.0 * np.sqrt(size) * (1.0 - 1.0 / (9.0 * size) - np.cbrt(at / size))
        p_value = 2.0 * np.where(above, ndtr(-score), ndtr(score))
    else:
        share = 0.5 if method == "mid-p" else 0.0
        below, up_to = gammaincc(count, at), gammaincc(count + 1.0, at)
        at_least, above = np.where(count > 0, gammainc(count, at), 1.0), gammainc(count + 1.0, at)
        lower_tail = (1.0 - share) * up_to + share * np.where(count > 0, below, 0.0)
        p_value = 2.0 * np.minimum(lower_tail, (1.0 - share) * at_least + share * above)
    return np.where(known, np.minimum(p_value, 1.0), np.nan)


def _byar(count: FloatArray, z: float) -> FloatArray:
    """Byar's limit; 0 for no events, where the lower one has no formula."""
    size = np.maximum(count, 1.0)
    cube = (1.0 - 1.0 / (9.0 * size) + z / (3.0 * np.sqrt(size))) ** 3
    return np.where(count > 0, np.maximum(size * cube, 0.0), 0.0)


def _mid_p_limits(count: FloatArray, tail: float, lower: FloatArray, upper: FloatArray) -> Pair:
    """Limits between the exact ones, where the tail with half of the count's probability is `tail`."""
    some = np.maximum(count, 1.0)

    def upper_tail(mean: FloatArray) -> FloatArray:
        return 0.5 * (gammainc(some, mean) + gammainc(some + 1.0, mean)) - tail

    def lower_tail(mean: FloatArray) -> FloatArray:
        below = np.where(count > 0, gammaincc(some, mean), 0.0)
        return tail - 0.5 * (below + gammaincc(count + 1.0, mean))

    top = np.maximum(upper, 1.0)
    low = np.where(count > 0, bisect(upper_tail, lower, top), 0.0)
    return low, bisect(lower_tail, lower, top)


def bisect(increasing: Any, low: FloatArray, high: FloatArray) -> FloatArray:
    """Roots of an increasing function, one per entry, between `low` and `high`.

    Examples
    --------
    >>> bisect(lambda x: x**2 - 2.0, np.array([0.0]), np.array([2.0])).round(9).tolist()
    [1.414213562]
    """
    low, high = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if np.all((middle <= low) | (middle >= high)):
            break
        is_low = increasing(middle) < 0
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    return 0.5 * (low + high)
