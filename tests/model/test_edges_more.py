"""Data at the edge of what a model can be fitted to, and input of every type."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from riskstd.errors import FitError, RiskstdError, TooFewDataError
from riskstd.model import fit_hierarchical
from riskstd.rates import standardize

METHODS = ("agq", "laplace", "pql")
N = 3000


@pytest.fixture(scope="module")
def rows():
    """One normal risk factor, 40 facilities, 22 % events."""
    rng = np.random.default_rng(0)
    facility = rng.integers(0, 40, N)
    x = rng.normal(size=N)
    log_odds = -1.5 + 0.5 * x + rng.normal(0, 0.5, 40)[facility]
    return (rng.random(N) < 1 / (1 + np.exp(-log_odds))).astype(int), x, facility


@pytest.fixture(scope="module")
def plain(rows):
    return fit_hierarchical(*rows)


def refused(*arguments, error=FitError, **options):
    with pytest.raises(error) as caught:
        fit_hierarchical(*arguments, **options)
    return str(caught.value)


def fitted_or_refused(*arguments, **options):
    """The fit, or the message of its refusal."""
    try:
        return fit_hierarchical(*arguments, **options), ""
    except RiskstdError as error:
        return None, str(error)


# wild scales


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e-9, 1e-3, 1e3, 1e9, 1e30, 1e150])
def test_units_of_any_size(rows, plain, scale):
    y, x, facility = rows
    fit = fit_hierarchical(y, x * scale, facility)
    assert_allclose(fit.beta * scale, plain.beta, rtol=1e-8)
    assert_allclose(fit.beta_se * scale, plain.beta_se, rtol=1e-7)
    assert_allclose([fit.mu, fit.tau, fit.log_likelihood], [plain.mu, plain.tau, plain.log_likelihood], rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300])
def test_units_near_the_end_of_floats(rows, plain, scale):
    """Fitted like any other units, or refused by name; no overflow inside."""
    y, x, facility = rows
    fit, message = fitted_or_refused(y, x * scale, facility, factor_names=["mass"])
    if fit is None:
        assert "'mass'" in message
        assert "combination" not in message
    else:
        assert_allclose(fit.beta * scale, plain.beta, rtol=1e-8)


@pytest.mark.parametrize(("shift", "rtol"), [(1e3, 1e-9), (1e6, 1e-8), (1e9, 1e-5)])
def test_origin_of_any_size(rows, plain, shift, rtol):
    """Rounding of x + shift itself limits what can be told."""
    y, x, facility = rows
    fit = fit_hierarchical(y, x + shift, facility)
    assert_allclose(fit.beta, plain.beta, rtol=rtol)
    assert_allclose(fit.predict(x + shift), plain.predict(x), rtol=1e2 * rtol)


def test_dates_as_ordinals_beside_tiny_and_huge_numbers(rows):
    y, x, facility = rows
    day = 738_000 + np.random.default_rng(1).integers(0, 730, N)
    one = fit_hierarchical(y, np.column_stack([x, day - 738_000.0, x > 1]), facility)
    two = fit_hierarchical(y, np.column_stack([x * 1e-9, day * 86_400e9, x > 1]), facility)
    assert_allclose(two.beta * [1e-9, 86_400e9, 1], one.beta, rtol=1e-6)
    assert_allclose(two.tau, one.tau, rtol=1e-8)


@pytest.mark.parametrize("power", [2.0, 4.0, 6.0])
def test_heavy_tail_has_a_finite_estimate(rows, power):
    """Few huge values and no separation: the pooled part agrees with a general optimiser."""
    y, x, _ = rows
    tail = np.exp(power * x)
    tail /= tail.std()
    even = np.arange(N) % 40
    fit = fit_hierarchical(y, tail, even, method="laplace")

    def negative(theta):
        log_odds = theta[0] + theta[1] * tail
        return np.logaddexp(0, log_odds).sum() - y @ log_odds

    best = min(
        (minimize(negative, [-1.5, start], method="Nelder-Mead", tol=1e-12) for start in (0.1, 10.0, 70.0)),
        key=lambda r: r.fun,
    )
    assert fit.log_likelihood >= -best.fun - 1e-6
    if fit.singular:
        assert_allclose([fit.mu, *fit.beta], best.x, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("constant", [-30.0, -10.0, 5.0, 15.0, 100.0])
def test_offset_far_from_zero(rows, plain, method, constant):
    """A constant in the offset moves the intercept, however large it is."""
    y, x, facility = rows
    base = fit_hierarchical(y, x, facility, method=method)
    fit = fit_hierarchical(y, x, facility, method=method, offset=np.full(N, constant))
    assert_allclose(fit.mu, base.mu - constant, rtol=1e-9)
    assert_allclose([*fit.beta, fit.tau], [*base.beta, base.tau], rtol=1e-7)


@pytest.mark.parametrize("value", [30.0, 300.0, 1e4])
def test_one_huge_value_is_no_separation(rows, value):
    """An event that its risk factor makes certain adds nothing: the others decide, and they are finite."""
    y, x, facility = rows
    event = int(np.flatnonzero(y)[0])
    far = np.where(np.arange(N) == event, value, x)
    fit = fit_hierarchical(y, far, facility, method="laplace")
    others = np.arange(N) != event
    without = fit_hierarchical(y[others], x[others], facility[others], method="laplace")
    atol = 20 * np.exp(-0.5 * value)
    assert_allclose([fit.mu, *fit.beta, fit.tau], [without.mu, *without.beta, without.tau], atol=atol + 1e-8)


def test_many_risk_factors(rows):
    y, _, facility = rows
    X = np.random.default_rng(4).normal(size=(N, 80))
    fit = fit_hierarchical(y, X, facility, method="laplace")
    assert fit.converged
    assert fit.covariance.shape == (82, 82)


def test_large_counts(rows):
    """A million cases in a row of the table are not a million rows of memory."""
    rng = np.random.default_rng(5)
    trials = rng.integers(10**5, 10**6, 50)
    rate = 1 / (1 + np.exp(3 - rng.normal(0, 0.3, 50)))
    y = rng.binomial(trials, rate)
    fit = fit_hierarchical(y, np.zeros((50, 0)), np.arange(50), trials=trials)
    assert fit.converged
    raw = np.log(y / (trials - y))
    assert_allclose(fit.mu + fit.effects, raw, atol=0.01)
    assert_allclose(fit.tau, np.std(raw), rtol=0.02)


# few cases per facility, few facilities


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", METHODS)
def test_one_case_everywhere_tells_nothing_about_facilities(method, seed):
    """With one case per facility the spread between them cannot be told from chance."""
    rng = np.random.default_rng(seed)
    x = rng.random(2000) < 0.3
    y = rng.random(2000) < 0.15 + 0.1 * x
    assert_flagged_or_refused(y, x, np.arange(2000), method=method)


def assert_flagged_or_refused(*arguments, **options):
    """No spread is claimed, or what is claimed carries a warning."""
    fit, message = fitted_or_refused(*arguments, **options)
    if fit is None:
        assert "case" in message
    else:
        assert fit.singular or fit.warnings


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_million_facilities_of_one_case(method):
    rng = np.random.default_rng(7)
    x = rng.random(1_000_000) < 0.3
    y = rng.random(1_000_000) < 0.15 + 0.1 * x
    assert_flagged_or_refused(y, x, np.arange(1_000_000), method=method)


@pytest.mark.slow
def test_half_a_million_facilities_of_two_cases():
    """Enough pairs tell the spread although no facility alone does."""
    rng = np.random.default_rng(8)
    facility = np.repeat(np.arange(500_000), 2)
    x = rng.random(1_000_000) < 0.3
    y = rng.random(1_000_000) < 1 / (1 + np.exp(1.5 - 0.5 * x - rng.normal(0, 1.0, 500_000)[facility]))
    fit = fit_hierarchical(y, x, facility, n_nodes=25)
    assert fit.converged
    assert abs(fit.tau - 1.0) < 4 * fit.tau_se
    assert abs(fit.beta[0] - 0.5) < 4 * fit.beta_se[0]


def test_one_facility_of_a_million():
    y = np.zeros(1_000_000)
    y[::50] = 1
    message = refused(y, np.arange(1_000_000) % 7, np.zeros(1_000_000, dtype=int), error=TooFewDataError)
    assert "1 facility with cases" in message


def test_one_large_and_many_small(rows):
    y, x, _ = rows
    lone = np.where(np.arange(N) < 2500, 0, np.arange(N))
    fit = fit_hierarchical(y, x, lone)
    assert fit.converged
    assert np.all(fit.effects_variance <= fit.tau**2 * (1 + 1e-12))
    assert fit.singular or fit.effects_variance[0] < fit.effects_variance[1:].min()


@pytest.mark.parametrize("method", METHODS)
def test_two_facilities(rows, method):
    y, x, facility = rows
    fit = fit_hierarchical(y, x, facility < 7, method=method)
    assert fit.converged
    assert len(fit.effects) == 2
    rates = standardize(fit, scale="ratio", interval="none")
    assert np.all(np.isfinite(rates.ratio))


# input of every type

DAY = datetime.date(2024, 1, 1)
LABELS = {
    "bool": lambda k: k > 20,
    "int8": lambda k: k.astype(np.int8),
    "uint64 above int64": lambda k: k.astype(np.uint64) + np.uint64(2**63),
    "negative float": lambda k: -k / 3,
    "infinity": lambda k: np.where(k == 39, np.inf, k),
    "text": lambda k: np.array([f"{j:03d}" for j in k]),
    "empty text": lambda k: np.where(k == 0, "", np.array([f"{j:03d}" for j in k])),
    "text of any length": lambda k: np.array([f"{j:03d}" for j in k], dtype=np.dtypes.StringDType()),
    "bytes": lambda k: np.array([f"{j:03d}".encode() for j in k]),
    "days": lambda k: np.datetime64("2024-01-01") + k,
    "durations": lambda k: k * np.timedelta64(1, "h"),
    "date objects": lambda k: [DAY + datetime.timedelta(int(j)) for j in k],
    "uuid": lambda k: [uuid.UUID(int=int(j)) for j in k],
    "decimal": lambda k: [Decimal(int(j)) / 4 for j in k],
    "pairs": lambda k: pd.Series([("A", int(j)) for j in k]),
    "pandas categories": lambda k: pd.Categorical.from_codes(k, [f"{j:03d}" for j in range(40)]),
    "pandas numbers as categories": lambda k: pd.Series(k, dtype="category"),
    "pandas nullable": lambda k: pd.Series(k, dtype="Int64"),
    "pandas time stamps": lambda k: pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(k, unit="D")),
    "pandas time zone": lambda k: pd.Series(pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(k, unit="D")),
    "polars categories": lambda k: pl.Series([f"{j:03d}" for j in k[::-1]]).cast(pl.Categorical)[::-1],
    "polars days": lambda k: pl.Series([DAY + datetime.timedelta(int(j)) for j in k]),
    "arrow dictionary": lambda k: pa.array([f"{j:03d}" for j in k]).dictionary_encode(),
    "column vector": lambda k: k[:, None],
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_type(rows, kind):
    """Labels only name facilities; those that sort alike give the same bits."""
    y, x, facility = rows
    given = LABELS[kind](facility)
    order = 39 - facility if kind == "negative float" else facility > 20 if kind == "bool" else facility
    fit, same = fit_hierarchical(y, x, given), fit_hierarchical(y, x, order)
    for name in ("mu", "beta", "tau", "effects", "prediction_variance"):
        assert_array_equal(getattr(fit, name), getattr(same, name), err_msg=name)
    assert_array_equal(fit.predict(x, given), same.predict(x, order))
    assert len(fit.effects_frame()) == len(same.facilities)


ABSENT = {
    "NaN": lambda k: np.where(k == 3, np.nan, k),
    "NaT": lambda k: np.where(k == 3, np.datetime64("NaT"), np.datetime64("2024-01-01") + k),
    "duration NaT": lambda k: np.where(k == 3, np.timedelta64("NaT"), k * np.timedelta64(1, "h")),
    "None": lambda k: [None if j == 3 else int(j) for j in k],
    "None and text": lambda k: [None if j == 3 else f"{j:03d}" for j in k],
    "NaN and text": lambda k: [float("nan") if j == 3 else f"{j:03d}" for j in k],
    "NaN and text objects": lambda k: np.array([float("nan") if j == 3 else f"{j:03d}" for j in k], dtype=object),
    "complex NaN": lambda k: np.where(k == 3, complex(np.nan), k + 1j),
    "pandas NA": lambda k: pd.Series(k, dtype="Int64").where(k != 3),
    "pandas text": lambda k: pd.Series(k.astype(str), dtype="string").where(k != 3),
    "pandas NaT": lambda k: pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(k, unit="D")).where(k != 3),
    "pandas category": lambda k: pd.Series(k.astype(str), dtype="category").where(k != 3),
    "polars null": lambda k: pl.Series([None if j == 3 else int(j) for j in k]),
    "polars date": lambda k: pl.Series([None if j == 3 else DAY + datetime.timedelta(int(j)) for j in k]),
    "arrow null": lambda k: pa.array([None if j == 3 else f"{j:03d}" for j in k]),
    "masked": lambda k: np.ma.array(k, mask=k == 3),
}


@pytest.mark.parametrize("kind", ABSENT)
def test_missing_labels_of_every_type(rows, kind):
    y, x, facility = rows
    message = refused(y, x, ABSENT[kind](facility))
    first = int(np.flatnonzero(facility == 3)[0])
    assert f"facility: {np.sum(facility == 3)} of 3000 rows missing (row positions from 0: {first}, " in message


@pytest.mark.parametrize(
    "mixed",
    [
        lambda k: [1 if j == 1 else f"{j}" for j in k],
        lambda k: [b"1" if j == 1 else f"{j}" for j in k],
        lambda k: np.array([1 if j == 1 else f"{j}" for j in k], dtype=object),
    ],
)
def test_labels_of_mixed_types_are_refused(rows, mixed):
    """1 and "1" would become one facility."""
    y, x, facility = rows
    message = refused(y, x, mixed(facility))
    assert "facility labels of mixed types" in message
    assert "convert them all to text" in message


def test_labels_without_an_order_are_refused(rows):
    y, x, facility = rows
    labels = np.empty(N, dtype=object)
    labels[:] = [frozenset([f"F{k}"]) for k in facility]
    assert "facility" in refused(y, x, labels)


OUTCOMES = {
    "bool": lambda y: y == 1,
    "float": lambda y: y.astype(np.float32),
    "minus zero": lambda y: np.where(y == 1, 1.0, -0.0),
    "objects": lambda y: y.astype(object),
    "decimal": lambda y: [Decimal(int(v)) for v in y],
    "pandas nullable": lambda y: pd.Series(y == 1, dtype="boolean"),
    "polars": lambda y: pl.Series(y == 1),
    "arrow": lambda y: pa.array(y == 1),
    "column vector": lambda y: y[:, None],
    "big endian": lambda y: y.astype(">i8"),
    "masked without a mask": lambda y: np.ma.array(y),
}


@pytest.mark.parametrize("kind", OUTCOMES)
def test_outcomes_of_every_type(rows, plain, kind):
    y, x, facility = rows
    fit = fit_hierarchical(OUTCOMES[kind](y), x, facility)
    assert_array_equal([fit.mu, *fit.beta, fit.tau], [plain.mu, *plain.beta, plain.tau])


BAD_OUTCOMES = {
    "half": (lambda y: y / 2, "neither 0 nor 1"),
    "one and two": (lambda y: y + 1, "neither 0 nor 1"),
    "minus one": (lambda y: 2 * y - 1, "neither 0 nor 1"),
    "almost zero": (lambda y: np.where(y == 1, 1, 1e-17), "neither 0 nor 1"),
    "complex": (lambda y: y + 0j, "cannot be read as numbers"),
    "duration": (lambda y: y * np.timedelta64(1, "D"), "cannot be read as numbers"),
    "None": (lambda y: None, "outcome y has shape ()"),
    "two columns": (lambda y: np.column_stack([y, y]), "outcome y has shape (3000, 2)"),
    "pandas NA": (lambda y: pd.Series(y, dtype="Int64").where(np.arange(N) != 4), "positions from 0: 4)"),
    "polars null": (lambda y: pl.Series([None, *y[1:].tolist()]), "positions from 0: 0)"),
    "masked": (lambda y: np.ma.array(y, mask=np.arange(N) == 4), "positions from 0: 4)"),
    "infinite": (lambda y: np.where(np.arange(N) == 4, np.inf, y), "positions from 0: 4)"),
}


@pytest.mark.parametrize("kind", BAD_OUTCOMES)
def test_outcomes_that_are_refused(rows, kind):
    y, x, facility = rows
    make, text = BAD_OUTCOMES[kind]
    assert text in refused(make(y), x, facility)


FACTORS = {
    "float32": lambda x: x.astype(np.float32).astype(np.float64),
    "big endian": lambda x: x.astype(">f8"),
    "reversed view": lambda x: x[::-1].copy()[::-1],
    "matrix": lambda x: x[None, :].T,
    "pandas with numbers as names": lambda x: pd.DataFrame(x[:, None]),
    "pandas objects": lambda x: pd.DataFrame({"x1": x.astype(object)}),
    "pandas nullable": lambda x: pd.DataFrame({"x1": pd.Series(x, dtype="Float64")}),
    "series": lambda x: pd.Series(x),
    "polars series": lambda x: pl.Series("x1", x),
    "arrow": lambda x: pa.table({"x1": x}),
}


@pytest.mark.parametrize("kind", FACTORS)
def test_risk_factors_of_every_type(rows, plain, kind):
    y, x, facility = rows
    fit = fit_hierarchical(y, FACTORS[kind](x), facility)
    assert len(fit.beta) == 1
    assert_allclose([fit.mu, *fit.beta, fit.tau], [plain.mu, *plain.beta, plain.tau], rtol=1e-5)


def test_frame_with_numbers_as_column_names(rows):
    """What pandas makes of an array: columns 0, 1, ..."""
    y, x, facility = rows
    array = np.column_stack([x, x**2, x > 1])
    fit = fit_hierarchical(y, pd.DataFrame(array), facility)
    assert fit.factor_names == ("0", "1", "2")
    assert_array_equal(fit.beta, fit_hierarchical(y, array, facility).beta)


BAD_FACTORS = {
    "masked": (lambda x: np.ma.array(x, mask=np.arange(N) == 4), "'x1': 1 of 3000 rows missing or infinite"),
    "pandas NA": (
        lambda x: pd.DataFrame({"a": pd.Series(x > 0, dtype="boolean").where(np.arange(N) != 4)}),
        "'a': 1 of 3000 rows missing or infinite (row positions from 0: 4)",
    ),
    "pandas Int64 NA": (
        lambda x: pd.DataFrame({"a": pd.Series(np.arange(N), dtype="Int64").where(np.arange(N) != 4)}),
        "'a': 1 of 3000 rows missing or infinite (row positions from 0: 4)",
    ),
    "polars null": (lambda x: pl.DataFrame({"a": [None, *x[1:].tolist()]}), "'a': 1 of 3000 rows missing"),
    "arrow null": (lambda x: pa.table({"a": [None, *(x[1:] > 0).tolist()]}), "'a': 1 of 3000 rows missing"),
    "dates": (lambda x: pd.DataFrame({"a": pd.date_range("2024-01-01", periods=N)}), "'a' cannot be read as numbers"),
    "categories": (
        lambda x: pd.DataFrame({"a": pd.Series(np.where(x > 0, "b", "c"), dtype="category")}),
        "'a' cannot be read as numbers",
    ),
    "text": (lambda x: x.astype(str), "cannot be read as numbers"),
    "complex": (lambda x: x + 0j, "cannot be read as numbers"),
    "lists": (lambda x: [[1.0], [1.0, 2.0]] * (N // 2), "cannot be read as numbers"),
    "dict": (lambda x: {"a": x}, "cannot be read as numbers"),
    "lazy": (lambda x: pl.DataFrame({"a": x}).lazy(), "cannot be read as numbers"),
    "None": (lambda x: None, "0 dimensions"),
    "number too large for a float": (
        lambda x: np.array([10**400, *[1] * (N - 1)], dtype=object),
        "risk factors X",
    ),
    "repeated names": (lambda x: pd.DataFrame(np.column_stack([x, x**2]), columns=["a", "a"]), "a"),
}


@pytest.mark.parametrize("kind", BAD_FACTORS)
def test_risk_factors_that_are_refused(rows, kind):
    y, x, facility = rows
    make, text = BAD_FACTORS[kind]
    assert text in refused(y, make(x), facility)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"weights": np.append(np.ones(N - 1), np.nan)}, "weights: 1 of 3000 rows missing or infinite"),
        ({"weights": -np.ones(N)}, "weights: 3000 of 3000 rows 0 or below"),
        ({"offset": np.append(np.zeros(N - 1), -np.inf)}, "offset: 1 of 3000 rows missing or infinite"),
        ({"trials": np.full(N, 1.5)}, "trials: 3000 of 3000 rows not a whole number"),
        ({"trials": np.full(N, "1")}, "trials cannot be read as numbers"),
        ({"trials": 1}, "trials has shape ()"),
    ],
)
def test_trials_weights_and_offset_that_are_refused(rows, options, text):
    assert text in refused(*rows, **options)


def test_a_node_count_is_a_number(rows):
    assert "n_nodes" in refused(*rows, error=RiskstdError, n_nodes=True)


def test_huge_weights_are_flagged_or_right(rows):
    """Rounding of sums of 1e12 cases: converged, or the flag says how far."""
    y, x, facility = rows
    fit = fit_hierarchical(y, x, facility, trials=np.full(N, 1e12))
    assert fit.converged or any("not converged" in text for text in fit.warnings)
