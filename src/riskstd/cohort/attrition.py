"""Attrition: from the claim lines read to the index procedures, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from riskstd.claims.cut import CutClaims, once
from riskstd.cohort.lines import lines_read
from riskstd.tables import ATTRITION, count_rows, to_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir
    import pandas as pd

    from riskstd.claims import Claims
    from riskstd.cohort.candidates import Candidates
    from riskstd.spec import Measure

LINE, PROCEDURE = "claim line", "procedure"
_READING = "own: rows set aside when the claims are read"


@dataclass(frozen=True)
class Count:
    """Candidate procedures, and those among them dated after the death of the person."""

    procedures: int = 0
    dead_before: int = 0


def count_by_reason(judged: ir.Table) -> dict[str | None, Count]:
    """Count candidates by the rule that excludes them; None for index procedures."""
    counted = judged.group_by("excluded_by").aggregate(procedures=judged.count(), dead_before=judged.dead_before.sum())
    rows = counted.to_pyarrow().to_pylist()
    found = {row["excluded_by"]: Count(int(row["procedures"]), int(row["dead_before"])) for row in rows}
    return {None: Count(), **found}


def attrition_table(
    claims: Claims, measure: Measure, candidates: Candidates, counts: Mapping[str | None, Count]
) -> pd.DataFrame:
    """Return the attrition table; every row's `before` is the row above's `after`."""
    procedures = sum(count.procedures for count in counts.values())
    steps = [*_line_steps(claims, measure, candidates, procedures), *_exclusion_steps(measure, counts)]
    raw = _lines_read(claims, measure)
    rows = [_row(0, "claim_lines_read", _READING, raw, 0, LINE)]
    for rule, source, excluded, unit in steps:
        before = rows[-1]["procedures_after"]
        rows.append(_row(len(rows), rule, source, before, excluded, unit))
    return to_frame(pa.Table.from_pylist(rows, ATTRITION.arrow_schema()))


def _lines_read(claims: Claims, measure: Measure) -> int:
    return _kept_lines(claims, measure) + sum(_set_aside(claims, measure).values())


def _kept_lines(claims: Claims, measure: Measure) -> int:
    before = claims.rows_before if isinstance(claims, CutClaims) else {}
    return sum(before[name] if name in before else count_rows(claims.tables[name]) for name in lines_read(measure))


def _set_aside(claims: Claims, measure: Measure) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in lines_read(measure):
        for reason, n in claims.counts.get("set_aside", {}).get(name, {}).items():
            counts[reason] = counts.get(reason, 0) + int(n)
    return counts


def _line_steps(
    claims: Claims, measure: Measure, candidates: Candidates, procedures: int
) -> list[tuple[str, str, int, str]]:
    cohort = measure.definition.cohort
    lines = _kept_lines(claims, measure)
    of_facilities = candidates.facility_lines
    facility = once(claims, ("count", of_facilities.op()), lambda: count_rows(of_facilities))
    qualifying = count_rows(candidates.qualifying_lines)
    set_aside = [(reason, _READING, n, LINE) for reason, n in sorted(_set_aside(claims, measure).items())]
    return [
        *set_aside,
        ("not_a_facility_line", cohort.facility_line.source, lines - facility, LINE),
        ("code_does_not_qualify", cohort.codes.source, facility - qualifying, LINE),
        ("same_person_day_facility", cohort.record.source, qualifying - procedures, LINE),
    ]


def _exclusion_steps(measure: Measure, counts: Mapping[str | None, Count]) -> list[tuple[str, str, int, str]]:
    none = Count()
    return [
        (clause.id, clause.source, counts.get(clause.id, none).procedures, PROCEDURE) for clause in measure.exclusions
    ]


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
