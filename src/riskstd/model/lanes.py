"""Refits of eight resamples at a time, one in each lane of the processor's vector registers.

The first Newton step of every resample comes from the scores and curvatures of the facilities at
the full fit, without a pass over the data. A pass then serves eight resamples: modes start from where
the step moves them, Broyden updates of the inverse curvature give the next steps, and a resample whose
step is below `LANE_DECREMENT` takes it and is done. What does not settle this way is left to
`Refitter.refit`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.algebra import invert_positive
from riskstd.model.cells import Cells, FloatArray, IntArray
from riskstd.model.checks import is_separated
from riskstd.model.engine import kernels
from riskstd.model.evaluation import HermiteRule, pack, unpack
from riskstd.model.newton import bounded_step
from riskstd.model.refit import MAX_EVALUATIONS, MAX_LOG_TAU_FALL, Refit, Refitter, broyden_update
from riskstd.model.result import HierarchicalFit

LANES = 8
LANE_DECREMENT = 0.01
LANE_ERROR = 0.001
"""Longest last step, and the error expected after it, in standard errors of the whole vector."""
LANE_MODE_STEP = 0.02
"""Halley step in log-odds after which a mode counts as found (the error left is its cube)."""
MAX_LOG_TAU_RISE = 2.0
FEW_FACILITIES = 80
LARGEST_LOG_PRODUCT = 600.0
MAX_PRODUCT_CASES = 64
LINE_BYTES = 64
NODE_ROWS = 8
CELLS_PER_PATTERN = 8
"""Cells on each pattern above which a table row for every pattern pays."""


class LaneRefitter(Refitter):
    """A `Refitter` that refits eight resamples at a time; the methods are the same.

    Parameters
    ----------
    fit : HierarchicalFit
        With tau above zero.
    """

    def __init__(self, fit: HierarchicalFit) -> None:
        super().__init__(fit, threads=1)
        lanes = kernels("lanes")
        assert lanes is not None
        self.kernels: Any = lanes
        cells, objective, at = self.cells, self._objective, self._at
        self.method = lanes.LAPLACE if objective.is_closed_form else lanes.QUADRATURE
        working = self._packed
        if objective.pseudo:
            self.method = lanes.PSEUDO
        else:
            working = self.path.facility_curvature(at, pseudo=True).packed
        ones = np.ones(cells.n_facilities)
        self.added_curvature: FloatArray | None = None
        if self.method == lanes.QUADRATURE:
            exact = objective.observed_curvature(self.start_theta, at, ones)
            self.added_curvature = exact - objective.curvature(at, ones).hessian
        self.mean_rows = self._sum_wx / at.sum_w[:, None]
        parts = _spread_and_mean_squares(working, self.mean_rows, at.sum_w, at.variance / at.tau**2)
        self.spread, self.mean_squares = (np.ascontiguousarray(part.T) for part in parts)
        self._start_parts = (self._packed, self._scores, cells.event_rows, self._high_cases, self._high_events)
        self.start_values = np.ascontiguousarray(
            np.concatenate([*self._start_parts, cells.cases[:, None], cells.events[:, None]], axis=1).T
        )
        self.nodes, self.log_weights, self.centre_log_weight = node_pairs(objective.rule)
        longest_move = np.sqrt(2.0) * at.tau * np.exp(MAX_LOG_TAU_RISE) * max(1.0, self.nodes.max(initial=0.0))
        self.product_cases = float(np.clip(LARGEST_LOG_PRODUCT // longest_move, 1, MAX_PRODUCT_CASES))
        self.is_reml = objective.reml
        self.layout = LaneLayout.of(cells)
        self.start_modes = (at.u, at.sum_w, at.sum_w1)
        self._local = threading.local()

    def refit_many(self, multiplicities: Sequence[FloatArray]) -> list[Refit | None]:
        """Refit to each of some multiplicities; see `Refitter.refit`."""
        out: list[Refit | None] = []
        for start in range(0, len(multiplicities), LANES):
            some = multiplicities[start : start + LANES]
            refits = _LaneSolver(self, self.work, some).solve()
            out += [self.refit(m) if refit is None else refit for m, refit in zip(some, refits, strict=True)]
        return out

    def ratios(self, refits: Sequence[Refit], effects: Sequence[FloatArray]) -> list[FloatArray]:
        """Predicted / expected of every facility; see `Refitter.ratios`."""
        out: list[FloatArray] = []
        layout, work = self.layout, self.work
        for start in range(0, len(refits), LANES):
            n = min(LANES, len(refits) - start)
            for lane in range(LANES):
                which = start + min(lane, n - 1)
                work.beta[:, lane] = refits[which].beta
                work.u[:, lane] = effects[which]
            work.fill_tables(self)
            self.kernels.standardized_ratios(work.odds, layout.index, layout.pointer, layout.n, work.u, work.form)
            out += [work.form[:, lane].copy() for lane in range(n)]
        return out

    @property
    def work(self) -> LaneWork:
        """Arrays of this thread."""
        if not hasattr(self._local, "work"):
            self._local.work = LaneWork(self)
        return self._local.work

    def split_start(self, sums: FloatArray) -> list[FloatArray]:
        """Sums of `start_values` (n, 8) as the parts they were joined from, lanes first."""
        edges = np.cumsum([part.shape[1] for part in self._start_parts])
        return [np.ascontiguousarray(part.T) for part in np.split(sums, edges)]

    def held_coefficients(
        self, high_cases: FloatArray, high_events: FloatArray, totals: FloatArray
    ) -> NDArray[np.bool_]:
        """Coefficients that a lane holds, with log tau, shape (8, n_coefficients + 1)."""
        held = np.zeros((LANES, self.cells.n_coefficients + 1), dtype=bool)
        for lane in range(LANES):
            separated = is_separated(high_cases[lane], high_events[lane], totals[lane, 0], totals[lane, 1])
            held[lane, 1 + self._columns[separated]] = True
        return held


def make_refitter(fit: HierarchicalFit) -> Refitter:
    """Eight resamples at a time where the compiled kernels can be used, one at a time where not.

    With few facilities the REML term weighs much, and eight at a time know it to a few percent only.
    """
    approximate = fit.method == "pql" and fit.data.pql_form == "reml" and fit.n_facilities < FEW_FACILITIES
    if fit.singular or approximate or kernels("lanes") is None:
        return Refitter(fit, threads=1)
    return LaneRefitter(fit)


@dataclass(frozen=True, eq=False, repr=False)
class LaneLayout:
    """Cells in the order in which reading and writing their table rows is fastest.

    Where patterns are few beside the cells, each has a table row of its own, the most frequent
    first, so that most of the work stays in the processor's caches; else the rows of the column blocks serve.

    Parameters
    ----------
    index : tuple of ndarray of uint32, shape (n_cells,)
        Table rows of each cell, by block.
    n : ndarray, shape (n_cells,)
        Cases.
    pointer : ndarray of int, shape (n_facilities + 1,)
    pattern_index : tuple of ndarray of uint32, shape (n_rows,), or None
        Rows of the column blocks whose product a table row is; None where the blocks serve.
    n_rows : int
        Table rows.
    """

    index: tuple[IntArray, ...]
    n: FloatArray
    pointer: IntArray
    pattern_index: tuple[IntArray, ...] | None
    n_rows: int

    @classmethod
    def of(cls, cells: Cells) -> LaneLayout:
        """Layout of some cells."""
        n_patterns, pointer = len(cells.design.index), cells.pointer.astype(np.uint64)
        if n_patterns * CELLS_PER_PATTERN > len(cells.n):
            return cls(_columns(cells.index), cells.n, pointer, None, cells.design.n_table_rows)
        by_frequency = np.argsort(-np.bincount(cells.pattern, minlength=n_patterns), kind="stable")
        rank = np.empty(n_patterns, dtype=np.uint32)
        rank[by_frequency] = np.arange(n_patterns)
        row = rank[cells.pattern]
        order = np.lexsort((row, cells.facility))
        return cls((row[order],), cells.n[order], pointer, _columns(cells.design.index[by_frequency]), n_patterns)


class LaneWork:
    """Arrays of one thread, rows of eight numbers, each a line of the processor's cache."""

    def __init__(self, of: LaneRefitter) -> None:
        cells = of.cells
        m, n_rows, n_facilities = cells.n_coefficients, cells.design.n_table_rows, cells.n_facilities
        longest = int(np.max(np.diff(cells.pointer))) if of.method == of.kernels.QUADRATURE else 1
        self.tau, self.score_tau = _lines(1), _lines(1)
        self.beta, self.gradient, self.step = _lines(m), _lines(m), _lines(m + 1)
        self.packed, self.more_packed = _lines(len(of.spread)), _lines(len(of.spread))
        self.start = _lines(len(of.start_values))
        self.odds, self.residual = _lines(of.layout.n_rows), _lines(of.layout.n_rows)
        self.block_odds, self.block_residual = self.odds, self.residual
        if of.layout.pattern_index is not None:
            self.block_odds, self.block_residual = _lines(n_rows), _lines(n_rows)
        self.copies, self.weight, self.form = (_lines(n_facilities) for _ in range(3))
        self.u, self.sum_w, self.sum_w1 = (_lines(n_facilities) for _ in range(3))
        self.probability, self.mean = _lines(longest), _lines(longest)
        self.nodes = _lines(NODE_ROWS * max(1, len(of.nodes)))

    def fill_tables(self, of: LaneRefitter) -> None:
        """Odds of the table rows at `beta`."""
        design, pattern_index = of.cells.design, of.layout.pattern_index
        table = (design.pointer, design.column, design.value, design.offset)
        of.kernels.odds_tables(*table, self.beta, design.n_blocks, self.block_odds)
        if pattern_index is not None:
            of.kernels.join_blocks(self.block_odds, pattern_index, self.odds)

    def residual_sums(self, of: LaneRefitter) -> FloatArray:
        """Sum of the residuals of the table rows times the rows, lanes first."""
        design, pattern_index = of.cells.design, of.layout.pattern_index
        if pattern_index is not None:
            self.block_residual[:] = 0.0
            of.kernels.share_to_blocks(self.residual, pattern_index, self.block_residual)
        self.gradient[:] = 0.0
        of.kernels.table_sums(design.pointer, design.column, design.value, self.block_residual, self.gradient)
        return self.gradient.T


