"""How a table between stages is declared: columns, types, units, allowed values, meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from riskstd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

ColumnType = Literal["key", "integer", "real", "text", "date", "boolean"]

_ARROW: dict[str, pa.DataType] = {
    "key": pa.int64(),
    "integer": pa.int32(),
    "real": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "boolean": pa.bool_(),
}
_DUCKDB = {
    "key": "BIGINT",
    "integer": "INTEGER",
    "real": "DOUBLE",
    "text": "VARCHAR",
    "date": "DATE",
    "boolean": "BOOLEAN",
}


@dataclass(frozen=True)
class Column:
    """One column: what it holds, and whether it identifies a person."""

    name: str
    type: ColumnType
    meaning: str
    unit: str = ""
    allowed: tuple[str, ...] = ()
    required: bool = False
    identifying: bool = False

    @property
    def duckdb_type(self) -> str:
        """SQL type in DuckDB."""
        return _DUCKDB[self.type]


@dataclass(frozen=True)
class Table:
    """One table: its meaning, its columns in order, and the columns its rows are sorted by.

    Examples
    --------
    >>> t = Table("outcomes", "one row per index procedure", (Column("outcome", "integer", "0 or 1"),), ())
    >>> t.names
    ('outcome',)
    >>> t.arrow_schema().field("outcome").type
    DataType(int32)
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    sorted_by: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return the declaration of one column."""
        return next(column for column in self.columns if column.name == name)

    def arrow_schema(self) -> pa.Schema:
        """Arrow schema of the table."""
        return pa.schema([pa.field(c.name, _ARROW[c.type]) for c in self.columns])

    def empty(self) -> pa.Table:
        """Return the table without rows."""
        return self.arrow_schema().empty_table()

    def require_names(self, found: Iterable[str]) -> None:
        """Raise unless every column is there.

        Raises
        ------
        InputError
            Naming the table and the columns that are missing.
        """
        missing = [name for name in self.names if name not in set(found)]
        if missing:
            raise InputError(
                f"table `{self.name}` lacks {len(missing)} column(s): {', '.join(missing)}",
                expected=", ".join(self.names),
                hint="write the table with riskstd.read_claims, or add the columns",
            )
