"""The plain path: the model's equations in numpy, array by array.

theta = (beta, log tau), beta with the intercept first. The nodes of facility j sit at
u_j + sqrt(2 f_j) x_q, u_j the mode and f_j the posterior variance; they move with theta, and
the score holds that movement, so it is the exact gradient of the quadrature sum.
One node is the Laplace approximation. It judges the compiled path and stands in for it.
"""

from __future__ import annotations

import numpy as np

from riskstd.model.cells import Cells, FloatArray
from riskstd.model.evaluation import (
    LAPLACE,
    Curvature,
    Evaluation,
    FacilityCurvature,
    HermiteRule,
    bounded_exp,
    pack,
)
from riskstd.model.hessian import exact_hessians, working_curvatures
from riskstd.model.modes import Modes, find_modes, modes_at


class PlainPath:
    """Evaluations of one set of cells by numpy."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells

    def evaluate(
        self,
        beta: FloatArray,
        tau: float,
        start: FloatArray,
        multiplicity: FloatArray,
        rule: HermiteRule,
        *,
        pseudo: bool,
        step_tolerance: float,
    ) -> Evaluation:
        """Log-likelihood, modes and score.

        Parameters
        ----------
        beta : ndarray, shape (n_coefficients,)
            Of the scaled columns.
        tau : float
            0 gives the plain logistic model.
        start : ndarray, shape (n_facilities,)
            First guess of the modes.
        multiplicity : ndarray, shape (n_facilities,)
            How often each facility counts in the score.
        rule : HermiteRule
        pseudo : bool
            Residuals and score of the pseudo-likelihood, without its REML term.
        step_tolerance : float

        Returns
        -------
        Evaluation
        """
        cells = self.cells
        at = find_modes(cells, cells.linear_predictor(beta), tau, start, step_tolerance)
        base = log_joint_at_mode(cells, beta, tau, at)
        value = base - 0.5 * np.log1p(tau**2 * at.sum_w)
        mean, residual, score_tau = at.u, cells.n * at.p, np.zeros(cells.n_facilities)
        node_weight = np.empty((cells.n_facilities, 0))
        if tau > 0 and pseudo:
            score_tau = at.u**2 / tau**2 - at.variance * at.sum_w
        elif tau > 0:
            value, residual, score_tau, mean, node_weight = _quadrature(cells, at, tau, rule, value)
        score = np.append(
            np.einsum("j,jq->q", multiplicity, cells.event_rows)
            - self.pattern_sum(cells.at_patterns(residual * multiplicity[cells.facility])),
            np.sum(multiplicity * score_tau),
        )
        return Evaluation(
            beta, tau, value, score, score_tau, at.u, at.sum_w, at.sum_w1, at.variance, mean, residual, node_weight
        )

    def facility_scores(self, at: Evaluation) -> FloatArray:
        """Score of each facility by (beta, log tau), shape (n_facilities, n_coefficients + 1)."""
        return np.column_stack([self.cells.event_rows - self.sum_rows(at.residual), at.score_tau])

    def sum_rows(self, per_cell: FloatArray) -> FloatArray:
        """Sum a value per cell times its row of the design, shape (n_facilities, n_coefficients)."""
        return self.cells.facility_sum_rows(per_cell)

    def curvature(
        self, at: Evaluation, multiplicity: FloatArray, *, pseudo: bool, rule: HermiteRule = LAPLACE
    ) -> Curvature:
        """Negative Hessian of the objective of a quadrature rule, or the working curvature of pseudo-likelihood."""
        each, sum_wx = self._hessians(at, pseudo, rule)
        return Curvature(np.einsum("j,jik->ik", multiplicity, each), sum_wx)

    def facility_curvature(self, at: Evaluation, *, pseudo: bool) -> FacilityCurvature:
        """Packed negative Hessian of the Laplace objective and sum of w x of each facility."""
        each, sum_wx = self._hessians(at, pseudo, LAPLACE)
        return FacilityCurvature(pack(each), sum_wx)

    def pattern_gram(self, per_pattern: FloatArray) -> FloatArray:
        """X' diag(value per pattern) X, shape (n_coefficients, n_coefficients)."""
        return self.cells.pattern_gram(per_pattern)

    def pattern_sum(self, per_pattern: FloatArray) -> FloatArray:
        """Sum of a value per pattern times its row, shape (n_coefficients,)."""
        # einsum runs on one thread: the bits do not depend on the number of cores
        return np.einsum("k,kq->q", per_pattern, self.cells.X)

    def predicted_expected(self, beta: FloatArray, effects: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sums over each facility's cases of the probability with its effect and without.

        Returns
        -------
        predicted, expected : ndarray, shape (n_facilities,)
        """
        cells = self.cells
        odds = cells.at_cells(bounded_exp(cells.linear_predictor(beta)))
        with_effect = odds * bounded_exp(effects)[cells.facility]
        predicted = cells.facility_sum(cells.n * (with_effect / (1.0 + with_effect)))
        return predicted, cells.facility_sum(cells.n * (odds / (1.0 + odds)))

    def _hessians(self, at: Evaluation, pseudo: bool, rule: HermiteRule) -> tuple[FloatArray, FloatArray]:
        """Negative Hessian and sum of w x of each facility."""
        modes = modes_at(self.cells, self.cells.linear_predictor(at.beta), at.u, at.tau)
        sum_wx = self.sum_rows(modes.w)
        if pseudo:
            return working_curvatures(self.cells, at.tau, modes), sum_wx
        weight = np.ones((self.cells.n_facilities, 1)) if len(rule.x) == 1 else at.node_weight
        return exact_hessians(self.cells, at.tau, modes, rule.x, weight), sum_wx


def log_joint_at_mode(cells: Cells, beta: FloatArray, tau: float, at: Modes) -> FloatArray:
    """Log-likelihood given the modes plus their log prior (without constants), per facility."""
    fixed = np.einsum("jq,q->j", cells.event_rows, beta) + cells.event_offset
    log_none = cells.facility_sum(cells.n * np.log1p(at.odds))
    prior = at.u**2 / (2.0 * tau**2) if tau > 0 else 0.0
    return fixed + cells.events * at.u - log_none - prior


def _quadrature(
    cells: Cells, at: Modes, tau: float, rule: HermiteRule, laplace: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Log-likelihood per facility, residual per cell, score of log tau, posterior mean, weights of the nodes."""
    kappa = at.variance * at.sum_w1
    # half the derivative of log D by the linear predictor of each case
    half_log_d = 0.5 * at.variance[cells.facility] * at.w * (at.q - at.p - kappa[cells.facility])
    u_tau = 2.0 * at.u / (1.0 + tau**2 * at.sum_w)
    log_d_tau = 2.0 * at.variance * at.sum_w + kappa * u_tau
    if len(rule.x) == 1:
        return laplace, cells.n * at.p + half_log_d, at.u**2 / tau**2 - 0.5 * log_d_tau, at.u, np.empty((len(at.u), 0))
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
    value = laplace + log_sum - 0.5 * np.log(np.pi)
    return value, residual, score_tau, at.u + np.sum(weight * shift, axis=1), weight


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
