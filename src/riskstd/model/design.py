"""The risk factors of the distinct rows, as tables of column blocks.

A design of many columns has too many distinct rows for one table to stay in a processor's
cache. Its columns are therefore split into blocks; each block has its own short table, and
exp(x'beta) of a row is the product of one entry of each table. A design of few distinct rows has
one block. Values are counted from a reference level, the most frequent one, so that tables are sparse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from riskstd.model.engine import kernels

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]

BLOCK_ROWS = 4096
"""Rows of a table that, eight numbers each, fit the second-level cache of current processors."""
MAX_BLOCKS = 4
SAMPLE_ROWS = 16384
"""Distinct rows on which the split into blocks is tried out."""
COMMON_SHARE = 0.1
"""Share of the cases a value needs to serve as reference; else the mean does."""
SMALLEST_FLOAT = float(np.finfo(np.float64).smallest_subnormal)


@dataclass(frozen=True, eq=False, repr=False)
class Design:
    """Sparse tables of column blocks, stacked, and the table rows of every pattern.

    Parameters
    ----------
    pointer : ndarray of int, shape (n_table_rows + 1,)
    column : ndarray of int, shape (n_values,)
    value : ndarray, shape (n_values,)
        Rows as in a compressed sparse row matrix; the ones of the intercept are in block 0.
    offset : ndarray, shape (n_table_rows,)
        Known part of the log-odds.
    index : ndarray of int, shape (n_patterns, n_blocks)
        Table rows whose sum is the pattern's row.
    n_columns : int
        Columns, the intercept included.
    """

    pointer: IntArray
    column: IntArray
    value: FloatArray
    offset: FloatArray
    index: IntArray
    n_columns: int

    @property
    def n_table_rows(self) -> int:
        """Rows of the stacked tables."""
        return len(self.pointer) - 1

    @property
    def n_blocks(self) -> int:
        """Blocks of columns."""
        return self.index.shape[1]

    @cached_property
    def table(self) -> csr_array:
        """The stacked tables, shape (n_table_rows, n_columns)."""
        return csr_array((self.value, self.column, self.pointer), shape=(self.n_table_rows, self.n_columns))

    @cached_property
    def dense(self) -> FloatArray:
        """Row of every pattern, shape (n_patterns, n_columns)."""
        out = np.zeros((len(self.index), self.n_columns))
        for block in self.index.T:
            out += self.table[block].toarray()
        return out

    def table_log_odds(self, beta: FloatArray) -> FloatArray:
        """x'beta + offset of every table row, shape (n_table_rows,)."""
        return self.table @ beta + self.offset

    def log_odds(self, beta: FloatArray) -> FloatArray:
        """x'beta + offset of every pattern, shape (n_patterns,)."""
        parts = self.table_log_odds(beta)
        out = parts[self.index[:, 0]]
        for block in self.index.T[1:]:
            out = out + parts[block]
        return out

    def fold(self, held: NDArray[np.bool_], beta: FloatArray) -> Design:
        """Move held columns with their coefficients into the offset."""
        kept = np.flatnonzero(~held)
        table = csr_array(self.table[:, kept])
        return replace(
            self,
            pointer=table.indptr.astype(np.int64),
            column=table.indices.astype(np.int32),
            value=np.ascontiguousarray(table.data, dtype=np.float64),
            offset=self.offset + self.table[:, np.flatnonzero(held)] @ beta[held],
            n_columns=len(kept),
        )


ColumnCodes = tuple[IntArray, NDArray[Any]]
"""Rank of each value of a column among its distinct values, and those values."""


def code_columns(rows: FloatArray, offset: FloatArray | None) -> list[ColumnCodes]:
    """Codes of every column, the offset last when there is one; see `column_codes`."""
    return [column_codes(column) for column in ([*rows.T] if offset is None else [*rows.T, offset])]


def build_design(
    rows: FloatArray, offset: FloatArray | None, coded: list[ColumnCodes], center: FloatArray, scale: FloatArray
) -> Design:
    """Split the columns into blocks and build their tables.

    Parameters
    ----------
    rows : ndarray, shape (n_patterns, n_factors)
        Distinct rows in a fixed order.
    offset : ndarray, shape (n_patterns,), or None
    coded : list of (codes, levels)
        Of the columns and the offset.
    center, scale : ndarray, shape (n_factors,)

    Returns
    -------
    Design
    """
    blocks = split_columns([codes for codes, _ in coded], [len(levels) for _, levels in coded])
    index = np.empty((len(rows), len(blocks)), dtype=np.int32)
    values, places, sizes, offsets = [], [], [], []
    start = 0
    for b, block in enumerate(blocks):
        first, rank = rank_codes([coded[k][0] for k in block], [len(coded[k][1]) for k in block], len(rows))
        index[:, b] = start + rank
        start += len(first)
        factors = np.array([k for k in block if k < rows.shape[1]], dtype=np.int64)
        part = (rows[np.ix_(first, factors)] - center[factors]) / scale[factors]
        at = factors + 1
        if b == 0:
            part, at = np.column_stack([np.ones(len(first)), part]), np.append(0, at)
        order = np.argsort(at)
        part, at = part[:, order], at[order]
        filled = part != 0
        values.append(part[filled])
        places.append(np.broadcast_to(at, part.shape)[filled])
        sizes.append(filled.sum(axis=1))
        has_offset = offset is not None and rows.shape[1] in block
        offsets.append(offset[first] if offset is not None and has_offset else np.zeros(len(first)))
    return Design(
        pointer=np.append(0, np.cumsum(np.concatenate(sizes))).astype(np.int64),
        column=np.concatenate(places).astype(np.int32),
        value=np.ascontiguousarray(np.concatenate(values), dtype=np.float64),
        offset=np.concatenate(offsets),
        index=index,
        n_columns=rows.shape[1] + 1,
    )


