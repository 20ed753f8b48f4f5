"""Newton's method for the likelihood of beta and log tau, with step-halving.

The Hessian is the exact one. Pseudo-likelihood has an expected one, which Broyden updates correct
near the solution; where its steps shrink slowly, differences of the score take its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from riskstd.model.algebra import broyden_update, invert_positive, solve_expected, solve_positive
from riskstd.model.cells import FloatArray
from riskstd.model.evaluation import Curvature, Evaluation, mode_slopes
from riskstd.model.objective import Objective, total_value

DECREMENT = 1e-9
"""Newton decrement (distance to the optimum in standard errors) at which the fit stops."""
ACCEPTABLE_DECREMENT = 1e-6
"""Decrement that counts as converged when rounding stops the progress."""
SLOW_RATE = 0.2
"""Ratio of successive decrements above which the expected curvature is too far off."""
SAME_CURVATURE = 1e-6
"""Decrement below which a step leaves the curvature as it was, to far more digits than are reported."""
UPDATED = 0.5
"""Decrement below which Broyden updates correct the expected curvature."""
NEAR = 1e-3
"""Decrement above which slow progress may be the shape of the objective, not the curvature."""
PATIENCE = 10
"""Iterations after which slow progress counts as slow wherever it happens."""
MAX_STEPS = 100
MAX_HALVINGS = 30
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


def maximise(objective: Objective, theta: FloatArray, start: FloatArray, multiplicity: FloatArray) -> Optimum:
    """Go from `theta` to the optimum; a log-likelihood never falls on the way.

    Pseudo-likelihood has none: its equations are solved without a search along the step.

    Parameters
    ----------
    objective : Objective
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
    updates = BroydenSteps()
    converged, by_differences = False, False
    for _ in range(MAX_STEPS):
        value = total_value(at, multiplicity)
        curvature = objective.exact_curvature(at, multiplicity)
        at = replace(at, curvature=curvature)
        step = solve_curvature(objective, curvature, at, multiplicity)
        if step is None:
            break
        decrement = float(np.sqrt(max(at.score @ step, 0.0)))
        path.append(PathStep(value, at.tau, decrement))
        if decrement < DECREMENT:
            converged = True
            break
        by_differences = by_differences or (objective.pseudo and is_slow(path))
        if by_differences:
            step = step_by_differences(objective, theta, at, multiplicity, step)
        elif objective.pseudo:
            step = updates.step(curvature.hessian, at.score, step, decrement)
        moved = _climb(objective, theta, at, multiplicity, bounded_step(step), value, curvature.sum_wx)
        if moved is None:
            break
        updates.learn(moved[0] - theta, at.score - moved[1].score)
        theta, at = moved
        if not MIN_LOG_TAU < theta[-1] < MAX_LOG_TAU:
            break
        if decrement < SAME_CURVATURE and not objective.pseudo:
            at = replace(at, curvature=curvature)
    # when rounding stops the progress, an acceptable distance is convergence all the same
    converged = converged or (bool(path) and path[-1].decrement < ACCEPTABLE_DECREMENT)
    return Optimum(theta, at, converged, tuple(path))


class BroydenSteps:
    """Steps with an inverse curvature that learns from each step how the score changes."""

    def __init__(self) -> None:
        self._inverse: FloatArray | None = None
        self._decrement = np.inf

    def step(self, curvature: FloatArray, score: FloatArray, fallback: FloatArray, decrement: float) -> FloatArray:
        """Step uphill from the updated inverse; the `fallback` while far off, and whenever an update misled."""
        is_closer, self._decrement = decrement < self._decrement, decrement
        if decrement > UPDATED or not is_closer:
            self._inverse = None
            return fallback
        if self._inverse is None:
            self._inverse = invert_positive(curvature)
            return fallback
        step = self._inverse @ score
        return step if np.all(np.isfinite(step)) and score @ step > 0 else fallback

    def learn(self, step: FloatArray, change: FloatArray) -> None:
        """Update by a step taken and the fall of the score over it."""
        if self._inverse is not None:
            self._inverse = broyden_update(self._inverse, step, change)


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
    """Shorten a step, or each row of steps, so that no coefficient and not log tau moves too far at once.

    Examples
    --------
    >>> bounded_step(np.array([4.0, 1.0, 0.5])).tolist()
    [2.0, 0.5, 0.25]
    """
    size = np.abs(step)
    longest = np.maximum(np.max(size[..., :-1], axis=-1) / MAX_BETA_STEP, size[..., -1] / MAX_LOG_TAU_STEP)
    return step / np.maximum(longest, 1.0)[..., None]


def moved_modes(at: Evaluation, sum_wx: FloatArray, step: FloatArray) -> FloatArray:
    """First-order guess of the modes after a step in theta."""
    u_beta, u_tau = mode_slopes(at, at.tau, sum_wx)
    return at.u + np.einsum("jq,q->j", u_beta, step[:-1]) + u_tau * step[-1]


def solve_curvature(
    objective: Objective, curvature: Curvature, at: Evaluation, multiplicity: FloatArray
) -> FloatArray | None:
    """Newton step; with the expected curvature where the Hessian is not positive definite."""
    if not objective.pseudo:
        step = solve_positive(curvature.hessian, at.score)
        if step is not None:
            return step
        curvature = objective.working_curvature(at, multiplicity)
    return solve_expected(curvature.hessian, at.score)


def step_by_differences(
    objective: Objective, theta: FloatArray, at: Evaluation, multiplicity: FloatArray, fallback: FloatArray
) -> FloatArray:
    """Newton step with the true Jacobian of the pseudo-likelihood equations, where it leads uphill."""
    jacobian = objective.curvature_by_differences(theta, at, multiplicity)
    try:
        step = np.linalg.solve(jacobian, at.score)
    except np.linalg.LinAlgError:
        return fallback
    return step if np.all(np.isfinite(step)) and at.score @ step > 0 else fallback


def _climb(
    objective: Objective,
    theta: FloatArray,
    at: Evaluation,
    multiplicity: FloatArray,
    step: FloatArray,
    value: float,
    sum_wx: FloatArray,
) -> tuple[FloatArray, Evaluation] | None:
    """Move by the step, halved until the log-likelihood does not fall."""
    for _ in range(MAX_HALVINGS):
        new = objective.evaluate(theta + step, moved_modes(at, sum_wx, step), multiplicity)
        if objective.pseudo:
            return (theta + step, new) if np.all(np.isfinite(new.score)) else None
        new_value = total_value(new, multiplicity)
        if np.isfinite(new_value) and new_value >= value - 1e-12 * abs(value):
            return theta + step, new
        step = 0.5 * step
    return None
