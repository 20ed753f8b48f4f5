"""The tables that a run of one measure leaves behind."""

from __future__ import annotations

from typing import Literal, get_args

from riskstd.tables.schema import Column, Table

PlannedRule = Literal[
    "never_planned_visit_type",
    "PA1",
    "PA2",
    "PA3",
    "PA4",
    "no_planned_procedure",
    "missing_principal_diagnosis",
]
"""Rule of the planned admission algorithm that decided."""
NotCountedBecause = Literal["planned", "part_of_admission", "belongs_to_later_procedure"]
"""Why a visit does not count for the outcome of a procedure."""

_PROCEDURE = Column("procedure_id", "key", "number of the index procedure within the run", required=True)
_PERSON_ID = Column("person_id", "text", "person identifier of the source", identifying=True)

ATTRITION = Table(
    "attrition",
    "one row per step from the raw input to the cohort",
    (
        Column("step", "integer", "position of the step", required=True),
        Column("rule", "text", "name of the rule", required=True),
        Column("source", "text", "manual page or public source of the rule", required=True),
        Column("procedures_before", "key", "rows before the step", required=True),
        Column("excluded", "key", "rows that the step set aside", required=True),
        Column("procedures_after", "key", "rows after the step", required=True),
        Column("unit", "text", "what a row is", allowed=("claim line", "procedure"), required=True),
    ),
    ("step",),
)

_COHORT_COLUMNS = (
    _PROCEDURE,
    _PERSON_ID,
    Column("facility_id", "text", "NPI of the facility, null if none is on the claim"),
    Column("procedure_date", "date", "day of the index procedure", required=True, identifying=True),
    Column("codes", "text", "qualifying codes of the day at the facility, sorted, blank between"),
    Column("index_code", "text", "qualifying code with the highest work RVU"),
    Column("work_rvu", "real", "work RVU of the index code in the service year", unit="RVU"),
    Column("qualifying_procedures", "integer", "distinct qualifying codes of the day", unit="codes"),
    Column("age_years", "integer", "age in full years on the procedure date", unit="years"),
    Column("died_in_window", "boolean", "died on a day of the outcome window"),
    Column("facilities_same_day", "integer", "facilities with a qualifying procedure of the person that day"),
    Column("claim_id", "text", "first claim that carried the procedure", identifying=True),
)

INDEX_PROCEDURES = Table(
    "index_procedures", "one row per index procedure of the cohort", _COHORT_COLUMNS, ("procedure_id",)
)

EXCLUDED_PROCEDURES = Table(
    "excluded_procedures",
    "one row per candidate procedure that a rule excluded, with the first such rule",
    (
        *_COHORT_COLUMNS,
        Column("excluded_by", "text", "first rule that excluded the procedure", required=True),
    ),
    ("procedure_id",),
)

HOSPITAL_VISITS = Table(
    "hospital_visits",
    "every hospital visit in the outcome window of an index procedure",
    (
        _PROCEDURE,
        Column(
            "visit_type",
            "text",
            "kind of visit",
            allowed=("ed", "observation", "inpatient"),
            required=True,
        ),
        Column("start_date", "date", "first day of the visit", required=True, identifying=True),
        Column("days_after", "integer", "days from the procedure to the visit", unit="days", required=True),
        Column("planned", "boolean", "planned by the planned admission algorithm", required=True),
        Column(
            "planned_rule",
            "text",
            "rule of the algorithm that decided",
            allowed=get_args(PlannedRule),
            required=True,
        ),
        Column("counted", "boolean", "counts for the outcome of this procedure", required=True),
        Column(
            "not_counted_because",
            "text",
            "why the visit does not count, null if it does",
            allowed=get_args(NotCountedBecause),
        ),
        Column("facility_visited", "text", "CCN of the hospital, else its NPI, else null"),
        Column("principal_diagnosis", "text", "principal diagnosis code of the visit"),
        Column("claim_id", "text", "first claim of the visit", identifying=True),
    ),
    ("procedure_id", "start_date", "visit_type", "claim_id"),
)

OUTCOMES = Table(
    "outcomes",
    "the outcome of every index procedure",
    (_PROCEDURE, Column("outcome", "integer", "1 if a hospital visit counts, else 0", required=True)),
    ("procedure_id",),
)

FACILITY_RATES = Table(
    "facility_rates",
    "one row per facility of the model",
    (
        Column("facility_id", "text", "NPI of the facility", required=True),
        Column("cases", "key", "index procedures", unit="procedures", required=True),
        Column("observed", "key", "procedures with a hospital visit", unit="procedures", required=True),
        Column("observed_rate", "real", "observed / cases in the scale of the measure"),
        Column("predicted", "real", "mean predicted probability", unit="probability"),
        Column("expected", "real", "mean expected probability", unit="probability"),
        Column("ratio", "real", "predicted / expected"),
        Column("rate", "real", "ratio x national rate in the scale of the measure"),
        Column("lower", "real", "lower limit of the interval estimate, scale of the measure"),
        Column("upper", "real", "upper limit of the interval estimate, scale of the measure"),
        Column("category", "text", "performance category"),
        Column("reliability", "real", "share of between-facility variance in the score's variance"),
        Column("effect", "real", "facility effect", unit="log odds"),
        Column("effect_se", "real", "standard error of the facility effect", unit="log odds"),
    ),
    ("facility_id",),
)

RESULT_TABLES: tuple[Table, ...] = (
    ATTRITION,
    INDEX_PROCEDURES,
    EXCLUDED_PROCEDURES,
    HOSPITAL_VISITS,
    OUTCOMES,
    FACILITY_RATES,
)
