"""Hospital care: ED visits, observation, inpatient stays, ordinary outpatient claims."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskstd.synth.landsize import LandSize
from riskstd.synth.plan import NEVER_PLANNED, NO_DAY, NONE, Plan, Vocabulary

_STATES = [f"9{mark}" for mark in "9XYZWVUTSRQPNMLKJHGFEDCBA"]


@dataclass(frozen=True)
class Hospitals:
    """Hospitals by number: CCN and NPI; the last ones are critical-access hospitals."""

    ccn: np.ndarray
    npi: np.ndarray
    acute: int
    replaced: float = 0.0

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw hospitals for n visits."""
        return rng.integers(0, len(self.ccn), n)

    def is_critical_access(self, hospital: np.ndarray) -> np.ndarray:
        """Tell which are critical-access hospitals."""
        return hospital >= self.acute


def make_hospitals(vocabulary: Vocabulary, size: LandSize) -> Hospitals:
    """Enter hospitals into the vocabulary; CCNs begin with a 9 and a digit or letter that no state has."""
    ccn = [f"{_STATES[number // 900]}0{number % 900 + 1:03d}" for number in range(size.hospitals)]
    ccn += [f"{_STATES[number // 90]}13{number % 90:02d}" for number in range(size.critical_access)]
    npi = [f"94{number:08d}" for number in range(5003, 5003 + 13 * len(ccn), 13)]
    return Hospitals(vocabulary.many(ccn), vocabulary.many(npi), size.hospitals, size.replaced)


def add_outpatient_visits(
    plan: Plan,
    hospitals: Hospitals,
    rng: np.random.Generator,
    *,
    person: np.ndarray,
    day: np.ndarray,
    diagnoses: np.ndarray,
    ed: np.ndarray,
    observation: np.ndarray,
    void: np.ndarray | None = None,
) -> None:
    """Add hospital outpatient claims with ED lines, observation lines, both, or neither.

    Each part that a claim has is one visit on the day of its lines; a void claim has none.
    """
    number, n = plan.vocabulary, len(person)
    void = np.zeros(n, dtype=bool) if void is None else void
    hospital = hospitals.draw(n, rng)
    critical = hospitals.is_critical_access(hospital)
    overnight = (ed | observation) & (rng.random(n) < 0.15)
    by_reason = rng.random(n) < 0.5
    replaces = rng.random(n) < hospitals.replaced if hospitals.replaced else np.zeros(n, dtype=bool)
    claim = plan.new_claims(n)
    plan.add(
        "outpatient", "claims", claim=claim, person=person, first=day, last=day + overnight,
        principal=diagnoses[:, 0], ccn=hospitals.ccn[hospital], npi=hospitals.npi[hospital],
        facility_type=np.where(critical, number("8"), number("1")),
        bill_class=np.where(critical, number("5"), number("3")),
        frequency=np.where(void & ~by_reason, number("8"), np.where(replaces, number("7"), number("1"))),
        nonpayment=np.where(void & by_reason, number("N"), NONE), void=void,
    )  # fmt: skip
    plan.add_diagnoses("outpatient", claim, diagnoses)
    _outpatient_lines(plan, rng, claim, day, ed, observation)
    for kind, flag in ((0, ed), (1, observation)):
        rows = np.flatnonzero(flag & ~void)
        visit = plan.new_visits(len(rows))
        plan.add(
            "visits", "claims", visit=visit, person=person[rows], type=kind, start=day[rows], end=day[rows],
            rule=number(NEVER_PLANNED), principal=diagnoses[rows, 0], ccn=hospitals.ccn[hospital[rows]],
        )  # fmt: skip
        plan.add("visits", "lines", visit=visit, claim=claim[rows])


