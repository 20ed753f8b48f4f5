"""Rows become cells: equal rows of one facility once, facilities one after another.

A cell is one distinct row of risk factors inside one facility, with its cases and its
events. Patterns are the distinct rows of the whole file. The order of cells and patterns
depends on the data alone, never on the order of the rows, so sums have the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]

GATHER_PAYS_BELOW = 0.7
"""Patterns per cell under which a shared pattern table is kept instead of one row a cell."""
THREAD_FREE_FLOPS = 200_000
"""Multiplications in one matrix product that BLAS libraries still run on one thread."""
MAX_KEY = 2**62


@dataclass(frozen=True, eq=False, repr=False)
class Cells:
    """Cells sorted by facility, with a pointer as in a compressed sparse row matrix.

    Parameters
    ----------
    X : ndarray, shape (n_patterns, n_coefficients)
        Ones, then the standardised risk factors, one row a pattern.
    offset : ndarray, shape (n_patterns,)
        Known part of the log-odds.
    pattern : ndarray of int, shape (n_cells,)
        Row of `X` of each cell.
    pointer : ndarray of int, shape (n_facilities + 1,)
        Facility j holds the cells `pointer[j]` to `pointer[j + 1]`.
    n, y : ndarray, shape (n_cells,)
        Cases and events (weighted when the rows were).
    center, scale : ndarray, shape (n_factors,)
        Standardised column = (column - center) / scale.
    """

    X: FloatArray
    offset: FloatArray
    pattern: IntArray
    pointer: IntArray
    n: FloatArray
    y: FloatArray
    center: FloatArray
    scale: FloatArray

    @property
    def n_facilities(self) -> int:
        """Facilities, each with at least one cell."""
        return len(self.pointer) - 1

    @property
    def n_coefficients(self) -> int:
        """Columns of `X`, the intercept included."""
        return self.X.shape[1]

    @cached_property
    def facility(self) -> IntArray:
        """Facility position of each cell, shape (n_cells,)."""
        return np.repeat(np.arange(self.n_facilities), np.diff(self.pointer))

    @cached_property
    def cases(self) -> FloatArray:
        """Cases per facility."""
        return self.facility_sum(self.n)

    @cached_property
    def events(self) -> FloatArray:
        """Events per facility."""
        return self.facility_sum(self.y)

    @cached_property
    def event_rows(self) -> FloatArray:
        """Sum of y x per facility, shape (n_facilities, n_coefficients)."""
        return self.facility_sum_rows(self.y)

    @cached_property
    def event_offset(self) -> FloatArray:
        """Sum of y times the offset per facility."""
        return self.facility_sum(self.y * self.at_cells(self.offset))

    @cached_property
    def has_pattern_table(self) -> bool:
        """Whether several cells share a row of `X`."""
        return len(self.X) != len(self.pattern)

    def back_transform(self) -> FloatArray:
        """Matrix from coefficients of the standardised columns to those of the original ones."""
        out = np.diag(np.append(1.0, 1.0 / self.scale))
        out[0, 1:] = -self.center / self.scale
        return out

    def raw_coefficients(self, beta: FloatArray) -> FloatArray:
        """Intercept and coefficients of the original columns, shape (n_coefficients,)."""
        raw = beta[1:] / self.scale
        return np.append(beta[0] - np.sum(raw * self.center), raw)

    def at_cells(self, per_pattern: FloatArray) -> FloatArray:
        """Copy a value per pattern to its cells."""
        return per_pattern[self.pattern] if self.has_pattern_table else per_pattern

    def at_patterns(self, per_cell: FloatArray) -> FloatArray:
        """Add up a value per cell over the cells of each pattern."""
        if not self.has_pattern_table:
            return per_cell
        return np.bincount(self.pattern, per_cell, len(self.X)).astype(np.float64, copy=False)

    def linear_predictor(self, beta: FloatArray) -> FloatArray:
        """Log-odds per pattern at the average facility, shape (n_patterns,)."""
        # einsum runs on one thread: the bits do not depend on the number of cores
        return np.einsum("kq,q->k", self.X, beta) + self.offset

    def facility_sum(self, per_cell: FloatArray) -> FloatArray:
        """Sum a value per cell over each facility's cells, shape (n_facilities,)."""
        return np.add.reduceat(per_cell, self.pointer[:-1])

    def facility_sum_rows(self, per_cell: FloatArray) -> FloatArray:
        """Sum a value per cell times its row of X, shape (n_facilities, n_coefficients)."""
        shape = (self.n_facilities, len(self.X))
        return csr_array((per_cell, self.pattern, self.pointer), shape=shape) @ self.X

    def gram(self, per_cell: FloatArray) -> FloatArray:
        """X' diag(value per cell) X over all cells, shape (n_coefficients, n_coefficients)."""
        return weighted_gram(self.X, self.at_patterns(per_cell))

    def facility_grams(self, per_cell: FloatArray) -> FloatArray:
        """X_j' diag(value) X_j per facility, shape (n_facilities, n_coefficients, n_coefficients)."""
        out = np.empty((self.n_facilities, self.n_coefficients, self.n_coefficients))
        for j, (start, stop) in enumerate(zip(self.pointer[:-1], self.pointer[1:], strict=True)):
            rows = self.X[self.pattern[start:stop]] if self.has_pattern_table else self.X[start:stop]
            out[j] = weighted_gram(rows, per_cell[start:stop])
        return out


