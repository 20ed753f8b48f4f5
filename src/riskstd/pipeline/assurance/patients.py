"""Patient files: invented patients with the verdict that a measure must give.

A file names the measures it holds for, the usual index procedure, and patients. A patient draws only what matters, as
text tables named like the claims tables; `drawing` fills in the rest.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from riskstd.errors import PatientFileError
from riskstd.tables.results import NotCountedBecause, PlannedRule

NONE = "none"
PROMISES = ("in", "out", "visit", "no_visit", "factor", "no_factor")

PatientName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Placeholder = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


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
    not_counted_because: NotCountedBecause | None = None
    factor: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _no_contradiction(self) -> Expected:
        if self.excluded_by is not None and self.in_cohort:
            raise ValueError("excluded_by and in_cohort = true contradict each other")
        if self.candidate is False and (self.in_cohort or self.excluded_by is not None):
            raise ValueError("candidate = false leaves nothing to include or exclude")
        return self

    def with_codes(self, codes: dict[str, str]) -> Expected:
        """Return the expectation with codes in the place of `<placeholders>`."""

        def filled(value: Any) -> Any:
            if isinstance(value, str) and value.startswith("<") and value.endswith(">"):
                return codes.get(value[1:-1], value)
            return tuple(filled(item) for item in value) if isinstance(value, tuple) else value

        return self.model_copy(update={name: filled(value) for name, value in self})

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is expected."""
        return self == Expected()


class Patient(Closed):
    """One invented patient.

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
    each : dict of str to list of str
        Values of placeholders: there is one patient for each, `<code>` stands for it in cells.
    people, enrollment, index_lines, professional_lines : str
    outpatient_lines, inpatient_claims, diagnoses, procedures : str
        Text tables; `none` means no row at all. `index_lines` are lines of the usual index procedure.
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
    each: dict[Placeholder, tuple[str, ...]] = Field(default_factory=dict)
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

    @model_validator(mode="after")
    def _each_of_one_length(self) -> Patient:
        lengths = {len(values) for values in self.each.values()}
        if len(lengths) > 1 or 0 in lengths:
            raise ValueError("the lists of each must have one length, at least 1")
        return self

    @property
    def clauses(self) -> tuple[str, ...]:
        """Clause paths as a tuple."""
        return (self.clause,) if isinstance(self.clause, str) else self.clause

    def variants(self) -> Iterator[dict[str, str]]:
        """Yield the values of the placeholders of each patient that this one stands for."""
        yield from [dict(zip(self.each, values, strict=True)) for values in zip(*self.each.values(), strict=True)] or [
            {}
        ]


class Index(Closed):
    """The index procedure that a patient has unless drawn otherwise.

    `setting` says what `index_lines` are: lines of an ASC or of a surgeon on professional claims, lines of hospital
    outpatient claims, or inpatient claims with a procedure.
    """

    date: date
    facility: str = "1000000001"
    setting: Literal["asc", "surgeon", "outpatient", "inpatient"] = "asc"


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
        return self.index if patient.index_date is None else self.index.model_copy(update={"date": patient.index_date})


def load_patients(path: Path) -> PatientFile:
    """Read and check a patient file.

    Raises
    ------
    PatientFileError
        Naming file, patient and key.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PatientFileError(
            f"{path} cannot be read: {error.strerror}",
            expected="a patient file",
            hint="`riskstd assure --new FILE --measure ID` drafts one",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PatientFileError(f"{path.name} is not valid TOML: {error}") from None
    try:
        return PatientFile.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(e) for e in error.errors()]
        raise PatientFileError(
            f"{path.name}: {len(problems)} problem(s):\n  " + "\n  ".join(problems),
            hint="docs/assure.md names every key; `riskstd assure --new FILE --measure ID` shows them in use",
        ) from None


def _problem(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    words = {"extra_forbidden": "unknown key", "missing": "missing key"}
    said = words.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    return f"{key}: {said}" if key else said


def full_expectation(name: str, expected: Expected) -> Expected:
    """Add what the name alone promises: `in_` a case of the cohort, `visit_` an outcome, and so on."""
    promised: dict[str, Any] = {}
    promise = promise_of(name)
    if promise == "out":
        promised["in_cohort"] = False
    elif promise:
        promised["in_cohort"] = True
    if promise == "visit":
        promised["outcome"] = 1
    if promise == "no_visit":
        promised["outcome"] = 0
    return expected.model_copy(update=promised)


def promise_of(name: str) -> str:
    """Return what a name begins with, if that promises a verdict.

    Examples
    --------
    >>> promise_of("no_visit_on_day_8"), promise_of("mrs_miller")
    ('no_visit', '')
    """
    return next((promise for promise in reversed(PROMISES) if name.startswith(f"{promise}_")), "")


def name_problem(name: str, patient: Patient) -> str:
    """Return how an expectation contradicts the name of the patient, or nothing."""
    expected = patient.expect
    promise = promise_of(name)
    if not promise:
        if expected.is_empty and not patient.also:
            return f"nothing is expected: write expect = {{ ... }}, or begin the name with {', '.join(PROMISES)}"
        return ""
    stated = full_expectation(name, expected)
    if expected.in_cohort not in (None, stated.in_cohort):
        return f"the name promises in_cohort = {str(stated.in_cohort).lower()}"
    if expected.outcome not in (None, stated.outcome):
        return f"the name promises outcome = {stated.outcome}"
    if promise == "out" and expected.excluded_by is None and expected.candidate is not False:
        return "say excluded_by = the id of the exclusion, or candidate = false"
    if promise != "out" and expected.excluded_by is not None:
        return "only out_ patients can have excluded_by"
    values = [value for each in (expected, *patient.also.values()) for value in each.factor.values()]
    if promise == "factor" and (not values or not any(values)):
        return "the name promises a factor above 0"
    if promise == "no_factor" and (not values or any(values)):
        return "the name promises factors of 0"
    return ""
