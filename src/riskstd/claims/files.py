"""Files of a delivery: found, opened far enough to know their header, and matched to a layout."""

from __future__ import annotations

import contextlib
import csv
import gzip
import threading
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from riskstd.claims.layouts import Layout, layout_names, load_layout, refused_layouts
from riskstd.claims.scan import file_hash, quoted_name, scan
from riskstd.errors import ClaimsError

DELIMITERS = (",", "|", "\t", ";")
_DATA_SUFFIXES = {".csv", ".txt", ".psv", ".tsv", ".dat", ".parquet"}
_HEAD_BYTES = 1 << 17
_DELIMITER_WORDS = "comma, pipe, tab or semicolon"


@dataclass(frozen=True)
class SourceFile:
    """A data file: its header, how it is delimited, and the kind it is in a layout."""

    path: Path
    delimiter: str | None
    header: tuple[str, ...]
    first_row: tuple[str, ...]
    kind: str = ""

    @property
    def name(self) -> str:
        """File name without folder."""
        return self.path.name

    @property
    def is_parquet(self) -> bool:
        """Tell whether the file is Parquet."""
        return self.delimiter is None


@dataclass(frozen=True)
class Delivery:
    """The files of a folder that a layout needs, and those left alone."""

    layout: Layout
    files: tuple[SourceFile, ...]
    ignored: tuple[str, ...]

    def of_role(self, role: str) -> list[SourceFile]:
        """Return the files that provide a role, by name."""
        return self.of_kind(kind for kind, about in self.layout.files.items() if role in about.provides)

    def of_kind(self, kinds: Iterable[str]) -> list[SourceFile]:
        """Return the files of some kinds, by name."""
        wanted = set(kinds)
        return [file for file in self.files if file.kind in wanted]


def find_delivery(folder: Path, layout: str = "auto") -> Delivery:
    """Find the claim files of a folder and the layout that they follow.

    Parameters
    ----------
    folder : Path
        Folder that holds the files.
    layout : str
        `auto`, or the name of a layout.

    Returns
    -------
    Delivery
        Every file that the layout needs, with its kind.

    Raises
    ------
    ClaimsError
        When the folder or its files are not there, are empty, or fit no layout: the message names files and columns.
    """
    inspected = [inspect_file(path) for path in data_files(folder)]
    _refuse_known(inspected)
    _refuse_wrong_delimiter(inspected)
    names = layout_names() if layout == "auto" else [load_layout(layout).name]
    matches = [_match(load_layout(name), inspected) for name in names]
    complete = [found for found in matches if not _missing_kinds(found)]
    if not complete:
        raise _no_layout(folder, layout, inspected, matches)
    best = max(complete, key=lambda found: (len(found.files), -len(found.ignored)))
    _refuse_near_misses(best, inspected)
    return best


def fingerprint(delivery: Delivery) -> list[dict[str, Any]]:
    """Return name, size and SHA-256 of every file that is read."""
    return [_fingerprint(file) for file in delivery.files]


@contextlib.contextmanager
def fingerprint_beside(delivery: Delivery) -> Iterator[Future[list[dict[str, Any]]]]:
    """Take the fingerprint of a delivery on a thread of its own, and give it up when the work beside it fails."""
    failed = threading.Event()

    def take() -> list[dict[str, Any]]:
        return [_fingerprint(file) for file in delivery.files if not failed.is_set()]

    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(take)
        except BaseException:
            failed.set()
            raise


def _fingerprint(file: SourceFile) -> dict[str, Any]:
    return {"file": file.name, "bytes": file.path.stat().st_size, "sha256": file_hash(file.path)}


def data_files(folder: Path) -> list[Path]:
    """List the data files of a folder by name.

    Raises
    ------
    ClaimsError
        When the folder does not exist or holds no data file.
    """
    if not folder.is_dir():
        raise ClaimsError(f"no folder {folder}", expected="a folder of claim files", hint="check the path")
    found = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and _suffix(path) in _DATA_SUFFIXES
    )
    if not found:
        inner = sorted(path.name for path in folder.iterdir() if path.is_dir())
        hint = f"did you mean a folder inside it: {', '.join(inner)}?" if inner else "check the path"
        raise ClaimsError(f"no data file in {folder}", expected="CSV, pipe-delimited or Parquet files", hint=hint)
    return found


