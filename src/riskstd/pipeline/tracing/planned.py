"""The planned admission algorithm asked about one stay: which part decided, and by which code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from riskstd.pipeline.tracing.evidence import Decision, parameters
from riskstd.spec.years import Years

if TYPE_CHECKING:
    from riskstd.pipeline.tracing.case import Case
    from riskstd.pipeline.tracing.visits import Visit
    from riskstd.spec.clauses import PlannedTables

NEVER_PLANNED = "never_planned_visit_type"


def judge_stay(case: Case, visit: Visit) -> list[Decision]:
    """Return the decision of every version of the tables that is for the day of admission; one, as a rule."""
    versions = [t for t in case.measure.planned_tables if visit.start_date.year in Years.of(t.admission_years)]
    return [_judge_by(case, visit, tables) for tables in versions]


def _judge_by(case: Case, visit: Visit, tables: PlannedTables) -> Decision:
    procedures = _procedures(case, visit, tables)
    principal = _principal(case, visit, tables)
    missing_is_planned = case.measure.options.get("missing_principal") == "planned"
    planned, rule = decide(procedures, principal, missing_is_planned=missing_is_planned)
    algorithm = case.measure.definition.planned_admission
    carried = [
        p["line"] for p in procedures if (rule == "PA1" and p["PA1"]) or (rule not in {"PA1", "PA2"} and p["PA3"])
    ]
    decision = case.ask.decide(
        tables,
        {"planned": planned, "planned_rule": rule},
        [*carried, *(principal["lines"] if principal is not None else [])],
        procedures=procedures,
        principal_diagnosis=principal,
        missing_principal_is_planned=missing_is_planned,
        algorithm={"clause": case.ask.path(algorithm), "says": algorithm.says, "source": algorithm.source},
        claims_of_visit=_claims_of_visit(case, visit),
        visit_rule=parameters(visit.shown_by[0]),
    )
    if rule == "missing_principal_diagnosis":
        clause = algorithm.missing_principal
        decision.found["missing_principal"] = {"clause": case.ask.path(clause), "says": clause.says}
    return decision


def decide(
    procedures: list[dict[str, Any]], principal: dict[str, Any] | None, *, missing_is_planned: bool
) -> tuple[bool, str]:
    """Return whether an admission is planned, and the part of the algorithm that decided.

    Examples
    --------
    >>> decide([{"PA1": None, "PA3": "category 45"}], {"PA2": None, "PA4": None}, missing_is_planned=False)
    (True, 'PA3')
    """
    if any(procedure["PA1"] for procedure in procedures):
        return True, "PA1"
    if principal is not None and principal["PA2"]:
        return True, "PA2"
    if not any(procedure["PA3"] for procedure in procedures):
        return False, "no_planned_procedure"
    if principal is None:
        return missing_is_planned, "missing_principal_diagnosis"
    return (False, "PA4") if principal["PA4"] else (True, "PA3")


def _procedures(case: Case, visit: Visit, tables: PlannedTables) -> list[dict[str, Any]]:
    """Procedures of any claim of the stay, with the entry of the tables that holds each."""
    claims = {row["claim_id"] for row in case.claims.rows("inpatient_claims") if row["stay_id"] == visit.stay_id}
    categories = case.measure.table(tables.procedure_categories).category_map()
    found = []
    for row in case.claims.rows("procedures"):
        if row["claim_id"] in claims:
            own = categories.categories(row["code"])
            always = _entry(case, tables, "PA1", "procedure", row["code"], own, with_codes=False)
            maybe = _entry(case, tables, "PA3", "procedure", row["code"], own, with_codes=True)
            line = case.evidence.cite("procedures", row)
            found.append({"line": line, "code": row["code"], "categories": own, "PA1": always, "PA3": maybe})
    return found


def _principal(case: Case, visit: Visit, tables: PlannedTables) -> dict[str, Any] | None:
    code = visit.principal_diagnosis
    if code is None:
        return None
    own = case.measure.table(tables.diagnosis_categories).category_map().categories(code)
    lines = [
        case.evidence.cite("inpatient_claims", row)
        for table, row in visit.rows
        if table == "inpatient_claims" and row["principal_diagnosis"] == code
    ]
    return {
        "lines": lines,
        "code": code,
        "categories": own,
        "PA2": _entry(case, tables, "PA2", "diagnosis", code, own, with_codes=False),
        "PA4": _entry(case, tables, "PA4", "diagnosis", code, own, with_codes=True),
    }


def _entry(
    case: Case, tables: PlannedTables, part: str, kind: str, code: str, own: tuple[str, ...], *, with_codes: bool
) -> str | None:
    """Return in words the entry of a part that holds a code, or None."""
    table = case.measure.table(tables.table)
    listed = table.planned_part(part, f"{kind}_category")
    by_category = [category for category in own if category in listed]
    if by_category:
        return f"category {by_category[0]}"
    if with_codes and code in table.planned_part(part, f"{kind}_code"):
        return f"code {code}"
    return None


def _claims_of_visit(case: Case, visit: Visit) -> list[str]:
    return [case.evidence.cite("inpatient_claims", row) for table, row in visit.rows if table == "inpatient_claims"]
