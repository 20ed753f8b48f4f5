"""Compiled passes over the rows of the input: ranges, keys, distinct keys, cells."""

from __future__ import annotations

import numpy as np
from numba import njit

CHUNK_ROWS = 256
"""Rows whose columns are read one after another while they are in the first-level cache."""


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


@njit(cache=True, nogil=True, error_model="numpy")
def factorize_keys(keys):
    """Number of each key in order of first appearance, and the first row of each; keys are compared whole."""
    n = len(keys)
    bits = 16
    size = 1 << bits
    slot = np.full(size, -1, np.int32)
    number = np.empty(n, np.int32)
    first = np.empty(max(n, 1), np.int64)
    count = 0
    for i in range(n):
        key = keys[i]
        at = np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits))
        while True:
            found = slot[at]
            if found < 0:
                slot[at] = count
                first[count] = i
                number[i] = count
                count += 1
                break
            if keys[first[found]] == key:
                number[i] = found
                break
            at = (at + 1) & (size - 1)
        if 2 * count > size:
            bits += 2
            size = 1 << bits
            slot = np.full(size, -1, np.int32)
            for k in range(count):
                at = np.int64((np.uint64(keys[first[k]]) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits))
                while slot[at] >= 0:
                    at = (at + 1) & (size - 1)
                slot[at] = k
    return number, first[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def sum_cells(facility, pattern, n, y, n_facilities, n_patterns):
    """Cells sorted by facility and pattern: facility pointer, pattern, cases, events.

    Sums are exact for whole numbers, so the order of the rows does not matter.
    """
    n_rows = len(facility)
    place = np.zeros(n_facilities + 1, np.int64)
    for i in range(n_rows):
        place[facility[i] + 1] += 1
    for j in range(n_facilities):
        place[j + 1] += place[j]
    start = place.copy()
    row_pattern = np.empty(n_rows, np.int32)
    row_n = np.empty(n_rows, np.float64)
    row_y = np.empty(n_rows, np.float64)
    for i in range(n_rows):
        at = place[facility[i]]
        place[facility[i]] = at + 1
        row_pattern[at] = pattern[i]
        row_n[at] = n[i]
        row_y[at] = y[i]
    seen = np.full(n_patterns, -1, np.int64)
    pointer = np.zeros(n_facilities + 1, np.int64)
    total = 0
    for j in range(n_facilities):
        begin = total
        for i in range(start[j], start[j + 1]):
            k = row_pattern[i]
            cell = seen[k]
            if cell < begin:
                cell = total
                seen[k] = cell
                row_pattern[cell] = k
                cases, events = row_n[i], row_y[i]
                row_n[cell] = cases
                row_y[cell] = events
                total += 1
            else:
                row_n[cell] += row_n[i]
                row_y[cell] += row_y[i]
        pointer[j + 1] = total
        order = np.argsort(row_pattern[begin:total])
        row_pattern[begin:total] = row_pattern[begin:total][order]
        row_n[begin:total] = row_n[begin:total][order]
        row_y[begin:total] = row_y[begin:total][order]
    return pointer, row_pattern[:total].copy(), row_n[:total].copy(), row_y[:total].copy()