def inspect_file(path: Path) -> SourceFile:
    """Read the header and the first row of a file.

    Raises
    ------
    ClaimsError
        When the file is empty, is not text in UTF-8 or not valid Parquet, or repeats a column.
    """
    if _suffix(path) == ".parquet":
        return _inspect_parquet(path)
    if path.stat().st_size == 0:
        raise ClaimsError(
            f"file {path.name} is empty (0 bytes)",
            expected="a header line, and data lines if there are any",
            hint="deliver the file again, or remove it from the folder",
        )
    lines = _first_lines(path)
    delimiter = max(DELIMITERS, key=lambda mark: lines[0].count(mark))
    header = next(csv.reader([lines[0]], delimiter=delimiter))
    first = next(csv.reader([lines[1]], delimiter=delimiter)) if len(lines) > 1 else []
    _refuse_repeated_columns(path, header)
    return SourceFile(path, delimiter, tuple(name.strip() for name in header), tuple(first))


def _inspect_parquet(path: Path) -> SourceFile:
    try:
        file = pq.ParquetFile(path)
        names = tuple(file.schema_arrow.names)
        row = next(file.iter_batches(batch_size=1)).to_pylist()[0] if file.metadata.num_rows else None
    except (pa.ArrowException, OSError):
        raise ClaimsError(f"file {path.name} is not a valid Parquet file", hint="deliver it again") from None
    first = () if row is None else tuple("" if row[name] is None else str(row[name]) for name in names)
    return SourceFile(path, None, names, first)