def weighted_gram(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """Rows' diag(weights) rows, in blocks small enough to stay on one thread.

    Examples
    --------
    >>> weighted_gram(np.array([[1.0, 2.0], [1.0, 0.0]]), np.array([3.0, 1.0])).tolist()
    [[4.0, 6.0], [6.0, 12.0]]
    """
    n_columns = rows.shape[1]
    block = max(1, THREAD_FREE_FLOPS // n_columns**2)
    total = np.zeros((n_columns, n_columns))
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        total += (part * weights[start : start + block, None]).T @ part
    return total


def collapse_rows(
    X: FloatArray,
    facility: IntArray,
    n: FloatArray,
    y: FloatArray,
    offset: FloatArray | None,
    n_facilities: int,
) -> Cells:
    """Collapse equal rows within a facility into cells and standardise the columns.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_factors)
    facility : ndarray of int, shape (n_rows,)
        Facility position, 0 .. n_facilities - 1, each at least once.
    n, y : ndarray, shape (n_rows,)
        Cases and events of the row.
    offset : ndarray, shape (n_rows,), optional
    n_facilities : int

    Returns
    -------
    Cells
    """
    columns = [*X.T] if offset is None else [*X.T, offset]
    first, pattern = _rank_rows(columns, len(y))
    key = facility.astype(np.int64) * len(first) + pattern
    # the tail of the sort key fixes the order of sums of fractional weights
    order = np.lexsort((y, n, key)) if np.any(n % 1) else np.argsort(key)
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    cell_key = key[order][starts]
    cell_facility, cell_pattern = np.divmod(cell_key, len(first))
    cell_n = np.add.reduceat(n[order], starts)
    rows = X[first]
    pattern_n = np.bincount(cell_pattern, cell_n, len(first)).astype(np.float64, copy=False)
    center, scale = _center_and_scale(rows, pattern_n)
    design = np.column_stack([np.ones(len(rows)), (rows - center) / scale])
    pattern_offset = np.zeros(len(rows)) if offset is None else offset[first]
    if len(first) > GATHER_PAYS_BELOW * len(cell_key):
        design, pattern_offset = design[cell_pattern], pattern_offset[cell_pattern]
        cell_pattern = np.arange(len(cell_key))
    pointer = np.searchsorted(cell_facility, np.arange(n_facilities + 1))
    return Cells(
        X=np.ascontiguousarray(design),
        offset=pattern_offset,
        pattern=cell_pattern.astype(np.int32),
        pointer=pointer.astype(np.int32),
        n=cell_n,
        y=np.add.reduceat(y[order], starts),
        center=center,
        scale=scale,
    )


def _rank_rows(columns: list[FloatArray], n_rows: int) -> tuple[IntArray, IntArray]:
    """First row of each distinct row in lexicographic order, and the rank of every row.

    Mixed-radix keys are exact: before a product of the column sizes could overflow,
    the key so far is replaced by its rank.
    """
    key = np.zeros(n_rows, dtype=np.int64)
    size = 1
    for column in columns:
        codes, n_codes = _column_codes(column)
        if size > MAX_KEY // n_codes:
            ranks, key = np.unique(key, return_inverse=True)
            size = len(ranks)
        key = key * n_codes + codes
        size *= n_codes
    _, first, rank = np.unique(key, return_index=True, return_inverse=True)
    return first, rank


def _column_codes(column: FloatArray) -> tuple[IntArray, int]:
    is_one = column == 1
    if np.all(is_one | (column == 0)):
        return is_one.astype(np.int64), 2
    values, codes = np.unique(column, return_inverse=True)
    return codes, len(values)


def _center_and_scale(rows: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted mean and standard deviation of each column; a constant column keeps scale 1."""
    center = np.einsum("k,kq->q", n, rows) / n.sum()
    scale = np.sqrt(np.einsum("k,kq->q", n, (rows - center) ** 2) / n.sum())
    return center, np.where(scale > 0, scale, 1.0)
