"""Formulas give the fit of the design written out by hand, and code new tables the same way."""

from __future__ import annotations

import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from riskstd.errors import FitError, RiskstdError
from riskstd.model import fit_hierarchical
from riskstd.model.encoding import columns_of
from riskstd.model.formula import fit_formula, parse_formula

N = 1500


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    site = rng.integers(0, 30, N)
    frame = pd.DataFrame(
        {
            "site": [f"S{k:02d}" for k in site],
            "age": rng.integers(50, 90, N).astype(float),
            "kind": rng.choice(["knee", "hip", "spine"], N),
            "diabetes": rng.random(N) < 0.3,
            "years since": rng.gamma(2.0, 2.0, N),
            "grade": rng.integers(1, 4, N),
        }
    )
    log_odds = -1.5 + 0.02 * (frame["age"] - 70) + 0.6 * frame["diabetes"] + rng.normal(0, 0.5, 30)[site]
    frame["visit"] = (rng.random(N) < 1 / (1 + np.exp(-log_odds))).astype(int)
    return frame


def by_hand(table, columns, **options):
    design = np.column_stack([np.asarray(c, dtype=float) for c in columns]) if columns else np.zeros((len(table), 0))
    return fit_hierarchical(table["visit"].to_numpy(), design, table["site"].to_numpy(), **options)


def assert_same_fit(one, two):
    assert_array_equal(one.facilities, two.facilities)
    for name in ("mu", "beta", "tau", "covariance", "log_likelihood", "effects", "effects_mean"):
        assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


HIP, KNEE, SPINE = (lambda t, k=k: t["kind"] == k for k in ("hip", "knee", "spine"))
DESIGNS = {
    "age + kind + diabetes": lambda t: [t.age, KNEE(t), SPINE(t), t.diabetes],
    "C(kind)": lambda t: [KNEE(t), SPINE(t)],
    "C(kind, contr.treatment('spine'))": lambda t: [HIP(t), KNEE(t)],
    "C(kind, levels=['spine', 'knee', 'hip'])": lambda t: [KNEE(t), HIP(t)],
    "age:diabetes": lambda t: [t.age * t.diabetes],
    "kind * diabetes": lambda t: [KNEE(t), SPINE(t), t.diabetes, KNEE(t) * t.diabetes, SPINE(t) * t.diabetes],
    "log(age) + np.sqrt(`years since`)": lambda t: [np.log(t.age), np.sqrt(t["years since"])],
    "I(age**2) + {age / 10}": lambda t: [t.age**2, t.age / 10],
    "C(grade)": lambda t: [t.grade == 2, t.grade == 3],
    "C(age > 70)": lambda t: [t.age > 70],
    "`years since` + age - age": lambda t: [t["years since"]],
    "1": lambda t: [],
}


@pytest.mark.parametrize("terms", DESIGNS)
def test_formula_is_the_design_by_hand(table, terms):
    fit = fit_formula(f"visit ~ {terms}", table, "site")
    assert_same_fit(fit, by_hand(table, DESIGNS[terms](table)))
    assert len(fit.factor_names) == len(fit.beta)


def test_factor_names_are_those_of_formulaic(table):
    fit = fit_formula("visit ~ age + C(kind) + diabetes:age", table, "site")
    assert fit.factor_names == ("age", "C(kind)[T.knee]", "C(kind)[T.spine]", "diabetes:age")


@pytest.mark.parametrize("terms", ["poly(age, 2)", "bs(age, df=4)", "cr(age, df=3, constraints='center')"])
def test_splines_and_polynomials_span_what_they_should(table, terms):
    """Any basis of the same functions has the same likelihood and predictions."""
    fit = fit_formula(f"visit ~ {terms}", table, "site", method="laplace")
    assert fit.converged
    if terms.startswith("poly"):
        plain = fit_formula("visit ~ age + I(age**2)", table, "site", method="laplace")
        assert_allclose(fit.log_likelihood, plain.log_likelihood, rtol=1e-11)
        assert_allclose(fit.predict(table), plain.predict(table), rtol=1e-7)


