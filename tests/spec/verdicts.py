"""Does a judgement hold what a patient file expects?"""

from __future__ import annotations

from datetime import date
from typing import Any, Protocol

from spec.drawing import day_of
from spec.patients import Expected, Index, Patient, full_expectation

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


class Judged(Protocol):
    """Rows that a run gave, each with person_key, facility_id and procedure_date."""

    procedures: Rows
    excluded: Rows
    visits: Rows
    outcomes: Rows
    risk_factors: Rows


def complaints(name: str, patient: Patient, person_key: int, index: Index, judged: Judged) -> list[str]:
    """Return what is not as expected for a patient, in sentences; nothing when all is."""
    expectations = dict(patient.also)
    if not any(where.startswith("0 ") for where in patient.also):
        expectations["0"] = full_expectation(name, patient.expect)
    found = []
    for where, expected in expectations.items():
        day, _, facility = where.partition(" ")
        of_case = _Case(person_key, day_of(day, index), facility.strip() or None, judged)
        found += [f"day {where}: {text}" for text in of_case.complaints(expected)]
    return found


class _Case:
    """The rows of one procedure."""

    def __init__(self, person_key: int, day: date, facility: str | None, judged: Judged) -> None:
        def mine(rows: Rows) -> Rows:
            return [
                row
                for row in rows
                if row["person_key"] == person_key
                and row["procedure_date"] == day
                and (facility is None or row["facility_id"] == facility)
            ]

        self.procedures = mine(judged.procedures)
        self.excluded = mine(judged.excluded)
        self.visits = mine(judged.visits)
        self.outcomes = mine(judged.outcomes)
        self.risk_factors = mine(judged.risk_factors)

    def complaints(self, expected: Expected) -> list[str]:
        candidates = self.procedures + self.excluded
        if expected.candidate is False:
            return [] if not candidates else [f"no candidate expected, found {len(candidates)}"]
        if len(candidates) != 1:
            return [f"one candidate expected, found {len(candidates)}; name the facility if there are several"]
        found = [*self._cohort(expected), *_unequal(candidates[0], expected, _COLUMNS)]
        if self.procedures:
            found += [*self._outcome(expected), *self._factors(expected)]
        elif expected.outcome is not None or expected.factor:
            found.append("an excluded procedure has neither outcome nor risk factors")
        return found

    def _cohort(self, expected: Expected) -> list[str]:
        reasons = [row["excluded_by"] for row in self.excluded]
        if expected.in_cohort and reasons:
            return [f"expected in the cohort, excluded by {reasons[0]}"]
        if expected.in_cohort is False and not reasons:
            return ["expected to be excluded, is in the cohort"]
        if expected.excluded_by is not None and reasons != [expected.excluded_by]:
            return [f"expected to be excluded by {expected.excluded_by}, found {reasons}"]
        return []

    def _outcome(self, expected: Expected) -> list[str]:
        found = []
        outcomes = [row["outcome"] for row in self.outcomes]
        if expected.outcome is not None and outcomes != [expected.outcome]:
            found.append(f"outcome {expected.outcome} expected, found {outcomes}")
        if expected.visits is not None:
            visits = sorted(f"{row['visit_type']} {row['days_after']}" for row in self.visits)
            if visits != sorted(expected.visits):
                found.append(f"visits {list(expected.visits)} expected, found {visits}")
        for column in ("planned_rule", "principal_diagnosis"):
            wanted = getattr(expected, column)
            values = {
                row[column]
                for row in self.visits
                if row["visit_type"] == "inpatient" or wanted == "never_planned_visit_type"
            }
            if wanted is not None and values != {wanted}:
                found.append(f"{column} {wanted} expected, found {sorted(map(str, values))}")
        if expected.not_counted_because is not None:
            reasons = {row["not_counted_because"] for row in self.visits if not row["counted"]}
            if reasons != {expected.not_counted_because}:
                found.append(f"not counted because of {expected.not_counted_because} expected, found {reasons}")
        return found

    def _factors(self, expected: Expected) -> list[str]:
        row = self.risk_factors[0] if self.risk_factors else {}
        return [
            f"factor {name} = {value} expected, found {row.get(name)}"
            for name, value in expected.factor.items()
            if row.get(name) != value
        ]


def _unequal(row: dict[str, Any], expected: Expected, columns: tuple[str, ...]) -> list[str]:
    return [
        f"{column} = {getattr(expected, column)} expected, found {row[column]}"
        for column in columns
        if getattr(expected, column) is not None and row[column] != getattr(expected, column)
    ]
