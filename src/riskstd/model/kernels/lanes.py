"""Eight resamples side by side: the equations of `riskstd.model.kernels.facility` in lanes.

Arrays of shape (n, 8) hold one resample a column; `index` is a tuple of the table rows of
each cell by block, so that each number of blocks is compiled by itself. Cells are counted by unsigned
numbers, for which numba need not provide for places counted from the end. A lane stops moving when
it has found its mode, however long its neighbours need: the bits of a resample do not depend on the others.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskstd.model.kernels.quadrature import add_nodes
from riskstd.model.kernels.vector import (
    any_above,
    bounded,
    choose_above,
    exponential,
    load,
    magnitude,
    splat,
    store,
)

MAX_PASSES = 50
LIMIT = 150.0
"""Log-odds at which exp() is held, so that products of a few odds stay finite."""
PSEUDO, LAPLACE, QUADRATURE = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def odds_tables(table_pointer, table_column, table_value, offset, beta, n_blocks, out):
    """exp(x'beta + offset) of every table row, held so that the product of the blocks stays within LIMIT."""
    for row in range(len(offset)):
        log_odds = splat(offset[row])
        for v in range(table_pointer[row], table_pointer[row + 1]):
            log_odds = log_odds + table_value[v] * load(beta, table_column[v])
        store(out, row, exponential(bounded(log_odds, LIMIT / n_blocks)))


@njit(cache=True, nogil=True, error_model="numpy")
def table_sums(table_pointer, table_column, table_value, per_row, out):
    """Sum of a vector per table row times the row, added to `out` of shape (n_columns, 8)."""
    for row in range(len(table_pointer) - 1):
        vector = load(per_row, row)
        for v in range(table_pointer[row], table_pointer[row + 1]):
            store(out, table_column[v], load(out, table_column[v]) + table_value[v] * vector)


@njit(cache=True, nogil=True, error_model="numpy")
def cell_odds(table, index, c):
    """Odds of a cell at the average facility, the product of its table entries."""
    z = load(table, index[0][c])
    for b in range(1, len(index)):
        z = z * load(table, index[b][c])
    return z


@njit(cache=True, nogil=True, error_model="numpy")
def add_to_rows(table, index, c, vector):
    """Add a vector to the table rows of a cell."""
    for b in range(len(index)):
        row = index[b][c]
        store(table, row, load(table, row) + vector)


@njit(cache=True, nogil=True, error_model="numpy")
def join_blocks(table, index, out):
    """Product of the table entries of each row of `index`."""
    for row in range(np.uint64(len(index[0]))):
        store(out, row, cell_odds(table, index, row))


@njit(cache=True, nogil=True, error_model="numpy")
def share_to_blocks(per_row, index, table):
    """Add the vector of each row of `index` to its table rows."""
    for row in range(np.uint64(len(index[0]))):
        add_to_rows(table, index, row, load(per_row, row))


@njit(cache=True, nogil=True, error_model="numpy")
def weighted_sums(weight, values, out):
    """Sum over facilities of weight (n, 8) times values (k, n), to `out` of shape (k, 8)."""
    n_values, n = values.shape
    for k in range(0, n_values - 3, 4):
        a, b, c, d = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
        for j in range(n):
            w = load(weight, j)
            a = a + values[k, j] * w
            b = b + values[k + 1, j] * w
            c = c + values[k + 2, j] * w
            d = d + values[k + 3, j] * w
        store(out, k, a)
        store(out, k + 1, b)
        store(out, k + 2, c)
        store(out, k + 3, d)
    for k in range(n_values - n_values % 4, n_values):
        a = splat(0.0)
        for j in range(n):
            a = a + values[k, j] * load(weight, j)
        store(out, k, a)


@njit(cache=True, nogil=True, error_model="numpy")
def move_modes(rows, step, tau, u, sum_w, sum_w1):
    """Move the modes and sums of w to first order by a step (n_coefficients + 1, 8) in beta and log tau.

    `rows` (n_facilities, n_coefficients) are the means of x weighted by w; `tau` (1, 8) is the one before the step.
    """
    precision = 1.0 / (load(tau, 0) * load(tau, 0))
    n_coefficients = rows.shape[1]
    for j in range(len(rows)):
        shift = splat(0.0)
        for i in range(n_coefficients):
            shift = shift + rows[j, i] * load(step, i)
        w, mode = load(sum_w, j), load(u, j)
        move = (2.0 * mode * precision * load(step, n_coefficients) - w * shift) / (w + precision)
        store(u, j, mode + move)
        store(sum_w, j, w + load(sum_w1, j) * (shift + move))


@njit(cache=True, nogil=True, error_model="numpy")
def quadratic_forms(rows, packed, out):
    """row' matrix row of each row; `packed` (n_packed, 8): lower triangles, entries off the diagonal doubled."""
    size = rows.shape[1]
    for j in range(len(rows)):
        total = splat(0.0)
        for i in range(size):
            first = i * (i + 1) // 2
            inner = splat(0.0)
            for k in range(i + 1):
                inner = inner + rows[j, k] * load(packed, first + k)
            total = total + rows[j, i] * inner
        store(out, j, total)


@njit(cache=True, nogil=True, error_model="numpy")
def power_sums(table, index, n, start, stop, factor):
    """Sums of n p, n p^2, n p^3 and n p^4 at odds x factor."""
    first, second, third, fourth = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for c in range(start, stop):
        z = cell_odds(table, index, c) * factor
        p = z / (1.0 + z)
        power = n[c] * p
        first = first + power
        power = power * p
        second = second + power
        power = power * p
        third = third + power
        fourth = fourth + power * p
    return first, second, third, fourth


@njit(cache=True, nogil=True, error_model="numpy")
def find_modes(table, index, n, start, stop, events, precision, u, tolerance):
    """Conditional modes by Halley steps, and sums of w and of its derivative there.

    A step shorter than `tolerance` is the last: the mode is then exact to its cube, the
    sums are moved along by their derivatives.
    """
    sum_w, sum_w1, live = splat(0.0), splat(0.0), splat(1.0)
    zero, half, short = splat(0.0), splat(0.5), splat(tolerance)
    for _ in range(MAX_PASSES):
        first, second, third, fourth = power_sums(table, index, n, start, stop, exponential(bounded(u, LIMIT)))
        w = first - second
        w1 = first - 3.0 * second + 2.0 * third
        w2 = first - 7.0 * second + 12.0 * third - 6.0 * fourth
        slope = events - first - u * precision
        curvature = w + precision
        newton = bounded(slope / curvature, 1.0)
        step = bounded(slope / (curvature + 0.5 * w1 * newton), 1.0) * live
        u = u + step
        sum_w = choose_above(live, half, w + step * (w1 + 0.5 * step * w2), sum_w)
        sum_w1 = choose_above(live, half, w1 + step * w2, sum_w1)
        moving = magnitude(step)
        if not any_above(moving, short):
            break
        live = choose_above(moving, short, live, zero)
    return u, sum_w, sum_w1


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate(
    kind,
    tau,
    odds_table,
    index,
    pointer,
    n,
    events,
    multiplicity,
    tolerance,
    node,
    log_weight,
    centre_log_weight,
    product_cases,
    u,
    sum_w,
    sum_w1,
    residual_table,
    score_tau,
    probability,
    mean_probability,
    work,
):
    """Modes, sums of w and score of eight resamples.

    `u` (n_facilities, 8) holds the guesses and becomes the modes; `residual_table`, which is
    zero on entry, takes what each table row takes from the score of beta; `score_tau` (1, 8) the score of
    log tau. `probability`, `mean_probability` (longest facility, 8) and `work` are scratch.
    """
    s = load(tau, 0)
    s2 = s * s
    precision = 1.0 / s2
    total = splat(0.0)
    for j in range(len(events)):
        start = pointer[j]
        stop = pointer[j + 1]
        at_event = splat(events[j])
        mode, w0, w1 = find_modes(odds_table, index, n, start, stop, at_event, precision, load(u, j), tolerance)
        factor = exponential(bounded(mode, LIMIT))
        copies = load(multiplicity, j)
        f = 1.0 / (w0 + precision)
        if kind == PSEUDO:
            total = total + copies * (mode * mode * precision - f * w0)
            for c in range(start, stop):
                z = cell_odds(odds_table, index, c) * factor
                add_to_rows(residual_table, index, c, (copies * n[c]) * (z / (1.0 + z)))
        elif kind == LAPLACE:
            kappa = f * w1
            u_tau = 2.0 * mode * f * precision
            total = total + copies * (mode * mode * precision - f * w0 - 0.5 * kappa * u_tau)
            half_f = 0.5 * f
            rest = 1.0 - kappa
            for c in range(start, stop):
                z = cell_odds(odds_table, index, c) * factor
                p = z / (1.0 + z)
                r = (copies * n[c]) * p
                add_to_rows(residual_table, index, c, r + r * (half_f * (1.0 - p) * (rest - 2.0 * p)))
        else:
            w0, w1, slope = add_nodes(
                odds_table, index, n, start, stop, at_event, mode, factor, precision, copies,
                node, log_weight, centre_log_weight, product_cases, probability, mean_probability, work,
            )  # fmt: skip
            total = total + slope
            for c in range(start, stop):
                add_to_rows(residual_table, index, c, load(mean_probability, c - start))
        store(u, j, mode)
        store(sum_w, j, w0)
        store(sum_w1, j, w1)
    store(score_tau, 0, total)


@njit(cache=True, nogil=True, error_model="numpy")
def standardized_ratios(odds_table, index, pointer, n, effects, ratio):
    """Predicted / expected of each facility: sums of p with the facility's effect and without."""
    for j in range(len(effects)):
        factor = exponential(bounded(load(effects, j), LIMIT))
        predicted, expected = splat(0.0), splat(0.0)
        for c in range(pointer[j], pointer[j + 1]):
            z = cell_odds(odds_table, index, c)
            z_with = z * factor
            # one division serves both probabilities
            a = 1.0 + z
            b = 1.0 + z_with
            share = n[c] / (a * b)
            predicted = predicted + z_with * a * share
            expected = expected + z * b * share
        store(ratio, j, predicted / expected)