def _first_lines(path: Path) -> list[str]:
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            content = stream.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        raise ClaimsError(f"file {path.name} cannot be unpacked", expected="gzip", hint="deliver it again") from None
    if len(content) == _HEAD_BYTES:
        content = content[: content.rfind(b"\n")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ClaimsError(
            f"file {path.name} is not text in UTF-8", expected="UTF-8", hint="convert the file to UTF-8"
        ) from None
    lines = text.splitlines()
    if not any(line.strip() for line in lines):
        raise ClaimsError(f"file {path.name} holds only blank lines", expected="a header line")
    if not lines[0].strip():
        raise ClaimsError(f"file {path.name} begins with a blank line", expected="a header line first")
    return [line for line in lines if line.strip()][:2]


def _refuse_repeated_columns(path: Path, header: list[str]) -> None:
    names = [name.strip().upper() for name in header]
    if "" in names:
        raise ClaimsError(
            f"file {path.name} has {names.count('')} column(s) without a name, first at position {names.index('') + 1}",
            expected="a name for every column, and no delimiter at the end of the line",
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ClaimsError(
            f"file {path.name} names {len(repeated)} column(s) twice: {', '.join(repeated)}",
            expected="every column once",
        )


def _match(layout: Layout, files: list[SourceFile]) -> Delivery:
    kept, ignored = [], []
    for file in files:
        kind = _kind_of(layout, file)
        if kind is None:
            ignored.append(file.name)
        else:
            kept.append(replace(file, kind=kind))
    return Delivery(layout, tuple(kept), tuple(ignored))


def _kind_of(layout: Layout, file: SourceFile) -> str | None:
    header = list(file.header)
    fitting = [
        kind
        for kind in layout.files
        if not layout.missing_columns(kind, header)
        and not layout.has_forbidden(kind, header)
        and _fits_claim_type(layout, kind, file)
    ]
    return max(fitting, key=lambda kind: len(layout.files[kind].required)) if fitting else None


def _fits_claim_type(layout: Layout, kind: str, file: SourceFile) -> bool:
    """Files of hospice, home health and other claims look alike: their claim types tell them apart."""
    allowed = layout.files[kind].claim_types
    column = layout.source_column("claim_type", list(file.header))
    if not allowed or column is None or len(file.first_row) != len(file.header):
        return True
    if _whole(file.first_row[file.header.index(column)]) in {*allowed, ""}:
        return True
    return bool({_whole(value) for value in _values_of(file, column)} & set(allowed))


def _whole(text: str) -> str:
    """A number as a whole one, where a column of numbers beside blanks is kept as fractions."""
    return text.strip().removesuffix(".0")


def _values_of(file: SourceFile, column: str) -> set[str]:
    """Return the distinct values of a column; empty if the file cannot be read as it stands."""
    sql = f"SELECT DISTINCT trim(CAST({quoted_name(column)} AS VARCHAR)) FROM {scan(file)}"
    try:
        rows = duckdb.connect().execute(sql).fetchall()
    except duckdb.Error:
        return set()
    return {value for (value,) in rows if value}


def _missing_kinds(found: Delivery) -> list[str]:
    provided = {role for file in found.files for role in found.layout.files[file.kind].provides}
    needed = {role for kind in found.layout.files.values() for role in kind.provides}
    return sorted(needed - provided)


def _refuse_known(files: list[SourceFile]) -> None:
    for refused in refused_layouts():
        hits = [file.name for file in files if set(refused.columns) <= {name.upper() for name in file.header}]
        if hits:
            raise ClaimsError(
                f"{len(hits)} file(s) are {refused.title}, among them {hits[0]}: {refused.reason}",
                expected=f"one of the layouts {', '.join(layout_names())}",
            )


def _refuse_wrong_delimiter(files: list[SourceFile]) -> None:
    known = {
        name.upper()
        for layout in map(load_layout, layout_names())
        for names in layout.columns.values()
        for name in names
    }
    for file in files:
        single = file.header[0].upper() if len(file.header) == 1 else ""
        held = [name for name in known if len(name) > 5 and name in single and name != single]
        if len(held) > 1:
            raise ClaimsError(
                f"file {file.name} has a single column whose header holds {len(held)} known column names",
                expected=f"cells delimited by {_DELIMITER_WORDS}",
                hint="save the file with one of these delimiters",
            )


def _refuse_near_misses(best: Delivery, files: list[SourceFile]) -> None:
    """A file that lacks a single required column of its kind would otherwise be left out silently."""
    for file in files:
        if file.name not in best.ignored:
            continue
        for kind in best.layout.files:
            missing = best.layout.missing_columns(kind, list(file.header))
            enough = len(best.layout.files[kind].required) >= 4
            if len(missing) == 1 and enough and _fits_claim_type(best.layout, kind, file):
                if best.layout.has_forbidden(kind, list(file.header)):
                    continue
                raise ClaimsError(
                    f"file {file.name} looks like a {kind} file of layout {best.layout.name} "
                    f"but lacks column {missing[0]}",
                    hint="deliver the column, or move the file out of the folder",
                )


def _no_layout(folder: Path, asked: str, files: list[SourceFile], matches: list[Delivery]) -> ClaimsError:
    nearest = min(matches, key=lambda found: (len(_missing_kinds(found)), -len(found.files)))
    lines = [
        f"the {len(files)} data file(s) in {folder} do not make a complete delivery"
        + (f" of layout {asked}" if asked != "auto" else " of any layout")
    ]
    lines.append(f"nearest layout: {nearest.layout.name} ({nearest.layout.title})")
    for kind, about in nearest.layout.files.items():
        if any(file.kind == kind for file in nearest.files):
            continue
        file, missing = min(
            ((file, nearest.layout.missing_columns(kind, list(file.header))) for file in files),
            key=lambda pair: len(pair[1]),
        )
        if missing and len(missing) < len(about.required):
            lines.append(f"no {kind} file: nearest is {file.name}, which lacks column(s) {', '.join(missing)}")
        else:
            lines.append(f"no {kind} file")
    return ClaimsError(
        "\n  ".join(lines),
        expected="; ".join(f"{name}: {', '.join(load_layout(name).files)}" for name in layout_names()),
        hint="deliver the missing files, or name the layout with --layout",
    )


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
