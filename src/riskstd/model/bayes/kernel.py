"""Compiled log-likelihood of the counts given the effects, and its gradient, in one pass over the cells."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskstd.model.evaluation import MAX_LOG_ODDS
from riskstd.model.kernels.facility import bounded_exp, gather_odds, log_none


@njit(cache=True, nogil=True, error_model="numpy")
def odds_of_rows(coefficients, row_pointer, row_column, row_value, row_offset, n_blocks):
    """exp(x'beta + offset) of every table row, bounded so that the product of the blocks is a float."""
    limit = MAX_LOG_ODDS / n_blocks
    out = np.empty(len(row_pointer) - 1)
    for row in range(len(out)):
        log_odds = row_offset[row]
        for k in range(row_pointer[row], row_pointer[row + 1]):
            log_odds += row_value[k] * coefficients[row_column[k]]
        out[row] = np.exp(min(max(log_odds, -limit), limit))
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def value_and_gradient(
    coefficients,
    effects,
    row_pointer,
    row_column,
    row_value,
    row_offset,
    index,
    pointer,
    n,
    n_single,
    events,
    event_row,
    event_offset,
    longest,
):
    """Log-likelihood without binomial constants, gradient by the coefficients and by the effects."""
    n_blocks = index.shape[1]
    odds_table = odds_of_rows(coefficients, row_pointer, row_column, row_value, row_offset, n_blocks)
    taken = np.zeros(len(odds_table))
    odds = np.empty(longest)
    by_effect = np.empty(len(effects))
    by_coefficient = event_row.copy()
    value = event_offset
    for k in range(len(coefficients)):
        value += event_row[k] * coefficients[k]
    for j in range(len(effects)):
        start, count = pointer[j], pointer[j + 1] - pointer[j]
        factor = bounded_exp(effects[j])
        gather_odds(odds_table, index, start, start + count, odds)
        value += events[j] * effects[j] - log_none(odds, n, start, count, n_single[j], factor)
        # a loop that only writes is vectorised; the sums after it need an order
        for c in range(count):
            z = odds[c] * factor
            odds[c] = n[start + c] * (z / (1.0 + z))
        expected = 0.0
        for c in range(count):
            expected += odds[c]
            for b in range(n_blocks):
                taken[index[start + c, b]] += odds[c]
        by_effect[j] = events[j] - expected
    for row in range(len(taken)):
        for k in range(row_pointer[row], row_pointer[row + 1]):
            by_coefficient[row_column[k]] -= row_value[k] * taken[row]
    return value, by_coefficient, by_effect
