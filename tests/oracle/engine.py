"""The engine's answer in the shape of the oracle's, so that the two can be compared row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

from oracle.judge import PROCEDURE_COLUMNS, Judgement, key_of
from oracle.people import Row
from riskstd.claims import Claims
from riskstd.pipeline.assurance.judging import rows_of
from riskstd.spec import Measure

VISIT_COLUMNS = (
    "visit_type",
    "start_date",
    "days_after",
    "planned",
    "planned_rule",
    "counted",
    "not_counted_because",
    "principal_diagnosis",
)


def run_engine(
    tables: Mapping[str, Iterable[Row]],
    measure: Measure,
    *,
    absent: Collection[str] = (),
    period: tuple[date, date] | None = None,
) -> Judgement:
    """Run cohort, outcome and risk factors of the engine on claims given as rows."""
    from riskstd.cohort import build_cohort
    from riskstd.outcome import find_hospital_visits
    from riskstd.riskfactors import build_risk_factors

    claims = Claims.from_frames({name: list(rows) for name, rows in tables.items() if rows}, absent=absent)
    days = None if period is None else (period[0].isoformat(), period[1].isoformat())
    cohort = build_cohort(claims, measure, period=days)
    hospital = find_hospital_visits(claims, cohort, measure)
    risk = build_risk_factors(claims, cohort, measure)

    judgement = Judgement()
    key_of_procedure: dict[Any, dict[str, Any]] = {}
    for row in rows_of(cohort.procedures):
        key_of_procedure[row["procedure_id"]] = key_of(row)
        judgement.procedures.append({name: row[name] for name in PROCEDURE_COLUMNS})
    for row in rows_of(cohort.excluded):
        judgement.excluded.append({name: row[name] for name in (*PROCEDURE_COLUMNS, "excluded_by")})
    for row in rows_of(cohort.attrition):
        if row["rule"] in {clause.id for clause in measure.exclusions}:
            names = ("rule", "procedures_before", "excluded", "procedures_after")
            judgement.attrition.append({name: row[name] for name in names})
    for row in rows_of(hospital.visits):
        key = key_of_procedure[row["procedure_id"]]
        judgement.visits.append({**key, **{name: row[name] for name in VISIT_COLUMNS}})
    for row in rows_of(hospital.outcomes):
        judgement.outcomes.append({**key_of_procedure[row["procedure_id"]], "outcome": row["outcome"]})
    for row in rows_of(risk.table):
        columns = {name: row[name] for name in measure.factor_columns}
        judgement.risk_factors.append({**key_of_procedure[row["procedure_id"]], **columns})
    for row in rows_of(risk.unmapped_codes):
        judgement.unmapped_codes.append({name: row[name] for name in ("code", "procedures")})
    return judgement
