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

from riskstd.model import HierarchicalFit
from riskstd.model.compiled import thread_count
from riskstd.model.handover import quick_handover
from riskstd.model.lane_arrays import LANES
from riskstd.model.lanes import make_refitter
from riskstd.model.refit import Refit

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

    @classmethod
    def dropped_all(cls, n: int, n_facilities: int) -> Replicates:
        """So many replicates, all dropped."""
        return cls(
            ratio=np.full((n_facilities, n), np.nan).T,
            crude_rate=np.full(n, np.nan),
            dropped=np.ones(n, dtype=bool),
            flagged=np.zeros(n, dtype=bool),
            retried=np.zeros(n, dtype=bool),
            evaluations=np.zeros(n, dtype=np.int64),
        )

    def among_dropped(self, rows: NDArray[np.integer[Any]], n: int) -> Replicates:
        """These replicates at some rows of n, the others dropped."""
        out = Replicates.dropped_all(n, self.ratio.shape[1])
        for field in fields(Replicates):
            getattr(out, field.name)[rows] = getattr(self, field.name)
        return out


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
        self._by_label = fit.data.order.by_label
        self._seed, self._variance = seed, variance
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
        cells = self._refitter.cells
        copies, normals = self._draw_facilities(numbers)
        refits = self._refitter.refit_many(copies)
        rows = np.flatnonzero([refit is not None for refit in refits])
        kept = [refit for refit in refits if refit is not None]
        if not kept:
            return Replicates.dropped_all(len(numbers), cells.n_facilities)
        if len(kept) < len(numbers):
            copies, normals = copies[rows], normals[rows]
        ratios = self._refitter.ratios(kept, self._draw_effects(kept, normals))
        np.copyto(ratios, np.nan, where=copies.T == 0)
        drawn = Replicates(
            ratio=self._by_label(ratios).T,
            crude_rate=np.sum(copies * cells.events, axis=1) / np.sum(copies * cells.cases, axis=1),
            dropped=np.zeros(len(kept), dtype=bool),
            flagged=np.array([refit.flagged for refit in kept]),
            retried=np.array([refit.retried for refit in kept]),
            evaluations=np.array([refit.n_evaluations for refit in kept]),
        )
        return drawn if len(kept) == len(numbers) else drawn.among_dropped(rows, len(numbers))

    def _draw_facilities(self, numbers: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """How often each replicate draws each facility, and its normal deviates, (n_replicates, n_facilities) each."""
        n = self._refitter.cells.n_facilities
        copies, normals = np.empty((len(numbers), n)), np.empty((len(numbers), n))
        for row, r in enumerate(numbers):
            stream = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(r,)))
            copies[row] = np.bincount(stream.integers(0, n, n), minlength=n)
            stream.standard_normal(out=normals[row])
        return copies, normals

    def _draw_effects(self, refits: Sequence[Refit], normals: FloatArray) -> FloatArray:
        """Effects of each refit drawn from their distribution; they take the place of the normal deviates.

        In the same memory, and row by row: what the threads of a process ask for and give back in large
        pieces, the system has to fill with zeros time and again.
        """
        for row, refit in zip(normals, refits, strict=True):
            row *= np.sqrt(self._spread(refit))
            row += refit.effects
        return normals

    def _spread(self, refit: Refit) -> FloatArray:
        return refit.prediction_variance if self._variance == "prediction" else refit.effects_variance


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
