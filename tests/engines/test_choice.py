"""Engines that cannot be had are refused with what was found and what to do, before anything is read."""

from __future__ import annotations

import sys
import types

import ibis
import pytest

import riskstd
from riskstd.engines import check_engine, engine_of, open_engine, release_memory
from riskstd.engines.local import local_settings
from riskstd.engines.session import require_java, require_pyspark, require_version
from riskstd.errors import OptionError


def java_that_says(folder, text, status=0):
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{text}' >&2\nexit {status}\n")
    java.chmod(0o755)
    return folder


def test_no_pyspark(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(OptionError, match="needs PySpark, which is not installed") as error:
        riskstd.run_measure("ASC-12", claims=tmp_path / "none", out=tmp_path, engine="spark")
    assert "what to do: pip install 'riskstd[spark]'" in str(error.value)
    assert error.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_pyspark_too_old(monkeypatch):
    old = types.ModuleType("pyspark")
    old.__version__ = "3.5.1"
    monkeypatch.setitem(sys.modules, "pyspark", old)
    with pytest.raises(OptionError, match=r"PySpark 3\.5\.1 is too old"):
        require_pyspark()


@pytest.mark.parametrize("found", ["4.0.0", "4.1.4", "5.0.0-preview1"])
def test_spark_new_enough(found):
    require_version("Spark", found)


def test_no_java(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OptionError, match="needs Java, and none is in PATH") as error:
        require_java()
    assert "expected: Java 17 or later" in str(error.value)
    assert "openjdk-17-jre-headless" in str(error.value)


def test_java_home_leads_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(OptionError, match="none is where JAVA_HOME points"):
        require_java()


def test_java_that_does_not_run(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(java_that_says(tmp_path, "broken", status=1)))
    with pytest.raises(OptionError, match="none is where JAVA_HOME points"):
        require_java()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('openjdk version "11.0.2" 2019-01-15', "Java 11 is too old"),
        ('java version "1.8.0_202"', "Java 8 is too old"),
        ("a machine of its own", "Java of unknown version is too old"),
    ],
)
def test_java_too_old(monkeypatch, tmp_path, text, shown):
    monkeypatch.setenv("JAVA_HOME", str(java_that_says(tmp_path, text)))
    with pytest.raises(OptionError, match=shown):
        require_java()


@pytest.mark.parametrize("text", ['openjdk version "17.0.15" 2025-04-15', 'openjdk version "21" 2023-09-19'])
def test_java_new_enough(monkeypatch, tmp_path, text):
    monkeypatch.setenv("JAVA_HOME", str(java_that_says(tmp_path, text)))
    require_java()


@pytest.mark.parametrize("engine", ["abacus", "", 7, ibis.sqlite.connect()])
def test_what_is_no_engine(engine):
    with pytest.raises(OptionError):
        check_engine(engine)


def test_a_connection_that_is_open_is_taken():
    connection = ibis.duckdb.connect()
    engine = open_engine(connection)
    assert engine.connection is connection
    assert engine == engine_of(connection)
    assert engine.version.startswith("v") or engine.version[0].isdigit()


@pytest.mark.parametrize("memory", ["much", "4 apples", ""])
@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_memory_that_cannot_be_read(engine, memory, tmp_path):
    with pytest.raises(OptionError, match=r"memory .* cannot be read"):
        open_engine("duckdb", memory=memory) if engine == "duckdb" else local_settings(tmp_path, memory)


def test_too_little_memory_for_spark(tmp_path):
    with pytest.raises(OptionError, match="memory '100MB' is too small for engine spark"):
        local_settings(tmp_path, "100MB")


@pytest.mark.parametrize(
    ("memory", "heap"), [("4GB", "4096m"), ("1.5 GiB", "1536m"), ("900m", "900m"), ("1t", "1048576m")]
)
def test_memory_of_spark(memory, heap, tmp_path):
    assert local_settings(tmp_path, memory)["spark.driver.memory"] == heap


def test_memory_limit_of_duckdb_holds():
    connection = open_engine("duckdb", memory="300MB", cores=1).connection
    limit, threads = connection.raw_sql("SELECT current_setting('memory_limit'), current_setting('threads')").fetchone()
    assert limit == "171.6 MiB", "six tenths; frames take the rest"
    assert threads == 1


def _kept_mb(connection):
    sums = "SELECT sum(memory_usage_bytes) / 1e6, sum(temporary_storage_bytes) / 1e6 FROM duckdb_memory()"
    return connection.raw_sql(sums).fetchone()


def test_an_engine_with_a_limit_gives_its_memory_back():
    connection = open_engine("duckdb", memory="500MB", cores=1).connection
    connection.raw_sql("CREATE TEMP TABLE kept AS SELECT hash(range) AS number FROM range(15_000_000)")
    limit, (before, _) = connection.raw_sql("SELECT current_setting('memory_limit')").fetchone(), _kept_mb(connection)
    release_memory(connection)
    memory, disk = _kept_mb(connection)
    assert before > 100 > 55 > memory
    assert disk > 50
    assert connection.raw_sql("SELECT current_setting('memory_limit')").fetchone() == limit
    assert connection.raw_sql("SELECT count(DISTINCT number) FROM kept").fetchone() == (15_000_000,)


@pytest.mark.parametrize("engine", ["own", "given"])
def test_an_engine_without_a_limit_keeps_its_memory(engine):
    connection = open_engine("duckdb" if engine == "own" else ibis.duckdb.connect()).connection
    connection.raw_sql("CREATE TEMP TABLE kept AS SELECT hash(range) AS number FROM range(15_000_000)")
    before = _kept_mb(connection)
    release_memory(connection)
    assert _kept_mb(connection) == before
