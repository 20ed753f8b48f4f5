"""Hospital visits: ED visits, observation stays and inpatient stays, by the codes of a definition."""

from __future__ import annotations

import weakref
from functools import reduce
from typing import TYPE_CHECKING

import ibis

from riskstd.claims.cut import CutClaims, once
from riskstd.claims.people_ranges import of_range, people_ranges
from riskstd.codes import CodeSet
from riskstd.tables import discard, materialize_parts

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims.claims import Claims
    from riskstd.spec import Measure
    from riskstd.spec.clauses import InpatientVisit, VisitCodes

VISIT_COLUMNS = (
    "person_key",
    "visit_type",
    "route",
    "start_date",
    "end_date",
    "claim_id",
    "stay_id",
    "facility_visited",
    "principal_diagnosis",
    "ed_line",
)


def find_visits(claims: Claims, measure: Measure, people: ir.Table) -> ir.Table:
    """List every hospital visit of some people, whatever its day.

    Parameters
    ----------
    claims : Claims
        Claims tables.
    measure : Measure
        Its outcome clauses name the codes.
    people : ibis table
        `person_key` of the people to look at.

    Returns
    -------
    ibis table
        One row per visit with `VISIT_COLUMNS`; `route` is the kind of claim that showed it.

    Notes
    -----
    ASCQR manual v14.0, numerator statements (p. 1-15, 1-24, 1-28, 1-32); docs/measure-logic.md, section 3.
    """
    parts = [_line_visits(claims, clause, people) for clause in measure.visit_codes]
    lines = [part for part in parts if part is not None]
    stays = [] if measure.definition.outcome.inpatient is None else [_stay_visits(claims, measure, people)]
    return reduce(lambda a, b: a.union(b), [*lines, *stays]).distinct()


def visits_of_candidates(claims: Claims, measure: Measure, people: ir.Table) -> ir.Table:
    """List the hospital visits of some people; on a cut, of all candidates: measures with like clauses share them.

    Parameters
    ----------
    claims, measure
        As in `find_visits`.
    people : ibis table
        `person_key`; on a cut, of people who have a candidate.

    Returns
    -------
    ibis table
        As from `find_visits`, worked out.
    """
    if not isinstance(claims, CutClaims) or claims.candidates is None:
        return find_visits(claims, measure, people).cache()
    candidates = claims.candidates
    alike = ("visits", *_what_shows_visits(measure))
    return once(claims, alike, lambda: _visits_by_ranges(claims, measure, candidates))


def _visits_by_ranges(claims: CutClaims, measure: Measure, people: ir.Table) -> ir.Table:
    """Visits of some people, worked out for as many of them at a time as memory holds."""
    ranges = people_ranges(claims)
    if len(ranges) == 1:
        return find_visits(claims, measure, people).cache()
    parts = (
        find_visits(of_range(claims, *keys), measure, people.filter(people.person_key.between(*keys)))
        for keys in ranges
    )
    made = materialize_parts(parts, claims.connection)
    weakref.finalize(claims, discard, claims.connection, [made.op().name])  # type: ignore[attr-defined]
    return made


def _what_shows_visits(measure: Measure) -> tuple[str, ...]:
    """Return what the clauses on visits test, without the words about them."""
    outcome = measure.definition.outcome
    clauses = [*measure.visit_codes, outcome.inpatient, outcome.ed_on_planned_stay]
    words = {"id", "says", "source", "origin", "grade", "when"}
    return tuple("" if clause is None else clause.model_dump_json(exclude=words) for clause in clauses)


def lines_of_visits(claims: Claims, clause: VisitCodes) -> ir.Table:
    """Keep the claim lines that show a visit by a clause."""
    lines = claims.tables[f"{clause.claims}_lines"]
    return lines.filter(shows_visit(claims, lines, clause))


def shows_visit(claims: Claims, lines: ir.Table, clause: VisitCodes) -> ir.BooleanValue:
    """Tell which lines show a visit: by code, by last day of the code, and by bill type where there is one."""
    column = lines.revenue_code if clause.code_system == "revenue" else lines.hcpcs
    tests = [column.isin(sorted(CodeSet.of(clause.codes).exact))]
    if clause.valid_to is not None:
        tests.append(lines.line_date <= ibis.literal(clause.valid_to))
    if clause.bill_types and claims.has(f"{clause.claims}_lines", "bill_type"):
        tests.append(lines.bill_type.substr(0, 2).isin(clause.bill_types))
    return ibis.and_(*tests)


def inpatient_claims_of_visits(claims: Claims, measure: Measure, people: ir.Table) -> ir.Table:
    """Keep the inpatient claims of acute and critical-access hospitals, as far as the layout can tell."""
    clause = measure.definition.outcome.inpatient
    kept = claims.inpatient_claims.semi_join(people, "person_key")
    if clause is None:
        return kept.filter(ibis.literal(False))
    return kept.filter(_acute_hospital(claims, kept, clause), _inpatient_bill(claims, kept, clause))


