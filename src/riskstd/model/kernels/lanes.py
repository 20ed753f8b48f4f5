"""Eight resamples side by side: the equations of `riskstd.model.kernels.facility` in lanes.

Arrays of shape (n, 8) hold one resample a column; `index` is a tuple of the table rows of
each cell by block, so that each number of blocks is compiled by itself. Cells are counted by unsigned
numbers, for which numba need not provide for places counted from the end. A lane stops moving when
it has found its mode, however long its neighbours need: the bits of a resample do not depend on the others.

Where every pattern has a table row of its own, odds and residuals are kept in float32: both tables then stay in the
cache of a core, and a pass takes two thirds of the time. Odds lose nothing that matters (six parts in 10^8). Residuals
are sums, so rows that many facilities share are carried over to float64 every `CARRY_FACILITIES`; the sums of
all rows are float64 too.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskstd.model.kernels.vector import (
    any_above,
    bounded,
    choose_above,
    exponential,
    load,
    load_eight,
    magnitude,
    splat,
    store,
    store_eight,
)

MAX_PASSES = 50
LIMIT = 150.0
"""Facility effect at which exp() is held, so that its products with odds stay finite."""
ODDS_LIMIT = 80.0
"""Log-odds at which exp() is held, so that odds are normal numbers of float32."""
PSEUDO, LAPLACE = 0, 1
GROUP = 32
"""Facilities whose modes are found together."""
CARRY_FACILITIES = 512
"""Facilities after which residuals of shared rows are carried over; a multiple of GROUP."""


@njit(cache=True, nogil=True, error_model="numpy")
def fill_tables(table_pointer, table_column, table_value, offset, beta, n_blocks, odds, residual):
    """exp(x'beta + offset) of every table row, held so that the product of the blocks stays within ODDS_LIMIT."""
    for row in range(len(offset)):
        log_odds = splat(offset[row])
        for v in range(table_pointer[row], table_pointer[row + 1]):
            log_odds = log_odds + table_value[v] * load(beta, table_column[v])
        store_eight(odds, row, exponential(bounded(log_odds, ODDS_LIMIT / n_blocks)))
        store_eight(residual, row, splat(0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def table_sums(table_pointer, table_column, table_value, residual, out):
    """Sum of the residual of each table row times the row, added to `out` of shape (n_columns, 8)."""
    for row in range(len(table_pointer) - 1):
        vector = load_eight(residual, row)
        for v in range(table_pointer[row], table_pointer[row + 1]):
            store(out, table_column[v], load(out, table_column[v]) + table_value[v] * vector)


@njit(cache=True, nogil=True, error_model="numpy")
def cell_odds(odds, index, c):
    """Odds of a cell at the average facility, the product of its table entries."""
    z = load_eight(odds, index[0][c])
    for b in range(1, len(index)):
        z = z * load_eight(odds, index[b][c])
    return z


@njit(cache=True, nogil=True, error_model="numpy")
def add_residual(residual, index, c, vector):
    """Add a vector to the residuals of the table rows of a cell."""
    for b in range(len(index)):
        row = index[b][c]
        store_eight(residual, row, load_eight(residual, row) + vector)


@njit(cache=True, nogil=True, error_model="numpy")
def join_blocks(block_odds, index, odds, residual):
    """Odds of each row of `index`, the product of its rows in the blocks; residuals of zero."""
    for row in range(np.uint64(len(index[0]))):
        store_eight(odds, row, cell_odds(block_odds, index, row))
        store_eight(residual, row, splat(0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def carry_over(residual, n_rows, index, block_residual):
    """Move the residuals of the first rows of `index` to their rows in the blocks."""
    for row in range(np.uint64(n_rows)):
        add_residual(block_residual, index, row, load_eight(residual, row))
        store_eight(residual, row, splat(0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def fill_odds(rows, n_blocks, patterns, beta, block_odds, block_residual, odds, residual):
    """Odds of all table rows at `beta` (n_columns, 8), residuals of zero.

    `rows`: pointer, column, value and offset of the rows of the blocks; `patterns`: rows of the blocks that each table
    row joins, or None where those of the blocks serve.
    """
    table_pointer, table_column, table_value, offset = rows
    fill_tables(table_pointer, table_column, table_value, offset, beta, n_blocks, block_odds, block_residual)
    if patterns is not None:
        join_blocks(block_odds, patterns, odds, residual)


@njit(cache=True, nogil=True, error_model="numpy")
def sum_residuals(rows, patterns, residual, block_residual, out):
    """Sum of the residuals of all table rows times the rows, to `out` (n_columns, 8)."""
    if patterns is not None:
        carry_over(residual, len(residual), patterns, block_residual)
    for k in range(len(out)):
        store(out, k, splat(0.0))
    table_pointer, table_column, table_value, _ = rows
    table_sums(table_pointer, table_column, table_value, block_residual, out)


@njit(cache=True, nogil=True, error_model="numpy")
def move_eight(rows, step, tau, u, sum_w, sum_w1):
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
def move_modes(rows, step, tau, u, sum_w, sum_w1):
    """`move_eight` of each of some eights, the first axis of all but `rows`."""
    for eight in range(len(step)):
        move_eight(rows, step[eight], tau[eight], u[eight], sum_w[eight], sum_w1[eight])


@njit(cache=True, nogil=True, error_model="numpy")
def power_sums(odds, index, n, start, stop, factor):
    """Sums of n p, n p^2, n p^3 and n p^4 at odds x factor."""
    first, second, third, fourth = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for c in range(start, stop):
        z = cell_odds(odds, index, c) * factor
        p = z / (1.0 + z)
        power = np.float64(n[c]) * p
        first = first + power
        power = power * p
        second = second + power
        power = power * p
        third = third + power
        fourth = fourth + power * p
    return first, second, third, fourth


@njit(cache=True, nogil=True, error_model="numpy")
def halley_step(sums, events, precision, u, live):
    """Mode after a step, sums of w and of its derivative there, and the length of the step."""
    first, second, third, fourth = sums
    w = first - second
    w1 = first - 3.0 * second + 2.0 * third
    w2 = first - 7.0 * second + 12.0 * third - 6.0 * fourth
    slope = events - first - u * precision
    curvature = w + precision
    newton = bounded(slope / curvature, 1.0)
    step = bounded(slope / (curvature + 0.5 * w1 * newton), 1.0) * live
    return u + step, w + step * (w1 + 0.5 * step * w2), w1 + step * w2, magnitude(step)


@njit(cache=True, nogil=True, error_model="numpy")
def settle_mode(odds, index, n, start, stop, events, precision, tolerance, state):
    """Further Halley steps of the lanes whose step was longer than `tolerance`."""
    u, sum_w, sum_w1, moving = state
    zero, one, short = splat(0.0), splat(1.0), splat(tolerance)
    live = one
    for _ in range(MAX_PASSES):
        live = choose_above(moving, short, live, zero)
        sums = power_sums(odds, index, n, start, stop, exponential(bounded(u, LIMIT)))
        u, w, w1, moving = halley_step(sums, events, precision, u, live)
        sum_w = choose_above(live, zero, w, sum_w)
        sum_w1 = choose_above(live, zero, w1, sum_w1)
        if not any_above(moving, short):
            break
    return u, sum_w, sum_w1


@njit(cache=True, nogil=True, error_model="numpy")
def find_modes(
    begin, end, odds, index, pointer, n, events, precision, tolerance, u, sum_w, sum_w1, factor, sums
):  # fmt: skip
    """Conditional modes of facilities begin .. end - 1, sums of w and of its derivative there; exp(mode) to `factor`.

    A step shorter than `tolerance` is the last: the mode is then exact to its cube, the
    sums are moved along by their derivatives. What waits for long chains of operations, exp() and
    the step, is done for several facilities one after the other, so that the waits overlap.
    """
    short, all_live = splat(tolerance), splat(1.0)
    for j in range(begin, end):
        store(factor, j - begin, exponential(bounded(load(u, j), LIMIT)))
    for j in range(begin, end):
        k = 4 * (j - begin)
        first, second, third, fourth = power_sums(odds, index, n, pointer[j], pointer[j + 1], load(factor, j - begin))
        store(sums, k, first)
        store(sums, k + 1, second)
        store(sums, k + 2, third)
        store(sums, k + 3, fourth)
    for j in range(begin, end):
        k = 4 * (j - begin)
        at_mode = splat(events[j])
        powers = (load(sums, k), load(sums, k + 1), load(sums, k + 2), load(sums, k + 3))
        mode, w, w1, moving = halley_step(powers, at_mode, precision, load(u, j), all_live)
        if any_above(moving, short):
            state = (mode, w, w1, moving)
            mode, w, w1 = settle_mode(
                odds, index, n, pointer[j], pointer[j + 1], at_mode, precision, tolerance, state
            )  # fmt: skip
        store(u, j, mode)
        store(sum_w, j, w)
        store(sum_w1, j, w1)
        store(factor, j - begin, exponential(bounded(mode, LIMIT)))


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate(
    kind,
    tau,
    odds,
    residual,
    carry,
    index,
    pointer,
    n,
    events,
    multiplicity,
    tolerance,
    u,
    sum_w,
    sum_w1,
    score_tau,
    group,
):
    """Modes, sums of w and score of eight resamples, by Laplace or pseudo-likelihood.

    `u` (n_facilities, 8) holds the guesses and becomes the modes; `residual`, zero on entry, becomes what each
    row takes from the score of beta, but for what was carried over: the residuals of the first `carry[0]` rows go to
    those of `carry[2]`, found by `carry[1]`. `score_tau` (1, 8) takes the score of log tau. `group`
    (5 GROUP, 8) is scratch.
    """
    s = load(tau, 0)
    precision = 1.0 / (s * s)
    total = splat(0.0)
    factors, sums = group[:GROUP], group[GROUP:]
    for begin in range(0, len(events), GROUP):
        end = min(begin + GROUP, len(events))
        find_modes(begin, end, odds, index, pointer, n, events, precision, tolerance, u, sum_w, sum_w1, factors, sums)
        for j in range(begin, end):
            start, stop = pointer[j], pointer[j + 1]
            mode, w0, factor, copies = load(u, j), load(sum_w, j), load(factors, j - begin), load(multiplicity, j)
            f = 1.0 / (w0 + precision)
            if kind == PSEUDO:
                total = total + copies * (mode * mode * precision - f * w0)
                for c in range(start, stop):
                    z = cell_odds(odds, index, c) * factor
                    add_residual(residual, index, c, (copies * np.float64(n[c])) * (z / (1.0 + z)))
            else:
                kappa = f * load(sum_w1, j)
                u_tau = 2.0 * mode * f * precision
                total = total + copies * (mode * mode * precision - f * w0 - 0.5 * kappa * u_tau)
                half_f = 0.5 * f
                rest = 1.0 - kappa
                for c in range(start, stop):
                    z = cell_odds(odds, index, c) * factor
                    p = z / (1.0 + z)
                    r = (copies * np.float64(n[c])) * p
                    add_residual(residual, index, c, r + r * (half_f * (1.0 - p) * (rest - 2.0 * p)))
        if end % CARRY_FACILITIES == 0:
            carry_over(residual, *carry)
    store(score_tau, 0, total)


@njit(cache=True, nogil=True, error_model="numpy")
def score_eights(
    kind,
    rows,
    n_blocks,
    patterns,
    beta,
    tau,
    block_odds,
    block_residual,
    odds,
    residual,
    carry,
    index,
    pointer,
    n,
    events,
    copies,
    tolerance,
    u,
    sum_w,
    sum_w1,
    score_tau,
    gradient,
    group,
):
    """Score of each of some eights of resamples, the first axis of `beta`, `tau`, `copies`, `u` and what follows.

    `gradient` (n_eights, n_columns, 8) becomes what the score of beta takes from the sum of y x, `score_tau`
    (n_eights, 1, 8) the score of log tau. One call for all: a kernel that returns has to wait for the interpreter.
    """
    for eight in range(len(beta)):
        fill_odds(rows, n_blocks, patterns, beta[eight], block_odds, block_residual, odds, residual)
        evaluate(
            kind, tau[eight], odds, residual, carry, index, pointer, n, events, copies[eight], tolerance,
            u[eight], sum_w[eight], sum_w1[eight], score_tau[eight], group,
        )  # fmt: skip
        sum_residuals(rows, patterns, residual, block_residual, gradient[eight])
