"""Attrition: from the claim lines read to the index procedures, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from riskstd.claims.cut import CutClaims
from riskstd.tables import ATTRITION, count_rows, to_frame

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from riskstd.claims import Claims
    from riskstd.cohort.candidates import Candidates
    from riskstd.spec import Measure

LINE, PROCEDURE = "claim line", "procedure"
_READING = "own: rows set aside when the claims are read"


def attrition_table(claims: Claims, measure: Measure, candidates: Candidates, reasons: ir.Table) -> pd.DataFrame:
    """Return the attrition table; every row's `before` is the row above's `after`."""
    steps = [*_line_steps(claims, measure, candidates), *_exclusion_steps(measure, reasons)]
    raw = _lines_read(claims)
    rows = [_row(0, "claim_lines_read", _READING, raw, 0, LINE)]
    for rule, source, excluded, unit in steps:
        before = rows[-1]["procedures_after"]
        rows.append(_row(len(rows), rule, source, before, excluded, unit))
    return to_frame(pa.Table.from_pylist(rows, ATTRITION.arrow_schema()))


def _lines_read(claims: Claims) -> int:
    return _kept_lines(claims) + sum(_set_aside(claims).values())


def _kept_lines(claims: Claims) -> int:
    return claims.lines_before if isinstance(claims, CutClaims) else count_rows(claims.professional_lines)


def _set_aside(claims: Claims) -> dict[str, int]:
    counts = claims.counts.get("set_aside", {}).get("professional_lines", {})
    return {reason: int(n) for reason, n in counts.items()}


def _line_steps(claims: Claims, measure: Measure, candidates: Candidates) -> list[tuple[str, str, int, str]]:
    cohort = measure.definition.cohort
    lines = _kept_lines(claims)
    facility = count_rows(candidates.facility_lines)
    qualifying = count_rows(candidates.qualifying_lines)
    procedures = count_rows(candidates.procedures)
    set_aside = [(reason, _READING, n, LINE) for reason, n in sorted(_set_aside(claims).items())]
    return [
        *set_aside,
        ("not_a_facility_line", cohort.facility_line.source, lines - facility, LINE),
        ("code_does_not_qualify", cohort.codes.source, facility - qualifying, LINE),
        ("same_person_day_facility", cohort.record.source, qualifying - procedures, LINE),
    ]


def _exclusion_steps(measure: Measure, reasons: ir.Table) -> list[tuple[str, str, int, str]]:
    counted = reasons.group_by("excluded_by").aggregate(procedures=reasons.count()).to_pyarrow().to_pylist()
    counts = {row["excluded_by"]: row["procedures"] for row in counted}
    return [(clause.id, clause.source, counts.get(clause.id, 0), PROCEDURE) for clause in measure.exclusions]


def _row(step: int, rule: str, source: str, before: int, excluded: int, unit: str) -> dict[str, object]:
    return {
        "step": step,
        "rule": rule,
        "source": source,
        "procedures_before": before,
        "excluded": excluded,
        "procedures_after": before - excluded,
        "unit": unit,
    }
