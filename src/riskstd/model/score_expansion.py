"""The score around a full fit to second order, which takes a refit most of its way without a pass over the data.

score(theta + d) = score(theta) - J d - T[d, d] / 2.  J of a resample is the sum of its facilities' curvatures; T,
which the choice of facilities hardly changes, is that of the full data, found once by differences of scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstd.model.algebra import invert_positive
from riskstd.model.cells import FloatArray
from riskstd.model.newton import bounded_step

REACH = 1.5
"""Length of the steps of the differences in standard errors: about where the estimates of resamples lie."""
MOST_COEFFICIENTS = 64
"""Above it the differences would take longer than the passes they save."""
LONGEST = 2.0
"""How many times as long as the Newton step the second-order step may be."""


@dataclass(frozen=True, eq=False, repr=False)
class ScoreExpansion:
    """Derivatives of the score of the full data by theta = (beta, log tau).

    Parameters
    ----------
    added_curvature : ndarray, shape (m, m)
        Negative derivative, less the sum of the facilities' curvatures.
    second : ndarray, shape (m, m, m)
        Negative second derivative; the score's coefficient first.
    """

    added_curvature: FloatArray
    second: FloatArray

    @classmethod
    def of(cls, scores: Callable[[FloatArray], FloatArray], curvature: FloatArray) -> ScoreExpansion:
        """Take differences of scores.

        Parameters
        ----------
        scores : callable
            Scores (n, m) of the full data at steps (n, m) from the full fit.
        curvature : ndarray, shape (m, m)
            Sum of the facilities' curvatures; zero where the differences cannot be taken.

        Examples
        --------
        >>> expansion = ScoreExpansion.of(lambda steps: -3.0 * steps - 0.5 * steps**2, 2.0 * np.eye(2))
        >>> expansion.added_curvature.round(6).diagonal().tolist(), expansion.second.round(6)[0].tolist()
        ([1.0, 1.0], [[1.0, 0.0], [0.0, 0.0]])
        """
        m = len(curvature)
        nothing = cls(np.zeros((m, m)), np.zeros((m, m, m)))
        covariance = invert_positive(curvature)
        if m > MOST_COEFFICIENTS or not np.all(np.isfinite(covariance)):
            return nothing
        # uncorrelated directions, each about as far as the estimates of resamples spread
        directions = bounded_step(REACH * np.linalg.cholesky(covariance).T)
        odd, even = _differences(scores, directions)
        to_axes = np.linalg.inv(directions)
        jacobian = np.einsum("ai,ja->ij", odd, to_axes)
        second = np.einsum("abi,ja->jbi", even, to_axes)
        second = np.einsum("jbi,kb->ijk", second, to_axes)
        if not (np.all(np.isfinite(jacobian)) and np.all(np.isfinite(second))):
            return nothing
        return cls(jacobian - curvature, second)

    def start(
        self, score: FloatArray, curvature: FloatArray, held: NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """First step of each resample, the curvature it starts from, and the inverse curvature where it leads.

        Parameters
        ----------
        score : ndarray, shape (n, m)
            Zero where held.
        curvature : ndarray, shape (n, m, m)
            Sum of the facilities' curvatures.
        held : ndarray of bool, shape (n, m)

        Returns
        -------
        step, curvature, inverse : ndarray, shapes (n, m), (n, m, m), (n, m, m)
        """
        curvature = curvature + self.added_curvature
        hold(curvature, held)
        newton_inverse = inverses(curvature)
        newton = _apply(newton_inverse, score)
        bent = curvature + self._bend(newton)
        hold(bent, held)
        inverse, step = inverses(bent), newton
        for _ in range(2):
            rest = score - _apply(curvature + 0.5 * self._bend(step), step)
            rest[held] = 0.0
            step = step + _apply(inverse, rest)
        wild = ~(lengths(step, curvature) < LONGEST * lengths(newton, curvature))
        step[wild], inverse[wild] = newton[wild], newton_inverse[wild]
        return step, curvature, inverse

    def _bend(self, step: FloatArray) -> FloatArray:
        """Change of the curvature along steps (n, m), shape (n, m, m)."""
        # laid out the same however many there are: sums run in the order of memory, and with it change their last bit
        return np.einsum("ijk,lk->lij", self.second, step, order="C")


def _differences(scores: Callable[[FloatArray], FloatArray], directions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Negative first derivative along directions (n, m), and second along pairs of them, (n, n, m)."""
    n, m = directions.shape
    first, other = np.tril_indices(n, -1)
    steps = np.concatenate([directions, directions[first] + directions[other]])
    at = scores(np.concatenate([np.zeros((1, m)), steps, -steps]))
    forward, backward = at[1 : 1 + len(steps)], at[1 + len(steps) :]
    bend = 2.0 * at[0] - forward - backward
    second = np.empty((n, n, m))
    second[np.arange(n), np.arange(n)] = bend[:n]
    second[first, other] = second[other, first] = 0.5 * (bend[n:] - bend[first] - bend[other])
    return 0.5 * (backward - forward)[:n], second


def lengths(step: FloatArray, curvature: FloatArray) -> FloatArray:
    """Length of each step in standard errors; NaN where the curvature gives none.

    Examples
    --------
    >>> lengths(np.array([[3.0], [1.0]]), np.array([[[4.0]], [[-1.0]]])).tolist()
    [6.0, nan]
    """
    squared = np.einsum("li,lij,lj->l", step, curvature, step)
    return np.sqrt(squared, where=squared >= 0.0, out=np.full(len(step), np.nan))


def hold(matrices: FloatArray, held: NDArray[np.bool_]) -> None:
    """Make the rows and columns of held coefficients those of the identity.

    Examples
    --------
    >>> matrices = np.array([[[4.0, 1.0], [1.0, 9.0]]])
    >>> hold(matrices, np.array([[False, True]]))
    >>> matrices.tolist()
    [[[4.0, 0.0], [0.0, 1.0]]]
    """
    for lane, k in zip(*np.nonzero(held), strict=True):
        matrices[lane, k, :] = matrices[lane, :, k] = 0.0
        matrices[lane, k, k] = 1.0


def inverses(matrices: FloatArray) -> FloatArray:
    """Inverse of each matrix; NaN throughout where it has none.

    Examples
    --------
    >>> inverses(np.array([[[2.0]], [[0.0]]])).ravel().tolist()
    [0.5, nan]
    """
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
    return np.concatenate([inverses(matrix[None]) for matrix in matrices])


def _apply(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    return np.einsum("lij,lj->li", matrices, vectors)
