"""DuckDB inside this process, with a memory limit that it keeps by spilling to disk."""

from __future__ import annotations

import shutil
import weakref
from typing import TYPE_CHECKING

import duckdb
import ibis

from riskstd.engines.scratch import new_scratch
from riskstd.errors import OptionError

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend


def connect_duckdb(*, memory: str | None = None, cores: int | None = None) -> Backend:
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
    engine = ibis.duckdb.connect(scratch / "work.duckdb", temp_directory=str(scratch / "spill"))
    weakref.finalize(engine, shutil.rmtree, scratch, ignore_errors=True)
    if cores is not None:
        engine.raw_sql(f"SET threads = {int(cores)}")
    limit_memory(engine.con, memory)
    return engine


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
