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
import sqlglot.expressions as sge
from ibis.backends.duckdb import Backend

from riskstd.engines.scratch import new_scratch
from riskstd.errors import OptionError

_SCHEMA = "main"


class EmbeddedConnection(Backend):
    """Ibis on DuckDB for many small steps: what a kept table holds is known, so DuckDB is not asked for it again."""

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

    @cached_property
    def _own_catalog(self) -> str:
        return self.current_catalog


def connect_duckdb(*, memory: str | None = None, cores: int | None = None) -> EmbeddedConnection:
    """Connect to a DuckDB whose tables lie in a scratch folder that goes when the connection does.

    Parameters
    ----------
    memory : str, optional
        Limit, for example `1GB`; four fifths of the machine if left out.
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
    >>> engine.raw_sql("SELECT current_setting('memory_limit')").fetchone()
    ('476.8 MiB',)
    """
    scratch = new_scratch()
    opened = EmbeddedConnection().connect(scratch / "work.duckdb", temp_directory=str(scratch / "spill"))
    engine = cast(EmbeddedConnection, opened)
    weakref.finalize(engine, shutil.rmtree, scratch, ignore_errors=True)
    if cores is not None:
        engine.raw_sql(f"SET threads = {int(cores)}")
    _skip_waits_for_disk(engine.con)
    limit_memory(engine.con, memory)
    return engine


def _skip_waits_for_disk(con: duckdb.DuckDBPyConnection) -> None:
    """Do not wait until rows are safe from a power cut: the scratch folder goes with this process anyway."""
    with contextlib.suppress(duckdb.CatalogException):
        # DuckDB before 2 lacks the setting.
        con.execute("SET fsync_mode = 'NONE'")


def limit_memory(con: duckdb.DuckDBPyConnection, memory: str | None) -> None:
    """Set the memory limit of a DuckDB; its own stays if none is given.

    Raises
    ------
    OptionError
        When the limit cannot be read.
    """
    if memory is None:
        return
    try:
        con.execute("SET memory_limit = '" + memory.replace("'", "''") + "'")
    except duckdb.Error:
        raise OptionError(f"memory {memory!r} cannot be read", expected="for example 4GB") from None


def memory_limit(con: duckdb.DuckDBPyConnection) -> float:
    """Return the memory limit of a connection in bytes."""
    number, unit = con.execute("SELECT current_setting('memory_limit')").fetchall()[0][0].split()
    return float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit)
