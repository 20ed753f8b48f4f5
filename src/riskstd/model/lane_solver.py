"""Broyden steps of many resamples, eight at a time side by side.

A lane that is done takes the next resample at once, so that no lane waits for its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskstd.model.algebra import broyden_update
from riskstd.model.cells import FloatArray
from riskstd.model.evaluation import pack, unpack
from riskstd.model.lane_arrays import LANES, LaneWork
from riskstd.model.newton import bounded_step
from riskstd.model.refit import MAX_EVALUATIONS, MAX_LOG_TAU_FALL, Refit

if TYPE_CHECKING:
    from riskstd.model.lanes import LaneRefitter

BoolArray = NDArray[np.bool_]
LANE_DECREMENT = 0.01
LANE_ERROR = 0.001
"""Longest last step, and the error expected after it, in standard errors of the whole vector."""
LANE_MODE_STEP = 0.02
"""Halley step in log-odds after which a mode counts as found (the error left is its cube)."""
REML_STEP = 0.05
"""Step, in standard errors, below which the REML term is that of the evaluation before."""
MAX_LOG_TAU_RISE = 2.0


@dataclass(frozen=True, eq=False, repr=False)
class Start:
    """Where a resample begins: at the full fit, with the sums over its own facilities.

    Parameters
    ----------
    score : ndarray, shape (n_coefficients + 1,)
    events : ndarray, shape (n_coefficients,)
        Sum of y x.
    curvature, inverse : ndarray, shape (n_coefficients + 1, n_coefficients + 1)
    held : ndarray of bool, shape (n_coefficients + 1,)
    reml : float
        What REML adds to the score of log tau.
    """

    score: FloatArray
    events: FloatArray
    curvature: FloatArray
    inverse: FloatArray
    held: BoolArray
    reml: float


class LaneSolver:
    """The refits of one call."""

    def __init__(self, of: LaneRefitter, work: LaneWork, multiplicities: Sequence[FloatArray]) -> None:
        self._of, self._work, self._multiplicities = of, work, multiplicities
        self._refits: list[Refit | None] = [None] * len(multiplicities)
        self._starts: list[Start] = []
        self._n_begun, self._finished = 0, list[int]()
        m = len(of.start_theta)
        self._resample, self._count = np.full(LANES, -1), np.zeros(LANES, dtype=np.int64)
        self._theta = np.tile(of.start_theta, (LANES, 1))
        self._score, self._step, self._events = np.zeros((LANES, m)), np.zeros((LANES, m)), np.zeros((LANES, m - 1))
        self._curvature, self._inverse = np.zeros((LANES, m, m)), np.zeros((LANES, m, m))
        self._held = np.zeros((LANES, m), dtype=bool)
        self._reml, self._length, self._previous = np.zeros(LANES), np.ones(LANES), np.ones(LANES)
        self._final_theta, self._final_held = self._theta.copy(), self._held.copy()
        self._final_count = np.zeros(LANES, dtype=np.int64)
        # idle lanes hold the full fit
        work.copies[:], work.final_copies[:] = 1.0, 1.0
        work.u[:], work.sum_w[:], work.sum_w1[:] = (part[:, None] for part in of.start_modes)
        work.final_u[:], work.final_w[:] = work.u, work.sum_w

    def solve(self) -> list[Refit | None]:
        """Estimates of each resample; None where the steps do not settle."""
        waiting = self._fill(np.ones(LANES, dtype=bool))
        while self._resample.max() >= 0:
            while waiting.any():
                free = self._advance(waiting)
                waiting = self._fill(free)
            if self._resample.max() >= 0:
                waiting = self._evaluate()
        self._report()
        return self._refits

    def _fill(self, free: BoolArray) -> BoolArray:
        """Give waiting resamples to free lanes; which lanes begin one."""
        begins = np.zeros(LANES, dtype=bool)
        work, of = self._work, self._of
        for lane in np.flatnonzero(free):
            self._resample[lane] = -1
            if self._n_begun == len(self._multiplicities):
                continue
            if not self._starts:
                self._starts = self._prepare(self._multiplicities[self._n_begun : self._n_begun + LANES])
            start = self._starts.pop(0)
            number, self._n_begun = self._n_begun, self._n_begun + 1
            self._resample[lane], begins[lane] = number, True
            self._theta[lane], self._score[lane], self._events[lane] = of.start_theta, start.score, start.events
            self._curvature[lane], self._inverse[lane] = start.curvature, start.inverse
            self._held[lane], self._reml[lane] = start.held, start.reml
            self._count[lane], self._previous[lane] = 0, 1.0
            work.copies[:, lane] = self._multiplicities[number]
            work.u[:, lane], work.sum_w[:, lane], work.sum_w1[:, lane] = of.start_modes
        return begins

    def _prepare(self, multiplicities: Sequence[FloatArray]) -> list[Start]:
        work, of = self._work, self._of
        work.next_copies[:] = 1.0
        for lane, multiplicity in enumerate(multiplicities):
            work.next_copies[:, lane] = multiplicity
        score, events, *counts = of.split_start(of.start_values.sums(of.kernels, work.next_copies, work.room))
        held = of.held_coefficients(*counts)
        curvature = unpack(of.curvatures.sums(of.kernels, work.next_copies, work.room))
        if of.added_curvature is not None:
            curvature += of.added_curvature
        hold(curvature, held)
        inverse = inverses(curvature)
        reml = np.zeros(LANES)
        if of.is_reml:
            sum_w = of.start_modes[1][:, None]
            theta = np.tile(of.start_theta, (LANES, 1))
            reml = self._reml_term(work.next_copies, sum_w, theta, held)
            score[:, -1] += reml
        score[held] = 0.0
        return [
            Start(score[k], events[k], curvature[k], inverse[k], held[k], float(reml[k]))
            for k in range(len(multiplicities))
        ]

    def _advance(self, lanes: BoolArray) -> BoolArray:
        """Take the next step of some lanes; which of them are done or given up."""
        work, of = self._work, self._of
        step = np.einsum("lij,lj->li", self._inverse, self._score)
        # in the metric of the first curvature: an updated inverse need not be positive
        squared = np.einsum("li,lij,lj->l", step, self._curvature, step)
        goes_on = lanes & np.isfinite(squared) & (squared >= 0.0)
        self._step[lanes] = 0.0
        for lane in np.flatnonzero(goes_on):
            self._step[lane] = bounded_step(step[lane])
        work.step[:] = np.where(lanes[:, None], self._step, 0.0).T
        work.tau[0] = np.exp(self._theta[:, -1])
        of.kernels.move_modes(of.mean_rows, work.step, work.tau, work.u, work.sum_w, work.sum_w1)
        self._theta += work.step.T
        rise = self._theta[:, -1] - of.start_theta[-1]
        goes_on &= (rise > -MAX_LOG_TAU_FALL) & (rise < MAX_LOG_TAU_RISE)
        self._length[lanes] = np.sqrt(np.where(goes_on, squared, 1.0))[lanes]
        # the next step would be shorter by about as much as this one is than the one before
        expected_error = self._length**2 / self._previous
        done = goes_on & (self._length < LANE_DECREMENT) & (expected_error < LANE_ERROR)
        self._previous[lanes] = self._length[lanes]
        for lane in np.flatnonzero(done):
            self._finish(int(lane))
        return lanes & (done | ~goes_on | (self._count == MAX_EVALUATIONS))

    def _evaluate(self) -> BoolArray:
        """Evaluate the score of every lane at its theta; which lanes have a resample."""
        work, of = self._work, self._of
        busy = self._resample >= 0
        work.beta[:], work.tau[0] = self._theta[:, :-1].T, np.exp(self._theta[:, -1])
        work.evaluate(of, LANE_MODE_STEP)
        score = np.column_stack([self._events - work.residual_sums(of), work.score_tau[0]])
        if of.is_reml:
            changed = busy & (self._length > REML_STEP)
            if changed.any():
                term = self._reml_term(work.copies, work.sum_w, self._theta, self._held)
                self._reml = np.where(changed, term, self._reml)
            score[:, -1] += self._reml
        score[self._held] = 0.0
        for lane in np.flatnonzero(busy):
            change = self._score[lane] - score[lane]
            self._inverse[lane] = broyden_update(self._inverse[lane], self._step[lane], change)
        self._score[busy] = score[busy]
        self._count[busy] += 1
        return busy

    def _finish(self, lane: int) -> None:
        """Set the estimates of a lane aside until eight of them are reported together."""
        work, place = self._work, len(self._finished)
        self._finished.append(int(self._resample[lane]))
        self._final_theta[place], self._final_held[place] = self._theta[lane], self._held[lane]
        self._final_count[place] = self._count[lane]
        work.final_u[:, place], work.final_w[:, place] = work.u[:, lane], work.sum_w[:, lane]
        work.final_copies[:, place] = work.copies[:, lane]
        if len(self._finished) == LANES:
            self._report()

    def _report(self) -> None:
        if not self._finished:
            return
        work = self._work
        tau = np.exp(self._final_theta[:, -1])
        variance = 1.0 / (work.final_w + tau**-2.0)
        prediction = variance + self._added_variance()
        is_sound = np.all(np.isfinite(prediction) & (prediction >= variance), axis=0)
        for place, number in enumerate(self._finished):
            if is_sound[place]:
                self._refits[number] = Refit(
                    beta=self._final_theta[place, :-1].copy(),
                    tau=float(tau[place]),
                    effects=work.final_u[:, place].copy(),
                    effects_variance=variance[:, place].copy(),
                    prediction_variance=prediction[:, place].copy(),
                    flagged=bool(self._final_held[place].any()),
                    retried=False,
                    n_evaluations=int(self._final_count[place]),
                )
        self._finished.clear()

    def _added_variance(self) -> FloatArray:
        """f^2 a' V a of each facility and finished resample, shape (n_facilities, 8)."""
        work, of = self._work, self._of
        final = (work.final_copies, work.final_w, self._final_theta, self._final_held)
        shrunken, covariance = self._covariance(*final)
        work.packed[:] = pack(2.0 * covariance - covariance * np.eye(covariance.shape[1])).T
        of.kernels.quadratic_forms(of.mean_rows, work.packed, work.form)
        return shrunken**2 * work.form

    def _reml_term(self, copies: FloatArray, sum_w: FloatArray, theta: FloatArray, held: BoolArray) -> FloatArray:
        """Sum of f^2 a' V a / tau^2 over the facilities of each lane, as the trace of two matrices."""
        work, of = self._work, self._of
        shrunken, covariance = self._covariance(copies, sum_w, theta, held)
        np.multiply(copies * np.exp(-2.0 * theta[:, -1]), shrunken * shrunken, out=work.weight)
        squares = unpack(of.mean_squares.sums(of.kernels, work.weight, work.room))
        return np.einsum("lij,lij->l", covariance, squares)

    def _covariance(
        self, copies: FloatArray, sum_w: FloatArray, theta: FloatArray, held: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """Variance f times the sum of w, and covariance of beta of each lane.

        Within a facility the spread of x weighted by w hardly changes: the information on beta is
        sum_j m_j { W_j S_j + W_j f_j / tau^2 r_j r_j' },  r and S the mean and spread of the full fit.
        """
        work, of = self._work, self._of
        precision = np.exp(-2.0 * theta[:, -1])
        shrunken = sum_w / (sum_w + precision)
        np.multiply(copies, sum_w, out=work.weight)
        spread = of.spread.sums(of.kernels, work.weight, work.room)
        np.multiply(copies * precision, shrunken, out=work.weight)
        information = unpack(spread + of.mean_squares.sums(of.kernels, work.weight, work.more_room))
        hold(information, held)
        covariance = inverses(information)
        covariance[held[:, :-1]] = 0.0
        return shrunken, covariance


def hold(matrices: FloatArray, held: BoolArray) -> None:
    """Make the rows and columns of held coefficients those of the identity.

    Examples
    --------
    >>> matrices = np.array([[[4.0, 1.0], [1.0, 9.0]]])
    >>> hold(matrices, np.array([[False, True]]))
    >>> matrices.tolist()
    [[[4.0, 0.0], [0.0, 1.0]]]
    """
    for lane, k in zip(*np.nonzero(held), strict=True):
        matrices[lane, k, :] = matrices[lane, :, k] = 0.0
        matrices[lane, k, k] = 1.0


def inverses(matrices: FloatArray) -> FloatArray:
    """Inverse of each matrix; NaN throughout where it has none.

    Examples
    --------
    >>> inverses(np.array([[[2.0]], [[0.0]]])).ravel().tolist()
    [0.5, nan]
    """
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
    return np.concatenate([inverses(matrix[None]) for matrix in matrices])
