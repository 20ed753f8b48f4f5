"""Risk factors of one case: each column's value, and the lines or facts that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from riskstd.codes import CodeSet
from riskstd.pipeline.tracing.exclusions import age_in_years
from riskstd.spec.clauses import (
    AgeBands,
    ConditionCategory,
    DiagnosisCode,
    Interaction,
    ProcedureCount,
    ProcedureType,
    SameDayCode,
    WorkRvu,
    YearsOver,
)
from riskstd.spec.definition import columns_of
from riskstd.spec.years import Years

if TYPE_CHECKING:
    from riskstd.pipeline.tracing.case import Case
    from riskstd.pipeline.tracing.evidence import Decision


def near_diagnoses(case: Case) -> list[dict[str, Any]]:
    """Return the ICD-10 diagnoses of look-back and index day, with their categories and the maps that gave them."""
    risk = case.measure.definition.risk
    found = []
    for row in case.claims.rows("diagnoses"):
        before = -case.after(row["service_date"])
        if row["icd_version"] != 10 or row["setting"] not in risk.settings or not 0 <= before <= risk.history_days:
            continue
        in_history = before > 0
        on_index_day = before == 0 and row["setting"] in case.measure.index_day_settings
        if in_history or on_index_day:
            categories, maps = _categories(case, row["code"])
            found.append(
                {
                    "line": case.evidence.cite("diagnoses", row),
                    "code": row["code"],
                    "days_before": before,
                    "in_history": in_history,
                    "categories": categories,
                    "mapped_by": maps,
                }
            )
    return sorted(found, key=lambda d: (d["days_before"], d["code"]))


def decide_factors(case: Case, diagnoses: list[dict[str, Any]]) -> list[Decision]:
    """Return the decision on every risk factor in force; `answer` holds the value of each of its columns."""
    decisions: list[Decision] = []
    values: dict[str, dict[str, float]] = {}
    for factor in case.measure.factors:
        if not isinstance(factor, Interaction):
            decision = _decide(case, factor, diagnoses)
            decisions.append(decision)
            values[factor.name] = decision.answer
    for factor in case.measure.factors:
        if isinstance(factor, Interaction):
            first, second = (values[name] for name in factor.factors)
            product = {f"{a}_x_{b}": first[a] * second[b] for a in first for b in second}
            decisions.append(case.ask.decide(factor, product))
    order = {case.ask.path(factor): position for position, factor in enumerate(case.measure.factors)}
    return sorted(decisions, key=lambda decision: order[decision.clause])


def _decide(case: Case, factor: Any, diagnoses: list[dict[str, Any]]) -> Decision:
    match factor:
        case ConditionCategory() | DiagnosisCode():
            return _condition(case, factor, diagnoses)
        case SameDayCode():
            hits = [line for line in case.lines_of_day if case.is_listed(line, factor.table, factor.role)]
            codes = [
                {"line": case.cite([line])[0], "code": line.code, "listed": line in hits} for line in case.lines_of_day
            ]
            return case.ask.decide(factor, {factor.name: int(bool(hits))}, case.cite(hits), codes_of_the_day=codes)
        case WorkRvu():
            value, code = case.procedure["work_rvu"], case.procedure["index_code"]
            return case.ask.decide(factor, {factor.name: value}, case.cite(case.own_lines), index_code=code)
        case ProcedureCount():
            count = case.procedure["qualifying_procedures"]
            return case.ask.decide(
                factor, _bands(factor, count), case.cite(case.own_lines), qualifying_procedures=count
            )
        case ProcedureType():
            return _type(case, factor)
        case _:
            return _age(case, factor)


def _age(case: Case, factor: AgeBands | YearsOver) -> Decision:
    birth = None if case.person is None else case.person["birth_date"]
    age = None if birth is None else age_in_years(birth, case.day)
    lines = [] if case.person is None else [case.evidence.cite("people", case.person)]
    if isinstance(factor, YearsOver):
        values: dict[str, Any] = {factor.name: None if age is None else age - factor.start_years}
    else:
        values = _bands(factor, age)
    return case.ask.decide(factor, values, lines, birth_date=birth, procedure_date=case.day, age_years=age)


def _bands(factor: AgeBands | ProcedureCount, value: int | None) -> dict[str, Any]:
    lows = factor.lower_bounds[1:]
    highs = [*(low - 1 for low in lows[1:]), None]
    return {
        column: None if value is None else int(value >= low and (high is None or value <= high))
        for column, low, high in zip(columns_of(factor), lows, highs, strict=True)
    }


def _type(case: Case, factor: ProcedureType) -> Decision:
    code, table = case.procedure["index_code"], case.measure.table(factor.table)
    held_by = [kind for kind in factor.types if code is not None and code in table.codes(kind)]
    values = {f"{factor.name}_{kind}": int(kind in held_by) for kind in factor.types if kind != factor.reference}
    return case.ask.decide(factor, values, case.cite(case.own_lines), index_code=code, types_of_code=held_by)


def _condition(case: Case, factor: ConditionCategory | DiagnosisCode, diagnoses: list[dict[str, Any]]) -> Decision:
    carried = []
    for diagnosis in diagnoses:
        if isinstance(factor, DiagnosisCode):
            hit = diagnosis["code"] in CodeSet.of(factor.codes)
            by: list[int] = []
        else:
            own = set(diagnosis["categories"]) & set(factor.categories)
            if not diagnosis["in_history"]:
                own -= case.measure.complication_categories
            hit, by = bool(own), sorted(own)
        if hit:
            carried.append(
                {**{k: diagnosis[k] for k in ("line", "code", "days_before", "mapped_by")}, "categories": by}
            )
    return case.ask.decide(factor, {factor.name: int(bool(carried))}, [c["line"] for c in carried], carried_by=carried)


def _categories(case: Case, code: str) -> tuple[list[int], list[str]]:
    """Return the condition categories of a code in the year of the procedure, and the paths of the maps."""
    clauses = case.measure.condition_maps
    year = case.day.year if any(clause.service_years for clause in clauses) else None
    found: set[int] = set()
    by: list[str] = []
    for clause in clauses:
        if year is not None and year not in Years.of(clause.service_years):
            continue
        if clause.only_codes_without_category and found:
            continue
        own = {int(category) for category in case.measure.table(clause.table).category_map().categories(code)}
        by += [case.ask.path(clause)] if own - found else []
        found |= own
    return sorted(found), by