def split_columns(codes: list[IntArray], sizes: list[int]) -> list[list[int]]:
    """Columns of each block: first fit, columns with most levels first.

    Parameters
    ----------
    codes : list of ndarray of int, shape (n_patterns,)
        Level of each pattern, per column.
    sizes : list of int
        Levels per column.

    Returns
    -------
    list of list of int
        At most MAX_BLOCKS blocks; one when there are no columns.

    Examples
    --------
    >>> split_columns([np.array([0, 1]), np.array([1, 0])], [2, 2])
    [[0, 1]]
    """
    if not codes:
        return [[]]
    n_patterns = len(codes[0])
    if n_patterns <= BLOCK_ROWS:
        return [list(range(len(codes)))]
    step = n_patterns // SAMPLE_ROWS + 1
    sample = [np.ascontiguousarray(column[::step]) for column in codes]
    limit = BLOCK_ROWS
    while True:
        blocks = _first_fit(sample, sizes, limit)
        if len(blocks) <= MAX_BLOCKS:
            return [sorted(block) for block in blocks]
        limit *= 2


def _first_fit(codes: list[IntArray], sizes: list[int], limit: int) -> list[list[int]]:
    blocks: list[list[int]] = []
    keys: list[IntArray] = []
    for k in sorted(range(len(codes)), key=lambda k: (-sizes[k], k)):
        for b, key in enumerate(keys):
            first, joined = _number_keys(key * sizes[k] + codes[k])
            if len(first) <= limit:
                blocks[b].append(k)
                keys[b] = joined
                break
        else:
            blocks.append([k])
            keys.append(_number_keys(codes[k])[1])
    return blocks


def _number_keys(key: IntArray) -> tuple[IntArray, IntArray]:
    """First row of each distinct key, and the number of each row's key among them, in any order."""
    compiled = kernels("rows")
    if compiled is None:
        _, first, number = np.unique(key, return_index=True, return_inverse=True)
        return first, number
    number, first = compiled.factorize_keys(key)
    return first, number.astype(np.int64)


def column_codes(column: NDArray[Any]) -> tuple[IntArray, NDArray[Any]]:
    """Rank of each value among the distinct values of its column, and those values.

    Examples
    --------
    >>> codes, levels = column_codes(np.array([70.0, 66.0, 70.0]))
    >>> codes.tolist(), levels.tolist()
    ([1, 0, 1], [66.0, 70.0])
    """
    is_one = column == 1
    n_ones = int(np.count_nonzero(is_one))
    if 0 < n_ones < len(column) and n_ones + int(np.count_nonzero(column == 0)) == len(column):
        return is_one.astype(np.int64), np.array([0.0, 1.0])
    levels, codes = np.unique(column, return_inverse=True)
    return codes.astype(np.int64), levels


def rank_codes(codes: list[IntArray], sizes: list[int], n_rows: int) -> tuple[IntArray, IntArray]:
    """First row of each distinct row of codes in lexicographic order, and the rank of every row.

    Mixed-radix keys are exact: before a product of the column sizes could overflow,
    the key so far is replaced by its rank.

    Examples
    --------
    >>> first, rank = rank_codes([np.array([1, 0, 1])], [2], 3)
    >>> first.tolist(), rank.tolist()
    ([1, 0], [1, 0, 1])
    """
    key = np.zeros(n_rows, dtype=np.int64)
    size = 1
    for column, n_codes in zip(codes, sizes, strict=True):
        if size > 2**62 // n_codes:
            ranks, key = np.unique(key, return_inverse=True)
            size = len(ranks)
        key = key * n_codes + column
        size *= n_codes
    first, number = _number_keys(key)
    order = np.argsort(key[first])
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[number]


def reference_and_scale(coded: list[ColumnCodes], n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Reference level and standard deviation of each column, over the cases.

    The most frequent value, the smaller one of equals, or the mean where no value is common;
    a constant column has scale 1.

    Parameters
    ----------
    coded : list of (codes, levels)
        Of the columns.
    n : ndarray, shape (n_patterns,)
        Cases of each pattern.

    Examples
    --------
    >>> reference_and_scale(code_columns(np.array([[1.0], [0.0], [0.0]]), None), np.array([1.0, 2.0, 1.0]))[0].tolist()
    [0.0]
    """
    total = n.sum()
    center = np.empty(len(coded))
    scale = np.ones(len(coded))
    for k, (codes, levels) in enumerate(coded):
        cases = np.bincount(codes, n, len(levels))
        # a power of two is exact, and keeps differences and squares within the range of floats
        exponent = int(np.frexp(np.max(np.abs(levels)))[1])
        unit = np.ldexp(levels, -exponent)
        # the first level as origin keeps the mean of far-off values exact
        mean = unit[0] + np.sum(cases * (unit - unit[0])) / total
        common = int(np.argmax(cases))
        center[k] = levels[common] if cases[common] >= COMMON_SHARE * total else np.ldexp(mean, exponent)
        if len(levels) > 1:
            spread = np.ldexp(np.sqrt(np.sum(cases * (unit - mean) ** 2) / total), exponent)
            # rounding may leave nothing of the smallest numbers
            scale[k] = max(spread, SMALLEST_FLOAT)
    return center, scale
