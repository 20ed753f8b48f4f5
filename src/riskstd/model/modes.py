"""Conditional modes of the facility effects and the moments at them.

For facility j with cells c (n_c cases, y_j events in all), p = invlogit(x'beta + u):
the mode is the root of  y_j - sum n p - u / tau^2 = 0, unique for every tau > 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskstd.model.cells import Cells, FloatArray
from riskstd.model.evaluation import MODE_STEP, bounded_exp

MAX_MODE_PASSES = 200


@dataclass(frozen=True, eq=False, repr=False)
class Modes:
    """Modes and moments at given coefficients and tau.

    Parameters
    ----------
    u : ndarray, shape (n_facilities,)
        Conditional modes.
    odds : ndarray, shape (n_cells,)
        exp(x'beta + u).
    p, q : ndarray, shape (n_cells,)
        Probability of the event and of its absence.
    w : ndarray, shape (n_cells,)
        n p q.
    sum_w, sum_w1 : ndarray, shape (n_facilities,)
        Sums of w and of its derivative w (1 - 2p).
    variance : ndarray, shape (n_facilities,)
        Posterior variance f = 1 / (sum w + 1 / tau^2).
    """

    u: FloatArray
    odds: FloatArray
    p: FloatArray
    q: FloatArray
    w: FloatArray
    sum_w: FloatArray
    sum_w1: FloatArray
    variance: FloatArray


def find_modes(
    cells: Cells, log_odds: FloatArray, tau: float, start: FloatArray, step_tolerance: float = MODE_STEP
) -> Modes:
    """Find the conditional mode of every facility by Halley steps from `start`.

    Parameters
    ----------
    cells : Cells
    log_odds : ndarray, shape (n_patterns,)
        x'beta + offset.
    tau : float
        Standard deviation of the facility effects; 0 gives modes of 0.
    start : ndarray, shape (n_facilities,)
        First guess.
    step_tolerance : float

    Returns
    -------
    Modes
    """
    odds_average = cells.at_cells(bounded_exp(log_odds))
    if tau == 0.0:
        return _moments(cells, odds_average, np.zeros(cells.n_facilities), 0.0)
    u = start
    precision = tau**-2
    for _ in range(MAX_MODE_PASSES):
        at = _moments(cells, odds_average, u, tau)
        slope = cells.events - cells.facility_sum(cells.n * at.p) - u * precision
        curvature = at.sum_w + precision
        newton = np.clip(slope / curvature, -1.0, 1.0)
        # |sum_w1| <= sum_w, so the denominator stays above half the curvature
        step = np.clip(slope / (curvature + 0.5 * at.sum_w1 * newton), -1.0, 1.0)
        u = u + step
        if np.max(np.abs(step)) < step_tolerance:
            break
    return _moments(cells, odds_average, u, tau)


def modes_at(cells: Cells, log_odds: FloatArray, u: FloatArray, tau: float) -> Modes:
    """Moments at modes already found."""
    return _moments(cells, cells.at_cells(bounded_exp(log_odds)), u, tau)


def _moments(cells: Cells, odds_average: FloatArray, u: FloatArray, tau: float) -> Modes:
    odds = odds_average * bounded_exp(u)[cells.facility]
    q = 1.0 / (1.0 + odds)
    p = odds * q
    w = cells.n * p * q
    sum_w = cells.facility_sum(w)
    sum_w1 = cells.facility_sum(w * (q - p))
    variance = tau**2 / (1.0 + tau**2 * sum_w)
    return Modes(u, odds, p, q, w, sum_w, sum_w1, variance)
