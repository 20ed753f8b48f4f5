"""Exclusions: one function per rule (measure-logic section 2)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from oracle.candidates import Candidate, asc_lines_of_day
from oracle.codes import any_takes, listed
from oracle.people import Person, Row, days_between, month_number
from oracle.visits import Visit
from riskstd.spec import Measure
from riskstd.spec import clauses as c

ICD_SYSTEMS = {9: "ICD-9-CM", 10: "ICD-10-CM"}


@dataclass
class Case:
    """A candidate with all that a rule may look at."""

    candidate: Candidate
    person: Person
    others: list[Candidate]
    visits: list[Visit]
    measure: Measure
    absent: Collection[str]
    period: tuple[date, date] | None


def first_reason(case: Case) -> str | None:
    """Return the id of the first rule, in the order of the definition, that hits."""
    for clause in case.measure.exclusions:
        if RULES[clause.rule](clause, case):
            return clause.id
    return None


def outside_period(clause: c.OutsidePeriod, case: Case) -> bool:
    """Its date is before the first or after the last day of the period."""
    if case.period is None:
        return False
    first, last = case.period
    return not first <= case.candidate.procedure_date <= last


def facility_unknown(clause: c.FacilityUnknown, case: Case) -> bool:
    """No NPI is on its lines."""
    return case.candidate.facility_id is None


def discontinued_modifier(clause: c.DiscontinuedModifier, case: Case) -> bool:
    """Every qualifying line of it carries a modifier of the clause."""
    return all(set((line.get("modifiers") or "").split()) & set(clause.modifiers) for line in case.candidate.lines)


def person_unknown(clause: c.PersonUnknown, case: Case) -> bool:
    """The person has no beneficiary record or no birth date."""
    return case.person.record is None or case.person.birth_date is None


def age_below(clause: c.AgeBelow, case: Case) -> bool:
    """Age is under the age of the clause."""
    return case.candidate.age_years is not None and case.candidate.age_years < clause.age_years


def is_enrolled(months: dict[int, Row], month: int, buy_in: tuple[str, ...], hmo: tuple[str, ...]) -> bool:
    """A and B in fee for service; a month without a record never counts."""
    record = months.get(month)
    return record is not None and record.get("buy_in") in buy_in and record.get("hmo") in hmo


def not_enrolled_before(clause: c.NotEnrolledBefore, case: Case) -> bool:
    """Any month from 12 before the index month to the index month lacks A and B in fee for service."""
    index_month = month_number(case.candidate.procedure_date)
    months = range(index_month - clause.months, index_month + 1)
    return any(not is_enrolled(case.person.months, month, clause.buy_in, clause.hmo) for month in months)


def not_enrolled_after(clause: c.NotEnrolledAfter, case: Case) -> bool:
    """Not dead by day 7, and any month that holds a day of days 0 to 7 lacks the same."""
    day_0 = case.candidate.procedure_date
    death = case.person.death_date
    if death is not None and days_between(day_0, death) <= clause.last_day:
        return False
    for number in range(clause.last_day + 1):
        month = month_number(day_0 + timedelta(days=number))
        if not is_enrolled(case.person.months, month, clause.buy_in, clause.hmo):
            return True
    return False


def concurrent_code(clause: c.ConcurrentCode, case: Case) -> bool:
    """An ASC facility line of the day carries a listed code."""
    patterns = listed(case.measure.table(clause.table), clause.role, case.candidate.year)
    lines = asc_lines_of_day(case.person, case.candidate.procedure_date, case.measure, case.absent)
    return any(any_takes(patterns, line.get("hcpcs")) for line in lines)


def diagnosis_present(clause: c.DiagnosisPresent, case: Case) -> bool:
    """A listed diagnosis is in the history, on the index day, on the index claim, or on a claim of a visit."""
    table = case.measure.table(clause.table)
    for row in diagnoses_looked_at(clause, case):
        patterns = listed(table, clause.role, row["service_date"].year, ICD_SYSTEMS.get(row["icd_version"], ""))
        if any_takes(patterns, row["code"]):
            return True
    return False


def diagnoses_looked_at(clause: c.DiagnosisPresent, case: Case) -> Iterator[Row]:
    """Yield the diagnoses of the history, of the index day, of the index claim, and of visits in the window."""
    first, last = case.measure.window
    day_0 = case.candidate.procedure_date
    visit_claims = {
        (visit.setting, claim_id)
        for visit in case.visits
        if first <= days_between(day_0, visit.start_date) <= last
        for claim_id in visit.claim_ids
    }
    for row in case.person.diagnoses:
        days_before = days_between(row["service_date"], day_0)
        in_history = 1 <= days_before <= clause.history_days
        on_index_day = clause.index_day and days_before == 0
        at_visit = clause.visit_in_window and (row["setting"], row["claim_id"]) in visit_claims
        on_index_claim = clause.index_claim and row["claim_id"] == case.candidate.claim_id
        if in_history or on_index_day or on_index_claim or at_visit:
            yield row


def followed_by_procedure(clause: c.FollowedByProcedure, case: Case) -> bool:
    """Another candidate of the person, excluded or not, is dated 1 to 7 days later."""
    day_0 = case.candidate.procedure_date
    return any(1 <= days_between(day_0, other.procedure_date) <= clause.within_days for other in case.others)


RULES: dict[str, Callable[..., bool]] = {
    rule.__name__: rule
    for rule in (
        outside_period,
        facility_unknown,
        discontinued_modifier,
        person_unknown,
        age_below,
        not_enrolled_before,
        not_enrolled_after,
        concurrent_code,
        diagnosis_present,
        followed_by_procedure,
    )
}
