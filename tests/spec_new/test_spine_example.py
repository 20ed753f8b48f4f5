"""The worked example on synthetic claims of hospitals and centers: cases, outcomes and rates as they were drawn."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskstd.claims import Claims
from riskstd.pipeline.run import run_measure
from riskstd.pipeline.spec_check import check_definitions
from riskstd.spec import load_measure

SPINE = Path(__file__).parents[2] / "data" / "examples" / "spine" / "measures" / "spine-90.toml"
FACILITIES, CASES = 24, 40
FIRST = date(2022, 1, 1)


def draw(seed: int = 7) -> tuple[Claims, pd.DataFrame]:
    """Draw one operation a person at centers, in outpatient departments and on stays; return claims and truth."""
    rng = np.random.default_rng(seed)
    effects = rng.normal(0, 0.8, FACILITIES)
    rows: dict[str, list[dict[str, object]]] = {"people": [], "enrollment": []}
    lines: dict[str, list[dict[str, object]]] = {"professional_lines": [], "outpatient_lines": []}
    stays, procedures, diagnoses, truth = [], [], [], []
    for person in range(1, FACILITIES * CASES + 1):
        unit = (person - 1) % FACILITIES
        npi, setting = f"1{unit:09d}", ("asc", "outpatient", "inpatient")[unit % 3]
        day = FIRST + timedelta(int(rng.integers(0, 700)))
        age = int(rng.integers(20, 90))
        excluded = rng.random() < 0.05
        rows["people"].append({"person_key": person, "birth_date": day - timedelta(int(age * 365.25) + 200)})
        rows["enrollment"] += [
            {"person_key": person, "month": month, "buy_in": "3", "hmo": "0"} for month in range(2020 * 12, 2025 * 12)
        ]
        claim = f"I{person}"
        line = {"person_key": person, "claim_id": claim, "line_number": 1, "line_date": day}
        if setting == "asc":
            lines["professional_lines"].append(line | {"hcpcs": "63030", "type_of_service": "F", "billing_npi": npi})
        elif setting == "outpatient":
            lines["outpatient_lines"].append(line | {"hcpcs": "63047", "bill_type": "131", "facility_npi": npi})
        else:
            stays.append(_stay(person, claim, npi, day, 3, "M4316"))
            procedures.append(
                {"person_key": person, "claim_id": claim, "position": 1, "code": "0SG00A0", "procedure_date": day}
            )
        if excluded:
            diagnoses.append(_diagnosis(person, claim, setting, day + timedelta(3 if setting == "inpatient" else 0)))
        returns = rng.random() < 1 / (1 + np.exp(1.6 - effects[unit] - 0.02 * (age - 60)))
        planned, after = rng.random() < 0.2, int(rng.integers(4, 100))
        if returns:
            principal = "Z5111" if planned else "I214"
            stays.append(_stay(person, f"R{person}", "1999999992", day + timedelta(after), 2, principal))
        truth.append((person, npi, excluded, int(returns and not planned and after <= 90)))
    frames = {**rows, **lines, "inpatient_claims": stays, "procedures": procedures, "diagnoses": diagnoses}
    return Claims.from_frames(frames), pd.DataFrame(truth, columns=["person_key", "facility_id", "excluded", "outcome"])


def _stay(person: int, claim: str, npi: str, day: date, days: int, principal: str) -> dict[str, object]:
    return {
        "person_key": person,
        "claim_id": claim,
        "admission_date": day,
        "discharge_date": day + timedelta(days),
        "bill_type": "111",
        "provider_ccn": "050001",
        "facility_npi": npi,
        "principal_diagnosis": principal,
        "principal_icd_version": 10,
    }


def _diagnosis(person: int, claim: str, setting: str, day: date) -> dict[str, object]:
    kind = "professional" if setting == "asc" else setting
    where = {"person_key": person, "claim_id": claim, "setting": kind, "service_date": day}
    return where | {"role": "claim", "position": 1, "code": "S32010A", "icd_version": 10}


@pytest.fixture(scope="module")
def run_and_truth(tmp_path_factory):
    claims, truth = draw()
    out = tmp_path_factory.mktemp("runs")
    return run_measure(load_measure(SPINE), claims=claims, out=out, interval="plug-in"), truth


def test_the_example_passes_the_check():
    (checked,) = check_definitions([SPINE])
    assert {finding.level for finding in checked.findings} == {"note"}


def test_cases_and_outcomes_are_those_that_were_drawn(run_and_truth):
    run, truth = run_and_truth
    found = run.cohort.procedures.merge(run.visits.outcomes, on="procedure_id")
    wanted = truth[~truth["excluded"]].sort_values("person_key")
    assert 0 < len(wanted) < len(truth)
    assert found["person_key"].tolist() == wanted["person_key"].tolist()
    assert found["facility_id"].tolist() == wanted["facility_id"].tolist()
    assert found["outcome"].tolist() == wanted["outcome"].tolist()
    assert set(run.cohort.excluded["excluded_by"]) == {"not_degenerative"}
    assert set(run.visits.visits["visit_type"]) == {"inpatient"}
    assert "planned" in set(run.visits.visits["not_counted_because"])


def test_every_hospital_and_center_gets_a_rate_and_the_report_is_written(run_and_truth):
    run, truth = run_and_truth
    assert sorted(run.rates["facility_id"]) == sorted(truth["facility_id"].unique())
    observed = truth[~truth["excluded"]].groupby("facility_id")["outcome"].mean()
    rates = run.rates.set_index("facility_id")["rate"]
    assert rates.corr(observed) > 0.8
    assert run.folder.name == "spine-90"
    page = (run.folder / "report" / "index.html").read_text("utf-8")
    assert "Unplanned admissions within 90 days of elective spine surgery" in page
    assert "not a CMS result" in page
