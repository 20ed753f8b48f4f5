"""Compiled passes over the rows of the input: ranges, keys, distinct keys, cells.

Values come as rows of float64 side by side (see `riskstd.model.row_keys.float_blocks`), whatever
their type was, so that each pass is compiled once.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

CHUNK_ROWS = 256
"""Rows whose columns are read one after another while they are in the first-level cache."""
FIRST_BITS, MORE_BITS = 16, 2
"""Size of the first table of keys, and by how much it grows, as powers of two."""


@njit(cache=True, nogil=True, error_model="numpy")
def scan_columns(X, low, high, is_whole):
    """Smallest and largest value of each column and whether all are whole; False when one is not finite."""
    n_rows, n_columns = X.shape
    finite = True
    for start in range(0, n_rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, n_rows)
        for k in range(n_columns):
            smallest, largest, whole = low[k], high[k], is_whole[k]
            for i in range(start, stop):
                v = float(X[i, k])
                smallest = v if v < smallest else smallest
                largest = v if v > largest else largest
                whole = whole and v == np.floor(v)
                finite = finite and v - v == 0.0
            low[k], high[k], is_whole[k] = smallest, largest, whole
    return finite


@njit(cache=True, nogil=True, error_model="numpy")
def pack_columns(X, low, radix, key):
    """Add (value - low) x radix of every column to the key of each row, columns of radix 0 left out."""
    n_rows, n_columns = X.shape
    for start in range(0, n_rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, n_rows)
        for k in range(n_columns):
            if radix[k] > 0:
                for i in range(start, stop):
                    key[i] += np.int64(float(X[i, k]) - low[k]) * radix[k]


# Sums of whole numbers are exact in any order, so bits do not depend on how the loop was compiled.
@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def row_key(X, i, low, high, radix):
    """Sum of (value - low) x radix of a row, -1 when a value is not whole or out of range."""
    key, n_outside = 0.0, 0
    for k in range(X.shape[1]):
        v = X[i, k]
        n_outside += not (v >= low[k] and v <= high[k] and v == np.floor(v))
        key += (v - low[k]) * radix[k]
    return key if n_outside == 0 else -1.0


@njit(cache=True, nogil=True, error_model="numpy")
def pack_rows(X, low, high, radix, key):
    """Key of every row; False as soon as a value is not whole or out of range."""
    for i in range(len(X)):
        found = row_key(X, i, low, high, radix)
        if found < 0.0:
            return False
        key[i] = np.int64(found)
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def number_keys(keys, start, bits, slot, distinct, first, count, number):
    """Number keys in order of first appearance: how many keys were done and how many are distinct.

    `slot` is a table of 2^bits numbers, -1 where empty; work stops when it is half full. `distinct` and
    `first` hold the `count` keys found so far and their first rows; `start` is the row of the first key.
    Keys are compared whole.
    """
    mask = len(slot) - 1
    for i in range(len(keys)):
        if 2 * count > mask:
            return i, count
        key = keys[i]
        at = np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits))
        while slot[at] >= 0 and distinct[slot[at]] != key:
            at = (at + 1) & mask
        if slot[at] < 0:
            slot[at] = count
            distinct[count] = key
            first[count] = start + i
            count += 1
        number[start + i] = slot[at]
    return len(keys), count


class KeyTable:
    """Numbers keys in order of first appearance, some rows at a time.

    Parameters
    ----------
    n_rows : int
    """

    def __init__(self, n_rows: int) -> None:
        self.number = np.empty(n_rows, dtype=np.int32)
        """Number of the key of each row."""
        self._count, self._bits = 0, FIRST_BITS
        self._slot = np.full(2**FIRST_BITS, -1, dtype=np.int32)
        self._distinct, self._first = (np.empty(2**FIRST_BITS // 2 + 1, dtype=np.int64) for _ in range(2))

    def add(self, keys: NDArray[np.int64], start: int) -> None:
        """Number the keys of the rows from `start` on."""
        done = 0
        while done < len(keys):
            more, self._count = number_keys(
                keys[done:], start + done, self._bits, self._slot, self._distinct, self._first, self._count, self.number
            )  # fmt: skip
            done += more
            if done < len(keys):
                self._grow()

    def _grow(self) -> None:
        self._bits += MORE_BITS
        self._slot = np.full(2**self._bits, -1, dtype=np.int32)
        known, first = self._distinct[: self._count], self._first[: self._count]
        self._distinct, self._first = (np.empty(2**self._bits // 2 + 1, dtype=np.int64) for _ in range(2))
        again = np.empty(len(known), dtype=np.int32)
        number_keys(known, 0, self._bits, self._slot, self._distinct, self._first, 0, again)
        self._first[: self._count] = first

    @property
    def distinct(self) -> NDArray[np.int64]:
        """Key of each number."""
        return self._distinct[: self._count].copy()

    @property
    def first(self) -> NDArray[np.int64]:
        """First row of each key."""
        return self._first[: self._count].copy()


def factorize_keys(keys: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number of each key in order of first appearance, and the first row of each.

    Examples
    --------
    >>> number, first = factorize_keys(np.array([7, 5, 7]))
    >>> number.tolist(), first.tolist()
    ([0, 1, 0], [0, 1])
    """
    table = KeyTable(len(keys))
    table.add(keys, 0)
    return table.number, table.first


