"""The replicates of a bootstrap, kept by chunks: in memory while small, in files when not.

A chunk holds the replicates of CHUNK consecutive numbers with one row per facility, so that the
draws of a block of facilities are read without touching the others. Memory is bounded
by MEMORY_LIMIT_BYTES for the chunks and BLOCK_BYTES for the block, whatever the number of replicates.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import OptionError
from riskstd.rates.bootstrap import CHUNK, Replicates

FloatArray = NDArray[np.floating[Any]]

MEMORY_LIMIT_BYTES = 512 * 2**20
"""Size of all ratios up to which they stay in memory."""
BLOCK_BYTES = 8 * 2**20
"""Size of the block of facilities whose draws are ordered at a time."""
SPARE_BYTES = 16 * 2**20
"""Room left on the disk beside the ratios."""
FIELDS = ("crude_rate", "dropped", "flagged", "retried", "evaluations")
"""First rows of a chunk; then one row per facility."""
PART = ".part"
"""End of the name of a file that is not complete."""


class Sampler(Protocol):
    """Draws replicates by number; the same rows for any split of the numbers."""

    def draw_parts(self, parts: Iterable[Sequence[int]]) -> Iterator[list[Replicates]]:
        """Draw the replicates with the given numbers, part after part, each in pieces."""
        ...


class ReplicateStore:
    """Chunks of replicates in memory.

    Parameters
    ----------
    n_facilities : int
    """

    def __init__(self, n_facilities: int) -> None:
        self.n_facilities = n_facilities
        self._chunks: dict[int, FloatArray] = {}

    def kept(self, first: int) -> int:
        """Replicates kept of the chunk that begins at number `first`."""
        return self._chunks[first].shape[1] if first in self._chunks else 0

    def read(self, first: int, start: int = 0, stop: int | None = None) -> FloatArray:
        """Rows `start` to `stop` of the chunk that begins at number `first`, one column per replicate."""
        return self._chunks[first][start:stop]

    def write(self, first: int, chunk: FloatArray) -> None:
        """Keep a chunk, in place of a shorter one of the same number."""
        self._chunks[first] = chunk

    def ratio_blocks(self, n_replicates: int) -> Iterator[FloatArray]:
        """Ratios of the first replicates, one block of facilities after another.

        Yields
        ------
        ndarray, shape (facilities of the block, n_replicates)
            A copy, in the same memory as the block before; NaN where a facility was not drawn.
        """
        width = min(max(1, BLOCK_BYTES // (8 * n_replicates)), self.n_facilities)
        room = np.empty((width, n_replicates))
        for start in range(0, self.n_facilities, width):
            stop = min(start + width, self.n_facilities)
            block = room[: stop - start]
            for first in range(0, n_replicates, CHUNK):
                into = block[:, first : first + CHUNK]
                rows = self.read(first, len(FIELDS) + start, len(FIELDS) + stop)
                into[:] = rows[:, : into.shape[1]]
            yield block

    def per_replicate(self, n_replicates: int) -> dict[str, FloatArray]:
        """Crude rate, flags and evaluations of the first replicates, by the names of FIELDS."""
        parts = [self.read(first, 0, len(FIELDS)) for first in range(0, n_replicates, CHUNK)]
        rows = np.concatenate(parts, axis=1)[:, :n_replicates]
        return dict(zip(FIELDS, rows, strict=True))


class FileStore(ReplicateStore):
    """Chunks of replicates as files of a folder, each complete from the moment it has its name.

    Parameters
    ----------
    n_facilities : int
    folder : Path
    durable : bool
        Whether a chunk is on the disk itself before it has its name.
    """

    def __init__(self, n_facilities: int, folder: Path, *, durable: bool) -> None:
        super().__init__(n_facilities)
        self._folder = folder
        self._durable = durable

    def kept(self, first: int) -> int:
        """Replicates kept of the chunk that begins at number `first`; 0 when its file is not whole."""
        try:
            with self._path(first).open("rb") as file:
                rows, columns = _read_shape(file)
                size = file.tell() + 8 * rows * columns
            whole = self._path(first).stat().st_size == size
        except (OSError, ValueError):
            return 0
        return columns if whole and rows == len(FIELDS) + self.n_facilities and columns <= CHUNK else 0

    def read(self, first: int, start: int = 0, stop: int | None = None) -> FloatArray:
        """Rows `start` to `stop` of the chunk that begins at number `first`, one column per replicate."""
        with self._path(first).open("rb") as file:
            rows, columns = _read_shape(file)
            start, stop, _ = slice(start, stop).indices(rows)
            file.seek(8 * start * columns, os.SEEK_CUR)
            return np.fromfile(file, np.float64, (stop - start) * columns).reshape(stop - start, columns)

    def write(self, first: int, chunk: FloatArray) -> None:
        """Write a chunk beside its place, then give it its name.

        Raises
        ------
        OptionError
            When the folder takes no more files.
        """
        try:
            write_whole(self._path(first), lambda file: np.save(file, chunk, allow_pickle=False), durable=self._durable)
        except OSError as error:
            raise OptionError(
                f"bootstrap replicates cannot be written to '{self._folder}': {error.strerror}",
                expected="a folder on a disk with room",
                hint="free space, or name a checkpoint folder on another disk",
            ) from None

    def _path(self, first: int) -> Path:
        return self._folder / f"replicates-{first:09d}.npy"


@contextmanager
def open_store(n_facilities: int, n_replicates: int) -> Iterator[ReplicateStore]:
    """Store for a run without a checkpoint; a temporary folder, removed afterwards, when it is large.

    Raises
    ------
    OptionError
        When the disk of temporary files has no room.
    """
    if ratio_bytes(n_facilities, n_replicates) <= MEMORY_LIMIT_BYTES:
        yield ReplicateStore(n_facilities)
        return
    with tempfile.TemporaryDirectory(prefix="riskstd-bootstrap-") as folder:
        check_room(Path(folder), n_facilities, n_replicates)
        yield FileStore(n_facilities, Path(folder), durable=False)


def _read_shape(file: IO[bytes]) -> tuple[int, int]:
    """Shape in the header of a chunk's file; the rows follow."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version of the file format")
    shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
    if by_column or dtype != np.float64 or len(shape) != 2:
        raise ValueError("not rows of 64-bit numbers")
    return shape


