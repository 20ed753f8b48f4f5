"""Does a run give a patient the verdict that is expected? What differs, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

from riskstd.pipeline.assurance.drawing import day_of
from riskstd.pipeline.assurance.patients import Expected, full_expectation
from riskstd.pipeline.assurance.people import Person

Rows = list[dict[str, Any]]
_COLUMNS = (
    "facility_id",
    "codes",
    "index_code",
    "work_rvu",
    "qualifying_procedures",
    "age_years",
    "died_in_window",
    "facilities_same_day",
)


class Answer(Protocol):
    """Rows that a run gave, each with person_key, facility_id and procedure_date."""

    procedures: Rows
    excluded: Rows
    visits: Rows
    outcomes: Rows
    risk_factors: Rows


def complaints(person: Person, answer: Answer, says: Mapping[str, str] | None = None) -> list[str]:
    """Return what is not as expected for a patient, in sentences; nothing when all is.

    Parameters
    ----------
    person : Person
    answer : rows by kind
    says : mapping of str to str, optional
        Sentence of each exclusion, by its id.
    """
    found = []
    for where, expected in expectations_of(person).items():
        day, _, facility = where.partition(" ")
        case = _Case(person, day_of(day, person.index), facility.strip() or None, answer, says or {})
        at = "" if where == "0" else f"procedure of day {where}: "
        found += [f"{at}{text}" for text in case.complaints(expected)]
    return found


def expectations_of(person: Person) -> dict[str, Expected]:
    """Return what is expected of each procedure of a patient, by day and facility."""
    expectations = person.also
    if not any(where.startswith("0 ") for where in expectations):
        expectations = {"0": full_expectation(person.name, person.expect), **expectations}
    return expectations


class _Case:
    """The rows of one procedure."""

    def __init__(
        self, person: Person, day: date, facility: str | None, answer: Answer, says: Mapping[str, str]
    ) -> None:
        def mine(rows: Rows) -> Rows:
            return [
                row
                for row in rows
                if row["person_key"] == person.person_key
                and row["procedure_date"] == day
                and (facility is None or row["facility_id"] == facility)
            ]

        self.says = says
        self.procedures = mine(answer.procedures)
        self.excluded = mine(answer.excluded)
        self.visits = mine(answer.visits)
        self.outcomes = mine(answer.outcomes)
        self.risk_factors = mine(answer.risk_factors)

    def complaints(self, expected: Expected) -> list[str]:
        candidates = self.procedures + self.excluded
        if expected.candidate is False:
            return [] if not candidates else [f"no procedure expected, found {len(candidates)} on that day"]
        if not candidates:
            return ["a procedure expected, found none: no line qualifies on that day"]
        if len(candidates) > 1:
            return [f"one procedure expected, found {len(candidates)}; name the facility if there are several"]
        found = [*self._cohort(expected), *_unequal(candidates[0], expected)]
        if self.procedures:
            found += [*self._outcome(expected), *self._visits(expected), *self._factors(expected)]
        elif expected.outcome is not None or expected.visits is not None or expected.factor:
            found.append("outcome, visits and risk factors expected: an excluded procedure has none")
        return found

    def _cohort(self, expected: Expected) -> list[str]:
        reason = self.excluded[0]["excluded_by"] if self.excluded else None
        if expected.in_cohort and reason:
            return [f"expected in the cohort; {self._excluded_by(reason)}"]
        if expected.excluded_by is not None and reason != expected.excluded_by:
            return [f"expected to be excluded by {expected.excluded_by}; {self._excluded_by(reason)}"]
        if expected.in_cohort is False and not reason:
            return ["expected to be excluded; is in the cohort"]
        return []

    def _excluded_by(self, reason: str | None) -> str:
        if reason is None:
            return "is in the cohort"
        return f"excluded by {reason}" + (f" ({self.says[reason]})" if reason in self.says else "")

    def _outcome(self, expected: Expected) -> list[str]:
        outcome = self.outcomes[0]["outcome"] if self.outcomes else None
        if expected.outcome is None or outcome == expected.outcome:
            return []
        return [f"outcome {expected.outcome} expected, found {outcome} (visits found: {self._visits_found()})"]

    def _visits(self, expected: Expected) -> list[str]:
        found = []
        visits = sorted(f"{row['visit_type']} {row['days_after']}" for row in self.visits)
        if expected.visits is not None and visits != sorted(expected.visits):
            found.append(f"visits expected: {_listed(expected.visits)}; found: {self._visits_found()}")
        for column in ("planned_rule", "principal_diagnosis"):
            wanted = getattr(expected, column)
            values = {
                row[column]
                for row in self.visits
                if row["visit_type"] == "inpatient" or wanted == "never_planned_visit_type"
            }
            if wanted is not None and values != {wanted}:
                found.append(f"{column} {wanted} expected, found {_listed(map(str, values))}")
        if expected.not_counted_because is not None:
            reasons = {row["not_counted_because"] for row in self.visits if not row["counted"]}
            if reasons != {expected.not_counted_because}:
                wanted = expected.not_counted_because
                found.append(f"visits that do not count because {wanted} expected, found {_listed(map(str, reasons))}")
        return found

    def _visits_found(self) -> str:
        return _listed(
            f"{row['visit_type']} {row['days_after']}" + ("" if row["counted"] else f" ({row['not_counted_because']})")
            for row in self.visits
        )

    def _factors(self, expected: Expected) -> list[str]:
        row = self.risk_factors[0] if self.risk_factors else {}
        return [
            f"risk factor {name} = {value:g} expected, found {_number(row.get(name))}"
            for name, value in expected.factor.items()
            if row.get(name) != value
        ]


def _unequal(row: dict[str, Any], expected: Expected) -> list[str]:
    return [
        f"{column} = {getattr(expected, column)} expected, found {row[column]}"
        for column in _COLUMNS
        if getattr(expected, column) is not None and row[column] != getattr(expected, column)
    ]


def _listed(texts: Any) -> str:
    return ", ".join(sorted(texts)) or "none"


def _number(value: float | None) -> str:
    return "no such factor" if value is None else f"{value:g}"