def _outpatient_lines(
    plan: Plan,
    rng: np.random.Generator,
    claim: np.ndarray,
    day: np.ndarray,
    ed: np.ndarray,
    observation: np.ndarray,
) -> None:
    number, n = plan.vocabulary, len(claim)
    ed_codes = number.many(["0450", "0450", "0450", "0450", "0450", "0452", "0451", "0459", "0981"])
    neither = ~(ed | observation)
    lines = [
        (np.where(ed, ed_codes[rng.integers(0, 9, n)], NONE), number("99284")),
        (np.where(observation, number("0762"), NONE), number("G0378")),
        (np.where(neither, number("0510"), NONE), number("G0463")),
        (np.where(rng.random(n) < 0.6, number("0300"), NONE), number("80053")),
        (np.where(rng.random(n) < 0.4, number("0320"), NONE), number("71046")),
        (np.full(n, number("0001")), NONE),
    ]
    line = np.zeros(n, dtype=np.int32)
    blank = rng.random(n) < 0.05
    for revenue, hcpcs in lines:
        rows = np.flatnonzero(revenue >= 0)
        line[rows] += 1
        plan.add(
            "outpatient", "lines", claim=claim[rows], line=line[rows], revenue=revenue[rows],
            day=np.where(blank[rows], NO_DAY, day[rows]), hcpcs=hcpcs,
        )  # fmt: skip


def add_stays(
    plan: Plan,
    hospitals: Hospitals,
    rng: np.random.Generator,
    *,
    person: np.ndarray,
    admission: np.ndarray,
    discharge: np.ndarray,
    diagnoses: np.ndarray,
    rule: np.ndarray,
    procedure: np.ndarray,
    ed_line: np.ndarray,
    transfer: np.ndarray,
    died: np.ndarray,
    principal: np.ndarray | None = None,
) -> None:
    """Add inpatient stays of one claim, or of two when the patient was moved to another hospital.

    `principal` replaces the first diagnosis as principal diagnosis (blank: missing).
    """
    number, n = plan.vocabulary, len(person)
    hospital = hospitals.draw(n, rng)
    moved_to = (hospital + 1 + rng.integers(0, len(hospitals.ccn) - 1, n)) % len(hospitals.ccn)
    visit = plan.new_visits(n)
    first_principal = diagnoses[:, 0] if principal is None else principal
    middle = np.where(transfer, admission + 1, discharge)
    plan.add(
        "visits", "claims", visit=visit, person=person, type=2, start=admission, end=discharge, rule=rule,
        principal=first_principal, ccn=hospitals.ccn[hospital],
    )  # fmt: skip
    end_status = np.where(died, number("20"), number.many(["01", "01", "06", "03"])[rng.integers(0, 4, n)])
    claim = _inpatient_claims(
        plan, hospitals, person, hospital, admission, middle, first_principal, diagnoses, procedure, ed_line,
        status=np.where(transfer, number("02"), end_status), source=np.full(n, number("1")),
    )  # fmt: skip
    plan.add("visits", "lines", visit=visit, claim=claim)
    rows = np.flatnonzero(transfer)
    second = _inpatient_claims(
        plan, hospitals, person[rows], moved_to[rows], middle[rows], discharge[rows], first_principal[rows],
        diagnoses[rows], np.full(len(rows), NONE), np.zeros(len(rows), dtype=bool),
        status=end_status[rows], source=np.full(len(rows), number("4")),
    )  # fmt: skip
    plan.add("visits", "lines", visit=visit[rows], claim=second)


def _inpatient_claims(
    plan: Plan,
    hospitals: Hospitals,
    person: np.ndarray,
    hospital: np.ndarray,
    admission: np.ndarray,
    discharge: np.ndarray,
    principal: np.ndarray,
    diagnoses: np.ndarray,
    procedure: np.ndarray,
    ed_line: np.ndarray,
    *,
    status: np.ndarray,
    source: np.ndarray,
) -> np.ndarray:
    number, n = plan.vocabulary, len(person)
    claim = plan.new_claims(n)
    plan.add(
        "inpatient", "claims", claim=claim, person=person, first=admission, last=discharge,
        principal=principal, ccn=hospitals.ccn[hospital], npi=hospitals.npi[hospital],
        facility_type=number("1"), bill_class=number("1"), frequency=number("1"),
        admission=admission, discharge=discharge, status=status, source=source,
    )  # fmt: skip
    plan.add_diagnoses("inpatient", claim, diagnoses)
    rows = np.flatnonzero(procedure >= 0)
    plan.add("inpatient", "procedures", claim=claim[rows], slot=1, code=procedure[rows], day=admission[rows])
    line = np.zeros(n, dtype=np.int32)
    for revenue, flag in (("0120", None), ("0250", None), ("0300", None), ("0450", ed_line), ("0001", None)):
        rows = np.arange(n) if flag is None else np.flatnonzero(flag)
        line[rows] += 1
        plan.add("inpatient", "lines", claim=claim[rows], line=line[rows], revenue=number(revenue))
    return claim
