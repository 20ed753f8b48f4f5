"""What the patient loader refuses, and what it fills in."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from riskstd.errors import PatientFileError
from riskstd.pipeline.assurance.drawing import Drawing, day_of, draw
from riskstd.pipeline.assurance.patients import Index, Patient, load_patients
from riskstd.pipeline.assurance.texttable import TableError, parse_table

INDEX = Index(date=date(2024, 3, 15))
DRAWING = Drawing(INDEX, {"index": "45378"})
HEAD = 'schema = 1\nmeasures = ["ASC-12"]\n[index]\ndate = 2024-03-15\n[codes.index]\n"ASC-12" = "45378"\n'


def patient(**tables: str) -> Patient:
    return Patient(says="a patient", clause="risk", **tables)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "patients.toml"
    path.write_text(HEAD + text, "utf-8")
    return path


def test_table_keeps_single_blanks_in_cells() -> None:
    assert parse_table("modifiers  hcpcs\n59 74      -") == [{"modifiers": "59 74", "hcpcs": None}]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "without a header"), ("a  b\n1", "row 1 has 1 cell"), ("a  a\n1  2", "comes twice")],
)
def test_table_refuses(text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        parse_table(text)


def test_days_are_relative_or_dates() -> None:
    assert day_of("+7", INDEX) == date(2024, 3, 22)
    assert day_of("-1", INDEX) == date(2024, 3, 14)
    assert day_of("0", INDEX) == INDEX.date
    assert day_of("2022-12-31", INDEX) == date(2022, 12, 31)
    with pytest.raises(PatientFileError, match="write"):
        day_of("7", INDEX)


def test_usual_patient_has_one_procedure_and_full_enrollment() -> None:
    tables = draw(patient(), DRAWING, person_key=4)
    (line,) = tables["professional_lines"]
    assert (line["hcpcs"], line["line_date"], line["type_of_service"]) == ("45378", INDEX.date, "F")
    assert [row["birth_date"] for row in tables["people"]] == [date(1950, 1, 1)]
    assert {(row["buy_in"], row["hmo"]) for row in tables["enrollment"]} == {("3", "0")}
    index_month = 2024 * 12 + 2
    assert {row["month"] for row in tables["enrollment"]} >= set(range(index_month - 12, index_month + 2))
    assert {row["person_key"] for rows in tables.values() for row in rows} == {4}


def test_none_takes_the_usual_rows_away() -> None:
    tables = draw(patient(people="none", index_lines="none", enrollment="none"), DRAWING, person_key=1)
    assert not any(tables.values())


def test_enrollment_months_are_relative_to_the_index_month() -> None:
    drawn = patient(enrollment="month  buy_in  hmo\n-12    none    -\n0      3       blank")
    months = {row["month"]: row for row in draw(drawn, DRAWING, person_key=1)["enrollment"]}
    index_month = 2024 * 12 + 2
    assert index_month - 12 not in months
    assert months[index_month]["hmo"] == ""


def test_principal_diagnosis_of_a_stay_is_a_diagnosis_too() -> None:
    drawn = patient(inpatient_claims="admission_date  discharge_date  principal_diagnosis\n+1  +3  I214")
    (row,) = draw(drawn, DRAWING, person_key=1)["diagnoses"]
    assert (row["code"], row["role"], row["service_date"]) == ("I214", "principal", date(2024, 3, 18))


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        ("diagnoses", "day  code\n0  I10", "no column day"),
        ("diagnoses", "service_date\n0", "column code is missing"),
        ("outpatient_lines", "revenue_code\n0450", "column line_date is missing"),
        ("index_lines", "hcpcs\n<second>", "codes.second"),
        ("enrollment", "buy_in\n3", "columns are month"),
        ("index_lines", "hcpcs  modifiers\n45378", "row 1 has 1 cell"),
    ],
)
def test_drawing_refuses(table: str, text: str, message: str) -> None:
    with pytest.raises(PatientFileError, match=message):
        draw(patient(**{table: text}), DRAWING, person_key=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[patient.age_65]\nsays = "says something"\nclause = "risk"', "patient.age_65"),
        ('[patient.in_x]\nsays = "says something"\nclause = "risk"\ncolour = 1', "colour"),
        (
            '[patient.in_x]\nsays = "says something"\nclause = "risk"\nexpect = { excluded_by = "x" }',
            "only out_ patients",
        ),
        ('[patient.out_x]\nsays = "says something"\nclause = "risk"', "say excluded_by"),
        (
            '[patient.visit_x]\nsays = "says something"\nclause = "risk"\nexpect = { outcome = 0 }',
            "promises outcome = 1",
        ),
        ('[patient.factor_x]\nsays = "says something"\nclause = "risk"', "promises a factor above 0"),
        (
            '[patient.no_factor_x]\nsays = "says something"\nclause = "risk"\nexpect = {factor={a=1}}',
            "factors of 0",
        ),
        (
            '[patient.in_x]\nsays = "says something"\nclause = "risk"\nmeasures = ["ASC-17"]',
            "not in the measures",
        ),
        ('[patient.in_x]\nsays = "says something"', "clause"),
        ("[patient.in_x", "not valid TOML"),
    ],
)
def test_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PatientFileError, match=message):
        load_patients(written(tmp_path, text))


def test_a_code_is_needed_for_every_measure(tmp_path: Path) -> None:
    path = tmp_path / "patients.toml"
    path.write_text(HEAD.replace('["ASC-12"]', '["ASC-12", "ASC-17"]') + "[patient]", "utf-8")
    with pytest.raises(PatientFileError, match=r"codes.index has no code for ASC-17"):
        load_patients(path)
