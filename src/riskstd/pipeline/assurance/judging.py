"""The engine's answer on a delivery of invented patients, as rows that can be looked up by person."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riskstd.claims import Claims
    from riskstd.spec import Measure

Rows = list[dict[str, Any]]
_KEY = ("person_key", "facility_id", "procedure_date")


@dataclass
class Judged:
    """Rows that a run gave, each with `person_key`, `facility_id` and `procedure_date`."""

    procedures: Rows = field(default_factory=list)
    excluded: Rows = field(default_factory=list)
    visits: Rows = field(default_factory=list)
    outcomes: Rows = field(default_factory=list)
    risk_factors: Rows = field(default_factory=list)


def judge(claims: Claims, measure: Measure, *, period: tuple[date, date] | None = None) -> Judged:
    """Run cohort, outcome and risk factors of a measure on claims."""
    from riskstd.cohort import build_cohort
    from riskstd.outcome import find_hospital_visits
    from riskstd.riskfactors import build_risk_factors

    cohort = build_cohort(claims, measure, period=period)
    hospital = find_hospital_visits(claims, cohort, measure)
    risk = build_risk_factors(claims, cohort, measure)
    judged = Judged(procedures=rows_of(cohort.procedures), excluded=rows_of(cohort.excluded))
    keys = {row["procedure_id"]: {name: row[name] for name in _KEY} for row in judged.procedures}
    judged.visits = [{**row, **keys[row["procedure_id"]]} for row in rows_of(hospital.visits)]
    judged.outcomes = [{**row, **keys[row["procedure_id"]]} for row in rows_of(hospital.outcomes)]
    judged.risk_factors = [{**row, **keys[row["procedure_id"]]} for row in rows_of(risk.table)]
    return judged


def rows_of(frame: Any) -> Rows:
    """Return a frame as rows of plain Python values; every kind of missing value is None."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if value is None or value != value:
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.date() if isinstance(value, datetime) else value
