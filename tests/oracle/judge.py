"""The whole flow for a set of claims: candidates, exclusions, visits, outcome, risk factors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from oracle.candidates import Candidate, candidates_of
from oracle.exclusions import Case, first_reason
from oracle.outcome import judged_visits
from oracle.people import Person, Row, people_of
from oracle.riskfactors import Columns, risk_factors, unmapped_codes
from oracle.visits import visits_of
from riskstd.spec import Measure

PROCEDURE_COLUMNS = (
    "person_key",
    "facility_id",
    "procedure_date",
    "codes",
    "index_code",
    "work_rvu",
    "qualifying_procedures",
    "age_years",
    "died_in_window",
    "facilities_same_day",
)


@dataclass
class Judgement:
    """What the measure says about a set of claims; every row carries person, facility and date."""

    procedures: list[dict[str, Any]] = field(default_factory=list)
    excluded: list[dict[str, Any]] = field(default_factory=list)
    attrition: list[dict[str, Any]] = field(default_factory=list)
    visits: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    risk_factors: list[dict[str, Any]] = field(default_factory=list)
    unmapped_codes: list[dict[str, Any]] = field(default_factory=list)


def judge(
    tables: Mapping[str, Iterable[Row]],
    measure: Measure,
    *,
    absent: Collection[str] = (),
    period: tuple[date, date] | None = None,
) -> Judgement:
    """Judge a set of claims under a measure.

    Parameters
    ----------
    tables : mapping of str to list of dict
        Claims tables as declared in `riskstd.tables`, without stays.
    absent : collection of str
        Columns that the source does not have, as `table.column`.
    period : pair of dates, optional
        First and last day of the measurement period.
    """
    judgement = Judgement()
    for person in people_of(tables):
        judge_person(person, measure, absent, period, judgement)
    judgement.attrition = attrition_of(judgement, measure)
    counts = Counter(row.pop("code") for row in judgement.unmapped_codes)
    judgement.unmapped_codes = [{"code": code, "procedures": number} for code, number in counts.items()]
    return judgement


def judge_person(
    person: Person,
    measure: Measure,
    absent: Collection[str],
    period: tuple[date, date] | None,
    judgement: Judgement,
) -> None:
    """Add what the measure says about one person."""
    candidates = candidates_of(person, measure, absent)
    visits = visits_of(person, measure, absent)
    cohort: list[Candidate] = []
    for candidate in candidates:
        reason = first_reason(Case(candidate, person, candidates, visits, measure, absent, period))
        if reason is None:
            cohort.append(candidate)
        else:
            judgement.excluded.append({**procedure_row(candidate), "excluded_by": reason})
    for procedure in cohort:
        row = procedure_row(procedure)
        judgement.procedures.append(row)
        in_window = judged_visits(procedure, cohort, visits, person, measure)
        judgement.visits.extend(in_window)
        outcome = int(any(visit["counted"] for visit in in_window))
        judgement.outcomes.append({**key_of(row), "outcome": outcome})
        columns: Columns = risk_factors(procedure, person, measure, absent)
        judgement.risk_factors.append({**key_of(row), **columns})
        judgement.unmapped_codes += [{"code": code} for code in unmapped_codes(procedure, person, measure)]


def attrition_of(judgement: Judgement, measure: Measure) -> list[dict[str, Any]]:
    """Count the procedures that each rule set aside, from all candidates to the cohort."""
    left = len(judgement.procedures) + len(judgement.excluded)
    rows = []
    for clause in measure.exclusions:
        hits = sum(row["excluded_by"] == clause.id for row in judgement.excluded)
        rows.append({"rule": clause.id, "procedures_before": left, "excluded": hits, "procedures_after": left - hits})
        left -= hits
    return rows


def procedure_row(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as a row."""
    return {name: getattr(candidate, name) for name in PROCEDURE_COLUMNS}


def key_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that tell procedures apart."""
    return {name: row[name] for name in ("person_key", "facility_id", "procedure_date")}
