"""Claim files on their way into blocks: every file read once, every cell in its type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa

from riskstd.claims.blocks import ROWS_OF_A_BLOCK, flat
from riskstd.claims.cells import arrow_type, kind_of
from riskstd.claims.scan import NotPlainError, in_order, parquet_blocks, plain_blocks, text_batches

if TYPE_CHECKING:
    from riskstd.claims.blocks import BlockFolder
    from riskstd.claims.cells import Cleaner
    from riskstd.claims.files import SourceFile
    from riskstd.claims.layouts import Layout

SHOWN_POSITIONS = 5
_OPTIONAL_DATES = ("procedure_day",)
"""Dates that may hold anything: nothing rests on them."""

Told = Callable[[str, int], None]
"""Called with the name of a file and the bytes read of it."""


@dataclass(frozen=True)
class UnreadableCells:
    """Cells of one column of one file that must be read and cannot."""

    kind: str
    column: str
    source: str
    file: str
    count: int
    first_rows: tuple[int, ...]


@dataclass(frozen=True)
class FileRead:
    """What was read of a file."""

    file: str
    rows: int
    unreadable: list[UnreadableCells]


def read_into_blocks(
    files: list[SourceFile], layout: Layout, cleaner: Cleaner, blocks: BlockFolder, threads: int, told: Told
) -> list[FileRead]:
    """Read files of one kind into blocks: the fast way, or through DuckDB those that are not plain.

    Parameters
    ----------
    files : list of SourceFile
    layout : Layout
    cleaner : Cleaner
    blocks : BlockFolder
        Takes the blocks.
    threads : int
        Blocks to work on at the same time.
    told : callable
        Called with the name of a file and the bytes read of it.

    Raises
    ------
    ClaimsError
        When a file has rows that do not fit its header.
    """
    done: list[FileRead] = []
    while len(done) < len(files):
        readings = [_Reading(file, layout, cleaner, blocks, threads) for file in files[len(done) :]]
        plain: list[FileRead] = []
        try:
            plain.extend(_read(readings, (task for reading in readings for task in reading.plain()), threads, told))
        except NotPlainError:
            reading = readings[len(plain)]
            reading.forget()
            plain.extend(_read([reading], reading.as_text(), threads, told))
        done += plain
    return done


def _read(
    readings: list[_Reading], tasks: Iterable[Callable[[], _Block]], threads: int, told: Told
) -> Iterator[FileRead]:
    """Work off the blocks of files, one file begun while the last blocks of another are read; tell of each file."""
    waiting = iter(readings)
    found = _Found(next(waiting))
    for block in in_order(tasks, threads):
        found.add(block)
        told(found.reading.file.name, block.bytes)
        if block.ends_file:
            yield found.of_file()
            found = _Found(next(waiting, found.reading))


@dataclass(frozen=True)
class _Block:
    rows: int
    bytes: int
    unreadable: dict[str, list[int]]
    ends_file: bool = False


@dataclass
class _Found:
    """Rows of a file so far, and by column how many cells cannot be read and the first of them."""

    reading: _Reading
    rows: int = 0
    bad: dict[str, tuple[int, list[int]]] = field(default_factory=dict)

    def add(self, block: _Block) -> None:
        _note_places(self.bad, block.unreadable, self.rows)
        self.rows += block.rows

    def of_file(self) -> FileRead:
        file, sources = self.reading.file, self.reading.sources
        cells = [
            UnreadableCells(file.kind, name, sources[name], file.name, count, tuple(places))
            for name, (count, places) in self.bad.items()
        ]
        return FileRead(file.name, self.rows, cells)


def _note_places(bad: dict[str, tuple[int, list[int]]], found: dict[str, list[int]], before: int) -> None:
    for name, places in found.items():
        count, first = bad.get(name, (0, []))
        first = [*first, *(before + place + 1 for place in places)][:SHOWN_POSITIONS]
        bad[name] = (count + len(places), first)


class _Reading:
    """One file on its way into blocks with canonical columns in their types."""

    def __init__(self, file: SourceFile, layout: Layout, cleaner: Cleaner, blocks: BlockFolder, threads: int) -> None:
        self.file, self._cleaner, self._blocks, self._threads = file, cleaner, blocks, threads
        found = {name: layout.source_column(name, list(file.header)) for name in blocks.columns}
        self.sources = {name: source for name, source in found.items() if source is not None}
        self._first: int | None = None

    def forget(self) -> None:
        """Remove the blocks of this file and of those that began after it."""
        if self._first is not None:
            self._blocks.remove_from(self._first)

    def plain(self) -> Iterator[Callable[[], _Block]]:
        """Blocks by the fast readers; that the file is not plain is said in its turn, by one of them."""
        self._first = self._blocks.new_number()
        try:
            yield from self._plain_parquet() if self.file.is_parquet else self._plain_text()
            yield self._end
        except NotPlainError as error:
            yield partial(_fail, error)

    def as_text(self) -> Iterator[Callable[[], _Block]]:
        """Blocks through DuckDB: Parquet, and delimited files that the fast reader does not take."""
        engine = duckdb.connect()
        engine.execute(f"SET threads = {self._threads}")
        for batch in text_batches(engine, self.file, dict.fromkeys(self.sources.values())):
            yield partial(self._write, pa.Table.from_batches([batch]), 0, self._blocks.new_number())
        yield partial(_Block, 0, self.file.path.stat().st_size, {}, ends_file=True)

    def _plain_text(self) -> Iterator[Callable[[], _Block]]:
        for block in plain_blocks(self.file, self._repeats()):
            number = self._blocks.new_number()
            yield lambda block=block, number=number: self._write(*block(), number)

    def _plain_parquet(self) -> Iterator[Callable[[], _Block]]:
        for block in parquet_blocks(self.file, self._repeats()):
            number = self._blocks.new_number()
            yield lambda block=block, number=number: self._write(block(), 0, number)

    def _repeats(self) -> dict[str, bool]:
        return {source: kind_of(name) != "key" for name, source in self.sources.items()}

    def _end(self) -> _Block:
        """The end of the file: how far a Parquet file is read is known only there."""
        return _Block(0, self.file.path.stat().st_size if self.file.is_parquet else 0, {}, ends_file=True)

    def _write(self, table: pa.Table, size: int, number: int) -> _Block:
        arrays, bad = [], {}
        for name in self._blocks.columns:
            if name not in self.sources:
                arrays.append(pa.nulls(table.num_rows, arrow_type(kind_of(name))))
                continue
            cells = flat(table.column(self.sources[name]))
            values, unreadable = self._cleaner.clean(kind_of(name), cells)
            arrays.append(values)
            if unreadable and not name.startswith(_OPTIONAL_DATES):
                bad[name] = unreadable
        arrays.append(pa.array(np.arange(table.num_rows) + number * ROWS_OF_A_BLOCK))
        self._blocks.write(pa.Table.from_arrays(arrays, schema=self._blocks.schema), number)
        return _Block(table.num_rows, size, bad)


def _fail(error: Exception) -> _Block:
    raise error
