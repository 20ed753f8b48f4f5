"""Pseudo-likelihood (PQL): the linear mixed model of the working response, iterated.

REML form: RSPL, the default of SAS PROC GLIMMIX; ML form: MSPL. There is no likelihood to
climb, so the estimating equations are solved: for beta the joint mode of beta and the
effects, for log tau  sum_j { u^2/tau^2 - f W + tau^2 a' V a / D^2 },  the last term in the REML form
(D = 1 + tau^2 W, f = tau^2 / D, a = sum w x, V the covariance of the fixed effects).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstd.model.cells import Cells, FloatArray
from riskstd.model.curvature import (
    central_differences,
    invert_positive,
    quadratic_form,
    solve_expected,
    total,
    working_curvatures,
    working_information,
)
from riskstd.model.modes import MODE_STEP, Modes, find_modes
from riskstd.model.newton import (
    ACCEPTABLE_DECREMENT,
    DECREMENT,
    MAX_LOG_TAU,
    MAX_STEPS,
    MIN_LOG_TAU,
    Optimum,
    PathStep,
    bounded_step,
    is_slow,
    moved_modes,
)
from riskstd.model.quadrature import Evaluation, log_joint_at_mode


@dataclass(frozen=True, eq=False, repr=False)
class PseudoObjective:
    """Estimating equations of the pseudo-likelihood; `reml` chooses the form."""

    cells: Cells
    reml: bool

    def evaluate(
        self,
        theta: FloatArray,
        start: FloatArray,
        multiplicity: FloatArray,
        step_tolerance: float = MODE_STEP,
    ) -> Evaluation:
        """Equations per facility, and the Laplace log-likelihood at the same point."""
        cells, beta, tau = self.cells, theta[:-1], float(np.exp(theta[-1]))
        at = find_modes(cells, cells.linear_predictor(beta), tau, start, step_tolerance)
        score = np.empty((cells.n_facilities, len(theta)))
        score[:, :-1] = cells.event_rows - cells.facility_sum_rows(cells.n * at.p)
        score[:, -1] = at.u**2 / tau**2 - at.variance * at.sum_w
        if self.reml:
            score[:, -1] += fixed_effect_variance(cells, at, multiplicity) / tau**2
        value = log_joint_at_mode(cells, beta, tau, at) - 0.5 * np.log1p(tau**2 * at.sum_w)
        return Evaluation(value, score, at, at.u)

    def curvatures(self, theta: FloatArray, evaluation: Evaluation) -> FloatArray:
        """Expected negative Jacobian per facility."""
        return working_curvatures(self.cells, float(np.exp(theta[-1])), evaluation.modes)


def fixed_effect_variance(
    cells: Cells, at: Modes, multiplicity: FloatArray, free: NDArray[np.bool_] | None = None
) -> FloatArray:
    """f^2 a' V a: what the uncertainty of beta adds to the variance of each effect.

    Parameters
    ----------
    cells : Cells
    at : Modes
    multiplicity : ndarray, shape (n_facilities,)
    free : ndarray of bool, shape (n_coefficients,), optional
        Estimated coefficients; the others are held and count as known.

    Returns
    -------
    ndarray, shape (n_facilities,)
        NaN when the information on beta is singular.
    """
    a = cells.facility_sum_rows(at.w)
    information = working_information(cells, at, multiplicity)
    if free is not None:
        a, information = a[:, free], information[np.ix_(free, free)]
    return at.variance**2 * quadratic_form(a, invert_positive(information))


def solve_pseudo(objective: PseudoObjective, theta: FloatArray, start: FloatArray, multiplicity: FloatArray) -> Optimum:
    """Solve the pseudo-likelihood equations by Newton steps from `theta`.

    Returns
    -------
    Optimum
    """
    at = objective.evaluate(theta, start, multiplicity)
    path: list[PathStep] = []
    converged, by_differences = False, False
    for _ in range(MAX_STEPS):
        tau = float(np.exp(theta[-1]))
        value = float(total(multiplicity, at.log_likelihood))
        score = total(multiplicity, at.score)
        step = solve_expected(total(multiplicity, objective.curvatures(theta, at)), score)
        if step is None:
            break
        decrement = float(np.sqrt(max(score @ step, 0.0)))
        path.append(PathStep(value, tau, decrement))
        if decrement < DECREMENT:
            converged = True
            break
        by_differences = by_differences or is_slow(path)
        if by_differences:
            step = _step_by_differences(objective, theta, at, multiplicity, score, step)
        step = bounded_step(step)
        guess = moved_modes(objective.cells, theta, at, step)
        theta = theta + step
        at = objective.evaluate(theta, guess, multiplicity)
        if not (MIN_LOG_TAU < theta[-1] < MAX_LOG_TAU and np.all(np.isfinite(at.score))):
            break
    converged = converged or (bool(path) and path[-1].decrement < ACCEPTABLE_DECREMENT)
    return Optimum(theta, at, converged, tuple(path))


def _step_by_differences(
    objective: PseudoObjective,
    theta: FloatArray,
    at: Evaluation,
    multiplicity: FloatArray,
    score: FloatArray,
    fallback: FloatArray,
) -> FloatArray:
    """Newton step with the true Jacobian; the REML term moves with theta there."""

    def equations(t: FloatArray) -> FloatArray:
        return total(multiplicity, objective.evaluate(t, at.modes.u, multiplicity).score)

    try:
        step = np.linalg.solve(central_differences(equations, theta), score)
    except np.linalg.LinAlgError:
        return fallback
    return step if np.all(np.isfinite(step)) and score @ step > 0 else fallback
