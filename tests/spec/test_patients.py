"""Every drawn patient gets its verdict, from the oracle and from the engine."""

from __future__ import annotations

import pytest

from riskstd.pipeline.assurance.assure import DECIDING
from riskstd.pipeline.assurance.people import Person, Setting
from riskstd.spec import load_measure
from spec.run import MEASURES, complaints_by_oracle, patients_of, verdicts_by_engine

CASES = [drawn for measure_id in MEASURES for drawn in patients_of(measure_id)]


def is_fast(drawn: Person) -> bool:
    """Tell whether the engine judges a patient in the normal suite.

    Each setting of options costs an engine run. A setting that several measures share is run for one of them,
    in turn; the slow suite runs it for all.
    """
    if drawn.setting == Setting():
        return True
    settings = list(dict.fromkeys(each.setting for each in CASES))
    turn = list(dict.fromkeys(each.measure_id for each in CASES if each.setting == drawn.setting))
    return drawn.measure_id == turn[settings.index(drawn.setting) % len(turn)]


def named(cases: list[Person], *, slow: bool) -> list[object]:
    marks = [pytest.mark.slow] if slow else []
    return [pytest.param(drawn, id=f"{drawn.measure_id}-{drawn.title}", marks=marks) for drawn in cases]


ENGINE_CASES = [
    *named([drawn for drawn in CASES if is_fast(drawn)], slow=False),
    *named([drawn for drawn in CASES if not is_fast(drawn)], slow=True),
]


def said(drawn: Person) -> str:
    return f"{drawn.file}, patient {drawn.title} ({drawn.patient.says})"


@pytest.mark.parametrize("drawn", named(CASES, slow=False))
def test_oracle_gives_the_expected_verdict(drawn: Person) -> None:
    found = complaints_by_oracle(drawn.measure_id, drawn.setting)[drawn.person_key]
    assert not found, said(drawn)


@pytest.mark.parametrize("drawn", ENGINE_CASES)
def test_engine_gives_the_expected_verdict(drawn: Person) -> None:
    verdict = verdicts_by_engine(drawn.measure_id, drawn.setting)[drawn.person_key]
    assert verdict.passes, (said(drawn), verdict.reasons)


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_deciding_clause_has_a_patient(measure_id: str) -> None:
    tested = {path for drawn in patients_of(measure_id) for path in drawn.patient.clauses}
    deciding = {path for path, _ in load_measure(measure_id).definition.clauses() if path.startswith(DECIDING)}
    assert not deciding - tested, f"{measure_id}: clauses without a patient"


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_patient_names_clauses_that_exist(measure_id: str) -> None:
    paths = {path for path, _ in load_measure(measure_id).definition.clauses()}
    unknown = [(d.name, path) for d in patients_of(measure_id) for path in d.patient.clauses if path not in paths]
    assert not unknown


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_exclusion_has_a_patient_on_either_side(measure_id: str) -> None:
    for clause in load_measure(measure_id).definition.cohort.exclusions:
        named_by = [d for d in patients_of(measure_id) if f"cohort.exclusions[{clause.id}]" in d.patient.clauses]
        reasons = {d.patient.expect.excluded_by for d in named_by}
        assert clause.id in reasons, f"no patient is excluded by {clause.id}"
        if clause.id not in {"facility_unknown", "person_unknown"}:
            assert None in reasons, f"no patient just escapes {clause.id}"


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_factor_has_a_patient_with_it_and_one_without(measure_id: str) -> None:
    measure = load_measure(measure_id)
    for factor in measure.factors:
        path = f"risk.factors[{factor.name}]"
        names = [d.name for d in patients_of(measure_id) if path in d.patient.clauses]
        assert any(name.startswith("factor_") for name in names), f"{path}: no factor_ patient"
        if factor.kind != "work_rvu":
            assert any(name.startswith("no_factor_") for name in names), f"{path}: no no_factor_ patient"
