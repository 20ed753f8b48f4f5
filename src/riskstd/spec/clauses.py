"""The clauses of a measure definition: typed, closed, each with its source and origin."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from riskstd.errors import SpecError
from riskstd.spec.years import Years

Origin = Literal["cms_public", "reconstructed", "assumed", "user_import"]
Grade = Literal["A", "A-", "B", "C"]
VisitType = Literal["ed", "observation", "inpatient"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
BillType = Annotated[str, Field(pattern=r"^[0-9]{2}$", description="first two characters of the type of bill")]
WholeCode = Annotated[str, Field(pattern=r"^[A-Z0-9]+(\.\.[A-Z0-9]+)?$", description="a code or a range, no prefix")]


class Closed(BaseModel):
    """A part of a definition: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(Closed):
    """A clause that holds only under some values of an option."""

    option: Name
    is_in: tuple[str, ...] = Field(min_length=1)


class Clause(Closed):
    """Something a definition states: one sentence, where it was read, and how sure that is."""

    says: str = Field(min_length=8)
    source: str = Field(min_length=3)
    origin: Origin
    grade: Grade = "A"
    when: Condition | None = None


# ---- cohort ---------------------------------------------------------------------------------


class FacilityLine(Clause):
    """Which professional lines are lines of the facility."""

    rule: Literal["asc_facility_line"]
    type_of_service: tuple[str, ...]
    specialty: tuple[str, ...]
    place_of_service: tuple[str, ...]
    facility_keys: tuple[Literal["billing_npi", "organization_npi", "performing_npi"], ...]


class SurgeonLine(Clause):
    """Which professional lines are those of the surgeon who did a procedure at a place; the unit is the surgeon."""

    rule: Literal["surgeon_line"]
    place_of_service: tuple[str, ...] = Field(min_length=1)
    specialty_not: tuple[str, ...] = ()
    type_of_service_not: tuple[str, ...] = ()
    modifiers_not: tuple[str, ...] = ()
    facility_keys: tuple[Literal["performing_npi"], ...] = Field(min_length=1)


class HospitalOutpatientLine(Clause):
    """Which lines of hospital outpatient claims are lines of procedures; the unit is the hospital."""

    rule: Literal["hospital_outpatient_line"]
    bill_types: tuple[BillType, ...] = Field(min_length=1)
    facility_keys: tuple[Literal["facility_npi", "provider_ccn"], ...] = Field(min_length=1)


class InpatientProcedure(Clause):
    """Procedures (ICD-10-PCS) of inpatient claims, on the day they were done; the unit is the hospital."""

    rule: Literal["inpatient_procedure"]
    bill_types: tuple[BillType, ...] = Field(min_length=1)
    facility_keys: tuple[Literal["facility_npi", "provider_ccn"], ...] = Field(min_length=1)


IndexLine = Annotated[
    FacilityLine | SurgeonLine | HospitalOutpatientLine | InpatientProcedure, Field(discriminator="rule")
]


class QualifyingCodes(Clause):
    """Which codes qualify, by year of service.

    `takes_all_of` names headings (`K50*`) and categories of maps (`ccs_procedures:3`) of which no code may be missing.
    """

    rule: Literal["qualifying_codes"]
    table: Name
    role: Name
    takes_all_of: tuple[str, ...] = ()


class ProcedureRecord(Clause):
    """How lines become one index procedure."""

    rule: Literal["one_procedure_per_person_day_facility"]
    index_code: Literal["highest_work_rvu"]
    work_rvu_table: Name


class ExclusionBase(Clause):
    """A rule that excludes candidates; the order in the file is the order of reasons."""

    id: Name


class OutsidePeriod(ExclusionBase):
    """Not within the measurement period."""

    rule: Literal["outside_period"]


class FacilityUnknown(ExclusionBase):
    """No facility key on the claim."""

    rule: Literal["facility_unknown"]


class DiscontinuedModifier(ExclusionBase):
    """Discontinued before or after anesthesia."""

    rule: Literal["discontinued_modifier"]
    modifiers: tuple[str, ...] = Field(min_length=1)


class PersonUnknown(ExclusionBase):
    """No beneficiary record with a birth date."""

    rule: Literal["person_unknown"]


class AgeBelow(ExclusionBase):
    """Too young on the procedure date."""

    rule: Literal["age_below"]
    age_years: int = Field(ge=0, le=120)


class NotEnrolledBefore(ExclusionBase):
    """Not in Parts A and B, fee for service, in the months before and the index month."""

    rule: Literal["not_enrolled_before"]
    months: int = Field(ge=0, le=120)
    buy_in: tuple[str, ...] = Field(min_length=1)
    hmo: tuple[str, ...] = Field(min_length=1)


