"""Drafts of one's own measures: they pass the check, and the engine runs them as they stand."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta

import pytest

from riskstd.claims import Claims
from riskstd.cohort import build_cohort
from riskstd.errors import OptionError
from riskstd.outcome import find_hospital_visits
from riskstd.pipeline.spec_check import check_definitions
from riskstd.riskfactors import build_risk_factors
from riskstd.spec import load_measure
from riskstd.spec.checking import OPEN
from riskstd.spec.draft import Wishes, write_draft
from riskstd.spec.folder import VARIABLE
from riskstd.spec.tomltext import to_toml

DAY = date(2023, 6, 15)
SPINE = Wishes(
    id="SPINE-90",
    codes=("63030", "63047"),
    icd10pcs=("0SG*",),
    window=(0, 90),
    visits=("inpatient",),
    settings=("asc", "outpatient", "inpatient"),
    age=18,
)


def loaded(wishes: Wishes, folder):
    return load_measure(write_draft(wishes, folder))


# ---- drafts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(id="KNEE-30", codes=("29881",), window=(0, 30)),
        Wishes(id="KNEE-DAY", codes=("29881",), window=(1, 1), visits=("ed",), scale="ratio"),
        Wishes(id="COLON-14", codes=("45378", "45380"), like="ASC-12", window=(0, 14), scale="per_1000"),
        Wishes(id="BLADDER-7", codes=("52000..52010",), like="ASC-18", factors=("heart_failure", "smoking=dx:F17*")),
        Wishes(id="HERNIA-30", codes=("49505",), like="ASC-19", factors=("age_years_over_65", "frail=cc:21,85")),
        Wishes(id="SURGEON-30", codes=("29881",), unit="surgeon", settings=("asc", "outpatient")),
        Wishes(id="OUTPATIENT-30", codes=("63030",), settings=("outpatient",), visits=("ed", "inpatient")),
        SPINE,
    ],
    ids=lambda wishes: wishes.id,
)
def test_drafts_pass_the_check_with_open_places(wishes: Wishes, tmp_path):
    file = write_draft(wishes, tmp_path / "mine")
    (checked,) = check_definitions([file])
    assert checked.defects == ()
    assert len([finding for finding in checked.findings if finding.level == OPEN]) >= 4
    measure = load_measure(file)
    assert measure.window == wishes.window
    assert measure.id == wishes.id


def test_a_draft_is_found_by_its_id_and_never_written_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    write_draft(Wishes(id="KNEE-30", codes=("29881",)))
    assert load_measure("knee-30").file == "knee-30.toml"
    with pytest.raises(OptionError, match="already"):
        write_draft(Wishes(id="KNEE-30", codes=("29880",)))


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (Wishes(id="A"), "no code qualifies"),
        (Wishes(id="A", codes=("29881",), window=(5, 2)), "window 5:2"),
        (Wishes(id="A", codes=("29881",), visits=("icu",)), "visits icu"),
        (Wishes(id="A", codes=("29881",), scale="odds"), "scale 'odds'"),
        (Wishes(id="A", codes=("29881",), factors=("shoe_size",)), "risk factor 'shoe_size'"),
        (Wishes(id="A", codes=("29881",), settings=("home",)), "setting 'home'"),
        (Wishes(id="A", codes=("29881",), settings=("inpatient",)), "0 ICD-10-PCS codes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wishes_that_cannot_be_met_leave_nothing(wishes: Wishes, message: str, tmp_path):
    with pytest.raises(OptionError, match=message):
        write_draft(wishes, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_toml_is_read_back_as_it_was():
    content = {
        "schema": 1,
        "text": 'with "quotes" and \\ and é',
        "head": {"on": date(2022, 12, 31), "yes": True, "many": [f"code {n:04d}" for n in range(30)]},
        "rows": [{"a": 1, "when": {"option": "x", "is_in": ["y"]}}, {"a": 2, "inner": {"b": [1, 2]}}],
        "empty": [],
    }
    assert tomllib.loads(to_toml(content)) == content


# ---- the engine runs them ---------------------------------------------------------------------


def people(*keys: int) -> dict[str, list[dict[str, object]]]:
    months = range(2021 * 12, 2025 * 12)
    return {
        "people": [{"person_key": key, "birth_date": date(1980, 1, 1)} for key in keys],
        "enrollment": [{"person_key": key, "month": m, "buy_in": "3", "hmo": "0"} for key in keys for m in months],
    }


def asc(key: int, code: str = "63030") -> dict[str, object]:
    return {
        "person_key": key,
        "claim_id": f"A{key}",
        "line_number": 1,
        "line_date": DAY,
        "hcpcs": code,
        "type_of_service": "F",
        "modifiers": None,
        "billing_npi": "1000000001",
    }


def outpatient(key: int, code: str = "63047", bill: str = "131") -> dict[str, object]:
    return {
        "person_key": key,
        "claim_id": f"O{key}",
        "line_number": 1,
        "line_date": DAY,
        "hcpcs": code,
        "bill_type": bill,
        "facility_npi": "1000000002",
        "provider_ccn": "050001",
    }


def stay(key: int, first: int, last: int, principal: str = "I214", claim: str = "S") -> dict[str, object]:
    return {
        "person_key": key,
        "claim_id": f"{claim}{key}",
        "admission_date": DAY + timedelta(first),
        "discharge_date": DAY + timedelta(last),
        "bill_type": "111",
        "provider_ccn": "050002",
        "facility_npi": "1000000003",
        "principal_diagnosis": principal,
        "principal_icd_version": 10,
    }


def verdicts(claims: Claims, measure) -> dict[int, tuple[str, int]]:
    """Facility and outcome of every index procedure, by person."""
    cohort = build_cohort(claims, measure)
    visits = find_hospital_visits(claims, cohort, measure)
    risk = build_risk_factors(claims, cohort, measure)
    assert list(risk.table.columns) == ["procedure_id", *measure.factor_columns]
    joined = cohort.procedures.merge(visits.outcomes, on="procedure_id")
    attrition = cohort.attrition
    assert (
        attrition["procedures_before"].iloc[1:].to_numpy() == attrition["procedures_after"].iloc[:-1].to_numpy()
    ).all()
    assert attrition["procedures_after"].iloc[-1] == len(joined)
    return {row.person_key: (row.facility_id, row.outcome) for row in joined.itertuples()}


def test_spine_measure_on_hospitals_and_centers(tmp_path):
    """90 days, admissions only, planned ones dropped, the stay of the operation no visit."""
    claims = Claims.from_frames(
        {
            **people(*range(1, 12)),
            "professional_lines": [asc(1), asc(2), asc(7), asc(8, "29881")],
            "outpatient_lines": [
                outpatient(3),
                outpatient(4),
                outpatient(9, bill="721"),
                outpatient(7) | {"line_date": DAY + timedelta(5), "revenue_code": "0450", "hcpcs": None},
            ],
            "inpatient_claims": [
                stay(1, 45, 47),
                stay(2, 30, 31, principal="Z5111"),
                stay(3, 90, 92),
                stay(4, 91, 92),
                stay(5, 0, 3, principal="M4316", claim="X"),
                stay(6, -1, 3, principal="M4316", claim="X"),
                stay(6, 20, 22),
                stay(10, 0, 2, principal="M4316", claim="X"),
            ],
            "procedures": [
                {"person_key": 5, "claim_id": "X5", "position": 1, "code": "0SG00A0", "procedure_date": DAY},
                {"person_key": 6, "claim_id": "X6", "position": 1, "code": "0SG00A0", "procedure_date": DAY},
                {"person_key": 10, "claim_id": "X10", "position": 1, "code": "0SG0070", "procedure_date": None},
            ],
        }
    )
    assert verdicts(claims, loaded(SPINE, tmp_path / "mine")) == {
        1: ("1000000001", 1),
        2: ("1000000001", 0),
        3: ("1000000002", 1),
        4: ("1000000002", 0),
        5: ("1000000003", 0),
        6: ("1000000003", 1),
        7: ("1000000001", 0),
        10: ("1000000003", 0),
    }


def test_window_of_30_days_with_emergency_visits_only(tmp_path):
    measure = loaded(Wishes(id="KNEE-30", codes=("29881",), window=(0, 30), visits=("ed",), age=40), tmp_path / "mine")
    ed = {"revenue_code": "0450", "hcpcs": None}
    claims = Claims.from_frames(
        {
            **people(1, 2, 3),
            "professional_lines": [asc(key, "29881") for key in (1, 2, 3)],
            "outpatient_lines": [
                outpatient(1) | ed | {"line_date": DAY + timedelta(30)},
                outpatient(2) | ed | {"line_date": DAY + timedelta(31)},
            ],
            "inpatient_claims": [stay(3, 4, 6)],
        }
    )
    assert {key: outcome for key, (_, outcome) in verdicts(claims, measure).items()} == {1: 1, 2: 0, 3: 0}


def test_the_unit_can_be_the_surgeon(tmp_path):
    wishes = Wishes(id="SURGEON-30", codes=("29881",), unit="surgeon", settings=("asc", "outpatient"), age=40)
    surgeon = {"type_of_service": "2", "performing_npi": "1999999992"}
    lines = [
        asc(1, "29881") | surgeon | {"place_of_service": "24"},
        asc(1, "29881") | {"claim_id": "F1", "place_of_service": "24"},
        asc(2, "29881") | surgeon | {"place_of_service": "22", "performing_npi": "1999999984"},
        asc(2, "29881") | surgeon | {"claim_id": "H2", "place_of_service": "22", "modifiers": "80"},
        asc(3, "29881") | surgeon | {"place_of_service": "11"},
    ]
    claims = Claims.from_frames({**people(1, 2, 3), "professional_lines": lines, "inpatient_claims": [stay(2, 3, 4)]})
    assert verdicts(claims, loaded(wishes, tmp_path / "mine")) == {1: ("1999999992", 0), 2: ("1999999984", 1)}


def test_no_engine_code_names_the_measure():
    from pathlib import Path

    import riskstd

    root = Path(riskstd.__file__).parent
    engine = [f for part in ("claims", "cohort", "outcome", "riskfactors") for f in (root / part).rglob("*.py")]
    assert not [file.name for file in engine if "SPINE" in file.read_text("utf-8").upper()]
