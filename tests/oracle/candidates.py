"""Candidates: from claim lines to procedures (measure-logic section 1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

from oracle.codes import any_takes, listed, work_rvu_of
from oracle.people import Person, Row, days_between, filled, full_years
from riskstd.spec import Measure


@dataclass
class Candidate:
    """One procedure of a person, day and facility."""

    person_key: int
    facility_id: str | None
    procedure_date: date
    lines: list[Row] = field(default_factory=list)
    claim_id: str = ""
    codes: str = ""
    index_code: str = ""
    work_rvu: float | None = None
    qualifying_procedures: int = 0
    age_years: int | None = None
    died_in_window: bool = False
    facilities_same_day: int = 0

    @property
    def year(self) -> int:
        return self.procedure_date.year


def place_of_service_only(absent: Collection[str]) -> bool:
    """Tell whether the dialect has neither type of service nor specialty at all."""
    return {"professional_lines.type_of_service", "professional_lines.specialty"} <= set(absent)


def is_asc_facility_line(line: Row, measure: Measure, absent: Collection[str]) -> bool:
    """Type of service F, or specialty 49 at place of service 24; else place of service 24 alone (rule 2)."""
    clause = measure.definition.cohort.facility_line
    at_an_asc = line.get("place_of_service") in clause.place_of_service
    if place_of_service_only(absent):
        return at_an_asc
    by_type = line.get("type_of_service") in clause.type_of_service
    return by_type or (line.get("specialty") in clause.specialty and at_an_asc)


def asc_lines_of_day(person: Person, day: date, measure: Measure, absent: Collection[str]) -> list[Row]:
    """Any ASC facility line of the same person on the same day, at any facility (rule 7)."""
    lines = [line for line in person.professional_lines if line["line_date"] == day]
    return [line for line in lines if is_asc_facility_line(line, measure, absent)]


def facility_of(line: Row, measure: Measure) -> str | None:
    """First filled of the facility keys (rule 4)."""
    for key in measure.definition.cohort.facility_line.facility_keys:
        if filled(line.get(key)):
            return line[key]
    return None


def qualifies(line: Row, measure: Measure) -> bool:
    """The line's HCPCS code is on the cohort list of the measure in the year of service (rule 3)."""
    clause = measure.definition.cohort.codes
    patterns = listed(measure.table(clause.table), clause.role, line["line_date"].year)
    return any_takes(patterns, line.get("hcpcs"))


def candidates_of(person: Person, measure: Measure, absent: Collection[str]) -> list[Candidate]:
    """Return the candidates of a person by day and facility."""
    found: dict[tuple[date, str], Candidate] = {}
    for line in person.professional_lines:
        if not (is_asc_facility_line(line, measure, absent) and qualifies(line, measure)):
            continue
        facility = None if place_of_service_only(absent) else facility_of(line, measure)
        day = line["line_date"]
        candidate = found.setdefault((day, facility or ""), Candidate(person.key, facility, day))
        candidate.lines.append(line)
    candidates = [found[key] for key in sorted(found)]
    for candidate in candidates:
        if place_of_service_only(absent):
            facilities = [facility_of(line, measure) for line in candidate.lines]
            candidate.facility_id = min((f for f in facilities if f is not None), default=None)
        describe(candidate, person, measure)
    for candidate in candidates:
        same_day = [c for c in candidates if c.procedure_date == candidate.procedure_date]
        candidate.facilities_same_day = len({c.facility_id for c in same_day})
    return candidates


def describe(candidate: Candidate, person: Person, measure: Measure) -> None:
    """Fill in codes, index code, work RVU, age and death (rules 5 and 6)."""
    table = measure.table(measure.definition.cohort.record.work_rvu_table)
    codes = sorted({line["hcpcs"] for line in candidate.lines})
    rvu_of = {code: work_rvu_of(table, code, candidate.year) for code in codes}

    def highest_first_then_smallest_code(code: str) -> tuple[bool, float, str]:
        rvu = rvu_of[code]
        return (rvu is None, -(rvu or 0.0), code)

    index_code = min(codes, key=highest_first_then_smallest_code)
    candidate.codes = " ".join(codes)
    candidate.index_code = index_code
    candidate.claim_id = min(line["claim_id"] for line in candidate.lines)
    candidate.work_rvu = rvu_of[index_code]
    candidate.qualifying_procedures = len(codes)
    if person.birth_date is not None:
        candidate.age_years = full_years(person.birth_date, candidate.procedure_date)
    if person.death_date is not None:
        first, last = measure.window
        candidate.died_in_window = first <= days_between(candidate.procedure_date, person.death_date) <= last
