"""Broyden steps of eight resamples side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskstd.model.algebra import broyden_update
from riskstd.model.cells import FloatArray, IntArray
from riskstd.model.evaluation import pack, unpack
from riskstd.model.lane_arrays import LANES, LaneWork
from riskstd.model.newton import bounded_step
from riskstd.model.refit import MAX_EVALUATIONS, MAX_LOG_TAU_FALL, Refit

if TYPE_CHECKING:
    from riskstd.model.lanes import LaneRefitter

LANE_DECREMENT = 0.01
LANE_ERROR = 0.001
"""Longest last step, and the error expected after it, in standard errors of the whole vector."""
LANE_MODE_STEP = 0.02
"""Halley step in log-odds after which a mode counts as found (the error left is its cube)."""
REML_STEP = 0.05
"""Step, in standard errors, below which the REML term is that of the evaluation before."""
MAX_LOG_TAU_RISE = 2.0


class LaneSolver:
    """One call's refits."""

    def __init__(self, of: LaneRefitter, work: LaneWork, multiplicities: Sequence[FloatArray]) -> None:
        self._of, self._work, self._n = of, work, len(multiplicities)
        # idle lanes repeat the full fit
        work.copies[:] = 1.0
        for lane, multiplicity in enumerate(multiplicities):
            work.copies[:, lane] = multiplicity
        of.kernels.weighted_sums(work.copies, of.start_values, work.start)
        self._score, self._beyond_laplace, self._events, *counts = of.split_start(work.start)
        self._held = of.held_coefficients(*counts)
        of.kernels.weighted_sums(work.copies, of.curvatures, work.curvature)
        self._curvature = unpack(work.curvature[: of.n_packed].T)
        if of.added_curvature is not None:
            self._curvature += of.added_curvature
        self._theta = np.tile(of.start_theta, (LANES, 1))
        self._reml = np.zeros(LANES)
        self._is_quadrature = of.method == of.kernels.QUADRATURE
        work.u[:], work.sum_w[:], work.sum_w1[:] = (part[:, None] for part in of.start_modes)

    def solve(self) -> list[Refit | None]:
        """Estimates of each resample; None where the steps do not settle."""
        n_evaluations = np.zeros(LANES, dtype=np.int64)
        settled = np.zeros(LANES, dtype=bool)
        score = self._finish_score(self._score, np.ones(LANES))
        self._hold(self._curvature)
        inverse, live = _inverses(self._curvature)
        live &= np.arange(LANES) < self._n
        previous = np.ones(LANES)
        for count in range(MAX_EVALUATIONS + 1):
            step = np.einsum("lij,lj->li", inverse, score)
            # in the metric of the first curvature: an updated inverse need not be positive
            squared = np.einsum("li,lij,lj->l", step, self._curvature, step)
            live &= np.isfinite(squared) & (squared >= 0.0)
            step = np.array([bounded_step(s) if ok else np.zeros_like(s) for s, ok in zip(step, live, strict=True)])
            self._move(step)
            rise = self._theta[:, -1] - self._of.start_theta[-1]
            live &= (rise > -MAX_LOG_TAU_FALL) & (rise < MAX_LOG_TAU_RISE)
            length = np.sqrt(np.where(live, squared, 1.0))
            # the next step would be shorter by about as much as this one is than the one before
            done = live & (length < LANE_DECREMENT) & (length**2 < LANE_ERROR * previous)
            if count == 1 and self._is_quadrature:
                # this step comes from Laplace's score
                done[:] = False
            previous = length
            self._keep_modes(done)
            n_evaluations[done] = count
            settled |= done
            live &= ~done
            if not live.any() or count == MAX_EVALUATIONS:
                break
            new_score = self._evaluate(length, is_first=count == 0)
            for lane in np.flatnonzero(live):
                inverse[lane] = broyden_update(inverse[lane], step[lane], score[lane] - new_score[lane])
            score = new_score
        return self._report(settled, n_evaluations)

    def _hold(self, curvature: FloatArray) -> None:
        """Rows and columns of held coefficients become those of the identity."""
        for lane, k in zip(*np.nonzero(self._held), strict=True):
            curvature[lane, k, :] = curvature[lane, :, k] = 0.0
            curvature[lane, k, k] = 1.0

    def _move(self, step: FloatArray) -> None:
        work, of = self._work, self._of
        work.tau[0] = np.exp(self._theta[:, -1])
        work.step[:] = step.T
        of.kernels.move_modes(of.mean_rows, work.step, work.tau, work.u, work.sum_w, work.sum_w1)
        self._theta += step

    def _evaluate(self, length: FloatArray, *, is_first: bool) -> FloatArray:
        """Score of every lane after a step of a length, shape (8, n_coefficients + 1).

        The first evaluation of quadrature is Laplace's with the difference of the full fit, which is near
        enough for a point that will be left again, and takes a third of the time.
        """
        work, of, layout = self._work, self._of, self._of.layout
        by_laplace = is_first and self._is_quadrature
        work.beta[:], work.tau[0] = self._theta[:, :-1].T, np.exp(self._theta[:, -1])
        work.fill_tables(of)
        of.kernels.evaluate(
            of.kernels.LAPLACE if by_laplace else of.method,
            work.tau, work.table, layout.index, layout.pointer, layout.n, of.cells.events, work.copies,
            LANE_MODE_STEP, of.nodes, of.log_weights, of.centre_log_weight, of.product_cases,
            work.u, work.sum_w, work.sum_w1, work.score_tau, work.probability, work.mean, work.nodes,
            work.group,
        )  # fmt: skip
        score = np.column_stack([self._events - work.residual_sums(of), work.score_tau[0]])
        if by_laplace:
            score += self._beyond_laplace
        return self._finish_score(score, length)

    def _finish_score(self, score: FloatArray, length: FloatArray) -> FloatArray:
        """Add what REML adds to the score of log tau; held coefficients have none."""
        if self._of.is_reml:
            changed = length > REML_STEP
            if changed.any():
                self._reml = np.where(changed, self._reml_term(), self._reml)
            score[:, -1] += self._reml
        score[self._held] = 0.0
        return score

    def _reml_term(self) -> FloatArray:
        """Sum of f^2 a' V a / tau^2 over the facilities of each lane, as the trace of two matrices."""
        work, of = self._work, self._of
        precision, shrunken, covariance = self._covariance(work.sum_w)
        np.multiply(work.copies * precision, shrunken * shrunken, out=work.weight)
        of.kernels.weighted_sums(work.weight, of.mean_squares, work.packed)
        return np.einsum("lij,lij->l", covariance, self._unpacked(work.packed))

    def _keep_modes(self, done: NDArray[np.bool_]) -> None:
        """Later passes of other lanes go on moving the modes: keep those of the lanes that are done."""
        work = self._work
        for lane in np.flatnonzero(done):
            work.final_u[:, lane], work.final_w[:, lane] = work.u[:, lane], work.sum_w[:, lane]

    def _covariance(self, sum_w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Precision of the effects, f times the sum of w, and covariance of beta of each lane at sums of w.

        Within a facility the spread of x weighted by w hardly changes: the information on beta is
        sum_j m_j { W_j S_j + W_j f_j / tau^2 r_j r_j' },  r and S the mean and spread of the full fit.
        """
        work, of = self._work, self._of
        precision = np.exp(-2.0 * self._theta[:, -1])
        shrunken = sum_w / (sum_w + precision)
        np.multiply(work.copies, sum_w, out=work.weight)
        of.kernels.weighted_sums(work.weight, of.spread, work.packed)
        np.multiply(work.copies * precision, shrunken, out=work.weight)
        of.kernels.weighted_sums(work.weight, of.mean_squares, work.more_packed)
        information = self._unpacked(work.packed + work.more_packed)
        self._hold(information)
        covariance, _ = _inverses(information)
        covariance[self._held[:, :-1]] = 0.0
        return precision, shrunken, covariance

    def _unpacked(self, packed: FloatArray) -> FloatArray:
        """Matrices by coefficients of packed sums (n, 8), shape (8, n_coefficients, n_coefficients)."""
        m = self._held.shape[1] - 1
        return unpack(packed[: m * (m + 1) // 2].T)

    def _added_variance(self, sum_w: FloatArray) -> FloatArray:
        """f^2 a' V a of each facility and lane at sums of w, shape (n_facilities, 8)."""
        work, of = self._work, self._of
        _, shrunken, covariance = self._covariance(sum_w)
        doubled = pack(2.0 * covariance - covariance * np.eye(covariance.shape[1]))
        work.packed[: doubled.shape[1]] = doubled.T
        of.kernels.quadratic_forms(of.mean_rows, work.packed, work.form)
        return shrunken**2 * work.form

    def _report(self, settled: NDArray[np.bool_], n_evaluations: IntArray) -> list[Refit | None]:
        work = self._work
        refits: list[Refit | None] = [None] * self._n
        # lanes that did not settle need numbers too
        work.final_w[:, ~settled] = 1.0
        tau = np.exp(self._theta[:, -1])
        variance = 1.0 / (work.final_w + tau**-2.0)
        prediction = variance + self._added_variance(work.final_w)
        is_sound = np.all(np.isfinite(prediction) & (prediction >= variance), axis=0)
        for lane in np.flatnonzero(settled & is_sound):
            refits[lane] = Refit(
                beta=self._theta[lane, :-1].copy(),
                tau=float(tau[lane]),
                effects=work.final_u[:, lane].copy(),
                effects_variance=variance[:, lane].copy(),
                prediction_variance=prediction[:, lane].copy(),
                flagged=bool(self._held[lane].any()),
                retried=False,
                n_evaluations=int(n_evaluations[lane]),
            )
        return refits


def _inverses(matrices: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Inverse of each matrix, and whether it has one; NaN where not."""
    try:
        return np.linalg.inv(matrices), np.ones(len(matrices), dtype=bool)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan), np.zeros(1, dtype=bool)
    parts = [_inverses(matrix[None]) for matrix in matrices]
    return np.concatenate([inverse for inverse, _ in parts]), np.concatenate([ok for _, ok in parts])
