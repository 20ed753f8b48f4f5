"""The compiled path: kernels run over chunks of facilities, on as many threads as wanted.

Chunks depend on the data alone and are added up in their order, so any number of
threads gives the same bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from riskstd.model.cells import Cells, FloatArray, weighted_gram
from riskstd.model.engine import kernels
from riskstd.model.evaluation import (
    LAPLACE,
    MAX_LOG_ODDS,
    Curvature,
    Evaluation,
    FacilityCurvature,
    HermiteRule,
    bounded_exp,
    mode_slopes,
)

CHUNK_CELLS = 50_000
"""Cells in a chunk: enough that starting a thread costs little, few enough that two cores share the work."""
MAX_CHUNKS = 64


def thread_count(threads: int | None = None) -> int:
    """Threads to use: the number given, else the processors this process may run on."""
    if threads is not None:
        return max(1, threads)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class CompiledPath:
    """Evaluations of one set of cells by compiled kernels; the methods are those of `PlainPath`."""

    def __init__(self, cells: Cells, threads: int | None = None) -> None:
        facility, curvature = kernels("facility"), kernels("curvature")
        assert facility is not None
        assert curvature is not None
        self.cells = cells
        self._facility: Any = facility
        self._curvature: Any = curvature
        self._threads = thread_count(threads)
        design = cells.design
        self._table = (design.pointer, design.column, design.value)

    @cached_property
    def _dense_table(self) -> FloatArray:
        """The tables with all their zeros, a row in whole registers of eight; empty when they are large."""
        design = self.cells.design
        width = (design.n_columns + 8) // 8 * 8
        n_rows = design.n_table_rows if design.n_table_rows * width <= self._curvature.MAX_DENSE else 0
        out = np.zeros((n_rows, width))
        if n_rows:
            out[:, : design.n_columns] = design.table.toarray()
        return out.reshape(-1, 8)

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """First facility and one past the last of each chunk."""
        pointer = self.cells.pointer
        n_chunks = int(min(MAX_CHUNKS, max(1, pointer[-1] // CHUNK_CELLS)))
        edges = np.searchsorted(pointer, np.linspace(0, pointer[-1], n_chunks + 1))
        edges[0], edges[-1] = 0, self.cells.n_facilities
        edges = np.unique(edges)
        return [(int(a), int(b)) for a, b in pairwise(edges)]

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
        """Log-likelihood, modes and score; see `PlainPath.evaluate`."""
        cells, size = self.cells, self.cells.n_facilities
        odds_table = self._odds_table(beta)
        fixed = np.einsum("jq,q->j", cells.event_rows, beta) + cells.event_offset
        u = np.array(start, dtype=np.float64)
        sum_w, sum_w1, variance, value, score_tau, mean = (np.empty(size) for _ in range(6))
        residual = np.empty(len(cells.n))
        node_weight = np.empty((size, len(rule.x) if tau > 0 and len(rule.x) > 1 else 0))
        tables = np.zeros((len(self.chunks), cells.design.n_table_rows))

        def run(k: int) -> None:
            begin, end = self.chunks[k]
            self._facility.evaluate_facilities(
                begin, end, odds_table, cells.index, cells.pointer, cells.n, cells.n_single, cells.events, fixed,
                tau, 0 if pseudo else 1, rule.x, rule.log_weight, step_tolerance, multiplicity,
                u, sum_w, sum_w1, variance, value, score_tau, mean, residual, node_weight, tables[k],
            )  # fmt: skip

        self._run(run)
        score = np.empty(len(beta) + 1)
        events = np.einsum("j,jq->q", multiplicity, cells.event_rows)
        score[:-1] = events - cells.design.table.T @ tables.sum(axis=0)
        score[-1] = np.sum(multiplicity * score_tau)
        return Evaluation(beta, tau, value, score, score_tau, u, sum_w, sum_w1, variance, mean, residual, node_weight)

    def facility_scores(self, at: Evaluation) -> FloatArray:
        """Score of each facility by (beta, log tau)."""
        out = np.empty((self.cells.n_facilities, self.cells.n_coefficients + 1))
        out[:, :-1] = self.cells.event_rows - self.sum_rows(at.residual)
        out[:, -1] = at.score_tau
        return out

    def sum_rows(self, per_cell: FloatArray) -> FloatArray:
        """Sum a value per cell times its row of the design, shape (n_facilities, n_coefficients)."""
        cells = self.cells
        out = np.zeros((cells.n_facilities, cells.n_coefficients))

        def run(k: int) -> None:
            begin, end = self.chunks[k]
            self._facility.sum_rows(begin, end, cells.index, cells.pointer, *self._table, per_cell, out)

        self._run(run)
        return out

    def curvature(
        self, at: Evaluation, multiplicity: FloatArray, *, pseudo: bool, rule: HermiteRule = LAPLACE
    ) -> Curvature:
        """Negative Hessian of the objective of a quadrature rule, or the working curvature."""
        if pseudo and at.curvature is not None:
            total, sum_wx, cell_weight = self._known_sums(at, multiplicity, at.curvature.sum_wx)
        else:
            total, sum_wx, cell_weight = self._hessians(at, multiplicity, pseudo, np.empty((0, 0)), rule)
        cells = self.cells
        weight = self._curvature.sum_at(cells.pattern, cell_weight, len(cells.design.index))
        total[:-1, :-1] += self.pattern_gram(weight)
        return Curvature(total, sum_wx)

    def facility_curvature(self, at: Evaluation, *, pseudo: bool) -> FacilityCurvature:
        """Packed negative Hessian of the Laplace objective and sum of w x of each facility."""
        size, m = self.cells.n_facilities, self.cells.n_coefficients
        packed = np.empty((size, (m + 1) * (m + 2) // 2))
        _, sum_wx, _ = self._hessians(at, np.ones(size), pseudo, packed, LAPLACE)
        return FacilityCurvature(packed, sum_wx)

    def pattern_gram(self, per_pattern: FloatArray) -> FloatArray:
        """X' diag(value per pattern) X."""
        design = self.cells.design
        half = self._curvature.pattern_gram(design.index, *self._table, per_pattern, design.n_columns)
        return half + half.T

    def pattern_sum(self, per_pattern: FloatArray) -> FloatArray:
        """Sum of a value per pattern times its row."""
        design = self.cells.design
        tables = np.zeros(design.n_table_rows)
        for block in design.index.T:
            tables += np.bincount(block, per_pattern, design.n_table_rows)
        return design.table.T @ tables

    def predicted_expected(self, beta: FloatArray, effects: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sums over each facility's cases of the probability with its effect and without."""
        cells = self.cells
        odds_table, factor = self._odds_table(beta), bounded_exp(effects)
        predicted, expected = np.empty(cells.n_facilities), np.empty(cells.n_facilities)

        def run(k: int) -> None:
            begin, end = self.chunks[k]
            self._facility.predicted_expected(
                begin, end, odds_table, cells.index, cells.pointer, cells.n, factor, predicted, expected
            )

        self._run(run)
        return predicted, expected

    def _odds_table(self, beta: FloatArray) -> FloatArray:
        # the bound is shared out so that the product of the blocks stays within it
        log_odds = self.cells.design.table_log_odds(beta)
        limit = MAX_LOG_ODDS / self.cells.design.n_blocks
        return np.exp(np.clip(log_odds, -limit, limit))

    def _hessians(
        self, at: Evaluation, multiplicity: FloatArray, pseudo: bool, each: FloatArray, rule: HermiteRule
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Hessian without its X' diag(weight) X, sum of w x of each facility, and the weights of the cells."""
        cells, m = self.cells, self.cells.n_coefficients
        odds_table = self._odds_table(at.beta)
        totals = np.zeros((len(self.chunks), m + 1, m + 1))
        sum_wx, cell_weight = np.empty((cells.n_facilities, m)), np.empty(len(cells.n))

        def run(k: int) -> None:
            begin, end = self.chunks[k]
            longest = int(np.max(np.diff(cells.pointer[begin : end + 1]), initial=0))
            scratch = self._curvature.make_scratch(0 if pseudo else 1, len(rule.x), m, longest)
            self._curvature.add_hessians(
                begin, end, 0 if pseudo else 1, odds_table, cells.index, cells.pointer, cells.n, cells.events,
                self._dense_table, *self._table, at.tau, at.u, at.variance, rule.x, at.node_weight, multiplicity,
                totals[k], each, sum_wx, cell_weight, scratch,
            )  # fmt: skip

        self._run(run)
        half = totals.sum(axis=0)
        return half + half.T, sum_wx, cell_weight

    def _known_sums(
        self, at: Evaluation, multiplicity: FloatArray, sum_wx: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What `_hessians` gives for the working curvature, where sum w x is known."""
        cells, odds_table = self.cells, self._odds_table(at.beta)
        cell_weight = np.empty(len(cells.n))

        def run(k: int) -> None:
            begin, end = self.chunks[k]
            self._curvature.working_weights(
                begin, end, odds_table, cells.index, cells.pointer, cells.n, at.u, multiplicity, cell_weight
            )

        self._run(run)
        out = np.zeros((cells.n_coefficients + 1, cells.n_coefficients + 1))
        out[:-1, :-1] = -weighted_gram(sum_wx, multiplicity * at.variance)
        u_tau = mode_slopes(at, at.tau, sum_wx)[1]
        out[:-1, -1] = out[-1, :-1] = np.einsum("j,ji->i", multiplicity * u_tau, sum_wx)
        out[-1, -1] = np.sum(multiplicity * 2.0 * (at.variance * at.sum_w) ** 2)
        return out, sum_wx, cell_weight

    def _run(self, work: Callable[[int], None]) -> None:
        numbers = range(len(self.chunks))
        if self._threads == 1 or len(self.chunks) == 1:
            for k in numbers:
                work(k)
            return
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(work, numbers))
