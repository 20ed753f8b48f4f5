"""The ibis connection to Spark, with tables that are kept computed, exact, and apart from those of others."""

from __future__ import annotations

import contextlib
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
from ibis.backends.pyspark import Backend
from ibis.backends.pyspark.datatypes import PySparkSchema
from ibis.util import gen_name

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.expr.schema import Schema
    from pyspark.sql import DataFrame, SparkSession

_ROWS_TO_FILE = "200"
"""Size of rows against that of their file: months of enrolment shrink 200 times, and a table that looks small is sent
whole to every task."""


class SparkConnection(Backend):
    """Ibis on Spark as the claims steps need it.

    Kept tables are computed at once and forget how they came about: plans stay short, and nothing is computed twice.
    Tables go in and out as Arrow, which keeps integers and missing values apart. Views have names of their own, so
    that two sets of claims tables can be open in one session.
    """

    _session: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_options()
        self._own_views: list[str] = []

    def do_connect(self, *args: Any, **kwargs: Any) -> None:
        """Connect, and take the views of this connection along when it goes."""
        super().do_connect(*args, **kwargs)
        with contextlib.suppress(Exception):
            self._session.conf.set("spark.sql.sources.fileCompressionFactor", _ROWS_TO_FILE)
        weakref.finalize(self, _drop_views, self._session, self._own_views).atexit = False

    def _create_cached_table(self, name: str, expr: ir.Table) -> ir.Table:
        self._run_pre_execute_hooks(expr)
        frame = _typed(self._session.sql(self.compile(expr)), expr.schema())
        kept = frame.checkpoint() if self._has_checkpoint_folder else frame.localCheckpoint()
        kept.createOrReplaceTempView(name)
        self._cached_dataframes[name] = kept
        return self.table(name)

    def _drop_cached_table(self, name: str) -> None:
        self._session.catalog.dropTempView(name)
        self._cached_dataframes.pop(name, None)

    @property
    def _has_checkpoint_folder(self) -> bool:
        """Where executors come and go, tables are kept in a folder that all of them reach, if one is named."""
        # A session of Spark Connect has no context; there the setting alone tells.
        context = getattr(self._session, "_sc", None)
        named = context is not None and context.getCheckpointDir() is not None
        return named or self._session.conf.get("spark.checkpoint.dir", None) is not None

    def _register_in_memory_table(self, op: Any) -> None:
        self._view(op.name, op.data.to_pyarrow(op.schema))

    def _view(self, name: str, arrow: pa.Table) -> None:
        schema = PySparkSchema.from_ibis(ibis.schema(arrow.schema))
        self._session.createDataFrame(arrow, schema=schema).createOrReplaceTempView(name)
        self._own_views.append(name)

    def to_pyarrow(self, expr: Any, /, *, params: Any = None, limit: Any = None, **_: Any) -> Any:
        """Return a result as Arrow, in the types that ibis declares."""
        self._run_pre_execute_hooks(expr)
        table = expr.as_table()
        sql = self.compile(table, params=params, limit=limit)
        found = self._session.sql(sql).toArrow()
        return expr.__pyarrow_result__(found.cast(table.schema().to_pyarrow()))

    def read_parquet(self, path: str | Path, /, *, table_name: str | None = None, **kwargs: Any) -> ir.Table:
        """Open Parquet files under a name that no other table has."""
        view = gen_name(table_name or "parquet")
        self._own_views.append(view)
        return super().read_parquet(path, table_name=view, **kwargs)

    def create_table(self, name: str, /, obj: Any = None, **kwargs: Any) -> ir.Table:
        """Take an Arrow table as a view of the session; nothing is written to a catalog."""
        if not isinstance(obj, pa.Table):
            return super().create_table(name, obj, **kwargs)
        view = gen_name(name)
        self._view(view, obj)
        return self.table(view)


def _drop_views(session: SparkSession, names: list[str]) -> None:
    with contextlib.suppress(Exception):
        for name in names:
            session.catalog.dropTempView(name)


def _typed(frame: DataFrame, schema: Schema) -> DataFrame:
    """Return a frame in the types that ibis declares; Spark counts and numbers rows in narrower ones."""
    declared = PySparkSchema.from_ibis(schema)
    narrower = [
        (have.name, want.dataType)
        for have, want in zip(frame.schema.fields, declared.fields, strict=True)
        if have.dataType != want.dataType
    ]
    return frame.withColumns({name: frame[name].cast(wanted) for name, wanted in narrower}) if narrower else frame
