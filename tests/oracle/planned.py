"""Planned or not: the planned admission algorithm on one stay (measure-logic section 3)."""

from __future__ import annotations

from oracle.codes import any_takes, categories_of, planned_list
from oracle.people import Person, Row, filled
from oracle.stays import last_day_billed
from oracle.visits import Visit
from riskstd.errors import SpecError
from riskstd.spec import CodeTable, Measure
from riskstd.spec.clauses import PlannedTables


def decide(visit: Visit, person: Person, measure: Measure) -> tuple[bool, str]:
    """Return whether the visit was planned, and the rule that says so."""
    if visit.stay is None:
        return False, "never_planned_visit_type"
    lists = lists_of(visit, measure)
    procedures = [row["code"] for row in person.procedures if row["claim_id"] in visit.stay.claim_ids]
    diagnosis = principal_diagnosis(visit.visit_claims)
    if any(procedure_in(code, "PA1", lists, measure) for code in procedures):
        return True, "PA1"
    if diagnosis is not None and diagnosis_in(diagnosis, "PA2", lists, measure):
        return True, "PA2"
    if not any(procedure_in(code, "PA3", lists, measure) for code in procedures):
        return False, "no_planned_procedure"
    if diagnosis is None:
        return measure.options["missing_principal"] == "planned", "missing_principal_diagnosis"
    if diagnosis_in(diagnosis, "PA4", lists, measure):
        return False, "PA4"
    return True, "PA3"


def principal_diagnosis(visit_claims: list[Row]) -> str | None:
    """Return the ICD-10 principal diagnosis that stands for the stay, or None.

    Of the claims with the earliest admission date that have one, the claim with the latest
    last day decides; of several, the one with the smallest claim id.
    """
    earliest = min(claim["admission_date"] for claim in visit_claims)
    having = [
        claim
        for claim in visit_claims
        if claim["admission_date"] == earliest
        and filled(claim.get("principal_diagnosis"))
        and claim.get("principal_icd_version") == 10
    ]
    if not having:
        return None
    latest = max(last_day_billed(claim) for claim in having)
    last_ones = [claim for claim in having if last_day_billed(claim) == latest]
    return min(last_ones, key=lambda claim: claim["claim_id"])["principal_diagnosis"]


def lists_of(visit: Visit, measure: Measure) -> PlannedTables:
    """Return the one version of the tables that holds under the options for the year of admission."""
    year = min(claim["admission_date"] for claim in visit.visit_claims).year
    found = [
        tables
        for tables in measure.definition.planned_admission.tables
        if (tables.when is None or measure.options[tables.when.option] in tables.when.is_in)
        and in_years(year, tables.admission_years)
    ]
    if len(found) != 1:
        raise SpecError(f"{len(found)} versions of the tables hold for a year of admission, one is needed")
    return found[0]


def in_years(year: int, text: str) -> bool:
    """Tell whether a year is written in a text such as `-2020 2022-`; every year is in an empty one."""
    spans = [token.partition("-") for token in text.split()]
    return not spans or any(
        int(first or 0) <= year <= int(last or (9999 if dash else first)) for first, dash, last in spans
    )


def procedure_in(code: str, part: str, clause: PlannedTables, measure: Measure) -> bool:
    """Tell whether a procedure is in the categories or the codes of a part."""
    categories = categories_of(measure.table(clause.procedure_categories), code)
    return in_part(code, categories, part, "procedure", measure.table(clause.table))


def diagnosis_in(code: str, part: str, clause: PlannedTables, measure: Measure) -> bool:
    """Tell whether a diagnosis is in the categories or the codes of a part."""
    categories = categories_of(measure.table(clause.diagnosis_categories), code)
    return in_part(code, categories, part, "diagnosis", measure.table(clause.table))


def in_part(code: str, categories: frozenset[str], part: str, kind: str, table: CodeTable) -> bool:
    """Tell whether a code, or one of its categories, is listed in a part."""
    if categories & set(planned_list(table, part, f"{kind}_category")):
        return True
    return any_takes(planned_list(table, part, f"{kind}_code"), code)
