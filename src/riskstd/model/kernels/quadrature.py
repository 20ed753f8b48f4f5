"""Adaptive Gauss-Hermite quadrature of eight resamples, nodes in pairs +-x.

With p the probability at the mode, w = p (1 - p) and t = exp(move) - 1, a case has 1 + p t in
place of 1 + odds at a moved node, and the two nodes of a pair share one denominator:
(1 + p t_up) (1 + p t_down) = 1 + spread w,  spread = exp(move) + exp(-move) - 2.
Three pairs share one division. Logarithms are taken of products of many cells.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskstd.model.kernels.lanes import (
    CARRY_FACILITIES,
    GROUP,
    add_residual,
    carry_over,
    cell_odds,
    fill_odds,
    find_modes,
    sum_residuals,
)
from riskstd.model.kernels.vector import (
    bounded,
    choose_above,
    exponential,
    load,
    logarithm,
    splat,
    square_root,
    store,
)

LONGEST_MOVE = 200.0
MOVE, UP, DOWN, SPREAD, ALPHA, BETA, SHIFT_ALPHA, SHIFT_BETA = 0, 1, 2, 3, 4, 5, 6, 7
"""Rows of the scratch array, each for all pairs: move; t of its nodes, later their weights;
spread; constant and slope in p of the numerator of the mean, and of the mean times the move."""
N_ROWS = 8


@njit(cache=True, nogil=True, error_model="numpy")
def probabilities_at_mode(odds, index, n, start, stop, factor, probability):
    """Write p of each cell; sums of n p, n p^2 and n p^3."""
    first, second, third = splat(0.0), splat(0.0), splat(0.0)
    for c in range(start, stop):
        z = cell_odds(odds, index, c) * factor
        p = z / (1.0 + z)
        store(probability, c - start, p)
        power = np.float64(n[c]) * p
        first = first + power
        power = power * p
        second = second + power
        third = third + power * p
    return first, second, third


@njit(cache=True, nogil=True, error_model="numpy")
def log_products(probability, n, product_cases, a, b, c, d, e, f):
    """Sums of n log(1 + p t) for six t; one logarithm for up to `product_cases` cases."""
    sum_a, sum_b, sum_c, sum_d, sum_e, sum_f = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    count = len(n)
    k = 0
    while k < count:
        pa, pb, pc, pd, pe, pf = splat(1.0), splat(1.0), splat(1.0), splat(1.0), splat(1.0), splat(1.0)
        used = 0.0
        while k < count and used + n[k] <= product_cases:
            cases = np.float64(n[k])
            if cases != 1.0 and cases != 2.0 and cases != 3.0:
                break
            p = load(probability, k)
            fa, fb, fc = 1.0 + p * a, 1.0 + p * b, 1.0 + p * c
            fd, fe, ff = 1.0 + p * d, 1.0 + p * e, 1.0 + p * f
            pa, pb, pc = pa * fa, pb * fb, pc * fc
            pd, pe, pf = pd * fd, pe * fe, pf * ff
            if cases != 1.0:
                if cases == 3.0:
                    pa, pb, pc = pa * fa, pb * fb, pc * fc
                    pd, pe, pf = pd * fd, pe * fe, pf * ff
                pa, pb, pc = pa * fa, pb * fb, pc * fc
                pd, pe, pf = pd * fd, pe * fe, pf * ff
            used += cases
            k += 1
        cases = 1.0
        if used == 0.0:
            # many cases, or a weight that is no whole number
            p = load(probability, k)
            cases = np.float64(n[k])
            pa, pb, pc = 1.0 + p * a, 1.0 + p * b, 1.0 + p * c
            pd, pe, pf = 1.0 + p * d, 1.0 + p * e, 1.0 + p * f
            k += 1
        sum_a = sum_a + cases * logarithm(pa)
        sum_b = sum_b + cases * logarithm(pb)
        sum_c = sum_c + cases * logarithm(pc)
        sum_d = sum_d + cases * logarithm(pd)
        sum_e = sum_e + cases * logarithm(pe)
        sum_f = sum_f + cases * logarithm(pf)
    return sum_a, sum_b, sum_c, sum_d, sum_e, sum_f


@njit(cache=True, nogil=True, error_model="numpy")
def node_means(probability, n, centre, first, n_pairs, work, mean):
    """Add three pairs to the mean of p over the nodes; sums of n mean p and of n mean (p x move)."""
    s1 = load(work, SPREAD * n_pairs + first)
    s2 = load(work, SPREAD * n_pairs + first + 1)
    s3 = load(work, SPREAD * n_pairs + first + 2)
    a1 = load(work, ALPHA * n_pairs + first)
    a2 = load(work, ALPHA * n_pairs + first + 1)
    a3 = load(work, ALPHA * n_pairs + first + 2)
    b1 = load(work, BETA * n_pairs + first)
    b2 = load(work, BETA * n_pairs + first + 1)
    b3 = load(work, BETA * n_pairs + first + 2)
    c1 = load(work, SHIFT_ALPHA * n_pairs + first)
    c2 = load(work, SHIFT_ALPHA * n_pairs + first + 1)
    c3 = load(work, SHIFT_ALPHA * n_pairs + first + 2)
    d1 = load(work, SHIFT_BETA * n_pairs + first)
    d2 = load(work, SHIFT_BETA * n_pairs + first + 1)
    d3 = load(work, SHIFT_BETA * n_pairs + first + 2)
    total, shifted = splat(0.0), splat(0.0)
    for k in range(len(n)):
        p = load(probability, k)
        w = p - p * p
        q1 = 1.0 + s1 * w
        q2 = 1.0 + s2 * w
        q3 = 1.0 + s3 * w
        q23 = q2 * q3
        q13 = q1 * q3
        q12 = q1 * q2
        share = p / (q1 * q23)
        here = share * ((a1 + p * b1) * q23 + (a2 + p * b2) * q13 + (a3 + p * b3) * q12)
        move = share * ((c1 + p * d1) * q23 + (c2 + p * d2) * q13 + (c3 + p * d3) * q12)
        so_far = centre * p if first == 0 else load(mean, k)
        here = so_far + here
        store(mean, k, here)
        cases = np.float64(n[k])
        total = total + cases * here
        shifted = shifted + cases * move
    return total, shifted


@njit(cache=True, nogil=True, error_model="numpy")
def add_nodes(
    odds,
    index,
    n,
    start,
    stop,
    events,
    mode,
    factor,
    precision,
    node,
    log_weight,
    centre_log_weight,
    product_cases,
    probability,
    mean,
    work,
):
    """Sums of w and of its derivative at the mode, score of log tau, and what its residuals consist of.

    The residual of a case is mean + p (1 - p) (a - b p) with the last two numbers returned, a and b.

    `node` and `log_weight` hold the positive nodes, filled up to whole threes with weights of
    minus infinity; `centre_log_weight` is minus infinity where there is no node at the mode.
    """
    n_pairs = len(node)
    cases = n[start:stop]
    first, second, third = probabilities_at_mode(odds, index, n, start, stop, factor, probability)
    w0 = first - second
    w1 = first - 3.0 * second + 2.0 * third
    f = 1.0 / (w0 + precision)
    kappa = f * w1
    u_tau = 2.0 * mode * f * precision
    half_log_d_tau = f * w0 + 0.5 * kappa * u_tau
    spread = square_root(2.0 * f)
    top = splat(centre_log_weight)
    for k in range(n_pairs):
        move = bounded(spread * node[k], LONGEST_MOVE)
        up = exponential(move)
        store(work, MOVE * n_pairs + k, move)
        store(work, UP * n_pairs + k, up - 1.0)
        store(work, DOWN * n_pairs + k, 1.0 / up - 1.0)
    for k in range(0, n_pairs, 3):
        t1, t2, t3 = (
            load(work, UP * n_pairs + k),
            load(work, UP * n_pairs + k + 1),
            load(work, UP * n_pairs + k + 2),
        )
        t4, t5, t6 = (
            load(work, DOWN * n_pairs + k),
            load(work, DOWN * n_pairs + k + 1),
            load(work, DOWN * n_pairs + k + 2),
        )
        l1, l2, l3, l4, l5, l6 = log_products(probability, cases, product_cases, t1, t2, t3, t4, t5, t6)
        # the logarithms wait in the places of the numerators
        store(work, ALPHA * n_pairs + k, l1)
        store(work, ALPHA * n_pairs + k + 1, l2)
        store(work, ALPHA * n_pairs + k + 2, l3)
        store(work, BETA * n_pairs + k, l4)
        store(work, BETA * n_pairs + k + 1, l5)
        store(work, BETA * n_pairs + k + 2, l6)
    for k in range(n_pairs):
        move = load(work, MOVE * n_pairs + k)
        linear = (events - mode * precision) * move
        square = 0.5 * move * move * precision
        up = log_weight[k] + (linear - square - load(work, ALPHA * n_pairs + k))
        down = log_weight[k] - (linear + square + load(work, BETA * n_pairs + k))
        store(work, SHIFT_ALPHA * n_pairs + k, up)
        store(work, SHIFT_BETA * n_pairs + k, down)
        top = choose_above(up, top, up, top)
        top = choose_above(down, top, down, top)
    centre = exponential(bounded(splat(centre_log_weight) - top, 700.0))
    total = centre
    for k in range(n_pairs):
        up = exponential(bounded(load(work, SHIFT_ALPHA * n_pairs + k) - top, 700.0))
        down = exponential(bounded(load(work, SHIFT_BETA * n_pairs + k) - top, 700.0))
        store(work, SHIFT_ALPHA * n_pairs + k, up)
        store(work, SHIFT_BETA * n_pairs + k, down)
        total = total + up + down
    scale = 1.0 / total
    centre = centre * scale
    mean_shift, mean_square = splat(0.0), splat(0.0)
    for k in range(n_pairs):
        move = load(work, MOVE * n_pairs + k)
        t_up, t_down = load(work, UP * n_pairs + k), load(work, DOWN * n_pairs + k)
        up = load(work, SHIFT_ALPHA * n_pairs + k) * scale
        down = load(work, SHIFT_BETA * n_pairs + k) * scale
        mean_shift = mean_shift + (up - down) * move
        mean_square = mean_square + (up + down) * move * move
        constant_up, constant_down = up * (1.0 + t_up), down * (1.0 + t_down)
        store(work, SPREAD * n_pairs + k, t_up + t_down)
        store(work, ALPHA * n_pairs + k, constant_up + constant_down)
        store(work, BETA * n_pairs + k, 0.0 - (up * t_up + down * t_down))
        store(work, SHIFT_ALPHA * n_pairs + k, move * (constant_up - constant_down))
        store(work, SHIFT_BETA * n_pairs + k, move * (down * t_down - up * t_up))
    expected, shifted = splat(0.0), splat(0.0)
    for k in range(0, n_pairs, 3):
        expected, more = node_means(probability, cases, centre, k, n_pairs, work, mean)
        shifted = shifted + more
    slope_mean = events - expected - (mode + mean_shift) * precision
    slope_shift = (events - mode * precision) * mean_shift - shifted - mean_square * precision
    in_slope = slope_mean * f
    in_curvature = 0.5 * f * (slope_shift + 1.0)
    rest = in_slope + in_curvature * (1.0 - kappa)
    second_moment = mode * mode + 2.0 * mode * mean_shift + mean_square
    slope = second_moment * precision + slope_mean * u_tau + slope_shift * (1.0 - half_log_d_tau) - half_log_d_tau
    return w0, w1, slope, rest, 2.0 * in_curvature


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate_quadrature(
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
    node,
    log_weight,
    centre_log_weight,
    product_cases,
    probability,
    mean_probability,
    work,
):
    """Modes, sums of w and score of eight resamples; see `riskstd.model.kernels.lanes.evaluate`.

    `probability`, `mean_probability` (longest facility, 8) and `work` are scratch too.
    """
    s = load(tau, 0)
    precision = 1.0 / (s * s)
    total = splat(0.0)
    factors, sums = group[:GROUP], group[GROUP:]
    for begin in range(0, len(events), GROUP):
        end = min(begin + GROUP, len(events))
        find_modes(begin, end, odds, index, pointer, n, events, precision, tolerance, u, sum_w, sum_w1, factors, sums)
        for j in range(begin, end):
            start, stop, copies = pointer[j], pointer[j + 1], load(multiplicity, j)
            w0, w1, slope, level, tilt = add_nodes(
                odds, index, n, start, stop, splat(events[j]), load(u, j), load(factors, j - begin), precision,
                node, log_weight, centre_log_weight, product_cases, probability, mean_probability, work,
            )  # fmt: skip
            store(sum_w, j, w0)
            store(sum_w1, j, w1)
            total = total + copies * slope
            for c in range(start, stop):
                p, mean = load(probability, c - start), load(mean_probability, c - start)
                r = mean + (p - p * p) * (level - tilt * p)
                add_residual(residual, index, c, (copies * np.float64(n[c])) * r)
        if end % CARRY_FACILITIES == 0:
            carry_over(residual, *carry)
    store(score_tau, 0, total)


@njit(cache=True, nogil=True, error_model="numpy")
def score_eights(
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
    node,
    log_weight,
    centre_log_weight,
    product_cases,
    probability,
    mean_probability,
    work,
):
    """Score of each of some eights of resamples; see `riskstd.model.kernels.lanes.score_eights`."""
    for eight in range(len(beta)):
        fill_odds(rows, n_blocks, patterns, beta[eight], block_odds, block_residual, odds, residual)
        evaluate_quadrature(
            tau[eight], odds, residual, carry, index, pointer, n, events, copies[eight], tolerance,
            u[eight], sum_w[eight], sum_w1[eight], score_tau[eight], group,
            node, log_weight, centre_log_weight, product_cases, probability, mean_probability, work,
        )  # fmt: skip
        sum_residuals(rows, patterns, residual, block_residual, gradient[eight])