@pytest.mark.parametrize(
    "formula",
    [
        "visit ~ age + kind + (1 | site)",
        "visit ~ age + (1|site) + kind",
        "visit ~ (1 | site) + age + kind",
        "visit ~ age + ( 1 | `site` ) + kind + diabetes - diabetes",
    ],
)
def test_random_intercept_of_lme4(table, formula):
    assert_same_fit(fit_formula(formula, table), fit_formula("visit ~ age + kind", table, "site"))
    assert_same_fit(fit_formula(formula, table, "site"), fit_formula("visit ~ age + kind", table, "site"))


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "pandas index", "pandas nullable", "polars categories", "arrow"])
def test_tables_of_every_library(table, kind):
    given = {
        "polars": lambda: pl.from_pandas(table),
        "pyarrow": lambda: pa.Table.from_pandas(table),
        "pandas index": lambda: table.set_index(np.arange(N) * 7 % 101),
        "pandas nullable": lambda: table.convert_dtypes(),
        "polars categories": lambda: pl.from_pandas(table[::-1]).with_columns(
            pl.col("kind", "site").cast(pl.Categorical)
        ),
        "arrow": lambda: pa.Table.from_pandas(table.astype({"kind": "category", "site": "category"})),
    }[kind]()
    plain = fit_formula("visit ~ age + kind + diabetes", table, "site")
    fit = fit_formula("visit ~ age + kind + diabetes", given, "site")
    assert fit.factor_names == plain.factor_names
    assert_same_fit(fit, plain)
    expected = plain.predict(table)
    assert_array_equal(fit.predict(given), expected[::-1] if kind == "polars categories" else expected)


def test_order_of_categories_that_the_user_gave(table):
    dtype = pd.CategoricalDtype(["spine", "never", "knee", "hip"])
    fit = fit_formula("visit ~ kind", table.astype({"kind": dtype}), "site")
    assert fit.factor_names == ("kind[T.knee]", "kind[T.hip]")
    enum = pl.from_pandas(table).with_columns(pl.col("kind").cast(pl.Enum(["spine", "never", "knee", "hip"])))
    assert_same_fit(fit_formula("visit ~ kind", enum, "site"), fit)


def test_row_order_does_not_change_the_coding(table):
    order = np.random.default_rng(1).permutation(N)
    one = fit_formula("visit ~ age + kind * diabetes", table, "site")
    assert_same_fit(fit_formula("visit ~ age + kind * diabetes", table.iloc[order], "site"), one)


def test_counts_weights_and_offset_are_columns(table):
    counted = table.assign(cases=np.arange(N) % 3 + 1, w=np.arange(N) % 2 + 1, shift=np.arange(N) % 5 / 10)
    counted["events"] = counted["visit"] * np.minimum(counted["cases"], 2)
    fit = fit_formula("events ~ age", counted, "site", trials="cases", weights="w", offset="shift", method="pql")
    plain = fit_hierarchical(
        counted["events"],
        counted[["age"]],
        counted["site"],
        trials=counted["cases"],
        weights=counted["w"],
        offset=counted["shift"],
        method="pql",
    )
    assert_same_fit(fit, plain)
    assert_array_equal(fit.predict(counted), plain.predict(counted[["age"]], offset=counted["shift"]))
    assert_array_equal(fit.predict(counted, offset=np.zeros(N)), plain.predict(counted[["age"]]))
    with pytest.raises(FitError, match="columns not in the table: shift"):
        fit.predict(counted[["age"]])


TRAINED = "visit ~ poly(age, 2) + bs(`years since`, df=4) + kind * diabetes + scale(grade) + C(age > 70)"


def test_new_tables_are_coded_as_in_the_fit(table):
    """A row's probability does not depend on the rows beside it."""
    fit = fit_formula(TRAINED, table, "site")
    whole = fit.predict(table)
    few = table.iloc[[3, 700, 41]].drop(columns=["visit", "site"])
    assert_allclose(fit.predict(few), whole[[3, 700, 41]], rtol=1e-12)
    one_kind = table[table["kind"] == "hip"]
    assert_allclose(fit.predict(one_kind), whole[(table["kind"] == "hip").to_numpy()], rtol=1e-12)


