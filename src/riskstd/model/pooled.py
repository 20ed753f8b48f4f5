"""The plain logistic model without facilities: start of every fit, and its limit at tau = 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import fminbound

from riskstd.model.algebra import invert_positive, quadratic_form, solve_positive, total
from riskstd.model.cells import FloatArray
from riskstd.model.evaluation import LAPLACE, MODE_STEP, Evaluation, bounded_exp
from riskstd.model.paths import Path

MAX_POOLED_STEPS = 60
POOLED_DECREMENT = 1e-10
START_REACH, START_TOLERANCE = 1.0, 0.005
"""Distance of log tau from its moment estimate within which a better start is looked for, and how closely."""
MIN_START_TAU = 0.1
SMALL_MOVE = 0.1
"""Largest move of log-odds in a step at which the information changes in proportion."""


@dataclass(frozen=True, eq=False, repr=False)
class PooledFit:
    """Coefficients of the scaled columns, information matrix, evaluation at effects of zero.

    Parameters
    ----------
    beta : ndarray, shape (n_coefficients,)
    information : ndarray, shape (n_coefficients, n_coefficients)
    at : Evaluation
        At tau = 0, every facility effect at 0.
    converged : bool
    n_steps : int
    """

    beta: FloatArray
    information: FloatArray
    at: Evaluation
    converged: bool
    n_steps: int


def fit_pooled(
    path: Path, multiplicity: FloatArray, tolerance: float = 0.0, start: FloatArray | None = None
) -> PooledFit | None:
    """Fit the logistic model without facility effects by Newton steps.

    Parameters
    ----------
    path : CompiledPath or PlainPath
    multiplicity : ndarray, shape (n_facilities,)
        How often each facility counts.
    tolerance : float
        Distance from the optimum, in standard errors, that is good enough; the information is
        then that of the last step's start.
    start : ndarray, shape (n_coefficients,), optional
        First guess of the coefficients.

    Returns
    -------
    PooledFit or None
        None when there are no events, only events, or the information is singular.
    """
    cells = path.cells
    is_once = bool(np.all(multiplicity == 1))
    n = cells.pattern_n if is_once else cells.at_patterns(cells.n * multiplicity[cells.facility])
    events = total(multiplicity, cells.event_rows)
    n_events, n_cases = events[0], n.sum()
    if not 0 < n_events < n_cases:
        return None
    if start is None:
        beta = np.zeros(cells.n_coefficients)
        # known log-odds far from 0 would send the first step astray
        known = np.sum(n * cells.linear_predictor(beta)) / n_cases
        beta[0] = np.log(n_events / (n_cases - n_events)) - known
    else:
        beta = start
    value = -np.inf
    converged, step, step_count = False, beta * 0.0, 0
    information: FloatArray | None = None
    for step_count in range(MAX_POOLED_STEPS):  # noqa: B007
        log_odds = cells.linear_predictor(beta)
        odds = bounded_exp(log_odds)
        new_value = events @ beta - np.sum(n * np.log1p(odds))
        if new_value < value - 1e-9 * abs(value) and np.max(np.abs(step)) > 1e-8:
            step = 0.5 * step
            beta = beta - step
            continue
        value = new_value
        p = odds / (1.0 + odds)
        new_information = path.pattern_gram(n * p / (1.0 + odds))
        score = events - path.pattern_sum(n * p)
        solution = solve_positive(new_information, score)
        if solution is None:
            break
        information = new_information
        decrement = np.sqrt(max(score @ solution, 0.0))
        if decrement < POOLED_DECREMENT:
            converged = True
            break
        step = solution
        beta = beta + step
        # log-odds that hardly move, which separated cases never do, leave a part of the distance as small as the move
        move = np.max(np.abs(cells.linear_predictor(beta) - log_odds))
        if move < SMALL_MOVE and decrement * move < tolerance:
            converged = True
            break
    if information is None:
        return None
    return PooledFit(beta, information, evaluate_pooled(path, beta, multiplicity), converged, step_count)


def evaluate_pooled(path: Path, beta: FloatArray, multiplicity: FloatArray) -> Evaluation:
    """Evaluate the model without facility effects, tau = 0."""
    zero = np.zeros(path.cells.n_facilities)
    return path.evaluate(beta, 0.0, zero, multiplicity, LAPLACE, pseudo=True, step_tolerance=MODE_STEP)


def excess_spread(path: Path, pooled: PooledFit, *, reml: bool) -> FloatArray:
    """Spread of the facility score residuals over the spread by chance, per facility.

    S_j^2 - W_j, S_j the score residual and W_j the sum of p(1-p); half its sum is the slope
    of the log-likelihood in tau^2 at 0. With `reml`, a_j' V a_j is added for the estimated beta.

    Returns
    -------
    ndarray, shape (n_facilities,)
    """
    cells = path.cells
    residual = cells.events - cells.facility_sum(pooled.at.residual)
    spread = residual**2 - pooled.at.sum_w
    if reml:
        ones = np.ones(cells.n_facilities)
        a = path.curvature(pooled.at, ones, pseudo=True).sum_wx
        spread = spread + quadratic_form(a, invert_positive(pooled.information))
    return spread


def starting_tau(pooled: PooledFit, spread: FloatArray, multiplicity: FloatArray) -> float:
    """Moment estimate of tau from the excess spread; 0 when the estimate is on the boundary."""
    excess = float(np.sum(multiplicity * spread))
    if excess <= 0:
        return 0.0
    return float(np.sqrt(max(excess / np.sum(multiplicity * pooled.at.sum_w**2), MIN_START_TAU**2)))


def starting_point(
    pooled: PooledFit, moment_tau: float, spread: FloatArray, multiplicity: FloatArray, rate: float
) -> FloatArray:
    """Theta near the optimum: the model with normal score residuals tells tau, and tau how far mu lies below.

    Facilities that differ by tau have the same mean rate at log-odds lower by tau^2 (1 - 2 rate) / 2.

    Parameters
    ----------
    pooled : PooledFit
    moment_tau : float
        Above zero.
    spread : ndarray, shape (n_facilities,)
        Of `excess_spread`.
    multiplicity : ndarray, shape (n_facilities,)
    rate : float
        Events per case.

    Returns
    -------
    ndarray, shape (n_coefficients + 1,)
    """
    w = pooled.at.sum_w
    squared = spread + w

    def deviance(log_tau: float) -> float:
        terms = np.log1p(np.exp(2.0 * log_tau) * w) - squared / (w + np.exp(-2.0 * log_tau))
        return float(np.sum(multiplicity * terms))

    middle = float(np.log(moment_tau))
    log_tau = float(np.asarray(fminbound(deviance, middle - START_REACH, middle + START_REACH, xtol=START_TOLERANCE)))
    theta = np.append(pooled.beta, log_tau)
    theta[0] -= 0.5 * np.exp(2.0 * log_tau) * (1.0 - 2.0 * rate)
    return theta
