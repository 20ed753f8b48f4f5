"""Refits of one model to resampled facilities, warm-started from the full fit.

A facility drawn k times counts k times in every sum, which equals k distinct copies. The score
and curvature of each facility at the full fit give the first Newton step of any
resample without a pass over the data; Broyden updates of the inverse Hessian do the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError
from riskstd.model.algebra import broyden_update, total
from riskstd.model.cells import FloatArray
from riskstd.model.checks import check_estimates_finite, is_separated, level_counts
from riskstd.model.evaluation import MODE_STEP, Evaluation, mode_slopes, unpack
from riskstd.model.fit import estimate_from_pooled
from riskstd.model.newton import bounded_step
from riskstd.model.objective import added_variance, make_objective
from riskstd.model.paths import path_of
from riskstd.model.pooled import fit_pooled
from riskstd.model.ratio_draws import RatioDraws
from riskstd.model.result import HierarchicalFit

REFIT_DECREMENT = 1e-4
"""Distance to the optimum, in standard errors, at which a refit stops."""
REFIT_MODE_STEP = 1e-3
POOLED_TOLERANCE = 0.05
"""Distance in standard errors at which the pooled start of a full refit is good enough."""
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
        In the order of the cells of the fit, by content.
    flagged : bool
        Whether a risk factor was separated here and kept its coefficient of the full fit.
    retried : bool
        Whether the warm start failed and a full fit took its place.
    n_evaluations : int
        Evaluations of the objective.
    """

    beta: FloatArray
    tau: float
    effects: FloatArray
    effects_variance: FloatArray
    prediction_variance: FloatArray
    flagged: bool
    retried: bool
    n_evaluations: int


