"""Columns whose type differs between the files of the years lead to the same tables, byte for byte."""

from __future__ import annotations

import random

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from riskstd.claims import read_claims
from riskstd.synth import synthesize
from riskstd.tables import CLAIMS_TABLES


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    synthesize(folder, measures=["ASC-18"], facilities=3, procedures=60, seed=4)
    read_claims(folder / "claims", out=folder / "tables")
    return folder


def drifted(column, change):
    """A column in another type, where it can hold the same values."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    is_day, is_text = pa.types.is_date(kind), pa.types.is_string(kind)
    if change == "texts":
        return pc.strftime(column, "%Y%m%d") if is_day else column.cast(pa.string())
    if change == "dictionaries":
        return (pc.strftime(column, "%Y-%m-%d") if is_day else column.cast(pa.string())).dictionary_encode()
    if change == "large texts":
        return (pc.strftime(column, "%d-%b-%Y") if is_day else column.cast(pa.string())).cast(pa.large_string())
    if change == "blanks":
        text = pc.strftime(column, "%Y-%m-%d") if is_day else column.cast(pa.string())
        return pc.fill_null(pc.binary_join_element_wise(" ", text, " ", ""), "  ")
    if change == "times" and is_day:
        return column.cast(pa.timestamp("us"))
    if is_day:
        return pc.strftime(column, "%Y%m%d").cast(pa.int32() if change == "integers" else pa.float64())
    if is_text and column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column))])
    if is_text and not pc.all(pc.match_substring_regex(column, r"^\d{1,15}$"), skip_nulls=True).as_py():
        return column
    numbers = {"integers": pa.int64(), "fractions": pa.float64(), "decimals": pa.decimal128(18, 0)}.get(change)
    if numbers is None:
        return column
    return column.cast(pa.int64()).cast(pa.decimal128(19, 0) if change == "decimals" else numbers)


@pytest.mark.parametrize(
    "change",
    ["texts", "dictionaries", "large texts", "blanks", "times", "integers", "fractions", "decimals", "by year"],
)
def test_another_type_is_the_same_tables(clean, tmp_path, change):
    changes = ["texts", "dictionaries", "large texts", "blanks", "times", "integers", "fractions", "decimals"]
    draw = random.Random(5)
    (tmp_path / "in").mkdir()
    others = 0
    for path in sorted((clean / "claims").iterdir()):
        table = pq.read_table(path)
        here = draw.choice(changes) if change == "by year" else change
        columns = [drifted(table.column(name), here) for name in table.column_names]
        others += sum(
            column.type != table.column(n).type for n, column in zip(table.column_names, columns, strict=True)
        )
        pq.write_table(pa.table(columns, names=table.column_names), tmp_path / "in" / path.name)
    assert others > 20
    read_claims(tmp_path / "in", out=tmp_path / "tables")
    for table in CLAIMS_TABLES:
        name = f"{table.name}.parquet"
        assert pq.read_metadata(clean / "tables" / name).num_rows > 0
        same = (clean / "tables" / name).read_bytes() == (tmp_path / "tables" / name).read_bytes()
        assert same, name