def write_whole(path: Path, write: Callable[[IO[bytes]], None], *, durable: bool) -> None:
    """Write a file that only its owner reads, under its name only when it is complete."""
    beside = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def ratio_bytes(n_facilities: int, n_replicates: int) -> int:
    """Size of the chunks of a bootstrap.

    Examples
    --------
    >>> ratio_bytes(4000, 20000) / 1e6
    640.8
    """
    return 8 * (n_facilities + len(FIELDS)) * n_replicates


def check_room(folder: Path, n_facilities: int, n_replicates: int, present_bytes: int = 0) -> None:
    """Refuse a disk that cannot hold the ratios beside what is there already.

    Raises
    ------
    OptionError
    """
    needed = ratio_bytes(n_facilities, n_replicates) - present_bytes + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OptionError(
            f"{free / 1e6:,.0f} MB free at '{folder}'",
            expected=f"{needed / 1e6:,.0f} MB for {n_replicates:,} replicates of {n_facilities:,} facilities",
            hint="free space, set TMPDIR or checkpoint to a folder on a larger disk, or ask for fewer replicates",
        )


def fill_store(
    store: ReplicateStore,
    sampler: Callable[[], Sampler],
    n_replicates: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Draw the replicates that a store does not hold yet, chunk by chunk.

    Parameters
    ----------
    store : ReplicateStore
    sampler : callable returning a Sampler
        Called only when replicates are missing.
    n_replicates : int
    progress : callable(done, total), optional
        Called after each chunk, kept or drawn.
    """
    firsts = range(0, n_replicates, CHUNK)
    missing = {first: range(first + store.kept(first), min(first + CHUNK, n_replicates)) for first in firsts}
    missing = {first: numbers for first, numbers in missing.items() if numbers}
    drawn = sampler().draw_parts(missing.values()) if missing else iter(())
    for first in firsts:
        if first in missing:
            chunk = pack_chunk(next(drawn))
            if missing[first].start > first:
                chunk = np.concatenate([store.read(first), chunk], axis=1)
            store.write(first, chunk)
        if progress is not None:
            progress(min(first + CHUNK, n_replicates), n_replicates)


def pack_chunk(pieces: Sequence[Replicates]) -> FloatArray:
    """Pieces of replicates as one array with the rows of FIELDS and then one row per facility."""
    ends = np.cumsum([len(piece.dropped) for piece in pieces])
    chunk = np.empty((len(FIELDS) + pieces[0].ratio.shape[1], ends[-1]))
    for piece, end in zip(pieces, ends, strict=True):
        columns = chunk[:, end - len(piece.dropped) : end]
        for row, name in enumerate(FIELDS):
            columns[row] = getattr(piece, name)
        columns[len(FIELDS) :] = piece.ratio.T
    return chunk
