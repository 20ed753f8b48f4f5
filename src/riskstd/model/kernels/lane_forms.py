"""Sums over facilities and forms of eight resamples side by side: curvatures, and what the covariance of beta adds.

Arrays are those of `riskstd.model.kernels.lanes`.
"""

from __future__ import annotations

from numba import njit

from riskstd.model.kernels.vector import load, splat, store, store_eight

BLOCK_FACILITIES = 64
"""Facilities whose values stay in the cache until all of them are added."""


@njit(cache=True, nogil=True, error_model="numpy")
def weighted_sums(weight, values, n_vectors, out):
    """Sum over facilities of weight (n_eights, n, 8) times their values, added to `out`, a resample after the other.

    `values` has `n_vectors` rows for each facility, `out` for each resample; all are of float64, or all of float32.
    """
    n = weight.shape[1]
    for first in range(0, n, BLOCK_FACILITIES):
        last = min(first + BLOCK_FACILITIES, n)
        for eight in range(len(weight)):
            copies, top = weight[eight], 8 * n_vectors * eight
            for k in range(top, top + n_vectors):
                a, b = load(out, k), load(out, n_vectors + k)
                c, d = load(out, 2 * n_vectors + k), load(out, 3 * n_vectors + k)
                e, f = load(out, 4 * n_vectors + k), load(out, 5 * n_vectors + k)
                g, h = load(out, 6 * n_vectors + k), load(out, 7 * n_vectors + k)
                for j in range(first, last):
                    value = load(values, j * n_vectors + k - top)
                    a = a + copies[j, 0] * value
                    b = b + copies[j, 1] * value
                    c = c + copies[j, 2] * value
                    d = d + copies[j, 3] * value
                    e = e + copies[j, 4] * value
                    f = f + copies[j, 5] * value
                    g = g + copies[j, 6] * value
                    h = h + copies[j, 7] * value
                store(out, k, a)
                store(out, n_vectors + k, b)
                store(out, 2 * n_vectors + k, c)
                store(out, 3 * n_vectors + k, d)
                store(out, 4 * n_vectors + k, e)
                store(out, 5 * n_vectors + k, f)
                store(out, 6 * n_vectors + k, g)
                store(out, 7 * n_vectors + k, h)


@njit(cache=True, nogil=True, error_model="numpy")
def forms_of_eight(rows, packed, out):
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
def quadratic_forms(rows, packed, out):
    """`forms_of_eight` of each of some eights, the first axis of all but `rows`."""
    for eight in range(len(packed)):
        forms_of_eight(rows, packed[eight], out[eight])


@njit(cache=True, nogil=True, error_model="numpy")
def set_information_weights(copies, sum_w, precision, spread_weight, mean_weight):
    """Weights of the spreads and of the squared means of facilities in the information on beta, as float32.

    Copies times W, and times W f / tau^2; `precision` (n_eights, 1, 8) is 1 / tau^2, the others have a row a facility.
    """
    for eight in range(len(copies)):
        by_tau = load(precision[eight], 0)
        for j in range(copies.shape[1]):
            k, w = load(copies[eight], j), load(sum_w[eight], j)
            store_eight(spread_weight[eight], j, k * w)
            store_eight(mean_weight[eight], j, k * (w / (w + by_tau) * by_tau))


@njit(cache=True, nogil=True, error_model="numpy")
def sum_added_variances(copies, sum_w, precision, form, out):
    """Sum of f^2 a' V a over the facilities of each resample, to `out` (n_eights, 1, 8)."""
    for eight in range(len(copies)):
        by_tau, total = load(precision[eight], 0), splat(0.0)
        for j in range(copies.shape[1]):
            total = total + load(copies[eight], j) * added_variance(load(sum_w[eight], j), by_tau, load(form[eight], j))
        store(out[eight], 0, total)


@njit(cache=True, nogil=True, error_model="numpy")
def added_variance(sum_w, precision, form):
    """f^2 a' V a of a facility, a = W x the mean of x; `form` is the mean' V mean."""
    share = sum_w / (sum_w + precision)
    return share * share * form
