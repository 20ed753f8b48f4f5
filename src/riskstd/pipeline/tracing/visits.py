"""Hospital visits of one person, those in the window of a case, and which of them count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from riskstd.codes import CodeSet
from riskstd.pipeline.tracing.case import has_bill_type
from riskstd.pipeline.tracing.planned import NEVER_PLANNED, judge_stay

if TYPE_CHECKING:
    from riskstd.pipeline.tracing.case import Case
    from riskstd.pipeline.tracing.person import PersonClaims, Row
    from riskstd.spec import Measure
    from riskstd.spec.clauses import Clause, InpatientVisit, VisitCodes


@dataclass(frozen=True)
class Visit:
    """A hospital visit: the clauses and lines that show it, and what is known of it."""

    visit_type: str
    route: str
    start_date: date
    end_date: date
    claim_id: str
    stay_id: int | None
    facility_visited: str | None
    principal_diagnosis: str | None
    ed_line: bool = False
    shown_by: tuple[Clause, ...] = field(default=(), compare=False)
    rows: tuple[tuple[str, Any], ...] = field(default=(), compare=False, repr=False)


def visits_of_person(case: Case) -> list[Visit]:
    """Return every hospital visit of the person, whatever its day."""
    measure, claims = case.measure, case.claims
    found: dict[Visit, Visit] = {}
    stays = _stay_visits(measure, claims) if measure.definition.outcome.inpatient is not None else []
    for visit in [*(v for clause in measure.visit_codes for v in _line_visits(claims, clause)), *stays]:
        same = found.get(visit)
        # Two clauses may show one visit: it counts once, and both are named.
        found[visit] = visit if same is None else _joined(same, visit)
    return list(found.values())


def decide_visits(case: Case) -> list[dict[str, Any]]:
    """Return every visit in the window, with each decision on it, in the order of the run's table."""
    every = visits_of_person(case)
    first, last = case.measure.window
    near = [visit for visit in every if first <= case.after(visit.start_date) <= last]
    decided = []
    for visit in near:
        index_stay = _index_stay(case, visit)
        if index_stay is not None and index_stay.answer:
            decided.append({**_facts(case, visit), "left_out_as": "index_stay", "decisions": [index_stay.as_dict()]})
            continue
        before = [] if index_stay is None else [index_stay.as_dict()]
        decided += [_with_counting(case, judged, every, before) for judged in _judged(case, visit)]
    return sorted(decided, key=lambda v: (v["start_date"], v["visit_type"], v["claim_id"]))


def outcome_of(visits: Iterable[dict[str, Any]]) -> int:
    """Return 1 if a visit counts, else 0."""
    return int(any(visit.get("counted") for visit in visits))


def _facts(case: Case, visit: Visit) -> dict[str, Any]:
    return {
        "visit_type": visit.visit_type,
        "route": visit.route,
        "start_date": visit.start_date.isoformat(),
        "end_date": visit.end_date.isoformat(),
        "days_after": case.after(visit.start_date),
        "claim_id": visit.claim_id,
        "facility_visited": visit.facility_visited,
        "principal_diagnosis": visit.principal_diagnosis,
        "lines": [case.evidence.cite(table, row) for table, row in visit.rows],
        "shown_by": [case.ask.decide(clause, True).as_dict() for clause in visit.shown_by],
    }


def _judged(case: Case, visit: Visit) -> list[dict[str, Any]]:
    """Return a visit with the decision on planned or not; a planned stay with an ED line may add an ED visit."""
    never = {"planned": False, "planned_rule": NEVER_PLANNED}
    if visit.stay_id is None:
        return [{**_facts(case, visit), **never, "decisions": [], "_visit": visit}]
    judged = []
    for decision in judge_stay(case, visit):
        stay = {**_facts(case, visit), **decision.answer, "decisions": [decision.as_dict()], "_visit": visit}
        judged.append(stay)
        clause = case.measure.definition.outcome.ed_on_planned_stay
        if clause is not None and case.measure.holds(clause) and stay["planned"] and visit.ed_line:
            ed = replace(visit, visit_type="ed", shown_by=(clause,))
            judged.append({**_facts(case, ed), **never, "decisions": [], "_visit": ed})
    return judged


def _with_counting(
    case: Case, judged: dict[str, Any], every: list[Visit], before: list[dict[str, Any]]
) -> dict[str, Any]:
    visit: Visit = judged.pop("_visit")
    inside = _stays_around(case, visit, every)
    later = [
        {"procedure_id": other["procedure_id"], "procedure_date": other["procedure_date"].isoformat()}
        for other in case.others
        if case.day < other["procedure_date"] <= visit.start_date
    ]
    reason = None
    if judged["planned"] and not case.measure.counts_planned:
        reason = "planned"
    elif inside:
        reason = "part_of_admission"
    elif later:
        reason = "belongs_to_later_procedure"
    outcome = case.measure.definition.outcome
    decisions = [
        *before,
        *judged["decisions"],
        case.ask.decide(outcome, reason is None, inside, part_of_stays=inside).as_dict(),
        case.ask.decide(outcome.attribution, bool(later), later_procedures=later).as_dict(),
    ]
    return {**judged, "decisions": decisions, "counted": reason is None, "not_counted_because": reason}


def _stays_around(case: Case, visit: Visit, every: list[Visit]) -> list[str]:
    """Lines of stays that are visits and hold the day of a visit that only a professional claim shows."""
    if visit.route != "professional":
        return []
    made = {other.stay_id for other in every if other.visit_type == "inpatient"}
    return [
        case.evidence.cite("stays", row)
        for row in case.claims.rows("stays")
        if row["stay_id"] in made
        and row["discharge_date"] is not None
        and row["admission_date"] <= visit.start_date <= row["discharge_date"]
    ]