def test_predict_with_facilities(table):
    fit = fit_formula("visit ~ age + kind", table, "site")
    by_column = fit.predict(table, "site")
    assert_array_equal(by_column, fit.predict(table, table["site"]))
    hand = by_hand(table, DESIGNS["C(kind)"](table))
    plain = fit_formula("visit ~ C(kind)", table, "site")
    design = np.column_stack([KNEE(table), SPINE(table)]).astype(float)
    assert_array_equal(plain.predict(table, "site"), hand.predict(design, table["site"]))
    assert_array_equal(plain.predict(design), plain.predict(table))


def refused(call, *arguments, **options):
    with pytest.raises(FitError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_categories_unseen_in_the_fit_are_counted(table):
    fit = fit_formula("visit ~ kind + C(grade)", table, "site")
    new = table.head(10).assign(kind=["secret"] * 3 + ["knee"] * 7)
    message = refused(fit.predict, new)
    assert "column 'kind': 3 of 10 rows hold a category the fit has not seen" in message
    assert "the 3 categories of the fit" in message
    assert "secret" not in message
    message = refused(fit.predict, table.head(10).assign(grade=[8675309] + [1] * 9))
    assert "column 'grade': 1 of 10 rows" in message
    assert "8675309" not in message
    assert "levels" in refused(fit_formula, "visit ~ C(kind, levels=['hip', 'knee'])", table, "site")


def test_new_tables_that_do_not_fit(table):
    fit = fit_formula("visit ~ bs(age, df=4) + kind", table, "site")
    assert "columns not in the table: kind" in refused(fit.predict, table[["age"]])
    assert "'age' is a category, was a number" in refused(fit.predict, table.assign(age=table["age"].astype(str)))
    assert "inside the range of the fit" in refused(fit.predict, table.assign(age=8675309.0))
    message = refused(fit.predict, table.assign(age=table["age"].where(table.index != 2)))
    assert "'age' 1 (row positions from 0: 2)" in message
    assert "1 of 1500 rows belong to facilities" in refused(
        fit.predict, table.assign(site=["new", *table["site"][1:]]), "site"
    )


def test_missing_values_by_column_and_position(table):
    holes = table.astype({"diabetes": object})
    holes.loc[[4, 9], "age"] = np.nan, np.inf
    holes.loc[:6, "diabetes"] = None
    holes.loc[3, "site"] = None
    message = refused(fit_formula, "visit ~ log(age) + diabetes", holes, "site")
    assert "in 3 columns of 1500 rows" in message
    assert "'age' 2 (row positions from 0: 4, 9)" in message
    assert "'diabetes' 7 (row positions from 0: 0, 1, 2, 3, 4, ...)" in message
    assert "'site' 1 (row positions from 0: 3)" in message
    frame = pl.from_pandas(table).with_columns(visit=pl.when(pl.int_range(N) != 5).then("visit"))
    assert "'visit' 1 (row positions from 0: 5)" in refused(fit_formula, "visit ~ age", frame, "site")
    # columns the formula does not use may have holes
    assert fit_formula("visit ~ kind", table.assign(age=np.nan), "site").converged


def test_infinite_values_a_transform_makes(table):
    zero = table.assign(age=np.where(np.arange(N) == 7, 0.0, table["age"]))
    assert "risk factor 'log(age)': 1 of 1500 rows missing or infinite (row positions from 0: 7)" in refused(
        fit_formula, "visit ~ log(age)", zero, "site"
    )


@pytest.mark.parametrize("terms", ["0 + age", "age - 1", "-1 + age", "age + 0"])
def test_formulas_without_intercept(table, terms):
    assert "drops the intercept" in refused(fit_formula, f"visit ~ {terms}", table, "site")


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("visit", "without one '~'"),
        ("~ age", "without one '~'"),
        ("visit ~ age ~ kind", "without one '~'"),
        (None, "without one '~'"),
        ("visit ~ ", "no terms right of '~'"),
        ("log(visit) ~ age", "left side of the formula is not one column"),
        ("visit + age ~ kind", "left side of the formula is not one column"),
        ("visit ~ age +", "terms that cannot be read"),
        ("visit ~ .", "terms that cannot be read"),
        ("visit ~ age | kind", "a '|' outside of"),
        ("visit ~ age + (age | site)", "random term (age | site)"),
        ("visit ~ age + (1 || site)", "random term (1 || site)"),
        ("visit ~ age + (1 | site/kind)", "random term"),
        ("visit ~ (1 | site) + (1 | kind)", "2 random terms"),
        ("visit ~ age * (1 | site)", "not a term of its own"),
        ("visit ~ (1 | kind)", "differ"),
        ("visit ~ agee + kind", "did you mean age?"),
        ("vist ~ age", "columns not in the table: vist"),
        ("visit ~ lag(age)", "not a known function of columns: lag(age)"),
        ("visit ~ age.mean()", "not a known function"),
        ("visit ~ np.load(kind)", "not a known function"),
        ("visit ~ np.random.seed(age)", "not a known function"),
        ("visit ~ I(age.__class__)", "not a known function"),
        ("visit ~ I([x for x in age])", "not a known function"),
        ("visit ~ log(__import__('os').getpid())", "not a known function"),
        ("visit ~ I((lambda: 1)())", "not a known function"),
        ("visit ~ log(kind)", "cannot be computed"),
        ("visit ~ poly(age, degree='two')", "cannot be computed"),
    ],
)
def test_formulas_that_are_refused(table, formula, text):
    assert text in refused(fit_formula, formula, table, "site")


