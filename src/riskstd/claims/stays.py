"""Inpatient claims joined into stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from riskstd.tables import INPATIENT_CLAIMS, STAYS

if TYPE_CHECKING:
    import ibis.expr.types as ir

STILL_A_PATIENT = "30"
TRANSFERRED = "02"
FROM_ANOTHER_HOSPITAL = "4"


def join_stays(inpatient_claims: ir.Table) -> ir.Table:
    """Number the stays: a claim joins the stay of the claim before it if it continues or takes over that stay.

    Parameters
    ----------
    inpatient_claims : ibis table
        Inpatient claims as declared, `stay_id` aside.

    Returns
    -------
    ibis table
        The claims with `stay_id`, dense from 1 in order of person, admission, discharge and claim.

    Notes
    -----
    Interim bills and transfers are joined; see docs/measure-logic.md, section 3.
    """
    claims = _with_hospital_and_end(inpatient_claims)
    before = _claim_before(claims)
    starts = ~(continues_bill(before) | takes_over(before)).fill_null(False)
    every = ibis.window(order_by=["person_key", "admission_date", "end_date", "claim_id"], preceding=None, following=0)
    numbered = before.mutate(starts=starts.cast("int64"))
    numbered = numbered.mutate(stay_id=numbered.starts.sum().over(every).cast("int64"))
    return numbered.select(*INPATIENT_CLAIMS.names)


def continues_bill(claims: ir.Table) -> ir.BooleanValue:
    """Interim bill: same hospital, and the same admission or a bill that goes on while still a patient."""
    first_day = ibis.coalesce(claims.from_date, claims.admission_date)
    goes_on = (claims.status_before == STILL_A_PATIENT) & (first_day <= claims.end_before + ibis.interval(days=1))
    same_admission = claims.admission_date == claims.admission_before
    return (claims.hospital == claims.hospital_before) & (same_admission | goes_on)


def takes_over(claims: ir.Table) -> ir.BooleanValue:
    """Transfer: another hospital, admitted by the latest discharge so far, or the next day with a transfer code."""
    coded = (claims.status_before == TRANSFERRED) | (claims.admission_source == FROM_ANOTHER_HOSPITAL)
    next_day = claims.admission_date == claims.latest_end_before + ibis.interval(days=1)
    return (claims.hospital != claims.hospital_before) & (
        (claims.admission_date <= claims.latest_end_before) | (next_day & coded.fill_null(False))
    )


def summarize_stays(inpatient_claims: ir.Table) -> ir.Table:
    """Return one row per stay, with the hospital of its first claim."""
    claims = _with_hospital_and_end(inpatient_claims)
    order = [claims.admission_date, claims.end_date, claims.claim_id]
    first = ibis.window(group_by=["person_key", "stay_id"], order_by=order)
    ranked = claims.mutate(rank=ibis.row_number().over(first))
    at_first = ranked["rank"] == 0
    stays = ranked.group_by(["person_key", "stay_id"]).aggregate(
        admission_date=ranked.admission_date.min(),
        discharge_date=ranked.end_date.max(),
        provider_ccn=ranked.provider_ccn.max(where=at_first),
        facility_npi=ranked.facility_npi.max(where=at_first),
        claims=ranked.count().cast("int32"),
    )
    return stays.select(*STAYS.names)


def _with_hospital_and_end(claims: ir.Table) -> ir.Table:
    return claims.mutate(
        hospital=ibis.coalesce(claims.provider_ccn, claims.facility_npi, ibis.literal("")),
        end_date=ibis.coalesce(claims.discharge_date, claims.thru_date, claims.admission_date),
    )


def _claim_before(claims: ir.Table) -> ir.Table:
    order = [claims.admission_date, claims.end_date, claims.claim_id]
    within = ibis.window(group_by="person_key", order_by=order)
    so_far = ibis.window(group_by="person_key", order_by=order, preceding=(None, 1))
    return claims.mutate(
        hospital_before=claims.hospital.lag().over(within),
        admission_before=claims.admission_date.lag().over(within),
        end_before=claims.end_date.lag().over(within),
        latest_end_before=claims.end_date.max().over(so_far),
        status_before=claims.discharge_status.lag().over(within),
    )
