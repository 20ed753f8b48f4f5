"""Raw files as tables with canonical columns: every file read once, every cell in its type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from riskstd.claims.cells import Cleaner, arrow_type, sql_type
from riskstd.claims.scan import NotPlainError, in_order, parquet_blocks, plain_blocks, quoted_path, text_batches

if TYPE_CHECKING:
    from riskstd.claims.files import Delivery, SourceFile
    from riskstd.claims.layouts import Layout, Role

_HEADER = (
    "person_id",
    "claim_id",
    "claim_type",
    "final_action",
    "from_date",
    "thru_date",
    "code_system",
    "claim_birth_date",
)
_BIRTH = "claim_birth_date"
_DIAGNOSES = ("principal_diagnosis", "principal_version", "diagnosis_{25}", "version_{25}")
_INSTITUTION = (
    "provider_ccn",
    "facility_type",
    "service_class",
    "frequency",
    "bill_type",
    "nonpayment",
    "facility_npi",
)
_LINE = ("person_id", "claim_id", "line_number")
_MODIFIERS = ("modifier_1", "modifier_2", "modifier_3", "modifier_4")


def _expand(columns: Iterable[str]) -> tuple[str, ...]:
    out: list[str] = []
    for column in columns:
        slots = re.fullmatch(r"(\w+)_\{(\d+)\}", column)
        out += [f"{slots[1]}_{n}" for n in range(1, int(slots[2]) + 1)] if slots else [column]
    return tuple(out)


ROLE_COLUMNS: dict[Role, tuple[str, ...]] = {
    "beneficiary": _expand(("person_id", "year", "birth_date", "age", "death_date", "sex", "buy_in_{12}", "hmo_{12}")),
    "span": ("person_id", "birth_date", "death_date", "sex", "span_start", "span_end", "payer"),
    "professional_header": _expand((*_HEADER, _BIRTH, "denial", "billing_npi", *_DIAGNOSES)),
    "professional_line": (
        *_LINE,
        "hcpcs",
        *_MODIFIERS,
        "type_of_service",
        "specialty",
        "place_of_service",
        "first_date",
        "last_date",
        "processing",
        "performing_npi",
        "organization_npi",
        "line_diagnosis",
        "line_version",
    ),
    "outpatient_header": _expand((*_HEADER, _BIRTH, *_INSTITUTION, *_DIAGNOSES)),
    "outpatient_line": (*_LINE, "revenue_code", "line_date", "hcpcs", *_MODIFIERS),
    "inpatient_header": _expand(
        (
            *_HEADER,
            _BIRTH,
            *_INSTITUTION,
            "admission_date",
            "discharge_date",
            "discharge_status",
            "admission_source",
            *_DIAGNOSES,
            "procedure_{25}",
            "procedure_day_{25}",
        )
    ),
    "inpatient_line": (*_LINE, "revenue_code"),
}

# What a cell is, by the name of its column without the number of its slot; text that is only trimmed is not named.
_KINDS = {
    **dict.fromkeys(("person_id", "claim_id"), "key"),
    **dict.fromkeys(("span_start", "span_end", "procedure_day"), "date"),
    **dict.fromkeys(("diagnosis", "principal_diagnosis", "line_diagnosis", "procedure", "hcpcs"), "code"),
    **dict.fromkeys(("buy_in", "hmo", "modifier", "type_of_service", "processing", "admission_source"), "upper"),
    **dict.fromkeys(("specialty", "place_of_service", "discharge_status"), "two"),
    **dict.fromkeys(("claim_kind", "payer"), "lower"),
    **dict.fromkeys(("line_number", "age"), "number"),
    "provider_ccn": "six",
    "revenue_code": "revenue_code",
    "bill_type": "bill_type",
    "year": "year",
    "sex": "lower",
    "claim_birth_date": "claim_birth",
    "code_system": "icd",
}
SHOWN_POSITIONS = 5
ROWS_OF_A_BLOCK = 1 << 24  # more than a block of bytes can hold
_OPTIONAL_DATES = ("procedure_day",)
"""Dates that may hold anything: nothing rests on them."""
READ_BY_GROUPS = ("professional", "outpatient")
"""Settings whose claims and lines are joined group by group of people."""

# In a layout with all kinds of claims in one file, kind and bill type tell the settings apart.
_INPATIENT_BILLS = "('11', '41')"
_OTHER_BILLS = "('18', '21', '28', '32', '33', '34', '81', '82')"
_SETTING = f"""CASE WHEN claim_kind = 'professional' THEN 'professional'
  WHEN claim_kind = 'institutional' THEN CASE
    WHEN left(bill_type, 2) IN {_INPATIENT_BILLS} THEN 'inpatient'
    WHEN coalesce(left(bill_type, 2), '') NOT IN {_OTHER_BILLS} THEN 'outpatient' END END"""


@dataclass(frozen=True)
class UnreadableCells:
    """Cells of one column of one file that must be read and cannot."""

    kind: str
    column: str
    source: str
    file: str
    count: int
    first_rows: tuple[int, ...]


@dataclass
class Staged:
    """What was read: rows by file, and cells that cannot be read."""

    rows: dict[str, int] = field(default_factory=dict)
    of_other_settings: int = 0
    unreadable: list[UnreadableCells] = field(default_factory=list)
    blocks: dict[Role, _BlockFolder] = field(default_factory=dict)

    def block(self, role: Role, number: int) -> Path:
        """Return where the cells of a block of rows lie."""
        return self.blocks[role].path(number)

    def slots(self, role: Role, number: int) -> Path | None:
        """Return where the diagnosis slots of a block of rows lie, if its files have any."""
        blocks = self.blocks[role]
        return blocks.slot_folder / blocks.path(number).name if blocks.slots else None

    def people_of_blocks(self) -> list[tuple[str, str]]:
        """Return the first and last identifier of every block that is read by groups of people."""
        grouped = {id(b): b for role, b in self.blocks.items() if role.startswith(READ_BY_GROUPS)}
        return [ends for blocks in grouped.values() for ends in blocks.ends_of_people()]


def stage_files(
    con: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    folder: Path,
    threads: int,
    read: Callable[[str, int], None],
) -> Staged:
    """Read every file once into Parquet, and create view `raw_<role>` for every role.

    Parameters
    ----------
    con : duckdb connection
    delivery : Delivery
        Files and layout.
    folder : Path
        Folder for the Parquet files, which need a fraction of the room of the delivery.
    threads : int
        Blocks of a file to work on at the same time.
    read : callable
        Called with the name of a file and the bytes read of it.

    Raises
    ------
    ClaimsError
        When a file has rows that do not fit its header.
    """
    staged = Staged()
    cleaner = Cleaner()
    layout = delivery.layout
    for kind in layout.files:
        files = delivery.of_kind([kind])
        wanted = kind_columns(layout, kind)
        present = [n for n in wanted if any(layout.source_column(n, list(file.header)) for file in files)]
        blocks = _BlockFolder(folder / kind, present)
        for file in files:
            _stage_file(_Reading(file, layout, cleaner, blocks, threads), staged, read)
        _create_views(con, layout, kind, blocks)
        _create_people_views(con, layout, kind, blocks)
        staged.blocks |= dict.fromkeys(layout.files[kind].provides, blocks)
        if is_mixed(layout, kind):
            kept = con.execute(f"SELECT count(*) FROM read_{kind} WHERE setting IS NOT NULL").fetchall()[0][0]
            staged.of_other_settings += sum(staged.rows[file.name] for file in files) - int(kept)
    for role in set(ROLE_COLUMNS) - {role for about in layout.files.values() for role in about.provides}:
        columns = ", ".join(f"{_null(name)} AS {name}" for name in ROLE_COLUMNS[role])
        con.execute(f"CREATE OR REPLACE TEMP VIEW raw_{role} AS SELECT {columns}, 0 AS row WHERE false")
        con.execute(f"CREATE OR REPLACE TEMP VIEW people_{role} AS SELECT person_id FROM raw_{role}")
    return staged


@dataclass(frozen=True)
class PersonGroup:
    """People whose claims are put together at a time: those from one identifier to another, and their keys.

    Parameters
    ----------
    first_key, last_key : int
        Person keys.
    first_id : str, optional
        The first identifier; rows without any belong to the group that has none.
    next_id : str, optional
        The first identifier after the group; all that follow belong to it if left out.
    """

    first_key: int
    last_key: int
    first_id: str | None = None
    next_id: str | None = None

    def holds(self, low: str, high: str) -> bool:
        """Tell whether one of its people may be among those from one identifier to another."""
        return (self.first_id is None or high >= self.first_id) and (self.next_id is None or low < self.next_id)

    def condition(self) -> str:
        """SQL of its people by `person_id`; nothing if all are in it.

        The identifiers are variables of the connection, so that no message can show them.
        """
        if self.first_id is None and self.next_id is None:
            return ""
        if self.first_id is None:
            return " WHERE (person_id < getvariable('next_id') OR person_id IS NULL)"
        after = " AND person_id < getvariable('next_id')" if self.next_id is not None else ""
        return f" WHERE person_id >= getvariable('first_id'){after}"


def limit_to_people(
    con: duckdb.DuckDBPyConnection, delivery: Delivery, staged: Staged, people: PersonGroup | None
) -> None:
    """Let the views of claims and lines show the rows of some people, or of all."""
    if people is not None:
        con.execute("SET VARIABLE first_id = ?", [people.first_id])
        con.execute("SET VARIABLE next_id = ?", [people.next_id])
    for kind, about in delivery.layout.files.items():
        if any(role.endswith(("_header", "_line")) for role in about.provides):
            _create_views(con, delivery.layout, kind, staged.blocks[about.provides[0]], people)


def _create_views(
    con: duckdb.DuckDBPyConnection, layout: Layout, kind: str, blocks: _BlockFolder, people: PersonGroup | None = None
) -> None:
    wanted = kind_columns(layout, kind)
    mine = people.condition() if people is not None else ""
    numbers = None if not mine or people is None else blocks.with_people(people)
    cells = {name: name if name in blocks.columns else f"{_null(name)} AS {name}" for name in wanted}
    if "claim_id" in cells and layout.claim_key:
        cells["claim_id"] = f"{_joined_key(layout)} AS claim_id"
    if is_mixed(layout, kind):
        cells["setting"] = f"{_SETTING} AS setting"
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW read_{kind} AS SELECT {', '.join(cells.values())}, row "
        f"FROM read_parquet({_sources(blocks.folder, numbers)}){mine}"
    )
    if blocks.slots:
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW slots_{kind} AS SELECT * "
            f"FROM read_parquet({_sources(blocks.slot_folder, numbers)})"
        )
    for role in layout.files[kind].provides:
        mine = f" WHERE setting = '{role.split('_')[0]}'" if is_mixed(layout, kind) else ""
        own = ", ".join(ROLE_COLUMNS[role])
        if role.endswith("_header"):
            con.execute(f"CREATE OR REPLACE TEMP VIEW raw_{role}_slots AS SELECT * FROM slots_{kind}")
        con.execute(f"CREATE OR REPLACE TEMP VIEW raw_{role} AS SELECT {own}, row FROM read_{kind}{mine}")


def _create_people_views(con: duckdb.DuckDBPyConnection, layout: Layout, kind: str, blocks: _BlockFolder) -> None:
    """View `people_<role>`: every identifier of a role at least once, from the few rows that blocks keep of them."""
    for role in layout.files[kind].provides:
        rows = (
            f"raw_{role}"
            if is_mixed(layout, kind)
            else f"read_parquet({quoted_path(blocks.people_folder / '*.parquet')})"
        )
        con.execute(f"CREATE OR REPLACE TEMP VIEW people_{role} AS SELECT person_id FROM {rows}")


def _sources(folder: Path, numbers: list[int] | None) -> str:
    """SQL of the blocks of a folder, all or some; there is always one, since the first block is empty."""
    if numbers is None:
        return quoted_path(folder / "*.parquet")
    return "[" + ", ".join(quoted_path(folder / _block_name(number)) for number in [0, *numbers]) + "]"


def _block_name(number: int) -> str:
    return f"{number:08}.parquet"


def _null(column: str) -> str:
    return f"CAST(NULL AS {sql_type(_kind(column))})"


def kind_columns(layout: Layout, kind: str) -> list[str]:
    """Return the canonical columns that a kind of file is read for."""
    columns = [name for role in layout.files[kind].provides for name in ROLE_COLUMNS[role]]
    if any(role.endswith(("_header", "_line")) for role in layout.files[kind].provides):
        columns += layout.claim_key
    if is_mixed(layout, kind):
        columns += ["claim_kind", "bill_type", "setting"]
    return list(dict.fromkeys(columns))


def is_mixed(layout: Layout, kind: str) -> bool:
    """Tell whether a kind of file holds claims of all settings, told apart by their own column."""
    return "claim_kind" in layout.columns and any(role.endswith("_line") for role in layout.files[kind].provides)


def columns_present(delivery: Delivery, role: Role, canonical: str) -> bool:
    """Tell whether any file of a role has a column."""
    layout = delivery.layout
    files = delivery.of_role(role)
    return any(layout.source_column(canonical, list(file.header)) for file in files)


def files_without(delivery: Delivery, role: Role, canonical: str) -> list[str]:
    """Return the names of the files of a role that lack a column."""
    layout = delivery.layout
    files = delivery.of_role(role)
    return [file.name for file in files if layout.source_column(canonical, list(file.header)) is None]


def _kind(column: str) -> str:
    stem, _, number = column.rpartition("_")
    name = stem if number.isdigit() else column
    return _KINDS.get(name) or ("date" if name.endswith("_date") else "text")


def _joined_key(layout: Layout) -> str:
    """A claim number that returns in other years and types of claims, made unique by them."""
    parts = [f"CAST(year({name}) AS VARCHAR)" if _kind(name) == "date" else name for name in layout.claim_key]
    return " || '-' || ".join(parts)


def _stage_file(reading: _Reading, staged: Staged, read: Callable[[str, int], None]) -> None:
    ways = (reading.plain_parquet if reading.file.is_parquet else reading.plain, reading.as_text)
    for way in ways:
        try:
            rows, bad = 0, {}
            for block in in_order(way(), reading.threads):
                _note_places(bad, block.unreadable, rows)
                rows += block.rows
                read(reading.file.name, block.bytes)
        except NotPlainError:
            reading.start_over()
            continue
        staged.rows[reading.file.name] = rows
        staged.unreadable += [
            UnreadableCells(reading.file.kind, name, reading.sources[name], reading.file.name, count, tuple(places))
            for name, (count, places) in bad.items()
        ]
        return


def _note_places(bad: dict[str, tuple[int, list[int]]], found: dict[str, list[int]], before: int) -> None:
    for name, places in found.items():
        count, first = bad.get(name, (0, []))
        first = [*first, *(before + place + 1 for place in places)][:SHOWN_POSITIONS]
        bad[name] = (count + len(places), first)


def _slots(columns: list[str]) -> dict[int, tuple[str, str | None]]:
    """Columns of code and version of each diagnosis slot; 0 is the principal diagnosis."""
    system = "code_system" if "code_system" in columns else None
    codes = {0: ("principal_diagnosis", "principal_version")}
    codes |= {n: (f"diagnosis_{n}", f"version_{n}") for n in range(1, 26)}
    return {
        n: (code, system or (version if version in columns else None))
        for n, (code, version) in codes.items()
        if code in columns
    }


def _filled_slots(block: pa.Table, slots: dict[int, tuple[str, str | None]]) -> pa.Table:
    """One row for each slot that holds a code, with the number of its row: wide claims have mostly empty slots."""
    rows, positions, codes, versions = [], [], [], []
    number = block.column("row").combine_chunks().to_numpy()
    for position, (code, version) in slots.items():
        column = flat(block.column(code))
        filled = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        rows.append(number[filled])
        positions.append(np.full(len(filled), position, np.int32))
        codes.append(column.take(pa.array(filled)).cast(pa.string()))
        versions.append(
            pa.nulls(len(filled), pa.string())
            if version is None
            else flat(block.column(version)).take(pa.array(filled)).cast(pa.string())
        )
    return pa.table(
        {
            "row": np.concatenate(rows),
            "position": np.concatenate(positions),
            "code": pa.concat_arrays(codes),
            "version": pa.concat_arrays(versions),
        }
    )


def flat(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    chunks = column.combine_chunks()
    return chunks.chunk(0) if isinstance(chunks, pa.ChunkedArray) else chunks


class _BlockFolder:
    """Parquet files of one kind of file, a block of rows each, with a number for every row."""

    def __init__(self, folder: Path, columns: list[str]) -> None:
        self.folder, self.columns = folder, columns
        self.slot_folder = folder.with_name(f"{folder.name}_slots")
        self.people_folder = folder.with_name(f"{folder.name}_people")
        self.slots = _slots(columns)
        self.schema = pa.schema([*((name, arrow_type(_kind(name))) for name in columns), ("row", pa.int64())])
        self._next = 0
        self._people: dict[int, tuple[str, str] | None] = {}
        folder.mkdir(parents=True)
        self.people_folder.mkdir()
        empty, number = self.schema.empty_table(), self.new_number()
        self.write(empty, number)
        self._write_people(pa.array([], pa.string()), number)
        if self.slots:
            self.slot_folder.mkdir()
            self.write_slots(_filled_slots(empty, self.slots), number)

    def new_number(self) -> int:
        """Number of a block to be written."""
        self._next += 1
        return self._next - 1

    def path(self, number: int) -> Path:
        """Where a block lies; their order by name is that of their rows."""
        return self.folder / _block_name(number)

    def note_people(self, number: int, person_ids: pa.Array) -> None:
        """Remember the first and last identifier in a block, None where rows have none, and keep each once."""
        known = pc.unique(person_ids)
        ends = pc.min_max(known)
        has_all = len(known) > 0 and not known.null_count
        self._people[number] = (ends["min"].as_py(), ends["max"].as_py()) if has_all else None
        self._write_people(known, number)

    def _write_people(self, person_ids: pa.Array, number: int) -> None:
        pq.write_table(
            pa.table({"person_id": person_ids}),
            self.people_folder / _block_name(number),
            compression="lz4",
            use_dictionary=False,
            write_statistics=False,
            store_schema=False,
        )

    def ends_of_people(self) -> list[tuple[str, str]]:
        """Return the first and last identifier of each block; those with rows without any are left out."""
        return [ends for ends in self._people.values() if ends is not None]

    def with_people(self, people: PersonGroup) -> list[int]:
        """Return the blocks that may have rows of some people."""
        return sorted(number for number, ends in self._people.items() if ends is None or people.holds(*ends))

    def write(self, table: pa.Table, number: int) -> None:
        """Write a block. Identifiers seldom repeat in it, all other texts do."""
        coded = [field.name for field in self.schema if pa.types.is_dictionary(field.type)]
        pq.write_table(
            table,
            self.path(number),
            compression="lz4",
            use_dictionary=coded,
            column_encoding={"row": "DELTA_BINARY_PACKED"},
            write_statistics=False,
            store_schema=False,
        )

    def write_slots(self, table: pa.Table, number: int) -> None:
        """Write the diagnosis slots of a block that hold a code."""
        pq.write_table(
            table,
            self.slot_folder / self.path(number).name,
            compression="lz4",
            use_dictionary=["position", "code", "version"],
            column_encoding={"row": "DELTA_BINARY_PACKED"},
            write_statistics=False,
            store_schema=False,
        )

    def remove_from(self, number: int) -> None:
        """Remove the blocks from a number on."""
        for old in range(number, self._next):
            self.path(old).unlink(missing_ok=True)
            (self.slot_folder / self.path(old).name).unlink(missing_ok=True)
            (self.people_folder / self.path(old).name).unlink(missing_ok=True)
            self._people.pop(old, None)
        self._next = number


@dataclass(frozen=True)
class _Block:
    rows: int
    bytes: int
    unreadable: dict[str, list[int]]


class _Reading:
    """One file on its way into blocks with canonical columns in their types."""

    def __init__(self, file: SourceFile, layout: Layout, cleaner: Cleaner, blocks: _BlockFolder, threads: int) -> None:
        self.file, self.cleaner, self.blocks, self.threads = file, cleaner, blocks, threads
        found = {name: layout.source_column(name, list(file.header)) for name in blocks.columns}
        self.sources = {name: source for name, source in found.items() if source is not None}
        self._first = blocks.new_number()

    def start_over(self) -> None:
        """Forget what was read of the file."""
        self.blocks.remove_from(self._first)

    def plain(self) -> Iterator[Callable[[], _Block]]:
        """Blocks by the fast reader of delimited files."""
        repeats = {source: _kind(name) != "key" for name, source in self.sources.items()}
        for block in plain_blocks(self.file, repeats):
            yield partial(self._write_block, block, self.blocks.new_number())

    def plain_parquet(self) -> Iterator[Callable[[], _Block]]:
        """Blocks of a Parquet file without detours."""
        repeats = {source: _kind(name) != "key" for name, source in self.sources.items()}
        for block in parquet_blocks(self.file, repeats):
            number = self.blocks.new_number()
            yield lambda block=block, number=number: self._write(block(), 0, number)
        yield self._whole_file

    def _whole_file(self) -> _Block:
        return _Block(0, self.file.path.stat().st_size, {})

    def as_text(self) -> Iterator[Callable[[], _Block]]:
        """Blocks through DuckDB: Parquet, and delimited files that the fast reader does not take."""
        engine = duckdb.connect()
        engine.execute(f"SET threads = {self.threads}")
        for batch in text_batches(engine, self.file, dict.fromkeys(self.sources.values())):
            yield partial(self._write, pa.Table.from_batches([batch]), 0, self.blocks.new_number())
        yield self._whole_file

    def _write_block(self, block: Callable[[], tuple[pa.Table, int]], number: int) -> _Block:
        return self._write(*block(), number)

    def _write(self, table: pa.Table, size: int, number: int) -> _Block:
        arrays, bad = [], {}
        for name in self.blocks.columns:
            if name not in self.sources:
                arrays.append(pa.nulls(table.num_rows, arrow_type(_kind(name))))
                continue
            cells = flat(table.column(self.sources[name]))
            values, unreadable = self.cleaner.clean(_kind(name), cells)
            arrays.append(values)
            if unreadable and not name.startswith(_OPTIONAL_DATES):
                bad[name] = unreadable
        arrays.append(pa.array(np.arange(table.num_rows) + number * ROWS_OF_A_BLOCK))
        block = pa.Table.from_arrays(arrays, schema=self.blocks.schema)
        self.blocks.write(block, number)
        if "person_id" in self.blocks.columns:
            self.blocks.note_people(number, block.column("person_id").combine_chunks())
        if self.blocks.slots:
            self.blocks.write_slots(_filled_slots(block, self.blocks.slots), number)
        return _Block(table.num_rows, size, bad)
