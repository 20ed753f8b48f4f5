"""Estimates of many resamples, eight at a time side by side.

All resamples of a call go round by round, the passes over the data by eights, the algebra between them at once. They
begin where the expansion of the score leads them; most are done after one round. Those that are not are put together
into new eights and go on with Broyden steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstd.model.algebra import broyden_update
from riskstd.model.cells import FloatArray
from riskstd.model.evaluation import unpack
from riskstd.model.lane_arrays import LANES, Eights, LaneWork, rows_of, to_lanes
from riskstd.model.lane_covariance import fill_forms, reml_term
from riskstd.model.lane_reports import Found
from riskstd.model.newton import bounded_step
from riskstd.model.refit import MAX_EVALUATIONS, MAX_LOG_TAU_FALL
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
    """Where n resamples stand; m coefficients with log tau.

    Parameters
    ----------
    number : ndarray of int, shape (n,)
        Places among the multiplicities; -1 in lanes that only fill up an eight.
    theta, score, step : ndarray, shape (n, m)
        Theta, the score there, and the step to take next.
    events : ndarray, shape (n, m - 1)
        Sum of y x.
    curvature, inverse : ndarray, shape (n, m, m)
        Curvature at the full fit, in whose metric steps are measured; the present inverse.
    held : ndarray of bool, shape (n, m)
    length : ndarray, shape (n,)
        Of the step, in standard errors.
    n_evaluations : ndarray of int, shape (n,)
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


class LaneSolver:
    """The estimates of one call.

    Parameters
    ----------
    of : LaneRefitter
    work : LaneWork
    multiplicities : ndarray, shape (n, n_facilities)
    report : callable(Found)
        Takes estimates as they are found; returns the lanes (8 n_eights,) whose variances are sound.
    """

    def __init__(
        self,
        of: LaneRefitter,
        work: LaneWork,
        multiplicities: Sequence[FloatArray] | FloatArray,
        report: Callable[[Found], BoolArray],
    ) -> None:
        self._of, self._work, self._multiplicities = of, work, np.asarray(multiplicities, dtype=np.float64)
        self._report_found = report
        self._is_settled = np.zeros(len(multiplicities), dtype=bool)

    def solve(self) -> BoolArray:
        """Find and report estimates; whether the steps of each resample settle, shape (n,)."""
        n = len(self._multiplicities)
        number = np.append(np.arange(n), np.full(-n % LANES, -1))
        eights = self._work.eights(len(number) // LANES)
        steps = self._begin(number, eights)
        while len(steps.number):
            steps, eights = self._round(steps, eights)
        return self._is_settled

    def _begin(self, number: NDArray[Any], eights: Eights) -> Steps:
        """Steps of all resamples from the full fit, from the sums over their facilities."""
        of, n = self._of, len(number)
        self._set_copies(number, eights)
        eights.begin(of)
        np.copyto(eights.weight, eights.copies, casting="same_kind")
        curvature = unpack(of.curvatures.sums(of.forms, eights.weight).reshape(n, -1))
        score, events, *counts = of.split_start(of.start_values.sums(of.forms, eights.copies).reshape(n, -1))
        held = of.held_coefficients(*counts)
        score[:, -1] += of.start_reml
        score[held] = 0.0
        step, curvature, inverse = of.expansion.start(score, curvature, held)
        return Steps(
            number=number,
            theta=np.tile(of.start_theta, (n, 1)),
            score=score,
            step=bounded_step(step),
            events=events,
            curvature=curvature,
            inverse=inverse,
            held=held,
            length=np.full(n, np.inf),
            n_evaluations=np.zeros(n, dtype=np.int64),
        )

    def _set_copies(self, number: NDArray[Any], eights: Eights) -> None:
        """Multiplicities of resamples, lane by lane; ones in lanes that only fill up."""
        self._of.draws.gather_eights(self._multiplicities, number.reshape(-1, LANES), eights.copies)

    def _round(self, steps: Steps, eights: Eights) -> tuple[Steps, Eights]:
        """Take the steps, evaluate there and set the next; what is done is reported, what is not goes on."""
        steps = self._evaluate(steps, eights)
        step = np.einsum("lij,lj->li", steps.inverse, steps.score)
        # in the metric of the first curvature: an updated inverse need not be positive
        length = lengths(step, steps.curvature)
        # the first inverse is off by about the length of the step, an updated one by the share of its last step
        expected_error = length**2 / np.where(steps.n_evaluations == 1, 1.0, np.minimum(steps.length, 1.0))
        goes_on = (steps.number >= 0) & np.isfinite(length) & self._is_near(steps.theta)
        is_done = goes_on & (expected_error < LANE_ERROR)
        steps = steps._replace(step=bounded_step(step), length=length)
        if is_done.any():
            self._report(steps, eights, is_done)
        goes_on &= ~is_done & (steps.n_evaluations < MAX_EVALUATIONS)
        return self._gather(steps, eights, np.flatnonzero(goes_on))

    def _gather(self, steps: Steps, eights: Eights, lanes: NDArray[Any]) -> tuple[Steps, Eights]:
        """Put the resamples of some lanes together, filled up to whole eights with the last one."""
        filled = np.append(lanes, np.repeat(lanes[-1:], -len(lanes) % LANES))
        parts: tuple[Any, ...] = tuple(part[filled] for part in steps)
        steps = Steps(*parts)
        steps.number[len(lanes) :] = -1
        fewer = eights.first(len(filled) // LANES)
        for values in (eights.u, eights.sum_w, eights.sum_w1):
            to_lanes(rows_of(values, filled), values[: len(fewer)])
        self._set_copies(steps.number, fewer)
        return steps, fewer

    def _is_near(self, theta: FloatArray) -> BoolArray:
        rise = theta[:, -1] - self._of.start_theta[-1]
        return (rise > -MAX_LOG_TAU_FALL) & (rise < MAX_LOG_TAU_RISE)

    def _evaluate(self, steps: Steps, eights: Eights) -> Steps:
        """Score where the steps lead, and the inverse curvature updated by what they brought."""
        work, of = self._work, self._of
        theta = work.move(of, eights, steps.theta, steps.step)
        score = work.score(of, eights, theta, steps.events, LANE_MODE_STEP)
        fill_forms(of, eights, theta, steps.held)
        if of.is_reml:
            score[:, -1] += reml_term(of, eights, theta)
        score[steps.held] = 0.0
        inverse = steps.inverse
        # the first inverse is that of the curvature where the step led, which the way there cannot improve
        for lane in np.flatnonzero(steps.n_evaluations > 0):
            inverse[lane] = broyden_update(inverse[lane], steps.step[lane], steps.score[lane] - score[lane])
        return steps._replace(theta=theta, score=score, n_evaluations=steps.n_evaluations + 1)

    def _report(self, steps: Steps, eights: Eights, is_done: BoolArray) -> None:
        """Take the last step of what is done."""
        step = np.where(is_done[:, None], steps.step, 0.0)
        theta = self._work.move(self._of, eights, steps.theta, step)
        number = np.where(is_done, steps.number, -1)
        found = Found(number, theta, np.any(steps.held, axis=1), steps.n_evaluations, eights)
        self._is_settled[number[self._report_found(found) & is_done]] = True
