"""Claims of one person as plain rows: read by person key, so that a trace looks at a few row groups only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow.compute as pc
import pyarrow.parquet as pq

from riskstd.errors import InputError
from riskstd.tables import CLAIMS_TABLES, PERSON_KEYS

if TYPE_CHECKING:
    import pyarrow as pa

    from riskstd.claims import Claims

Row = dict[str, Any]
CLAIMS_MANIFEST = "claims.json"
KEY_FILE = Path("private") / "person_keys.parquet"


@dataclass(frozen=True)
class PersonClaims:
    """Rows of the claims tables of one person, in their declared order.

    Attributes
    ----------
    tables : mapping of str to list of dict
    absent : frozenset of str
        Columns that the layout does not have, as `table.column`.
    """

    tables: Mapping[str, list[Row]] = field(repr=False)
    absent: frozenset[str] = frozenset()

    def rows(self, table: str) -> list[Row]:
        """Return the rows of a claims table."""
        return self.tables.get(table, [])

    def has(self, table: str, column: str) -> bool:
        """Tell whether the layout has a column at all."""
        return f"{table}.{column}" not in self.absent


class PersonSource(Protocol):
    """Where the claims of a person come from."""

    def person(self, person_id: str) -> PersonClaims:
        """Return the claims of the person with this identifier of the source."""
        ...


@dataclass(frozen=True)
class ClaimsFolder:
    """Claims tables in a folder, sorted by person: of each file only the row groups of the person are read."""

    folder: Path

    def person(self, person_id: str) -> PersonClaims:
        """Return the claims of the person with this identifier of the source.

        Raises
        ------
        InputError
            When the map to identifiers, or the person, is not there.
        """
        about = json.loads((self.folder / CLAIMS_MANIFEST).read_text("utf-8"))
        key = self._key(person_id)
        tables = {
            table.name: _rows(
                rows_where(self.folder / f"{table.name}.parquet", "person_key", key),
                table.sorted_by,
            )
            for table in CLAIMS_TABLES
        }
        return PersonClaims(tables, frozenset(about["absent"]))

    def _key(self, person_id: str) -> int:
        path = self.folder / KEY_FILE
        if not path.is_file():
            raise _no_keys()
        found = rows_where(path, "person_id", person_id)["person_key"].to_pylist()
        if not found:
            raise _no_person()
        return found[0]


@dataclass(frozen=True)
class ClaimsInMemory:
    """Claims tables that were opened by the library, on any engine."""

    claims: Claims

    def person(self, person_id: str) -> PersonClaims:
        """Return the claims of the person with this identifier of the source.

        Raises
        ------
        InputError
            When the map to identifiers, or the person, is not there.
        """
        keys = self.claims.person_keys
        if keys is None:
            raise _no_keys()
        found = keys.filter(keys.person_id == person_id).to_pyarrow()[PERSON_KEYS.sorted_by[0]].to_pylist()
        if not found:
            raise _no_person()
        tables = {}
        for table in CLAIMS_TABLES:
            lazy = self.claims.tables[table.name]
            tables[table.name] = _rows(lazy.filter(lazy.person_key == found[0]).to_pyarrow(), table.sorted_by)
        return PersonClaims(tables, self.claims.absent)


def rows_where(path: Path, column: str, value: int | str, columns: list[str] | None = None) -> pa.Table:
    """Return the rows of a Parquet file with a value in a column, from the row groups that may hold it alone.

    One thread: the rows of one person are few, and threads cost more than they give.
    """
    with pq.ParquetFile(path) as file:
        place = file.schema_arrow.get_field_index(column)
        groups = [n for n in range(file.num_row_groups) if _may_hold(file.metadata.row_group(n).column(place), value)]
        wanted = None if columns is None else list(dict.fromkeys([*columns, column]))
        table = file.read_row_groups(groups, columns=wanted, use_threads=False)
    return table.filter(pc.call_function("equal", [table[column], value]))


def _may_hold(chunk: Any, value: int | str) -> bool:
    known = chunk.statistics
    return known is None or not known.has_min_max or known.min <= value <= known.max


def _rows(table: pa.Table, order: tuple[str, ...]) -> list[Row]:
    keys = [(name, "ascending") for name in order]
    rows = table.sort_by(keys) if table.num_rows > 1 else table
    return rows.drop_columns(["person_key"]).to_pylist()


def _no_keys() -> InputError:
    return InputError(
        "the map from person keys to identifiers is not with the claims tables",
        expected=str(KEY_FILE),
        hint="read the claim files again, or ask the owner of the claims tables",
    )


def _no_person() -> InputError:
    return InputError("the person of this procedure is not in the claims tables", hint="give the claims of the run")
