"""Sheets with persons: the cases of a facility, and every hospital visit after them."""

from __future__ import annotations

from typing import Any

import numpy as np

from riskstd.report.cases import Cases
from riskstd.report.wording import sentence
from riskstd.report.workbook.own import Own, as_words
from riskstd.report.workbook.sheet import NOT_APPLICABLE, Cell, Field, Sheet, as_date
from riskstd.tables import HOSPITAL_VISITS, INDEX_PROCEDURES, OUTCOMES, Table

COEFFICIENT_LABEL = "Coefficient (log odds)"
EXPECTED_HEADER = "Expected (probability)"
PREDICTED_HEADER = "Predicted (probability)"
_HOW_TO_READ = (
    "To recompute a probability: multiply each risk factor of a case by the coefficient above it, add the products and",
    "the intercept above the column of the probability, and take 1 / (1 + exp(-sum)).",
    "The mean of a column of probabilities is the figure in sheet Results; predicted / expected is the ratio.",
    "The intercept above the expected column is that of an average facility; above the predicted one, of this one.",
    "Visit columns hold the first visit that counts; if none counts, the first visit; N/A if there is none.",
    "Sheet Case visits has all visits.",
)
_NO_VISIT: tuple[Cell, ...] = (NOT_APPLICABLE,) * 9


def cases_sheet(own: Own) -> Sheet:
    """One row per case: what happened, its risk factors, and its probabilities.

    The row above the headers holds the coefficient of each risk factor, the average intercept above the
    expected probability, and the facility's own intercept above the predicted one.
    """
    cases, model = own.cases, own.content.model
    assert model is not None
    facts = _facts(cases)
    mu = float(model["mu"])
    effect = float(own.shared.rates["effect"][own.place])
    factors = [
        Field(f.label, f"{f.label}: {_factor_words(f.is_flag)}.", "key" if f.is_flag else "real2", 13)
        for f in cases.factors
    ]
    x = cases.X.tolist()
    rows = [
        [*fact, *values, expected, predicted]
        for fact, values, expected, predicted in zip(
            facts, x, cases.expected.tolist(), cases.predicted.tolist(), strict=True
        )
    ]
    above: list[Cell] = [COEFFICIENT_LABEL, *[""] * (len(CASE_FIELDS) - 1)]
    above += [factor.beta for factor in cases.factors]
    above += [mu, mu + effect]
    return Sheet(
        "Cases",
        "Cases of this facility",
        (*CASE_FIELDS, *factors, *PROBABILITY_FIELDS),
        rows,
        intro="Protected health information. The row above the headers holds coefficients and intercepts.",
        above=above,
        notes=_HOW_TO_READ,
        frozen_columns=1,
        holds="One row per case with outcome, visit, risk factors and probabilities, to recompute the score from.",
    )


def visits_of_cases_sheet(own: Own) -> Sheet:
    """One row per hospital visit after a case, whether it counts or not."""
    visits = own.cases.visits
    order = _in_time(visits)
    columns = _visit_columns(visits)
    rows = [[columns[name][k] for name in columns] for k in order.tolist()]
    return Sheet(
        "Case visits",
        "Hospital visits after the cases of this facility",
        VISIT_FIELDS,
        rows,
        intro="Protected health information. Every visit in the window, with the reason why it does not count.",
        notes=("The case number links a visit to sheet Cases.",),
        frozen_columns=1,
        holds="One row per hospital visit after a case, with the reason why it does not count.",
    )


def _facts(cases: Cases) -> list[list[Cell]]:
    """Columns of each case before its risk factors."""
    table = cases.procedures
    visits = cases.visits
    columns = _visit_columns(visits)
    chosen, number = _main_visits(visits), visits["procedure_id"].to_numpy()
    how_many = (
        dict(zip(*(a.tolist() for a in np.unique(number, return_counts=True)), strict=True)) if len(number) else {}
    )
    own_columns = [
        table["procedure_id"].tolist(),
        as_words(table["person_id"].tolist()),
        [as_date(day) for day in table["procedure_date"].tolist()],
        as_words(table["index_code"].tolist()),
        as_words(table["codes"].tolist()),
        table["age_years"].tolist(),
        cases.outcome.tolist(),
    ]
    visit_columns = [values for name, values in columns.items() if name != "procedure_id"]
    rows = []
    for fact in zip(*own_columns, strict=True):
        place = chosen.get(fact[0])
        visit = _NO_VISIT if place is None else tuple(values[place] for values in visit_columns)
        rows.append([*fact, how_many.get(fact[0], 0), *visit])
    return rows