def _index_stay(case: Case, visit: Visit) -> Any:
    """Decision on whether the procedure was done in this stay; None where the definition does not ask."""
    clause = case.measure.definition.outcome.index_stay
    if clause is None or not case.measure.holds(clause) or visit.stay_id is None:
        return None
    claims = [row for row in case.claims.rows("inpatient_claims") if row["stay_id"] == visit.stay_id]
    mine = [row for row in claims if row["claim_id"] == case.procedure["claim_id"]]
    lines = case.evidence.cite_all("inpatient_claims", mine)
    return case.ask.decide(clause, bool(mine), lines, claim_id=case.procedure["claim_id"])


def _line_visits(claims: PersonClaims, clause: VisitCodes) -> list[Visit]:
    table = f"{clause.claims}_lines"
    rows: dict[tuple[str, date], list[Row]] = {}
    for row in claims.rows(table):
        if _shows_visit(claims, table, row, clause):
            rows.setdefault((row["claim_id"], row["line_date"]), []).append(row)
    return [_line_visit(claims, clause, claim_id, day, lines) for (claim_id, day), lines in rows.items()]


def _line_visit(claims: PersonClaims, clause: VisitCodes, claim_id: str, day: date, lines: list[Row]) -> Visit:
    principal = [
        row
        for row in claims.rows("diagnoses")
        if row["role"] == "principal" and row["setting"] == clause.claims and row["claim_id"] == claim_id
    ]
    code = min((row["code"] for row in principal), default=None)
    places = [] if clause.claims != "outpatient" else [row["provider_ccn"] or row["facility_npi"] for row in lines]
    return Visit(
        clause.type,
        clause.claims,
        day,
        day,
        claim_id,
        None,
        min((place for place in places if place is not None), default=None),
        code,
        shown_by=(clause,),
        rows=(
            *((f"{clause.claims}_lines", row) for row in lines),
            *(("diagnoses", row) for row in principal if row["code"] == code),
        ),
    )


def _shows_visit(claims: PersonClaims, table: str, row: Row, clause: VisitCodes) -> bool:
    code = row["revenue_code"] if clause.code_system == "revenue" else row["hcpcs"]
    if code is None or code not in CodeSet.of(clause.codes).exact:
        return False
    if clause.valid_to is not None and row["line_date"] > clause.valid_to:
        return False
    return not clause.bill_types or has_bill_type(claims, table, row, clause.bill_types)


def _stay_visits(measure: Measure, claims: PersonClaims) -> list[Visit]:
    clause = measure.definition.outcome.inpatient
    stays: dict[int, list[Row]] = {}
    for row in claims.rows("inpatient_claims"):
        if clause is not None and makes_visit(claims, row, clause):
            stays.setdefault(row["stay_id"], []).append(row)
    return [_stay_visit(measure, claims, clause, stay, rows) for stay, rows in stays.items()]


def makes_visit(claims: PersonClaims, row: Row, clause: InpatientVisit) -> bool:
    """Tell whether an inpatient claim is of an acute or critical-access hospital, as far as the layout can tell."""
    ccn = row["provider_ccn"] or ""
    acute = ccn[2:3] in clause.ccn_third or ccn[2:4] in clause.ccn_third_fourth
    if claims.has("inpatient_claims", "provider_ccn") and not acute:
        return False
    return has_bill_type(claims, "inpatient_claims", row, clause.bill_types)


def _stay_visit(measure: Measure, claims: PersonClaims, clause: Any, stay: int, rows: list[Row]) -> Visit:
    start = min(row["admission_date"] for row in rows)
    end = {row["claim_id"]: row["discharge_date"] or row["thru_date"] or row["admission_date"] for row in rows}
    first = min(rows, key=lambda row: (row["admission_date"], end[row["claim_id"]], row["claim_id"]))
    principal = principal_claim(rows, start)
    ed = measure.definition.outcome.ed_on_planned_stay
    ed_codes = set() if ed is None else CodeSet.of(ed.revenue_codes).exact
    whole = [row for row in claims.rows("inpatient_claims") if row["stay_id"] == stay]
    return Visit(
        "inpatient",
        "inpatient",
        start,
        max(end.values()),
        first["claim_id"],
        stay,
        first["provider_ccn"] or first["facility_npi"],
        None if principal is None else principal["principal_diagnosis"],
        any(ed_codes & set((row["revenue_codes"] or "").split()) for row in whole),
        shown_by=(clause,),
        rows=tuple(("inpatient_claims", row) for row in whole),
    )


def principal_claim(rows: list[Row], start: date) -> Row | None:
    """Return the claim whose principal diagnosis stands for a stay: of the first day, last service day latest."""
    usable = [
        row
        for row in rows
        if row["admission_date"] == start
        and row["principal_diagnosis"] is not None
        and row["principal_icd_version"] == 10
    ]
    by_day = {row["claim_id"]: (row["thru_date"] or date.min).toordinal() for row in usable}
    return min(usable, key=lambda row: (-by_day[row["claim_id"]], row["claim_id"]), default=None)


def _joined(a: Visit, b: Visit) -> Visit:
    rows = {id(row): (table, row) for table, row in (*a.rows, *b.rows)}
    clauses = {id(clause): clause for clause in (*a.shown_by, *b.shown_by)}
    return replace(a, shown_by=tuple(clauses.values()), rows=tuple(rows.values()))