def test_tables_that_are_refused(table):
    assert "no facility column" in refused(fit_formula, "visit ~ age", table)
    assert "facility of type Series" in refused(fit_formula, "visit ~ age", table, table["site"])
    assert "data of type dict" in refused(fit_formula, "visit ~ age", {"age": [1]}, "site")
    assert "data of type LazyFrame" in refused(fit_formula, "visit ~ age", pl.from_pandas(table).lazy(), "site")
    twice = table.set_axis(["site", "age", "age", *table.columns[3:]], axis=1)
    assert "repeated column names" in refused(fit_formula, "visit ~ age", twice, "site")
    dated = table.assign(day=pd.date_range("2024-01-01", periods=N))
    assert "column 'day' holds dates or times" in refused(fit_formula, "visit ~ day", dated, "site")
    mixed = table.assign(age=[1, "two"] * (N // 2))
    assert "column 'age' holds values of type int, str" in refused(fit_formula, "visit ~ age", mixed, "site")


def test_numbers_kept_as_objects(table):
    exact = table.assign(age=[Decimal(int(a)) for a in table["age"]])
    assert_same_fit(fit_formula("visit ~ age", exact, "site"), fit_formula("visit ~ age", table, "site"))


def test_what_the_model_refuses_is_named_by_factor(table):
    with pytest.raises(RiskstdError, match=r"constant risk factors: I\(age \* 0\)"):
        fit_formula("visit ~ kind + I(age * 0)", table, "site")
    with pytest.raises(RiskstdError, match="linear combination"):
        fit_formula("visit ~ age + I(age / 2)", table, "site")


def test_encoder_survives_pickling(table):
    fit = fit_formula("visit ~ poly(age, 2) + kind", table, "site")
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.predict(table), fit.predict(table))
    with pytest.raises(ValueError, match="read-only"):
        again.effects[0] = 1


def test_parts_of_a_formula():
    assert parse_formula("`any visit` ~ a*b") == ("any visit", "a*b", None)
    assert parse_formula("y ~ (1 | g)") == ("y", "1", "g")
    assert parse_formula("y ~ a + (1 | `a facility`) + b") == ("y", "a + b", "a facility")
    assert columns_of("bs(age, df=4)") == ["age"]
    assert columns_of("np.where(a > 1, b, `c d`)") == ["a", "b", "c d"]
    assert columns_of("C(a, contr.treatment('b'))") == ["a"]
