"""A run uses the imported tables: the engine and the oracle, which reads them by itself, give the same verdicts."""

from __future__ import annotations

from datetime import date

import pytest

from importing.books import CCS, FEES, MIXED, PLANNED, SIMPLE, with_rows, write_book
from oracle.compare import differences
from oracle.engine import run_engine
from oracle.judge import judge
from riskstd.claims import Claims
from riskstd.cohort import build_cohort
from riskstd.pipeline.assurance.drawing import Drawing, draw
from riskstd.pipeline.assurance.patients import Index, Patient
from riskstd.riskfactors import build_risk_factors
from riskstd.spec import load_measure

STAY = "claim_id admission_date discharge_date principal_diagnosis\nI1 +2 +4 {}\n"
PROCEDURE = "claim_id code\nI1 {}\n"
FACILITY = "1000000001"


def patient(year, code, diagnosis, procedure, history="I10"):
    drawn = Patient.model_validate(
        {
            "says": "An admission after the procedure.",
            "clause": "planned_admission",
            "index_lines": columns(f"hcpcs\n{code}\n"),
            "inpatient_claims": columns(STAY.format(diagnosis)),
            "procedures": columns(PROCEDURE.format(procedure)),
            "diagnoses": columns(f"service_date code\n-30 {history}\n"),
        }
    )
    return drawn, Index(date=date(year, 3, 15), facility=FACILITY)


def columns(text):
    return "\n".join("  ".join(line.split()) for line in text.splitlines()) + "\n"


def tables_of(*patients):
    tables: dict[str, list] = {}
    for key, (drawn, index) in enumerate(patients, start=1):
        for name, rows in draw(drawn, Drawing(index, {"index": "29881"}), key).items():
            tables.setdefault(name, []).extend(rows)
    return tables


def verdicts(judgement):
    return {(row["person_key"], row["planned_rule"], row["planned"]) for row in judgement.visits}


PATIENTS = (
    patient(2022, "29881", "K8020", "30233G0"),
    patient(2024, "29881", "K8020", "30233G0"),
    patient(2024, "29881", "I509", "0DJD8ZZ"),
    patient(2024, "29881", "K8020", "0DJD8ZZ"),
    patient(2022, "27447", "Z5111", "0DTJ0ZZ"),
    patient(2024, "0042T", "I214", "0DTJ0ZZ"),
)


@pytest.fixture
def imported(tmp_path, folder, run_import):
    older = with_rows(PLANNED, "PR.1", [["t"], SIMPLE, [64, "x"]])
    newer = with_rows(PLANNED, "PR.1", [["t"], SIMPLE, [105, "x"]])
    newer = with_rows(newer, "PR.3", [["t"], MIXED, ["ICD-10-PCS", "0DJD8ZZ"]])
    run_import("paa", write_book(tmp_path / "a.xlsx", older), year=2024)
    run_import("paa", write_book(tmp_path / "b.xlsx", newer), year=2025)
    run_import("ccs", write_book(tmp_path / "m.xlsx", CCS), year=2024)
    run_import("rvu", write_book(tmp_path / "PPRRVU24.xlsx", {"P": FEES}), year=2024)
    return folder


def test_the_year_of_admission_decides_and_the_oracle_agrees(imported):
    measure = load_measure("ASC-17", definitions=imported)
    tables = tables_of(*PATIENTS)
    engine = run_engine(tables, measure)
    assert differences(judge(tables, measure), engine) == []
    assert verdicts(engine) >= {
        (1, "PA1", True),
        (2, "no_planned_procedure", False),
        (3, "PA4", False),
        (4, "PA3", True),
        (5, "PA2", True),
    }


def test_a_run_differs_from_one_without_imports_just_where_the_tables_do(imported):
    tables = tables_of(*PATIENTS)
    before = run_engine(tables, load_measure("ASC-17", definitions=None))
    after = run_engine(tables, load_measure("ASC-17", definitions=imported))
    assert {row["person_key"] for row in before.visits} == {row["person_key"] for row in after.visits}
    assert verdicts(before) ^ verdicts(after)
    rvus = {(row["person_key"], row["index_code"]): row["work_rvu"] for row in after.procedures}
    assert rvus[2, "29881"] == 7.03
    assert rvus[1, "29881"] == {row["person_key"]: row["work_rvu"] for row in before.procedures}[1]


def test_the_tables_of_the_project_can_still_be_chosen(imported):
    tables = tables_of(*PATIENTS)
    chosen = load_measure("ASC-17", options={"planned_admission_tables": "ry2021"}, definitions=imported)
    engine = run_engine(tables, chosen)
    assert differences(judge(tables, chosen), engine) == []
    assert (1, "PA1", True) in verdicts(engine)
    assert (2, "PA1", True) in verdicts(engine)


def test_the_service_year_picks_the_condition_map(tmp_path, folder, run_import):
    # The same code is in category 178 in the older map and in 85 in the newer one.
    run_import("cc", write_book(tmp_path / "older.xlsx", {"M": [["code", "cc"], ["R002", 178]]}), year=2022)
    run_import("cc", write_book(tmp_path / "newer.xlsx", {"M": [["code", "cc"], ["R002", 85]]}), year=2024)
    measure = load_measure("ASC-17", definitions=folder)
    years = (2021, 2022, 2023, 2024, 2025)
    tables = tables_of(*(patient(year, "29881", "K8020", "0DTJ0ZZ", history="R002") for year in years))
    claims = Claims.from_frames({name: rows for name, rows in tables.items() if rows})
    risk = build_risk_factors(claims, build_cohort(claims, measure), measure)
    assert list(risk.table["major_symptoms"]) == [1, 1, 1, 0, 0]
    assert list(risk.table["heart_failure"]) == [0, 0, 0, 1, 1]
    assert list(risk.unmapped_codes["code"]) == []
