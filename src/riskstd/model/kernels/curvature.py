"""Compiled curvature: Hessians of facilities, and Gram matrices of patterns.

The Hessian of a facility is X' diag(weight) X, whose weights are summed per pattern first, plus
products of a few vectors (see `riskstd.model.hessian`). Sums over cells times their rows are small matrix
products, with eight cells or columns in a register.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskstd.model.kernels.facility import bounded_exp
from riskstd.model.kernels.vector import LANES, load, splat, store

TILE_CELLS = 128
"""Cells whose moments stay in the first-level cache until they are added to their columns."""
BLOCK_FACILITIES = 32
"""Facilities whose vectors stay in the second-level cache until their products are summed."""
W, W1, W2, MEAN_W, NODES = 0, 1, 2, 3, 4
"""Moments of a cell: w, its derivatives, its mean over the nodes, n p at each node, and last the mean of w x shift."""
MAX_DENSE = 2**18
"""Numbers of a dense table of rows that stay near; of more, rows are put together from their sparse parts."""


@njit(cache=True, nogil=True, error_model="numpy")
def lane_sum(vector, room):
    """Sum of the lanes; `room` is an array of one vector."""
    store(room, 0, vector)
    total = 0.0
    for lane in range(LANES):
        total += room[0, lane]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def gather_row(index, c, table_pointer, table_column, table_value, column, value):
    """Copy the non-zero entries of a row of the design; their number is returned."""
    count = 0
    for b in range(index.shape[1]):
        row = index[c, b]
        for v in range(table_pointer[row], table_pointer[row + 1]):
            column[count] = table_column[v]
            value[count] = table_value[v]
            count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def add_square(weight, count, column, value, square):
    """Add weight x row row' to a matrix, each pair of columns to one of its two entries."""
    for i in range(count):
        scaled = weight * value[i]
        for k in range(i):
            square[column[i], column[k]] += scaled * value[k]
        square[column[i], column[i]] += 0.5 * scaled * value[i]


@njit(cache=True, nogil=True, error_model="numpy")
def pattern_gram(index, table_pointer, table_column, table_value, weight, n_columns):
    """Sum of weight x row row' over the patterns; the matrix plus its transpose is the Gram matrix."""
    square = np.zeros((n_columns, n_columns))
    column = np.empty(n_columns, np.int64)
    value = np.empty(n_columns)
    for k in range(len(weight)):
        if weight[k] != 0.0:
            count = gather_row(index, k, table_pointer, table_column, table_value, column, value)
            add_square(weight[k], count, column, value, square)
    return square


@njit(cache=True, nogil=True, error_model="numpy")
def sum_at(pattern, per_cell, n_patterns):
    """Add up a value per cell over the cells of each pattern."""
    out = np.zeros(n_patterns)
    for c in range(len(pattern)):
        out[pattern[c]] += per_cell[c]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def working_weights(begin, end, odds_table, index, pointer, n, u, multiplicity, cell_weight):
    """w = n p (1 - p) of the cells of facilities begin .. end - 1, times the multiplicity."""
    n_blocks = index.shape[1]
    for j in range(begin, end):
        factor = bounded_exp(u[j])
        for c in range(pointer[j], pointer[j + 1]):
            odds = odds_table[index[c, 0]]
            for b in range(1, n_blocks):
                odds *= odds_table[index[c, b]]
            q = 1.0 / (1.0 + odds * factor)
            cell_weight[c] = multiplicity[j] * (n[c] * (odds * factor * q) * q)


@njit(cache=True, nogil=True, error_model="numpy")
def add_products(left, right, n_rows, n_left, n_groups, product):
    """Add left @ right to `product`, over the first `n_rows` rows of `right`.

    `left` has `n_left` rows, a multiple of four; the rows of `right` and `product` fill `n_groups` registers.
    """
    for i in range(0, n_left, 4):
        for g in range(0, n_groups - 1, 2):
            to = i * n_groups + g
            p0, p1, p2, p3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            q0, q1, q2, q3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for r in range(n_rows):
                v = load(right, r * n_groups + g)
                w = load(right, r * n_groups + g + 1)
                p0 = p0 + left[i, r] * v
                q0 = q0 + left[i, r] * w
                p1 = p1 + left[i + 1, r] * v
                q1 = q1 + left[i + 1, r] * w
                p2 = p2 + left[i + 2, r] * v
                q2 = q2 + left[i + 2, r] * w
                p3 = p3 + left[i + 3, r] * v
                q3 = q3 + left[i + 3, r] * w
            add_to(product, to, p0)
            add_to(product, to + 1, q0)
            add_to(product, to + n_groups, p1)
            add_to(product, to + n_groups + 1, q1)
            add_to(product, to + 2 * n_groups, p2)
            add_to(product, to + 2 * n_groups + 1, q2)
            add_to(product, to + 3 * n_groups, p3)
            add_to(product, to + 3 * n_groups + 1, q3)
        if n_groups % 2 == 1:
            to = i * n_groups + n_groups - 1
            p0, p1, p2, p3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for r in range(n_rows):
                v = load(right, r * n_groups + n_groups - 1)
                p0 = p0 + left[i, r] * v
                p1 = p1 + left[i + 1, r] * v
                p2 = p2 + left[i + 2, r] * v
                p3 = p3 + left[i + 3, r] * v
            add_to(product, to, p0)
            add_to(product, to + n_groups, p1)
            add_to(product, to + 2 * n_groups, p2)
            add_to(product, to + 3 * n_groups, p3)


