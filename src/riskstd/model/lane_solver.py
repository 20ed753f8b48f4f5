"""Refits of many resamples, eight at a time side by side.

Eight resamples begin together where the expansion of the score leads them; most are done after one pass over
the data. Those that are not wait until eight of them go on together with Broyden steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstd.model.algebra import broyden_update
from riskstd.model.cells import FloatArray
from riskstd.model.evaluation import unpack
from riskstd.model.lane_arrays import LANES, LaneWork
from riskstd.model.lane_covariance import added_variance, fill_forms, reml_term
from riskstd.model.newton import bounded_step
from riskstd.model.refit import MAX_EVALUATIONS, MAX_LOG_TAU_FALL, Refit
from riskstd.model.score_expansion import lengths

if TYPE_CHECKING:
    from riskstd.model.lanes import LaneRefitter

BoolArray = NDArray[np.bool_]
LANE_ERROR = 0.001
"""Error expected after the last step, in standard errors of the whole vector."""
LANE_MODE_STEP = 0.02
"""Halley step in log-odds after which a mode counts as found (the error left is its cube)."""
MAX_LOG_TAU_RISE = 2.0


class Steps(NamedTuple):
    """Where resamples stand: one of them, or eight along the first axis; m coefficients with log tau.

    Parameters
    ----------
    number : ndarray of int, shape (8,)
        Places among the multiplicities; -1 in lanes that only fill up the eight.
    theta, score, step : ndarray, shape (8, m)
        Theta, the score there, and the step to take next.
    events : ndarray, shape (8, m - 1)
        Sum of y x.
    curvature, inverse : ndarray, shape (8, m, m)
        Curvature at the full fit, in whose metric steps are measured; the present inverse.
    held : ndarray of bool, shape (8, m)
    length : ndarray, shape (8,)
        Of the step, in standard errors.
    n_evaluations : ndarray of int, shape (8,)
    """

    number: NDArray[Any]
    theta: FloatArray
    score: FloatArray
    step: FloatArray
    events: FloatArray
    curvature: FloatArray
    inverse: FloatArray
    held: BoolArray
    length: FloatArray
    n_evaluations: NDArray[Any]


class Waiting(NamedTuple):
    """A resample that goes on later: its steps, and its modes and sums of w, shape (3, n_facilities)."""

    steps: Steps
    modes: FloatArray


class LaneSolver:
    """The refits of one call."""

    def __init__(self, of: LaneRefitter, work: LaneWork, multiplicities: Sequence[FloatArray]) -> None:
        self._of, self._work, self._multiplicities = of, work, multiplicities
        self._refits: list[Refit | None] = [None] * len(multiplicities)

    def solve(self) -> list[Refit | None]:
        """Estimates of each resample; None where the steps do not settle."""
        waiting: list[Waiting] = []
        copies = self._copies(np.arange(len(self._multiplicities)))
        values = self._of.start_values.sums(self._of.kernels, copies)
        curvatures = self._of.curvatures.sums(self._of.kernels, copies.astype(np.float32))
        for place, (eight, value, curvature) in enumerate(zip(copies, values, curvatures, strict=True)):
            self._work.copies[:] = eight
            waiting += self._pass(self._begin(LANES * place, value, unpack(curvature)))
        while waiting:
            eight, rest = waiting[:LANES], waiting[LANES:]
            waiting = rest + self._pass(self._resume(eight))
        return self._refits

    def _copies(self, number: NDArray[Any]) -> FloatArray:
        """Multiplicities of resamples by eights, shape (n_eights, n_facilities, 8), the last filled up with ones."""
        n_eights = -(-len(number) // LANES)
        out = np.ones((n_eights, self._of.cells.n_facilities, LANES))
        for place, which in enumerate(number):
            out[place // LANES, :, place % LANES] = self._multiplicities[which]
        return out

    def _begin(self, first: int, values: FloatArray, curvature: FloatArray) -> Steps:
        """Steps of eight resamples from the full fit, from the sums over their facilities."""
        work, of = self._work, self._of
        work.begin(of)
        score, events, *counts = of.split_start(values)
        held = of.held_coefficients(*counts)
        number = np.arange(first, first + LANES)
        number[number >= len(self._multiplicities)] = -1
        score[:, -1] += of.start_reml
        score[held] = 0.0
        step, curvature, inverse = of.expansion.start(score, curvature, held)
        return Steps(
            number=number,
            theta=np.tile(of.start_theta, (LANES, 1)),
            score=score,
            step=bounded_step(step),
            events=events,
            curvature=curvature,
            inverse=inverse,
            held=held,
            length=np.full(LANES, np.inf),
            n_evaluations=np.zeros(LANES, dtype=np.int64),
        )

    def _resume(self, waiting: Sequence[Waiting]) -> Steps:
        """Put resamples back into the lanes; spare lanes repeat the last one."""
        filled = [*waiting, *[waiting[-1]] * (LANES - len(waiting))]
        work = self._work
        steps = Steps(*(np.stack(parts) for parts in zip(*(one.steps for one in filled), strict=True)))
        work.u[:], work.sum_w[:], work.sum_w1[:] = np.stack([one.modes for one in filled], axis=-1)
        work.copies[:] = self._copies(steps.number)[0]
        steps.number[len(waiting) :] = -1
        return steps

    def _pass(self, steps: Steps) -> list[Waiting]:
        """Take the steps, evaluate there and set the next; what is done is reported, what is not waits."""
        steps = self._evaluate(self._take(steps))
        step = np.einsum("lij,lj->li", steps.inverse, steps.score)
        # in the metric of the first curvature: an updated inverse need not be positive
        length = lengths(step, steps.curvature)
        # the first inverse is off by about the length of the step, an updated one by the share of its last step
        expected_error = length**2 / np.where(steps.n_evaluations == 1, 1.0, np.minimum(steps.length, 1.0))
        goes_on = (steps.number >= 0) & np.isfinite(length) & self._is_near(steps.theta)
        is_done = goes_on & (expected_error < LANE_ERROR)
        steps = steps._replace(step=bounded_step(step), length=length)
        if is_done.any():
            self._report(self._take(steps, is_done), is_done)
        goes_on &= ~is_done & (steps.n_evaluations < MAX_EVALUATIONS)
        kept = (self._work.u, self._work.sum_w, self._work.sum_w1)
        return [
            Waiting(Steps(*(part[lane] for part in steps)), np.array([modes[:, lane] for modes in kept]))
            for lane in np.flatnonzero(goes_on)
        ]

    def _take(self, steps: Steps, which: BoolArray | None = None) -> Steps:
        step = steps.step if which is None else np.where(which[:, None], steps.step, 0.0)
        return steps._replace(theta=self._work.move(self._of, steps.theta, step))

    def _is_near(self, theta: FloatArray) -> BoolArray:
        rise = theta[:, -1] - self._of.start_theta[-1]
        return (rise > -MAX_LOG_TAU_FALL) & (rise < MAX_LOG_TAU_RISE)

    def _evaluate(self, steps: Steps) -> Steps:
        """Score at theta, and the inverse curvature updated by what the last step brought."""
        work, of = self._work, self._of
        score = work.score(of, steps.theta, steps.events, LANE_MODE_STEP)
        if of.is_reml:
            fill_forms(of, work, steps.theta, steps.held)
            score[:, -1] += reml_term(work, steps.theta)
        score[steps.held] = 0.0
        inverse = steps.inverse.copy()
        # the first inverse is that of the curvature where the step led, which the way there cannot improve
        for lane in np.flatnonzero(steps.n_evaluations > 0):
            inverse[lane] = broyden_update(inverse[lane], steps.step[lane], steps.score[lane] - score[lane])
        return steps._replace(score=score, inverse=inverse, n_evaluations=steps.n_evaluations + 1)

    def _report(self, steps: Steps, is_done: BoolArray) -> None:
        work = self._work
        tau = np.exp(steps.theta[:, -1])
        variance = 1.0 / (work.sum_w + tau**-2.0)
        if not self._of.is_reml:
            # REML has them from the last evaluation, a step of a few hundredths away
            fill_forms(self._of, work, steps.theta, steps.held)
        prediction = variance + added_variance(work, steps.theta)
        is_sound = np.all(np.isfinite(prediction) & (prediction >= variance), axis=0)
        reported = is_done & is_sound
        columns = (part.T[reported] for part in (work.u, variance, prediction))
        for lane, u, f, total in zip(np.flatnonzero(reported), *columns, strict=True):
            self._refits[steps.number[lane]] = Refit(
                beta=steps.theta[lane, :-1].copy(),
                tau=float(tau[lane]),
                effects=u,
                effects_variance=f,
                prediction_variance=total,
                flagged=bool(steps.held[lane].any()),
                retried=False,
                n_evaluations=int(steps.n_evaluations[lane]),
            )
