"""Identities of the model on random designs: what must not matter, and what must."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import FitError, TooFewDataError
from riskstd.model import fit_hierarchical
from riskstd.rates import standardize

METHODS = (
    {"method": "agq"},
    {"n_nodes": 3},
    {"method": "laplace"},
    {"method": "pql"},
    {"pql_form": "ml", "method": "pql"},
)
FIELDS = ("mu", "beta", "tau", "covariance", "log_likelihood", "effects", "effects_variance", "prediction_variance")

few = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


class Design(NamedTuple):
    y: np.ndarray
    X: np.ndarray
    facility: np.ndarray


@st.composite
def designs(draw) -> Design:
    """4 to 15 facilities of 1 to 40 cases; two-valued, whole and real columns; any spread."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=4, max_size=15))
    kinds = draw(st.lists(st.sampled_from(["flag", "count", "real"]), max_size=3))
    mu, tau = draw(st.sampled_from([-2.0, -1.0, 0.0, 1.0])), draw(st.sampled_from([0.0, 0.5, 1.5]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    facility = np.repeat(np.arange(len(sizes)), sizes)
    n = len(facility)
    columns = {
        "flag": lambda: (rng.random(n) < rng.uniform(0.2, 0.8)).astype(float),
        "count": lambda: rng.integers(0, 5, n).astype(float),
        "real": lambda: rng.normal(70.0, 10.0, n),
    }
    X = np.column_stack([np.zeros((n, 0)), *(columns[kind]() for kind in kinds)])
    log_odds = mu + rng.normal(0, tau, len(sizes))[facility]
    return Design((rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int), X, facility)


methods = st.sampled_from(METHODS)


def fitted(y: Any, X: Any, facility: Any, **options: Any) -> Any:
    """The fit; designs the model has to refuse are not examples."""
    try:
        fit = fit_hierarchical(y, X, facility, **options)
    except (FitError, TooFewDataError):
        assume(False)
    assert fit.converged
    return fit


def assert_same_bits(one, two, names=FIELDS):
    for name in names:
        assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


@few
@given(designs(), methods, st.randoms(use_true_random=False))
def test_row_order_changes_no_bit(design, method, random):
    order = np.array(random.sample(range(len(design.y)), len(design.y)))
    one = fitted(*design, **method)
    assert_same_bits(one, fitted(*(part[order] for part in design), **method))


@few
@given(designs(), methods, st.randoms(use_true_random=False))
def test_names_of_facilities_change_no_number(design, method, random):
    """Other labels in another order: sums over facilities keep their value up to rounding."""
    one = fitted(*design, **method)
    label = np.array([f"F{k:03d}" for k in random.sample(range(900), one.n_facilities)])
    two = fitted(design.y, design.X, label[design.facility], **method)
    close = {"rtol": 1e-7, "atol": 1e-9}
    for name in ("mu", "beta", "tau", "covariance", "log_likelihood"):
        assert_allclose(getattr(two, name), getattr(one, name), **close, err_msg=name)
    place = np.searchsorted(two.facilities, label)
    for name in ("effects", "effects_variance", "prediction_variance", "effects_mean"):
        assert_allclose(getattr(two, name)[place], getattr(one, name), **close, err_msg=name)


@few
@given(designs(), methods)
def test_names_in_the_same_order_change_no_bit(design, method):
    """Other labels that sort alike: every number keeps its last bit."""
    one = fitted(*design, **method)
    label = np.array([f"F{3 * k:03d}" for k in range(one.n_facilities)])
    assert_same_bits(one, fitted(design.y, design.X, label[design.facility], **method))


@few
@given(designs())
def test_one_node_is_laplace(design):
    assert_same_bits(fitted(*design, method="laplace"), fitted(*design, n_nodes=1))


@few
@given(designs(), methods)
def test_counts_are_rows(design, method):
    """Equal rows of a facility once, with trials, or one by one."""
    y, X, facility = design
    X = np.floor(X / 20)
    rows, place = np.unique(np.column_stack([facility, X]), axis=0, return_inverse=True)
    trials, events = np.bincount(place.ravel()), np.bincount(place.ravel(), y).astype(int)
    single = fitted(y, X, facility, **method)
    counted = fitted(events, rows[:, 1:], rows[:, 0], trials=trials, **method)
    assert_same_bits(single, counted, set(FIELDS) - {"log_likelihood"})
    assert counted.log_likelihood >= single.log_likelihood


@few
@given(designs(), methods, st.randoms(use_true_random=False))
def test_whole_weights_are_repeated_rows(design, method, random):
    weights = np.array([random.randint(1, 3) for _ in design.y])
    weighted = fitted(*design, weights=weights, **method)
    repeated = fitted(*(np.repeat(part, weights, axis=0) for part in design), **method)
    assert_same_bits(weighted, repeated)


@few
@given(designs(), st.sampled_from([m for m in METHODS if m != {"method": "pql"}]), st.integers(2, 3))
def test_every_facility_several_times(design, method, copies):
    """All facilities k times over: same estimates, k times the log-likelihood and information.

    Not for RSPL, whose trace term depends on the number of facilities.
    """
    y, X, facility = design
    one = fitted(y, X, facility, **method)
    labels = np.concatenate([facility + 1000 * k for k in range(copies)])
    many = fitted(np.tile(y, copies), np.tile(X, (copies, 1)), labels, **method)
    assert_allclose([many.mu, *many.beta], [one.mu, *one.beta], rtol=1e-6, atol=1e-7)
    assert_allclose(many.tau, one.tau, rtol=1e-6, atol=1e-6)
    assert_allclose(many.log_likelihood, copies * one.log_likelihood, rtol=1e-9)
    assert_allclose(many.beta_se, one.beta_se / np.sqrt(copies), rtol=1e-5)
    assert_allclose(many.effects, np.tile(one.effects, copies), atol=1e-6)


@few
@given(designs(), methods, st.floats(-3, 3), st.randoms(use_true_random=False))
def test_a_constant_in_the_offset_moves_only_mu(design, method, constant, random):
    offset = np.array([random.choice([-0.5, 0.0, 0.25]) for _ in design.y])
    one = fitted(*design, offset=offset, **method)
    two = fitted(*design, offset=offset + constant, **method)
    assert_allclose(two.mu, one.mu - constant, rtol=1e-6, atol=1e-7)
    assert_allclose(two.beta, one.beta, rtol=1e-6, atol=1e-8)
    assert_allclose(two.tau, one.tau, rtol=1e-6, atol=1e-7)
    assert_allclose(two.log_likelihood, one.log_likelihood, rtol=1e-10)
    assert_allclose(two.effects, one.effects, atol=1e-6)


@few
@given(st.integers(3, 20), st.integers(1, 4), st.lists(st.booleans(), min_size=3, max_size=12), methods)
def test_equal_facilities_have_ratios_of_one(n_facilities, times, outcomes, method):
    y = np.tile(np.repeat(outcomes, times), n_facilities).astype(int)
    x = np.tile(np.arange(times * len(outcomes)) % 2, n_facilities)
    fit = fitted(y, x, np.repeat(np.arange(n_facilities), times * len(outcomes)), **method)
    assert fit.singular
    rates = standardize(fit, scale="ratio", interval="none")
    assert_array_equal(rates.ratio, 1)
    assert_array_equal(rates.predicted, rates.expected)


@few
@given(designs(), methods, st.lists(st.integers(1, 400), min_size=1, max_size=4))
def test_facilities_without_events_have_finite_effects(design, method, sizes):
    y, X, facility = design
    added = np.repeat(np.arange(len(sizes)) + 1000, sizes)
    rows = np.arange(len(added)) % len(y)
    fit = fitted(np.append(y, 0 * added), np.vstack([X, X[rows]]), np.append(facility, added), **method)
    effects = fit.effects[-len(sizes) :]
    assert np.all(np.isfinite(fit.effects))
    assert np.all(np.isfinite(fit.effects_mean))
    assert np.all(np.isfinite(fit.prediction_variance))
    assert np.all(fit.effects_variance <= fit.tau**2)
    assert np.all(effects <= 0)
    assert fit.singular or np.all(effects < 0)


@few
@given(designs(), methods)
def test_facilities_with_only_events_have_finite_effects(design, method):
    y, X, facility = design
    fit = fitted(
        np.append(y, np.ones(12, dtype=int)),
        np.vstack([X, X[:4], X[:4], X[:4]]),
        np.append(facility, [1000] * 12),
        **method,
    )
    assert np.isfinite(fit.effects[-1])
    assert fit.singular or fit.effects[-1] > 0


@few
@given(designs(), methods, st.integers(4, 30))
def test_a_ratio_grows_with_the_events(design, method, size):
    """Facilities with the same cases and ever more events, beside any others."""
    y, X, facility = design
    rows = np.arange(size) % len(y)
    events = np.arange(size)[None, :] < np.arange(0, size + 1, max(1, size // 4))[:, None]
    added = np.repeat(np.arange(len(events)) + 1000, size)
    fit = fitted(
        np.append(y, events.ravel()), np.vstack([X, *[X[rows]] * len(events)]), np.append(facility, added), **method
    )
    assume(not fit.singular)
    ratio = standardize(fit, scale="ratio", interval="none").ratio[-len(events) :]
    assert np.all(np.diff(ratio) > 0)
    assert np.all(np.diff(fit.effects_mean[-len(events) :]) > 0)


@few
@given(designs(), methods)
def test_the_likelihood_never_falls(design, method):
    fit = fitted(*design, **method)
    likelihoods = np.array([step.log_likelihood for step in fit.path])
    if method.get("method") != "pql":
        assert np.all(np.diff(likelihoods) >= -1e-8 * np.abs(likelihoods[:-1]))
    assert fit.newton_decrement < 1e-5


@few
@given(designs())
def test_estimate_is_as_likely_as_its_coefficients_without_spread(design):
    """The estimate beats the same model with tau = 0, the plain logistic regression."""
    fit = fitted(*design)
    y, X, _ = design
    p = fit.predict(X)
    at_zero = np.sum(y * np.log(p) + (1 - y) * np.log1p(-p))
    assert fit.log_likelihood >= at_zero - 1e-9 * abs(at_zero)


@pytest.mark.parametrize("method", METHODS)
def test_examples_are_mostly_fitted(method):
    """The properties above hold for something: few designs are refused."""
    outcomes = []

    @settings(few, max_examples=40)
    @given(designs())
    def count(design):
        try:
            fit_hierarchical(*design, **method)
        except (FitError, TooFewDataError):
            outcomes.append(False)
        else:
            outcomes.append(True)

    count()
    assert np.mean(outcomes) > 0.5
