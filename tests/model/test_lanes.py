"""Eight resamples at a time against one at a time, the formulas of numpy and refits to full convergence."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.model import fit_hierarchical
from riskstd.model.kernels import vector
from riskstd.model.lane_arrays import LANES, LaneLayout, lines, to_lanes
from riskstd.model.lane_solver import LaneSolver
from riskstd.model.lanes import LaneRefitter, make_refitter
from riskstd.model.objective import make_objective
from riskstd.model.plain import PlainPath
from riskstd.model.refit import Refitter


@njit
def _apply(operation, values, out):
    for row in range(len(values)):
        vector.store(out, row, operation(vector.load(values, row)))


@pytest.mark.parametrize("reach", [1e-9, 0.5, 700.0])
def test_exponential_and_logarithm_equal_those_of_numpy(reach):
    values = np.random.default_rng(1).uniform(-reach, reach, (5000, LANES))
    values[0] = 0.0
    out = np.empty_like(values)
    _apply(vector.exponential, values, out)
    assert_allclose(out, np.exp(values), rtol=5e-16)
    _apply(vector.logarithm, np.exp(values), out)
    assert_allclose(out, np.log(np.exp(values)), rtol=1e-14, atol=5e-16)


def test_lanes_are_chosen_one_by_one():
    @njit
    def larger(a, b, out):
        x, y = vector.load(a, 0), vector.load(b, 0)
        vector.store(out, 0, vector.choose_above(x, y, x, y))
        vector.store(out, 1, vector.magnitude(x))
        vector.store(out, 2, vector.square_root(vector.magnitude(x)))
        return vector.any_above(x, y), vector.any_above(y, y)

    a, b = np.array([[-3.0, 2, 5, 0, 1, -1, 9, 4]]), np.array([[1.0, 1, 5, 2, -1, -2, 8, 6]])
    out = np.empty((3, LANES))
    assert larger(a, b, out) == (True, False)
    assert_array_equal(out, np.vstack([np.maximum(a, b), np.abs(a), np.sqrt(np.abs(a))]))


def many_cells(seed, *, n_facilities=30, n_levels=3, weighted=False, offset=False):
    """Rows of several columns; facilities of one case, without events and of events only among them."""
    rng = np.random.default_rng(seed)
    size = np.append(rng.integers(2, 120, n_facilities - 3), [1, 40, 15])
    facility = np.repeat(np.arange(n_facilities), size)
    X = rng.integers(0, n_levels, (len(facility), 5)).astype(float)
    shift = rng.choice([0.0, 0.4, -0.3], len(facility)) if offset else None
    log_odds = -1.5 + X @ np.array([0.4, -0.3, 0.2, 0.5, -0.1]) + rng.normal(0, 0.6, n_facilities)[facility]
    y = (rng.random(len(facility)) < 1 / (1 + np.exp(-log_odds))).astype(float)
    y[facility == n_facilities - 2] = 0.0
    y[facility == n_facilities - 1] = 1.0
    weights = rng.choice([1.0, 2.0, 3.0, 7.0, 0.5, 40.0], len(facility)) if weighted else None
    return {"y": y, "X": X, "facility": facility, "weights": weights, "offset": shift}


def evaluate_lanes(refitter, theta, multiplicity):
    """Score, modes and sum of w by the kernel at eight points, from modes of zero, to full convergence."""
    eights = refitter.work.eights(1)
    to_lanes(multiplicity, eights.copies)
    eights.u[:] = 0.0
    events = np.einsum("lj,jq->lq", multiplicity, refitter.cells.event_rows)
    score = refitter.work.score(refitter, eights, theta, events, 1e-6)
    return score, eights.u[0].T, eights.sum_w[0].T


@pytest.mark.parametrize("n_nodes", [1, 2, 3, 5, 7, 10, 25])
@pytest.mark.parametrize("data", [{}, {"weighted": True}, {"offset": True, "n_levels": 4}])
def test_quadrature_equals_the_plain_path(n_nodes, data):
    rows = many_cells(3, **data)
    check_evaluation(rows, {"method": "agq", "n_nodes": n_nodes}, ("agq", n_nodes, "reml"))


@pytest.mark.parametrize("method", ["laplace", "pql"])
@pytest.mark.parametrize("data", [{}, {"weighted": True}, {"offset": True, "n_levels": 4}])
def test_laplace_and_pseudo_likelihood_equal_the_plain_path(method, data):
    rows = many_cells(4, **data)
    check_evaluation(rows, {"method": method, "pql_form": "ml"}, (method, 1, "ml"))


def check_evaluation(rows, options, objective_options):
    fit = fit_hierarchical(**rows, **options)
    refitter = LaneRefitter(fit)
    objective = make_objective(fit.data.cells, *objective_options)
    plain = PlainPath(fit.data.cells)
    rng = np.random.default_rng(7)
    theta = np.append(fit.data.beta, np.log(fit.tau)) + rng.normal(0, 0.3, (LANES, len(fit.data.beta) + 1))
    multiplicity = rng.integers(0, 3, (LANES, fit.n_facilities)).astype(float)
    score, u, sum_w = evaluate_lanes(refitter, theta, multiplicity)
    for lane in range(LANES):
        at = plain.evaluate(
            theta[lane, :-1], float(np.exp(theta[lane, -1])), np.zeros(fit.n_facilities), multiplicity[lane],
            objective.rule, pseudo=objective.pseudo, step_tolerance=1e-9,
        )  # fmt: skip
        assert_allclose(score[lane], at.score, rtol=1e-9, atol=1e-9 * np.abs(at.score).max())
        assert_allclose(u[lane], at.u, atol=1e-12)
        assert_allclose(sum_w[lane], at.sum_w, rtol=1e-9)


def test_layouts_give_the_same_score():
    """A table row for every pattern, or rows of column blocks."""
    fit = fit_hierarchical(**many_cells(5, n_facilities=150, n_levels=2), method="laplace")
    refitter = LaneRefitter(fit)
    assert refitter.layout.pattern_index is not None
    theta = np.tile(np.append(fit.data.beta, np.log(fit.tau)), (LANES, 1))
    multiplicity = np.ones((LANES, fit.n_facilities))
    by_pattern = evaluate_lanes(refitter, theta, multiplicity)
    cells = fit.data.cells
    refitter.layout = LaneLayout(
        tuple(np.ascontiguousarray(block, dtype=np.uint32) for block in cells.index.T),
        cells.n, cells.pointer.astype(np.uint64), None, cells.design.n_table_rows,
    )  # fmt: skip
    del refitter._local.work
    by_blocks = evaluate_lanes(refitter, theta, multiplicity)
    # a table of patterns is kept in float32; the score of an intercept varies by the root of the events
    assert_allclose(by_pattern[0], by_blocks[0], rtol=1e-6, atol=1e-5 * np.sqrt(cells.events.sum()))
    for one, other in zip(by_pattern[1:], by_blocks[1:], strict=True):
        assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_rows_begin_at_cache_lines():
    for n in (1, 3, 1000):
        assert lines(n).ctypes.data % 64 == 0
        assert lines(n).shape == (n, LANES)


def simulated(seed=11, n_facilities=120, tau=0.4):
    rng = np.random.default_rng(seed)
    size = rng.integers(20, 300, n_facilities)
    facility = np.repeat(np.arange(n_facilities), size)
    X = (rng.random((len(facility), 6)) < np.linspace(0.05, 0.4, 6)).astype(float)
    log_odds = -2.5 + X @ rng.normal(0, 0.4, 6) + rng.normal(0, tau, n_facilities)[facility]
    return {"y": (rng.random(len(facility)) < 1 / (1 + np.exp(-log_odds))) * 1.0, "X": X, "facility": facility}


def resamples(n_facilities, n, seed=5):
    rng = np.random.default_rng(seed)
    return [np.bincount(rng.integers(0, n_facilities, n_facilities), minlength=n_facilities) * 1.0 for _ in range(n)]


@pytest.mark.parametrize(("method", "form"), [("laplace", "ml"), ("agq", "ml"), ("pql", "reml"), ("pql", "ml")])
def test_refits_agree_with_full_convergence(method, form):
    """Within five thousandths of the bootstrap standard deviation, every parameter of every resample."""
    rows = simulated()
    fit = fit_hierarchical(**rows, method=method, pql_form=form)
    drawn, order = resamples(fit.n_facilities, 24), fit.data.order
    fast = make_refitter(fit).refit_many([order.by_content(multiplicity) for multiplicity in drawn])
    assert isinstance(make_refitter(fit), LaneRefitter)
    exact, found, effects = [], [], []
    for multiplicity, refit in zip(drawn, fast, strict=True):
        assert refit is not None
        copies = [np.flatnonzero(rows["facility"] == j) for j in range(120) for _ in range(int(multiplicity[j]))]
        picked = np.concatenate(copies)
        label = np.repeat(np.arange(len(copies)), [len(c) for c in copies])
        full = fit_hierarchical(rows["y"][picked], rows["X"][picked], label, method=method, pql_form=form)
        exact.append(np.append(full.beta, [full.mu, np.log(full.tau)]))
        raw = fit.data.cells.raw_coefficients(refit.beta)
        found.append(np.append(raw[1:], [raw[0], np.log(refit.tau)]))
        drawn_once = order.content_position[np.repeat(np.arange(120), multiplicity.astype(int))]
        effects.append(np.abs(refit.effects[drawn_once] - full.effects).max())
        assert_allclose(refit.effects_variance[drawn_once], full.effects_variance, rtol=1e-3)
        assert_allclose(refit.prediction_variance[drawn_once], full.prediction_variance, rtol=3e-3)
    distance = np.abs(np.array(found) - np.array(exact)) / np.std(exact, axis=0)
    assert distance.max() < 0.005
    assert max(effects) < 2e-3


def test_a_lane_does_not_depend_on_its_neighbours():
    fit = fit_hierarchical(**simulated())
    refitter = LaneRefitter(fit)
    drawn = resamples(fit.n_facilities, 9)
    together = refitter.refit_many(drawn)
    for k, multiplicity in enumerate(drawn):
        alone = refitter.refit_many([multiplicity])[0]
        assert_array_equal(alone.beta, together[k].beta)
        assert_array_equal(alone.effects, together[k].effects)
        assert_array_equal(alone.prediction_variance, together[k].prediction_variance)
        assert alone.tau == together[k].tau
        assert alone.n_evaluations == together[k].n_evaluations


def test_held_coefficients_stay_and_have_no_variance():
    """A column without events in the resample keeps its coefficient; the others are refitted."""
    rows = simulated()
    rare = np.zeros(len(rows["y"]))
    for j in (0, 1):
        mine = rows["facility"] == j
        rare[np.flatnonzero(mine & (rows["y"] == 1))[:2]] = 1.0
        rare[np.flatnonzero(mine & (rows["y"] == 0))[:3]] = 1.0
    fit = fit_hierarchical(rows["y"], np.column_stack([rows["X"], rare]), rows["facility"], method="laplace")
    multiplicity = np.ones(fit.n_facilities)
    multiplicity[:2] = 0.0
    multiplicity = fit.data.order.by_content(multiplicity)
    fast, exact = LaneRefitter(fit).refit_many([multiplicity])[0], Refitter(fit).refit(multiplicity)
    assert fast.flagged
    assert exact.flagged
    assert fast.beta[-1] == fit.data.beta[-1]
    assert_allclose(fast.beta, exact.beta, atol=1e-3)
    assert_allclose(fast.prediction_variance, exact.prediction_variance, rtol=3e-3)


@pytest.mark.parametrize("with_beta", [True, False])
@pytest.mark.parametrize("method", ["laplace", "agq", "pql"])
def test_ratios_equal_those_of_one_refit_at_a_time(method, with_beta):
    fit = fit_hierarchical(**simulated(), method=method)
    refitter = LaneRefitter(fit)
    drawn = np.stack(resamples(fit.n_facilities, 11))
    normals = np.random.default_rng(3).standard_normal(drawn.shape)
    place = fit.data.order.label_position
    assert (place != np.arange(fit.n_facilities)).any()
    fast = refitter.draw_ratios(drawn, normals, with_beta=with_beta)
    plain = Refitter.draw_ratios(refitter, drawn, normals, with_beta=with_beta)
    assert_allclose(fast.ratio, plain.ratio, rtol=1e-8)
    assert_array_equal(np.isnan(fast.ratio[place].T), drawn == 0)
    for name in ("dropped", "flagged", "retried", "n_evaluations"):
        assert_array_equal(getattr(fast, name), getattr(plain, name))


def test_ratios_of_resamples_without_sound_variances_are_taken_one_at_a_time(monkeypatch):
    fit = fit_hierarchical(**simulated(), method="laplace")
    refitter, drawn = LaneRefitter(fit), np.stack(resamples(fit.n_facilities, 9))
    normals = np.zeros(drawn.shape)
    whole = refitter.draw_ratios(drawn, normals, with_beta=True)
    form = refitter.forms.quadratic_forms

    def breaks_one(rows, packed, out):
        form(rows, packed, out)
        out[0, 2, 3] = -1.0
        out[0, 5, 6] = np.nan

    monkeypatch.setattr(refitter, "forms", SimpleNamespace(**{**vars(refitter.forms), "quadratic_forms": breaks_one}))
    again = refitter.draw_ratios(drawn, normals, with_beta=True)
    assert np.flatnonzero(again.retried).tolist() == [3, 6]
    assert not again.dropped.any()
    assert_allclose(again.ratio, whole.ratio, rtol=1e-3)
    others = ~again.retried
    assert_array_equal(again.ratio[:, others], whole.ratio[:, others])


def test_lanes_that_do_not_settle_are_refitted_one_by_one(monkeypatch):
    fit = fit_hierarchical(**simulated(), method="laplace")
    refitter, drawn = LaneRefitter(fit), resamples(fit.n_facilities, 3)
    whole = refitter.refit_many(drawn)
    solve = LaneSolver.solve
    monkeypatch.setattr(LaneSolver, "solve", lambda self: solve(self) & (np.arange(3) > 0))
    again = refitter.refit_many(drawn)
    assert_allclose(again[0].beta, whole[0].beta, atol=1e-3)
    assert_array_equal(again[1].beta, whole[1].beta)


def test_resamples_far_from_the_full_fit_fall_back():
    """A resample of one facility only: tau runs to zero, which the lanes leave to the full fit."""
    fit = fit_hierarchical(**simulated(n_facilities=30, tau=0.5), method="laplace")
    multiplicity = np.zeros(30)
    multiplicity[np.argsort(np.abs(fit.data.order.by_content(fit.effects)))[:4]] = [8, 8, 7, 7]
    fast, exact = LaneRefitter(fit).refit_many([multiplicity])[0], Refitter(fit).refit(multiplicity)
    assert fast is not None
    assert exact is not None
    assert_allclose(fast.tau, exact.tau, atol=1e-6)


def test_few_facilities_and_no_spread_are_refitted_one_at_a_time():
    few = fit_hierarchical(**simulated(n_facilities=30, tau=0.5), method="pql")
    assert type(make_refitter(few)) is Refitter
    alike = np.tile(np.arange(10) < 3, 30) * 1.0
    none = fit_hierarchical(alike, np.tile(np.arange(10) % 2, 30), np.repeat(np.arange(30), 10), method="laplace")
    assert none.singular
    assert type(make_refitter(none)) is Refitter


def test_without_numba_one_at_a_time(monkeypatch):
    fit = fit_hierarchical(**simulated(), method="laplace")
    monkeypatch.setenv("RISKSTD_NO_NUMBA", "1")
    assert type(make_refitter(fit)) is Refitter
