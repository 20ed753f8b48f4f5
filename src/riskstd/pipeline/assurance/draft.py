"""A draft of a patient file for a measure: it teaches the format, and its patients pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from riskstd.errors import SpecError
from riskstd.spec import Measure
from riskstd.spec.clauses import (
    AgeBelow,
    ConditionCategory,
    DiagnosisCode,
    Factor,
    NotEnrolledBefore,
    VisitCodes,
)

_SETTINGS = {
    "asc_facility_line": ("asc", "HCPCS"),
    "surgeon_line": ("surgeon", "HCPCS"),
    "hospital_outpatient_line": ("outpatient", "HCPCS"),
    "inpatient_procedure": ("inpatient", "ICD-10-PCS"),
}
_LENGTHS = {"HCPCS": 5, "ICD-10-PCS": 7}
_HEAD = """\
# Invented patients for {id}, and the verdict that the measure must give each.
#
#     riskstd assure THIS_FILE --measure {id}
#
# A patient draws only what matters. Unless drawn otherwise it is a woman born on 1 January 1950 with Parts A and B in
# fee for service throughout, and one qualifying procedure on day 0. Tables have a header; cells stand two or more
# blanks apart. Days are relative to day 0 (+7, 0, -365) or dates. - is a missing cell, blank an empty one, <index> the
# usual code; the table `none` takes the usual rows away.
#
# A name may promise: in_ (in the cohort), out_ (excluded), visit_ and no_visit_ (outcome 1 and 0), factor_ and
# no_factor_ (risk factors above 0 and 0). Any other name needs an `expect`. `clause` says what the patient tests.
schema = 1
measures = ["{id}"]

[index]
date = {date}               # day 0
facility = "1000000001"         # an invented facility
setting = "{setting}"           # what index_lines are: asc, surgeon, outpatient or inpatient

[codes.index]
"{id}" = "{code}"

# ---- cohort

[patient.in_usual]
says = "A patient with nothing but the procedure is in the cohort."
clause = "cohort.codes"
"""
_TOO_YOUNG = """
[patient.out_too_young]
says = "The birthday at which the patient would be old enough is the day after the procedure."
clause = "cohort.exclusions[{id}]"
people = \"\"\"
birth_date
{birth}
\"\"\"
expect = {{ excluded_by = "{id}", age_years = {age} }}
"""
_NOT_ENROLLED = """
[patient.out_month_without_part_b]
says = "One of the months before lacks Part B."
clause = "cohort.exclusions[{id}]"
enrollment = \"\"\"
month  buy_in  hmo
-1     1       0
\"\"\"
expect = {{ excluded_by = "{id}" }}
"""
_ED = """
# ---- outcome

[patient.visit_on_the_last_day]
says = "A visit on the last day of the window counts."
clause = ["outcome", "outcome.visits[{id}]"]
outpatient_lines = \"\"\"
line_date  revenue_code
+{last}         {code}
\"\"\"
expect = {{ visits = ["{type} {last}"] }}

[patient.no_visit_after_the_last_day]
says = "A visit on the day after the window does not."
clause = "outcome"
outpatient_lines = \"\"\"
line_date  revenue_code
+{after}         {code}
\"\"\"
expect = {{ visits = [] }}
"""
_PLANNED = """
# ---- planned admissions

[patient.no_visit_planned_stay]
says = "A stay for maintenance chemotherapy is planned."
clause = "planned_admission"
inpatient_claims = \"\"\"
admission_date  discharge_date  principal_diagnosis
+3              +5              Z5111
\"\"\"
expect = {{ visits = ["inpatient 3"], planned_rule = "PA2", not_counted_because = "planned" }}
"""
_FACTOR = """
# ---- risk factors: `each` makes one patient for each of its values

[patient.factor_{name}]
says = "A diagnosis in the history sets the risk factor."
clause = "risk.factors[{name}]"
each = {{ day = ["-1", "-{days}"] }}
diagnoses = \"\"\"
service_date  code
<day>         {code}
\"\"\"
expect = {{ factor = {{ {name} = 1 }} }}