def _visit_columns(visits: Any) -> dict[str, list[Any]]:
    """Columns of `hospital_visits` as they are shown."""
    counted = visits["counted"].to_numpy(bool)
    reasons = as_words(visits["not_counted_because"].tolist())
    return {
        "procedure_id": visits["procedure_id"].tolist(),
        "visit_type": as_words(visits["visit_type"].tolist()),
        "start_date": [as_date(day) for day in visits["start_date"].tolist()],
        "days_after": visits["days_after"].tolist(),
        "facility_visited": as_words(visits["facility_visited"].tolist()),
        "principal_diagnosis": as_words(visits["principal_diagnosis"].tolist()),
        "planned": ["yes" if planned else "no" for planned in visits["planned"].tolist()],
        "planned_rule": as_words(visits["planned_rule"].tolist()),
        "counted": ["yes" if count else "no" for count in counted.tolist()],
        "not_counted_because": [NOT_APPLICABLE if c else reason for c, reason in zip(counted, reasons, strict=True)],
    }


def _in_time(visits: Any) -> Any:
    """Visits in the order of their case, day and kind, whatever the order of the table."""
    words = ("claim_id", "principal_diagnosis", "facility_visited", "planned_rule", "visit_type")
    keys = [np.array(as_words(visits[name].tolist()), dtype=str) for name in words]
    return np.lexsort((*keys, visits["days_after"].to_numpy(), visits["procedure_id"].to_numpy()))


def _main_visits(visits: Any) -> dict[int, int]:
    """Place of the first visit that counts of each case, else of its first visit."""
    order = _in_time(visits)
    counted = visits["counted"].to_numpy(bool)
    order = order[np.argsort(~counted[order], kind="stable")]
    chosen: dict[int, int] = {}
    for place, number in zip(order.tolist(), visits["procedure_id"].to_numpy()[order].tolist(), strict=True):
        chosen.setdefault(number, place)
    return chosen


def _factor_words(is_flag: bool) -> str:
    return "1 if the case has it, else 0" if is_flag else "a number"


def _meaning(table: Table, column: str) -> str:
    return sentence(table.column(column).meaning)


def _field(table: Table, column: str, header: str, style: str = "text", width: float = 14.0) -> Field:
    return Field(header, _meaning(table, column), style, width)


_VISIT = (
    _field(HOSPITAL_VISITS, "visit_type", "Visit type"),
    _field(HOSPITAL_VISITS, "start_date", "Visit date (yyyy-mm-dd)", "date"),
    _field(HOSPITAL_VISITS, "days_after", "Days after the procedure (days)", "key"),
    _field(HOSPITAL_VISITS, "facility_visited", "Facility visited (CCN or NPI)"),
    _field(HOSPITAL_VISITS, "principal_diagnosis", "Principal diagnosis (ICD-10-CM)"),
    _field(HOSPITAL_VISITS, "planned", "Planned (yes / no)"),
    _field(HOSPITAL_VISITS, "planned_rule", "Planned admission rule", width=22),
    _field(HOSPITAL_VISITS, "counted", "Counts (yes / no)"),
    _field(HOSPITAL_VISITS, "not_counted_because", "Why it does not count", width=22),
)
CASE_FIELDS = (
    _field(INDEX_PROCEDURES, "procedure_id", "Case (number)", "key", 22),
    _field(INDEX_PROCEDURES, "person_id", "Person (identifier)", width=20),
    _field(INDEX_PROCEDURES, "procedure_date", "Procedure date (yyyy-mm-dd)", "date"),
    _field(INDEX_PROCEDURES, "index_code", "Index code (CPT / HCPCS)"),
    _field(INDEX_PROCEDURES, "codes", "Qualifying codes of the day", width=18),
    _field(INDEX_PROCEDURES, "age_years", "Age (years)", "key"),
    _field(OUTCOMES, "outcome", "Outcome (1 = visit, 0 = none)", "key"),
    Field("Visits in the window (visits)", "Hospital visits after the case, whether they count or not.", "key", 14),
    *_VISIT,
)
PROBABILITY_FIELDS = (
    Field(EXPECTED_HEADER, "Probability of a visit at an average facility.", "real6", 14),
    Field(PREDICTED_HEADER, "Probability of a visit at this facility.", "real6", 14),
)
VISIT_FIELDS = (_field(HOSPITAL_VISITS, "procedure_id", "Case (number)", "key", 22), *_VISIT)
