"""Cells: the distinct rows of risk factors of each facility, with their cases and events.

Patterns are the distinct rows of the whole file. The order of cells and patterns depends
on the data alone, never on the order of the rows, so sums have the same bits. `order_by_content`
does the same for facilities: their labels say nothing about where they stand in a sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from riskstd.model.design import Design, FloatArray, IntArray

THREAD_FREE_FLOPS = 200_000
"""Multiplications in one matrix product that BLAS libraries still run on one thread."""
HASH_FACTORS = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)
"""Odd factors of the SplitMix64 generator (Steele, Lea, Flood, OOPSLA 2014)."""
HASH_SHIFT = np.uint64(32)

__all__ = ["Cells", "FacilityOrder", "FloatArray", "IntArray", "order_by_content", "weighted_gram"]


@dataclass(frozen=True, eq=False, repr=False)
class Cells:
    """Cells facility by facility, with a pointer as in a compressed sparse row matrix.

    Parameters
    ----------
    design : Design
        Tables of the risk factors of every pattern, scaled and counted from a reference level.
    pattern : ndarray of int, shape (n_cells,)
        Pattern of each cell; within a facility the cells of one case come first.
    pointer : ndarray of int, shape (n_facilities + 1,)
        Facility j holds the cells `pointer[j]` to `pointer[j + 1]`.
    n, y : ndarray, shape (n_cells,)
        Cases and events (weighted when the rows were).
    center, scale : ndarray, shape (n_factors,)
        Scaled column = (column - center) / scale.
    """

    design: Design
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
        """Columns of the design, the intercept included."""
        return self.design.n_columns

    @property
    def X(self) -> FloatArray:
        """Scaled row of every pattern, shape (n_patterns, n_coefficients)."""
        return self.design.dense

    @cached_property
    def index(self) -> IntArray:
        """Table rows of each cell, shape (n_cells, n_blocks)."""
        return np.take(self.design.index, self.pattern, axis=0)

    @cached_property
    def n_single(self) -> IntArray:
        """Cells of exactly one case at the start of each facility, shape (n_facilities,)."""
        return self.facility_sum((self.n == 1).astype(np.float64)).astype(np.int64)

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
        has_event = np.flatnonzero(self.y)
        facility = np.searchsorted(self.pointer, has_event, side="right") - 1
        design, size = self.design, self.n_coefficients
        out = np.zeros(self.n_facilities * size)
        for row in self.index[has_event].T:
            first, count = design.pointer[row], np.diff(design.pointer)[row]
            # places of the values of each row, one row after another
            place = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
            to = np.repeat(facility, count) * size + design.column[place]
            out += np.bincount(to, np.repeat(self.y[has_event], count) * design.value[place], len(out))
        return out.reshape(self.n_facilities, size)

    @cached_property
    def event_offset(self) -> FloatArray:
        """Sum of y times the offset per facility."""
        if not self.design.offset.any():
            return np.zeros(self.n_facilities)
        offset = np.sum(self.design.offset[self.design.index], axis=1)
        return self.facility_sum(self.y * offset[self.pattern])

    @cached_property
    def pattern_n(self) -> FloatArray:
        """Cases of each pattern."""
        return self.at_patterns(self.n)

    @cached_property
    def pattern_y(self) -> FloatArray:
        """Events of each pattern."""
        return self.at_patterns(self.y)

    def back_transform(self) -> FloatArray:
        """Matrix from coefficients of the scaled columns to those of the original ones."""
        out = np.diag(np.append(1.0, 1.0 / self.scale))
        out[0, 1:] = -self.center / self.scale
        return out

    def raw_coefficients(self, beta: FloatArray) -> FloatArray:
        """Intercept and coefficients of the original columns, shape (n_coefficients,)."""
        raw = beta[1:] / self.scale
        return np.append(beta[0] - np.sum(raw * self.center), raw)

    def hold_coefficients(self, held: NDArray[np.bool_], beta: FloatArray) -> Cells:
        """Move held columns and their coefficients into the offset.

        Parameters
        ----------
        held : ndarray of bool, shape (n_coefficients,)
            The intercept is never held.
        beta : ndarray, shape (n_coefficients,)

        Returns
        -------
        Cells
        """
        if not held.any():
            return self
        kept = ~held[1:]
        return replace(self, design=self.design.fold(held, beta), center=self.center[kept], scale=self.scale[kept])

    def at_cells(self, per_pattern: FloatArray) -> FloatArray:
        """Copy a value per pattern to its cells."""
        return per_pattern[self.pattern]

    def at_patterns(self, per_cell: FloatArray) -> FloatArray:
        """Add up a value per cell over the cells of each pattern."""
        return np.bincount(self.pattern, per_cell, len(self.design.index)).astype(np.float64, copy=False)

    def linear_predictor(self, beta: FloatArray) -> FloatArray:
        """Log-odds per pattern at the average facility, shape (n_patterns,)."""
        return self.design.log_odds(beta)

    def facility_sum(self, per_cell: FloatArray) -> FloatArray:
        """Sum a value per cell over each facility's cells, shape (n_facilities,)."""
        return np.add.reduceat(per_cell, self.pointer[:-1])

    def facility_sum_rows(self, per_cell: FloatArray) -> FloatArray:
        """Sum a value per cell times its row of X, shape (n_facilities, n_coefficients)."""
        shape = (self.n_facilities, len(self.design.index))
        return csr_array((per_cell, self.pattern, self.pointer), shape=shape) @ self.X

    def gram(self, per_cell: FloatArray) -> FloatArray:
        """X' diag(value per cell) X over all cells, shape (n_coefficients, n_coefficients)."""
        return self.pattern_gram(self.at_patterns(per_cell))

    def pattern_gram(self, per_pattern: FloatArray) -> FloatArray:
        """X' diag(value per pattern) X, shape (n_coefficients, n_coefficients)."""
        return weighted_gram(self.X, per_pattern)

    def facility_grams(self, per_cell: FloatArray) -> FloatArray:
        """X_j' diag(value) X_j per facility, shape (n_facilities, n_coefficients, n_coefficients)."""
        out = np.empty((self.n_facilities, self.n_coefficients, self.n_coefficients))
        for j, (start, stop) in enumerate(zip(self.pointer[:-1], self.pointer[1:], strict=True)):
            out[j] = weighted_gram(self.X[self.pattern[start:stop]], per_cell[start:stop])
        return out