[patient.no_factor_{name}_too_old]
says = "A diagnosis before the history does not."
clause = ["risk", "risk.factors[{name}]"]
diagnoses = \"\"\"
service_date  code
-{before}          {code}
\"\"\"
expect = {{ factor = {{ {name} = 0 }} }}
"""


def draft_patients(measure: Measure) -> str:
    """Return a patient file for a measure: a few patients of every kind, with words on the format.

    Raises
    ------
    SpecError
        When the measure's list has no qualifying code in the year before its specification year.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> text = draft_patients(load_measure("ASC-17"))
    >>> [line for line in text.splitlines() if line.startswith("measures")]
    ['measures = ["ASC-17"]']
    """
    setting, system = _SETTINGS[measure.definition.cohort.facility_line.rule]
    day = date(measure.spec_year - 1, 3, 15)
    head = _HEAD.format(id=measure.id, date=day, setting=setting, code=_qualifying_code(measure, system, day.year))
    return "".join([head, *_cohort(measure, day), *_outcome(measure), *_factors(measure)])


def _cohort(measure: Measure, day: date) -> Iterator[str]:
    for clause in measure.exclusions:
        if isinstance(clause, AgeBelow) and clause.age_years > 0:
            birth = date(day.year - clause.age_years, day.month, day.day + 1)
            yield _TOO_YOUNG.format(id=clause.id, birth=birth, age=clause.age_years - 1)
        if isinstance(clause, NotEnrolledBefore) and clause.months > 0:
            yield _NOT_ENROLLED.format(id=clause.id)


def _outcome(measure: Measure) -> Iterator[str]:
    last = measure.window[1]
    visit = next((clause for clause in measure.visit_codes if _shows_by_revenue(clause)), None)
    if visit is not None:
        yield _ED.format(id=visit.id, type=visit.type, code=visit.codes[0].split("..")[0], last=last, after=last + 1)
    if measure.definition.outcome.inpatient is not None and measure.window[0] <= 3 <= last:
        yield _PLANNED.format()


def _shows_by_revenue(clause: VisitCodes) -> bool:
    return clause.claims == "outpatient" and clause.code_system == "revenue"


def _factors(measure: Measure) -> Iterator[str]:
    days = measure.definition.risk.history_days
    for factor in measure.factors:
        code = _diagnosis_of(measure, factor)
        if code and days:
            yield _FACTOR.format(name=factor.name, code=code, days=days, before=days + 1)
            return


def _diagnosis_of(measure: Measure, factor: Factor) -> str:
    """Return a code that sets a factor, if diagnoses do: the first whole one that is listed."""
    if isinstance(factor, DiagnosisCode):
        return next((code for code in factor.codes if _is_whole(code)), "")
    if isinstance(factor, ConditionCategory):
        wanted = {str(category) for category in factor.categories}
        rows = (row for clause in measure.condition_maps for row in measure.table(clause.table).rows)
        codes = (code for row in rows if row["category"] in wanted for code in row["codes"].split())
        return next((code for code in codes if _is_whole(code)), "")
    return ""


def _qualifying_code(measure: Measure, system: str, year: int) -> str:
    clause = measure.definition.cohort.codes
    listed = measure.table(clause.table).codes(clause.role, year=year, system=system)
    rows = [row for row in measure.table(clause.table).rows if row["role"] == clause.role and row["system"] == system]
    for code in (code for row in rows for code in row["codes"].split()):
        # A prefix or a range is filled up to a code that it holds.
        whole = code.split("..")[0].removesuffix("*").ljust(_LENGTHS[system], "0")
        if whole in listed:
            return whole
    raise SpecError(
        f"{measure.id}: table {clause.table!r} has no code of {system} with role {clause.role!r} in {year}",
        expected="a qualifying code in the year before the specification year",
    )


def _is_whole(code: str) -> bool:
    return "*" not in code and ".." not in code
