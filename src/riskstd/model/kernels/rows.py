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
    n_rows, n_columns = X.shape
    if X.strides[1] <= X.strides[0]:
        for i in range(n_rows):
            found = row_key(X, i, low, high, radix)
            if found < 0.0:
                return False
            key[i] = np.int64(found)
        return True
    part = np.empty(CHUNK_ROWS)
    for start in range(0, n_rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, n_rows)
        part[:] = 0.0
        n_outside = 0
        for k in range(n_columns):
            smallest, largest, step = low[k], high[k], radix[k]
            for i in range(start, stop):
                v = X[i, k]
                n_outside += not (v >= smallest and v <= largest and v == np.floor(v))
                part[i - start] += (v - smallest) * step
        if n_outside > 0:
            return False
        for i in range(start, stop):
            key[i] = np.int64(part[i - start])
    return True


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
def sum_cells(facility, number, rank_of, n, y, n_facilities, travels):
    """Cells sorted by facility, those of one case first, then by pattern: pointer, pattern, cases, events.

    Row i has the pattern `rank_of[number[i]]`; `travels` is room for twice the number of a row.
    Sums are exact for whole numbers, so the order of the rows does not matter.
    """
    n_rows, n_patterns = len(facility), len(rank_of)
    # rows sorted by pattern; one case with or without the event travels with its facility
    place = np.zeros(n_patterns + 1, np.int64)
    is_single = True
    for i in range(n_rows):
        place[rank_of[number[i]] + 1] += 1
        is_single = is_single and n[i] == 1.0 and (y[i] == 0.0 or y[i] == 1.0)
    for k in range(n_patterns):
        place[k + 1] += place[k]
    pattern_start = place.copy()
    if is_single:
        for i in range(n_rows):
            k = rank_of[number[i]]
            travels[place[k]] = 2 * facility[i] + np.int64(y[i])
            place[k] += 1
    else:
        for i in range(n_rows):
            k = rank_of[number[i]]
            travels[place[k]] = i
            place[k] += 1
    cell_facility, cell_pattern = np.empty(n_rows, np.int32), np.empty(n_rows, np.int32)
    cell_n, cell_y = np.empty(n_rows), np.empty(n_rows)
    latest = np.full(n_facilities, -1, np.int64)
    total = 0
    for k in range(n_patterns):
        begin = total
        for at in range(pattern_start[k], pattern_start[k + 1]):
            i = travels[at]
            if is_single:
                j, cases, events = i >> 1, 1.0, float(i & 1)
            else:
                j, cases, events = facility[i], n[i], y[i]
            cell = latest[j]
            if cell < begin:
                latest[j] = total
                cell_facility[total], cell_pattern[total] = j, k
                cell_n[total], cell_y[total] = cases, events
                total += 1
            else:
                cell_n[cell] += cases
                cell_y[cell] += events
    pointer = np.zeros(n_facilities + 1, np.int64)
    n_single = np.zeros(n_facilities, np.int64)
    for c in range(total):
        pointer[cell_facility[c] + 1] += 1
        n_single[cell_facility[c]] += cell_n[c] == 1.0
    for j in range(n_facilities):
        pointer[j + 1] += pointer[j]
    place_single, place_several = pointer[:-1].copy(), pointer[:-1] + n_single
    pattern, out_n, out_y = np.empty(total, np.int32), np.empty(total), np.empty(total)
    for c in range(total):
        j = cell_facility[c]
        if cell_n[c] == 1.0:
            at = place_single[j]
            place_single[j] += 1
        else:
            at = place_several[j]
            place_several[j] += 1
        pattern[at], out_n[at], out_y[at] = cell_pattern[c], cell_n[c], cell_y[c]
    return pointer, pattern, out_n, out_y
