"""Arrays of eight resamples side by side, laid out for the caches of a processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from riskstd.model.cells import Cells, FloatArray, IntArray

if TYPE_CHECKING:
    from riskstd.model.lanes import LaneRefitter

LANES = 8
LINE_BYTES = 64
NODE_ROWS = 8
CELLS_PER_PATTERN = 8
"""Cells on each pattern above which a table row for every pattern pays."""


@dataclass(frozen=True, eq=False, repr=False)
class LaneLayout:
    """Cells in the order in which reading and writing their table rows is fastest.

    Where patterns are few beside the cells, each has a table row of its own, the most frequent
    first, so that most of the work stays in the processor's caches; else the rows of the column blocks serve.

    Parameters
    ----------
    index : tuple of ndarray of uint32, shape (n_cells,)
        Table rows of each cell, by block.
    n : ndarray, shape (n_cells,)
        Cases.
    pointer : ndarray of int, shape (n_facilities + 1,)
    pattern_index : tuple of ndarray of uint32, shape (n_rows,), or None
        Rows of the column blocks whose product a table row is; None where the blocks serve.
    n_rows : int
        Table rows.
    """

    index: tuple[IntArray, ...]
    n: FloatArray
    pointer: IntArray
    pattern_index: tuple[IntArray, ...] | None
    n_rows: int

    @classmethod
    def of(cls, cells: Cells) -> LaneLayout:
        """Layout of some cells."""
        n_patterns, pointer = len(cells.design.index), cells.pointer.astype(np.uint64)
        if n_patterns * CELLS_PER_PATTERN > len(cells.n):
            return cls(_columns(cells.index), cells.n, pointer, None, cells.design.n_table_rows)
        by_frequency = np.argsort(-np.bincount(cells.pattern, minlength=n_patterns), kind="stable")
        rank = np.empty(n_patterns, dtype=np.uint32)
        rank[by_frequency] = np.arange(n_patterns)
        row = rank[cells.pattern]
        order = np.lexsort((row, cells.facility))
        return cls((row[order],), cells.n[order], pointer, _columns(cells.design.index[by_frequency]), n_patterns)


class LaneWork:
    """Arrays of one thread, rows of eight numbers, each a line of the processor's cache."""

    def __init__(self, of: LaneRefitter) -> None:
        cells = of.cells
        m, n_rows, n_facilities = cells.n_coefficients, cells.design.n_table_rows, cells.n_facilities
        longest = int(np.max(np.diff(cells.pointer))) if of.method == of.kernels.QUADRATURE else 1
        self.tau, self.score_tau = lines(1), lines(1)
        self.beta, self.gradient, self.step = lines(m), lines(m), lines(m + 1)
        self.packed, self.more_packed = lines(len(of.spread)), lines(len(of.spread))
        self.start, self.curvature = lines(len(of.start_values)), lines(len(of.curvatures))
        self.table = self.block_table = lines(2 * of.layout.n_rows)
        if of.layout.pattern_index is not None:
            self.block_table = lines(2 * n_rows)
        self.copies, self.weight, self.form = (lines(n_facilities) for _ in range(3))
        self.u, self.sum_w, self.sum_w1 = (lines(n_facilities) for _ in range(3))
        self.final_u, self.final_w = lines(n_facilities), lines(n_facilities)
        self.probability, self.mean = lines(longest), lines(longest)
        self.group = lines(5 * of.kernels.GROUP)
        self.nodes = lines(NODE_ROWS * max(1, len(of.nodes)))

    def fill_tables(self, of: LaneRefitter) -> None:
        """Odds of the table rows at `beta`, residuals of zero."""
        design, pattern_index = of.cells.design, of.layout.pattern_index
        rows = (design.pointer, design.column, design.value, design.offset)
        of.kernels.fill_tables(*rows, self.beta, design.n_blocks, self.block_table)
        if pattern_index is not None:
            of.kernels.join_blocks(self.block_table, pattern_index, self.table)

    def residual_sums(self, of: LaneRefitter) -> FloatArray:
        """Sum of the residuals of the table rows times the rows, lanes first."""
        design, pattern_index = of.cells.design, of.layout.pattern_index
        if pattern_index is not None:
            of.kernels.share_to_blocks(self.table, pattern_index, self.block_table)
        self.gradient[:] = 0.0
        of.kernels.table_sums(design.pointer, design.column, design.value, self.block_table, self.gradient)
        return self.gradient.T


def facility_values(per_facility: FloatArray, dtype: type[np.floating]) -> FloatArray:
    """Values (n_facilities, k) by column, filled up to a multiple of eight columns.

    Examples
    --------
    >>> facility_values(np.ones((3, 2)), np.float32).shape
    (8, 3)
    """
    n_facilities, k = per_facility.shape
    out = np.zeros((-(-k // LANES) * LANES, n_facilities), dtype=dtype)
    out[:k] = per_facility.T
    return out


def _columns(index: IntArray) -> tuple[IntArray, ...]:
    return tuple(np.ascontiguousarray(column, dtype=np.uint32) for column in index.T)


def lines(n: int) -> FloatArray:
    """Zeros of shape (n, 8), each row a line of the cache: one that straddles two lines takes twice the time."""
    size = np.dtype(np.float64).itemsize
    raw = np.zeros(n * LANES + LINE_BYTES // size)
    first = (-raw.ctypes.data % LINE_BYTES) // size
    return raw[first : first + n * LANES].reshape(n, LANES)