@dataclass(frozen=True, eq=False, repr=False)
class FacilityOrder:
    """Facilities by content and by label: how values per facility go from one order to the other.

    Parameters
    ----------
    label_position : ndarray of int, shape (n_facilities,)
        Position among the sorted labels of each facility by content.

    Examples
    --------
    >>> order = FacilityOrder(np.array([2, 0, 1]))
    >>> order.by_label(np.array([30.0, 10.0, 20.0])).tolist()
    [10.0, 20.0, 30.0]
    >>> order.by_content(np.array([10.0, 20.0, 30.0])).tolist()
    [30.0, 10.0, 20.0]
    """

    label_position: IntArray

    @cached_property
    def content_position(self) -> IntArray:
        """Position by content of each facility by label, shape (n_facilities,)."""
        out = np.empty_like(self.label_position)
        out[self.label_position] = np.arange(len(out))
        return out

    def by_label(self, by_content: FloatArray) -> FloatArray:
        """Values per facility, the first axis, from the order of contents to that of labels."""
        return np.take(by_content, self.content_position, axis=0)

    def by_content(self, by_label: FloatArray) -> FloatArray:
        """Values per facility, the first axis, from the order of labels to that of contents."""
        return np.take(by_label, self.label_position, axis=0)


def order_by_content(cells: Cells) -> tuple[Cells, FacilityOrder]:
    """Order facilities by a hash of their cells, so that no label decides the order of a sum.

    Parameters
    ----------
    cells : Cells
        Facilities in the order of their labels.

    Returns
    -------
    cells : Cells
        The cells of each facility in the same order as before.
    order : FacilityOrder
        Facilities of equal content, which only their labels tell apart, are in the order of the labels.
    """
    content = np.add.reduceat(_hash_cells(cells), cells.pointer[:-1])
    # stable: any other sort may order equal facilities differently on another processor
    order = FacilityOrder(np.argsort(content, kind="stable"))
    first, n_cells = cells.pointer[:-1][order.label_position], np.diff(cells.pointer)[order.label_position]
    pointer = np.append(0, np.cumsum(n_cells))
    source = np.arange(len(cells.n)) + np.repeat(first - pointer[:-1], n_cells)
    moved = {name: np.take(getattr(cells, name), source) for name in ("pattern", "n", "y")}
    return replace(cells, pointer=pointer, **moved), order


def _hash_cells(cells: Cells) -> NDArray[np.uint64]:
    """64 mixed bits of (n, y, pattern) per cell; sums of them wrap around, in any order to the same bits."""
    out = cells.n.view(np.uint64) * HASH_FACTORS[0]
    # the bits of small whole numbers as floats are all at the top, where a product has no room left to spread
    out ^= out >> HASH_SHIFT
    pattern = cells.pattern.astype(np.uint64)
    for bits, factor in ((cells.y.view(np.uint64), HASH_FACTORS[1]), (pattern, HASH_FACTORS[0])):
        out += bits
        out *= factor
        out ^= out >> HASH_SHIFT
    out *= HASH_FACTORS[1]
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
