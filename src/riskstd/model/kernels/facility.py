"""Compiled evaluation of one parameter vector, facility by facility.

The same equations as `riskstd.model.modes` and `riskstd.model.plain`, without
arrays per cell and node: odds come from the tables of the column blocks (one exp() a table
row), log(1 + odds) from products of many cells (one log() a product).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskstd.model.evaluation import MAX_LOG_ODDS

MAX_PASSES = 200
FULL_PRODUCT = 1e150
"""Product of (1 + odds), each at most exp(340), at which its logarithm is taken."""


@njit(cache=True, nogil=True, error_model="numpy")
def bounded_exp(log_odds):
    """exp() of log-odds held inside +-MAX_LOG_ODDS."""
    return np.exp(min(max(log_odds, -MAX_LOG_ODDS), MAX_LOG_ODDS))


@njit(cache=True, nogil=True, error_model="numpy")
def gather_odds(odds_table, index, start, stop, odds):
    """Odds at the average facility of the cells start .. stop, the product of their table entries."""
    n_blocks = index.shape[1]
    for c in range(start, stop):
        value = odds_table[index[c, 0]]
        for b in range(1, n_blocks):
            value *= odds_table[index[c, b]]
        odds[c - start] = value


# Sums may be reordered only where nothing is written: a loop that writes has two compiled
# forms, chosen by the addresses of its arrays, whose bits would differ.
@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def power_sums(odds, n, start, count, factor):
    """Sums of n p, n p q and n p q (q - p) at odds x factor."""
    first, second, third = 0.0, 0.0, 0.0
    for c in range(count):
        z = odds[c] * factor
        q = 1.0 / (1.0 + z)
        p = z * q
        w = n[start + c] * p * q
        first += n[start + c] * p
        second += w
        third += w * (q - p)
    return first, second, third


@njit(cache=True, nogil=True, error_model="numpy")
def log_none(odds, n, start, count, n_single, factor):
    """Sum of n log(1 + odds x factor), one logarithm for many cells of one case."""
    total = 0.0
    # four products side by side: each multiplication waits for the one before
    first, second, third, fourth = 1.0, 1.0, 1.0, 1.0
    in_fours = n_single - n_single % 4
    for c in range(0, in_fours, 4):
        first *= 1.0 + odds[c] * factor
        second *= 1.0 + odds[c + 1] * factor
        third *= 1.0 + odds[c + 2] * factor
        fourth *= 1.0 + odds[c + 3] * factor
        if max(max(first, second), max(third, fourth)) > FULL_PRODUCT:
            total += np.log(first) + np.log(second) + np.log(third) + np.log(fourth)
            first, second, third, fourth = 1.0, 1.0, 1.0, 1.0
    # each at most FULL_PRODUCT, so two of them still are a float
    total += np.log(first * second) + np.log(third * fourth)
    product = 1.0
    for c in range(in_fours, n_single):
        product *= 1.0 + odds[c] * factor
        if product > FULL_PRODUCT:
            total += np.log(product)
            product = 1.0
    for c in range(n_single, count):
        cases = n[start + c]
        base = 1.0 + odds[c] * factor
        if cases == 2.0 and base < FULL_PRODUCT / product / base:
            product *= base * base
        else:
            total += cases * np.log(base)
    return total + np.log(product)


@njit(cache=True, nogil=True, error_model="numpy")
def find_mode(odds, n, start, count, events, tau, u, step_tolerance):
    """Conditional mode by Halley steps, and sum of w and of its derivative there."""
    if tau == 0.0:
        _, sum_w, sum_w1 = power_sums(odds, n, start, count, 1.0)
        return 0.0, sum_w, sum_w1
    precision = tau**-2
    for _ in range(MAX_PASSES):
        first, sum_w, sum_w1 = power_sums(odds, n, start, count, bounded_exp(u))
        slope = events - first - u * precision
        curvature = sum_w + precision
        newton = min(max(slope / curvature, -1.0), 1.0)
        step = min(max(slope / (curvature + 0.5 * sum_w1 * newton), -1.0), 1.0)
        u += step
        if abs(step) < step_tolerance:
            break
    _, sum_w, sum_w1 = power_sums(odds, n, start, count, bounded_exp(u))
    return u, sum_w, sum_w1


@njit(cache=True, nogil=True, error_model="numpy")
def add_probability(odds, count, factor, weight, mean_p):
    """Add weight x p at a node to `mean_p`, cell by cell."""
    for c in range(count):
        z = odds[c] * factor
        mean_p[c] += weight * (z / (1.0 + z))


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate_facilities(
    begin,
    end,
    odds_table,
    index,
    pointer,
    n,
    n_single,
    events,
    fixed,
    tau,
    kind,
    node,
    log_weight,
    step_tolerance,
    multiplicity,
    u,
    sum_w,
    sum_w1,
    variance,
    value,
    score_tau,
    mean,
    residual,
    node_weight,
    table_residual,
):
    """Evaluate facilities begin .. end - 1.

    `kind` is 0 for pseudo-likelihood, 1 for Laplace and quadrature; `u` holds the guesses and
    becomes the modes; `fixed` is the part of the log-likelihood linear in the coefficients.
    `node_weight` takes the posterior weights of the nodes where there are several;
    `residual` per cell and `table_residual`, summed with the multiplicity, hold the score.
    """
    longest = 0
    for j in range(begin, end):
        longest = max(longest, pointer[j + 1] - pointer[j])
    odds = np.empty(longest)
    mean_p = np.empty(longest)
    n_nodes = len(node)
    shift = np.empty(n_nodes)
    weight = np.empty(n_nodes)
    n_blocks = index.shape[1]
    s2 = tau * tau
    for j in range(begin, end):
        start = pointer[j]
        count = pointer[j + 1] - start
        gather_odds(odds_table, index, start, pointer[j + 1], odds)
        mode, w0, w1 = find_mode(odds, n, start, count, events[j], tau, u[j], step_tolerance)
        at_mode = bounded_exp(mode)
        none = log_none(odds, n, start, count, n_single[j], at_mode)
        d = 1.0 + s2 * w0
        f = s2 / d
        kappa = f * w1
        u[j], sum_w[j], sum_w1[j], variance[j] = mode, w0, w1, f
        prior = mode * mode / (2.0 * s2) if tau > 0.0 else 0.0
        base = fixed[j] + events[j] * mode - none - prior
        value[j] = base - 0.5 * np.log(d)
        mean[j] = mode
        in_curvature, in_slope = 0.5 * f * kind, 0.0
        u_tau = 2.0 * mode / d
        log_d_tau = 2.0 * f * w0 + kappa * u_tau
        if tau == 0.0:
            score_tau[j] = 0.0
        elif kind == 0:
            score_tau[j] = mode * mode / s2 - f * w0
        else:
            score_tau[j] = mode * mode / s2 - 0.5 * log_d_tau
        if n_nodes > 1 and tau > 0.0:
            top = -np.inf
            for k in range(n_nodes):
                move = np.sqrt(2.0 * f) * node[k]
                shift[k] = move
                change = events[j] * move - (2.0 * mode * move + move * move) / (2.0 * s2)
                change -= log_none(odds, n, start, count, n_single[j], at_mode * bounded_exp(move)) - none
                weight[k] = log_weight[k] + change
                top = max(top, weight[k])
            total = 0.0
            for k in range(n_nodes):
                weight[k] = np.exp(weight[k] - top)
                total += weight[k]
            for c in range(count):
                mean_p[c] = 0.0
            slope_mean, slope_shift, second_moment, mean_shift = 0.0, 0.0, 0.0, 0.0
            for k in range(n_nodes):
                share = weight[k] / total
                node_weight[j, k] = share
                factor = at_mode * bounded_exp(shift[k])
                add_probability(odds, count, factor, share, mean_p)
                expected, _, _ = power_sums(odds, n, start, count, factor)
                slope = events[j] - expected - (mode + shift[k]) / s2
                slope_mean += share * slope
                slope_shift += share * slope * shift[k]
                second_moment += share * (mode + shift[k]) ** 2
                mean_shift += share * shift[k]
            in_slope = slope_mean * f
            in_curvature *= slope_shift + 1.0
            score_tau[j] = second_moment / s2 + slope_mean * u_tau
            score_tau[j] += slope_shift * (1.0 - 0.5 * log_d_tau) - 0.5 * log_d_tau
            value[j] = base - 0.5 * np.log(d) + top + np.log(total) - 0.5 * np.log(np.pi)
            mean[j] = mode + mean_shift
        for c in range(count):
            z = odds[c] * at_mode
            q = 1.0 / (1.0 + z)
            p = z * q
            w = p * q
            centre = mean_p[c] if (n_nodes > 1 and tau > 0.0) else p
            r = n[start + c] * (centre + w * (in_slope + in_curvature * (q - p - kappa)))
            residual[start + c] = r
            r *= multiplicity[j]
            for b in range(n_blocks):
                table_residual[index[start + c, b]] += r


@njit(cache=True, nogil=True, error_model="numpy")
def sum_rows(begin, end, index, pointer, table_pointer, table_column, table_value, per_cell, out):
    """Sum of a value per cell times its row of the design, for facilities begin .. end - 1."""
    n_blocks = index.shape[1]
    for j in range(begin, end):
        for c in range(pointer[j], pointer[j + 1]):
            for b in range(n_blocks):
                row = index[c, b]
                for v in range(table_pointer[row], table_pointer[row + 1]):
                    out[j, table_column[v]] += per_cell[c] * table_value[v]


@njit(cache=True, nogil=True, error_model="numpy")
def predicted_expected(begin, end, odds_table, index, pointer, n, factor, predicted, expected):
    """Sums of n p with the facility's factor exp(effect) and without, for facilities begin .. end - 1."""
    n_blocks = index.shape[1]
    for j in range(begin, end):
        with_effect, without = 0.0, 0.0
        for c in range(pointer[j], pointer[j + 1]):
            z = odds_table[index[c, 0]]
            for b in range(1, n_blocks):
                z *= odds_table[index[c, b]]
            without += n[c] * (z / (1.0 + z))
            z *= factor[j]
            with_effect += n[c] * (z / (1.0 + z))
        predicted[j] = with_effect
        expected[j] = without
