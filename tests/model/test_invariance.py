"""The same data said differently give the same fit."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.model import engine, fit_hierarchical
from riskstd.model.assess import facility_influence
from riskstd.model.cells import order_by_content
from riskstd.model.collapse import collapse_rows
from riskstd.model.fit import estimate_from_pooled
from riskstd.model.inputs import code_facilities
from riskstd.model.objective import make_objective
from riskstd.model.pooled import fit_pooled

NAMES = ["years", "diabetes", "copd", "cancer"]
METHODS = ("agq", "laplace", "pql")


@pytest.mark.parametrize("method", METHODS)
def test_row_order_leaves_every_bit(simulated, method):
    order = np.random.default_rng(3).permutation(len(simulated.y))
    one = fit_hierarchical(simulated.y, simulated.X, simulated.facility, method=method)
    two = fit_hierarchical(simulated.y[order], simulated.X[order], simulated.facility[order], method=method)
    assert_same_bits(one, two)


def test_row_order_leaves_every_bit_with_fractional_weights(simulated):
    rng = np.random.default_rng(4)
    weights, offset = rng.uniform(0.5, 2, len(simulated.y)), rng.normal(0, 0.2, len(simulated.y)).round(1)
    order = rng.permutation(len(simulated.y))
    y, X, facility = simulated.y, np.round(simulated.X / 10), simulated.facility
    X[:, 1:] = simulated.X[:, 1:]
    one = fit_hierarchical(y, X, facility, weights=weights, offset=offset)
    two = fit_hierarchical(y[order], X[order], facility[order], weights=weights[order], offset=offset[order])
    assert_same_bits(one, two)


@pytest.fixture(params=["compiled", "numpy"])
def either_engine(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setenv(engine.NO_NUMBA, "1")


def relabelled(n_facilities, kind, seed=8):
    """Another label for every facility, in another order when sorted."""
    other = np.random.default_rng(seed).permutation(n_facilities)
    return other * 7 - 50 if kind == "whole numbers" else np.array([f"site {k}" for k in other])


@pytest.mark.usefixtures("either_engine")
@pytest.mark.parametrize("kind", ["whole numbers", "text"])
@pytest.mark.parametrize("method", METHODS)
def test_labels_of_facilities_leave_every_bit(simulated, method, kind):
    labels = relabelled(simulated.facility.max() + 1, kind)
    one = fit_hierarchical(simulated.y, simulated.X, simulated.facility, method=method)
    two = fit_hierarchical(simulated.y, simulated.X, labels[simulated.facility], method=method)
    assert not np.array_equal(np.argsort(labels), np.arange(len(labels)))
    assert_same_bits_by_label(one, two, labels)


@pytest.mark.usefixtures("either_engine")
def test_labels_of_facilities_leave_every_bit_with_fractional_weights(simulated):
    rng = np.random.default_rng(4)
    weights, offset = rng.uniform(0.5, 2, len(simulated.y)), rng.normal(0, 0.2, len(simulated.y)).round(1)
    labels = relabelled(simulated.facility.max() + 1, "text")
    one, two = (
        fit_hierarchical(simulated.y, simulated.X, facility, weights=weights, offset=offset)
        for facility in (simulated.facility, labels[simulated.facility])
    )
    assert_same_bits_by_label(one, two, labels)


@pytest.mark.parametrize("name", ["cbpp", "surgical", "toenail"])
@pytest.mark.parametrize("method", METHODS)
def test_labels_of_facilities_leave_every_bit_of_published_fits(published, name, method):
    """Among them patients of exactly equal content, which share one effect."""
    rows = published[name]
    known, facility = np.unique(rows.facility, return_inverse=True)
    labels = relabelled(len(known), "text")
    one = fit_hierarchical(rows.y, rows.X, facility, trials=rows.trials, method=method)
    two = fit_hierarchical(rows.y, rows.X, labels[facility], trials=rows.trials, method=method)
    assert_same_bits_by_label(one, two, labels)


def test_labels_of_equal_facilities_leave_every_bit_at_the_boundary():
    x, y = np.tile([0.0, 0, 0, 0, 1, 1, 1, 1, 2, 2], 20), np.tile([0, 0, 0, 1, 0, 0, 1, 1, 0, 1], 20)
    facility, labels = np.repeat(np.arange(20), 10), relabelled(20, "whole numbers")
    one, two = fit_hierarchical(y, x, facility), fit_hierarchical(y, x, labels[facility])
    assert one.singular
    assert_same_bits_by_label(one, two, labels)


def assert_same_bits_by_label(one, two, labels):
    """`labels[j]` is the label in `two` of facility j of `one`."""
    place = np.searchsorted(two.facilities, labels)
    assert_array_equal(two.facilities[place], labels)
    for name in ("mu", "beta", "tau", "mu_se", "beta_se", "tau_se", "covariance", "log_likelihood", "path"):
        assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    for name in ("effects", "effects_variance", "prediction_variance", "effects_mean"):
        assert_array_equal(getattr(one, name), getattr(two, name)[place], err_msg=name)
    first, second = facility_influence(one), facility_influence(two)
    for name in ("dfbeta", "dfbetas", "cook_distance"):
        assert_array_equal(getattr(first, name), getattr(second, name)[place], err_msg=name)


def test_order_by_content_moves_whole_facilities(simulated):
    n_facilities = simulated.facility.max() + 1
    counts = (np.ones(len(simulated.y)), simulated.y.astype(float), None, n_facilities)
    cells = collapse_rows(simulated.X, simulated.facility, *counts)
    ordered, order = order_by_content(cells)
    assert_array_equal(np.sort(order.label_position), np.arange(n_facilities))
    assert not np.array_equal(order.label_position, np.arange(n_facilities))
    for by_content, by_label in enumerate(order.label_position):
        here = slice(*ordered.pointer[by_content : by_content + 2])
        there = slice(*cells.pointer[by_label : by_label + 2])
        for name in ("pattern", "n", "y"):
            assert_array_equal(getattr(ordered, name)[here], getattr(cells, name)[there])
    assert_array_equal(order.by_label(ordered.events), cells.events)
    assert_array_equal(order.by_content(cells.event_rows), ordered.event_rows)
    again, same = order_by_content(ordered)
    assert_array_equal(same.label_position, np.arange(n_facilities))
    assert_array_equal(again.pattern, ordered.pattern)


@pytest.mark.parametrize("changed", ["pattern", "n", "y"])
def test_one_other_cell_is_other_content(changed):
    """Facilities that differ in one cell are never in the order of their labels by chance alone."""
    X = np.array([[0.0], [1.0], [0.0], [1.0]])
    n, y = np.array([3.0, 3.0, 3.0, 3.0]), np.array([1.0, 1.0, 1.0, 1.0])
    {"pattern": X[:, 0], "n": n, "y": y}[changed][3] = 2.0
    orders = [
        order_by_content(collapse_rows(X, np.array(facility), n, y, None, 2))[1].label_position.tolist()
        for facility in ([0, 0, 1, 1], [1, 1, 0, 0])
    ]
    assert sorted(orders) == [[0, 1], [1, 0]]


def assert_same_bits(one, two):
    for name in ("mu", "beta", "tau", "covariance", "log_likelihood", "effects", "prediction_variance"):
        assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_one_node_quadrature_is_laplace(simulated, method):
    laplace = fit_hierarchical(simulated.y, simulated.X, simulated.facility, method="laplace")
    one = fit_hierarchical(simulated.y, simulated.X, simulated.facility, method="agq", n_nodes=1)
    assert_same_bits(laplace, one)


def test_weights_equal_repeated_rows(simulated):
    weights = np.random.default_rng(5).integers(1, 4, len(simulated.y))
    weighted = fit_hierarchical(simulated.y, simulated.X, simulated.facility, weights=weights)
    repeated = fit_hierarchical(
        *(np.repeat(a, weights, axis=0) for a in (simulated.y, simulated.X, simulated.facility))
    )
    assert_same_bits(weighted, repeated)
    assert weighted.n_cases == weights.sum()


def test_trials_equal_single_cases(published):
    rows = published["cbpp"]
    counted = fit_hierarchical(rows.y, rows.X, rows.facility, trials=rows.trials)
    single = np.concatenate([np.repeat([1, 0], [y, n - y]) for y, n in zip(rows.y, rows.trials, strict=True)])
    spread = [np.repeat(a, rows.trials, axis=0) for a in (rows.X, rows.facility)]
    expanded = fit_hierarchical(single, *spread)
    assert_array_equal(counted.beta, expanded.beta)
    assert counted.tau == expanded.tau
    assert_allclose(counted.log_likelihood - expanded.log_likelihood, 185.475659684159, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_multiplicity_equals_distinct_copies(simulated, method):
    """A facility counted k times is k facilities with the same cases."""
    n_facilities = simulated.facility.max() + 1
    multiplicity = np.random.default_rng(6).integers(0, 4, n_facilities).astype(float)
    objective = objective_of(simulated.X, simulated.facility, simulated.y, n_facilities, method)
    pooled = fit_pooled(objective.path, multiplicity)
    weighted = estimate_from_pooled(objective, pooled, multiplicity)

    rows, labels = [], []
    copy = 0
    for j in range(n_facilities):
        for _ in range(int(multiplicity[j])):
            positions = np.flatnonzero(simulated.facility == j)
            rows.append(positions)
            labels.append(np.full(len(positions), copy))
            copy += 1
    picked = np.concatenate(rows)
    copies = fit_hierarchical(simulated.y[picked], simulated.X[picked], np.concatenate(labels), method=method)
    raw = objective.cells.raw_coefficients(weighted.at.beta)
    assert_allclose(raw, [copies.mu, *copies.beta], rtol=1e-8)
    assert_allclose(weighted.at.tau, copies.tau, rtol=1e-8)
    expected = np.repeat(weighted.at.u, multiplicity.astype(int))
    assert_allclose(copies.effects, expected, atol=1e-8)


def objective_of(X, facility, y, n_facilities, method):
    cells = collapse_rows(X, facility, np.ones(len(y)), y.astype(float), None, n_facilities)
    return make_objective(cells, method, 7, "reml")


@pytest.mark.parametrize("kind", ["text", "zero-padded text", "object", "categorical", "float", "bytes"])
def test_label_type_does_not_matter(simulated, kind):
    numbers = simulated.facility + 10  # two digits: text sorts like numbers
    labels = {
        "text": numbers.astype(str),
        "zero-padded text": np.array([f"05C{n:07d}" for n in numbers]),
        "object": numbers.astype(str).astype(object),
        "categorical": pd.Series(numbers.astype(str), dtype="category"),
        "float": numbers.astype(float),
        "bytes": numbers.astype(str).astype(bytes),
    }[kind]
    one = fit_hierarchical(simulated.y, simulated.X, numbers)
    two = fit_hierarchical(simulated.y, simulated.X, labels)
    assert_same_bits(one, two)
    assert len(two.facilities) == one.n_facilities


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "list"])
def test_frames_of_every_kind(simulated, kind):
    columns = {name: simulated.X[:, k] for k, name in enumerate(NAMES)}
    plain = fit_hierarchical(simulated.y, simulated.X, simulated.facility, factor_names=NAMES)
    if kind == "pandas":
        given = (pd.Series(simulated.y == 1), pd.DataFrame(columns), pd.Series(simulated.facility))
    elif kind == "polars":
        given = (pl.Series(simulated.y), pl.DataFrame(columns), pl.Series(simulated.facility))
    elif kind == "pyarrow":
        given = (pa.chunked_array([simulated.y]), pa.table(columns), pa.chunked_array([simulated.facility]))
    else:
        given = (simulated.y.tolist(), simulated.X.tolist(), simulated.facility.tolist())
    fit = fit_hierarchical(*given, factor_names=NAMES if kind == "list" else None)
    assert fit.factor_names == tuple(NAMES)
    assert_same_bits(plain, fit)


def test_units_of_a_column_change_its_coefficient_only(simulated):
    scaled = simulated.X * [1000.0, 1, 1, 1] + [65000.0, 0, 0, 0]
    one = fit_hierarchical(simulated.y, simulated.X, simulated.facility)
    two = fit_hierarchical(simulated.y, scaled, simulated.facility)
    assert_allclose(two.beta * [1000.0, 1, 1, 1], one.beta, rtol=1e-9)
    assert_allclose(two.mu, one.mu - 65.0 * one.beta[0], rtol=1e-9)
    assert_allclose(two.beta_se * [1000.0, 1, 1, 1], one.beta_se, rtol=1e-7)
    assert_allclose(two.effects, one.effects, atol=1e-9)


def test_offset_equals_known_coefficient(simulated):
    """Moving the fitted part of a column to the offset leaves the others where they are."""
    full = fit_hierarchical(simulated.y, simulated.X, simulated.facility, method="laplace")
    offset = simulated.X[:, 0] * full.beta[0]
    part = fit_hierarchical(simulated.y, simulated.X[:, 1:], simulated.facility, offset=offset, method="laplace")
    assert_allclose(part.beta, full.beta[1:], atol=1e-8)
    assert_allclose(part.tau, full.tau, rtol=1e-8)
    assert_allclose(part.log_likelihood, full.log_likelihood, rtol=1e-12)


@pytest.mark.parametrize("method", ["agq", "pql"])
def test_thread_count_leaves_every_bit(method):
    """A fit and a bootstrap large enough for a threaded BLAS, in processes of 1 and 2 threads."""
    program = f"""
