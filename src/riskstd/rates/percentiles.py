"""Percentiles of bootstrap draws as SAS counts them, and the draws on either side of the comparator.

Definition 5 of SAS: the order statistic whose rank is the next whole number above n x share, and
the average of two of them where n x share is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
Pair = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False, repr=False)
class DrawSummary:
    """What one ordered pass tells of the draws of each facility.

    Parameters
    ----------
    limits : tuple of (lower, upper)
        One pair per level asked for, arrays of shape (n_facilities,); NaN without draws.
    present : ndarray of int, shape (n_facilities,)
        Draws of the facility.
    not_above, not_below : ndarray of int, shape (n_facilities,)
        Draws at the comparator or below it; at it or above it.
    """

    limits: tuple[Pair, ...]
    present: IntArray
    not_above: IntArray
    not_below: IntArray


def summarize_draws(
    blocks: Iterable[FloatArray], levels: Sequence[float], comparator: float, threads: int = 1
) -> DrawSummary:
    """Percentile limits at several levels, and counts against the comparator.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (facilities of the block, n_replicates)
        NaN where a facility has no draw. The blocks are sorted in place.
    levels : sequence of float
    comparator : float
    threads : int
        Among which the facilities of a block are shared out; the result is the same for any number.

    Returns
    -------
    DrawSummary

    Examples
    --------
    >>> found = summarize_draws([np.array([[4.0, 1.0, np.nan, 3.0, 2.0]])], [0.5], comparator=2.0)
    >>> [limit.tolist() for limit in found.limits[0]], found.not_above.tolist(), found.not_below.tolist()
    ([[1.5], [3.5]], [2], [3])
    """
    with ThreadPoolExecutor(threads) as pool:
        parts = [
            part
            for block in blocks
            for part in pool.map(
                lambda rows: _summarize_block(rows, levels, comparator), np.array_split(block, threads)
            )
        ]
    limits = tuple(
        (np.concatenate([p.limits[k][0] for p in parts]), np.concatenate([p.limits[k][1] for p in parts]))
        for k in range(len(levels))
    )
    counts = (np.concatenate([getattr(p, name) for p in parts]) for name in ("present", "not_above", "not_below"))
    return DrawSummary(limits, *counts)


def percentile_limits(draws: FloatArray, level: float) -> Pair:
    """Percentile limits per column over the values that are not NaN.

    Parameters
    ----------
    draws : ndarray, shape (n_replicates, n_facilities)
    level : float

    Returns
    -------
    lower, upper : ndarray, shape (n_facilities,)
        NaN for a facility in no replicate.

    Examples
    --------
    >>> lower, upper = percentile_limits(np.arange(1.0, 101.0)[:, None], 0.9)
    >>> lower.tolist(), upper.tolist()
    ([5.5], [95.5])
    """
    return summarize_draws([draws.T.copy()], [level], np.nan).limits[0]


def tail_share(level: float) -> float:
    """Share of the draws beyond either limit.

    Examples
    --------
    >>> tail_share(0.95)
    0.025
    """
    # (1 - 0.95) / 2 is not exactly 0.025
    return round((1.0 - level) / 2.0, 12)


def percentile_rank(present: Any, share: float) -> Any:
    """n x share, whole where it is whole up to rounding.

    Examples
    --------
    >>> float(percentile_rank(200, 1.0 - 0.975))
    5.0
    """
    return np.round(np.multiply(present, share), 9)


def _summarize_block(block: FloatArray, levels: Sequence[float], comparator: float) -> DrawSummary:
    block.sort(axis=1)  # NaN last
    present = np.count_nonzero(~np.isnan(block), axis=1)
    tails = [tail_share(level) for level in levels]
    limits = tuple((_percentile(block, present, t), _percentile(block, present, 1.0 - t)) for t in tails)
    not_above = np.count_nonzero(block <= comparator, axis=1)
    not_below = np.count_nonzero(block >= comparator, axis=1)
    return DrawSummary(limits, present, not_above, not_below)


def _percentile(ordered: FloatArray, present: IntArray, share: float) -> FloatArray:
    rank = percentile_rank(present, share)
    row = np.arange(len(ordered))
    last = np.maximum(present - 1, 0)
    below = np.clip(np.ceil(rank).astype(int) - 1, 0, last)
    above = np.clip(np.floor(rank).astype(int), 0, last)
    value = 0.5 * (ordered[row, below] + ordered[row, above])
    return np.where(present > 0, value, np.nan)
