"""Rows become cells: equal rows of one facility once, facilities one after another."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.cells import Cells
from riskstd.model.design import FloatArray, IntArray, build_design, code_columns, reference_and_scale
from riskstd.model.engine import kernels
from riskstd.model.row_keys import DistinctRows, RowKeys, find_distinct


def collapse_rows(
    X: NDArray[Any],
    facility: IntArray,
    n: NDArray[Any],
    y: NDArray[Any],
    offset: FloatArray | None,
    n_facilities: int,
    keys: RowKeys | None = None,
) -> Cells:
    """Collapse equal rows within a facility into cells and scale the columns.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_factors)
        Of any type of number.
    facility : ndarray of int, shape (n_rows,)
        Facility position, 0 .. n_facilities - 1, each at least once.
    n, y : ndarray, shape (n_rows,)
        Cases and events of the row.
    offset : ndarray, shape (n_rows,), optional
    n_facilities : int
    keys : RowKeys, optional
        Of X, when they are known.

    Returns
    -------
    Cells
    """
    distinct = find_distinct(X, offset, keys)
    first = distinct.first
    pointer, pattern, cell_n, cell_y = _sum_cells(facility, distinct, n, y, n_facilities)
    rows = np.asarray(X[first], dtype=np.float64) + 0.0  # turns -0.0 into 0.0
    coded = code_columns(rows, None if offset is None else offset[first])
    pattern_n = np.bincount(pattern, cell_n, len(first)).astype(np.float64, copy=False)
    center, scale = reference_and_scale(coded[: X.shape[1]], pattern_n)
    return Cells(
        design=build_design(rows, None if offset is None else offset[first], coded, center, scale),
        pattern=pattern.astype(np.int32, copy=False),
        pointer=pointer.astype(np.int64, copy=False),
        n=cell_n,
        y=cell_y,
        center=center,
        scale=scale,
    )


def _sum_cells(
    facility: IntArray, distinct: DistinctRows, n: NDArray[Any], y: NDArray[Any], n_facilities: int
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Facility pointer, pattern, cases and events of the cells; see `Cells` for their order."""
    compiled = kernels("rows")
    n_patterns = len(distinct.first)
    is_whole = _all_whole(n) and _all_whole(y)
    if compiled is not None and is_whole:
        return _sum_whole_cells(compiled, facility, distinct, n, y, n_facilities)
    key = facility.astype(np.int64) * n_patterns + distinct.rank
    # the tail of the sort key fixes the order of sums of fractional weights
    order = np.argsort(key) if is_whole else np.lexsort((y, n, key))
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    cell_facility, pattern = np.divmod(key[order][starts], n_patterns)
    pointer = np.searchsorted(cell_facility, np.arange(n_facilities + 1))
    cell_n, cell_y = (np.add.reduceat(np.asarray(v[order], dtype=np.float64), starts) for v in (n, y))
    order = _single_cases_first(cell_n, pointer)
    return pointer, pattern[order], cell_n[order], cell_y[order]


def _sum_whole_cells(
    compiled: ModuleType,
    facility: IntArray,
    distinct: DistinctRows,
    n: NDArray[Any],
    y: NDArray[Any],
    n_facilities: int,
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """The cells by compiled passes, for whole numbers, whose sums are exact in any order."""
    n_rows, n_patterns = len(n), len(distinct.first)
    facility, number = np.asarray(facility, dtype=np.int32), np.asarray(distinct.number, dtype=np.int32)
    rank_of = np.asarray(distinct.rank_of, dtype=np.int32)
    place, start = np.zeros(n_patterns + 1, dtype=np.int64), np.zeros(n_facilities + 1, dtype=np.int64)
    # one case with or without the event needs one bit; anything else is looked up
    is_single = bool(np.all(n == 1) and np.all((y == 0) | (y == 1)))
    nothing = np.empty(0)
    is_event = np.asarray(y, dtype=np.uint8) if is_single else np.empty(0, dtype=np.uint8)
    cases, events = (nothing, nothing) if is_single else (np.ascontiguousarray(v, dtype=np.float64) for v in (n, y))
    by_pattern, by_facility = (np.empty(n_rows, dtype=np.int32 if n_rows < 2**30 else np.int64) for _ in range(2))
    latest = np.full(n_facilities, -1, dtype=np.int32)
    n_cells = compiled.sort_rows(facility, number, rank_of, is_event, place, start, latest, by_pattern, by_facility)
    del by_pattern
    pointer, pattern = np.empty(n_facilities + 1, dtype=np.int64), np.empty(n_cells, dtype=np.int32)
    cell_n, cell_y = np.empty(n_cells), np.empty(n_cells)
    compiled.sum_cells(by_facility, start, number, rank_of, is_single, cases, events, pointer, pattern, cell_n, cell_y)
    return pointer, pattern, cell_n, cell_y


def _all_whole(values: NDArray[Any]) -> bool:
    """Whether all numbers are whole; a number given for all rows at once is looked at once."""
    if values.dtype.kind in "biu" or len(values) == 0:
        return True
    once = values[:1] if values.strides == (0,) else values
    return bool(np.all(once == np.floor(once)))


def _single_cases_first(n: FloatArray, pointer: IntArray) -> IntArray:
    """Order of the cells in which each facility starts with its cells of one case.

    Examples
    --------
    >>> _single_cases_first(np.array([2.0, 1.0, 3.0]), np.array([0, 2, 3])).tolist()
    [1, 0, 2]
    """
    single = n == 1
    before = np.append(0, np.cumsum(single))
    n_cells, position = np.diff(pointer), np.arange(len(n))
    single_before = np.repeat(before[pointer[:-1]], n_cells)
    single_after = np.repeat(before[pointer[1:]], n_cells) - before[:-1]
    first = np.repeat(pointer[:-1], n_cells)
    place = np.where(single, first + before[:-1] - single_before, position + single_after)
    order = np.empty(len(n), dtype=np.int64)
    order[place] = position
    return order
