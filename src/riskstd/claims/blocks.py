"""Blocks of rows on disk: the cells of claim files in canonical columns, each block a Parquet file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from riskstd.claims.cells import arrow_type, kind_of
from riskstd.claims.scan import quoted_path

if TYPE_CHECKING:
    from pathlib import Path

    from riskstd.claims.groups import PersonGroup

ROWS_OF_A_BLOCK = 1 << 24  # more than a block of bytes can hold
_CODED = pa.dictionary(pa.int32(), pa.string())
_EMPTY = "none.parquet"
"""A block without rows, so that there is always one; last, since the engine guesses the size of all from the first."""


def slot_columns(columns: list[str]) -> dict[int, tuple[str, str | None]]:
    """Return the columns of code and version of each diagnosis slot; 0 is the principal diagnosis."""
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
        codes.append(column.take(pa.array(filled)))
        versions.append(
            pa.nulls(len(filled), _CODED) if version is None else flat(block.column(version)).take(pa.array(filled))
        )
    return pa.table(
        {
            "row": np.concatenate(rows),
            "position": np.concatenate(positions),
            "code": _with_one_list(codes),
            "version": _with_one_list(versions),
        }
    )


def _with_one_list(parts: list[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Texts of several columns, one after the other, with one list of them."""
    return flat(pa.chunked_array(parts, _CODED).unify_dictionaries())


def flat(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    chunks = column.combine_chunks()
    return chunks.chunk(0) if isinstance(chunks, pa.ChunkedArray) else chunks


class BlockFolder:
    """Parquet files of one kind of file, a block of rows each, with a number for every row.

    Parameters
    ----------
    folder : Path
        Folder to make.
    columns : list of str
        Canonical columns of the blocks.
    only_slots : bool
        Keep diagnoses only as filled slots, and not as columns as well.
    """

    def __init__(self, folder: Path, columns: list[str], *, only_slots: bool = False) -> None:
        self.folder, self.columns = folder, columns
        self.slot_folder = folder.with_name(f"{folder.name}_slots")
        self.people_folder = folder.with_name(f"{folder.name}_people")
        self.slots = slot_columns(columns)
        in_slots = {name for slot in self.slots.values() for name in slot} - {"code_system"} if only_slots else set()
        self.kept = [name for name in columns if name not in in_slots]
        self.schema = pa.schema([*((name, arrow_type(kind_of(name))) for name in columns), ("row", pa.int64())])
        self._next = 0
        self._people: dict[int, tuple[str, str] | None] = {}
        for made in (folder, self.people_folder, *([self.slot_folder] if self.slots else [])):
            made.mkdir(parents=True)
        self._write_cells(self.schema.empty_table(), _EMPTY)
        self._write_people(pa.array([], pa.string()), _EMPTY)

    def new_number(self) -> int:
        """Number of a block to be written."""
        self._next += 1
        return self._next - 1

    def path(self, number: int) -> Path:
        """Where a block lies; their order by name is that of their rows."""
        return self.folder / _name(number)

    def slot_path(self, number: int) -> Path:
        """Where the diagnosis slots of a block lie."""
        return self.slot_folder / _name(number)

    def sources(self, numbers: list[int] | None) -> str:
        """SQL of the files of blocks, all or some."""
        return _sources(self.folder, numbers)

    def slot_sources(self, numbers: list[int] | None) -> str:
        """SQL of the files of the slots of blocks, all or some."""
        return _sources(self.slot_folder, numbers)

    def people_sources(self) -> str:
        """SQL of the files that keep each identifier of a block once."""
        return _sources(self.people_folder, None)

    def _note_people(self, number: int, person_ids: pa.Array) -> None:
        """Remember the first and last identifier in a block, None where rows have none, and keep each once."""
        known = pc.unique(pc.unique(person_ids).cast(pa.string()))
        ends = pc.min_max(known)
        has_all = len(known) > 0 and not known.null_count
        self._people[number] = (ends["min"].as_py(), ends["max"].as_py()) if has_all else None
        self._write_people(known, _name(number))

    def _write_people(self, person_ids: pa.Array, name: str) -> None:
        _write(pa.table({"person_id": person_ids}), self.people_folder / name, coded=[])

    def ends_of_people(self) -> list[tuple[str, str]]:
        """Return the first and last identifier of each block; those with rows without any are left out."""
        return [ends for ends in self._people.values() if ends is not None]

    def with_people(self, people: PersonGroup) -> list[int]:
        """Return the blocks that may have rows of some people."""
        return sorted(number for number, ends in self._people.items() if ends is None or people.holds(*ends))

    def write(self, table: pa.Table, number: int) -> None:
        """Write a block, and what it has of people and diagnosis slots."""
        self._write_cells(table, _name(number))
        if "person_id" in self.columns:
            self._note_people(number, flat(table.column("person_id")))

    def _write_cells(self, table: pa.Table, name: str) -> None:
        """Write the cells of a block. Identifiers seldom repeat in it, all other texts do."""
        kept = table.select([*self.kept, "row"])
        coded = [field.name for field in kept.schema if pa.types.is_dictionary(field.type)]
        _write(kept, self.folder / name, coded)
        if self.slots:
            _write(_filled_slots(table, self.slots), self.slot_folder / name, ["code", "version"])

    def remove_from(self, number: int) -> None:
        """Remove the blocks from a number on."""
        for old in range(number, self._next):
            for folder in (self.folder, self.slot_folder, self.people_folder):
                (folder / _name(old)).unlink(missing_ok=True)
            self._people.pop(old, None)
        self._next = number


def _name(number: int) -> str:
    return f"{number:08}.parquet"


def _sources(folder: Path, numbers: list[int] | None) -> str:
    """SQL of the blocks of a folder, all or some."""
    if numbers is None:
        return quoted_path(folder / "*.parquet")
    return "[" + ", ".join(quoted_path(folder / name) for name in (*map(_name, numbers), _EMPTY)) + "]"


def _write(table: pa.Table, path: Path, coded: list[str]) -> None:
    """Write cells that are read once or twice and then removed."""
    pq.write_table(
        table,
        path,
        compression="lz4",
        use_dictionary=coded,
        column_encoding={"row": "DELTA_BINARY_PACKED"} if "row" in table.column_names else None,
        write_statistics=False,
        store_schema=False,
    )
