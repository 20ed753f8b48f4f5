"""Columns of the public facility file, whatever the year it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riskstd.errors import InputError
from riskstd.report.wording import counted, listed

IDENTITY: Mapping[str, frozenset[str]] = {
    "name": frozenset({"facility_name", "asc_name"}),
    "ccn": frozenset({"facility_id", "provider_id"}),
    "npi": frozenset({"npi"}),
    "city": frozenset({"city_town", "city"}),
    "state": frozenset({"state"}),
    "zip": frozenset({"zip_code"}),
    "year": frozenset({"year"}),
}
"""Names of the columns that say who and when, by what they hold."""

_ROLES = {
    "total_cases": "cases",
    "performance_category": "category",
    "rshv_rate": "score",
    "lower_limit": "lower",
    "upper_limit": "upper",
    "footnote": "footnote",
}
_MARKS = frozenset({"cases", "category", "score"})
_MEASURE_COLUMN = re.compile(rf"asc_?(\d+)_(?:\w+_)?({'|'.join(_ROLES)})")
_HINT = "download the facility file (ASC_Facility.csv) from the Provider Data Catalog, and do not change its first line"


@dataclass(frozen=True)
class Header:
    """Where each column stands.

    Attributes
    ----------
    dialect : str
        "2015", "2016" or "2017" (names with underscores), "2021" (quoted words), "starred" (words, some with a star).
    n_columns : int
    identity : mapping of str to int
        Position of name, ccn, npi, city, state, zip and year.
    measures : mapping of str to mapping of str to int
        For each claims-based measure, the positions of cases, category, score, lower, upper and footnote.
    """

    dialect: str
    n_columns: int
    identity: Mapping[str, int]
    measures: Mapping[str, Mapping[str, int]]


def read_header(names: Sequence[str], file_name: str) -> Header:
    """Find the columns by name, so that their order does not matter.

    Parameters
    ----------
    names : sequence of str
        First line of the file.
    file_name : str
        For messages.

    Returns
    -------
    Header

    Raises
    ------
    InputError
        When a column is missing or stands twice; the message names what was found.

    Examples
    --------
    >>> header = read_header(["ASC_Name", "Provider_ID", "NPI", "City", "State", "Zip_Code", "Year"], "file.csv")
    >>> header.dialect, header.identity["zip"], dict(header.measures)
    ('2015', 5, {})
    """
    plain = [plain_name(name) for name in names]
    identity = {what: place for what, known in IDENTITY.items() for place, name in enumerate(plain) if name in known}
    _refuse_other_files(names, plain, identity, file_name)
    _refuse_repeated(plain, names, file_name)
    measures = _measures(plain)
    for measure_id, columns in measures.items():
        missing = [role for role in _ROLES.values() if role not in columns]
        if missing:
            raise InputError(
                f"file {file_name} has columns for {measure_id} but none for {listed(missing)}",
                expected=f"columns for {listed(list(_ROLES.values()))}",
                hint=_HINT,
            )
    return Header(_dialect(names, identity, measures), len(names), identity, measures)


def plain_name(name: str) -> str:
    """Return a column name in the one spelling all dialects share.

    Examples
    --------
    >>> plain_name("ASC-12 Interval Lower Limit"), plain_name(" Zip_code "), plain_name("ASC-1 Rate*")
    ('asc_12_interval_lower_limit', 'zip_code', 'asc_1_rate')
    """
    return re.sub(r"[\s_/-]+", "_", name.strip().rstrip("*").strip().lower())


def _measures(plain: Sequence[str]) -> dict[str, dict[str, int]]:
    """Columns of the measures that have a score of predicted over expected visits."""
    found: dict[str, dict[str, int]] = {}
    for place, name in enumerate(plain):
        match = _MEASURE_COLUMN.fullmatch(name)
        if match:
            found.setdefault(f"ASC-{match[1]}", {})[_ROLES[match[2]]] = place
    return {measure_id: roles for measure_id, roles in found.items() if _MARKS & set(roles)}


def _dialect(names: Sequence[str], identity: Mapping[str, int], measures: Mapping[str, Mapping[str, int]]) -> str:
    if plain_name(names[identity["name"]]) == "facility_name":
        return "starred" if any(name.strip().endswith("*") for name in names) else "2021"
    if not measures:
        return "2015"
    return "2016" if any(roles["score"] > roles["upper"] for roles in measures.values()) else "2017"


def _refuse_other_files(
    names: Sequence[str], plain: Sequence[str], identity: Mapping[str, int], file_name: str
) -> None:
    """Refuse a file without the columns that say who and when.

    Names are repeated only when some are known: a first line without any may hold people.
    """
    missing = [what for what in IDENTITY if what not in identity]
    if not missing:
        return
    expected = "a first line with name, CCN (Facility ID), NPI, city, state, ZIP code and year of each facility"
    if {"asc_12_nat_rate", "asc_12_better"} & set(plain):
        raise InputError(
            f"file {file_name} holds national or state results", expected="one row per facility", hint=_HINT
        )
    if not identity:
        raise InputError(
            f"file {file_name} has none of the columns of the public facility file in its first line",
            expected=f"{expected}, separated by commas",
            hint=_HINT,
        )
    known = [names[place].strip() for place in sorted(identity.values())]
    raise InputError(
        f"file {file_name} has {counted(len(names), 'column', 'columns')}, among them {listed(known)}, "
        f"but none for {listed(missing)}",
        expected=expected,
        hint=_HINT,
    )


def _refuse_repeated(plain: Sequence[str], names: Sequence[str], file_name: str) -> None:
    known = frozenset().union(*IDENTITY.values())
    matters = [name for name in plain if name in known or _MEASURE_COLUMN.fullmatch(name)]
    repeated = sorted({names[plain.index(name)].strip() for name in matters if matters.count(name) > 1})
    if repeated:
        raise InputError(
            f"file {file_name} has {counted(len(repeated), 'column', 'columns')} more than once: {listed(repeated)}",
            expected="every column once",
            hint=_HINT,
        )