class NotEnrolledAfter(ExclusionBase):
    """Alive through the window and not enrolled in its months."""

    rule: Literal["not_enrolled_after"]
    last_day: int = Field(ge=0, le=3650)
    buy_in: tuple[str, ...] = Field(min_length=1)
    hmo: tuple[str, ...] = Field(min_length=1)


class ConcurrentCode(ExclusionBase):
    """A listed code on a facility line of the same person and day."""

    rule: Literal["concurrent_code"]
    table: Name
    role: Name


class DiagnosisPresent(ExclusionBase):
    """A listed diagnosis in the history, on the index day, on the index claim or at a visit in the window.

    The index claim matters for inpatient procedures, whose diagnoses are dated by the discharge.
    """

    rule: Literal["diagnosis_present"]
    table: Name
    role: Name
    takes_all_of: tuple[str, ...] = ()
    history_days: int = Field(ge=0, le=3650)
    index_day: bool
    index_claim: bool = False
    visit_in_window: bool


class FollowedByProcedure(ExclusionBase):
    """Another candidate of the person within some days."""

    rule: Literal["followed_by_procedure"]
    within_days: int = Field(ge=1, le=3650)


Exclusion = Annotated[
    OutsidePeriod
    | FacilityUnknown
    | DiscontinuedModifier
    | PersonUnknown
    | AgeBelow
    | NotEnrolledBefore
    | NotEnrolledAfter
    | ConcurrentCode
    | DiagnosisPresent
    | FollowedByProcedure,
    Field(discriminator="rule"),
]


class Cohort(Closed):
    """Which procedures are index procedures."""

    facility_line: IndexLine
    further_lines: tuple[IndexLine, ...] = ()
    codes: QualifyingCodes
    record: ProcedureRecord
    exclusions: tuple[Exclusion, ...] = Field(min_length=1)


# ---- outcome --------------------------------------------------------------------------------


class VisitCodes(Clause):
    """Codes on claim lines that show an ED visit or an observation stay."""

    id: Name
    type: Literal["ed", "observation"]
    claims: Literal["outpatient", "professional"]
    code_system: Literal["revenue", "hcpcs"]
    codes: tuple[WholeCode, ...] = Field(min_length=1)
    bill_types: tuple[BillType, ...] = ()
    valid_to: date | None = None

    @model_validator(mode="after")
    def _asks_what_the_lines_have(self) -> VisitCodes:
        if self.claims == "professional" and (self.bill_types or self.code_system == "revenue"):
            raise ValueError("professional lines have no bill types and no revenue codes: use claims = 'outpatient'")
        return self


class InpatientVisit(Clause):
    """Which inpatient claims make a stay a hospital visit."""

    rule: Literal["acute_or_critical_access"]
    bill_types: tuple[BillType, ...]
    ccn_third: tuple[str, ...]
    ccn_third_fourth: tuple[str, ...]


class EdOnPlannedStay(Clause):
    """Whether an ED line on a planned stay counts as an ED visit."""

    rule: Literal["ed_on_planned_stay"]
    revenue_codes: tuple[WholeCode, ...] = Field(min_length=1)


class IndexStay(Clause):
    """The stay in which the index procedure was done is no visit."""

    rule: Literal["index_stay_is_no_visit"]


class Attribution(Clause):
    """To which of two index procedures within the window a visit belongs."""

    rule: Literal["latest_procedure_on_or_before_visit"]


class Outcome(Clause):
    """The outcome window and the visits that count in it.

    `planned` says what becomes of planned admissions: they are dropped, or counted as any other visit.
    """

    first_day: int = Field(ge=0, le=3650)
    last_day: int = Field(ge=0, le=3650)
    planned: Literal["drop", "count"] = "drop"
    visits: tuple[VisitCodes, ...]
    inpatient: InpatientVisit | None = None
    index_stay: IndexStay | None = None
    ed_on_planned_stay: EdOnPlannedStay | None = None
    attribution: Attribution

    @model_validator(mode="after")
    def _window_runs_forward(self) -> Outcome:
        if self.inpatient is None and not self.visits:
            raise ValueError("neither visits nor inpatient: nothing can be an outcome")
        if self.last_day < self.first_day:
            raise ValueError(f"last_day {self.last_day} is before first_day {self.first_day}")
        return self


class PlannedTables(Clause):
    """One version of the tables of the planned admission algorithm, for admissions of some years."""

    id: Name
    version: str
    table: Name
    diagnosis_categories: Name
    procedure_categories: Name
    newer_codes: Name | None = None
    admission_years: str = ""

    @field_validator("admission_years")
    @classmethod
    def _years_can_be_read(cls, text: str) -> str:
        try:
            Years.of(text)
        except SpecError as error:
            raise ValueError(error.found) from None
        return text


