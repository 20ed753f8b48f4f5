"""Newton's method for the likelihood of beta and log tau, with step-halving.

The Hessian is the exact one of the Laplace objective; where quadrature differs so much
from it that the steps shrink slowly, differences of the exact score take its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskstd.model.cells import Cells, FloatArray
from riskstd.model.curvature import (
    central_differences,
    laplace_hessians,
    mode_derivatives,
    solve_expected,
    solve_positive,
    symmetric,
    total,
    working_curvatures,
)
from riskstd.model.modes import MODE_STEP
from riskstd.model.quadrature import Evaluation, HermiteRule, evaluate

DECREMENT = 1e-9
"""Newton decrement (distance to the optimum in standard errors) at which the fit stops."""
ACCEPTABLE_DECREMENT = 1e-6
"""Decrement that counts as converged when rounding stops the progress."""
SLOW_RATE = 0.2
"""Ratio of successive decrements above which the closed-form curvature is too far off."""
NEAR = 1e-3
"""Decrement above which slow progress may be the shape of the objective, not the curvature."""
PATIENCE = 10
"""Iterations after which slow progress counts as slow wherever it happens."""
MAX_STEPS = 100
MAX_BETA_STEP = 2.0
MAX_LOG_TAU_STEP = 1.0
MIN_LOG_TAU = float(np.log(1e-5))
MAX_LOG_TAU = float(np.log(50.0))


@dataclass(frozen=True)
class PathStep:
    """One iteration: where the optimiser stood and how far it had to go."""

    log_likelihood: float
    tau: float
    decrement: float


@dataclass(frozen=True, eq=False, repr=False)
class Optimum:
    """End of an optimisation.

    Parameters
    ----------
    theta : ndarray, shape (n_coefficients + 1,)
    evaluation : Evaluation
    converged : bool
    path : tuple of PathStep
    """

    theta: FloatArray
    evaluation: Evaluation
    converged: bool
    path: tuple[PathStep, ...]


@dataclass(frozen=True, eq=False, repr=False)
class QuadratureObjective:
    """Log-likelihood by Laplace (one node) or adaptive Gauss-Hermite quadrature."""

    cells: Cells
    rule: HermiteRule

    def evaluate(
        self,
        theta: FloatArray,
        start: FloatArray,
        multiplicity: FloatArray,  # noqa: ARG002
        step_tolerance: float = MODE_STEP,
    ) -> Evaluation:
        """Value and score per facility; they do not depend on the multiplicity."""
        return evaluate(self.cells, theta, start, self.rule, step_tolerance)

    def curvatures(self, theta: FloatArray, evaluation: Evaluation) -> FloatArray:
        """Negative Hessian per facility, by differences of the score when there are nodes to move."""
        if len(self.rule.x) == 1:
            return laplace_hessians(self.cells, float(np.exp(theta[-1])), evaluation.modes)
        start = evaluation.modes.u
        return symmetric(central_differences(lambda t: evaluate(self.cells, t, start, self.rule).score, theta))


def maximise(objective: QuadratureObjective, theta: FloatArray, start: FloatArray, multiplicity: FloatArray) -> Optimum:
    """Climb from `theta` to the maximum; the log-likelihood never falls.

    Parameters
    ----------
    objective : QuadratureObjective
    theta : ndarray, shape (n_coefficients + 1,)
    start : ndarray, shape (n_facilities,)
        First guess of the modes.
    multiplicity : ndarray, shape (n_facilities,)

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
        step = _newton_step(objective, theta, at, multiplicity, score, by_differences)
        if step is None:
            break
        decrement = float(np.sqrt(max(score @ step, 0.0)))
        path.append(PathStep(value, tau, decrement))
        if decrement < DECREMENT:
            converged = True
            break
        by_differences = by_differences or (len(objective.rule.x) > 1 and is_slow(path))
        moved = _climb(objective, theta, at, multiplicity, bounded_step(step), value)
        if moved is None:
            converged = decrement < ACCEPTABLE_DECREMENT
            break
        theta, at = moved
        if not MIN_LOG_TAU < theta[-1] < MAX_LOG_TAU:
            break
    return Optimum(theta, at, converged, tuple(path))


def is_slow(path: list[PathStep]) -> bool:
    """Whether the last step shrank the decrement too little for a curvature that fits.

    Examples
    --------
    >>> is_slow([PathStep(-9.0, 0.3, 1e-4), PathStep(-9.0, 0.3, 9e-5)])
    True
    """
    if len(path) < 2 or path[-1].decrement <= SLOW_RATE * path[-2].decrement:
        return False
    return path[-1].decrement < NEAR or len(path) > PATIENCE


def bounded_step(step: FloatArray) -> FloatArray:
    """Shorten a step so that no coefficient and not log tau moves too far at once.

    Examples
    --------
    >>> bounded_step(np.array([4.0, 1.0, 0.5])).tolist()
    [2.0, 0.5, 0.25]
    """
    longest = max(np.max(np.abs(step[:-1])) / MAX_BETA_STEP, abs(step[-1]) / MAX_LOG_TAU_STEP, 1.0)
    return step / longest


def moved_modes(cells: Cells, theta: FloatArray, at: Evaluation, step: FloatArray) -> FloatArray:
    """First-order guess of the modes after a step in theta."""
    u_beta, u_tau = mode_derivatives(cells, at.modes, float(np.exp(theta[-1])))
    return at.modes.u + np.einsum("jq,q->j", u_beta, step[:-1]) + u_tau * step[-1]


def _newton_step(
    objective: QuadratureObjective,
    theta: FloatArray,
    at: Evaluation,
    multiplicity: FloatArray,
    score: FloatArray,
    by_differences: bool,
) -> FloatArray | None:
    tau = float(np.exp(theta[-1]))
    if by_differences:
        step = solve_positive(total(multiplicity, objective.curvatures(theta, at)), score)
        if step is not None:
            return step
    step = solve_positive(total(multiplicity, laplace_hessians(objective.cells, tau, at.modes)), score)
    if step is not None:
        return step
    return solve_expected(total(multiplicity, working_curvatures(objective.cells, tau, at.modes)), score)


def _climb(
    objective: QuadratureObjective,
    theta: FloatArray,
    at: Evaluation,
    multiplicity: FloatArray,
    step: FloatArray,
    value: float,
) -> tuple[FloatArray, Evaluation] | None:
    for _ in range(30):
        guess = moved_modes(objective.cells, theta, at, step)
        new = objective.evaluate(theta + step, guess, multiplicity)
        new_value = float(total(multiplicity, new.log_likelihood))
        if np.isfinite(new_value) and new_value >= value - 1e-12 * abs(value):
            return theta + step, new
        step = 0.5 * step
    return None
