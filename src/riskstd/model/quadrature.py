"""Log-likelihood and exact score, per facility: Laplace and adaptive Gauss-Hermite.

theta = (beta, log tau), beta with the intercept first. The nodes of facility j sit at
u_j + sqrt(2 f_j) x_q, u_j the mode and f_j the posterior variance; they move with theta, and
the score holds that movement, so it is the exact gradient of the quadrature sum.
One node is the Laplace approximation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import roots_hermite

from riskstd.model.cells import Cells, FloatArray
from riskstd.model.modes import MODE_STEP, Modes, bounded_exp, find_modes


@dataclass(frozen=True, eq=False, repr=False)
class HermiteRule:
    """Gauss-Hermite nodes x_q and log w_q + x_q^2, both of shape (n_nodes,).

    Examples
    --------
    >>> rule = HermiteRule.of(2)
    >>> (rule.x**2).round(12).tolist()
    [0.5, 0.5]
    """

    x: FloatArray
    log_weight: FloatArray

    @classmethod
    def of(cls, n_nodes: int) -> HermiteRule:
        """Build the rule with `n_nodes` nodes."""
        x, weight = roots_hermite(n_nodes)
        # a weight that underflows belongs to a node where the integrand is smaller still
        kept = weight > 0
        return cls(x[kept], np.log(weight[kept]) + x[kept] ** 2)


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Per facility: log-likelihood, score by (beta, log tau), modes, posterior mean.

    Parameters
    ----------
    log_likelihood : ndarray, shape (n_facilities,)
        Without binomial constants.
    score : ndarray, shape (n_facilities, n_coefficients + 1)
    modes : Modes
    mean : ndarray, shape (n_facilities,)
        Posterior mean of the effect; the mode for one node.
    """

    log_likelihood: FloatArray
    score: FloatArray
    modes: Modes
    mean: FloatArray


def evaluate(
    cells: Cells,
    theta: FloatArray,
    start: FloatArray,
    rule: HermiteRule,
    step_tolerance: float = MODE_STEP,
) -> Evaluation:
    """Evaluate log-likelihood and score of every facility at `theta`.

    Parameters
    ----------
    cells : Cells
    theta : ndarray, shape (n_coefficients + 1,)
        Coefficients of the standardised columns, then log tau.
    start : ndarray, shape (n_facilities,)
        First guess of the modes.
    rule : HermiteRule
    step_tolerance : float

    Returns
    -------
    Evaluation
    """
    beta, tau = theta[:-1], float(np.exp(theta[-1]))
    at = find_modes(cells, cells.linear_predictor(beta), tau, start, step_tolerance)
    base = log_joint_at_mode(cells, beta, tau, at)
    log_d = np.log1p(tau**2 * at.sum_w)
    kappa = at.variance * at.sum_w1
    # half the derivative of log D by the linear predictor of each case
    half_log_d = 0.5 * at.variance[cells.facility] * at.w * (at.q - at.p - kappa[cells.facility])
    u_tau = 2.0 * at.u / (1.0 + tau**2 * at.sum_w)
    log_d_tau = 2.0 * at.variance * at.sum_w + kappa * u_tau
    if len(rule.x) == 1:
        residual = cells.n * at.p + half_log_d
        score_tau = at.u**2 / tau**2 - 0.5 * log_d_tau
        return _evaluation(cells, base - 0.5 * log_d, residual, score_tau, at, at.u)
    shift = np.sqrt(2.0 * at.variance)[:, None] * rule.x  # (n_facilities, n_nodes)
    p_node, weight, log_sum, slope = _nodes(cells, at, shift, rule, tau)
    p_bar = np.zeros(len(cells.n))
    for node, p in enumerate(p_node):
        p_bar += weight[:, node][cells.facility] * p
    slope_mean = np.sum(weight * slope, axis=1)
    slope_shift = np.sum(weight * slope * shift, axis=1)
    residual = cells.n * p_bar + (slope_mean * at.variance)[cells.facility] * at.w
    residual += (slope_shift + 1.0)[cells.facility] * half_log_d
    second_moment = np.sum(weight * (at.u[:, None] + shift) ** 2, axis=1)
    score_tau = second_moment / tau**2 + slope_mean * u_tau
    score_tau += slope_shift * (1.0 - 0.5 * log_d_tau) - 0.5 * log_d_tau
    value = base - 0.5 * log_d + log_sum - 0.5 * np.log(np.pi)
    return _evaluation(cells, value, residual, score_tau, at, at.u + np.sum(weight * shift, axis=1))


def log_likelihood_at_zero_tau(cells: Cells, beta: FloatArray) -> FloatArray:
    """Log-likelihood per facility without facility effects, shape (n_facilities,)."""
    at = find_modes(cells, cells.linear_predictor(beta), 0.0, np.zeros(cells.n_facilities))
    return log_joint_at_mode(cells, beta, 0.0, at)


def log_joint_at_mode(cells: Cells, beta: FloatArray, tau: float, at: Modes) -> FloatArray:
    """Log-likelihood given the modes plus their log prior (without constants), per facility."""
    fixed = np.einsum("jq,q->j", cells.event_rows, beta) + cells.event_offset
    log_none = cells.facility_sum(cells.n * np.log1p(at.odds))
    prior = at.u**2 / (2.0 * tau**2) if tau > 0 else 0.0
    return fixed + cells.events * at.u - log_none - prior


def _nodes(
    cells: Cells, at: Modes, shift: FloatArray, rule: HermiteRule, tau: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Event probabilities at the nodes, posterior weights, log of their sum, slopes."""
    n_nodes = len(rule.x)
    p_node = np.empty((n_nodes, len(cells.n)))
    log_none = np.empty(shift.shape)
    expected = np.empty(shift.shape)
    factor = bounded_exp(shift)
    for node in range(n_nodes):
        odds = at.odds * factor[:, node][cells.facility]
        total = 1.0 + odds
        p_node[node] = odds / total
        log_none[:, node] = cells.facility_sum(cells.n * np.log(total))
        expected[:, node] = cells.facility_sum(cells.n * p_node[node])
    at_mode = cells.facility_sum(cells.n * np.log1p(at.odds))
    u = at.u[:, None]
    change = cells.events[:, None] * shift - (log_none - at_mode[:, None])
    change -= (2.0 * u * shift + shift**2) / (2.0 * tau**2)
    exponent = rule.log_weight + change
    top = exponent.max(axis=1, keepdims=True)
    weight = np.exp(exponent - top)
    total_weight = weight.sum(axis=1, keepdims=True)
    log_sum = (top + np.log(total_weight))[:, 0]
    slope = cells.events[:, None] - expected - (u + shift) / tau**2
    return p_node, weight / total_weight, log_sum, slope


def _evaluation(
    cells: Cells, value: FloatArray, residual: FloatArray, score_tau: FloatArray, at: Modes, mean: FloatArray
) -> Evaluation:
    score = np.empty((cells.n_facilities, cells.n_coefficients + 1))
    score[:, :-1] = cells.event_rows - cells.facility_sum_rows(residual)
    score[:, -1] = score_tau
    return Evaluation(value, score, at, mean)
