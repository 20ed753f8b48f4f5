"""The CMS facility bootstrap: resample facilities, refit, draw effects, keep the ratios.

For each replicate: (1) draw J facilities with replacement, a facility drawn k times is k distinct
facilities; (2) refit, once more by a full fit on failure, then drop; (3) draw the effect of
each copy from N(mode, variance) of that refit; (4) predicted with the drawn effect,
expected with the replicate's own intercept; (5) keep one copy of each facility at random;
(6) the interval is read off the replicates in which the facility occurs.
The copies of a facility are equal but for independent draws, so one draw stands for the kept copy.

Replicate r has its own random stream, child r of `numpy.random.SeedSequence(seed)`: the result
does not depend on the order or grouping in which replicates are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model import HierarchicalFit
from riskstd.model.compiled import thread_count
from riskstd.model.refit import Refitter

FloatArray = NDArray[np.floating[Any]]
VARIANCES = ("prediction", "posterior")
CHUNK = 128
"""Replicates drawn together."""


@dataclass(frozen=True, eq=False, repr=False)
class Replicates:
    """Ratios of every replicate.

    Parameters
    ----------
    ratio : ndarray, shape (n_replicates, n_facilities)
        Predicted / expected; NaN where the facility was not drawn or the replicate was dropped.
    crude_rate : ndarray, shape (n_replicates,)
        Events / cases of the replicate; NaN when dropped.
    dropped, flagged, retried : ndarray of bool, shape (n_replicates,)
        No convergence; a separated risk factor kept its coefficient; a full fit was needed.
    evaluations : ndarray of int, shape (n_replicates,)
        Evaluations of the objective; 0 where they were not counted.
    """

    ratio: FloatArray
    crude_rate: FloatArray
    dropped: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    retried: NDArray[np.bool_]
    evaluations: NDArray[np.integer[Any]]


class Resampler:
    """Draws replicates of a fit by their numbers.

    Parameters
    ----------
    fit : HierarchicalFit
    seed : int
    variance : {"prediction", "posterior"}
        f + f^2 a'V a, or f alone.
    threads : int, optional
        Replicates drawn side by side; all processors when left out.
    """

    def __init__(
        self,
        fit: HierarchicalFit,
        *,
        seed: int,
        variance: str = "prediction",
        threads: int | None = None,
    ) -> None:
        # one thread inside a replicate: replicates themselves run side by side
        self._refitter = Refitter(fit, threads=1)
        self._seed, self._variance = seed, variance
        self._threads = thread_count(threads)

    def draw(self, numbers: Sequence[int]) -> Replicates:
        """Draw the replicates with the given numbers.

        Parameters
        ----------
        numbers : sequence of int
            Any split of a range gives the same rows.

        Returns
        -------
        Replicates
        """
        n, n_facilities = len(numbers), self._refitter.cells.n_facilities
        ratio, crude = np.full((n, n_facilities), np.nan), np.full(n, np.nan)
        dropped, flagged, retried = (np.zeros(n, dtype=bool) for _ in range(3))

        def draw_row(row: int) -> None:
            drawn = self._draw_one(numbers[row])
            if drawn is None:
                dropped[row] = True
            else:
                ratio[row], crude[row], flagged[row], retried[row] = drawn

        if self._threads == 1:
            for row in range(n):
                draw_row(row)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(draw_row, range(n)))
        return Replicates(ratio, crude, dropped, flagged, retried, np.zeros(n, dtype=np.int64))

    def _draw_one(self, number: int) -> tuple[FloatArray, float, bool, bool] | None:
        """Ratios, crude rate, flagged and retried of one replicate; None without convergence."""
        cells = self._refitter.cells
        stream = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(number,)))
        drawn = stream.integers(0, cells.n_facilities, cells.n_facilities)
        multiplicity = np.bincount(drawn, minlength=cells.n_facilities).astype(np.float64)
        normal = stream.standard_normal(cells.n_facilities)
        refit = self._refitter.refit(multiplicity)
        if refit is None:
            return None
        spread = refit.prediction_variance if self._variance == "prediction" else refit.effects_variance
        effects = refit.effects + np.sqrt(spread) * normal
        predicted, expected = self._refitter.path.predicted_expected(refit.beta, effects)
        ratio = np.where(multiplicity > 0, predicted / expected, np.nan)
        crude = float(np.sum(multiplicity * cells.events) / np.sum(multiplicity * cells.cases))
        return ratio, crude, refit.flagged, refit.retried


def draw_replicates(
    fit: HierarchicalFit,
    replicates: Iterable[int],
    *,
    seed: int,
    variance: str = "prediction",
    progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> Replicates:
    """Draw the replicates with the given numbers, all in memory.

    Parameters
    ----------
    fit : HierarchicalFit
    replicates : iterable of int
        Numbers from 0; any split of a range gives the same rows.
    seed : int
    variance : {"prediction", "posterior"}
        f + f^2 a'V a, or f alone.
    progress : callable(done, total), optional
        Called after each chunk.
    threads : int, optional

    Returns
    -------
    Replicates
    """
    numbers = list(replicates)
    resampler = Resampler(fit, seed=seed, variance=variance, threads=threads)
    parts = []
    for start in range(0, len(numbers), CHUNK):
        parts.append(resampler.draw(numbers[start : start + CHUNK]))
        if progress is not None:
            progress(min(start + CHUNK, len(numbers)), len(numbers))
    return Replicates(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Replicates)))
