"""The expansion of the score against exact derivatives, and the start it gives a resample."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.model import fit_hierarchical
from riskstd.model.lanes import LaneRefitter
from riskstd.model.score_expansion import MOST_COEFFICIENTS, ScoreExpansion

CURVATURE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])


def bent_scores(seed=1):
    """A score that is quadratic in the step, with its first and second derivative."""
    rng = np.random.default_rng(seed)
    second = rng.normal(0.0, 0.1, (3, 3, 3))
    second = 0.5 * (second + second.transpose(0, 2, 1))
    first = CURVATURE + rng.normal(0.0, 0.05, (3, 3))

    def scores(steps):
        bend = 0.5 * np.einsum("ijk,nj,nk->ni", second, steps, steps)
        return np.array([0.3, -0.2, 0.1]) - steps @ first.T - bend

    return scores, first, second


def test_differences_find_the_derivatives_of_a_quadratic_score():
    scores, first, second = bent_scores()
    expansion = ScoreExpansion.of(scores, CURVATURE)
    assert_allclose(expansion.added_curvature, first - CURVATURE, atol=1e-12)
    assert_allclose(expansion.second, second, atol=1e-12)


def test_the_first_step_solves_a_quadratic_score():
    scores, _, _ = bent_scores()
    expansion = ScoreExpansion.of(scores, CURVATURE)
    none_held = np.zeros((8, 3), dtype=bool)
    score = np.tile(scores(np.zeros((1, 3))), (8, 1))
    step, _, inverse = expansion.start(score, np.tile(CURVATURE, (8, 1, 1)), none_held)
    newton = np.linalg.solve(CURVATURE + expansion.added_curvature, score[0])
    assert np.abs(scores(step)).max() < 1e-3 * np.abs(scores(newton[None])).max()
    rest = np.einsum("lij,lj->li", inverse, scores(step))
    assert np.abs(scores(step + rest)).max() < 1e-2 * np.abs(scores(step)).max()


def test_held_coefficients_do_not_move():
    scores, _, _ = bent_scores()
    expansion = ScoreExpansion.of(scores, CURVATURE)
    held = np.zeros((8, 3), dtype=bool)
    held[3, 1] = True
    score = np.tile(scores(np.zeros((1, 3))), (8, 1))
    score[held] = 0.0
    step, _, inverse = expansion.start(score, np.tile(CURVATURE, (8, 1, 1)), held)
    assert step[3, 1] == 0.0
    assert_array_equal(inverse[3, 1], [0.0, 1.0, 0.0])
    assert np.all(step[np.arange(8) != 3, 1] != 0.0)


def test_a_wild_second_order_step_gives_way_to_the_newton_step():
    """Curvature that falls along the Newton step until the score has no zero there."""
    score = np.tile([3.0, 2.0, -1.0], (8, 1))
    newton = np.linalg.solve(CURVATURE, score[0])
    falling = -1.05 * np.einsum("ij,k->ijk", CURVATURE, newton / (newton @ newton))
    expansion = ScoreExpansion(np.zeros((3, 3)), falling)
    step, _, inverse = expansion.start(score, np.tile(CURVATURE, (8, 1, 1)), np.zeros((8, 3), dtype=bool))
    assert_allclose(step[0], np.linalg.solve(CURVATURE, score[0]), rtol=1e-12)
    assert_allclose(inverse[0], np.linalg.inv(CURVATURE), rtol=1e-12)


@pytest.mark.parametrize("case", ["many", "singular", "not finite"])
def test_without_an_expansion_the_newton_step_is_left(case):
    m = MOST_COEFFICIENTS + 1 if case == "many" else 3
    curvature = np.zeros((m, m)) if case == "singular" else np.eye(m)

    def scores(steps):
        if case == "many":
            pytest.fail("differences of so many coefficients are not taken")
        return np.full(steps.shape, np.nan)

    expansion = ScoreExpansion.of(scores, curvature)
    assert not expansion.added_curvature.any()
    assert not expansion.second.any()


@pytest.mark.parametrize(("method", "form"), [("laplace", "ml"), ("agq", "ml"), ("pql", "reml"), ("pql", "ml")])
def test_most_resamples_of_a_fit_take_one_or_two_evaluations(method, form):
    rng = np.random.default_rng(2)
    facility = np.repeat(np.arange(150), rng.integers(40, 200, 150))
    X = (rng.random((len(facility), 5)) < [0.1, 0.2, 0.3, 0.4, 0.5]) * 1.0
    log_odds = -2.5 + X @ [0.3, -0.2, 0.4, 0.1, -0.3] + rng.normal(0, 0.35, 150)[facility]
    y = (rng.random(len(facility)) < 1 / (1 + np.exp(-log_odds))) * 1.0
    fit = fit_hierarchical(y, X, facility, method=method, pql_form=form)
    drawn = [np.bincount(rng.integers(0, 150, 150), minlength=150) * 1.0 for _ in range(64)]
    refits = LaneRefitter(fit).refit_many(drawn)
    evaluations = [refit.n_evaluations for refit in refits if refit is not None and not refit.retried]
    assert len(evaluations) >= 60
    assert np.mean(evaluations) < 2.5


@pytest.mark.parametrize("n_factors", [4, 31])
def test_a_refit_has_the_same_bits_among_few_and_among_many(n_factors):
    """Numpy works large intermediate results out in place, which must not change the order of sums."""
    rng = np.random.default_rng(2)
    facility = rng.integers(0, 40, 6000)
    X = (rng.random((6000, n_factors)) < 0.4).astype(float)
    log_odds = -1.5 + X @ rng.normal(0, 0.2, n_factors) + rng.normal(0, 0.5, 40)[facility]
    refitter = LaneRefitter(
        fit_hierarchical((rng.random(6000) < 1 / (1 + np.exp(-log_odds))).astype(float), X, facility)
    )
    drawn = [np.bincount(rng.integers(0, 40, 40), minlength=40).astype(float) for _ in range(64)]
    together = refitter.refit_many(drawn)
    for start in range(0, 64, 16):
        for alone, among in zip(refitter.refit_many(drawn[start : start + 16]), together[start:], strict=False):
            assert_array_equal(alone.effects, among.effects)
            assert_array_equal(alone.beta, among.beta)
