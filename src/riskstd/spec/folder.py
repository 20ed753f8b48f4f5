"""The user's definition folder: where it is, and the tables and measures in it.

A definition folder holds `tables/index.toml` with one entry per table, the tables as CSV beside it, and
`measures/*.toml` with definitions of one's own. `riskstd import` writes the tables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from riskstd.errors import SpecError
from riskstd.spec.codetables import CodeTable, Provenance, read_index, read_table

FOLDER_NAME = "riskstd-definitions"
VARIABLE = "RISKSTD_DEFINITIONS"
USER_ORIGINS = frozenset({"user_import", "reconstructed", "assumed"})

Definitions = str | Path | Literal["auto"] | None
"""A folder; `auto` for the one that the rule of `find_definitions` finds; None for none."""


@dataclass(frozen=True, eq=False)
class DefinitionFolder:
    """A user's definition folder.

    Attributes
    ----------
    path : Path
    entries : mapping of str to Provenance
        The tables, by name.
    """

    path: Path
    entries: Mapping[str, Provenance] = field(repr=False)

    @property
    def tables(self) -> Path:
        """Folder of the tables."""
        return self.path / "tables"

    def table(self, name: str) -> CodeTable:
        """Read a table.

        Raises
        ------
        SpecError
            When it is not what its entry says, or claims an origin that only the project's tables have.
        """
        return _read(name, self.entries[name], self.tables)

    def standing_for(self, name: str) -> list[str]:
        """Return the tables that take the place of a table of the project, by years and name."""
        found = [key for key, entry in self.entries.items() if entry.stands_for == name]
        return sorted(found, key=lambda key: (self.entries[key].years, key))

    def measures(self) -> list[Path]:
        """Return the definition files, sorted."""
        return sorted((self.path / "measures").glob("*.toml"))


def find_definitions(start: Path | None = None) -> Path | None:
    """Find the user's definition folder.

    The first of these that holds: the folder in the environment variable `RISKSTD_DEFINITIONS` (none if it is set and
    empty); `riskstd-definitions` in the folder one is in or in one above it; `riskstd/definitions` in the user's data
    folder (`XDG_DATA_HOME`, else `~/.local/share`).

    Parameters
    ----------
    start : Path, optional
        Where to begin; the working folder if left out.

    Returns
    -------
    Path or None

    Raises
    ------
    SpecError
        When the variable names a folder that is not there.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return _existing(Path(named), f"{VARIABLE} names") if named else None
    here = (start or Path.cwd()).resolve()
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    places = [folder / FOLDER_NAME for folder in (here, *here.parents)]
    places.append(Path(data_home) / "riskstd" / "definitions")
    return next((place for place in places if place.is_dir()), None)


def open_definitions(definitions: Definitions = "auto") -> DefinitionFolder | None:
    """Open a definition folder, or the one that the rule finds; None if there is none.

    Raises
    ------
    SpecError
        When the folder is not there, or its index is not valid.
    """
    if definitions is None:
        return None
    path = find_definitions() if definitions == "auto" else _existing(Path(definitions), "the definitions given are in")
    return None if path is None else _open(path.resolve(), _index_text(path))


def _existing(path: Path, who: str) -> Path:
    if not path.is_dir():
        raise SpecError(
            f"{who} {path}, which is not a folder",
            expected="a definition folder",
            hint="`riskstd import` makes one",
        )
    return path


def _index_text(path: Path) -> bytes:
    index = path / "tables" / "index.toml"
    return index.read_bytes() if index.is_file() else b""


@cache
def _open(path: Path, index: bytes) -> DefinitionFolder:
    entries = read_index(path / "tables" / "index.toml") if index else {}
    for name, entry in entries.items():
        _check_origin(path, name, entry)
    return DefinitionFolder(path, entries)


def _check_origin(path: Path, name: str, entry: Provenance) -> None:
    where = f"{path / 'tables' / 'index.toml'}, table {name!r}"
    if entry.origin not in USER_ORIGINS:
        raise SpecError(
            f"{where}: origin {entry.origin!r}",
            expected="user_import (written by an import), reconstructed or assumed",
            hint="only tables of the project are cms_public: import the official file",
        )
    if entry.origin == "user_import" and not (entry.source_sha256 and entry.sha256):
        raise SpecError(
            f"{where}: origin user_import without `source_sha256` and `sha256`",
            expected="an entry that `riskstd import` wrote",
            hint="give a table that was written by hand the origin reconstructed or assumed",
        )


def _read(name: str, entry: Provenance, folder: Path) -> CodeTable:
    table = read_table(name, entry, folder)
    allowed = USER_ORIGINS if entry.origin == "user_import" else USER_ORIGINS - {"user_import"}
    wrong = set(table.origins()) - allowed
    if wrong:
        raise SpecError(
            f"code table {name!r} of {folder.parent}: rows with origin {', '.join(sorted(wrong))}",
            expected=f"one of {', '.join(sorted(allowed))}",
            hint="a row cannot claim a better origin than its table",
        )
    return table
