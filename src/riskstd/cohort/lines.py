"""Facility lines: which professional claim lines are lines of an ambulatory surgical center."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims import Claims
    from riskstd.spec import Measure
    from riskstd.spec.clauses import FacilityLine

PLACE_OF_SERVICE_ONLY = (
    "The claims have neither type of service nor specialty, so ASC facility lines are told by place of service alone: "
    "lines of surgeons count as well, and the lines of one person and day are one procedure (origin: assumed)."
)


def knows_facility_lines(claims: Claims) -> bool:
    """Tell whether the layout has type of service or specialty, one of which an ASC line needs."""
    return claims.has("professional_lines", "type_of_service") or claims.has("professional_lines", "specialty")


def is_facility_line(claims: Claims, lines: ir.Table, clause: FacilityLine) -> ir.BooleanValue:
    """Tell lines of ambulatory surgical centers by type of service, specialty and place, as far as they are known."""
    at_place = lines.place_of_service.isin(clause.place_of_service)
    if not knows_facility_lines(claims):
        return at_place
    by_type = lines.type_of_service.isin(clause.type_of_service)
    return by_type | (lines.specialty.isin(clause.specialty) & at_place)


def facility_lines(claims: Claims, measure: Measure) -> ir.Table:
    """Keep the lines of ambulatory surgical centers, with the facility that each belongs to.

    Parameters
    ----------
    claims : Claims
        Claims tables.
    measure : Measure
        Its clause `cohort.facility_line` holds the values of type of service, specialty and place of service.

    Returns
    -------
    ibis table
        `person_key, line_date, facility_id, hcpcs, modifiers, claim_id, line_number, year`.

    Notes
    -----
    Type of service F, or specialty 49 at place of service 24: ResDAC on ASC payments.
    """
    clause = measure.definition.cohort.facility_line
    lines = claims.professional_lines
    facility = ibis.coalesce(*(lines[key] for key in clause.facility_keys))
    kept = lines.filter(is_facility_line(claims, lines, clause)).mutate(
        facility_id=facility, year=lines.line_date.year().cast("int32")
    )
    return kept.select(
        "person_key", "line_date", "facility_id", "hcpcs", "modifiers", "claim_id", "line_number", "year"
    )