@njit(cache=True, nogil=True, error_model="numpy")
def add_to(array, row, vector):
    """Add a vector to a row of an array of shape (n, 8)."""
    store(array, row, load(array, row) + vector)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_rows(first, last, index, dense, table_pointer, table_column, table_value, n_groups, rows, flat):
    """Rows of the design of some cells, from dense tables when there are any, else from sparse ones.

    `flat` is `rows` as one row of numbers.
    """
    n_blocks = index.shape[1]
    if len(dense) > 0:
        for cell in range(first, last):
            for g in range(n_groups):
                row = load(dense, index[cell, 0] * n_groups + g)
                for b in range(1, n_blocks):
                    row = row + load(dense, index[cell, b] * n_groups + g)
                store(rows, (cell - first) * n_groups + g, row)
        return
    width = n_groups * LANES
    for cell in range(first, last):
        start = (cell - first) * width
        flat[start : start + width] = 0.0
        for b in range(n_blocks):
            row = index[cell, b]
            for v in range(table_pointer[row], table_pointer[row + 1]):
                flat[start + table_column[v]] = table_value[v]


@njit(cache=True, nogil=True, error_model="numpy")
def fill_odds(first, last, index, odds_table, n, odds, cases):
    """Odds at the average facility and cases of some cells; none in the rest of the last register."""
    n_blocks = index.shape[1]
    for cell in range(first, last):
        value = odds_table[index[cell, 0]]
        for b in range(1, n_blocks):
            value *= odds_table[index[cell, b]]
        odds[cell - first] = value
        cases[cell - first] = n[cell]
    for at in range(last - first, (last - first + LANES - 1) // LANES * LANES):
        odds[at] = cases[at] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def fill_moments(n_registers, odds, cases, at_mode, kind, n_nodes, factor, share, shift, moments, sum_w, room):
    """Moments of some cells of one facility, eight a register; adds to its sums of n p (1 - p) at each node."""
    to = TILE_CELLS // LANES
    for g in range(n_registers):
        z = load(odds, g) * at_mode
        q = 1.0 / (1.0 + z)
        p = z * q
        w = load(cases, g) * p * q
        store(moments, W * to + g, w)
        if kind == 1:
            store(moments, W1 * to + g, w * (q - p))
            store(moments, W2 * to + g, w * (1.0 - 6.0 * p * q))
    if n_nodes == 1:
        return
    last = NODES + n_nodes
    for g in range(n_registers):
        store(moments, MEAN_W * to + g, splat(0.0))
        store(moments, last * to + g, splat(0.0))
    for k in range(n_nodes):
        at_node, own, moved, total = factor[k], share[k], share[k] * shift[k], splat(0.0)
        for g in range(n_registers):
            z = load(odds, g) * at_node
            q = 1.0 / (1.0 + z)
            p = load(cases, g) * (z * q)
            w = p * q
            store(moments, (NODES + k) * to + g, p)
            total = total + w
            add_to(moments, MEAN_W * to + g, own * w)
            add_to(moments, last * to + g, moved * w)
        sum_w[k] += lane_sum(total, room)


@njit(cache=True, nogil=True, error_model="numpy")
def working_vectors(size, sums, u, f, s2, multiplicity, left, right):
    """Two rows whose products are the working curvature of a facility without X' diag(w) X."""
    w0 = sums[W, 0]
    u_tau = 2.0 * u / (1.0 + s2 * w0)
    for i in range(size):
        left[i, 0] = multiplicity * f * sums[W, i]
        right[0, i] = -0.5 * sums[W, i]
        left[i, 1] = 0.0
        right[1, i] = sums[W, i] * u_tau
    left[size, 0] = right[0, size] = 0.0
    left[size, 1] = multiplicity
    right[1, size] = (f * w0) ** 2
    return 2


@njit(cache=True, nogil=True, error_model="numpy")
def exact_vectors(size, sums, sum_w, events, u, f, s2, multiplicity, n_nodes, node_share, shift, slope, left, right):
    """Rows whose products are the Hessian of a facility without X' diag(weight) X.

    Returned are the number of rows and two factors of the weight, by w' and by w'' - f W' w'.
    """
    w0, w1, w2 = sums[W, 0], sums[W1, 0], sums[W2, 0]
    precision = 1.0 / s2
    f0, f1, m0, m1, m2 = 0.0, 0.0, w0 + precision, 0.0, 0.0
    mean_u, shift_u, second = u, 0.0, u * u
    if n_nodes > 1:
        m0, mean_u, second = 0.0, 0.0, 0.0
        for k in range(n_nodes):
            at = u + shift[k]
            slope[k] = events - sums[NODES + k, 0] - at * precision
            f0 += node_share[k] * slope[k]
            f1 += node_share[k] * slope[k] * shift[k]
            height = node_share[k] * (sum_w[k] + precision)
            m0 += height
            m1 += height * shift[k]
            m2 += height * shift[k] * shift[k]
            mean_u += node_share[k] * at
            shift_u += node_share[k] * at * shift[k]
            second += node_share[k] * at * at
    alpha = 0.5 * (1.0 + f1)
    bend = (alpha * f * w1 - f0) * f
    of_u = 0.5 * (alpha * f * w2 - bend * w1 + m0)
    of_l = 0.5 * (0.25 * m2 - alpha - 0.25 * f1)
    mean_row, shift_row = (MEAN_W, NODES + n_nodes) if n_nodes > 1 else (W, MEAN_W)
    for i in range(size + 1):
        if i < size:
            ui = -f * sums[W, i]
            li = f * (sums[W1, i] + w1 * ui)
            v = alpha * f * sums[W2, i] - bend * sums[W1, i] + sums[mean_row, i]
            z = -0.5 * sums[shift_row, i]
        else:
            ui = 2.0 * u * f * precision
            li = f * (w1 * ui - 2.0 * precision)
            v = 2.0 * precision * (bend - mean_u)
            z = precision * shift_u
        left[i, 0] = multiplicity * ui
        left[i, 1] = multiplicity * li
        right[0, i] = v - 0.5 * m1 * li + of_u * ui
        right[1, i] = z + of_l * li
    # what stands in the corner alone, as a product of rows
    corner = 2.0 * precision * (alpha * f - bend * u) + second * precision
    for i in range(size):
        left[i, 2] = right[2, i] = 0.0
    left[size, 2] = multiplicity
    right[2, size] = corner
    if n_nodes == 1:
        return 3, 0.0, alpha * f
    for i in range(size + 1):
        ui = -f * sums[W, i] if i < size else 2.0 * u * f * precision
        li = f * (sums[W1, i] + w1 * ui) if i < size else f * (w1 * ui - 2.0 * precision)
        mean = 0.0
        if i < size:
            for k in range(n_nodes):
                mean += node_share[k] * sums[NODES + k, i]
        for k in range(n_nodes):
            # score at the node less its mean over the nodes
            own = mean - sums[NODES + k, i] if i < size else ((u + shift[k]) ** 2 - second) * precision
            own += (slope[k] - f0) * ui - 0.5 * (slope[k] * shift[k] - f1) * li
            right[3 + k, i] = own
            left[i, 3 + k] = -0.5 * multiplicity * node_share[k] * own
    return 3 + n_nodes, f0 * f, alpha * f


@njit(cache=True, nogil=True, error_model="numpy")
def counts_of(kind, n_given, size):
    """Nodes in use, moments of a cell, registers of a row, and rows whose products a Hessian adds."""
    n_nodes = n_given if kind == 1 else 1
    n_moments = 4 if n_nodes == 1 else NODES + (n_nodes + 4) // 4 * 4
    return n_nodes, n_moments, (size + LANES) // LANES, 2 if kind == 0 else 3 if n_nodes == 1 else 3 + n_nodes


def make_scratch(kind, n_given, size, longest):
    """Arrays that `add_hessians` writes to, and the same memory as vectors; `longest` is the most cells of a facility.

    They are made here and not in the kernel, whose compilation they would prolong.
    """
    n_nodes, n_moments, width, n_rows = counts_of.py_func(kind, n_given, size)
    left = np.zeros((width * LANES, BLOCK_FACILITIES * n_rows))
    right = np.zeros((BLOCK_FACILITIES * n_rows, width * LANES))
    product = np.zeros((width * LANES, width * LANES))
    moments, rows = np.zeros((n_moments, TILE_CELLS)), np.zeros((TILE_CELLS * width, LANES))
    odds, cases = np.zeros(TILE_CELLS), np.zeros(TILE_CELLS)
    sums = np.zeros((n_moments, width * LANES))
    by_node = np.zeros((5, n_nodes))
    by_node[[0, 2]] = 1.0
    return (
        left, right, right.reshape(-1, LANES), product, product.reshape(-1, LANES),
        moments, moments.reshape(-1, LANES), rows, rows.ravel(),
        odds, odds.reshape(-1, LANES), cases, cases.reshape(-1, LANES), sums, sums.reshape(-1, LANES),
        np.zeros((2, longest)), by_node, np.zeros((1, LANES)),
        np.empty(size, np.int64), np.empty(size), np.empty((size + 1, size + 1)),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def add_hessians(
    begin,
    end,
    kind,
    odds_table,
    index,
    pointer,
    n,
    events,
    dense,
    table_pointer,
    table_column,
    table_value,
    tau,
    u,
    variance,
    node,
    node_weight,
    multiplicity,
    total,
    each,
    sum_wx,
    cell_weight,
    scratch,
):
    """Add the negative Hessians of facilities begin .. end - 1 to `total`, half of each: add the transpose.

    The part X' diag(cell_weight) X is left to the caller, who can sum the weights of a
    pattern first; only `each`, which takes the packed Hessian of every facility when it has rows, holds it.
    `kind` is 0 for the working curvature, 1 for the exact one; `sum_wx` takes sum w x of every facility.
    `scratch` comes from `make_scratch`.
    """
    (
        left, right, right_vectors, product, product_vectors, moments, moment_vectors, rows, flat_rows,
        odds, odds_vectors, cases, cases_vectors, sums, sum_vectors, by_cell, by_node, room, column, value, square,
    ) = scratch  # fmt: skip
    size = sum_wx.shape[1]
    n_nodes, n_moments, width, n_rows = counts_of(kind, len(node), size)
    w_first, w_second = by_cell[0], by_cell[1]
    factor, shift, share, slope, sum_w = by_node[0], by_node[1], by_node[2], by_node[3], by_node[4]
    used = 0
    s2 = tau * tau
    keeps = len(each) > 0
    for j in range(begin, end):
        start, stop = pointer[j], pointer[j + 1]
        f = variance[j]
        at_mode = bounded_exp(u[j])
        sums[:] = 0.0
        sum_w[:] = 0.0
        if n_nodes > 1:
            for k in range(n_nodes):
                shift[k] = np.sqrt(2.0 * f) * node[k]
                factor[k] = at_mode * bounded_exp(shift[k])
                share[k] = node_weight[j, k]
        weight_row = MEAN_W if n_nodes > 1 else W
        for first in range(start, stop, TILE_CELLS):
            last = min(first + TILE_CELLS, stop)
            fill_rows(first, last, index, dense, table_pointer, table_column, table_value, width, rows, flat_rows)
            fill_odds(first, last, index, odds_table, n, odds, cases)
            fill_moments(
                (last - first + LANES - 1) // LANES, odds_vectors, cases_vectors, at_mode, kind, n_nodes,
                factor, share, shift, moment_vectors, sum_w, room,
            )  # fmt: skip
            add_products(moments, rows, last - first, n_moments, width, sum_vectors)
            for at in range(last - first):
                cell_weight[first + at] = moments[weight_row, at]
                w_first[first - start + at] = moments[W1, at]
                w_second[first - start + at] = moments[W2, at]
        here, there = left[:, used : used + n_rows], right[used : used + n_rows]
        if kind == 0:
            used += working_vectors(size, sums, u[j], f, s2, multiplicity[j], here, there)
        else:
            count, by_first, by_bend = exact_vectors(
                size, sums, sum_w, events[j], u[j], f, s2, multiplicity[j],
                n_nodes, share, shift, slope, here, there,
            )  # fmt: skip
            used += count
            by_first -= by_bend * f * sums[W1, 0]
            for c in range(stop - start):
                cell_weight[start + c] += by_first * w_first[c] + by_bend * w_second[c]
        if keeps:
            square[:] = 0.0
            for c in range(start, stop):
                count = gather_row(index, c, table_pointer, table_column, table_value, column, value)
                add_square(cell_weight[c], count, column, value, square)
            for r in range(n_rows):
                for i in range(size + 1):
                    for k in range(size + 1):
                        square[i, k] += here[i, r] * there[r, k]
            for i in range(size + 1):
                for k in range(i + 1):
                    each[j, i * (i + 1) // 2 + k] = square[i, k] + square[k, i]
        for c in range(start, stop):
            cell_weight[c] *= multiplicity[j]
        for i in range(size):
            sum_wx[j, i] = sums[W, i]
        if used + n_rows > len(right) or j == end - 1:
            add_products(left, right_vectors, used, width * LANES, width, product_vectors)
            used = 0
    for i in range(size + 1):
        for k in range(size + 1):
            total[i, k] += product[i, k]
