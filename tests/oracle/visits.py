"""Hospital visits of a person, whether or not any counts (measure-logic section 3, the table)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

from oracle.codes import any_takes
from oracle.people import Person, Row
from oracle.stays import Stay, stays_of
from riskstd.spec import Measure


@dataclass
class Visit:
    """One hospital visit: an ED visit or observation stay of a claim and day, or an inpatient stay."""

    visit_type: str
    setting: str
    start_date: date
    claim_ids: list[str] = field(default_factory=list)
    stay: Stay | None = None
    visit_claims: list[Row] = field(default_factory=list)


def visits_of(person: Person, measure: Measure, absent: Collection[str]) -> list[Visit]:
    """Return every hospital visit of a person."""
    return [*line_visits(person, measure, absent), *inpatient_visits(person, measure, absent)]


def line_visits(person: Person, measure: Measure, absent: Collection[str]) -> list[Visit]:
    """Return ED visits and observation stays: one claim and line day is one visit of its type."""
    found: dict[tuple[str, str, str, date], Visit] = {}
    for clause in measure.visit_codes:
        lines = person.outpatient_lines if clause.claims == "outpatient" else person.professional_lines
        for line in lines:
            day = line["line_date"]
            if clause.valid_to is not None and day > clause.valid_to:
                continue
            if clause.claims == "outpatient" and not bill_type_fits(
                line, clause.bill_types, "outpatient_lines", absent
            ):
                continue
            code = line.get("revenue_code" if clause.code_system == "revenue" else "hcpcs")
            if any_takes(clause.codes, code):
                key = (clause.type, clause.claims, line["claim_id"], day)
                found.setdefault(key, Visit(clause.type, clause.claims, day, [line["claim_id"]]))
    return list(found.values())


def inpatient_visits(person: Person, measure: Measure, absent: Collection[str]) -> list[Visit]:
    """Return stays with at least one claim of an acute or critical-access hospital."""
    visits: list[Visit] = []
    if measure.definition.outcome.inpatient is None:
        return visits
    for stay in stays_of(person):
        claims = [claim for claim in stay.claims if is_acute_claim(claim, measure, absent)]
        if claims:
            day = min(claim["admission_date"] for claim in claims)
            visits.append(Visit("inpatient", "inpatient", day, stay.claim_ids, stay, claims))
    return visits


def is_acute_claim(claim: Row, measure: Measure, absent: Collection[str]) -> bool:
    """CCN and bill type of an acute or critical-access hospital, each only where the dialect has it."""
    clause = measure.definition.outcome.inpatient
    if not bill_type_fits(claim, clause.bill_types, "inpatient_claims", absent):
        return False
    if "inpatient_claims.provider_ccn" in absent:
        return True
    ccn = claim.get("provider_ccn") or ""
    return ccn[2:3] in clause.ccn_third or ccn[2:4] in clause.ccn_third_fourth


def bill_type_fits(row: Row, beginnings: tuple[str, ...], table: str, absent: Collection[str]) -> bool:
    """Tell whether a bill type begins as it must; it fits where the dialect has none or none is asked for."""
    if not beginnings or f"{table}.bill_type" in absent:
        return True
    bill_type = row.get("bill_type") or ""
    return any(bill_type.startswith(beginning) for beginning in beginnings)
