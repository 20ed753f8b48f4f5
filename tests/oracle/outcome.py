"""Visits in the window, which of them count, and the outcome (measure-logic section 3)."""

from __future__ import annotations

from typing import Any

from oracle.candidates import Candidate
from oracle.people import Person, days_between
from oracle.planned import decide, principal_diagnosis
from oracle.visits import Visit
from riskstd.spec import Measure


def judged_visits(
    procedure: Candidate, cohort: list[Candidate], visits: list[Visit], person: Person, measure: Measure
) -> list[dict[str, Any]]:
    """Return every visit in the window of a procedure, with what was decided about it."""
    rows = []
    for visit in visits:
        planned, rule = decide(visit, person, measure)
        rows.append(judged(procedure, cohort, visit, visits, planned, rule, person, measure))
        if planned and ed_counts_on_planned_stay(visit, measure):
            ed = Visit("ed", "inpatient", visit.start_date, visit.claim_ids, None, visit.visit_claims)
            rows.append(judged(procedure, cohort, ed, visits, False, "never_planned_visit_type", person, measure))
    first, last = measure.window
    return [row for row in rows if first <= row["days_after"] <= last]


def judged(
    procedure: Candidate,
    cohort: list[Candidate],
    visit: Visit,
    visits: list[Visit],
    planned: bool,
    rule: str,
    person: Person,
    measure: Measure,
) -> dict[str, Any]:
    """Return one visit as a row."""
    reason = reason_not_to_count(procedure, cohort, visit, visits, planned, measure)
    return {
        "person_key": procedure.person_key,
        "facility_id": procedure.facility_id,
        "procedure_date": procedure.procedure_date,
        "visit_type": visit.visit_type,
        "start_date": visit.start_date,
        "days_after": days_between(procedure.procedure_date, visit.start_date),
        "planned": planned,
        "planned_rule": rule,
        "counted": reason is None,
        "not_counted_because": reason,
        "principal_diagnosis": diagnosis_of_visit(visit, person),
    }


def reason_not_to_count(
    procedure: Candidate,
    cohort: list[Candidate],
    visit: Visit,
    visits: list[Visit],
    planned: bool,
    measure: Measure,
) -> str | None:
    """Return the first reason why a visit does not count, or None."""
    if planned and measure.definition.outcome.planned == "drop":
        return "planned"
    if visit.setting == "professional" and within_an_admission(visit, visits):
        return "part_of_admission"
    for later in cohort:
        if procedure.procedure_date < later.procedure_date <= visit.start_date:
            return "belongs_to_later_procedure"
    return None


def within_an_admission(visit: Visit, visits: list[Visit]) -> bool:
    """Tell whether the day lies within an inpatient stay that is a visit, admission to discharge day."""
    return any(
        other.stay is not None and other.stay.admission_date <= visit.start_date <= other.stay.discharge_date
        for other in visits
    )


def ed_counts_on_planned_stay(visit: Visit, measure: Measure) -> bool:
    """With the option, a planned stay whose claims carry an ED revenue code adds an ED visit."""
    clause = measure.definition.outcome.ed_on_planned_stay
    if clause is None or not measure.holds(clause) or visit.stay is None:
        return False
    revenue_codes = {code for claim in visit.stay.claims for code in (claim.get("revenue_codes") or "").split()}
    return bool(revenue_codes & set(clause.revenue_codes))


def diagnosis_of_visit(visit: Visit, person: Person) -> str | None:
    """Return the principal diagnosis of a stay, or of the claim of an ED visit or observation stay."""
    if visit.setting == "inpatient":
        return principal_diagnosis(visit.visit_claims)
    for row in person.diagnoses:
        of_claim = row["claim_id"] in visit.claim_ids and row["setting"] == visit.setting
        if of_claim and row["role"] == "principal" and row["icd_version"] == 10:
            return row["code"]
    return None
