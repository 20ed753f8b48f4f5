"""Diagnoses of the index claim itself, whatever their day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from riskstd.claims import Claims
from riskstd.cohort import build_cohort
from riskstd.pipeline.assurance.mutants import mutants_of, mutated
from riskstd.spec import load_measure
from spec.run import patients_of


def measure_of(index_claim: bool):
    measure = load_measure("ASC-12", definitions=None)
    changes = [each for each in mutants_of(measure) if each.change == "index_claim true"]
    assert len(changes) == 2
    return mutated(measure, changes) if index_claim else measure


@pytest.mark.parametrize("index_claim", [True, False])
@pytest.mark.parametrize("days_after", [0, 1, 40])
def test_a_diagnosis_of_the_index_claim_dated_later(index_claim, days_after):
    measure = measure_of(index_claim)
    clause = next(each for each in measure.exclusions if each.rule == "diagnosis_present")
    listed = measure.table(clause.table)
    person = next(each for each in patients_of("ASC-12") if each.name == "in_qualifying_code")
    rows = person.rows()
    line = next(row for row in rows["professional_lines"] if row["hcpcs"])
    day = line["line_date"] + timedelta(days=days_after)
    code = next(row["codes"].split()[0] for row in listed.rows if row["role"] == clause.role)
    code = code.rstrip("*")
    diagnosis = {
        "person_key": line["person_key"],
        "claim_id": line["claim_id"],
        "setting": "professional",
        "service_date": day,
        "code": code,
        "icd_version": 10,
        "position": 1,
        "role": "claim",
    }
    claims = Claims.from_frames({**rows, "diagnoses": [*rows.get("diagnoses", []), diagnosis]})
    excluded = build_cohort(claims, measure).excluded
    assert len(excluded) == (1 if index_claim or (days_after == 0 and clause.index_day) else 0)
