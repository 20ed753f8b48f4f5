"""Refits of eight resamples at a time, one in each lane of the processor's vector registers.

The first Newton step of every resample comes from the scores and curvatures of the facilities at
the full fit, without a pass over the data. A pass then serves eight resamples: modes start from where
the step moves them, Broyden updates of the inverse curvature give the next steps, and a resample whose
step is below `LANE_DECREMENT` takes it and is done. What does not settle this way is left to
`Refitter.refit_in_full`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.cells import FloatArray
from riskstd.model.checks import is_separated
from riskstd.model.compiled import thread_count
from riskstd.model.engine import kernels
from riskstd.model.evaluation import HermiteRule, unpack
from riskstd.model.lane_arrays import LANES, FacilityValues, LaneLayout, LaneWork
from riskstd.model.lane_covariance import fill_forms, reml_term
from riskstd.model.lane_reports import RatioReport, RefitReport
from riskstd.model.lane_solver import LANE_MODE_STEP, MAX_LOG_TAU_RISE, LaneSolver
from riskstd.model.ratio_draws import RatioDraws
from riskstd.model.refit import Refit, Refitter
from riskstd.model.result import HierarchicalFit
from riskstd.model.score_expansion import ScoreExpansion

FEW_FACILITIES = 80
LARGEST_LOG_PRODUCT = 600.0
MAX_PRODUCT_CASES = 64
EXPANSION_EIGHTS = 4
"""Eights of the expansion's differences that a thread evaluates in one call; parts small enough to be shared evenly."""


