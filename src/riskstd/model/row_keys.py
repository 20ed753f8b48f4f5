"""Keys of rows: whole numbers that are equal only for equal rows, in the order of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.design import FloatArray, IntArray, column_codes, rank_codes
from riskstd.model.engine import kernels

MAX_KEY = 2**62
MAX_EXACT = 2**53
"""Keys up to which sums of floats are exact."""
MAX_SPAN = 2**20
"""Range of whole numbers up to which a value is its own code."""
SAMPLE_ROWS = 1024
"""Rows from which the ranges of the columns are guessed."""
BLOCK_ROWS = 4096
"""Rows that are converted, packed and numbered while they are in the second-level cache."""


@dataclass(frozen=True, eq=False, repr=False)
class RowKeys:
    """A key per row, in lexicographic order of the rows.

    Parameters
    ----------
    number : ndarray of int, shape (n_rows,)
        Row i has the key `distinct[number[i]]`.
    distinct : ndarray of int, shape (n_distinct,)
        The distinct keys in order of first appearance.
    first : ndarray of int, shape (n_distinct,)
        First row of each.
    """

    number: IntArray
    distinct: IntArray
    first: IntArray


@dataclass(frozen=True, eq=False, repr=False)
class DistinctRows:
    """The distinct rows in lexicographic order.

    Parameters
    ----------
    first : ndarray of int, shape (n_distinct,)
        First row of each.
    number : ndarray of int, shape (n_rows,)
    rank_of : ndarray of int, shape (n_distinct,)
        Row i is distinct row `rank_of[number[i]]`.
    """

    first: IntArray
    number: IntArray
    rank_of: IntArray

    @property
    def rank(self) -> IntArray:
        """Distinct row of each row, shape (n_rows,)."""
        return self.rank_of[self.number]


def float_blocks(X: NDArray[Any]) -> Iterator[tuple[int, FloatArray]]:
    """First row and float64 values of blocks of rows, side by side; a block is good until the next is asked for.

    Examples
    --------
    >>> [(start, block.tolist()) for start, block in float_blocks(np.array([[1, 0], [0, 1]], dtype=np.uint8))]
    [(0, [[1.0, 0.0], [0.0, 1.0]])]
    """
    is_ready = X.dtype == np.float64 and X.dtype.isnative and X.flags.c_contiguous
    room = np.empty((0 if is_ready else BLOCK_ROWS, X.shape[1]))
    for start in range(0, len(X), BLOCK_ROWS):
        block = X[start : start + BLOCK_ROWS]
        if not is_ready:
            np.copyto(room[: len(block)], block)
            block = room[: len(block)]
        yield start, block


def guess_keys(X: NDArray[Any]) -> RowKeys | None:
    """Keys of rows of small whole numbers, in one pass over them.

    The ranges of the columns are guessed from a sample, and every value is checked against them.

    Parameters
    ----------
    X : ndarray of numbers, shape (n_rows, n_factors)

    Returns
    -------
    RowKeys or None
        None when a value is missing, infinite, not whole or outside the guess.

    Examples
    --------
    >>> guess_keys(np.array([[0.0], [0.5]])) is None
    True
    """
    compiled = kernels("rows")
    if compiled is None or X.size == 0:
        return None
    sample = np.asarray(X[:: len(X) // SAMPLE_ROWS + 1], dtype=np.float64)
    if not np.all(np.abs(sample) < MAX_SPAN):
        return None
    low, high = np.minimum(sample.min(axis=0), 0.0), np.maximum(sample.max(axis=0), 1.0)
    # rare values may lie outside the range of the sample
    room = np.where((low == 0) & (high == 1), 0.0, high - low)
    low, high = np.floor(low - room), np.ceil(high + room)
    span = high - low + 1
    with np.errstate(over="ignore"):
        radix = np.append(np.cumprod(span[:0:-1])[::-1], 1.0)
        size = float(radix[0] * span[0])
    if size > MAX_EXACT:
        return None
    table = compiled.KeyTable(len(X))
    key = np.empty(BLOCK_ROWS, dtype=np.int64)
    for start, block in float_blocks(X):
        part = key[: len(block)]
        if not compiled.pack_rows(block, low, high, radix, part):
            return None
        table.add(part, start)
    return RowKeys(table.number, table.distinct, table.first)


def find_distinct(X: NDArray[Any], offset: FloatArray | None, keys: RowKeys | None = None) -> DistinctRows:
    """Find the distinct rows. Keys are compared whole, so only equal rows count as one.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_factors)
    offset : ndarray, shape (n_rows,), or None
        Last column of the row when given.
    keys : RowKeys, optional
        Of X, when they are known.

    Returns
    -------
    DistinctRows

    Examples
    --------
    >>> find_distinct(np.array([[1.0], [0.0], [1.0]]), None).rank.tolist()
    [1, 0, 1]
    """
    compiled = kernels("rows")
    if compiled is None:
        columns = [*X.T] if offset is None else [*X.T, offset]
        coded = [column_codes(column) for column in columns]
        first, rank = rank_codes([codes for codes, _ in coded], [len(levels) for _, levels in coded], len(X))
        return DistinctRows(first, rank, np.arange(len(first)))
    if keys is not None and offset is None:
        return _in_order(keys)
    if keys is None:
        key, size = _pack(compiled, X, np.zeros(len(X), dtype=np.int64), 1)
    else:
        key, size = _ranks_of(keys.distinct).astype(np.int64)[keys.number], len(keys.distinct)
    if offset is not None:
        key, _ = _pack(compiled, offset[:, None], key, size)
    return _distinct_keys(compiled, key)


def _pack(compiled: ModuleType, X: NDArray[Any], key: IntArray, size: int) -> tuple[IntArray, int]:
    """Mixed-radix key of the key so far and the columns of X; exact, since sizes are counted before."""
    n_columns = X.shape[1]
    low, high = np.full(n_columns, np.inf), np.full(n_columns, -np.inf)
    whole = np.ones(n_columns, dtype=bool)
    for _, block in float_blocks(X):
        compiled.scan_columns(block, low, high, whole)
    span = np.where(whole & (high - low < MAX_SPAN), high - low + 1, 0).astype(np.int64)
    pending = np.zeros(n_columns, dtype=np.int64)
    radix = 1
    for k in range(n_columns - 1, -1, -1):
        if span[k] == 0 or radix * int(span[k]) > MAX_KEY // size:
            break
        pending[k] = radix
        radix *= int(span[k])
    else:
        key *= radix
        for start, block in float_blocks(X):
            compiled.pack_columns(block, low, pending, key[start : start + len(block)])
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
            distinct = _distinct_keys(compiled, key)
            size, key = len(distinct.first), distinct.rank.astype(np.int64)
        key *= n_codes
        for start, block in float_blocks(column):
            compiled.pack_columns(block, origin, one, key[start : start + len(block)])
        size *= n_codes
    return key, size


def _distinct_keys(compiled: ModuleType, key: IntArray) -> DistinctRows:
    number, first = compiled.factorize_keys(key)
    return _in_order(RowKeys(number, key[first], first))


def _in_order(keys: RowKeys) -> DistinctRows:
    ranks = _ranks_of(keys.distinct)
    ordered = np.empty_like(keys.first)
    ordered[ranks] = keys.first
    return DistinctRows(ordered, keys.number, ranks)


def _ranks_of(values: NDArray[Any]) -> IntArray:
    ranks = np.empty(len(values), dtype=np.int32)
    ranks[np.argsort(values)] = np.arange(len(values), dtype=np.int32)
    return ranks