class _LaneSolver:
    """One call's refits."""

    def __init__(self, of: LaneRefitter, work: LaneWork, multiplicities: Sequence[FloatArray]) -> None:
        self._of, self._work, self._n = of, work, len(multiplicities)
        # idle lanes repeat the full fit
        work.copies[:] = 1.0
        for lane, multiplicity in enumerate(multiplicities):
            work.copies[:, lane] = multiplicity
        of.kernels.weighted_sums(work.copies, of.start_values, work.start)
        packed, self._score, self._events, *counts = of.split_start(work.start)
        self._held = of.held_coefficients(*counts)
        self._curvature = unpack(packed)
        if of.added_curvature is not None:
            self._curvature += of.added_curvature
        self._theta = np.tile(of.start_theta, (LANES, 1))
        work.u[:], work.sum_w[:], work.sum_w1[:] = (part[:, None] for part in of.start_modes)

    def solve(self) -> list[Refit | None]:
        """Estimates of each resample; None where the steps do not settle."""
        refits: list[Refit | None] = [None] * self._n
        score = self._finish_score(self._score)
        self._hold(self._curvature)
        inverse, live = _inverses(self._curvature)
        live &= np.arange(LANES) < self._n
        previous = np.ones(LANES)
        for n_evaluations in range(MAX_EVALUATIONS + 1):
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
            previous = length
            if done.any():
                self._report(done, refits, n_evaluations)
                live &= ~done
            if not live.any() or n_evaluations == MAX_EVALUATIONS:
                break
            new_score = self._evaluate()
            for lane in np.flatnonzero(live):
                inverse[lane] = broyden_update(inverse[lane], step[lane], score[lane] - new_score[lane])
            score = new_score
        return refits

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

    def _evaluate(self) -> FloatArray:
        """Score of every lane at its theta, shape (8, n_coefficients + 1)."""
        work, of, layout = self._work, self._of, self._of.layout
        work.beta[:], work.tau[0] = self._theta[:, :-1].T, np.exp(self._theta[:, -1])
        work.fill_tables(of)
        work.residual[:] = 0.0
        of.kernels.evaluate(
            of.method, work.tau, work.odds, layout.index, layout.pointer, layout.n, of.cells.events, work.copies,
            LANE_MODE_STEP, of.nodes, of.log_weights, of.centre_log_weight, of.product_cases,
            work.u, work.sum_w, work.sum_w1, work.residual, work.score_tau, work.probability, work.mean, work.nodes,
        )  # fmt: skip
        return self._finish_score(np.column_stack([self._events - work.residual_sums(of), work.score_tau[0]]))

    def _finish_score(self, score: FloatArray) -> FloatArray:
        """Add what REML adds to the score of log tau; held coefficients have none."""
        if self._of.is_reml:
            added = self._added_variance() / np.exp(2.0 * self._theta[:, -1])
            score[:, -1] += np.sum(self._work.copies * added, axis=0)
        score[self._held] = 0.0
        return score

    def _added_variance(self) -> FloatArray:
        """f^2 a' V a of each facility and lane, from the present sums of w, shape (n_facilities, 8).

        Within a facility the spread of x weighted by w hardly changes: the information on beta is
        sum_j m_j { W_j S_j + W_j f_j / tau^2 r_j r_j' },  r and S the mean and spread of the full fit.
        """
        work, of = self._work, self._of
        precision = np.exp(-2.0 * self._theta[:, -1])
        shrunken = work.sum_w / (work.sum_w + precision)
        np.multiply(work.copies, work.sum_w, out=work.weight)
        of.kernels.weighted_sums(work.weight, of.spread, work.packed)
        np.multiply(work.copies * precision, shrunken, out=work.weight)
        of.kernels.weighted_sums(work.weight, of.mean_squares, work.more_packed)
        information = unpack((work.packed + work.more_packed).T)
        self._hold(information)
        covariance = np.stack([invert_positive(matrix) for matrix in information])
        covariance[self._held[:, :-1]] = 0.0
        work.packed[:] = pack(2.0 * covariance - covariance * np.eye(covariance.shape[1])).T
        of.kernels.quadratic_forms(of.mean_rows, work.packed, work.form)
        return shrunken**2 * work.form

    def _report(self, done: NDArray[np.bool_], refits: list[Refit | None], n_evaluations: int) -> None:
        work = self._work
        tau = np.exp(self._theta[:, -1])
        variance = 1.0 / (work.sum_w + tau**-2.0)
        added = self._added_variance()
        for lane in np.flatnonzero(done):
            extra = added[:, lane].copy()
            if np.all(np.isfinite(extra)) and np.all(np.isfinite(self._theta[lane])):
                f = variance[:, lane].copy()
                refits[lane] = Refit(
                    beta=self._theta[lane, :-1].copy(),
                    tau=float(tau[lane]),
                    effects=work.u[:, lane].copy(),
                    effects_variance=f,
                    prediction_variance=f + extra,
                    flagged=bool(self._held[lane].any()),
                    retried=False,
                    n_evaluations=n_evaluations,
                )


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


def _columns(index: IntArray) -> tuple[IntArray, ...]:
    return tuple(np.ascontiguousarray(column, dtype=np.uint32) for column in index.T)


def _inverses(matrices: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Inverse of each matrix, and whether it has one."""
    out, ok = np.zeros_like(matrices), np.ones(len(matrices), dtype=bool)
    for k, matrix in enumerate(matrices):
        try:
            out[k] = np.linalg.inv(matrix)
        except np.linalg.LinAlgError:
            ok[k] = False
    return out, ok


def _lines(n: int) -> FloatArray:
    """Zeros of shape (n, 8), each row a line of the cache: one that straddles two lines takes twice the time."""
    size = np.dtype(np.float64).itemsize
    raw = np.zeros(n * LANES + LINE_BYTES // size)
    first = (-raw.ctypes.data % LINE_BYTES) // size
    return raw[first : first + n * LANES].reshape(n, LANES)
