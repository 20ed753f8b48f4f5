"""From a file on disk to rows of text, whatever its encoding, line ends and packing."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

from riskstd.errors import InputError

_FACILITY_FILE = "the facility file of the Provider Data Catalog (ASC_Facility.csv), text with commas"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True)
class TextRows:
    """Rows of a CSV file; the header is row 1.

    Attributes
    ----------
    header : list of str
    rows : list of list of str
        Without blank rows.
    positions : list of int
        Position of each row.
    encoding : str
        "UTF-8" or "Windows-1252".
    n_unknown_characters : int
        Bytes that Windows-1252 does not define, shown as a replacement character.
    sha256 : str
        Of the file as it lies on disk.
    """

    header: list[str]
    rows: list[list[str]]
    positions: list[int]
    encoding: str
    n_unknown_characters: int
    sha256: str


def read_text_rows(path: Path) -> TextRows:
    """Read a CSV file in UTF-8 or Windows-1252, plain or packed with gzip.

    Raises
    ------
    InputError
        When there is no such file, or it is empty or not text with commas.
    """
    stored = _read(path)
    content = _unpack(stored, path.name)
    encoding, unknown = "UTF-8", 0
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        encoding, text = "Windows-1252", content.decode("cp1252", errors="replace")
        unknown = text.count("\N{REPLACEMENT CHARACTER}")
    _refuse_other_separators(text, path.name)
    header, rows, positions = _split(text, path.name)
    return TextRows(header, rows, positions, encoding, unknown, hashlib.sha256(stored).hexdigest())


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"no file {path}", expected=_FACILITY_FILE, hint="check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder", expected=_FACILITY_FILE, hint="name the file in it") from None
    except OSError as error:
        raise InputError(f"file {path.name} cannot be read: {error.strerror}", hint="check its permissions") from None
    if not content.strip():
        raise InputError(f"file {path.name} is empty", expected=_FACILITY_FILE, hint="download it again")
    return content


def _unpack(content: bytes, name: str) -> bytes:
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            raise InputError(f"file {name} cannot be unpacked", expected="gzip", hint="download it again") from None
    if content[:4] == b"PK\x03\x04":
        raise InputError(
            f"file {name} is a ZIP archive or a workbook", expected=_FACILITY_FILE, hint="unpack it, or save it as CSV"
        )
    if b"\x00" in content or not content.strip():
        raise InputError(f"file {name} is not text", expected=_FACILITY_FILE, hint="save it as CSV in UTF-8")
    return content


def _refuse_other_separators(text: str, name: str) -> None:
    first = text.lstrip().splitlines()[0]
    found = [word for mark, word in _SEPARATORS.items() if mark in first]
    if found and "," not in first:
        raise InputError(
            f"columns of file {name} are separated by {found[0]}", expected="commas", hint="save it as CSV with commas"
        )


def _split(text: str, name: str) -> tuple[list[str], list[list[str]], list[int]]:
    header: list[str] = []
    rows: list[list[str]] = []
    positions: list[int] = []
    position = 0
    try:
        for position, cells in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1):
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = cells
                continue
            rows.append(cells)
            positions.append(position)
    except csv.Error:
        raise InputError(
            f"file {name} has a quotation mark out of place, in row {position + 1:,} or later",
            expected=_FACILITY_FILE,
            hint="download it again; an editor may have changed its quotes",
        ) from None
    return header, rows, positions
