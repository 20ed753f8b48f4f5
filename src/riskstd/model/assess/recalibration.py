"""Logistic recalibration: outcomes regressed on the log-odds of the predicted risks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from riskstd.errors import FitError
from riskstd.model.assess.predictions import Predictions

FloatArray = NDArray[np.floating[Any]]

MAX_STEPS = 100
CLOSE_ENOUGH = 1e-10
"""Distance to the optimum, in standard errors, at which the steps stop."""
ROUNDING = 1e-12
"""Relative fall of the log-likelihood that rounding explains."""


@dataclass(frozen=True, repr=False)
class Recalibration:
    """Estimates of logit P(event) = intercept + slope x logit(predicted).

    Parameters
    ----------
    intercept_in_the_large, intercept_in_the_large_se : float
        With the slope held at 1.
    intercept, intercept_se, slope, slope_se : float
        Estimated together; NaN when all predicted risks are equal or separate the outcomes.
    """

    intercept_in_the_large: float
    intercept_in_the_large_se: float
    intercept: float
    intercept_se: float
    slope: float
    slope_se: float


def recalibrate(grouped: Predictions) -> Recalibration:
    """Fit both recalibration models of Cox (Biometrika 1958;45:562).

    Parameters
    ----------
    grouped : Predictions
        Risks above 0 and below 1, both outcomes present.

    Returns
    -------
    Recalibration
    """
    z = logit(grouped.risk)
    (shift,), shift_variance = _newton(grouped, np.ones((len(z), 1)), z, np.zeros(1))
    shift_se = math.sqrt(shift_variance[0, 0])
    if not slope_is_finite(grouped):
        return Recalibration(float(shift), shift_se, *[math.nan] * 4)
    # centred log-odds keep the two columns apart when the events are rare
    center = float(np.sum(grouped.cases * z) / grouped.n_cases)
    design = np.column_stack([np.ones(len(z)), z - center])
    estimate, covariance = _newton(grouped, design, np.zeros(len(z)), np.array([center, 1.0]))
    back = np.array([[1.0, -center], [0.0, 1.0]])
    intercept, slope = back @ estimate
    intercept_se, slope_se = np.sqrt(np.diag(back @ covariance @ back.T))
    values = (shift, shift_se, intercept, intercept_se, slope, slope_se)
    return Recalibration(*(float(value) for value in values))


def slope_is_finite(grouped: Predictions) -> bool:
    """Whether the slope has a finite estimate: risks differ and do not separate the outcomes.

    Examples
    --------
    >>> slope_is_finite(Predictions(np.array([0.1, 0.2]), np.ones(2), np.array([0.0, 1.0])))
    False
    """
    of_events = grouped.risk[grouped.events > 0]
    of_others = grouped.risk[grouped.cases > grouped.events]
    return bool(of_events[0] < of_others[-1] and of_others[0] < of_events[-1])


def _newton(
    grouped: Predictions, design: FloatArray, offset: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Estimate and covariance by Newton steps, halved until the log-likelihood rises."""
    estimate = start
    value, score, information = _evaluate(grouped, design, offset, estimate)
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(information, score)
        if math.sqrt(max(float(score @ step), 0.0)) < CLOSE_ENOUGH:
            return estimate, np.linalg.inv(information)
        new = _evaluate(grouped, design, offset, estimate + step)
        while not new[0] >= value - ROUNDING * abs(value):
            step = 0.5 * step
            new = _evaluate(grouped, design, offset, estimate + step)
        estimate = estimate + step
        value, score, information = new
    raise FitError("the recalibration model did not converge", hint="check the predicted risks")


def _evaluate(
    grouped: Predictions, design: FloatArray, offset: FloatArray, estimate: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    # einsum and sums of products run on one thread: the bits do not depend on the number of cores
    log_odds = np.einsum("iq,q->i", design, estimate) + offset
    p = expit(log_odds)
    value = np.sum(grouped.events * log_odds - grouped.cases * np.logaddexp(0.0, log_odds))
    score = np.einsum("i,iq->q", grouped.events - grouped.cases * p, design)
    weight = grouped.cases * p * (1.0 - p)
    return float(value), score, np.einsum("i,iq,ir->qr", weight, design, design)
