"""What the connection to Spark promises: computed once, exact values, nothing mixed up, nothing left."""

from __future__ import annotations

import gc

import ibis
import pyarrow as pa
import pytest

from riskstd.claims import Claims
from riskstd.engines import open_engine
from riskstd.errors import OptionError

pytestmark = [
    pytest.mark.spark,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def plan_of(connection, table) -> str:
    frame = connection._session.table(table.get_name())
    return frame._jdf.queryExecution().optimizedPlan().toString()


def test_kept_tables_forget_how_they_came_about(connection):
    table = ibis.memtable(pa.table({"n": [3, 1, 2]}))
    numbers = connection.create_table("numbers", table.to_pyarrow())
    kept = numbers.filter(numbers.n > 1).mutate(twice=numbers.n * 2).cache()
    assert plan_of(connection, kept).splitlines()[0].startswith("LogicalRDD")
    assert kept.order_by("n").to_pyarrow().to_pylist() == [{"n": 2, "twice": 4}, {"n": 3, "twice": 6}]


def test_kept_tables_and_results_have_the_types_that_ibis_declares(connection):
    table = connection.create_table("days", pa.table({"n": pa.array([5, 6], pa.int32())}))
    numbered = table.mutate(row=ibis.row_number().over(ibis.window(order_by=table.n)), square=table.n * table.n)
    schema = pa.schema([("n", pa.int32()), ("row", pa.int64()), ("square", pa.int64())])
    assert numbered.to_pyarrow().schema.equals(schema)
    assert numbered.cache().to_pyarrow().schema.equals(schema)


def test_large_integers_and_missing_values_stay_apart(connection):
    rows = pa.table({"key": pa.array([2**60 + 1, None, -1], pa.int64()), "text": ["", None, "é"]})
    assert connection.create_table("rows", rows).to_pyarrow().equals(rows)
    assert (
        ibis.memtable(rows)
        .cross_join(connection.create_table("one", pa.table({"x": [1]})))
        .drop("x")
        .to_pyarrow()
        .equals(rows)
    )


def test_two_sets_of_claims_in_one_session_do_not_mix(connection):
    first = Claims.from_frames({"people": [{"person_key": 1}]}, connection=connection)
    second = Claims.from_frames({"people": [{"person_key": 2}, {"person_key": 3}]}, connection=connection)
    assert [first.people.count().to_pyarrow().as_py(), second.people.count().to_pyarrow().as_py()] == [1, 2]


def test_a_connection_takes_its_views_along(connection):
    session = connection._session
    before = {table.name for table in session.catalog.listTables()}
    other = open_engine(session).connection
    table = other.create_table("passing", pa.table({"x": [1]}))
    assert len({table.name for table in session.catalog.listTables()} - before) == 1
    del table, other
    gc.collect()
    assert {table.name for table in session.catalog.listTables()} <= before


def test_a_running_spark_is_taken_and_keeps_its_memory(connection):
    assert open_engine("spark").connection._session is connection._session
    assert open_engine(connection).connection._session is connection._session
    assert open_engine("spark", memory="1GB").name == "spark"
    with pytest.raises(OptionError, match="Spark runs in this process with 1024m of memory and cannot change to 3072m"):
        open_engine("spark", memory="3GB")


def test_a_checkpoint_folder_is_used_if_one_is_named(connection, tmp_path):
    context = connection._session.sparkContext
    rows = connection.create_table("rows", pa.table({"x": [1, 2]}))
    context.setCheckpointDir(str(tmp_path))
    try:
        kept = rows.filter(rows.x > 1).cache()
    finally:
        context._jsc.sc().setCheckpointDir(None)
    assert kept.to_pyarrow().to_pylist() == [{"x": 2}]
    assert list(tmp_path.rglob("part-*"))
    rows.filter(rows.x > 2).cache()
    assert len({path.parent for path in tmp_path.rglob("part-*")}) == 1
