"""The CMS facility bootstrap: resample facilities, refit, draw effects, keep the ratios.

For each replicate: (1) draw J facilities with replacement, a facility drawn k times is k distinct
facilities; (2) refit, once more by a full fit on failure, then drop; (3) draw the effect of
each copy from N(mode, variance) of that refit; (4) predicted with the drawn effect,
expected with the replicate's own intercept; (5) keep one copy of each facility at random;
(6) the interval is read off the replicates in which the facility occurs.
The copies of a facility are equal but for independent draws, so one draw stands for the kept copy.

Facilities are drawn by their position by content, so other labels for the same facilities
give the same draws. Facilities of exactly equal content are told apart by their labels alone: relabelling them
may exchange their draws, which have the same distribution.

Replicate r has its own random stream, child r of `numpy.random.SeedSequence(seed)`: the result
does not depend on the order or grouping in which replicates are computed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.interpreter import quick_handover
from riskstd.model import HierarchicalFit
from riskstd.model.compiled import thread_count
from riskstd.model.lane_arrays import LANES
from riskstd.model.lanes import make_refitter

FloatArray = NDArray[np.floating[Any]]
VARIANCES = ("prediction", "posterior")
CHUNK = 256
"""Replicates drawn between two reports of progress."""
MAX_TASK = 64
MAX_TASK_VALUES = 2**20
"""Replicates, and effects, one a facility and replicate, that a thread holds at a time: few enough for its caches."""


@dataclass(frozen=True, eq=False, repr=False)
class Replicates:
    """Ratios of every replicate.

    Parameters
    ----------
    ratio : ndarray, shape (n_replicates, n_facilities)
        Predicted / expected, facilities by label; NaN where the facility was not drawn or the replicate was dropped.
        The replicates of a facility lie beside each other in memory, as percentiles need them.
    crude_rate : ndarray, shape (n_replicates,)
        Events / cases of the replicate; NaN when dropped.
    dropped, flagged, retried : ndarray of bool, shape (n_replicates,)
        No convergence; a separated risk factor kept its coefficient; a full fit was needed.
    evaluations : ndarray of int, shape (n_replicates,)
        Evaluations of the objective; 0 when dropped.
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
        self._threads = thread_count(threads)
        # one thread inside a replicate: replicates themselves run side by side
        self._refitter = make_refitter(fit, self._threads)
        self._seed, self._with_beta = seed, variance == "prediction"
        # kept from call to call, so that its threads keep their arrays
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def draw_parts(self, parts: Iterable[Sequence[int]]) -> Iterator[list[Replicates]]:
        """Draw the replicates with the given numbers, one part after the other.

        The next part is begun before one is handed over, so that no thread waits while that one is put away.

        Parameters
        ----------
        parts : iterable of sequence of int
            Any split of a range gives the same rows.

        Yields
        ------
        list of Replicates
            Of one part, in pieces one after the other.
        """
        if self._pool is None:
            yield from (list(map(self._draw_some, self._tasks(numbers))) for numbers in parts)
            return
        with quick_handover():
            yield from self._draw_on(self._pool, parts)

    def _draw_on(self, pool: ThreadPoolExecutor, parts: Iterable[Sequence[int]]) -> Iterator[list[Replicates]]:
        begun: deque[list[Future[Replicates]]] = deque()
        try:
            for numbers, is_last in _with_last(parts):
                begun.append([pool.submit(self._draw_some, task) for task in self._tasks(numbers, is_last)])
                if len(begun) > 1:
                    yield [task.result() for task in begun.popleft()]
            while begun:
                yield [task.result() for task in begun.popleft()]
        finally:
            # nothing goes on in the background once this has ended, however it ends
            left = list(chain.from_iterable(begun))
            for task in left:
                task.cancel()
            wait(left)

    def _tasks(self, numbers: Sequence[int], is_last: bool = False) -> list[Sequence[int]]:
        """Tasks of a part; smaller ones of the last, so that no thread waits long for another to end."""
        most = task_size(len(numbers), self._threads, self._refitter.cells.n_facilities)
        return split_evenly(numbers, most // 4 if is_last else most)

    def _draw_some(self, numbers: Sequence[int]) -> Replicates:
        copies, normals, crude_rate = self._draw_facilities(numbers)
        draws = self._refitter.draw_ratios(copies, normals, with_beta=self._with_beta)
        return Replicates(
            ratio=draws.ratio.T,
            crude_rate=np.where(draws.dropped, np.nan, crude_rate),
            dropped=draws.dropped,
            flagged=draws.flagged,
            retried=draws.retried,
            evaluations=draws.n_evaluations,
        )

    def _draw_facilities(self, numbers: Sequence[int]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Copies and normal deviates, (n_replicates, n_facilities) each, and crude rates of the replicates."""
        cells = self._refitter.cells
        n = cells.n_facilities
        copies, normals, crude_rate = np.empty((len(numbers), n)), np.empty((len(numbers), n)), np.empty(len(numbers))
        for row, r in enumerate(numbers):
            stream = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(r,)))
            copies[row] = np.bincount(stream.integers(0, n, n), minlength=n)
            stream.standard_normal(out=normals[row])
            crude_rate[row] = np.sum(copies[row] * cells.events) / np.sum(copies[row] * cells.cases)
        return copies, normals, crude_rate


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
    parts, done = [], 0
    for part in resampler.draw_parts(numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)):
        parts.extend(part)
        done += sum(len(piece.dropped) for piece in part)
        if progress is not None:
            progress(done, len(numbers))
    return join_replicates(parts)


def task_size(n: int, threads: int, n_facilities: int) -> int:
    """Replicates one thread draws together: an even share, bounded by the memory they take.

    Examples
    --------
    >>> task_size(256, 2, 4000), task_size(20, 4, 4000), task_size(256, 2, 10**6)
    (64, 8, 8)
    """
    share = -(-n // threads)
    return max(LANES, min(share, MAX_TASK, MAX_TASK_VALUES // n_facilities))


def split_evenly(numbers: Sequence[int], most: int) -> list[Sequence[int]]:
    """Parts of at most so many numbers (or eight), all of about as many eights.

    Examples
    --------
    >>> [len(part) for part in split_evenly(range(208), 64)], [len(part) for part in split_evenly(range(20), 16)]
    ([48, 56, 48, 56], [8, 12])
    """
    n_eights = -(-len(numbers) // LANES)
    n_parts = -(-n_eights // max(1, most // LANES))
    edges = [LANES * (n_eights * k // n_parts) for k in range(n_parts + 1)]
    return [numbers[begin:end] for begin, end in pairwise(edges)]


def _with_last(parts: Iterable[Sequence[int]]) -> Iterator[tuple[Sequence[int], bool]]:
    """Each part, and whether it is the last."""
    waiting = iter(parts)
    part = next(waiting, None)
    while part is not None:
        following = next(waiting, None)
        yield part, following is None
        part = following


def join_replicates(parts: Sequence[Replicates]) -> Replicates:
    """Replicates one after the other."""
    return Replicates(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Replicates)))
