"""Index lines: which claim lines procedures are read from, and whose they are."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims import Claims
    from riskstd.spec import Measure
    from riskstd.spec.clauses import (
        FacilityLine,
        HospitalOutpatientLine,
        IndexLine,
        InpatientProcedure,
        SurgeonLine,
    )

PLACE_OF_SERVICE_ONLY = (
    "The claims have neither type of service nor specialty, so ASC facility lines are told by place of service alone: "
    "lines of surgeons count as well, and the lines of one person and day are one procedure (origin: assumed)."
)

_TABLES = {
    "asc_facility_line": "professional_lines",
    "surgeon_line": "professional_lines",
    "hospital_outpatient_line": "outpatient_lines",
    "inpatient_procedure": "procedures",
}
_CLAIMS = {"hospital_outpatient_line": "outpatient_lines", "inpatient_procedure": "inpatient_claims"}


def knows_facility_lines(claims: Claims) -> bool:
    """Tell whether the layout has type of service or specialty, one of which an ASC line needs."""
    return claims.has("professional_lines", "type_of_service") or claims.has("professional_lines", "specialty")


def tells_by_place_only(claims: Claims, measure: Measure) -> bool:
    """Tell whether ASC lines are asked for and the layout knows them by place of service alone."""
    return any(clause.rule == "asc_facility_line" for clause in measure.index_lines) and not knows_facility_lines(
        claims
    )


def lines_read(measure: Measure) -> list[str]:
    """Return the claims tables that procedures are read from."""
    return sorted({_TABLES[clause.rule] for clause in measure.index_lines})


def is_index_line(claims: Claims, lines: ir.Table, clause: IndexLine) -> ir.BooleanValue:
    """Tell which lines of a claims table a clause reads procedures from."""
    match clause.rule:
        case "asc_facility_line":
            return is_facility_line(claims, lines, clause)
        case "surgeon_line":
            return _is_surgeon_line(lines, clause)
        case _:
            return _has_bill_type(claims, lines, clause)


def is_facility_line(claims: Claims, lines: ir.Table, clause: FacilityLine) -> ir.BooleanValue:
    """Tell lines of ambulatory surgical centers by type of service, specialty and place, as far as they are known."""
    at_place = lines.place_of_service.isin(clause.place_of_service)
    if not knows_facility_lines(claims):
        return at_place
    by_type = lines.type_of_service.isin(clause.type_of_service)
    return by_type | (lines.specialty.isin(clause.specialty) & at_place)


def _is_surgeon_line(lines: ir.Table, clause: SurgeonLine) -> ir.BooleanValue:
    """Lines at the place, without those of the facility, of assistants and of others that are named."""
    tests = [lines.place_of_service.isin(clause.place_of_service)]
    if clause.specialty_not:
        tests.append(~lines.specialty.isin(clause.specialty_not).fill_null(False))
    if clause.type_of_service_not:
        tests.append(~lines.type_of_service.isin(clause.type_of_service_not).fill_null(False))
    padded = ibis.literal(" ") + lines.modifiers.fill_null("") + ibis.literal(" ")
    tests += [~padded.contains(f" {modifier} ") for modifier in clause.modifiers_not]
    return ibis.and_(*tests)


def _has_bill_type(
    claims: Claims, lines: ir.Table, clause: HospitalOutpatientLine | InpatientProcedure
) -> ir.BooleanValue:
    if not claims.has(_CLAIMS[clause.rule], "bill_type"):
        return ibis.literal(True)
    return lines.bill_type.substr(0, 2).isin(clause.bill_types).fill_null(False)


def facility_lines(claims: Claims, measure: Measure) -> ir.Table:
    """Keep the lines that procedures are read from, with the unit that each belongs to.

    Parameters
    ----------
    claims : Claims
        Claims tables.
    measure : Measure
        Its clauses `cohort.facility_line` and `cohort.further_lines` say which lines, and whose they are.

    Returns
    -------
    ibis table
        `person_key, line_date, facility_id, hcpcs, modifiers, claim_id, line_number, year`; for procedures of inpatient
        claims `hcpcs` holds the ICD-10-PCS code.

    Notes
    -----
    Type of service F, or specialty 49 at place of service 24: ResDAC on ASC payments.
    """
    parts = [_lines_of(claims, clause) for clause in measure.index_lines]
    return reduce(lambda a, b: a.union(b), parts)


def _lines_of(claims: Claims, clause: IndexLine) -> ir.Table:
    lines = _procedure_lines(claims) if clause.rule == "inpatient_procedure" else claims.tables[_TABLES[clause.rule]]
    facility = ibis.coalesce(*(lines[key] for key in clause.facility_keys))
    kept = lines.filter(is_index_line(claims, lines, clause)).mutate(
        facility_id=facility, year=lines.line_date.year().cast("int32")
    )
    return kept.select(
        "person_key", "line_date", "facility_id", "hcpcs", "modifiers", "claim_id", "line_number", "year"
    )


def _procedure_lines(claims: Claims) -> ir.Table:
    """Procedures of inpatient claims as lines, on their day, else on the day of admission."""
    done, stays = claims.procedures, claims.inpatient_claims
    joined = done.inner_join(stays, ["person_key", "claim_id"])
    return joined.select(
        "person_key",
        "claim_id",
        "bill_type",
        "facility_npi",
        "provider_ccn",
        line_date=ibis.coalesce(joined.procedure_date, joined.admission_date),
        line_number=joined.position,
        hcpcs=joined.code,
        modifiers=ibis.null("string"),
    )
