"""From lazy tables to numbers and frames: through Arrow, which keeps types and order."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import ibis.expr.types as ir
    import pandas as pd
    import pyarrow as pa
    from ibis.backends import BaseBackend


_MANY_ROWS = 100_000


class LazyFrames:
    """Base of results whose lazy tables become frames when first asked for."""

    def release_frames(self) -> None:
        """Let go of the frames; who asks again gets them anew from the lazy tables."""
        for name, attribute in vars(type(self)).items():
            if isinstance(attribute, cached_property):
                self.__dict__.pop(name, None)


def materialize(table: ir.Table, connection: BaseBackend) -> ir.Table:
    """Work a lazy table out once, for several readers; who calls this drops it with `discard`.

    A DuckDB connection to a file keeps the rows there, compressed, so that they take no memory but its buffers.
    """
    from ibis.util import gen_name

    if connection.name == "duckdb":
        return connection.create_table(gen_name("riskstd"), table)
    return table.cache()


def materialize_parts(parts: Iterable[ir.Table], connection: BaseBackend) -> ir.Table:
    """Work lazy tables of one schema out, one after another, into one table; who calls this drops it with `discard`."""
    waiting = iter(parts)
    made = materialize(next(waiting), connection)
    for part in waiting:
        connection.insert(made.op().name, part)  # type: ignore[attr-defined]
    return made


def discard(connection: BaseBackend, names: Iterable[str]) -> None:
    """Drop tables that `materialize` made."""
    if connection.name == "duckdb":
        for name in names:
            connection.drop_table(name, force=True)


def count_rows(table: ir.Table) -> int:
    """Return the number of rows of a lazy table."""
    return int(table.count().to_pyarrow().as_py())


def narrow_columns(table: ir.Table, names: Sequence[str]) -> ir.Table:
    """Cast the columns named to a byte a row where that holds every value, which takes a look at all of them.

    Examples
    --------
    >>> import ibis
    >>> import pyarrow as pa
    >>> rows = pa.table({"procedure_id": [1, 2], "flag": [0, 1], "rvu": [3.5, 4.0], "cents": [7, 128]})
    >>> table = ibis.memtable(rows)
    >>> [str(kind) for kind in narrow_columns(table, ["flag", "rvu", "cents"]).schema().types]
    ['int64', 'int8', 'float64', 'int64']
    """
    whole = [name for name in names if table[name].type().is_integer()]
    if not whole:
        return table
    least = table.aggregate([table[name].min().name(name) for name in whole]).to_pyarrow().to_pylist()[0]
    most = table.aggregate([table[name].max().name(name) for name in whole]).to_pyarrow().to_pylist()[0]
    narrow = [name for name in whole if least[name] is not None and least[name] >= -128 and most[name] <= 127]
    return table.cast(dict.fromkeys(narrow, "int8"))


def to_frame(table: ir.Table | pa.Table) -> pd.DataFrame:
    """Return a lazy or Arrow table as a pandas frame; dates as datetime64.

    Columns of a lazy table are let go one by one as they are turned, so that the rows are not held twice.
    """
    import pyarrow as pa

    if isinstance(table, pa.Table):
        return table.to_pandas(date_as_object=False)
    frame = table.to_pyarrow().to_pandas(date_as_object=False, self_destruct=True, split_blocks=True)
    if len(frame) >= _MANY_ROWS:
        # Arrow keeps what it freed for later use of its own.
        pa.default_memory_pool().release_unused()
    return frame
