"""Refits of one model to resampled facilities, warm-started from the full fit.

A facility drawn k times counts k times in every sum, which equals k distinct copies. The score
and curvature of each facility at the full fit give the first Newton step of any
resample without a pass over the data; Broyden updates of the inverse Hessian do the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError
from riskstd.model.cells import Cells, FloatArray
from riskstd.model.checks import check_estimates_finite, is_separated, level_counts
from riskstd.model.curvature import mode_derivatives, total
from riskstd.model.fit import Objective, estimate_from_pooled, make_objective
from riskstd.model.modes import Modes, find_modes
from riskstd.model.newton import bounded_step
from riskstd.model.pooled import fit_pooled
from riskstd.model.pseudo import fixed_effect_variance
from riskstd.model.quadrature import Evaluation
from riskstd.model.result import HierarchicalFit

REFIT_DECREMENT = 1e-4
"""Distance to the optimum, in standard errors, at which a refit stops."""
REFIT_MODE_STEP = 1e-3
MAX_EVALUATIONS = 15
MAX_LOG_TAU_FALL = 3.0
"""Fall of log tau from the full fit beyond which the resample may lie on the boundary."""


@dataclass(frozen=True, eq=False, repr=False)
class Refit:
    """Estimates of one resample.

    Parameters
    ----------
    beta : ndarray, shape (n_coefficients,)
        Of the standardised columns of the full fit.
    tau : float
    effects, effects_variance, prediction_variance : ndarray, shape (n_facilities,)
    flagged : bool
        Whether a risk factor was separated here and kept its coefficient of the full fit.
    retried : bool
        Whether the warm start failed and a full fit took its place.
    """

    beta: FloatArray
    tau: float
    effects: FloatArray
    effects_variance: FloatArray
    prediction_variance: FloatArray
    flagged: bool
    retried: bool


class Refitter:
    """Refits a model to facility multiplicities.

    Parameters
    ----------
    fit : HierarchicalFit
    """

    def __init__(self, fit: HierarchicalFit) -> None:
        data = fit._data
        self.cells = data.cells
        self._method, self._n_nodes, self._pql_form = fit.method, fit.n_nodes, data.pql_form
        self._objective: Objective = self._make_objective(data.cells)
        self._curvatures = data.curvatures
        self._beta, self._tau = data.beta, fit.tau
        self._columns, self._high_cases, self._high_events = level_counts(data.cells)
        if data.curvatures is not None:
            self._theta = np.append(data.beta, np.log(fit.tau))
            ones = np.ones(data.cells.n_facilities)
            self._at = self._objective.evaluate(self._theta, np.array(fit.effects), ones)
            self._mode_slopes = mode_derivatives(data.cells, self._at.modes, fit.tau)

    def refit(self, multiplicity: FloatArray) -> Refit | None:
        """Refit to facilities counted `multiplicity` times each.

        Parameters
        ----------
        multiplicity : ndarray, shape (n_facilities,)
            Whole numbers; 0 leaves a facility out, yet its effect is still reported.

        Returns
        -------
        Refit or None
            None when neither the warm start nor a full fit converges.
        """
        held = self._separated(multiplicity)
        warm = self._warm(multiplicity, held)
        if warm is not None:
            beta, tau, modes, retried = *warm, False
        else:
            full = self._full(multiplicity, held)
            if full is None:
                return None
            # a full fit with tau = 0 has no warm start to fail
            beta, tau, modes, retried = *full, self._curvatures is not None
        added = np.zeros_like(modes.u)
        if tau > 0:
            added = fixed_effect_variance(self.cells, modes, multiplicity, ~held)
            if not np.all(np.isfinite(added)):
                return None
        return Refit(beta, tau, modes.u, modes.variance, modes.variance + added, bool(held.any()), retried)

    def _make_objective(self, cells: Cells) -> Objective:
        return make_objective(cells, self._method, self._n_nodes, self._pql_form)

    def _separated(self, multiplicity: FloatArray) -> NDArray[np.bool_]:
        """Coefficients whose two-valued column separates the resample, shape (n_coefficients,)."""
        held = np.zeros(self.cells.n_coefficients, dtype=bool)
        n_cases = float(np.sum(multiplicity * self.cells.cases))
        n_events = float(np.sum(multiplicity * self.cells.events))
        cases = np.einsum("j,jk->k", multiplicity, self._high_cases)
        events = np.einsum("j,jk->k", multiplicity, self._high_events)
        held[1 + self._columns[is_separated(cases, events, n_cases, n_events)]] = True
        return held

    def _warm(self, multiplicity: FloatArray, held: NDArray[np.bool_]) -> tuple[FloatArray, float, Modes] | None:
        if self._curvatures is None:
            return None
        free = np.append(~held, True)
        curvature = total(multiplicity, self._curvatures)[np.ix_(free, free)]
        try:
            inverse = np.linalg.inv(curvature)
        except np.linalg.LinAlgError:
            return None
        theta, at = self._theta, self._at
        if self._method == "pql":
            at = self._objective.evaluate(theta, at.modes.u, multiplicity, REFIT_MODE_STEP)
        score = total(multiplicity, at.score)[free]
        for _ in range(MAX_EVALUATIONS):
            move = inverse @ score
            # in the metric of the first curvature: an updated inverse need not be positive
            distance_squared = move @ curvature @ move
            if not np.isfinite(distance_squared) or distance_squared < 0:
                return None
            if distance_squared < REFIT_DECREMENT**2:
                return theta[:-1], float(np.exp(theta[-1])), at.modes
            step = np.zeros(len(theta))
            step[free] = move
            step = bounded_step(step)
            theta = theta + step
            if abs(theta[-1] - self._theta[-1]) > MAX_LOG_TAU_FALL:
                return None
            at = self._objective.evaluate(theta, self._guess(at, step), multiplicity, REFIT_MODE_STEP)
            new_score = total(multiplicity, at.score)[free]
            inverse = broyden_update(inverse, step[free], score - new_score)
            score = new_score
        return None

    def _guess(self, at: Evaluation, step: FloatArray) -> FloatArray:
        u_beta, u_tau = self._mode_slopes
        return at.modes.u + np.einsum("jq,q->j", u_beta, step[:-1]) + u_tau * step[-1]

    def _full(self, multiplicity: FloatArray, held: NDArray[np.bool_]) -> tuple[FloatArray, float, Modes] | None:
        cells = hold_coefficients(self.cells, held, self._beta)
        pooled = fit_pooled(cells, multiplicity)
        names = tuple(str(k) for k in range(cells.n_coefficients - 1))
        try:
            check_estimates_finite(cells, pooled, names)
        except FitError:
            return None
        assert pooled is not None
        estimate = estimate_from_pooled(self._make_objective(cells), pooled, multiplicity)
        if not estimate.converged:
            return None
        beta = self._beta.copy()
        beta[~held] = estimate.beta
        log_odds = self.cells.linear_predictor(beta)
        return beta, estimate.tau, find_modes(self.cells, log_odds, estimate.tau, estimate.modes.u)


def broyden_update(inverse: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """Good Broyden update of an inverse Jacobian, so that inverse @ change = step.

    Examples
    --------
    >>> updated = broyden_update(np.eye(2), np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    >>> (updated @ [2.0, 0.0]).tolist()
    [1.0, 0.0]
    """
    moved = inverse @ change
    size = step @ moved
    if size == 0:
        return inverse
    return inverse + np.outer(step - moved, step @ inverse) / size


def hold_coefficients(cells: Cells, held: NDArray[np.bool_], beta: FloatArray) -> Cells:
    """Move held columns and their coefficients into the offset.

    Parameters
    ----------
    cells : Cells
    held : ndarray of bool, shape (n_coefficients,)
        The intercept is never held.
    beta : ndarray, shape (n_coefficients,)

    Returns
    -------
    Cells
    """
    if not held.any():
        return cells
    offset = cells.offset + np.einsum("kq,q->k", cells.X[:, held], beta[held])
    kept = ~held
    return replace(
        cells,
        X=np.ascontiguousarray(cells.X[:, kept]),
        offset=offset,
        center=cells.center[kept[1:]],
        scale=cells.scale[kept[1:]],
    )
