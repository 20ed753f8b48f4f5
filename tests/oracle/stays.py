"""Stays: interim bills and transfers joined (measure-logic section 3, "Stays")."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from oracle.people import Person, Row, filled

ONE_DAY = timedelta(days=1)
STILL_A_PATIENT, TRANSFERRED = "30", "02"
FROM_ANOTHER_HOSPITAL = "4"


@dataclass
class Stay:
    """One stay: its claims in the order they joined."""

    claims: list[Row] = field(default_factory=list)

    @property
    def admission_date(self) -> date:
        return min(claim["admission_date"] for claim in self.claims)

    @property
    def discharge_date(self) -> date:
        return max(last_day(claim) for claim in self.claims)

    @property
    def last_claim(self) -> Row:
        return self.claims[-1]

    @property
    def claim_ids(self) -> list[str]:
        return [claim["claim_id"] for claim in self.claims]


def stays_of(person: Person) -> list[Stay]:
    """Join the person's claims in order of admission date, discharge date, claim."""
    in_order = sorted(person.inpatient_claims, key=lambda c: (c["admission_date"], last_day(c), c["claim_id"]))
    stays: list[Stay] = []
    latest_discharge = date.min
    for claim in in_order:
        if stays and (is_interim_bill(stays[-1], claim) or is_transfer(stays[-1], claim, latest_discharge)):
            stays[-1].claims.append(claim)
        else:
            stays.append(Stay([claim]))
        latest_discharge = max(latest_discharge, last_day(claim))
    return stays


def is_interim_bill(running: Stay, claim: Row) -> bool:
    """Same hospital, and the same admission date, or a bill that goes on where the last one left off."""
    before = running.last_claim
    if hospital_of(before) != hospital_of(claim):
        return False
    if claim["admission_date"] == before["admission_date"]:
        return True
    goes_on = first_day(claim) <= last_day(before) + ONE_DAY
    return before.get("discharge_status") == STILL_A_PATIENT and goes_on


def is_transfer(running: Stay, claim: Row, latest_discharge: date) -> bool:
    """Another hospital, admitted by the latest discharge day so far, or the day after with a sign of a transfer."""
    before = running.last_claim
    if hospital_of(before) == hospital_of(claim):
        return False
    if claim["admission_date"] <= latest_discharge:
        return True
    sign = before.get("discharge_status") == TRANSFERRED or claim.get("admission_source") == FROM_ANOTHER_HOSPITAL
    return claim["admission_date"] == latest_discharge + ONE_DAY and sign


def hospital_of(claim: Row) -> str | None:
    """Hospital = CCN, else NPI; two blanks are the same hospital."""
    for name in ("provider_ccn", "facility_npi"):
        if filled(claim.get(name)):
            return claim[name]
    return None


def last_day(claim: Row) -> date:
    """Return the day of discharge, else the last service day, else the day of admission."""
    return claim.get("discharge_date") or claim.get("thru_date") or claim["admission_date"]


def first_day(claim: Row) -> date:
    """Return the first service day of the bill, else the day of admission."""
    return claim.get("from_date") or claim["admission_date"]


def last_day_billed(claim: Row) -> date:
    """Return the last service day of the bill, else the day of discharge."""
    return claim.get("thru_date") or last_day(claim)
