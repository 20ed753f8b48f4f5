"""c-statistic: how well predicted risks tell cases with the event from cases without."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from riskstd.model.assess.predictions import PredictedRows, Predictions, group_by_risk, read_predictions, row_order
from riskstd.model.inputs import count_text
from riskstd.model.options import check_level

FloatArray = NDArray[np.floating[Any]]

NO_SPREAD = 1e-12
"""Standard error under which the placements do not differ but for rounding."""


@dataclass(frozen=True, repr=False)
class CStatistic:
    """Area under the receiver operating characteristic curve.

    Parameters
    ----------
    c : float
        Probability that a case with the event has a higher predicted risk than one without, ties
        counted half.
    se : float
        DeLong standard error; NaN with a single case of either outcome.
    lower, upper : float
        Limits, symmetric in log-odds of c; NaN where the standard error is 0 or NaN, since the data
        then say nothing about the precision.
    level : float
    n_cases, n_events : float
    """

    c: float
    se: float
    lower: float
    upper: float
    level: float
    n_cases: float
    n_events: float

    def __repr__(self) -> str:
        return (
            f"c-statistic {self.c:.4f} ({100 * self.level:g}% interval {self.lower:.4f} to {self.upper:.4f}) "
            f"of {count_text(self.n_cases)} cases, {count_text(self.n_events)} with the event"
        )


@dataclass(frozen=True, repr=False)
class CStatisticDifference:
    """Two models' c-statistics on the same cases, first minus second.

    Parameters
    ----------
    first, second : CStatistic
    difference, se, lower, upper : float
        With the covariance of the two.
    p_value : float
        Two-sided, of no difference; NaN when the standard error is 0 or NaN.
    level : float
    """

    first: CStatistic
    second: CStatistic
    difference: float
    se: float
    lower: float
    upper: float
    p_value: float
    level: float

    def __repr__(self) -> str:
        return (
            f"c-statistics {self.first.c:.4f} and {self.second.c:.4f} differ by {self.difference:.4f} "
            f"({100 * self.level:g}% interval {self.lower:.4f} to {self.upper:.4f}, p = {self.p_value:.3g})"
        )


def c_statistic(y: Any, predicted: Any, *, trials: Any = None, weights: Any = None, level: float = 0.95) -> CStatistic:
    """Compute the c-statistic with DeLong's standard error, exactly and with ties.

    Parameters
    ----------
    y : array or series, shape (n_rows,)
        0 or 1; events out of `trials` when those are given.
    predicted : array or series, shape (n_rows,)
        Predicted probabilities, 0 to 1.
    trials : array, shape (n_rows,), optional
        Cases of each row; 1 each when left out.
    weights : array, shape (n_rows,), optional
        How often each row counts; a whole weight equals that many equal rows.
    level : float
        Confidence level of the limits.

    Returns
    -------
    CStatistic

    Raises
    ------
    FitError
        Lengths that differ, values missing or out of range, no events or only events.
    OptionError
        A level outside 0 to 1.

    Notes
    -----
    One sort: the placement of a case among those of the other outcome is its midrank among all
    less its midrank among its own (Sun and Xu, IEEE Signal Processing Letters 2014;21:1389), and
    the variances of the placements give the standard error (DeLong, DeLong and Clarke-Pearson,
    Biometrics 1988;44:837). Limits are formed in log-odds of c and so stay within 0 and 1. Cases
    count as independent, those of one facility too.

    Examples
    --------
    >>> c_statistic([0, 0, 1, 0, 1], [0.1, 0.2, 0.2, 0.3, 0.6]).c
    0.75
    """
    check_level(level)
    (rows,) = read_predictions(y, predicted, trials=trials, weights=weights)
    grouped = group_by_risk(rows)
    by_event, by_other = placements(grouped)
    others = grouped.cases - grouped.events
    c = concordance(grouped)
    variance = placement_variance(by_event, grouped.events, c) + placement_variance(by_other, others, c)
    return _with_limits(c, math.sqrt(variance), level, grouped.n_cases, grouped.n_events)


def compare_c_statistics(
    y: Any, first: Any, second: Any, *, trials: Any = None, weights: Any = None, level: float = 0.95
) -> CStatisticDifference:
    """Compare the c-statistics of two models on the same cases.

    Parameters
    ----------
    y : array or series, shape (n_rows,)
        0 or 1; events out of `trials` when those are given.
    first, second : array or series, shape (n_rows,)
        Predicted probabilities of either model, 0 to 1.
    trials, weights : array, shape (n_rows,), optional
    level : float

    Returns
    -------
    CStatisticDifference

    Raises
    ------
    FitError, OptionError
        As `c_statistic`.

    Notes
    -----
    DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837. The test does not hold for nested
    models judged on the cases they were fitted to (Demler, Pencina and D'Agostino, Statistics in
    Medicine 2012;31:2577); `likelihood_ratio_test` does.

    Examples
    --------
    >>> test = compare_c_statistics([0, 0, 1, 0, 1], [0.1, 0.2, 0.2, 0.3, 0.6], [0.3, 0.2, 0.4, 0.1, 0.2])
    >>> round(test.difference, 4)
    0.0
    """
    check_level(level)
    both = _in_order(*read_predictions(y, first, second, trials=trials, weights=weights))
    (one, two), places = zip(*(_c_and_placements(rows, level) for rows in both), strict=True)
    variance = 0.0
    for outcome, counts in enumerate((both[0].events, both[0].cases - both[0].events)):
        gap = places[0][outcome] - places[1][outcome]
        variance += placement_variance(gap, counts, one.c - two.c)
    se, difference, z = math.sqrt(variance), one.c - two.c, float(ndtri(0.5 + level / 2.0))
    p_value = math.erfc(abs(difference) / se / math.sqrt(2.0)) if se > NO_SPREAD else math.nan
    half = z * se
    return CStatisticDifference(one, two, difference, se, difference - half, difference + half, p_value, level)


def concordance(grouped: Predictions) -> float:
    """c: pairs of an event and a non-event in which the event has the higher risk, ties half."""
    others = grouped.cases - grouped.events
    below = np.cumsum(others) - others
    return float(np.sum(grouped.events * (below + 0.5 * others)) / (grouped.n_events * others.sum()))


def placements(grouped: Predictions) -> tuple[FloatArray, FloatArray]:
    """Share of the other outcome that a case of each risk is placed right against, ties half.

    Returns
    -------
    by_event, by_other : ndarray, shape (n_risks,)
        Share of non-events below, for an event; share of events above, for a non-event.

    Examples
    --------
    >>> grouped = Predictions(np.array([0.1, 0.2]), np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    >>> [share.tolist() for share in placements(grouped)]
    [[0.25, 0.75], [1.0, 0.5]]
    """
    others = grouped.cases - grouped.events
    n_events, n_others = grouped.n_events, others.sum()
    by_event = (np.cumsum(others) - 0.5 * others) / n_others
    by_other = (n_events - (np.cumsum(grouped.events) - 0.5 * grouped.events)) / n_events
    return by_event, by_other


def placement_variance(placed: FloatArray, counts: FloatArray, mean: float) -> float:
    """Variance of the mean placement of one outcome's cases; NaN for one case or fewer.

    Examples
    --------
    >>> placement_variance(np.array([0.0, 1.0]), np.array([2.0, 2.0]), 0.5) == 1 / 3 / 4
    True
    """
    total = float(counts.sum())
    if total <= 1:
        return math.nan
    return float(np.sum(counts * (placed - mean) ** 2) / (total - 1.0) / total)


def _in_order(one: PredictedRows, two: PredictedRows) -> tuple[PredictedRows, PredictedRows]:
    """The rows of both models in an order that does not depend on how they came."""
    order = row_order(one, one.risk, two.risk)
    cases, events = one.cases[order], one.events[order]
    return PredictedRows(one.risk[order], cases, events), PredictedRows(two.risk[order], cases, events)


def _c_and_placements(rows: PredictedRows, level: float) -> tuple[CStatistic, tuple[FloatArray, FloatArray]]:
    """c-statistic of one model, and the placements copied back to the rows."""
    grouped = group_by_risk(rows)
    by_event, by_other = placements(grouped)
    c, others = concordance(grouped), grouped.cases - grouped.events
    variance = placement_variance(by_event, grouped.events, c) + placement_variance(by_other, others, c)
    position = np.searchsorted(grouped.risk, rows.risk)
    result = _with_limits(c, math.sqrt(variance), level, grouped.n_cases, grouped.n_events)
    return result, (by_event[position], by_other[position])


def _with_limits(c: float, se: float, level: float, n_cases: float, n_events: float) -> CStatistic:
    lower = upper = math.nan
    if se > NO_SPREAD:
        half = float(ndtri(0.5 + level / 2.0)) * se / (c * (1.0 - c))
        log_odds = math.log(c / (1.0 - c))
        lower, upper = float(expit(log_odds - half)), float(expit(log_odds + half))
    return CStatistic(c, se, lower, upper, level, n_cases, n_events)
