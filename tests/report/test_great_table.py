"""Results as Great Tables."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import riskstd
from riskstd.errors import OptionError

RATES = {"facility_id": ["F1", "F2"], "cases": [1234, 5], "rate": [12.3456, None], "p_value": [0.00123, 0.5]}


def body(table) -> str:
    return table.as_raw_html()


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(2)
    facility = np.repeat(np.arange(30), 40)
    x = rng.integers(0, 2, 1200)
    y = rng.random(1200) < 1 / (1 + np.exp(2 - x - rng.normal(0, 0.5, 30)[facility]))
    return riskstd.fit_hierarchical(y, x, facility, factor_names=["diabetes"])


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_numbers_read_well_whatever_the_frame(kind):
    html = body(riskstd.great_table(kind(RATES), title="Rates", subtitle="2023"))
    for shown in ("Rates", "2023", "facility id", "1,234", "12.3", "0.001", "\N{EN DASH}"):
        assert shown in html, shown
    assert "12.35" not in html
    assert "nan" not in html.lower()


def test_every_result_has_one(fit):
    rates = riskstd.standardize(fit, scale="percent", n_bootstrap=50, seed=1)
    assert f">{rates.rate[0]:.1f}<" in body(riskstd.great_table(rates, columns=["facility_id", "rate"]))
    assert "diabetes" in body(riskstd.great_table(fit))


def test_columns_are_chosen_in_their_order():
    html = body(riskstd.great_table(pd.DataFrame(RATES), columns=["facility_id", "p_value", "cases"]))
    assert html.index("p value") < html.index(">cases<")
    assert "rate" not in html[html.index("<thead") :]


def test_persons_are_refused():
    with pytest.raises(OptionError, match="columns that identify persons: person_key, claim_id"):
        riskstd.great_table(pd.DataFrame({"person_key": [1], "claim_id": ["c"], "rate": [1.0]}))


def test_what_cannot_be_a_table_is_refused():
    with pytest.raises(OptionError, match="a list"):
        riskstd.great_table([1, 2])
    with pytest.raises(OptionError, match="no column none"):
        riskstd.great_table(pd.DataFrame(RATES), columns=["none"])


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "great_tables", None)
    with pytest.raises(OptionError, match="Great Tables, which is not installed") as error:
        riskstd.great_table(pd.DataFrame(RATES))
    assert 'pip install "riskstd[tables]"' in str(error.value)


def test_the_same_result_gives_the_same_bytes():
    first, second = (riskstd.great_table(pd.DataFrame(RATES)).as_raw_html() for _ in range(2))
    assert first == second
    assert riskstd.great_table(pd.DataFrame(RATES), title="Other").as_raw_html() != first