class LaneRefitter(Refitter):
    """A `Refitter` that refits eight resamples at a time; the methods are the same.

    Parameters
    ----------
    fit : HierarchicalFit
        With tau above zero.
    threads : int, optional
        Of the preparation; refits themselves take one. All processors when left out.
    """

    def __init__(self, fit: HierarchicalFit, threads: int | None = None) -> None:
        lanes = kernels("lanes")
        assert lanes is not None
        layout: list[LaneLayout] = []
        _side_by_side(
            thread_count(threads),
            lambda: Refitter.__init__(self, fit, threads),
            lambda: layout.append(LaneLayout.of(fit.data.cells, lanes.CARRY_FACILITIES)),
        )
        self.layout = layout[0]
        self.kernels: Any = lanes
        self.forms: Any = kernels("lane_forms")
        self.draws: Any = kernels("lane_draws")
        cells, objective, at = self.cells, self._objective, self._at
        self.kind = lanes.PSEUDO if objective.pseudo else lanes.LAPLACE
        # compiled only where it is needed
        self.quadrature: Any = None if objective.pseudo or objective.is_closed_form else kernels("quadrature")
        working = self._packed
        if not objective.pseudo:
            working = self.path.facility_curvature(at, pseudo=True).packed
        self.mean_rows = self._sum_wx / at.sum_w[:, None]
        parts = _spread_and_mean_squares(working, self.mean_rows, at.sum_w, at.variance / at.tau**2)
        # seven digits are plenty for the metric of the steps and the share of the REML term, in half the memory
        self.spread, self.mean_squares = (FacilityValues.of(part, np.float32) for part in parts)
        self.curvatures = FacilityValues.of(self._packed, np.float32)
        counts = (self._high_cases, self._high_events, np.column_stack([cells.cases, cells.events]))
        self._start_parts = (self._scores, cells.event_rows, *counts)
        self.start_values = FacilityValues.of(np.concatenate(self._start_parts, axis=1), np.float64)
        self.nodes, self.log_weights, self.centre_log_weight = node_pairs(objective.rule)
        longest_move = np.sqrt(2.0) * at.tau * np.exp(MAX_LOG_TAU_RISE) * max(1.0, self.nodes.max(initial=0.0))
        self.product_cases = float(np.clip(LARGEST_LOG_PRODUCT // longest_move, 1, MAX_PRODUCT_CASES))
        self.is_reml = objective.reml
        self.start_modes = (at.u, at.sum_w, at.sum_w1)
        self._local = threading.local()
        self.start_reml = 0.0
        self.expansion = self._expand_score(thread_count(threads))
        self.use_threads(1)

    def refit_many(self, multiplicities: Sequence[FloatArray] | FloatArray) -> list[Refit | None]:
        """Refit to each of some multiplicities; see `Refitter.refit`."""
        report = RefitReport(len(multiplicities))
        is_settled = LaneSolver(self, self.work, multiplicities, report).solve()
        for k, refit in self._in_full(multiplicities, is_settled):
            report.refits[k] = refit
        return report.refits

    def draw_ratios(self, multiplicities: FloatArray, normals: FloatArray, *, with_beta: bool) -> RatioDraws:
        """Ratios of every facility with drawn effects; see `Refitter.draw_ratios`."""
        draws = RatioDraws.room(self.cells.n_facilities, len(multiplicities))
        report = RatioReport(self, self.work, normals, with_beta, self._order.label_position, draws)
        is_settled = LaneSolver(self, self.work, multiplicities, report).solve()
        for k, refit in self._in_full(multiplicities, is_settled):
            self._enter(draws, k, refit, multiplicities[k], normals[k], with_beta=with_beta)
        return draws

    def _in_full(
        self, multiplicities: Sequence[FloatArray] | FloatArray, is_settled: NDArray[np.bool_]
    ) -> Iterator[tuple[int, Refit | None]]:
        """Full refits of the resamples that are not settled, by their place."""
        for k in np.flatnonzero(~is_settled).tolist():
            yield k, self.refit_in_full(multiplicities[k], self._separated(multiplicities[k]))

    def _expand_score(self, threads: int) -> ScoreExpansion:
        """Expansion of the score of all facilities, counted once."""
        n_coefficients = len(self.start_theta)
        events = np.sum(self.cells.event_rows, axis=0)

        def scores_of(steps: FloatArray) -> FloatArray:
            work, n = self.work, len(steps)
            eights = work.eights(n // LANES)
            eights.begin(self)
            eights.copies[:] = 1.0
            theta = work.move(self, eights, np.tile(self.start_theta, (n, 1)), steps)
            score = work.score(self, eights, theta, events, LANE_MODE_STEP)
            if self.is_reml:
                fill_forms(self, eights, theta, np.zeros((n, n_coefficients), dtype=bool))
                score[:, -1] += reml_term(self, eights, theta)
            return score

        def scores(steps: FloatArray) -> FloatArray:
            filled = np.concatenate([steps, np.zeros((-len(steps) % LANES, n_coefficients))])
            size = LANES * EXPANSION_EIGHTS
            parts = [filled[begin : begin + size] for begin in range(0, len(filled), size)]
            with ThreadPoolExecutor(threads) as pool:
                return np.concatenate(list(pool.map(scores_of, parts)))[: len(steps)]

        if self.is_reml:
            eights, start = self.work.eights(1), np.tile(self.start_theta, (LANES, 1))
            eights.begin(self)
            eights.copies[:] = 1.0
            fill_forms(self, eights, start, np.zeros((LANES, n_coefficients), dtype=bool))
            self.start_reml = float(reml_term(self, eights, start)[0])
        return ScoreExpansion.of(scores, unpack(np.sum(self._packed, axis=0)))

    @property
    def work(self) -> LaneWork:
        """Arrays of this thread."""
        if not hasattr(self._local, "work"):
            self._local.work = LaneWork(self)
        return self._local.work

    def split_start(self, sums: FloatArray) -> list[FloatArray]:
        """Sums of `start_values` (n, n_values) as the parts they were joined from."""
        edges = np.cumsum([part.shape[1] for part in self._start_parts[:-1]])
        return [part.copy() for part in np.split(sums, edges, axis=1)]

    def held_coefficients(
        self, high_cases: FloatArray, high_events: FloatArray, totals: FloatArray
    ) -> NDArray[np.bool_]:
        """Coefficients that each of n resamples holds, with log tau, shape (n, n_coefficients + 1)."""
        held = np.zeros((len(totals), self.cells.n_coefficients + 1), dtype=bool)
        held[:, 1 + self._columns] = is_separated(high_cases, high_events, totals[:, :1], totals[:, 1:])
        return held


def make_refitter(fit: HierarchicalFit, threads: int | None = None) -> Refitter:
    """Eight resamples at a time where the compiled kernels can be used, one at a time where not.

    `threads` prepare it; its refits take one each. With few facilities the REML term weighs much, and
    eight at a time know it to a few percent only.
    """
    approximate = fit.method == "pql" and fit.data.pql_form == "reml" and fit.n_facilities < FEW_FACILITIES
    if fit.singular or approximate or kernels("lanes") is None:
        return Refitter(fit, threads=1)
    return LaneRefitter(fit, threads)


def node_pairs(rule: HermiteRule) -> tuple[FloatArray, FloatArray, float]:
    """Positive nodes and their log weights, filled up to whole threes, and the log weight of the node at zero.

    Examples
    --------
    >>> nodes, log_weights, centre = node_pairs(HermiteRule.of(5))
    >>> nodes.round(2).tolist(), np.isinf(log_weights).tolist(), round(centre, 3)
    ([0.96, 2.02, 0.0], [False, False, True], -0.056)
    """
    is_centre = np.abs(rule.x) < 1e-12
    positive = (rule.x > 0) & ~is_centre
    idle = -int(positive.sum()) % 3
    nodes = np.append(rule.x[positive], np.zeros(idle))
    log_weights = np.append(rule.log_weight[positive], np.full(idle, -np.inf))
    return nodes, log_weights, float(rule.log_weight[is_centre][0]) if is_centre.any() else -np.inf


def _side_by_side(threads: int, *tasks: Callable[[], None]) -> None:
    """Do some tasks that do not need each other, on so many threads."""
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()


def _spread_and_mean_squares(
    working: FloatArray, mean_rows: FloatArray, sum_w: FloatArray, shrinkage: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Packed spread of x around its mean, weighted by w, and packed square of the mean, per facility."""
    n_facilities, m = mean_rows.shape
    mean_squares = np.empty((n_facilities, m * (m + 1) // 2))
    for i in range(m):
        first = i * (i + 1) // 2
        mean_squares[:, first : first + i + 1] = mean_rows[:, i, None] * mean_rows[:, : i + 1]
    spread = working[:, : mean_squares.shape[1]] / sum_w[:, None] - shrinkage[:, None] * mean_squares
    return spread, mean_squares
