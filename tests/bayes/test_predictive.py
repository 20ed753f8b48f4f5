"""Posterior predictive checks: right models pass, wrong ones are noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import FitError, OptionError
from riskstd.model.bayes import check_predictions
from riskstd.model.bayes.predictive import PredictiveChecks


def test_a_right_model_brings_no_surprise(fit, rows):
    checks = check_predictions(fit, seed=1, n_replicates=200)
    assert checks.surprises == ()
    frame = checks.to_frame().set_index("statistic")
    assert frame.loc["events", "observed"] == rows.y.sum()
    by_class = frame.index.str.startswith("events of facilities")
    assert frame.loc[by_class, "observed"].sum() == rows.y.sum()
    assert by_class.sum() == 4
    without = sum(rows.y[rows.facility == j].sum() == 0 for j in range(12))
    assert frame.loc["facilities without events", "observed"] == without
    assert_allclose(frame["mean"], checks.replicated.mean(axis=0))
    assert np.all(frame["lower"] <= frame["upper"])


def test_replicates_of_the_same_facilities_are_centred_on_their_events(fit, rows):
    """Means of binomial draws against sums of probabilities of every row."""
    checks = check_predictions(fit, seed=2, n_replicates=400, effects="same")
    p = fit.predict(rows.X, rows.facility)
    events = checks.replicated[:, 0]
    assert abs(events.mean() - p.sum()) < 4 * events.std() / np.sqrt(400)


def test_a_wrong_spread_is_noticed(fit):
    """Facilities all alike by the model: it cannot produce the spread that was seen."""
    posterior = replace(fit.posterior, tau=np.full(fit.posterior.tau.shape, 1e-3))
    checks = check_predictions(replace(fit, posterior=posterior), seed=1, n_replicates=200)
    assert "standard deviation of observed / expected" in checks.surprises


def test_a_wrong_level_is_noticed(fit):
    posterior = replace(fit.posterior, mu=fit.posterior.mu + 1.0)
    checks = check_predictions(replace(fit, posterior=posterior), seed=1, n_replicates=100, effects="same")
    assert "events" in checks.surprises


def test_same_seed_same_replicates(fit):
    first, second = (check_predictions(fit, seed=5, n_replicates=20) for _ in range(2))
    assert_array_equal(first.replicated, second.replicated)
    assert not np.array_equal(first.replicated, check_predictions(fit, seed=6, n_replicates=20).replicated)


def test_share_above_counts_ties_half():
    replicated = np.array([[1.0], [2.0], [2.0], [3.0]])
    checks = PredictiveChecks(("events",), np.array([2.0]), replicated, "new", True)
    assert_allclose(checks.share_above, 0.5)


def test_unconverged_draws_are_refused_or_marked(short_fit):
    with pytest.raises(FitError, match="have not converged"):
        check_predictions(short_fit, seed=1, n_replicates=20)
    assert not check_predictions(short_fit, seed=1, n_replicates=20, allow_unconverged=True).converged


@pytest.mark.parametrize(
    "wrong", [{"effects": "old"}, {"seed": -1}, {"n_replicates": 5}, {"n_replicates": 10**6}], ids=str
)
def test_impossible_options_are_refused(fit, wrong):
    with pytest.raises(OptionError, match="expected"):
        check_predictions(fit, **{"seed": 1, **wrong})
