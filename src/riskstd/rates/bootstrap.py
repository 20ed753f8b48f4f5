"""The CMS facility bootstrap: resample facilities, refit, draw effects, keep the ratios.

For each replicate: (1) draw J facilities with replacement, a facility drawn k times is k distinct
facilities; (2) refit, once more by a full fit on failure, then drop; (3) draw the effect of
each copy from N(mode, variance) of that refit; (4) predicted with the drawn effect,
expected with the replicate's own intercept; (5) keep one copy of each facility at random;
(6) the interval is read off the replicates in which the facility occurs.
The copies of a facility are equal but for independent draws, so one draw stands for the kept copy.

Replicate r has its own random stream, child r of `numpy.random.SeedSequence(seed)`: the result
does not depend on the order or grouping in which replicates are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model import HierarchicalFit
from riskstd.model.cells import Cells
from riskstd.model.modes import bounded_exp
from riskstd.model.refit import Refitter

FloatArray = NDArray[np.floating[Any]]
VARIANCES = ("prediction", "posterior")


@dataclass(frozen=True, eq=False, repr=False)
class Replicates:
    """Ratios of every replicate.

    Parameters
    ----------
    ratio : ndarray, shape (n_replicates, n_facilities)
        Predicted / expected; NaN where the facility was not drawn or the replicate was dropped.
    crude_rate : ndarray, shape (n_replicates,)
        Events / cases of the replicate; NaN when dropped.
    dropped, flagged, retried : ndarray of bool, shape (n_replicates,)
        No convergence; a separated risk factor kept its coefficient; a full fit was needed.
    """

    ratio: FloatArray
    crude_rate: FloatArray
    dropped: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    retried: NDArray[np.bool_]


def draw_replicates(
    fit: HierarchicalFit,
    replicates: Iterable[int],
    *,
    seed: int,
    variance: str = "prediction",
    progress: Callable[[int, int], None] | None = None,
) -> Replicates:
    """Compute the replicates with the given numbers.

    Parameters
    ----------
    fit : HierarchicalFit
    replicates : iterable of int
        Numbers from 0; any split of a range gives the same rows.
    seed : int
    variance : {"prediction", "posterior"}
        f + f^2 a'V a, or f alone.
    progress : callable(done, total), optional

    Returns
    -------
    Replicates
    """
    numbers = list(replicates)
    refitter = Refitter(fit)
    n_facilities = fit.n_facilities
    ratio = np.full((len(numbers), n_facilities), np.nan)
    crude = np.full(len(numbers), np.nan)
    dropped, flagged, retried = (np.zeros(len(numbers), dtype=bool) for _ in range(3))
    for row, number in enumerate(numbers):
        stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        drawn = stream.integers(0, n_facilities, n_facilities)
        multiplicity = np.bincount(drawn, minlength=n_facilities).astype(np.float64)
        normal = stream.standard_normal(n_facilities)
        refit = refitter.refit(multiplicity)
        if refit is None:
            dropped[row] = True
        else:
            spread = refit.prediction_variance if variance == "prediction" else refit.effects_variance
            effects = refit.effects + np.sqrt(spread) * normal
            predicted, expected = sum_predicted_expected(refitter.cells, refit.beta, effects)
            ratio[row] = np.where(multiplicity > 0, predicted / expected, np.nan)
            crude[row] = np.sum(multiplicity * refitter.cells.events) / np.sum(multiplicity * refitter.cells.cases)
            flagged[row], retried[row] = refit.flagged, refit.retried
        if progress is not None:
            progress(row + 1, len(numbers))
    return Replicates(ratio, crude, dropped, flagged, retried)


def sum_predicted_expected(cells: Cells, beta: FloatArray, effects: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums over each facility's cases of the probability with its effect and without.

    Returns
    -------
    predicted, expected : ndarray, shape (n_facilities,)
    """
    odds = cells.at_cells(bounded_exp(cells.linear_predictor(beta)))
    with_effect = odds * bounded_exp(effects)[cells.facility]
    predicted = cells.facility_sum(cells.n * (with_effect / (1.0 + with_effect)))
    expected = cells.facility_sum(cells.n * (odds / (1.0 + odds)))
    return predicted, expected


def percentile_limits(draws: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Percentile limits per column over the values that are not NaN.

    Percentiles as SAS counts them (definition 5: the average of two order statistics where
    the rank is whole).

    Parameters
    ----------
    draws : ndarray, shape (n_replicates, n_facilities)
    level : float

    Returns
    -------
    lower, upper : ndarray, shape (n_facilities,)
        NaN for a facility in no replicate.

    Examples
    --------
    >>> lower, upper = percentile_limits(np.arange(1.0, 101.0)[:, None], 0.9)
    >>> lower.tolist(), upper.tolist()
    ([5.5], [95.5])
    """
    tail = (1.0 - level) / 2.0
    ordered = np.sort(draws, axis=0)  # NaN last
    present = np.sum(~np.isnan(draws), axis=0)
    return _percentile(ordered, present, tail), _percentile(ordered, present, 1.0 - tail)


def _percentile(ordered: FloatArray, present: NDArray[np.integer[Any]], share: float) -> FloatArray:
    # 1 - 0.95 is not exactly 0.05: ranks are whole up to rounding
    rank = np.round(present * share, 9)
    column = np.arange(ordered.shape[1])
    last = np.maximum(present - 1, 0)
    below = np.clip(np.ceil(rank).astype(int) - 1, 0, last)
    above = np.clip(np.floor(rank).astype(int), 0, last)
    value = 0.5 * (ordered[below, column] + ordered[above, column])
    return np.where(present > 0, value, np.nan)
