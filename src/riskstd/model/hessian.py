"""Curvature per facility in numpy: exact Hessian of the log-likelihood, working weights.

Where h(u) is the log of the joint density of the events and the effect u of a facility, its mode u
satisfies h_u = 0, H = -h_uu = W + 1/tau^2 and f = 1/H. With node q at u_q = u + sqrt(2 f) x_q the log-likelihood is
-0.5 log(tau^2 H) + log sum_q exp(lw_q + h(u_q)). Its second derivative is, with the posterior weights pi
of the nodes, all derivatives along the moving nodes, (u_q)_t = u_t - 0.5 d_q L, d_q = u_q - u, L = (log H)_t:

-0.5 (1 + F1) (log H)_tt + F0 u_tt + 0.25 F1 L L' + sum pi [ K_q + g_q g_q' ] - (sum pi g_q) (sum pi g_q)'
F0 = sum pi h_u(u_q),  F1 = sum pi h_u(u_q) d_q,  g_q = h_t(u_q) + h_u(u_q) (u_q)_t
K_q = h_tt + h_tu (u_q)_t' + (u_q)_t h_tu' + h_uu (u_q)_t (u_q)_t'
u_t = f h_tu,  u_tt = f [ h_utt + h_uut u_t' + u_t h_uut' + h_uuu u_t u_t' ]  at the mode.

One node, with F0 = F1 = 0, gives the Hessian of the Laplace approximation.
"""

from __future__ import annotations

import numpy as np

from riskstd.model.cells import Cells, FloatArray
from riskstd.model.evaluation import bounded_exp, mode_slopes
from riskstd.model.modes import Modes


def exact_hessians(cells: Cells, tau: float, at: Modes, nodes: FloatArray, weight: FloatArray) -> FloatArray:
    """Negative Hessian of each facility's log-likelihood by (beta, log tau).

    Parameters
    ----------
    cells : Cells
    tau : float
        Above 0.
    at : Modes
        Modes at the point of interest.
    nodes : ndarray, shape (n_nodes,)
        Of the quadrature rule; one node gives the Laplace approximation.
    weight : ndarray, shape (n_facilities, n_nodes)
        Posterior weights of the nodes.

    Returns
    -------
    ndarray, shape (n_facilities, n_coefficients + 1, n_coefficients + 1)
    """
    size, precision, f = cells.n_coefficients, tau**-2, at.variance
    w1 = at.w * (at.q - at.p)
    w2 = at.w * (1.0 - 6.0 * at.p * at.q)
    h_ut, h_uut, c = (np.zeros((cells.n_facilities, size + 1)) for _ in range(3))
    for out, per_cell, sign in ((h_ut, at.w, -1.0), (h_uut, w1, -1.0), (c, w2, 1.0)):
        out[:, :size] = sign * cells.facility_sum_rows(per_cell)
    h_ut[:, size], h_uut[:, size] = 2.0 * precision * at.u, 2.0 * precision
    sum_w2 = cells.facility_sum(w2)
    u_t = f[:, None] * h_ut
    log_h_t = f[:, None] * (at.sum_w1[:, None] * u_t - h_uut)

    shift = np.sqrt(2.0 * f)[:, None] * nodes
    f_0, f_1, mean_square = (np.zeros(cells.n_facilities) for _ in range(3))
    h_uu = np.zeros((3, cells.n_facilities))
    h_tu = np.zeros((2, cells.n_facilities, size + 1))
    g_mean, out = np.zeros_like(h_ut), np.zeros((cells.n_facilities, size + 1, size + 1))
    mean_w = np.zeros(len(cells.n))
    for pi, d in zip(weight.T, shift.T, strict=True):
        odds = at.odds * bounded_exp(d)[cells.facility]
        p = odds / (1.0 + odds)
        w, node = cells.n * p / (1.0 + odds), at.u + d
        h_u = cells.events - cells.facility_sum(cells.n * p) - node * precision
        if len(nodes) == 1:
            h_u = np.zeros_like(h_u)
        mean_w += pi[cells.facility] * w
        f_0 += pi * h_u
        f_1 += pi * h_u * d
        mean_square += pi * node**2
        cross = np.column_stack([-cells.facility_sum_rows(w), 2.0 * precision * node])
        h_tu += np.stack([pi[:, None] * cross, (pi * d)[:, None] * cross])
        h_uu -= pi * (cells.facility_sum(w) + precision) * np.stack([np.ones_like(d), d, d**2])
        g = np.column_stack([cells.event_rows - cells.facility_sum_rows(cells.n * p), node**2 * precision])
        g += h_u[:, None] * (u_t - 0.5 * d[:, None] * log_h_t)
        g_mean += pi[:, None] * g
        out -= _outer(pi[:, None] * g, g)
    out += _outer(g_mean, g_mean)

    half = 0.5 * (1.0 + f_1)
    of_u_tt = half * f * at.sum_w1 - f_0
    bend = (of_u_tt * f)[:, None]
    cell_weight = mean_w + (f_0 * f)[cells.facility] * w1
    cell_weight += (half * f)[cells.facility] * (w2 - (f * at.sum_w1)[cells.facility] * w1)
    out[:, :size, :size] += cells.facility_grams(cell_weight)
    v = (half * f)[:, None] * c + bend * h_uut - h_tu[0] + 0.5 * h_uu[1][:, None] * log_h_t
    v += 0.5 * ((half * f * sum_w2)[:, None] - bend * at.sum_w1[:, None] - h_uu[0][:, None]) * u_t
    z = 0.5 * h_tu[1] - 0.5 * (half + 0.25 * f_1 + 0.25 * h_uu[2])[:, None] * log_h_t
    products = _outer(u_t, v) + _outer(log_h_t, z)
    out += products + products.transpose(0, 2, 1)
    out[:, size, size] += 4.0 * precision * (half * f - bend[:, 0] * at.u) + 2.0 * precision * mean_square
    return out


def working_curvatures(cells: Cells, tau: float, at: Modes) -> FloatArray:
    """Expected negative Jacobian of each facility's pseudo-likelihood equations.

    Its blocks of beta and of log tau are positive definite in sum.

    Returns
    -------
    ndarray, shape (n_facilities, n_coefficients + 1, n_coefficients + 1)
    """
    size = cells.n_coefficients
    out = np.empty((cells.n_facilities, size + 1, size + 1))
    a = cells.facility_sum_rows(at.w)
    u_tau = mode_slopes(at, tau, a)[1]
    out[:, :size, :size] = cells.facility_grams(at.w) - _outer(at.variance[:, None] * a, a)
    out[:, :size, size] = out[:, size, :size] = a * u_tau[:, None]
    out[:, size, size] = 2.0 * (at.variance * at.sum_w) ** 2
    return out


def _outer(left: FloatArray, right: FloatArray) -> FloatArray:
    return left[:, :, None] * right[:, None, :]
