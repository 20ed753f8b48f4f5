"""Tables of an import written to the definition folder: whole or not at all, and nothing if nothing changes."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from riskstd.errors import InputError
from riskstd.importing.newtable import GRADE, ORIGIN, NewTable
from riskstd.importing.report import Outcome
from riskstd.spec.codetables import DATA, Provenance, read_index
from riskstd.spec.years import Years

INDEX_HEAD = "# The tables of this definition folder; entries with `source_file` are written by `riskstd import`.\n"
_BLOCK = re.compile(r"^\[", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """The imported file: name, hash, and its day if one is known."""

    file: str
    sha256: str
    dated: str


def entries_of(tables: Sequence[NewTable], source: Source) -> dict[str, dict[str, str]]:
    """Return the entry of each table in the index, keys in the order in which they are written."""
    entries = {}
    for table in tables:
        sha256 = hashlib.sha256(table.content()).hexdigest()
        entry = {
            "file": f"{table.name}-{sha256[:12]}.csv",
            "kind": table.kind,
            "stands_for": table.stands_for,
            "years": table.years,
            "measure": table.measure,
            "system": table.system,
            "version": table.version,
            "says": table.says,
            "source": f"{source.file}, SHA-256 {source.sha256}",
            "origin": ORIGIN,
            "grade": GRADE,
            "note": table.note,
            "sha256": sha256,
            "source_file": source.file,
            "source_sha256": source.sha256,
            "imported": source.dated,
        }
        entries[table.name] = {key: value for key, value in entry.items() if value}
    return entries


def store_tables(
    folder: Path, tables: Sequence[NewTable], source: Source, report: Mapping[str, bytes], *, replace: bool
) -> Outcome:
    """Write tables and their entries.

    Parameters
    ----------
    folder : Path
        The definition folder; made if it is not there.
    tables : sequence of NewTable
    source : Source
    report : mapping of str to bytes
        Further files by path within the folder.
    replace : bool
        Whether tables of the same name from another file, or read otherwise, may be replaced.

    Returns
    -------
    {'new', 'unchanged', 'replaced'}

    Raises
    ------
    InputError
        When a table of that name is there from another file and is not to be replaced, or another table is for the
        same years.

    Notes
    -----
    Tables carry a part of their hash in their file names and come first; the index takes them in by one rename. So
    whoever reads the folder meanwhile, or after a stop, finds the index before the import with its tables or the one
    after it with its tables.
    """
    index = folder / "tables" / "index.toml"
    known = read_index(index) if index.is_file() else {}
    entries = entries_of(tables, source)
    old = {name: known[name] for name in entries if name in known}
    if len(old) == len(entries) and all(_same(old[name], entry, index.parent) for name, entry in entries.items()):
        return "unchanged"
    differing = [name for name, entry in entries.items() if name in old and old[name].sha256 != entry["sha256"]]
    if differing and not replace:
        raise _there_already(folder, differing, old)
    _refuse_same_years(folder, entries, known)
    index.parent.mkdir(parents=True, exist_ok=True)
    for table in tables:
        _write_whole(index.parent / entries[table.name]["file"], table.content())
    if any(table.system == "HCPCS" for table in tables):
        _write_whole(index.parent / "AMA-NOTICE.txt", (DATA / "AMA-NOTICE.txt").read_bytes())
    for name, content in report.items():
        _write_whole(folder / name, content)
    text = index.read_text("utf-8") if index.is_file() else INDEX_HEAD
    _write_whole(index, _with_entries(text, entries).encode())
    for name, entry in old.items():
        if entry.file != entries[name]["file"] and entry.file not in {known[n].file for n in known if n != name}:
            (index.parent / entry.file).unlink(missing_ok=True)
    return "replaced" if old else "new"


def _refuse_same_years(folder: Path, entries: Mapping[str, Mapping[str, str]], known: Mapping[str, Provenance]) -> None:
    """Refuse a second table for the same years: no rule could choose between the two."""
    for name, entry in entries.items():
        for other, there in known.items():
            same_table = other != name and there.stands_for == entry.get("stands_for", "") != ""
            same_years = Years.of(there.years).spans[:1] == Years.of(entry.get("years", "")).spans[:1]
            if same_table and same_years and there.measure == entry.get("measure", ""):
                raise InputError(
                    f"{folder} has {other} for service years {there.years or 'all'} already, as {name} would be",
                    expected="other service years",
                    hint="give --service-years (service_years in a mapping), or delete the entry of the other",
                )


def _same(old: Provenance, entry: Mapping[str, str], tables: Path) -> bool:
    facts = old.model_dump(exclude_defaults=True)
    return {key: value for key, value in facts.items() if value} == dict(entry) and (tables / old.file).is_file()


def _there_already(folder: Path, names: Sequence[str], old: Mapping[str, Provenance]) -> InputError:
    first = old[names[0]]
    origin = f"from {first.source_file} (SHA-256 {first.source_sha256[:12]}...)" if first.source_file else "by hand"
    return InputError(
        f"{folder} has {', '.join(names)} already, {origin}, and this import makes other rows of it",
        expected="a table that is not there, or the same file again",
        hint="replace it with --replace, or give another --year",
    )


def _with_entries(text: str, entries: Mapping[str, Mapping[str, str]]) -> str:
    """Put entries into the text of an index, in place of those of the same name; the rest stays as it is."""
    starts = [match.start() for match in _BLOCK.finditer(text)]
    bounds = [0, *starts, len(text)]
    blocks = [text[a:b] for a, b in pairwise(bounds)]
    kept = [block for block in blocks if not any(block.startswith(f"[{name}]") for name in entries)]
    head = "".join(kept).rstrip("\n")
    return (
        "\n\n".join(part for part in (head, *(_entry_text(name, entry) for name, entry in entries.items())) if part)
        + "\n"
    )


def _entry_text(name: str, entry: Mapping[str, str]) -> str:
    # A JSON string without characters outside of ASCII is a TOML string too.
    return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())])


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    try:
        scratch.write_bytes(content)
        os.replace(scratch, path)  # noqa: PTH105 - Path.replace says less
    finally:
        scratch.unlink(missing_ok=True)
