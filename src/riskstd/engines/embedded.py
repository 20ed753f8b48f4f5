"""DuckDB inside this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import ibis

from riskstd.errors import OptionError

if TYPE_CHECKING:
    from ibis.backends import BaseBackend


def connect_duckdb(*, memory: str | None = None, cores: int | None = None) -> BaseBackend:
    """Return a new DuckDB in memory.

    Raises
    ------
    OptionError
        When the memory limit cannot be read.
    """
    connection = ibis.duckdb.connect()
    if cores is not None:
        connection.raw_sql(f"SET threads = {int(cores)}")
    if memory is not None:
        try:
            connection.raw_sql(f"SET memory_limit = '{memory}'")
        except duckdb.Error:
            raise OptionError(f"memory {memory!r} cannot be read", expected="for example 4GB") from None
    return connection
