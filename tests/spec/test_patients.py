"""Every drawn patient gets its verdict, from the engine and from the oracle."""

from __future__ import annotations

import pytest
from spec.run import Drawn, judged_by, patients_of
from spec.verdicts import complaints

from riskstd.spec import list_measures, load_measure

MEASURES = [measure_id for measure_id, _ in list_measures()]
CASES = [drawn for measure_id in MEASURES for drawn in patients_of(measure_id)]
DECIDING = ("cohort.", "outcome", "planned_admission", "risk")


@pytest.mark.parametrize("side", ["oracle", "engine"])
@pytest.mark.parametrize("drawn", CASES, ids=lambda drawn: f"{drawn.measure_id}-{drawn.name}")
def test_patient_gets_the_expected_verdict(drawn: Drawn, side: str) -> None:
    judged = judged_by(side, drawn.setting)
    found = complaints(drawn.name, drawn.patient, drawn.person_key, drawn.index, judged)
    assert not found, f"{drawn.file}, patient {drawn.name} ({drawn.patient.says})\n  " + "\n  ".join(found)


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_deciding_clause_has_a_patient(measure_id: str) -> None:
    tested = {path for drawn in patients_of(measure_id) for path in drawn.patient.clauses}
    deciding = {path for path, _ in load_measure(measure_id).definition.clauses() if path.startswith(DECIDING)}
    assert not deciding - tested, f"{measure_id}: clauses without a patient"


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_patient_names_a_clause_that_exists(measure_id: str) -> None:
    paths = {path for path, _ in load_measure(measure_id).definition.clauses()}
    unknown = {(drawn.name, path) for drawn in patients_of(measure_id) for path in drawn.patient.clauses} - {
        (drawn.name, path) for drawn in patients_of(measure_id) for path in paths
    }
    assert not unknown


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_exclusion_has_a_patient_in_and_one_out(measure_id: str) -> None:
    for clause in load_measure(measure_id).definition.cohort.exclusions:
        path = f"cohort.exclusions[{clause.id}]"
        names = [drawn.name for drawn in patients_of(measure_id) if path in drawn.patient.clauses]
        reasons = {drawn.patient.expect.excluded_by for drawn in patients_of(measure_id)}
        assert clause.id in reasons, f"no patient is excluded by {clause.id}"
        assert names, f"no patient names {path}"
