"""Claims: the claims tables as lazy Ibis tables, with what is known of their origin."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import narwhals as nw
import pyarrow as pa

from riskstd.claims.stays import join_stays, summarize_stays
from riskstd.errors import ClaimsError
from riskstd.tables import CLAIMS_TABLES, INPATIENT_CLAIMS, PERSON_KEYS, STAYS, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends import BaseBackend

MANIFEST = "claims.json"
KEY_FILE = Path("private") / "person_keys.parquet"


@dataclass(frozen=True)
class Claims:
    """The claims tables of one delivery, lazily.

    Attributes
    ----------
    tables : mapping of str to ibis table
        The tables declared in `riskstd.tables`; each is an attribute too, for example `claims.people`.
    layout : str
        Layout that they were read from.
    absent : frozenset of str
        Columns that the layout does not have, as `table.column`; they are null throughout.
    statements : tuple of str
        What the layout cannot tell, in sentences for the reports.
    counts : dict
        Rows read, set aside and why, by file and in all.
    """

    connection: BaseBackend = field(repr=False)
    tables: Mapping[str, ir.Table] = field(repr=False)
    person_keys: ir.Table | None = field(default=None, repr=False)
    layout: str = "tables"
    absent: frozenset[str] = frozenset()
    statements: tuple[str, ...] = ()
    counts: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    inputs: tuple[Mapping[str, Any], ...] = ()

    def __getattr__(self, name: str) -> ir.Table:
        tables = self.__dict__.get("tables", {})
        if name in tables:
            return tables[name]
        raise AttributeError(f"Claims has no table {name!r}")

    def has(self, table: str, column: str) -> bool:
        """Tell whether the layout has a column at all."""
        return f"{table}.{column}" not in self.absent

    def on(self, connection: BaseBackend) -> Claims:
        """Return the same claims on another engine: opened from their folder, or copied if they are in memory."""
        if connection is self.connection:
            return self
        if self.folder is not None:
            moved = Claims.from_folder(self.folder, connection)
            # Tables in a temporary folder go with the connection that read them, which so lives as long as the other.
            weakref.finalize(connection, _let_go, self)
            return moved
        frames = {name: table.to_pyarrow() for name, table in self.tables.items()}
        keys = None if self.person_keys is None else self.person_keys.to_pyarrow()
        ids = None if keys is None else dict(zip(*(keys[name].to_pylist() for name in PERSON_KEYS.names), strict=True))
        moved = Claims.from_frames(frames, person_ids=ids, absent=self.absent, connection=connection)
        return replace(moved, layout=self.layout, statements=self.statements, counts=self.counts, inputs=self.inputs)

    def for_person(self, person_key: int) -> Claims:
        """Return the claims of one person, in memory."""
        frames = {
            name: table.filter(table.person_key == person_key).to_pyarrow() for name, table in self.tables.items()
        }
        return Claims.from_frames(frames, absent=self.absent)

    @classmethod
    def from_frames(
        cls,
        frames: Mapping[str, Any],
        *,
        person_ids: Mapping[int, str] | None = None,
        absent: Iterable[str] = (),
        connection: BaseBackend | None = None,
    ) -> Claims:
        """Make claims from frames or Arrow tables in memory; tables left out are empty.

        Parameters
        ----------
        frames : mapping of str to frame (pandas, polars, pyarrow) or list of dict
            Claims tables by name, with the declared columns (missing nullable columns are null).
        person_ids : mapping of int to str, optional
            Identifiers of the source by person key; else the key as text.
        absent : iterable of str
            Columns that the source does not have, as `table.column`.
        connection : ibis backend, optional
            Where to keep them; a new DuckDB in memory if left out.

        Returns
        -------
        Claims

        Raises
        ------
        ClaimsError
            When a table has no such name, or a required column is missing.

        Examples
        --------
        >>> claims = Claims.from_frames({"people": [{"person_key": 1}]})
        >>> int(claims.people.count().to_pyarrow().as_py())
        1
        """
        con = connection if connection is not None else ibis.duckdb.connect()
        frames = with_stays(frames)
        unknown = set(frames) - {table.name for table in CLAIMS_TABLES}
        if unknown:
            raise ClaimsError(
                f"no claims table is called {', '.join(sorted(unknown))}",
                expected=", ".join(table.name for table in CLAIMS_TABLES),
            )
        tables = {
            table.name: con.create_table(table.name, as_arrow(frames.get(table.name), table)) for table in CLAIMS_TABLES
        }
        keys = _person_keys((tables[t.name] for t in CLAIMS_TABLES if "person_key" in t.names), person_ids)
        return cls(
            con,
            tables,
            con.create_table(PERSON_KEYS.name, keys),
            absent=frozenset(absent),
        )

    @classmethod
    def from_folder(cls, folder: Path, connection: BaseBackend | None = None) -> Claims:
        """Open claims tables that a reader wrote.

        Raises
        ------
        ClaimsError
            When the folder does not hold complete claims tables.
        """
        manifest = Path(folder) / MANIFEST
        if not manifest.is_file():
            raise ClaimsError(
                f"{folder} holds no {MANIFEST}: not a folder of claims tables, or not written to the end",
                hint="run riskstd.read_claims on the claim files again",
            )
        about = json.loads(manifest.read_text("utf-8"))
        con = connection if connection is not None else ibis.duckdb.connect()
        tables = {
            t.name: con.read_parquet(Path(folder) / f"{t.name}.parquet", table_name=t.name) for t in CLAIMS_TABLES
        }
        for table in CLAIMS_TABLES:
            table.require_names(tables[table.name].columns)
        keys_file = Path(folder) / KEY_FILE
        keys = con.read_parquet(keys_file, table_name=PERSON_KEYS.name) if keys_file.is_file() else None
        return cls(
            con,
            tables,
            keys,
            layout=about["layout"],
            absent=frozenset(about["absent"]),
            statements=tuple(about["statements"]),
            counts=about["counts"],
            folder=Path(folder),
            inputs=tuple(about.get("inputs", ())),
        )


def _let_go(_claims: Claims) -> None:
    """Hold claims until called."""


def with_stays(frames: Mapping[str, Any]) -> dict[str, Any]:
    """Number the stays of inpatient claims that come without `stay_id`, and add the table of stays."""
    given = frames.get(INPATIENT_CLAIMS.name)
    if given is None:
        return dict(frames)
    source = _to_arrow(given)
    if source.num_rows and "stay_id" in source.column_names and not source["stay_id"].null_count:
        return dict(frames)
    plain = source.drop_columns(["stay_id"]) if "stay_id" in source.column_names else source
    unnumbered = Table("inpatient_claims", "", tuple(c for c in INPATIENT_CLAIMS.columns if c.name != "stay_id"), ())
    con = ibis.duckdb.connect()
    numbered = join_stays(con.create_table("unnumbered", as_arrow(plain, unnumbered))).cache()
    return {
        **frames,
        INPATIENT_CLAIMS.name: numbered.order_by(INPATIENT_CLAIMS.sorted_by).to_pyarrow(),
        STAYS.name: summarize_stays(numbered).order_by(STAYS.sorted_by).to_pyarrow(),
    }


def as_arrow(rows: Any, table: Table) -> pa.Table:
    """Return rows as an Arrow table with exactly the declared columns and types.

    Raises
    ------
    ClaimsError
        When a required column is missing, or a value does not fit its type.
    """
    if rows is None:
        return table.empty()
    source = _to_arrow(rows)
    missing = [c.name for c in table.columns if c.required and c.name not in source.column_names]
    if missing and source.num_rows:
        raise ClaimsError(
            f"table `{table.name}` lacks {len(missing)} required column(s): {', '.join(missing)}",
            expected=", ".join(table.names),
        )
    arrays = []
    for schema_field in table.arrow_schema():
        if schema_field.name in source.column_names:
            try:
                arrays.append(source[schema_field.name].cast(schema_field.type))
            except pa.ArrowInvalid:
                raise ClaimsError(
                    f"table `{table.name}`, column `{schema_field.name}`: values that do not fit the type",
                    expected=str(schema_field.type),
                ) from None
        else:
            arrays.append(pa.nulls(source.num_rows, schema_field.type))
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema())


def _to_arrow(rows: Any) -> pa.Table:
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, list):
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    return nw.from_native(rows, eager_only=True).to_arrow()


def _person_keys(tables: Iterable[ir.Table], person_ids: Mapping[int, str] | None) -> pa.Table:
    """Identifiers of all people with a row in any table: claims may be of people without a record."""
    people = ibis.union(*(table.select("person_key") for table in tables), distinct=True)
    keys = people.order_by("person_key").to_pyarrow()["person_key"]
    names = [str((person_ids or {}).get(key, key)) for key in keys.to_pylist()]
    return pa.Table.from_arrays([keys, pa.array(names, pa.string())], schema=PERSON_KEYS.arrow_schema())
