"""Rows become cells: equal rows of one facility once, facilities one after another."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.cells import Cells
from riskstd.model.design import FloatArray, IntArray, build_design, column_codes, rank_codes, reference_and_scale
from riskstd.model.engine import kernels

MAX_KEY = 2**62
MAX_SPAN = 2**20
"""Range of whole numbers up to which a value is its own code."""


def collapse_rows(
    X: NDArray[Any],
    facility: IntArray,
    n: FloatArray,
    y: FloatArray,
    offset: FloatArray | None,
    n_facilities: int,
) -> Cells:
    """Collapse equal rows within a facility into cells and scale the columns.

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
    first, pattern = rank_rows(X, offset)
    pointer, cell_pattern, cell_n, cell_y = _sum_cells(facility, pattern, n, y, n_facilities, len(first))
    order = _single_cases_first(cell_n, pointer)
    rows = np.asarray(X[first], dtype=np.float64) + 0.0  # turns -0.0 into 0.0
    pattern_n = np.bincount(cell_pattern, cell_n, len(first)).astype(np.float64, copy=False)
    center, scale = reference_and_scale(rows, pattern_n)
    return Cells(
        design=build_design(rows, None if offset is None else offset[first], center, scale),
        pattern=cell_pattern[order].astype(np.int32),
        pointer=pointer.astype(np.int64),
        n=cell_n[order],
        y=cell_y[order],
        center=center,
        scale=scale,
    )


def rank_rows(X: NDArray[Any], offset: FloatArray | None) -> tuple[IntArray, IntArray]:
    """First row of each distinct row in lexicographic order, and the rank of every row.

    Keys are compared whole, so rows share a rank only when they are equal.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_factors)
    offset : ndarray, shape (n_rows,), or None
        Last column of the row when given.

    Returns
    -------
    first : ndarray of int, shape (n_distinct,)
    rank : ndarray of int, shape (n_rows,)

    Examples
    --------
    >>> rank_rows(np.array([[1.0], [0.0], [1.0]]), None)[1].tolist()
    [1, 0, 1]
    """
    compiled = kernels("rows")
    parts = [X] if offset is None else [X, offset[:, None]]
    if compiled is None:
        coded = [column_codes(column) for part in parts for column in part.T]
        return rank_codes([codes for codes, _ in coded], [len(levels) for _, levels in coded], len(X))
    key, size = np.zeros(len(X), dtype=np.int64), 1
    for part in parts:
        key, size = _pack(compiled, part, key, size)
    return _rank_keys(compiled, key)


def _pack(compiled: ModuleType, X: NDArray[Any], key: IntArray, size: int) -> tuple[IntArray, int]:
    """Mixed-radix key of the key so far and the columns of X; exact, since sizes are counted before."""
    n_columns = X.shape[1]
    low, high = np.full(n_columns, np.inf), np.full(n_columns, -np.inf)
    whole = np.ones(n_columns, dtype=bool)
    compiled.scan_columns(X, low, high, whole)
    span = np.where(whole & (high - low < MAX_SPAN), high - low + 1, 0).astype(np.int64)
    pending = np.zeros(n_columns, dtype=np.int64)
    radix = 1
    for k in range(n_columns - 1, -1, -1):
        if span[k] == 0 or radix * int(span[k]) > MAX_KEY // size:
            break
        pending[k] = radix
        radix *= int(span[k])
    else:
        key = key * radix
        compiled.pack_columns(X, low, pending, key)
        return key, size * radix
    return _pack_one_by_one(compiled, X, span, low, key, size)


def _pack_one_by_one(
    compiled: ModuleType, X: NDArray[Any], span: IntArray, low: FloatArray, key: IntArray, size: int
) -> tuple[IntArray, int]:
    """Pack columns in turn; before a key could overflow it is replaced by its rank."""
    one = np.ones(1, dtype=np.int64)
    for k in range(X.shape[1]):
        column = X[:, k : k + 1]
        n_codes, origin = int(span[k]), low[k : k + 1]
        if n_codes == 0:
            bits = (np.asarray(column[:, 0], dtype=np.float64) + 0.0).view(np.int64)  # 0.0 and -0.0 are one level
            number, first = compiled.factorize_keys(bits)
            levels = np.asarray(column[first, 0], dtype=np.float64)
            column, n_codes, origin = _ranks_of(levels)[number][:, None], len(first), np.zeros(1)
        if n_codes > MAX_KEY // size:
            first, key = _rank_keys(compiled, key)
            size, key = len(first), key.astype(np.int64)
        key = key * n_codes
        compiled.pack_columns(column, origin, one, key)
        size *= n_codes
    return key, size


def _rank_keys(compiled: ModuleType, key: IntArray) -> tuple[IntArray, IntArray]:
    number, first = compiled.factorize_keys(key)
    ranks = _ranks_of(key[first])
    ordered = np.empty_like(first)
    ordered[ranks] = first
    return ordered, ranks[number]


def _ranks_of(values: NDArray[Any]) -> IntArray:
    ranks = np.empty(len(values), dtype=np.int32)
    ranks[np.argsort(values)] = np.arange(len(values), dtype=np.int32)
    return ranks


def _sum_cells(
    facility: IntArray, pattern: IntArray, n: FloatArray, y: FloatArray, n_facilities: int, n_patterns: int
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Facility pointer, pattern, cases and events of the cells, sorted by facility and pattern."""
    compiled = kernels("rows")
    is_whole = not np.any(n % 1)
    if compiled is not None and is_whole:
        return compiled.sum_cells(facility, pattern, n, y, n_facilities, n_patterns)
    key = facility.astype(np.int64) * n_patterns + pattern
    # the tail of the sort key fixes the order of sums of fractional weights
    order = np.argsort(key) if is_whole else np.lexsort((y, n, key))
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    cell_facility, cell_pattern = np.divmod(key[order][starts], n_patterns)
    pointer = np.searchsorted(cell_facility, np.arange(n_facilities + 1))
    return pointer, cell_pattern, np.add.reduceat(n[order], starts), np.add.reduceat(y[order], starts)


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
