"""Rows of a claim file as blocks of text columns: fast for plain files, by DuckDB for all others."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from riskstd.errors import ClaimsError

if TYPE_CHECKING:
    from riskstd.claims.files import SourceFile

T = TypeVar("T")
BLOCK_BYTES = 8 << 20
PARQUET_ROWS = 1 << 17


class NotPlainError(Exception):
    """A file that the fast readers do not take: DuckDB reads it, or says what is wrong."""


def plain_blocks(file: SourceFile, columns: dict[str, bool]) -> Iterator[Callable[[], tuple[pa.Table, int]]]:
    """Cut a delimited file into blocks of whole rows, each to be read by calling it, on any thread.

    Parameters
    ----------
    file : SourceFile
        A delimited file.
    columns : dict of str to bool
        Columns to read, and whether their texts repeat much.

    Yields
    ------
    callable
        Returns the rows of a block, and its size in bytes; raises NotPlainError when a row does not fit the header
        or text is not UTF-8.
    """
    convert = arrow_csv.ConvertOptions(
        column_types={
            name: pa.dictionary(pa.int32(), pa.string()) if repeats else pa.string()
            for name, repeats in columns.items()
        },
        include_columns=list(columns),
        null_values=[""],
        strings_can_be_null=True,
    )
    parse = arrow_csv.ParseOptions(delimiter=file.delimiter or ",", quote_char='"', double_quote=True)

    def read(block: pa.Buffer, room: bytearray) -> tuple[pa.Table, int]:
        options = arrow_csv.ReadOptions(use_threads=False, column_names=list(file.header), block_size=block.size + 1)
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block), read_options=options, parse_options=parse, convert_options=convert
            )
        except pa.ArrowInvalid:
            raise NotPlainError(file.name) from None
        rooms.append(room)
        return table, block.size

    rooms: deque[bytearray] = deque()
    for block, room in _blocks(file, rooms):
        yield partial(read, block, room)


def parquet_blocks(file: SourceFile, columns: dict[str, bool]) -> Iterator[Callable[[], pa.Table]]:
    """Read a Parquet file of texts, whole numbers and dates in blocks of rows, in their order.

    Parameters
    ----------
    file : SourceFile
        A Parquet file.
    columns : dict of str to bool
        Columns to read, and whether their texts repeat much.

    Yields
    ------
    callable
        Returns the rows of a block as text. It and the generator raise NotPlainError when a column is of another type
        or the file is damaged.
    """
    try:
        repeats = [name for name, often in columns.items() if often]
        with pq.ParquetFile(file.path, read_dictionary=repeats, page_checksum_verification=True) as source:
            if not all(_is_plain(source.schema_arrow, name) for name in columns):
                raise NotPlainError(file.name)
            for batch in source.iter_batches(PARQUET_ROWS, columns=list(columns)):
                yield partial(_texts, batch, columns)
    except (pa.ArrowException, OSError):
        raise NotPlainError(file.name) from None


def _is_plain(schema: pa.Schema, name: str) -> bool:
    """Tell whether a column is there once, of a type whose values are the same text whoever writes them."""
    places = schema.get_all_field_indices(name)
    if len(places) != 1:
        return False
    kind = schema.field(places[0]).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_date32(kind) or pa.types.is_integer(kind)


def _texts(batch: pa.RecordBatch, columns: dict[str, bool]) -> pa.Table:
    """Columns as texts, those that repeat much as numbers of their texts."""
    try:
        out = {name: _text(batch.column(name), repeats) for name, repeats in columns.items()}
    except pa.ArrowException:
        raise NotPlainError("") from None
    return pa.table(out)


def _text(values: pa.Array, repeats: bool) -> pa.Array:
    if not repeats:
        values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        values = values.cast(pa.string())
        values.validate(full=True)  # of UTF-8
        return values
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    texts = coded.dictionary.cast(pa.string())
    texts.validate(full=True)
    return pa.DictionaryArray.from_arrays(coded.indices, texts)


def in_order(tasks: Iterable[Callable[[], T]], threads: int) -> Iterator[T]:
    """Run some tasks at the same time; their results come in order."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _blocks(file: SourceFile, rooms: deque[bytearray]) -> Iterator[tuple[pa.Buffer, bytearray]]:
    """Whole lines of a file after its header, some megabytes at a time, each with the room it lies in.

    Rooms that are put among `rooms` are used again: fresh ones cost time to be filled for the first time.
    """
    packed = file.path.suffix.lower() == ".gz"
    with pa.input_stream(str(file.path), compression="gzip" if packed else None, buffer_size=0) as stream:
        rest, headed = b"", False
        while True:
            room = _room(rooms, len(rest) + BLOCK_BYTES)
            room[: len(rest)] = rest
            read = stream.readinto(memoryview(room)[len(rest) : len(rest) + BLOCK_BYTES])
            size = len(rest) + read
            start = 0 if headed else _after_header(room, size)
            headed = headed or start > 0
            cut = (room.rfind(b"\n", start, size) + 1 if read else size) if headed else 0
            rest = bytes(memoryview(room)[max(cut, start) : size])
            if cut > start and (read or room[start:cut].strip()):
                yield pa.py_buffer(room).slice(start, cut - start), room
            if not read:
                return


