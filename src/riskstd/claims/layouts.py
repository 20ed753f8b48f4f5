"""Layouts of claim files: data that say which file is which and what its columns are called."""

from __future__ import annotations

import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from riskstd.errors import OptionError, SpecError

_FOLDER = Path(__file__).parent / "layouts"
_REFUSED = "refused"

Role = Literal[
    "beneficiary",
    "span",
    "professional_header",
    "professional_line",
    "outpatient_header",
    "outpatient_line",
    "inpatient_header",
    "inpatient_line",
]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileKind(_Closed):
    """One kind of file of a layout."""

    provides: tuple[Role, ...]
    required: tuple[str, ...]
    forbidden: tuple[str, ...] = ()
    claim_types: tuple[str, ...] = ()


class Slots(_Closed):
    """Numbered columns, such as 25 diagnoses."""

    count: int
    names: tuple[str, ...]


class Layout(_Closed):
    """A dialect of claim files.

    Examples
    --------
    >>> load_layout("ccw").source_column("person_id", ["BENE_ID", "CLM_ID"])
    'BENE_ID'
    """

    name: str
    title: str
    statements: tuple[str, ...]
    files: dict[str, FileKind]
    columns: dict[str, tuple[str, ...]]
    slots: dict[str, Slots]
    claim_key: tuple[str, ...] = ()
    """Columns that name a claim together, where its number alone does not."""

    def names_of(self, canonical: str) -> tuple[str, ...]:
        """Return the names that a column may have in the source; `diagnosis_3` is slot 3."""
        if canonical in self.columns:
            return self.columns[canonical]
        stem, _, number = canonical.rpartition("_")
        if stem in self.slots and number.isdigit() and int(number) <= self.slots[stem].count:
            return tuple(name.format(n=int(number)) for name in self.slots[stem].names)
        return ()

    def source_column(self, canonical: str, header: list[str]) -> str | None:
        """Return the column of a header that holds a canonical column, in any case; None if it has none."""
        by_name = _by_upper_case(tuple(header))
        return next((by_name[name.upper()] for name in self.names_of(canonical) if name.upper() in by_name), None)

    def missing_columns(self, kind: str, header: list[str]) -> list[str]:
        """Return the required columns of a kind of file that a header lacks, by the names they may have."""
        return [
            " or ".join(self.names_of(column)) or column
            for column in self.files[kind].required
            if self.source_column(column, header) is None
        ]

    def has_forbidden(self, kind: str, header: list[str]) -> bool:
        """Tell whether a header has a column that this kind of file never has."""
        names = {name.upper() for name in header}
        return any(column.upper() in names for column in self.files[kind].forbidden)


@lru_cache(maxsize=4096)
def _by_upper_case(header: tuple[str, ...]) -> dict[str, str]:
    return {name.upper(): name for name in header}


class RefusedLayout(_Closed):
    """A dialect that is recognised and refused, with the reason."""

    title: str
    columns: tuple[str, ...]
    reason: str


def layout_names() -> list[str]:
    """Return the names of the layouts that can be read, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml") if path.stem != _REFUSED)


@cache
def load_layout(name: str) -> Layout:
    """Load a layout by name.

    Raises
    ------
    OptionError
        When there is no such layout.
    SpecError
        When the layout file is not valid.
    """
    if name not in layout_names():
        raise OptionError(f"no layout is called {name!r}", expected=f"auto, {', '.join(layout_names())}")
    raw = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))
    base = load_layout(raw.pop("extends")) if "extends" in raw else None
    if base is not None:
        raw = {**raw, "columns": {**base.columns, **raw.get("columns", {})}}
        raw["slots"] = {**base.slots, **raw.get("slots", {})}
    try:
        return Layout.model_validate({"name": name, **raw})
    except ValidationError as error:
        first = error.errors()[0]
        raise SpecError(f"layouts/{name}.toml, key {first['loc']}: {first['msg']}") from None


@cache
def refused_layouts() -> tuple[RefusedLayout, ...]:
    """Return the layouts that are recognised and refused."""
    raw = tomllib.loads((_FOLDER / f"{_REFUSED}.toml").read_text("utf-8"))
    return tuple(RefusedLayout.model_validate(entry) for entry in raw.values())
