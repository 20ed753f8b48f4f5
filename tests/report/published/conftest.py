"""Facility files of invented facilities in every form the public file has had."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from riskstd.report.published.file import PublishedResults, read_published

NO_DIFFERENCE = "No Different Than the National Rate"
TOO_SMALL = "Number of Cases Too Small"

_UNDERSCORES = ("ASC_Name", "Provider_ID", "NPI", "City", "State", "Zip_Code", "Year")
_WORDS = ("Facility Name", "Facility ID", "NPI", "City/Town", "State", "ZIP Code", "Year")
_WHO = ("name", "ccn", "npi", "city", "state", "zip", "year")
_ROLES = ("cases", "category", "score", "lower", "upper", "footnote")
_WORDS_OF_ROLE = {
    "cases": "Total Cases",
    "category": "Performance Category",
    "score": "RSHV Rate",
    "lower": "Interval Lower Limit",
    "upper": "Interval Upper Limit",
    "footnote": "Footnote",
}
ALL_MEASURES = ("ASC-12", "ASC-17", "ASC-18", "ASC-19")

Columns = list[tuple[str, str]]
"""Name in the header, and key of the value: of who, "measure role", or a fixed text in quotes."""


def columns_2015() -> Columns:
    web = [("ASC_1_Measure_Rate", "'N/A (5)"), ("ASC_9_Measure_Rate", "'1,000.00"), ("ASC_9_Footnote", "'5")]
    return [*zip(_UNDERSCORES, _WHO, strict=True), *web]


def columns_2016() -> Columns:
    names = [*_UNDERSCORES[:1], "Provider_id", *_UNDERSCORES[2:5], "Zip_code", "Year"]
    order = ("cases", "category", "lower", "upper", "footnote")
    dates = [("ASC_12_Encounter_Start_Date", "'01/01/2016"), ("ASC_12_Encounter_End_Date", "'12/31/2016")]
    last = [("ASC_12_RSHV_Rate", "ASC-12 score")]
    return [*zip(names, _WHO, strict=True), ("ASC_1_Rate", "'1,000.00"), *_underscored(order), *dates, *last]


def columns_2017() -> Columns:
    return [*zip(_UNDERSCORES, _WHO, strict=True), *_underscored(("cases", "category", "score", *_ROLES[3:]))]


def columns_2021(measures: Sequence[str] = ALL_MEASURES) -> Columns:
    web = [("ASC-9 Rate", "'44.17"), ("ASC-9 Footnote", "'")]
    results = [(f"{m} {_WORDS_OF_ROLE[role]}", f"{m} {role}") for m in measures for role in _ROLES]
    return [*zip(_WORDS, _WHO, strict=True), *web, *results, ("ASC-20 Sample", "'82")]


def columns_starred() -> Columns:
    return [(f"{name}*" if "Rate" in name else name, key) for name, key in columns_2021()]


DIALECTS = {
    "2015": columns_2015,
    "2016": columns_2016,
    "2017": columns_2017,
    "2021": columns_2021,
    "starred": columns_starred,
}


def _underscored(roles: Sequence[str]) -> Columns:
    return [(f"ASC_12_{_WORDS_OF_ROLE[role].replace(' ', '_')}", f"ASC-12 {role}") for role in roles]


def facility(k: int = 1, **values: Any) -> dict[str, str]:
    """An invented facility; results are given as `asc12=("120", ...)` in the order of the roles."""
    row = {
        "name": f"HILL {k} SURGERY CENTER",
        "ccn": f"99C{k:07}",
        "npi": f"{1_000_000_000 + k}",
        "city": "HILLTOWN",
        "state": "MA",
        "zip": "02134",
        "year": "2022",
    }
    for measure in ALL_MEASURES:
        cells = values.pop(measure.lower().replace("-", ""), ("N/A", "N/A", "N/A", "N/A", "N/A", "5"))
        row |= {f"{measure} {role}": cell for role, cell in zip(_ROLES, cells, strict=True)}
    return row | {name: str(value) for name, value in values.items()}


def result(cases: Any = 120, score: Any = 9.8, lower: Any = 7.0, upper: Any = 13.5, category: str = NO_DIFFERENCE):
    """Cells of one result."""
    return (str(cases), category, str(score), str(lower), str(upper), "")


def too_small() -> tuple[str, ...]:
    return ("N/A", TOO_SMALL, "N/A", "N/A", "N/A", "1")


def file_text(columns: Columns, rows: Sequence[Mapping[str, str]], line_end: str = "\n") -> str:
    stream = io.StringIO()
    quoting = csv.QUOTE_ALL if "Facility Name" in dict(columns) else csv.QUOTE_MINIMAL
    csv.writer(stream, lineterminator=line_end, quoting=quoting).writerow([name for name, _ in columns])
    cells = [[key[1:] if key.startswith("'") else row[key] for _, key in columns] for row in rows]
    csv.writer(stream, lineterminator=line_end).writerows(cells)
    return stream.getvalue()


def write(
    folder: Path,
    rows: Sequence[Mapping[str, str]],
    dialect: str = "2021",
    encoding: str = "utf-8",
    line_end: str = "\n",
) -> Path:
    path = folder / "ASC_Facility.csv"
    path.write_bytes(file_text(DIALECTS[dialect](), rows, line_end).encode(encoding))
    return path


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The functions of this file."""
    return sys.modules[__name__]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., PublishedResults]:
    """Write a file of invented facilities and read it."""
    return lambda rows, **how: read_published(write(tmp_path, rows, **how))
