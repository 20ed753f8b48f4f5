"""Small linear algebra: sums in a fixed order, symmetric solves that report failure, differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from riskstd.model.cells import FloatArray

DIFFERENCE_STEP = 1e-4
"""Step of central differences in standardised coefficients and log tau."""


def total(multiplicity: FloatArray, per_facility: FloatArray) -> FloatArray:
    """Sum over facilities, each counted `multiplicity` times; one thread, fixed order.

    Examples
    --------
    >>> total(np.array([2.0, 1.0]), np.array([[1.0, 0.0], [0.0, 5.0]])).tolist()
    [2.0, 5.0]
    """
    return np.einsum("j,j...->...", multiplicity, per_facility)


def log_odds_of_rows(X: FloatArray, mu: float, beta: FloatArray) -> FloatArray:
    """mu + x'beta of each row, column by column, so that the layout of X in memory changes no bit.

    Examples
    --------
    >>> log_odds_of_rows(np.array([[1.0, 2.0]]), -1.0, np.array([0.5, 0.25])).tolist()
    [0.0]
    """
    total = np.full(len(X), float(mu))
    for column, coefficient in zip(X.T, beta, strict=True):
        total += coefficient * column
    return total


def central_differences(score: Callable[[FloatArray], FloatArray], theta: FloatArray) -> FloatArray:
    """Negative derivative of `score` (..., n) by theta (n,) by central differences.

    Returns
    -------
    ndarray, shape (..., n, n)

    Examples
    --------
    >>> central_differences(lambda t: -3.0 * t, np.array([0.5])).round(6).tolist()
    [[3.0]]
    """
    columns = []
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = DIFFERENCE_STEP
        columns.append((score(theta - step) - score(theta + step)) / (2.0 * DIFFERENCE_STEP))
    return np.stack(columns, axis=-1)


def symmetric(matrix: FloatArray) -> FloatArray:
    """Mean of a matrix (or stack of matrices) and its transpose."""
    return 0.5 * (matrix + np.swapaxes(matrix, -1, -2))


def solve_positive(matrix: FloatArray, right: FloatArray) -> FloatArray | None:
    """Solve a positive definite system; None when the matrix is not positive definite."""
    try:
        solution = cho_solve(cho_factor(matrix), right)
    except (LinAlgError, ValueError):
        return None
    return solution if np.all(np.isfinite(solution)) else None


def solve_expected(curvature: FloatArray, right: FloatArray) -> FloatArray | None:
    """Solve with a working curvature, without its cross terms of beta and log tau if need be.

    Examples
    --------
    >>> solve_expected(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1.0, 3.0])).tolist()
    [1.0, 3.0]
    """
    solution = solve_positive(curvature, right)
    if solution is None:
        decoupled = curvature.copy()
        decoupled[-1, :-1] = decoupled[:-1, -1] = 0.0
        solution = solve_positive(decoupled, right)
    return solution


def invert_positive(matrix: FloatArray) -> FloatArray:
    """Inverse of a positive definite matrix; NaN throughout when it is not one.

    Examples
    --------
    >>> invert_positive(np.array([[4.0]])).tolist(), invert_positive(np.array([[-1.0]])).tolist()
    ([[0.25]], [[nan]])
    """
    solution = solve_positive(matrix, np.eye(len(matrix)))
    return np.full_like(matrix, np.nan) if solution is None else solution


def broyden_update(inverse: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """Good Broyden update of an inverse Jacobian, so that inverse @ change = step.

    Examples
    --------
    >>> updated = broyden_update(np.eye(2), np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    >>> (updated @ [2.0, 0.0]).tolist()
    [1.0, 0.0]
    """
    moved = inverse @ change
    size = step @ moved
    if size == 0:
        return inverse
    return inverse + np.outer(step - moved, step @ inverse) / size


def quadratic_form(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """Row' matrix row for each row, on one thread.

    Examples
    --------
    >>> quadratic_form(np.array([[1.0, 2.0]]), np.eye(2)).tolist()
    [5.0]
    """
    return np.sum(np.einsum("ji,ik->jk", rows, matrix) * rows, axis=1)
