"""Curvature per facility in numpy: exact Hessian of the Laplace objective, working weights."""

from __future__ import annotations

import numpy as np

from riskstd.model.cells import Cells, FloatArray
from riskstd.model.evaluation import mode_slopes
from riskstd.model.modes import Modes


def laplace_hessians(cells: Cells, tau: float, at: Modes) -> FloatArray:
    """Negative Hessian of each facility's Laplace log-likelihood by (beta, log tau).

    Parameters
    ----------
    cells : Cells
    tau : float
        Above 0.
    at : Modes
        Modes at the point of interest.

    Returns
    -------
    ndarray, shape (n_facilities, n_coefficients + 1, n_coefficients + 1)
    """
    s2 = tau**2
    w1 = at.w * (at.q - at.p)
    w2 = at.w * (1.0 - 6.0 * at.p * at.q)
    a, b, c = (cells.facility_sum_rows(v) for v in (at.w, w1, w2))
    sum_w, sum_w1, sum_w2 = at.sum_w, at.sum_w1, cells.facility_sum(w2)
    f, kappa = at.variance, at.variance * at.sum_w1
    u_beta, u_tau = mode_slopes(at, tau, a)
    d_w = b + sum_w1[:, None] * u_beta
    g_beta = f[:, None] * d_w
    u_beta_tau = f[:, None] * (2.0 * u_beta / s2 - u_tau[:, None] * d_w)
    u_tau_tau = f * (-sum_w1 * u_tau**2 + 4.0 * u_tau / s2 - 4.0 * at.u / s2)
    log_d_tau = 2.0 * f * sum_w + kappa * u_tau
    c_v = c - kappa[:, None] * b
    c_0 = sum_w2 - kappa * sum_w1
    cell_weight = at.w + 0.5 * f[cells.facility] * (w2 - kappa[cells.facility] * w1)

    size = cells.n_coefficients
    out = np.empty((cells.n_facilities, size + 1, size + 1))
    fixed = cells.facility_grams(cell_weight)
    fixed -= _outer(f[:, None] * a, a) + 0.5 * _outer(g_beta, g_beta)
    mixed = 0.5 * _outer(f[:, None] * c_v, u_beta)
    fixed += mixed + mixed.transpose(0, 2, 1) + 0.5 * _outer((f * c_0)[:, None] * u_beta, u_beta)
    out[:, :size, :size] = fixed
    cross = u_tau[:, None] * (c + sum_w2[:, None] * u_beta) + sum_w1[:, None] * u_beta_tau
    cross = 0.5 * (f[:, None] * cross + 2.0 * g_beta - g_beta * log_d_tau[:, None])
    cross -= (2.0 * at.u / s2)[:, None] * u_beta
    out[:, :size, size] = out[:, size, :size] = cross
    d_tau_tau = f * (4.0 * sum_w + 4.0 * sum_w1 * u_tau + sum_w2 * u_tau**2 + sum_w1 * u_tau_tau)
    out[:, size, size] = 2.0 * at.u**2 / s2 - 2.0 * at.u * u_tau / s2 + 0.5 * (d_tau_tau - log_d_tau**2)
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
