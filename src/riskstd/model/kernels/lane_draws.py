"""Ratios of eight resamples side by side, each with effects drawn at its own estimates.

Arrays are those of `riskstd.model.kernels.lanes`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskstd.model.kernels.lane_forms import added_variance
from riskstd.model.kernels.lanes import GROUP, LIMIT, cell_odds, fill_odds
from riskstd.model.kernels.vector import bounded, choose_above, exponential, load, splat, square_root, store


@njit(cache=True, nogil=True, error_model="numpy")
def gather_eights(rows, number, out):
    """Write the rows (n, n_facilities) of the resamples `number` (n_eights, 8) into lanes; ones where it is below 0."""
    for eight in range(len(number)):
        for begin in range(0, rows.shape[1], GROUP):
            end = min(begin + GROUP, rows.shape[1])
            for lane in range(8):
                k = number[eight, lane]
                for j in range(begin, end):
                    out[eight, j, lane] = rows[k, j] if k >= 0 else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def draw_effects(begin, end, number, normals, precision, u, sum_w, form, with_beta, sound, effects):
    """Effects of facilities begin .. end - 1 drawn around their modes, to the rows of `effects` from 0.

    Their variance is f + f^2 a' V a, or f alone unless `with_beta`. A lane stays sound (1) while all its variances
    are finite and none is below f; returns `sound`.
    """
    for lane in range(8):
        k = max(number[lane], 0)
        for j in range(begin, end):
            effects[j - begin, lane] = normals[k, j]
    bad, largest = splat(0.0), splat(np.inf)
    for j in range(begin, end):
        w = load(sum_w, j)
        posterior = 1.0 / (w + precision)
        prediction = added_variance(w, precision, load(form, j)) + posterior
        sound = choose_above(largest, prediction, choose_above(posterior, prediction, bad, sound), bad)
        variance = prediction if with_beta else posterior
        store(effects, j - begin, load(effects, j - begin) * square_root(variance) + load(u, j))
    return sound


@njit(cache=True, nogil=True, error_model="numpy")
def turn_into_ratios(begin, end, odds, index, pointer, n, effects):
    """Predicted / expected of facilities begin .. end - 1, sums of p with the effect and without, in its place."""
    for row in range(end - begin):
        store(effects, row, exponential(bounded(load(effects, row), LIMIT)))
    for j in range(begin, end):
        factor = load(effects, j - begin)
        predicted, expected = splat(0.0), splat(0.0)
        for c in range(pointer[j], pointer[j + 1]):
            z = cell_odds(odds, index, c)
            z_with = z * factor
            # one division serves both probabilities
            a = 1.0 + z
            b = 1.0 + z_with
            share = np.float64(n[c]) / (a * b)
            predicted = predicted + z_with * a * share
            expected = expected + z * b * share
        store(effects, j - begin, predicted / expected)


@njit(cache=True, nogil=True, error_model="numpy")
def largest_number(number, eight):
    """The largest number of the lanes of an eight."""
    largest = number[eight, 0]
    for lane in range(1, 8):
        largest = max(largest, number[eight, lane])
    return largest


@njit(cache=True, nogil=True, error_model="numpy")
def draw_ratios(
    rows,
    n_blocks,
    patterns,
    beta,
    precision,
    block_odds,
    block_residual,
    odds,
    residual,
    index,
    pointer,
    n,
    number,
    copies,
    u,
    sum_w,
    form,
    with_beta,
    normals,
    place,
    group,
    sound,
    out,
):
    """Ratios of the resamples `number` (n_eights, 8) with drawn effects, to the columns of `out` of those numbers.

    Facility j has row place[j] of `out`, NaN where it is not in the resample; lanes of a number below 0 are left out.
    `normals` (n_resamples, n_facilities) are standard normal deviates; `sound` (n_eights, 8) says whose variances are
    numbers; `group` (GROUP, 8) is scratch.
    """
    for eight in range(len(beta)):
        if largest_number(number, eight) < 0:
            continue
        fill_odds(rows, n_blocks, patterns, beta[eight], block_odds, block_residual, odds, residual)
        by_tau, so_far = load(precision[eight], 0), splat(1.0)
        for begin in range(0, copies.shape[1], GROUP):
            end = min(begin + GROUP, copies.shape[1])
            so_far = draw_effects(
                begin, end, number[eight], normals, by_tau, u[eight], sum_w[eight], form[eight], with_beta, so_far,
                group,
            )  # fmt: skip
            turn_into_ratios(begin, end, odds, index, pointer, n, group)
            for j in range(begin, end):
                for lane in range(8):
                    k = number[eight, lane]
                    if k >= 0:
                        out[place[j], k] = group[j - begin, lane] if copies[eight, j, lane] > 0.0 else np.nan
        store(sound, eight, so_far)