def _acute_hospital(claims: Claims, table: ir.Table, clause: InpatientVisit) -> ir.BooleanValue:
    if not claims.has("inpatient_claims", "provider_ccn"):
        return ibis.literal(True)
    ccn = table.provider_ccn
    acute = ccn.substr(2, 1).isin(clause.ccn_third) | ccn.substr(2, 2).isin(clause.ccn_third_fourth)
    return acute.fill_null(False)


def _inpatient_bill(claims: Claims, table: ir.Table, clause: InpatientVisit) -> ir.BooleanValue:
    if not claims.has("inpatient_claims", "bill_type"):
        return ibis.literal(True)
    return table.bill_type.substr(0, 2).isin(clause.bill_types).fill_null(False)


def _line_visits(claims: Claims, clause: VisitCodes, people: ir.Table) -> ir.Table | None:
    lines = lines_of_visits(claims, clause).semi_join(people, "person_key")
    facility = (
        ibis.coalesce(lines.provider_ccn, lines.facility_npi) if clause.claims == "outpatient" else ibis.null("string")
    )
    days = lines.mutate(facility_visited=facility)
    days = days.group_by(["person_key", "claim_id", "line_date"]).aggregate(
        facility_visited=days.facility_visited.min()
    )
    every = claims.diagnoses
    principal = every.filter(every.role == "principal", every.setting == clause.claims)
    principal = principal.semi_join(days, ["person_key", "claim_id"])
    principal = principal.group_by(["person_key", "claim_id"]).aggregate(code=principal.code.min())
    joined = days.left_join(principal, ["person_key", "claim_id"])
    return joined.select(
        person_key=joined.person_key,
        visit_type=ibis.literal(clause.type),
        route=ibis.literal(clause.claims),
        start_date=joined.line_date,
        end_date=joined.line_date,
        claim_id=joined.claim_id,
        stay_id=ibis.null("int64"),
        facility_visited=joined.facility_visited,
        principal_diagnosis=joined.code,
        ed_line=ibis.literal(False),
    )


def _stay_visits(claims: Claims, measure: Measure, people: ir.Table) -> ir.Table:
    made = inpatient_claims_of_visits(claims, measure, people)
    made = made.mutate(
        end=ibis.coalesce(made.discharge_date, made.thru_date, made.admission_date),
        hospital=ibis.coalesce(made.provider_ccn, made.facility_npi),
        usable=made.principal_diagnosis.notnull() & (made.principal_icd_version == 10).fill_null(False),
    )
    stay = ["person_key", "stay_id"]
    within = ibis.window(group_by=stay)
    made = made.mutate(start=made.admission_date.min().over(within))
    made = made.mutate(first_with_principal=made.usable & (made.admission_date == made.start))
    by_start = ibis.window(group_by=stay, order_by=[made.admission_date, made.end, made.claim_id])
    by_last_day = ibis.window(
        group_by=[*stay, "first_with_principal"],
        order_by=[ibis.desc(made.thru_date, nulls_first=False), made.claim_id],
    )
    made = made.mutate(rank=ibis.row_number().over(by_start), principal_rank=ibis.row_number().over(by_last_day))
    at_first = made["rank"] == 0
    decides = made.first_with_principal & (made.principal_rank == 0)
    visits = made.group_by(stay).aggregate(
        start_date=made.start.min(),
        end_date=made.end.max(),
        claim_id=made.claim_id.max(where=at_first),
        facility_visited=made.hospital.max(where=at_first),
        principal_diagnosis=made.principal_diagnosis.max(where=decides),
    )
    visits = visits.left_join(_ed_lines_of_stays(claims, measure, people), stay)
    return visits.select(
        person_key=visits.person_key,
        visit_type=ibis.literal("inpatient"),
        route=ibis.literal("inpatient"),
        start_date=visits.start_date,
        end_date=visits.end_date,
        claim_id=visits.claim_id,
        stay_id=visits.stay_id,
        facility_visited=visits.facility_visited,
        principal_diagnosis=visits.principal_diagnosis,
        ed_line=visits.ed_line.fill_null(False),
    )


def _ed_lines_of_stays(claims: Claims, measure: Measure, people: ir.Table) -> ir.Table:
    """Tell for each stay whether any of its claims, also of a hospital that makes no visit, has an ED revenue code."""
    every = claims.inpatient_claims.semi_join(people, "person_key")
    marked = every.mutate(ed=_has_revenue_code(every, _ed_revenue_codes(measure)))
    return marked.group_by(["person_key", "stay_id"]).aggregate(ed_line=marked.ed.any())


def _ed_revenue_codes(measure: Measure) -> list[str]:
    clause = measure.definition.outcome.ed_on_planned_stay
    return sorted(CodeSet.of(clause.revenue_codes).exact) if clause is not None else []


def _has_revenue_code(claims: ir.Table, codes: list[str]) -> ir.BooleanValue:
    padded = ibis.literal(" ") + claims.revenue_codes.fill_null("") + ibis.literal(" ")
    tests = [padded.contains(f" {code} ") for code in codes]
    return reduce(lambda a, b: a | b, tests) if tests else ibis.literal(False)
