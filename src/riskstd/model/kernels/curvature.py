"""Compiled curvature: packed Hessians of facilities, and Gram matrices of patterns.

Rows of the design are sparse, so a cell touches a few entries of its facility's matrix.
A symmetric matrix of size m is packed by rows of its lower triangle: entry (i, k), k <= i, at i (i + 1) / 2 + k.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskstd.model.kernels.facility import bounded_exp


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
def add_square(weight, count, column, value, packed):
    """Add weight x row row' to a packed matrix."""
    for i in range(count):
        ci = column[i]
        vi = weight * value[i]
        for k in range(i + 1):
            ck = column[k]
            high, low = (ci, ck) if ci >= ck else (ck, ci)
            packed[high * (high + 1) // 2 + low] += vi * value[k]


@njit(cache=True, nogil=True, error_model="numpy")
def pattern_gram(index, table_pointer, table_column, table_value, weight, n_columns):
    """Packed sum of weight x row row' over the patterns."""
    packed = np.zeros(n_columns * (n_columns + 1) // 2)
    column = np.empty(n_columns, np.int64)
    value = np.empty(n_columns)
    for k in range(len(weight)):
        if weight[k] != 0.0:
            count = gather_row(index, k, table_pointer, table_column, table_value, column, value)
            add_square(weight[k], count, column, value, packed)
    return packed


@njit(cache=True, nogil=True, error_model="numpy")
def facility_hessian(kind, a, b, c, sums, u, f, s2, packed):
    """Complete the packed matrix of one facility from its sums over cells; see `laplace_hessians`."""
    size = len(a)
    w0, w1, w2 = sums
    d = 1.0 + s2 * w0
    u_tau = 2.0 * u / d
    last = size * (size + 1) // 2
    if kind == 0:
        for i in range(size):
            at = i * (i + 1) // 2
            scaled = f * a[i]
            for k in range(i + 1):
                packed[at + k] -= scaled * a[k]
            packed[last + i] = a[i] * u_tau
        packed[last + size] = 2.0 * (f * w0) ** 2
        return
    kappa = f * w1
    c0 = w2 - kappa * w1
    log_d_tau = 2.0 * f * w0 + kappa * u_tau
    for i in range(size):
        at = i * (i + 1) // 2
        ui = -f * a[i]
        cvi = c[i] - kappa * b[i]
        dwi = b[i] + w1 * ui
        # each entry is a product of row i and row k: collected so that one pass over k suffices
        from_a = -f * a[i] - 0.5 * f * f * cvi
        from_cv = 0.5 * f * ui
        from_u = 0.5 * f * c0 * ui
        from_dw = -0.5 * f * f * dwi
        for k in range(i + 1):
            uk = -f * a[k]
            dwk = b[k] + w1 * uk
            packed[at + k] += from_a * a[k] + from_cv * (c[k] - kappa * b[k]) + from_u * uk + from_dw * dwk
        u_beta_tau = f * (2.0 * ui / s2 - u_tau * dwi)
        cross = f * (u_tau * (c[i] + w2 * ui) + w1 * u_beta_tau) + 2.0 * f * dwi - f * dwi * log_d_tau
        packed[last + i] = 0.5 * cross - 2.0 * u / s2 * ui
    u_tau_tau = f * (-w1 * u_tau * u_tau + 4.0 * u_tau / s2 - 4.0 * u / s2)
    d_tau_tau = f * (4.0 * w0 + 4.0 * w1 * u_tau + w2 * u_tau * u_tau + w1 * u_tau_tau)
    packed[last + size] = 2.0 * u * u / s2 - 2.0 * u * u_tau / s2 + 0.5 * (d_tau_tau - log_d_tau**2)


@njit(cache=True, nogil=True, error_model="numpy")
def add_hessians(
    begin,
    end,
    kind,
    odds_table,
    index,
    pointer,
    n,
    table_pointer,
    table_column,
    table_value,
    tau,
    u,
    variance,
    sum_w1,
    multiplicity,
    total,
    each,
    each_a,
    cell_weight,
):
    """Add the packed negative Hessians of facilities begin .. end - 1 to `total`.

    The part X' diag(cell_weight) X is left to the caller, who can sum the weights of a
    pattern first; only `each` holds it.

    `each_a` takes sum w x of every facility; `each`, when it has rows, the packed Hessian.
    """
    size = each_a.shape[1]
    n_fixed = size * (size + 1) // 2
    n_packed = n_fixed + size + 1
    packed = np.empty(n_packed)
    a, b, c = np.empty(size), np.empty(size), np.empty(size)
    column = np.empty(size, np.int64)
    value = np.empty(size)
    n_blocks = index.shape[1]
    s2 = tau * tau
    keeps = len(each) > 0
    for j in range(begin, end):
        packed[:] = 0.0
        a[:] = 0.0
        b[:] = 0.0
        c[:] = 0.0
        w0, w1, w2 = 0.0, 0.0, 0.0
        f = variance[j]
        kappa = f * sum_w1[j]
        factor = bounded_exp(u[j])
        for cell in range(pointer[j], pointer[j + 1]):
            z = factor
            for k in range(n_blocks):
                z *= odds_table[index[cell, k]]
            q = 1.0 / (1.0 + z)
            p = z * q
            w = n[cell] * p * q
            wd = w * (q - p)
            wdd = w * (1.0 - 6.0 * p * q)
            w0 += w
            w1 += wd
            w2 += wdd
            count = gather_row(index, cell, table_pointer, table_column, table_value, column, value)
            if kind == 0:
                for i in range(count):
                    a[column[i]] += w * value[i]
            else:
                for i in range(count):
                    a[column[i]] += w * value[i]
                    b[column[i]] += wd * value[i]
                    c[column[i]] += wdd * value[i]
            in_square = w + 0.5 * f * kind * (wdd - kappa * wd)
            cell_weight[cell] = multiplicity[j] * in_square
            if keeps:
                add_square(in_square, count, column, value, each[j])
        facility_hessian(kind, a, b, c, (w0, w1, w2), u[j], f, s2, packed)
        for i in range(n_packed):
            total[i] += multiplicity[j] * packed[i]
        if keeps:
            for i in range(n_packed):
                each[j, i] += packed[i]
        for i in range(size):
            each_a[j, i] = a[i]