class Refitter:
    """Refits a model to facility multiplicities, one after another.

    Parameters
    ----------
    fit : HierarchicalFit
    threads : int, optional
        All processors when left out.
    """

    def __init__(self, fit: HierarchicalFit, threads: int | None = None) -> None:
        data = fit.data
        self.cells, self._order = data.cells, data.order
        self._threads = threads
        self._objective = make_objective(data.cells, fit.method, fit.n_nodes, data.pql_form, threads)
        self.path = self._objective.path
        self._beta, self._tau = data.beta, fit.tau
        self._columns, self._high_cases, self._high_events = level_counts(data.cells)
        if not fit.singular:
            self.start_theta = np.append(data.beta, np.log(fit.tau))
            ones = np.ones(data.cells.n_facilities)
            self._at = self._objective.evaluate(self.start_theta, self._order.by_content(fit.effects), ones)
            curvature = self.path.facility_curvature(self._at, pseudo=self._objective.pseudo)
            self._packed = curvature.packed
            self._sum_wx = curvature.sum_wx
            self._mode_slopes = mode_slopes(self._at, fit.tau, curvature.sum_wx)
            self._scores = self.path.facility_scores(self._at)

    def use_threads(self, threads: int) -> None:
        """Take so many threads for each refit from now on."""
        self._threads, self.path = threads, path_of(self.cells, threads)
        self._objective = replace(self._objective, path=self.path)

    def refit(self, multiplicity: FloatArray) -> Refit | None:
        """Refit to facilities counted `multiplicity` times each.

        Parameters
        ----------
        multiplicity : ndarray, shape (n_facilities,)
            Whole numbers in the order of the cells of the fit; 0 leaves a facility out, yet its effect
            is still reported.

        Returns
        -------
        Refit or None
            None when neither the warm start nor a full fit converges.
        """
        held = self._separated(multiplicity)
        at, n_evaluations = self._warm(multiplicity, held)
        if at is None:
            return self.refit_in_full(multiplicity, held)
        return self._report(at, multiplicity, held, retried=False, n_evaluations=n_evaluations)

    def refit_in_full(self, multiplicity: FloatArray, held: NDArray[np.bool_]) -> Refit | None:
        """Refit from the pooled start, with step-halving and tau = 0 where it belongs.

        Parameters
        ----------
        multiplicity : ndarray, shape (n_facilities,)
        held : ndarray of bool, shape (n_coefficients,)
            Coefficients that stay at the full fit's.

        Returns
        -------
        Refit or None
        """
        at, n_iterations = self._full(multiplicity, held)
        if at is None:
            return None
        # a full fit with tau = 0 has no warm start to fail
        return self._report(at, multiplicity, held, retried=self._tau > 0, n_evaluations=n_iterations)

    def _report(
        self, at: Evaluation, multiplicity: FloatArray, held: NDArray[np.bool_], *, retried: bool, n_evaluations: int
    ) -> Refit | None:
        added = np.zeros_like(at.u)
        if at.tau > 0:
            added = added_variance(at, self._objective.working_curvature(at, multiplicity), ~held)
            if not np.all(np.isfinite(added)):
                return None
        return Refit(at.beta, at.tau, at.u, at.variance, at.variance + added, bool(held.any()), retried, n_evaluations)

    def refit_many(self, multiplicities: Sequence[FloatArray] | FloatArray) -> list[Refit | None]:
        """Refit to each of some multiplicities."""
        return [self.refit(multiplicity) for multiplicity in multiplicities]

    def draw_ratios(self, multiplicities: FloatArray, normals: FloatArray, *, with_beta: bool) -> RatioDraws:
        """Refit to each of some multiplicities, draw an effect for every facility, and take the ratios.

        Parameters
        ----------
        multiplicities, normals : ndarray, shape (n, n_facilities)
            The second are standard normal deviates.
        with_beta : bool
            Whether effects are drawn with the uncertainty of beta.

        Returns
        -------
        RatioDraws
        """
        draws = RatioDraws.room(self.cells.n_facilities, len(multiplicities))
        for k, refit in enumerate(self.refit_many(multiplicities)):
            self._enter(draws, k, refit, multiplicities[k], normals[k], with_beta=with_beta)
        return draws

    def _enter(
        self,
        draws: RatioDraws,
        k: int,
        refit: Refit | None,
        multiplicity: FloatArray,
        normal: FloatArray,
        *,
        with_beta: bool,
    ) -> None:
        """Enter resample k, or drop it without a refit."""
        if refit is None:
            draws.drop(k)
            return
        variance = refit.prediction_variance if with_beta else refit.effects_variance
        predicted, expected = self.path.predicted_expected(refit.beta, refit.effects + np.sqrt(variance) * normal)
        draws.enter(k, self._order.by_label(np.where(multiplicity > 0, predicted / expected, np.nan)), refit)

    def _separated(self, multiplicity: FloatArray) -> NDArray[np.bool_]:
        """Coefficients whose two-valued column separates the resample, shape (n_coefficients,)."""
        n_cases = float(np.sum(multiplicity * self.cells.cases))
        n_events = float(np.sum(multiplicity * self.cells.events))
        cases = np.einsum("j,jk->k", multiplicity, self._high_cases)
        events = np.einsum("j,jk->k", multiplicity, self._high_events)
        return self._held(cases, events, n_cases, n_events)

    def _held(self, cases: FloatArray, events: FloatArray, n_cases: float, n_events: float) -> NDArray[np.bool_]:
        """Coefficients to hold, from cases and events at the upper level of each two-valued column, and of all."""
        held = np.zeros(self.cells.n_coefficients, dtype=bool)
        held[1 + self._columns[is_separated(cases, events, n_cases, n_events)]] = True
        return held

    def _warm(self, multiplicity: FloatArray, held: NDArray[np.bool_]) -> tuple[Evaluation | None, int]:
        """Where the steps settle, or None, and the evaluations it took."""
        if self._tau == 0.0:
            return None, 0
        free = np.append(~held, True)
        curvature = unpack(total(multiplicity, self._packed))[np.ix_(free, free)]
        try:
            inverse = np.linalg.inv(curvature)
        except np.linalg.LinAlgError:
            return None, 0
        theta, at = self.start_theta, self._at
        if self._objective.reml:
            at = self._objective.evaluate(theta, at.u, multiplicity, REFIT_MODE_STEP)
            score = at.score[free]
        else:
            score = total(multiplicity, self._scores)[free]
        for n_evaluations in range(MAX_EVALUATIONS):
            move = inverse @ score
            # in the metric of the first curvature: an updated inverse need not be positive
            distance_squared = move @ curvature @ move
            if not np.isfinite(distance_squared) or distance_squared < 0:
                return None, n_evaluations
            if distance_squared < REFIT_DECREMENT**2:
                return at, n_evaluations
            step = np.zeros(len(theta))
            step[free] = move
            step = bounded_step(step)
            theta = theta + step
            if abs(theta[-1] - self.start_theta[-1]) > MAX_LOG_TAU_FALL:
                return None, n_evaluations
            at = self._objective.evaluate(theta, self._guess(at, step), multiplicity, REFIT_MODE_STEP)
            new_score = at.score[free]
            inverse = broyden_update(inverse, step[free], score - new_score)
            score = new_score
        return None, MAX_EVALUATIONS

    def _guess(self, at: Evaluation, step: FloatArray) -> FloatArray:
        u_beta, u_tau = self._mode_slopes
        return at.u + np.einsum("jq,q->j", u_beta, step[:-1]) + u_tau * step[-1]

    def _full(self, multiplicity: FloatArray, held: NDArray[np.bool_]) -> tuple[Evaluation | None, int]:
        """Optimum from the pooled start, or None, and the iterations it took."""
        cells, objective = self.cells, self._objective
        if held.any():
            cells = cells.hold_coefficients(held, self._beta)
            objective = replace(objective, path=path_of(cells, self._threads))
        pooled = fit_pooled(objective.path, multiplicity, POOLED_TOLERANCE, start=self._beta[~held])
        names = tuple(str(k) for k in range(cells.n_coefficients - 1))
        try:
            check_estimates_finite(cells, pooled, names)
        except FitError:
            return None, 0
        assert pooled is not None
        estimate = estimate_from_pooled(objective, pooled, multiplicity)
        n_iterations = len(estimate.path)
        if not estimate.converged:
            return None, n_iterations
        theta = np.append(self._beta, np.log(estimate.at.tau) if estimate.at.tau > 0 else -np.inf)
        theta[:-1][~held] = estimate.at.beta
        return self._objective.evaluate(theta, estimate.at.u, multiplicity, MODE_STEP), n_iterations
