"""Maximum (penalized) likelihood of a logistic regression, with an intercept per facility or without.

With many facilities the information matrix is an arrow: a diagonal of facilities and a small block of
factors. Taking its Schur complement, the factors centred within facilities by their weighted means, costs no
more than a regression on the factors alone. Sums run on one thread, so that the number of cores changes no bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskstd.model.algebra import invert_positive, quadratic_form
from riskstd.model.cells import FloatArray, IntArray, weighted_gram

MAX_ITERATIONS = 200
MAX_STEP = 5.0
"""Largest change of the log-odds per standard unit in one iteration."""
CONVERGED = 1e-9
"""Distance to the optimum in standard errors (Newton decrement)."""
NEAR = 1e-4
"""Distance within which whole steps are taken without a look at the objective."""


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Rows of the design.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_factors)
    n, y, offset : ndarray, shape (n_rows,)
        Cases, events, known part of the log-odds.
    code : ndarray of int, shape (n_rows,), or None
        Facility; None for no intercepts beside the columns of X.
    n_facilities : int
    """

    X: FloatArray
    n: FloatArray
    y: FloatArray
    offset: FloatArray
    code: IntArray | None = None
    n_facilities: int = 0

    def total(self, per_row: FloatArray) -> FloatArray:
        """Sum per facility; empty without facilities."""
        if self.code is None:
            return np.zeros(0)
        return np.bincount(self.code, per_row, self.n_facilities).astype(np.float64, copy=False)

    def spread(self, per_facility: FloatArray) -> FloatArray | float:
        """Value of each row's facility; 0 without facilities."""
        return 0.0 if self.code is None else per_facility[self.code]


@dataclass(frozen=True, eq=False, repr=False)
class Arrow:
    """An information matrix by its parts.

    Parameters
    ----------
    information : ndarray, shape (n_facilities,)
        Of the intercepts.
    means : ndarray, shape (n_facilities, n_factors)
        Weighted means of the factors.
    schur, covariance : ndarray, shape (n_factors, n_factors)
        Information of the factors with the intercepts adapted, and its inverse; NaN where there is none.
    """

    information: FloatArray
    means: FloatArray
    schur: FloatArray
    covariance: FloatArray

    def centred(self, rows: Rows) -> FloatArray:
        """Factors less their means in the facility."""
        return rows.X if rows.code is None else rows.X - self.means[rows.code]


@dataclass(frozen=True, eq=False, repr=False)
class State:
    """One point of the parameter space and what the solver needs of it.

    Parameters
    ----------
    beta, intercepts : ndarray
    objective : float
        Log-likelihood without binomial constants, plus half the logarithm of the information's determinant
        when penalized.
    covariance, information, means
        Parts of the information matrix; see `Arrow`.
    working : Arrow
        Matrix that a step is taken with.
    score : ndarray, shape (n_factors,)
        Derivative by beta with the intercepts adapted.
    intercept_score : ndarray, shape (n_facilities,)
    """

    beta: FloatArray
    intercepts: FloatArray
    objective: float
    covariance: FloatArray
    information: FloatArray
    means: FloatArray
    working: Arrow
    score: FloatArray
    intercept_score: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """The optimum, and whether it was reached."""

    state: State
    converged: bool
    n_iterations: int


def solve(
    rows: Rows,
    beta: FloatArray,
    intercepts: FloatArray,
    *,
    penalized: bool,
    held: NDArray[np.bool_] | None = None,
) -> Solution:
    """Maximize by Fisher scoring with halved steps.

    Parameters
    ----------
    rows : Rows
    beta, intercepts : ndarray
        Where to start.
    penalized : bool
        With Firth's penalty.
    held : ndarray of bool, shape (n_factors,), optional
        Coefficients that stay where they are; the penalty is that of the whole model.

    Returns
    -------
    Solution
    """
    free = np.ones(len(beta), dtype=bool) if held is None else ~held
    state = evaluate(rows, beta, intercepts, penalized=penalized)
    for iteration in range(1, MAX_ITERATIONS + 1):
        if not np.all(np.isfinite(state.covariance)):
            return Solution(state, False, iteration)
        step, intercept_step, decrement = _fisher_step(state, free)
        if decrement < CONVERGED:
            return Solution(state, True, iteration)
        if decrement < NEAR:
            # an improvement of decrement^2 is lost in the rounding of the objective
            state = evaluate(rows, state.beta + step, state.intercepts + intercept_step, penalized=penalized)
            continue
        moved = _take_step(rows, state, step, intercept_step, penalized)
        if moved is None:
            return Solution(state, False, iteration)
        state = moved
    return Solution(state, False, MAX_ITERATIONS)


def evaluate(rows: Rows, beta: FloatArray, intercepts: FloatArray, *, penalized: bool) -> State:
    """Objective, scores and information at one point."""
    eta = np.einsum("ik,k->i", rows.X, beta) + rows.offset + rows.spread(intercepts)
    p = expit(eta)
    w = rows.n * p * expit(-eta)
    arrow = _arrow(rows, w)
    objective = float(np.sum(rows.y * eta - rows.n * np.logaddexp(0.0, eta)))
    residual, working = rows.y - rows.n * p, arrow
    if penalized:
        objective += 0.5 * float(np.linalg.slogdet(arrow.schur)[1] + np.log(arrow.information).sum())
        centred = arrow.centred(rows)
        leverage = quadratic_form(centred, arrow.covariance) + rows.spread(1.0 / arrow.information)
        residual = residual + w * leverage * (0.5 - p)
        # the penalty works as leverage cases more, half of them events
        working = _arrow(rows, w * (1.0 + leverage * p * expit(-eta)))
    return State(
        beta=beta,
        intercepts=intercepts,
        objective=objective,
        covariance=arrow.covariance,
        information=arrow.information,
        means=arrow.means,
        working=working,
        score=np.einsum("ik,i->k", working.centred(rows), residual),
        intercept_score=rows.total(residual),
    )


def _arrow(rows: Rows, w: FloatArray) -> Arrow:
    information = rows.total(w)
    sums = [rows.total(w * column) for column in rows.X.T]
    means = np.stack(sums, axis=1) if sums else np.zeros((len(information), 0))
    means = means / information[:, None]
    centred = rows.X if rows.code is None else rows.X - means[rows.code]
    schur = weighted_gram(centred, w) if centred.shape[1] else np.zeros((0, 0))
    covariance = invert_positive(schur) if schur.size else np.zeros((0, 0))
    return Arrow(information, means, schur, covariance)


def _fisher_step(state: State, free: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, float]:
    """Steps of beta and the intercepts, and the Newton decrement."""
    step, working = np.zeros(len(state.beta)), state.working
    if np.all(free):
        step = working.covariance @ state.score
    elif np.any(free):
        step[free] = np.linalg.solve(working.schur[np.ix_(free, free)], state.score[free])
    slope = state.intercept_score / working.information
    gain = float(state.score[free] @ step[free] + state.intercept_score @ slope)
    return step, slope - working.means @ step, float(np.sqrt(max(gain, 0.0)))


def _take_step(rows: Rows, state: State, step: FloatArray, intercept_step: FloatArray, penalized: bool) -> State | None:
    """The state after the longest of the halved steps that improves the objective; None if none does."""
    largest = max(np.max(np.abs(step), initial=0.0), np.max(np.abs(intercept_step), initial=0.0))
    factor = min(1.0, MAX_STEP / largest)
    for _ in range(40):
        moved = evaluate(
            rows, state.beta + factor * step, state.intercepts + factor * intercept_step, penalized=penalized
        )
        if moved.objective > state.objective:
            return moved
        factor *= 0.5
    return None