def _room(rooms: deque[bytearray], size: int) -> bytearray:
    room = rooms.popleft() if rooms else bytearray()
    return room if len(room) >= size else bytearray(size + BLOCK_BYTES // 8)


def _after_header(room: bytearray, size: int) -> int:
    """Where the first row begins; 0 if the header does not end in what was read."""
    return room.find(b"\n", 0, size) + 1


def text_batches(
    con: duckdb.DuckDBPyConnection, file: SourceFile, columns: Iterable[str], rows: int = 65_536
) -> Iterator[pa.RecordBatch]:
    """Read a file of any kind through DuckDB as text, in the order of its rows.

    Raises
    ------
    ClaimsError
        When the file has rows that do not fit its header, or is damaged.
    """
    try:
        types = {name: str(kind) for name, kind, *_ in con.execute(f"DESCRIBE FROM {scan(file)}").fetchall()}
        cells = ", ".join(f"{_as_text(name, types[name])} AS {quoted_name(name)}" for name in columns)
        yield from con.sql(f"SELECT {cells} FROM {scan(file)}").to_arrow_reader(rows)
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _unreadable(file, str(error)) from None


def _as_text(column: str, kind: str) -> str:
    """A cell as text; whole numbers that are kept as fractions, as they are beside blanks, lose the point."""
    name = quoted_name(column)
    if kind not in ("FLOAT", "DOUBLE"):
        return f"CAST({name} AS VARCHAR)"
    whole = f"CASE WHEN {name} = trunc({name}) THEN CAST(TRY_CAST({name} AS HUGEINT) AS VARCHAR) END"
    return f"CASE WHEN NOT isnan({name}) THEN coalesce({whole}, CAST({name} AS VARCHAR)) END"


def scan(file: SourceFile) -> str:
    """Return the SQL that reads a file as text, by column name."""
    path = quoted_path(file.path)
    if file.is_parquet:
        return f"read_parquet({path})"
    quote = "'\"'"
    names = ", ".join(f"'{_quoted(name)}': 'VARCHAR'" for name in file.header)
    return (
        f"read_csv({path}, delim='{file.delimiter}', header=true, quote={quote}, escape={quote}, "
        f"columns={{{names}}}, auto_detect=false, null_padding=false, strict_mode=true, encoding='utf-8')"
    )


def quoted_path(path: Path) -> str:
    """Return a path as an SQL text."""
    return "'" + _quoted(str(path)) + "'"


def quoted_name(name: str) -> str:
    """Return a column as an SQL name."""
    return '"' + name.replace('"', '""') + '"'


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _unreadable(file: SourceFile, said: str) -> ClaimsError:
    if file.is_parquet:
        return ClaimsError(
            f"file {file.name} begins as Parquet, but its rows cannot be read: it is damaged or cut off",
            expected="a whole Parquet file",
            hint="deliver it again",
        )
    line = re.search(r"[Ll]ine:?\s+(\d+)", said)
    where = f" (first at line {line[1]} of the file)" if line else ""
    return ClaimsError(
        f"file {file.name} has rows that do not fit its header of {len(file.header)} columns{where}",
        expected=f"{len(file.header)} cells in every row, delimited like the header, in UTF-8",
        hint="check the delimiter and quotes of that row, or deliver the file again",
    )


def _quoted(text: str) -> str:
    return text.replace("'", "''")
