"""The worked example traced: procedures of hospitals and stays, 90 days, surgeons, planned admissions kept."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import recompute

from riskstd.claims import Claims
from riskstd.errors import TooFewDataError
from riskstd.pipeline.assurance.mutants import Mutant, mutated
from riskstd.pipeline.run import run_measure
from riskstd.pipeline.trace import Tracer
from riskstd.pipeline.tracing.person import PersonClaims
from riskstd.pipeline.tracing.record import Record
from riskstd.spec import load_measure
from riskstd.tables import CLAIMS_TABLES

SPINE = Path(__file__).parents[2] / "data" / "examples" / "spine" / "measures" / "spine-90.toml"
PEOPLE = 140
SURGEON = {
    "rule": "surgeon_line",
    "place_of_service": ("21", "22", "24"),
    "specialty_not": ("49",),
    "type_of_service_not": ("F",),
    "modifiers_not": ("80", "AS"),
    "facility_keys": ("performing_npi",),
    "says": "A line of the surgeon at a place where operations are done.",
    "source": "own: an example",
    "origin": "assumed",
}
SURGEONS = (("cohort", "facility_line"), SURGEON), (("cohort", "further_lines"), ())


def measure_with(options=None, changes=()):
    measure = load_measure(SPINE, options=options)
    mutants = [Mutant(".".join(place), "", "", place, value) for place, value in changes]
    return mutated(measure, mutants) if mutants else measure


class Ward:
    """Claims of invented people, by table."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.rows = defaultdict(list)

    def chance(self, share):
        return self.rng.random() < share

    def pick(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def add(self, table, person, **row):
        self.rows[table].append({"person_key": person, **row})

    def stay(self, person, claim, day, days, principal, **row):
        usual = {"bill_type": "111", "provider_ccn": "050001", "facility_npi": "1999999992", "discharge_status": "01"}
        last = day + timedelta(days)
        span = {"admission_date": day, "discharge_date": last, "from_date": day, "thru_date": last}
        named = {"principal_diagnosis": principal, "principal_icd_version": 10, "admission_source": "1"}
        self.add("inpatient_claims", person, claim_id=claim, **{**usual, **span, **named, **row})

    def diagnosis(self, person, day, code, setting="professional", claim="D"):
        what = {"code": code, "icd_version": 10, "role": "claim", "position": 1}
        self.add("diagnoses", person, claim_id=claim, setting=setting, service_date=day, **what)


def drawn(seed=11):
    """Operations at centers, in outpatient departments and on stays, with what surrounds them."""
    ward = Ward(seed)
    for person in range(1, PEOPLE + 1):
        day = date(2022, 3, 1) + timedelta(int(ward.rng.integers(0, 500)))
        born = day - timedelta(int(ward.pick(17.9, 30, 66, 71, 82) * 365.25))
        known = not ward.chance(0.05)
        death = day + timedelta(40) if ward.chance(0.05) else None
        ward.add("people", person, birth_date=born if known else None, death_date=death)
        gap = ward.pick(-14, -5, 0, 2, *[99] * 12)
        index = day.year * 12 + day.month - 1
        for month in range(index - 24, index + 6):
            ward.add("enrollment", person, month=month, buy_in="1" if month == index + gap else "3", hmo="0")
        operation(ward, person, day, "one")
        if ward.chance(0.2):
            operation(ward, person, day + timedelta(ward.pick(0, 20, 91)), "two")
        for code in ("I5022", "J449", "F209", "F17210", "I2510"):
            if ward.chance(0.2):
                ward.diagnosis(person, day - timedelta(ward.pick(0, 1, 365, 366)), code)
        if ward.chance(0.6):
            again(ward, person, day + timedelta(ward.pick(0, 1, 20, 89, 90, 91)))
    return {name: with_every_column(rows) for name, rows in ward.rows.items()}


def with_every_column(rows):
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


def operation(ward, person, day, claim):
    """An operation in one of three settings, and the line of the surgeon."""
    unit, setting = f"1{int(ward.rng.integers(4)):09d}", ward.pick("center", "outpatient", "inpatient")
    mark = ward.pick(None, None, "73", "59 74")
    line = {"claim_id": claim, "line_number": 1, "line_date": day, "modifiers": mark}
    if setting == "center":
        kind = ward.pick({"type_of_service": "F"}, {"specialty": "49", "place_of_service": "24"}, {"specialty": "20"})
        ward.add("professional_lines", person, hcpcs="63030", billing_npi=unit, **line, **kind)
    elif setting == "outpatient":
        hospital = ward.pick({"facility_npi": unit}, {"provider_ccn": "050002"})
        where = {"hcpcs": ward.pick("63047", "22551"), "bill_type": ward.pick("131", "131", "851", "121")}
        ward.add("outpatient_lines", person, **line, **where, **hospital)
    else:
        kind = {"facility_npi": unit, "bill_type": ward.pick("111", "111", "121"), "provider_ccn": "050003"}
        ward.stay(person, claim, day - timedelta(1), 4, "M4316", **kind)
        done = ward.pick(day, None)
        for position, code in enumerate(("0SG00A0", "02100Z9"), start=1):
            ward.add("procedures", person, claim_id=claim, position=position, code=code, procedure_date=done)
    if ward.chance(0.1):
        kind, days = ("inpatient", 3) if setting == "inpatient" else ("professional", ward.pick(0, 3))
        ward.diagnosis(person, day + timedelta(days), "S32010A", kind, claim if setting == "inpatient" else "D")
    surgeon = {"performing_npi": f"2{person % 3:09d}", "specialty": ward.pick("20", "20", "20", "49")}
    surgeon |= {
        "place_of_service": ward.pick("21", "22", "24", "24", "11"),
        "type_of_service": ward.pick("2", "2", "2", "F"),
    }
    ward.add(
        "professional_lines",
        person,
        **{**line, "claim_id": f"{claim}-s", "modifiers": ward.pick(None, "80", mark)},
        hcpcs="63030",
        **surgeon,
    )


def again(ward, person, day):
    """A stay afterwards: planned or not, of a hospital or a unit that makes no visit, moved on or not."""
    ward.stay(person, "again", day, 2, ward.pick("Z5111", "I214", "M4316"), provider_ccn=ward.pick("050001", "05S001"))
    if ward.chance(0.4):
        procedure = {"code": ward.pick("0SG00A0", "30233G0", "02100Z9"), "procedure_date": day}
        ward.add("procedures", person, claim_id="again", position=1, **procedure)
    if ward.chance(0.3):
        ward.stay(person, "moved", day + timedelta(2), 3, "I214", provider_ccn="050009", facility_npi="1999999993")


class Rows:
    """Claims of all people in memory, by identifier."""

    def __init__(self, claims):
        self.absent = claims.absent
        self.of = defaultdict(lambda: defaultdict(list))
        for table in CLAIMS_TABLES:
            for row in claims.tables[table.name].order_by(list(table.sorted_by)).to_pyarrow().to_pylist():
                self.of[str(row.pop("person_key"))][table.name].append(row)

    def person(self, person_id):
        return PersonClaims(self.of[person_id], self.absent)


def run_of(measure, folder):
    """Run a measure as far as the model, for which the cases are too few, and open the run for tracing."""
    claims = Claims.from_frames(drawn())
    with contextlib.suppress(TooFewDataError):
        run_measure(measure, claims=claims, out=folder, interval="none")
    run = folder / measure.id.lower()
    manifest = json.loads((run / "manifest.json").read_text())
    return run, Tracer(Record(run, measure, manifest), Rows(claims))


def read(run, name):
    return pq.read_table(run / f"{name}.parquet").to_pylist()


VARIANTS = {
    "hospitals and centers": measure_with(),
    "the last operation counts": measure_with({"second_procedure": "keep_last", "discontinued_procedures": "drop"}),
    "surgeons": measure_with(changes=SURGEONS),
    "planned admissions count": measure_with(changes=[(("outcome", "planned"), "count")]),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_trace_alone_gives_the_verdict_of_every_case(name, tmp_path):
    measure = VARIANTS[name]
    run, tracer = run_of(measure, tmp_path)
    outcomes = {row["procedure_id"]: row["outcome"] for row in read(run, "outcomes")}
    risk = {row["procedure_id"]: row for row in read(run, "risk_factors")}
    visits = defaultdict(list)
    for row in read(run, "hospital_visits"):
        names = ("visit_type", "days_after", "planned", "planned_rule", "counted")
        visits[row["procedure_id"]].append(tuple(row[name] for name in names))
    index, excluded = read(run, "index_procedures"), read(run, "excluded_procedures")
    left_out = 0
    for row in [*index, *excluded]:
        procedure = row["procedure_id"]
        trace = json.loads(json.dumps(tracer.trace(procedure).content))
        assert recompute.cohort(trace) == row.get("excluded_by"), procedure
        if "excluded_by" in row:
            continue
        found = recompute.visits(trace)
        left_out += sum("left_out_as" in visit for visit in trace["visits"])
        assert sorted(found) == sorted(visits[procedure]), procedure
        assert int(any(counted for *_, counted in found)) == outcomes[procedure]
        assert {"procedure_id": procedure, **recompute.factors(trace)} == risk[procedure]
    assert len(index) > 20
    reasons = {"not_enrolled_before", "not_enrolled_after", "age_under_18", "person_unknown"}
    assert reasons <= {row["excluded_by"] for row in excluded}
    every = [visit for of_case in visits.values() for visit in of_case]
    planned = [visit for visit in every if visit[2]]
    assert planned
    assert any(visit[4] for visit in planned) == (name == "planned admissions count")
    assert any(days == 90 for _, days, *_ in every)
    assert left_out > 0 or name == "surgeons"
