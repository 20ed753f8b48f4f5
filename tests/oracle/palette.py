"""Codes worth drawing for a measure: listed ones, neighbours of them, and codes that mean nothing."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from oracle.codes import planned_list
from riskstd.spec import CodeTable, load_measure
from riskstd.spec import clauses as c

NEIGHBOUR_REVENUE = ("0453", "0456", "0761", "0300", "0980")
NEIGHBOUR_HCPCS = ("99221", "G0379", "G0385", "99283", "99212")
OTHER_DIAGNOSES = ("Z0000", "K529", "K5730", "U071", "XXX", "E119")
OTHER_PROCEDURES = ("5A1D70Z", "B2111ZZ", "XXXXXXX")


@dataclass(frozen=True)
class Palette:
    """Codes by use; earlier ones are duller."""

    facility_codes: tuple[str, ...]
    revenue_codes: tuple[str, ...]
    visit_hcpcs: tuple[str, ...]
    diagnoses: tuple[str, ...]
    old_diagnoses: tuple[str, ...]
    principal_diagnoses: tuple[str, ...]
    procedures: tuple[str, ...]


@cache
def palette_of(measure_id: str) -> Palette:
    """Return the palette of a measure, the same every time."""
    measure = load_measure(measure_id)
    definition = measure.definition
    pick = random.Random(7)
    codes = definition.cohort.codes
    facility = spread(rows_with(measure.table(codes.table), codes.role), 8, pick)
    diagnoses: list[str] = []
    old: list[str] = []
    for exclusion in definition.cohort.exclusions:
        if isinstance(exclusion, c.ConcurrentCode):
            facility += spread(rows_with(measure.table(exclusion.table), exclusion.role), 2, pick)
        elif isinstance(exclusion, c.DiagnosisPresent):
            table = measure.table(exclusion.table)
            diagnoses += spread(rows_with(table, exclusion.role, "ICD-10-CM"), 2, pick)
            old += spread(rows_with(table, exclusion.role, "ICD-9-CM"), 2, pick)
    for factor in definition.risk.factors:
        if isinstance(factor, c.ConditionCategory):
            for category in factor.categories:
                for clause in definition.risk.condition_maps:
                    diagnoses += spread(category_rows(measure.table(clause.table), str(category)), 1, pick)
        elif isinstance(factor, c.DiagnosisCode):
            diagnoses += spread(factor.codes, 2, pick)
        elif isinstance(factor, c.SameDayCode):
            facility += spread(rows_with(measure.table(factor.table), factor.role), 3, pick)
        elif isinstance(factor, c.ProcedureType):
            for kind in factor.types:
                facility += spread(rows_with(measure.table(factor.table), kind), 1, pick)
    planned = measure.planned_tables[0]
    principal = list(OTHER_DIAGNOSES)
    procedures = list(OTHER_PROCEDURES)
    algorithm = measure.table(planned.table)
    for part in ("PA2", "PA4"):
        listed_categories = planned_list(algorithm, part, "diagnosis_category")
        for category in pick.sample(listed_categories, min(6, len(listed_categories))):
            principal += spread(category_rows(measure.table(planned.diagnosis_categories), category), 1, pick)
        principal += spread(planned_list(algorithm, part, "diagnosis_code"), 4, pick)
    for part in ("PA1", "PA3"):
        listed_categories = planned_list(algorithm, part, "procedure_category")
        for category in pick.sample(listed_categories, min(6, len(listed_categories))):
            procedures += spread(category_rows(measure.table(planned.procedure_categories), category), 1, pick)
        procedures += spread(planned_list(algorithm, part, "procedure_code"), 4, pick)
    visits = definition.outcome.visits
    revenue = [code for v in visits if v.code_system == "revenue" for code in v.codes]
    hcpcs = [code for v in visits if v.code_system == "hcpcs" for code in spread(v.codes, 3, pick)]
    return Palette(
        (*facility, "99999", "45330"),
        (*NEIGHBOUR_REVENUE, *revenue),
        (*NEIGHBOUR_HCPCS, *hcpcs),
        (*OTHER_DIAGNOSES, *diagnoses),
        (*old, "4019"),
        tuple(principal),
        tuple(procedures),
    )


def spread(patterns: Iterable[str], count: int, pick: random.Random) -> list[str]:
    """Return some codes that patterns take: the first and some others, beginnings filled up."""
    patterns = tuple(patterns)
    if not patterns:
        return []
    chosen = [patterns[0], *pick.sample(patterns, min(count - 1, len(patterns)))]
    return [concrete(pattern, pick) for pattern in chosen]


def concrete(pattern: str, pick: random.Random) -> str:
    """Return a code that a pattern takes."""
    if ".." in pattern:
        return pattern.split("..")[1]
    if pattern.endswith("*"):
        return pattern[:-1] + pick.choice(("", "0", "9", "0A"))
    return pattern


def rows_with(table: CodeTable, role: str, system: str | None = None) -> tuple[str, ...]:
    """Return the patterns of a role in any year."""
    rows = [row for row in table.rows if row["role"] == role and system in (None, row["system"])]
    return tuple(pattern for row in rows for pattern in row["codes"].split())


def category_rows(table: CodeTable, category: str) -> tuple[str, ...]:
    """Return the patterns of a category."""
    return tuple(p for row in table.rows if row["category"] == category for p in row["codes"].split())
