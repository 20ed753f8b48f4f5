"""DuckDB inside this process, with a memory limit that it keeps by spilling to disk."""

from __future__ import annotations

import contextlib
import shutil
import weakref
from functools import cached_property
from typing import Any, cast

import duckdb
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends import BaseBackend
from ibis.backends.duckdb import Backend
from ibis.backends.duckdb.converter import DuckDBPyArrowData

from riskstd.engines.heaps import keep_few_heaps
from riskstd.engines.scratch import new_scratch
from riskstd.errors import OptionError

_SCHEMA = "main"

_SHARE_OF_ENGINE = 0.6
"""Of the memory that reading or the claims steps may take: the rest is for blocks, sorting and frames, which the
engine does not see."""

_ROWS_AT_A_TIME = 100_000

_LEAST_MEMORY = "50MB"
"""What an engine that has nothing to do keeps."""


class EmbeddedConnection(Backend):
    """Ibis on DuckDB for many small steps: what a kept table holds is known, so DuckDB is not asked for it again."""

    limit_bytes: int | None = None
    """Memory that it may take, where a limit was asked for."""

    def create_table(self, name: str, /, obj: Any = None, *, schema: Any = None, temp: bool = False, **others: Any):
        """Work a lazy table out and keep it; anything else as in ibis."""
        if not isinstance(obj, ir.Table) or schema not in (None, obj.schema()) or others:
            return super().create_table(name, obj, schema=schema, temp=temp, **others)
        self._run_pre_execute_hooks(obj)
        catalog = "temp" if temp else self._own_catalog
        target = sge.table_(name, db=_SCHEMA, catalog=catalog, quoted=True)
        columns = obj.schema().to_sqlglot_column_defs(self.dialect)
        kind = sge.Properties(expressions=[sge.TemporaryProperty()] if temp else [])
        made = sge.Create(kind="TABLE", this=sge.Schema(this=target, expressions=columns), properties=kind)
        self.con.execute(made.sql(self.dialect))
        self.con.execute(f"INSERT INTO {target.sql(self.dialect)} {self.compile(obj)}").fetchall()
        place = ops.Namespace(catalog=catalog, database=_SCHEMA)
        return ops.DatabaseTable(name, schema=obj.schema(), source=self, namespace=place).to_expr()

    def to_pyarrow(self, expr: Any, /, **options: Any) -> Any:
        """Return a result whose columns can be let go one by one: DuckDB lets go of a batch as a whole only."""
        reader = self._to_duckdb_relation(expr, **options).to_arrow_reader(_ROWS_AT_A_TIME)
        place = pa.default_cpu_memory_manager()
        table = pa.Table.from_batches([batch.copy_to(place) for batch in reader], reader.schema)
        return expr.__pyarrow_result__(table, data_mapper=DuckDBPyArrowData)

    @cached_property
    def _own_catalog(self) -> str:
        return self.current_catalog


def connect_duckdb(*, memory: str | None = None, cores: int | None = None) -> EmbeddedConnection:
    """Connect to a DuckDB whose tables lie in a scratch folder that goes when the connection does.

    Parameters
    ----------
    memory : str, optional
        What the claims steps may take, for example `1GB`: the engine gets six tenths of it. Four fifths of the
        machine if left out.
    cores : int, optional
        Cores to use; all if left out.

    Raises
    ------
    OptionError
        When the limit cannot be read.

    Notes
    -----
    The scratch folder is in the folder for temporary files (`TMPDIR`) and readable by its owner only.

    Examples
    --------
    >>> engine = connect_duckdb(memory="500MB")
    >>> round(memory_limit(engine.con) / 1e6)
    300
    """
    scratch = new_scratch()
    if memory is not None:
        keep_few_heaps()
    opened = EmbeddedConnection().connect(scratch / "work.duckdb", temp_directory=str(scratch / "spill"))
    engine = cast(EmbeddedConnection, opened)
    weakref.finalize(engine, shutil.rmtree, scratch, ignore_errors=True)
    if cores is not None:
        engine.raw_sql(f"SET threads = {int(cores)}")
    _skip_waits_for_disk(engine.con)
    engine.limit_bytes = limit_memory(engine.con, memory)
    return engine


def release_memory(connection: BaseBackend) -> None:
    """Put what an engine with a memory limit keeps in memory on the disk, so that others may take that memory.

    Memory that Arrow keeps for later goes too.

    Examples
    --------
    >>> engine = connect_duckdb(memory="500MB")
    >>> release_memory(engine)
    >>> round(memory_limit(engine.con) / 1e6)
    300
    """
    if not (isinstance(connection, EmbeddedConnection) and connection.limit_bytes):
        return
    # What cannot go to the disk stays where it is.
    with contextlib.suppress(duckdb.OutOfMemoryException):
        connection.con.execute(f"SET memory_limit = '{_LEAST_MEMORY}'")
    connection.con.execute(f"SET memory_limit = '{connection.limit_bytes}B'")
    pa.default_memory_pool().release_unused()


def _skip_waits_for_disk(con: duckdb.DuckDBPyConnection) -> None:
    """Do not wait until rows are safe from a power cut: the scratch folder goes with this process anyway."""
    with contextlib.suppress(duckdb.CatalogException):
        # DuckDB before 2 lacks the setting.
        con.execute("SET fsync_mode = 'NONE'")


def limit_memory(con: duckdb.DuckDBPyConnection, memory: str | None) -> int | None:
    """Set the memory limit of a DuckDB to its share of what is given; its own stays if nothing is.

    Returns
    -------
    int or None
        The limit in bytes that was set.

    Raises
    ------
    OptionError
        When the limit cannot be read.
    """
    if memory is None:
        return None
    try:
        con.execute("SET memory_limit = '" + memory.replace("'", "''") + "'")
    except duckdb.Error:
        raise OptionError(f"memory {memory!r} cannot be read", expected="for example 4GB") from None
    limit_bytes = int(_SHARE_OF_ENGINE * memory_limit(con))
    con.execute(f"SET memory_limit = '{limit_bytes}B'")
    return limit_bytes


def memory_limit(con: duckdb.DuckDBPyConnection) -> float:
    """Return the memory limit of a connection in bytes."""
    number, unit = con.execute("SELECT current_setting('memory_limit')").fetchall()[0][0].split()
    return float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit)