class PlannedAdmission(Clause):
    """The planned admission algorithm and the versions of its tables."""

    rule: Literal["planned_admission_algorithm"]
    tables: tuple[PlannedTables, ...] = Field(min_length=1)
    missing_principal: Clause


# ---- risk factors ---------------------------------------------------------------------------


class FactorBase(Clause):
    """One risk variable of the model; `source` is where it is named."""

    name: Name
    label: str
    values_source: str = ""
    values_origin: Origin | None = None
    values_grade: Grade | None = None


class AgeBands(FactorBase):
    """Age in classes; the first is the reference."""

    kind: Literal["age_bands"]
    lower_bounds: tuple[int, ...] = Field(min_length=2)


class YearsOver(FactorBase):
    """Years of age above a start."""

    kind: Literal["years_over"]
    start_years: int


class ConditionCategory(FactorBase):
    """Any of some condition categories."""

    kind: Literal["condition_category"]
    categories: tuple[int, ...] = Field(min_length=1)


class DiagnosisCode(FactorBase):
    """Any of some ICD-10-CM codes."""

    kind: Literal["diagnosis_code"]
    codes: tuple[str, ...] = Field(min_length=1)
    takes_all_of: tuple[str, ...] = ()


class SameDayCode(FactorBase):
    """A listed procedure code on a facility line of the same person and day."""

    kind: Literal["same_day_code"]
    table: Name
    role: Name


class WorkRvu(FactorBase):
    """Work RVU of the index code."""

    kind: Literal["work_rvu"]


class ProcedureCount(FactorBase):
    """Number of qualifying procedures in classes; 1 is the reference."""

    kind: Literal["procedure_count"]
    lower_bounds: tuple[int, ...] = Field(min_length=2)


class ProcedureType(FactorBase):
    """Type of the index code; one is the reference."""

    kind: Literal["procedure_type"]
    table: Name
    types: tuple[Name, ...] = Field(min_length=1)
    reference: Name


class Interaction(FactorBase):
    """Products of the columns of two factors."""

    kind: Literal["interaction"]
    factors: tuple[Name, Name]


Factor = Annotated[
    AgeBands
    | YearsOver
    | ConditionCategory
    | DiagnosisCode
    | SameDayCode
    | WorkRvu
    | ProcedureCount
    | ProcedureType
    | Interaction,
    Field(discriminator="kind"),
]


class ConditionMap(Clause):
    """A table that maps ICD-10-CM codes to condition categories, for procedures of some years."""

    table: Name
    only_codes_without_category: bool = False
    service_years: str = Field(default="", pattern=r"^[0-9 -]*$")


class ComplicationOfCare(Clause):
    """Categories that count only from history, since they may be complications of care."""

    categories: tuple[int, ...]


class IndexDayClaims(Clause):
    """Kinds of claims whose diagnoses of the procedure day count."""

    settings: tuple[Literal["inpatient", "outpatient", "professional"], ...] = Field(min_length=1)


class RiskFactors(Clause):
    """Where conditions come from, and the variables of the model."""

    history_days: int = Field(ge=0, le=3650)
    index_day_claims: tuple[IndexDayClaims, ...] = ()
    settings: tuple[Literal["inpatient", "outpatient", "professional"], ...] = Field(min_length=1)
    numbering: Literal["V22"]
    condition_maps: tuple[ConditionMap, ...] = ()
    complication_of_care: tuple[ComplicationOfCare, ...]
    factors: tuple[Factor, ...] = Field(min_length=1)


# ---- score ----------------------------------------------------------------------------------


class Scale(Clause):
    """Unit of the published score."""

    kind: Literal["per_1000", "percent", "ratio"]
    unit: str
    decimals: int = Field(ge=0, le=6)


class Labels(Closed):
    """Words of the performance categories."""

    better: str
    no_different: str
    worse: str
    too_few: str


class Categories(Clause):
    """Performance categories: words, smallest case count, interval levels."""

    labels: Labels
    minimum_cases: int = Field(ge=1)
    display_level: float = Field(gt=0, lt=1)
    category_level: float = Field(gt=0, lt=1)
    comparator: Literal["national_rate", "one"]
    caution: str = ""


class Interval(Clause):
    """How the interval estimate is made."""

    rule: Literal["facility_bootstrap"]
    replicates: int = Field(ge=1)


class NationalRate(Clause):
    """The rate that the ratio is multiplied with."""

    rule: Literal["crude_rate_of_all_cases"]


class Score(Clause):
    """From the model to the published score."""

    scale: tuple[Scale, ...] = Field(min_length=1)
    categories: Categories
    interval: Interval
    national_rate: NationalRate


class Option(Clause):
    """A choice where sources conflict, with the default and why."""

    default: str
    choices: tuple[str, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _default_is_a_choice(self) -> Option:
        if self.default not in self.choices:
            raise ValueError(f"default {self.default!r} is not among the choices {self.choices}")
        return self
