"""One plain judge of every program's estimates: the log-likelihood, by numpy, row by row.

It shares no code with riskstd. Constants are complete: with one row a case, there are none to leave out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MODE_TOLERANCE = 1e-12
MAX_STEPS = 100

Array = NDArray[np.float64]


def log_likelihood(
    y: NDArray[Any], X: NDArray[Any], facility: NDArray[Any], *, mu: float, beta: Array, tau: float, nodes: int = 1
) -> float:
    """Log-likelihood of a logistic model with normal facility intercepts, by adaptive quadrature.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
        0 or 1.
    X : ndarray, shape (n_rows, n_factors)
    facility : ndarray, shape (n_rows,)
    mu, tau : float
        `tau` 0 gives the plain logistic model.
    beta : ndarray, shape (n_factors,)
    nodes : int
        1 is the Laplace approximation.

    Returns
    -------
    float

    Examples
    --------
    >>> y, X, facility = np.array([0, 1]), np.zeros((2, 0)), np.array([5, 5])
    >>> round(log_likelihood(y, X, facility, mu=0.0, beta=np.zeros(0), tau=0.0), 6)  # 2 log(1/2)
    -1.386294
    >>> round(log_likelihood(y, X, facility, mu=0.0, beta=np.zeros(0), tau=1.0, nodes=60), 6)
    -1.576869
    """
    labels, position = np.unique(facility, return_inverse=True)
    order = np.argsort(position, kind="stable")
    starts = np.searchsorted(position[order], np.arange(len(labels)))
    position, events = position[order], y[order].astype(np.float64)
    log_odds = mu + sum((column[order] * b for column, b in zip(X.T, beta, strict=True)), np.zeros(len(y)))

    def summed(rows: Array) -> Array:
        return np.add.reduceat(rows, starts)

    def row_sum(effects: Array) -> Array:
        eta = log_odds + effects[position]
        return summed(events * eta - np.logaddexp(0.0, eta))

    if tau == 0.0:
        return float(row_sum(np.zeros(len(labels))).sum())
    mode, precision = _modes(events, log_odds, position, summed, tau)
    points, weights = np.polynomial.hermite.hermgauss(nodes)
    terms = []
    for point, weight in zip(points, weights, strict=True):
        effects = mode + point * np.sqrt(2.0 / precision)
        terms.append(np.log(weight) + point**2 + row_sum(effects) - 0.5 * (effects / tau) ** 2)
    integral = np.logaddexp.reduce(terms, axis=0)
    return float(np.sum(integral - 0.5 * np.log(np.pi) - 0.5 * np.log(tau**2 * precision)))


def _modes(events: Array, log_odds: Array, position: NDArray[Any], summed: Any, tau: float) -> tuple[Array, Array]:
    """Conditional modes of the facility effects and the precision there, by Newton steps of at most 1."""
    observed = summed(events)
    mode = np.zeros_like(observed)
    for _ in range(MAX_STEPS):
        p = 1.0 / (1.0 + np.exp(-(log_odds + mode[position])))
        precision = summed(p * (1.0 - p)) + tau**-2
        step = np.clip((observed - summed(p) - mode / tau**2) / precision, -1.0, 1.0)
        mode += step
        if np.max(np.abs(step)) < MODE_TOLERANCE:
            return mode, precision
    raise ArithmeticError(f"the facility effects did not settle in {MAX_STEPS} steps")
