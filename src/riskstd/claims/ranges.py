"""Rows as numbers, kept by ranges of persons: each range fits in memory, whatever the size of all."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class RangePart:
    """Rows of one range among those that were cut: their places there, none if they are all, and their columns."""

    number: int
    rows: np.ndarray | None
    columns: Columns

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))


class PersonRanges:
    """Rows of several tables by ranges of person keys, in the order in which they were added.

    Parameters
    ----------
    people : int
        Number of person keys.
    count : int
        Ranges to cut them into.
    folder : Path, optional
        Where to keep rows; in memory if left out.
    first_key : int
        Lowest person key.

    Examples
    --------
    >>> ranges = PersonRanges(10, 2)
    >>> ranges.keep("visits", ranges.part(np.array([9, 1, 2]), {"day": np.array([5, 6, 7])}))
    array([0, 0, 1], dtype=int32)
    >>> ranges.load("visits", 0)["day"], ranges.load("visits", 1)["day"]
    (array([6, 7]), array([5]))
    """

    def __init__(self, people: int, count: int, folder: Path | None = None, first_key: int = 1) -> None:
        self.count, self._folder = count, folder
        self._first = first_key + np.arange(count) * max(people, count) // count
        self._pieces: dict[tuple[str, int], list[Columns]] = defaultdict(list)
        self._kept: dict[tuple[str, int], list[tuple[int, dict[str, np.dtype]]]] = defaultdict(list)
        self._rows: dict[tuple[str, int], int] = defaultdict(int)
        if folder is not None:
            folder.mkdir(parents=True)

    def part(self, persons: np.ndarray, columns: Columns) -> list[RangePart]:
        """Cut rows by range, without adding them; on any thread."""
        if not len(persons):
            return []
        low, high = np.searchsorted(self._first, [persons.min(), persons.max()], "right") - 1
        if low == high:
            return [RangePart(int(low), None, columns)]
        which = np.searchsorted(self._first, persons, "right") - 1
        order = np.argsort(small(which), kind="stable")  # numbers of a byte or two are sorted without comparing
        numbers, starts = np.unique(which[order], return_index=True)
        rows = np.split(order, starts[1:])
        return [
            RangePart(number, mine, {name: values[mine] for name, values in columns.items()})
            for number, mine in zip(numbers.tolist(), rows, strict=True)
        ]

    def keep(self, table: str, parts: list[RangePart]) -> np.ndarray:
        """Add rows that are cut; return the place of each among the rows of its table and range."""
        places = np.empty(sum(part.size for part in parts), np.int32)
        for part in parts:
            place = self._rows[table, part.number] + np.arange(part.size, dtype=np.int32)
            places[slice(None) if part.rows is None else part.rows] = place
            self._rows[table, part.number] += part.size
            self._keep((table, part.number), part.columns)
        return places

    def _keep(self, key: tuple[str, int], columns: Columns) -> None:
        if self._folder is None:
            self._pieces[key].append(columns)
            return
        with self._path(key).open("ab") as stream:
            for values in columns.values():
                stream.write(np.ascontiguousarray(values).data.cast("B"))
        size = len(next(iter(columns.values())))
        self._kept[key].append((size, {name: values.dtype for name, values in columns.items()}))

    def _path(self, key: tuple[str, int]) -> Path:
        assert self._folder is not None
        return self._folder / f"{key[0]}-{key[1]}"

    def load(self, table: str, number: int) -> Columns:
        """Return the rows of a table and range; nothing if it has none."""
        key = (table, number)
        pieces = self._pieces.get(key) or (self._read(key) if key in self._kept else [])
        names = list(pieces[0]) if pieces else []
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in names}

    def _read(self, key: tuple[str, int]) -> list[Columns]:
        raw = np.fromfile(self._path(key), np.uint8)
        pieces, at = [], 0
        for size, kinds in self._kept[key]:
            piece = {}
            for name, kind in kinds.items():
                piece[name] = raw[at : at + size * kind.itemsize].view(kind)
                at += size * kind.itemsize
            pieces.append(piece)
        return pieces

    def forget(self, table: str, number: int) -> None:
        """Free the room that the rows of a table and range take."""
        self._pieces.pop((table, number), None)
        if self._kept.pop((table, number), None):
            self._path((table, number)).unlink()


class Codes:
    """Distinct texts of a column by number; -1 stands for no text. Any thread may ask for numbers.

    Examples
    --------
    >>> codes = Codes()
    >>> codes.number(pa.array(["b", None, "a", "b"]).dictionary_encode())
    array([ 0, -1,  1,  0], dtype=int8)
    >>> place, texts = codes.in_order()
    >>> place, texts.to_pylist()
    (array([ 1,  0, -1], dtype=int32), ['a', 'b'])
    """

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {}
        self._lock = threading.Lock()

    def number(self, cells: pa.DictionaryArray) -> np.ndarray:
        """Return the number of each cell's text."""
        numbers = small(self.number_texts(cells.dictionary.to_pylist()))
        indices = cells.indices
        if indices.null_count:
            indices = indices.fill_null(len(numbers) - 1)
        return numbers.take(indices.to_numpy())

    def number_texts(self, texts: Iterable[str | None]) -> np.ndarray:
        """Return the number of each text, and -1 at the end."""
        seen = self._numbers
        with self._lock:
            found = [-1 if text is None else seen.setdefault(text, len(seen)) for text in texts]
        return np.array([*found, -1], np.int32)

    def texts(self) -> list[str]:
        """Return the texts by number."""
        with self._lock:
            return list(self._numbers)  # type: ignore[arg-type]

    def in_order(self) -> tuple[np.ndarray, pa.Array]:
        """Return the place of each number among the sorted texts, -1 at the end, and these."""
        texts = self.texts()
        order = sorted(range(len(texts)), key=texts.__getitem__)
        place = np.full(len(texts) + 1, -1, np.int32)
        place[order] = np.arange(len(texts))
        return place, pa.array([texts[n] for n in order], pa.string())


def small(values: np.ndarray) -> np.ndarray:
    """Return whole numbers in as few bytes as hold all of them.

    Examples
    --------
    >>> small(np.array([3, -1, 200])).dtype
    dtype('int16')
    """
    if not len(values):
        return values.astype(np.int8)
    ends = (np.min_scalar_type(min(int(values.min()), -1)), np.min_scalar_type(-int(values.max()) - 1))
    return values.astype(np.promote_types(*ends), copy=False)


def row_order(*keys: np.ndarray) -> np.ndarray:
    """Return the order of rows by whole numbers, the first key first; what ties may come in any order.

    Examples
    --------
    >>> row_order(np.array([2, 1, 1]), np.array([0, 9, -4])).tolist()
    [2, 1, 0]
    """
    if not len(keys[0]):
        return np.empty(0, np.int64)
    lowest = [int(key.min()) for key in keys]
    bits = [(int(key.max()) - low).bit_length() for key, low in zip(keys, lowest, strict=True)]
    places = (len(keys[0]) - 1).bit_length()
    if sum(bits) > 64:
        return np.lexsort(keys[::-1])
    packed = np.zeros(len(keys[0]), np.uint64)
    for key, low, width in zip(keys, lowest, bits, strict=True):
        if width:
            packed <<= np.uint64(width)
            packed |= (key.astype(np.int64, copy=False) - low).view(np.uint64)
    if sum(bits) + places > 64:
        return np.argsort(packed)
    # Numbers are sorted several times faster than their places are.
    packed <<= np.uint64(places)
    packed |= np.arange(len(packed), dtype=np.uint64)
    packed.sort()
    packed &= np.uint64((1 << places) - 1)
    return packed.view(np.int64)