@njit(cache=True, nogil=True, error_model="numpy")
def sort_rows(facility, number, rank_of, is_event, place, start, latest, by_pattern, by_facility):
    """Rows sorted by facility, then by pattern, then as they come; the number of cells.

    Row i has the pattern `rank_of[number[i]]`. Where `is_event` has an entry a row, each is one case, and
    2 x pattern + event is written in place of the number of the row. `place` and `start` are zero on entry,
    one longer than there are patterns and facilities; facility j then has the places start[j] to start[j + 1].
    `latest`, one entry a facility, is -1 on entry.
    """
    n_rows = len(facility)
    is_single = len(is_event) > 0
    for i in range(n_rows):
        place[rank_of[number[i]] + 1] += 1
        start[facility[i] + 1] += 1
    for k in range(1, len(place)):
        place[k] += place[k - 1]
    for j in range(1, len(start)):
        start[j] += start[j - 1]
    for i in range(n_rows):
        k = rank_of[number[i]]
        # what a row needs later travels with it, so that it is not looked up in random order
        by_pattern[place[k]] = 2 * facility[i] + is_event[i] if is_single else i
        place[k] += 1
    at, n_cells = 0, 0
    for k in range(len(place) - 1):
        while at < place[k]:
            i = by_pattern[at]
            j = i >> 1 if is_single else facility[i]
            by_facility[start[j]] = 2 * k + (i & 1) if is_single else i
            start[j] += 1
            n_cells += latest[j] != k
            latest[j] = k
            at += 1
    for j in range(len(start) - 1, 0, -1):
        start[j] = start[j - 1]
    start[0] = 0
    return n_cells


@njit(cache=True, nogil=True, error_model="numpy")
def sum_cells(rows, start, number, rank_of, is_single, n, y, pointer, pattern, cell_n, cell_y):
    """Cells of sorted rows: each facility's cells of one case first, then the others, by pattern.

    Sums are exact for whole numbers, so the order of the rows does not matter.
    """
    total = 0
    for j in range(len(start) - 1):
        pointer[j] = total
        for wants_single in (True, False):
            at = start[j]
            while at < start[j + 1]:
                i = rows[at]
                k = i >> 1 if is_single else rank_of[number[i]]
                cases, events = 0.0, 0.0
                while at < start[j + 1]:
                    i = rows[at]
                    if (i >> 1 if is_single else rank_of[number[i]]) != k:
                        break
                    cases += 1.0 if is_single else n[i]
                    events += float(i & 1) if is_single else y[i]
                    at += 1
                if (cases == 1.0) == wants_single:
                    pattern[total], cell_n[total], cell_y[total] = k, cases, events
                    total += 1
    pointer[len(start) - 1] = total
