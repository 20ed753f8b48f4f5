"""Boundary fits, sparse facilities, refusals and their wording."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import FitError, OptionError, RiskstdError, TooFewDataError
from riskstd.model import check_enough_data, fit_hierarchical

NAMES = ["years", "diabetes", "copd", "cancer"]


@pytest.fixture
def even():
    """Every facility the same: less spread than chance, so tau is 0."""
    x = np.tile([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], 20)
    y = np.tile([0, 0, 0, 1, 0, 0, 1, 1, 0, 1], 20)
    return y, x[:, None].astype(float), np.repeat(np.arange(20), 10)


@pytest.mark.parametrize("options", [{"method": "agq"}, {"method": "laplace"}, {"pql_form": "ml", "method": "pql"}])
def test_boundary_is_the_plain_logistic_model(even, options):
    y, X, facility = even
    fit = fit_hierarchical(y, X, facility, **options)
    assert fit.singular
    assert fit.converged
    assert fit.tau == 0.0
    assert_array_equal(fit.effects, 0)
    assert_array_equal(fit.prediction_variance, 0)
    p = fit.predict(X)
    assert_allclose([np.sum(y - p), np.sum((y - p) * X[:, 0])], 0, atol=1e-9)
    assert_allclose(fit.log_likelihood, np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)), rtol=1e-12)
    information = np.array([[np.sum(p * (1 - p) * a * b) for a in (1, X[:, 0])] for b in (1, X[:, 0])])
    assert_allclose([fit.mu_se, fit.beta_se[0]], np.sqrt(np.diag(np.linalg.inv(information))), rtol=1e-9)
    assert np.isnan(fit.tau_se)
    assert any("tau is 0" in text for text in fit.warnings)
    assert "singular" in fit.summary()


def test_facilities_with_no_events_only_events_or_one_case(simulated):
    y = np.append(simulated.y, [0] * 6 + [1] * 5 + [0])
    X = np.vstack([simulated.X, simulated.X[:12]])
    facility = np.append(simulated.facility, [100] * 6 + [101] * 5 + [102])
    fit = fit_hierarchical(y, X, facility)
    assert fit.converged
    none, all_events, single = fit.effects[-3:]
    assert none < 0 < all_events
    assert -0.5 < single < 0
    assert np.all(fit.prediction_variance >= fit.effects_variance)


def refused(y, X, facility, error=FitError, **options):
    with pytest.raises(error) as caught:
        fit_hierarchical(y, X, facility, **options)
    return str(caught.value)


def test_no_events_and_only_events(simulated):
    y, X, facility, _ = simulated
    assert "no events among 1,200 cases" in refused(y * 0, X, facility)
    assert "only events among 1,200 cases" in refused(y * 0 + 1, X, facility)


def test_constant_columns_are_named(simulated):
    X = simulated.X.copy()
    X[:, 2] = 3.0
    message = refused(simulated.y, X, simulated.facility, factor_names=NAMES)
    assert "constant risk factors: copd" in message


def test_collinear_columns_are_named(simulated):
    X = np.column_stack([simulated.X, simulated.X[:, 1] + 2 * simulated.X[:, 3]])
    message = refused(simulated.y, X, simulated.facility, factor_names=[*NAMES, "sum"])
    found = {name for name in ("diabetes", "cancer", "sum") if name in message}
    assert found == {"diabetes", "cancer", "sum"}
    assert "copd" not in message


def test_indicators_that_add_up_to_one_are_collinear(simulated):
    sex = np.random.default_rng(0).integers(0, 2, len(simulated.y))
    X = np.column_stack([simulated.X[:, :2], sex, 1 - sex])
    message = refused(simulated.y, X, simulated.facility, factor_names=["a", "b", "women", "men"])
    assert "women" in message
    assert "men" in message


@pytest.mark.parametrize("value", [0, 1])
def test_separated_binary_column_is_named_with_counts(simulated, value):
    X, y = simulated.X.copy(), simulated.y.copy()
    X[:, 3] = 0
    X[:10, 3] = 1
    y[:10] = value
    message = refused(y, X, simulated.facility, factor_names=NAMES)
    assert f"'cancer' ({10 * value} events in 10 cases at its higher value" in message


def test_separating_number_is_named(simulated):
    X, y = simulated.X.copy(), simulated.y
    X[:, 0] = np.where(y == 1, 10.0, 0.0) + np.random.default_rng(1).uniform(0, 5, len(y))
    message = refused(y, X, simulated.facility, factor_names=NAMES)
    assert "infinity" in message
    assert "'years'" in message


def test_missing_and_infinite_values_by_position(simulated):
    X = simulated.X.copy()
    X[[4, 9], 1] = np.nan, np.inf
    message = refused(simulated.y, X, simulated.facility, factor_names=NAMES)
    assert "risk factor 'diabetes': 2 of 1200 rows missing or infinite (row positions from 0: 4, 9)" in message


def test_many_positions_are_cut(simulated):
    y = simulated.y.astype(float)
    y[:9] = np.nan
    assert "0, 1, 2, 3, 4, ...)" in refused(y, simulated.X, simulated.facility)


def test_outcome_outside_its_range(simulated):
    y, X, facility, _ = simulated
    two = y.copy()
    two[7] = 2
    message = refused(two, X, facility)
    assert "neither 0 nor 1" in message
    assert "trials=" in message
    assert "above trials" in refused(two, X, facility, trials=np.ones(len(y)))
    assert "trials" in refused(y, X, facility, trials=np.zeros(len(y)))
    assert "weights" in refused(y, X, facility, weights=np.zeros(len(y)))


@pytest.mark.parametrize("kind", ["text", "text objects", "dates"])
def test_what_is_not_a_number_is_refused(simulated, kind):
    y, X, facility, _ = simulated
    outcome = {
        "text": y.astype(str),
        "text objects": y.astype(str).astype(object),
        "dates": y.astype("datetime64[D]"),
    }[kind]
    assert "cannot be read as numbers" in refused(outcome, X, facility)


def test_ragged_outcome_is_refused(simulated):
    message = refused([[1], [1, 0]] * 600, simulated.X, simulated.facility)
    assert "outcome y holds lists of different lengths" in message


def test_text_column_of_a_frame_is_named(simulated):
    frame = pd.DataFrame(simulated.X, columns=NAMES).assign(copd="yes")
    assert "risk factor 'copd' cannot be read as numbers" in refused(simulated.y, frame, simulated.facility)


def test_shapes_that_do_not_match(simulated):
    y, X, facility, _ = simulated
    assert "outcome y has shape (1199,)" in refused(y[1:], X, facility)
    assert "facility has shape (1199,)" in refused(y, X, facility[1:])
    assert "3 factor names for 4 columns" in refused(y, X, facility, factor_names=NAMES[:3])
    assert "repeated factor names: a" in refused(y, X, facility, factor_names=["a", "a", "b", "c"])
    assert "dimensions" in refused(y, X[:, :, None], facility)
    assert "no rows" in refused([], np.zeros((0, 1)), [])


def test_facility_labels_missing_or_mixed(simulated):
    y, X, facility, _ = simulated
    labels = facility.astype(str).astype(object)
    labels[3] = None
    assert "facility: 1 of 1200 rows missing (row positions from 0: 3)" in refused(y, X, labels)
    labels[3] = 5
    assert "mixed types: int, str" in refused(y, X, labels)
    numbers = facility.astype(float)
    numbers[0] = np.nan
    assert "facility: 1 of 1200 rows missing" in refused(y, X, numbers)


def test_messages_show_no_values(simulated):
    X = simulated.X.copy()
    X[5, 0] = np.inf
    y = simulated.y.astype(float)
    y[5] = 8675309
    for message in (refused(y, simulated.X, simulated.facility), refused(simulated.y, X, simulated.facility)):
        assert "8675309" not in message


def test_too_few_facilities_or_events(simulated):
    y, X, facility, _ = simulated
    assert "1 facility" in refused(y, X, facility * 0, TooFewDataError)
    few = y * 0
    few[np.flatnonzero(y)[:5]] = 1
    assert "5 events for 6 estimates" in refused(few, X, facility, TooFewDataError)


def test_policy_for_too_few_data():
    check_enough_data(2, 5, 3)
    for arguments in ((0, 100, 1), (1, 100, 1), (2, 4, 3)):
        with pytest.raises(TooFewDataError):
            check_enough_data(*arguments)


@pytest.mark.parametrize(
    "options", [{"method": "mcmc"}, {"n_nodes": 0}, {"n_nodes": 2.5}, {"n_nodes": 201}, {"pql_form": "map"}]
)
def test_options_outside_their_values(simulated, options):
    refused(simulated.y, simulated.X, simulated.facility, OptionError, **options)


def test_variance_without_bound_is_refused():
    """Every facility all or nothing: tau has no finite estimate."""
    facility = np.repeat(np.arange(40), 20)
    y = (facility % 2 == 0).astype(int)
    message = refused(y, np.random.default_rng(2).normal(size=(800, 1)), facility)
    assert "variance between facilities runs to infinity" in message
    assert "0 of them with both outcomes" in message


def test_repr_and_summary_hide_rows(simulated):
    fit = fit_hierarchical(simulated.y, simulated.X, simulated.facility, factor_names=NAMES)
    assert repr(fit).startswith("HierarchicalFit(method='agq', n_cases=1200, ")
    assert "array" not in repr(fit)
    assert "array" not in repr(fit._data) + repr(fit._data.cells)
    summary = fit.summary()
    for name in NAMES:
        assert name in summary
    assert "1,200 cases" in summary


def test_predict_and_to_frame(simulated):
    fit = fit_hierarchical(simulated.y, simulated.X, simulated.facility, factor_names=NAMES)
    average = fit.predict(simulated.X[:3])
    own = fit.predict(simulated.X[:3], simulated.facility[:3])
    shift = np.log(own / (1 - own)) - np.log(average / (1 - average))
    assert_allclose(shift, fit.effects[simulated.facility[:3]], rtol=1e-9)
    with pytest.raises(FitError, match="1 of 3 rows belong to facilities the model has not seen"):
        fit.predict(simulated.X[:3], [0, 1, 999])
    with pytest.raises(FitError, match="2 columns"):
        fit.predict(simulated.X[:, :2])
    frame = fit.to_frame()
    assert frame["term"].tolist() == ["intercept (mu)", *NAMES, "tau"]
    assert_allclose(frame["odds_ratio"][1:5], np.exp(fit.beta))


def test_result_is_frozen_and_survives_pickling(simulated):
    fit = fit_hierarchical(simulated.y, simulated.X, simulated.facility)
    with pytest.raises(AttributeError):
        fit.tau = 1.0
    with pytest.raises(ValueError, match="read-only"):
        fit.beta[0] = 1.0
    assert_array_equal(pickle.loads(pickle.dumps(fit)).covariance, fit.covariance)


def test_national_truth_is_recovered(simulator):
    rows = simulator(n=20_000, n_facilities=400, n_factors=4, tau=0.5, seed=11)
    fit = fit_hierarchical(rows.y, rows.X, rows.facility)
    assert abs(fit.tau - 0.5) < 4 * fit.tau_se
    assert abs(fit.beta[0] - 0.03) < 4 * fit.beta_se[0]
    assert fit.tau_se < 0.06


def random_rows(seed):
    """Small data of every kind: rare or common events, huge or no spread, odd units."""
    rng = np.random.default_rng(seed)
    n_facilities, n_factors = rng.integers(2, 60), rng.integers(0, 8)
    n = int(rng.integers(n_facilities, 40 * n_facilities))
    facility = rng.integers(0, n_facilities, n)
    X = (rng.random((n, n_factors)) < rng.uniform(0, 0.5, n_factors)).astype(float)
    if n_factors > 2:
        X[:, 0] = rng.normal(size=n) * 10.0 ** rng.integers(-4, 6)
        X[:, 1] = rng.integers(0, 4, n)
    tau, mu = rng.choice([0, 0.1, 0.5, 2, 6]), rng.choice([-5, -3, -1, 0, 3])
    log_odds = mu + rng.normal(0, tau, n_facilities)[facility]
    return (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int), X, facility


@pytest.mark.parametrize("options", [{}, {"n_nodes": 30}, {"method": "laplace"}, {"method": "pql"}])
def test_random_data_converge_or_are_refused(options):
    """No warning, no other error: what is fitted has a finite optimum."""
    outcomes = {"fitted": 0, "refused": 0}
    for seed in [*range(100), 150, 275, 305, 420, 446, 518, 650]:
        try:
            fit = fit_hierarchical(*random_rows(seed), **options)
        except RiskstdError:
            outcomes["refused"] += 1
            continue
        outcomes["fitted"] += 1
        assert fit.converged, seed
        assert np.all(np.isfinite(fit.covariance[:-1, :-1])), seed
        assert np.all(np.isfinite(fit.effects)), seed
    assert min(outcomes.values()) > 10
