"""Sorted rows into a Parquet file, in row groups of one size however the rows come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

    from riskstd.tables import Table

ROWS_OF_A_GROUP = 122_880
MISSING = np.iinfo(np.int32).min
"""Stands for a missing whole number."""

_LEVEL = 1  # of zstd: coded cells take no less room with a higher one


@dataclass(frozen=True)
class Coded:
    """Texts by their place in a list that has each of them once; -1 is no text.

    The list is written whole if it is fixed, the same for every delivery.
    """

    places: np.ndarray
    texts: pa.Array
    fixed: bool = False

    def part(self, rows: slice) -> Coded:
        """Return some rows."""
        return Coded(self.places[rows], self.texts, self.fixed)

    def used(self) -> Coded:
        """Return the same texts with a list of only those that come, unless the list is fixed."""
        if self.fixed:
            return self
        comes = np.zeros(len(self.texts) + 1, bool)
        comes[self.places] = True  # no text, -1, comes to stand at the end
        chosen = np.flatnonzero(comes[:-1])
        place = np.full(len(comes), -1, np.int32)
        place[chosen] = np.arange(len(chosen), dtype=np.int32)
        return Coded(place.take(self.places, mode="wrap"), self.texts.take(pa.array(chosen)))

    def arrow(self) -> pa.DictionaryArray:
        """Return them as Arrow holds them, with only the texts that come."""
        used = self.used()
        missing = used.places < 0
        return pa.DictionaryArray.from_arrays(
            pa.array(used.places, mask=missing if missing.any() else None), used.texts
        )


Column = np.ndarray | Coded
"""Numbers, texts as bytes of a fixed width, or texts by their place in a list."""


def _as_texts(raw: np.ndarray) -> pa.Array:
    """Texts from bytes of a fixed width."""
    width = raw.dtype.itemsize
    if len(raw) and raw.view(np.uint8)[width - 1 :: width].all():
        ends = pa.py_buffer(np.arange(0, (len(raw) + 1) * width, width, dtype=np.int32))
        return pa.StringArray.from_buffers(len(raw), ends, pa.py_buffer(raw))
    return pa.array(raw, pa.binary()).cast(pa.string())


class RowGroups:
    """A Parquet file of a declared table that takes sorted rows piece by piece.

    Row groups have the same rows whatever the pieces, so that bytes do not depend on them. Days and person keys, which
    rows are sorted by, are kept as they are: a list of the days of a group takes more room and time than they do.
    Statistics tell their range; those of other columns would tell nothing.

    Parameters
    ----------
    table : Table
        Declared table.
    path : Path
        File to write.
    unique : tuple of str
        Columns of texts that seldom repeat; they come as bytes of a fixed width.
    """

    def __init__(self, table: Table, path: Path, unique: tuple[str, ...] = ("claim_id",)) -> None:
        self._schema = pa.schema([(field.name, field.type) for field in table.arrow_schema()])
        coded = [f.name for f in self._schema if pa.types.is_string(f.type) and f.name not in unique]
        self._writer = pq.ParquetWriter(
            path,
            pa.schema(
                [(f.name, pa.dictionary(pa.int32(), f.type) if f.name in coded else f.type) for f in self._schema]
            ),
            compression="zstd",
            compression_level=_LEVEL,
            use_dictionary=[f.name for f in self._schema if f.name in coded or pa.types.is_int32(f.type)],
            write_statistics=[f.name for f in self._schema if pa.types.is_date(f.type) or pa.types.is_int64(f.type)],
            store_schema=False,
        )
        self._waiting: list[tuple[int, dict[str, Column]]] = []
        self.rows = 0

    def add(self, columns: dict[str, Column]) -> None:
        """Add rows, by the names of all columns."""
        total = _length(columns)
        self.rows += total
        at = 0
        while at < total:
            room = ROWS_OF_A_GROUP - sum(size for size, _ in self._waiting)
            size = min(room, total - at)
            part = {name: _part(values, slice(at, at + size)) for name, values in columns.items()}
            self._waiting.append((size, part))
            at += size
            if size == room:
                self._write()
        self._waiting = [(size, {n: _own(v) for n, v in part.items()}) for size, part in self._waiting]

    def close(self) -> int:
        """Write what waits; return the rows written."""
        if self._waiting or not self.rows:
            self._write()
        self._writer.close()
        return self.rows

    def _write(self) -> None:
        arrays = []
        for field in self._writer.schema:
            parts = [part[field.name] for _, part in self._waiting]
            arrays.append(_arrow(_joined(parts), field.type) if parts else _none(field.type))
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._writer.schema), ROWS_OF_A_GROUP)
        self._waiting = []


def _none(kind: pa.DataType) -> pa.Array:
    return pa.array([], kind.value_type).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array([], kind)


def _length(columns: dict[str, Column]) -> int:
    first = next(iter(columns.values()))
    return len(first.places if isinstance(first, Coded) else first)


def _part(values: Column, rows: slice) -> Column:
    return values.part(rows) if isinstance(values, Coded) else values[rows]


def _own(values: Column) -> Column:
    """A copy that does not keep the whole piece in memory."""
    return Coded(values.places.copy(), values.texts, values.fixed) if isinstance(values, Coded) else values.copy()


def _joined(parts: list[Column]) -> Column:
    if len(parts) == 1:
        return parts[0]
    coded = [part for part in parts if isinstance(part, Coded)]
    if not coded:
        return np.concatenate(parts)  # type: ignore[arg-type]
    if not coded[0].fixed and any(part.texts is not coded[0].texts for part in coded):
        coded = _with_one_list([part.used() for part in coded])
    return Coded(np.concatenate([part.places for part in coded]), coded[0].texts, coded[0].fixed)


def _with_one_list(parts: list[Coded]) -> list[Coded]:
    """The same texts with one sorted list for all."""
    every = sorted({text for part in parts for text in part.texts.to_pylist()})
    texts, place = pa.array(every, pa.string()), {text: n for n, text in enumerate(every)}
    moved = [np.array([*(place[text] for text in part.texts.to_pylist()), -1], np.int32) for part in parts]
    return [Coded(to[part.places], texts) for part, to in zip(parts, moved, strict=True)]


def _arrow(values: Column, kind: pa.DataType) -> pa.Array:
    if isinstance(values, Coded):
        return values.arrow()
    if values.dtype.kind == "S":
        return _as_texts(values)
    missing = values == MISSING
    return pa.array(values, mask=missing if missing.any() else None).cast(kind)