import hashlib, numpy as np
from riskstd.model import fit_hierarchical
from riskstd.model.refit import Refitter
rng = np.random.default_rng(1)
n, J = 8000, 1500
facility = np.concatenate([np.arange(J), rng.integers(0, J, n - J)])
X = np.column_stack([rng.normal(size=n), rng.random((n, 23)) < 0.2])
y = rng.random(n) < 1 / (1 + np.exp(2 - 0.2 * X.sum(axis=1) - rng.normal(0, 0.5, J)[facility]))
fit = fit_hierarchical(y, X, facility, method={method!r})
refit = Refitter(fit).refit(np.bincount(rng.integers(0, J, J), minlength=J).astype(float))
parts = [fit.beta, fit.covariance, fit.prediction_variance, refit.beta, refit.prediction_variance]
print(hashlib.sha256(b"".join(p.tobytes() for p in parts)).hexdigest())
"""
    digests = set()
    for threads in ("1", "2"):
        limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **limits},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == 64


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
@pytest.mark.parametrize("spread", ["close", "far"])
def test_whole_number_labels_are_coded_like_any_others(dtype, spread):
    limits = np.iinfo(dtype)
    edge = [limits.min, limits.max] if spread == "far" else [limits.max - 3, limits.max]
    values = np.random.default_rng(0).choice(np.array([*edge, limits.max - 1], dtype=dtype), 50)
    labels, codes = code_facilities(values)
    expected, positions = np.unique(values, return_inverse=True)
    assert labels.dtype == dtype
    assert_array_equal(labels, expected)
    assert_array_equal(codes, positions)
