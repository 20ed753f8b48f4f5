"""Patient files: drawn patients with the verdict that a measure must give.

A file names the measures it holds for, the usual index procedure, and patients. A patient draws only
what matters, as text tables named like the claims tables; `drawing` fills in the rest.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PatientName = Annotated[str, Field(pattern=r"^(in|out|visit|no_visit|factor|no_factor)_[a-z0-9_]+$")]
PlannedRule = Literal[
    "never_planned_visit_type",
    "PA1",
    "PA2",
    "PA3",
    "PA4",
    "no_planned_procedure",
    "missing_principal_diagnosis",
]
Reason = Literal["planned", "part_of_admission", "belongs_to_later_procedure"]
NONE = "none"


class PatientFileError(ValueError):
    """A patient file that is not valid; names file, patient and key."""


class Closed(BaseModel):
    """A part of a patient file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(Closed):
    """What must come out for one procedure; what is not stated is not tested."""

    in_cohort: bool | None = None
    excluded_by: str | None = None
    candidate: bool | None = None
    facility_id: str | None = None
    codes: str | None = None
    index_code: str | None = None
    work_rvu: float | None = None
    qualifying_procedures: int | None = None
    age_years: int | None = None
    died_in_window: bool | None = None
    facilities_same_day: int | None = None
    outcome: Literal[0, 1] | None = None
    visits: tuple[str, ...] | None = None
    planned_rule: PlannedRule | None = None
    principal_diagnosis: str | None = None
    not_counted_because: Reason | None = None
    factor: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _no_contradiction(self) -> Expected:
        if self.excluded_by is not None and self.in_cohort:
            raise ValueError("excluded_by and in_cohort = true contradict each other")
        if self.candidate is False and (self.in_cohort or self.excluded_by is not None):
            raise ValueError("candidate = false leaves nothing to include or exclude")
        return self


class Patient(Closed):
    """One drawn patient.

    Attributes
    ----------
    says : str
        What the patient shows, in one sentence.
    clause : str or list of str
        Paths of the clauses of the definition that it tests.
    options, absent, period : what the run is given for this patient
        Options of the measure, columns that the source does not have, measurement period.
    index_date : date, optional
        Day 0, if it is not that of the file.
    people, enrollment, index_lines, professional_lines : str
    outpatient_lines, inpatient_claims, diagnoses, procedures : str
        Text tables; `none` means no row at all. `index_lines` are professional lines of a facility.
    expect : Expected
        The verdict on the procedure of day 0, if there is but one.
    also : dict of str to Expected
        Verdicts on other procedures, by day and, if needed, facility: `+5`, `0 1000000002`.
    """

    says: str = Field(min_length=8)
    clause: str | tuple[str, ...]
    measures: tuple[str, ...] = ()
    options: dict[str, str] = Field(default_factory=dict)
    absent: tuple[str, ...] = ()
    period: tuple[date, date] | None = None
    index_date: date | None = None
    people: str | None = None
    enrollment: str | None = None
    index_lines: str | None = None
    professional_lines: str | None = None
    outpatient_lines: str | None = None
    inpatient_claims: str | None = None
    diagnoses: str | None = None
    procedures: str | None = None
    expect: Expected = Expected()
    also: dict[str, Expected] = Field(default_factory=dict)

    @property
    def clauses(self) -> tuple[str, ...]:
        """Clause paths as a tuple."""
        return (self.clause,) if isinstance(self.clause, str) else self.clause


class Index(Closed):
    """The index procedure that a patient has unless drawn otherwise."""

    date: date
    facility: str = "1000000001"


class PatientFile(Closed):
    """One patient file."""

    schema_version: Literal[1] = Field(alias="schema")
    measures: tuple[str, ...] = Field(min_length=1)
    index: Index
    codes: dict[str, dict[str, str]]
    patient: dict[PatientName, Patient]

    @model_validator(mode="after")
    def _consistent(self) -> PatientFile:
        for name, per_measure in self.codes.items():
            missing = sorted(set(self.measures) - set(per_measure))
            if missing:
                raise ValueError(f"codes.{name} has no code for {', '.join(missing)}")
        if "index" not in self.codes:
            raise ValueError("codes.index is missing: the code of the usual index procedure, by measure")
        for name, patient in self.patient.items():
            unknown = sorted(set(patient.measures) - set(self.measures))
            if unknown:
                raise ValueError(f"patient.{name}.measures: {', '.join(unknown)} is not in the measures of the file")
            problem = name_problem(name, patient)
            if problem:
                raise ValueError(f"patient.{name}: {problem}")
        return self

    def patients_of(self, measure_id: str) -> dict[str, Patient]:
        """Return the patients that hold for a measure, by name."""
        return {
            name: patient for name, patient in self.patient.items() if measure_id in (patient.measures or self.measures)
        }

    def index_of(self, patient: Patient) -> Index:
        """Return the usual index procedure, on the patient's own day 0 if it has one."""
        return (
            self.index if patient.index_date is None else Index(date=patient.index_date, facility=self.index.facility)
        )


def load_patients(path: Path) -> PatientFile:
    """Read and check a patient file.

    Raises
    ------
    PatientFileError
        Naming file, patient and key.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise PatientFileError(f"{path.name} is not valid TOML: {error}") from None
    try:
        return PatientFile.model_validate(raw)
    except ValidationError as error:
        problems = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise PatientFileError(f"{path.name}: {len(problems)} problem(s):\n  " + "\n  ".join(problems)) from None


def full_expectation(name: str, expected: Expected) -> Expected:
    """Add what the name alone promises: `in_` a case of the cohort, `visit_` an outcome, and so on."""
    promised: dict[str, Any] = {}
    if name.startswith("out_"):
        promised["in_cohort"] = False
    else:
        promised["in_cohort"] = True
    if name.startswith("visit_"):
        promised["outcome"] = 1
    if name.startswith("no_visit_"):
        promised["outcome"] = 0
    return expected.model_copy(update=promised)


def name_problem(name: str, patient: Patient) -> str:
    """Return how an expectation contradicts the name of the patient, or nothing."""
    expected = patient.expect
    stated = full_expectation(name, expected)
    if expected.in_cohort not in (None, stated.in_cohort):
        return f"the name promises in_cohort = {stated.in_cohort}"
    if expected.outcome not in (None, stated.outcome):
        return f"the name promises outcome = {stated.outcome}"
    if name.startswith("out_") and expected.excluded_by is None and expected.candidate is not False:
        return "say excluded_by = the id of the exclusion, or candidate = false"
    if not name.startswith("out_") and expected.excluded_by is not None:
        return "only out_ patients can have excluded_by"
    values = [value for each in (expected, *patient.also.values()) for value in each.factor.values()]
    if name.startswith("factor_") and (not values or not any(values)):
        return "the name promises a factor above 0"
    if name.startswith("no_factor_") and (not values or any(values)):
        return "the name promises factors of 0"
    return ""
