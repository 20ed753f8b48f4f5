"""Arrays of eight resamples side by side, laid out for the caches of a processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.cells import Cells, FloatArray, IntArray

if TYPE_CHECKING:
    from riskstd.model.lanes import LaneRefitter

LANES = 8
LINE_BYTES = 64
CELLS_PER_PATTERN = 8
"""Cells on each pattern above which a table row for every pattern pays."""


@dataclass(frozen=True, eq=False, repr=False)
class LaneLayout:
    """Cells in the order in which reading and writing their table rows is fastest.

    Where patterns are few beside the cells, each has a table row of its own, the most frequent
    first, so that most of the work stays in the processor's caches; else the rows of the column blocks serve.

    Parameters
    ----------
    index : tuple of ndarray of uint32 or uint16, shape (n_cells,)
        Table rows of each cell, by block.
    n : ndarray of float64 or float32, shape (n_cells,)
        Cases.
    pointer : ndarray of int, shape (n_facilities + 1,)
    pattern_index : tuple of ndarray of uint32, shape (n_rows,), or None
        Rows of the column blocks whose product a table row is; None where the blocks serve.
    n_rows : int
        Table rows.
    n_shared : int
        Rows, the first ones, that so many cells share that their residuals need carrying over.
    """

    index: tuple[IntArray, ...]
    n: FloatArray
    pointer: IntArray
    pattern_index: tuple[IntArray, ...] | None
    n_rows: int
    n_shared: int = 0

    @classmethod
    def of(cls, cells: Cells, shared_above: int) -> LaneLayout:
        """Layout of some cells; a row of more than `shared_above` of them is a shared one."""
        n_patterns, pointer = len(cells.design.index), cells.pointer.astype(np.uint64)
        if n_patterns * CELLS_PER_PATTERN > len(cells.n):
            return cls(_columns(cells.index), cells.n, pointer, None, cells.design.n_table_rows)
        uses = np.bincount(cells.pattern, minlength=n_patterns)
        by_frequency = np.argsort(-uses, kind="stable")
        rank = np.empty(n_patterns, dtype=np.uint32)
        rank[by_frequency] = np.arange(n_patterns)
        row = rank[cells.pattern]
        # a pattern is in a facility's cells once
        order = np.argsort(cells.facility.astype(np.int64) * n_patterns + row)
        n_shared = int(np.sum(uses > shared_above))
        rows = _columns(cells.design.index[by_frequency])
        narrow = row[order].astype(np.uint16 if n_patterns <= 2**16 else np.uint32)
        return cls((narrow,), _narrow(cells.n[order]), pointer, rows, n_patterns, n_shared)


class Eights:
    """Values per facility of several eights of resamples, each array of shape (n_eights, n_facilities, 8).

    `copies` of each facility in a resample; `u`, `sum_w` and `sum_w1`: modes, sums of w and of its derivative there;
    `form`: what the covariance of beta adds (`lane_covariance`); `weight` and `mean_weight` (float32) are scratch.
    """

    def __init__(self, n_eights: int, n_facilities: int) -> None:
        shape = (n_eights, n_facilities, LANES)
        names = ("copies", "u", "sum_w", "sum_w1", "form")
        # one piece of memory, for which the system has larger pages
        room = lines(len(names) * n_eights * n_facilities).reshape(len(names), *shape)
        self.copies, self.u, self.sum_w, self.sum_w1, self.form = room
        self.weight, self.mean_weight = (np.empty(shape, dtype=np.float32) for _ in range(2))

    def __len__(self) -> int:
        return len(self.copies)

    def begin(self, of: LaneRefitter) -> None:
        """Set modes and sums of w to those of the full fit."""
        self.u[:], self.sum_w[:], self.sum_w1[:] = (part[:, None] for part in of.start_modes)

    def first(self, n_eights: int) -> Eights:
        """The first of them, sharing their memory."""
        part = Eights.__new__(Eights)
        for name, values in vars(self).items():
            setattr(part, name, values[:n_eights])
        return part


class LaneWork:
    """Arrays of one thread, rows of eight numbers, each a line of the processor's cache.

    Tables serve one eight after the other; `eights` has room for the values of many.
    """

    def __init__(self, of: LaneRefitter) -> None:
        cells, layout = of.cells, of.layout
        design, n_rows = cells.design, cells.design.n_table_rows
        longest, n_node_rows = 1, 1
        if of.quadrature is not None:
            longest, n_node_rows = int(np.max(np.diff(cells.pointer))), of.quadrature.N_ROWS * len(of.nodes)
        block_odds, block_residual = lines(n_rows), lines(n_rows)
        odds, residual, carry = block_odds, block_residual, (0, layout.index, block_residual)
        if layout.pattern_index is not None:
            odds, residual = paired_rows(layout.n_rows)
            carry = (layout.n_shared, layout.pattern_index, block_residual)
        rows = (design.pointer, design.column, design.value, design.offset)
        self._design = (rows, design.n_blocks, layout.pattern_index)
        self._tables, self._carry = (block_odds, block_residual, odds, residual), carry
        self._cells = (layout.index, layout.pointer, layout.n)
        self._eights = Eights(1, cells.n_facilities)
        self._group = lines(5 * of.kernels.GROUP)
        self._nodes = (lines(longest), lines(longest), lines(n_node_rows))

    def eights(self, n_eights: int) -> Eights:
        """Room for some eights; what an earlier call returned is no longer valid."""
        if len(self._eights) < n_eights:
            self._eights = Eights(n_eights, self._eights.copies.shape[1])
        return self._eights.first(n_eights)

    def move(self, of: LaneRefitter, eights: Eights, theta: FloatArray, step: FloatArray) -> FloatArray:
        """Theta (8 n_eights, n_coefficients + 1) after a step; modes and sums of w move along to first order."""
        tau = columns_by_lane(np.exp(theta[:, -1:]))
        of.kernels.move_modes(of.mean_rows, columns_by_lane(step), tau, eights.u, eights.sum_w, eights.sum_w1)
        return theta + step

    def score(
        self, of: LaneRefitter, eights: Eights, theta: FloatArray, events: FloatArray, mode_step: float
    ) -> FloatArray:
        """Score (8 n_eights, n_coefficients + 1) at theta but for the REML term; `events` is the sum of y x.

        Modes and sums of w become those at theta.
        """
        beta, tau = columns_by_lane(theta[:, :-1]), columns_by_lane(np.exp(theta[:, -1:]))
        gradient, score_tau = columns_by_lane(theta[:, :-1]), columns_by_lane(theta[:, -1:])
        tables = (*self._design, beta, tau, *self._tables, self._carry, *self._cells, of.cells.events)
        modes = (eights.copies, mode_step, eights.u, eights.sum_w, eights.sum_w1, score_tau, gradient, self._group)
        if of.quadrature is None:
            of.kernels.score_eights(of.kind, *tables, *modes)
        else:
            nodes = (of.nodes, of.log_weights, of.centre_log_weight, of.product_cases)
            of.quadrature.score_eights(*tables, *modes, *nodes, *self._nodes)
        residual_sums, by_tau = (rows_of(part, np.arange(len(theta))) for part in (gradient, score_tau))
        return np.concatenate([events - residual_sums, by_tau], axis=1)

    def draw_ratios(
        self,
        of: LaneRefitter,
        eights: Eights,
        theta: FloatArray,
        number: IntArray,
        normals: FloatArray,
        with_beta: bool,
        place: IntArray,
        out: FloatArray,
    ) -> NDArray[np.bool_]:
        """Ratios at theta with drawn effects, to the columns `number` (8 n_eights,) of `out`; see the kernel.

        Returns
        -------
        ndarray of bool, shape (8 n_eights,)
            Lanes whose variances are sound.
        """
        beta, by_tau = columns_by_lane(theta[:, :-1]), precision(theta)
        which, sound = number.reshape(-1, LANES), np.zeros((len(eights), LANES))
        modes = (which, eights.copies, eights.u, eights.sum_w, eights.form, with_beta, normals, place, self._group)
        of.draws.draw_ratios(*self._design, beta, by_tau, *self._tables, *self._cells, *modes, sound, out)
        return sound.ravel() > 0


@dataclass(frozen=True, eq=False, repr=False)
class FacilityValues:
    """Numbers of each facility, filled up to whole vectors of a register: eight float64 or sixteen float32.

    Parameters
    ----------
    vectors : ndarray, shape (n_facilities * n_vectors, 8 or 16)
    n_vectors, n_values : int
        Vectors and numbers of a facility.
    """

    vectors: NDArray[Any]
    n_vectors: int
    n_values: int

    @classmethod
    def of(cls, values: FloatArray, dtype: type[np.floating]) -> FacilityValues:
        """Lay out values (n_facilities, n_values).

        Examples
        --------
        >>> FacilityValues.of(np.ones((3, 9)), np.float64).vectors.shape
        (6, 8)
        """
        n_facilities, n_values = values.shape
        n_vectors = -(-n_values // lane_count(dtype))
        vectors = lines(n_facilities * n_vectors, dtype)
        vectors.reshape(n_facilities, -1)[:, :n_values] = values
        return cls(vectors, n_vectors, n_values)

    def sums(self, kernels: Any, weight: FloatArray) -> FloatArray:
        """Sums over facilities of weights times the values.

        Many resamples in one call take little longer than eight: the values come from memory once.

        Parameters
        ----------
        kernels : module
        weight : ndarray, shape (n_eights, n_facilities, 8)
            Of the dtype of the values.

        Returns
        -------
        ndarray, shape (n_eights, 8, n_values)
        """
        out = lines(len(weight) * LANES * self.n_vectors, self.vectors.dtype.type)
        kernels.weighted_sums(weight, self.vectors, self.n_vectors, out)
        return out.reshape(len(weight), LANES, -1)[:, :, : self.n_values]


def to_lanes(rows: FloatArray, out: FloatArray) -> None:
    """Write rows (8 n_eights, n), one a resample, into lanes (n_eights, n, 8).

    Examples
    --------
    >>> lanes = np.empty((1, 2, 8))
    >>> to_lanes(np.arange(16.0).reshape(8, 2), lanes)
    >>> lanes[0, 1].tolist()
    [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0]
    """
    out[:] = rows.reshape(len(out), LANES, rows.shape[1]).transpose(0, 2, 1)


def columns_by_lane(rows: FloatArray) -> FloatArray:
    """Rows (8 n_eights, n), one a resample, as lanes (n_eights, n, 8) at lines of the cache.

    Examples
    --------
    >>> columns_by_lane(np.arange(16.0).reshape(8, 2))[0, 1].tolist()
    [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0]
    """
    n_eights = len(rows) // LANES
    out = lines(n_eights * rows.shape[1]).reshape(n_eights, rows.shape[1], LANES)
    to_lanes(rows, out)
    return out


def precision(theta: FloatArray) -> FloatArray:
    """1 / tau^2 of each resample, shape (n_eights, 1, 8), from theta (8 n_eights, n_coefficients + 1).

    Examples
    --------
    >>> precision(np.log(np.full((8, 1), 0.5))).shape, precision(np.log(np.full((8, 1), 0.5)))[0, 0, 0].round(9)
    ((1, 1, 8), np.float64(4.0))
    """
    return np.exp(-2.0 * theta[:, -1]).reshape(-1, 1, LANES)


def rows_of(lanes: FloatArray, which: IntArray) -> FloatArray:
    """Some resamples of lanes (n_eights, n, 8) as rows, shape (n_which, n).

    Examples
    --------
    >>> rows_of(np.arange(16.0).reshape(1, 2, 8), np.array([7])).tolist()
    [[7.0, 15.0]]
    """
    return lanes[which // LANES, :, which % LANES]


def _narrow(n: FloatArray) -> NDArray[np.floating[Any]]:
    """Cases as float32 where that loses nothing: half the memory to go through at every pass."""
    narrow = n.astype(np.float32)
    return narrow if np.array_equal(narrow, n) else n


def _columns(index: IntArray) -> tuple[IntArray, ...]:
    return tuple(np.ascontiguousarray(column, dtype=np.uint32) for column in index.T)


def lane_count(dtype: type[np.floating]) -> int:
    """Numbers of a type in one register.

    Examples
    --------
    >>> lane_count(np.float64), lane_count(np.float32)
    (8, 16)
    """
    return LINE_BYTES // np.dtype(dtype).itemsize


def paired_rows(n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Zeros in two arrays of n rows of eight float32; row i of both shares a line of the cache.

    Who has read one has the other at hand.

    Examples
    --------
    >>> odds, residual = paired_rows(3)
    >>> odds.shape, residual.shape, odds.strides
    ((3, 8), (3, 8), (64, 4))
    """
    both = lines(n, np.float32)
    return both[:, :LANES], both[:, LANES:]


def lines(n: int, dtype: type[np.floating] = np.float64) -> NDArray[Any]:
    """Zeros in n rows, each from the start of a line of the cache: rows across two lines take twice the time.

    Examples
    --------
    >>> lines(3).shape, lines(3, np.float32).shape
    ((3, 8), (3, 16))
    """
    width = lane_count(dtype)
    raw = np.zeros((n + 1) * width, dtype=dtype)
    first = (-raw.ctypes.data % LINE_BYTES) // raw.itemsize
    return raw[first : first + n * width].reshape(n, width)
