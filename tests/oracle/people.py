"""The claims of one person, taken out of the claims tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

Row = Mapping[str, Any]


@dataclass
class Person:
    """All rows of one person."""

    key: int
    record: Row | None = None
    months: dict[int, Row] = field(default_factory=dict)
    inpatient_claims: list[Row] = field(default_factory=list)
    outpatient_lines: list[Row] = field(default_factory=list)
    professional_lines: list[Row] = field(default_factory=list)
    diagnoses: list[Row] = field(default_factory=list)
    procedures: list[Row] = field(default_factory=list)

    @property
    def birth_date(self) -> date | None:
        return self.record.get("birth_date") if self.record else None

    @property
    def death_date(self) -> date | None:
        return self.record.get("death_date") if self.record else None


def people_of(tables: Mapping[str, Iterable[Row]]) -> list[Person]:
    """Return every person who has a row anywhere, by key."""
    people: dict[int, Person] = {}

    def person(row: Row) -> Person:
        return people.setdefault(row["person_key"], Person(row["person_key"]))

    for row in tables.get("people", ()):
        person(row).record = row
    for row in tables.get("enrollment", ()):
        person(row).months[row["month"]] = row
    for name in ("inpatient_claims", "outpatient_lines", "professional_lines", "diagnoses", "procedures"):
        for row in tables.get(name, ()):
            getattr(person(row), name).append(row)
    return [people[key] for key in sorted(people)]


def filled(text: str | None) -> bool:
    """Tell whether a text cell holds anything."""
    return text is not None and text.strip() != ""


def days_between(first: date, second: date) -> int:
    """Count days from the first date to the second."""
    return (second - first).days


def full_years(birth: date, day: date) -> int:
    """Return the age in full years: the birthday itself counts."""
    had_birthday = (day.month, day.day) >= (birth.month, birth.day)
    return day.year - birth.year - (0 if had_birthday else 1)


def month_number(day: date) -> int:
    """Number months in a row: year x 12 + month - 1."""
    return day.year * 12 + day.month - 1
