"""Risk factors of one procedure (measure-logic section 4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from oracle.candidates import Candidate, asc_lines_of_day
from oracle.codes import any_takes, categories_of, listed
from oracle.people import Person, days_between
from riskstd.spec import Measure
from riskstd.spec import clauses as c

Columns = dict[str, float | int | None]


def risk_factors(procedure: Candidate, person: Person, measure: Measure, absent: Collection[str]) -> Columns:
    """Return every column of the risk-factor table for one procedure."""
    history = codes_of_days(procedure, person, measure, 1, measure.definition.risk.history_days)
    index_day = codes_of_index_day(procedure, person, measure)
    row: Columns = {}
    columns_of: dict[str, list[str]] = {}
    for factor in measure.factors:
        before = set(row)
        if isinstance(factor, c.AgeBands):
            row.update(classes(factor.name, procedure.age_years, factor.lower_bounds))
        elif isinstance(factor, c.YearsOver):
            age = procedure.age_years
            row[factor.name] = None if age is None else age - factor.start_years
        elif isinstance(factor, c.ConditionCategory):
            row[factor.name] = int(has_condition(factor, history, index_day, measure))
        elif isinstance(factor, c.DiagnosisCode):
            row[factor.name] = int(any(any_takes(factor.codes, code) for code in history | index_day))
        elif isinstance(factor, c.SameDayCode):
            row[factor.name] = int(has_code_of_day(factor, procedure, person, measure, absent))
        elif isinstance(factor, c.WorkRvu):
            row[factor.name] = procedure.work_rvu
        elif isinstance(factor, c.ProcedureCount):
            row.update(classes(factor.name, procedure.qualifying_procedures, factor.lower_bounds))
        elif isinstance(factor, c.ProcedureType):
            row.update(types(factor, procedure, measure))
        columns_of[factor.name] = [name for name in row if name not in before]
    for factor in measure.factors:
        if isinstance(factor, c.Interaction):
            one, other = factor.factors
            for a in columns_of[one]:
                for b in columns_of[other]:
                    row[f"{a}_x_{b}"] = (row[a] or 0) * (row[b] or 0)
    return row


def codes_of_days(
    procedure: Candidate, person: Person, measure: Measure, first_before: int, last_before: int
) -> set[str]:
    """Return the ICD-10 diagnoses with a service date so many days before the procedure."""
    codes = set()
    for row in person.diagnoses:
        days_before = days_between(row["service_date"], procedure.procedure_date)
        if (
            row["setting"] in measure.definition.risk.settings
            and row["icd_version"] == 10
            and first_before <= days_before <= last_before
        ):
            codes.add(row["code"])
    return codes


def codes_of_index_day(procedure: Candidate, person: Person, measure: Measure) -> set[str]:
    """Return the ICD-10 diagnoses of the procedure date, of the kinds of claims that the definition names."""
    named = [row for row in person.diagnoses if row["setting"] in measure.index_day_settings]
    return codes_of_days(procedure, replace(person, diagnoses=named), measure, 0, 0)


def unmapped_codes(procedure: Candidate, person: Person, measure: Measure) -> set[str]:
    """Return the diagnoses of a procedure that no condition-category map holds."""
    history = codes_of_days(procedure, person, measure, 1, measure.definition.risk.history_days)
    index_day = codes_of_index_day(procedure, person, measure)
    return {code for code in history | index_day if not condition_categories(code, measure)}


def has_condition(factor: c.ConditionCategory, history: set[str], index_day: set[str], measure: Measure) -> bool:
    """A category is in the history, or on the index day and not a complication of care."""
    wanted = set(factor.categories)
    if any(condition_categories(code, measure) & wanted for code in history):
        return True
    not_a_complication = wanted - measure.complication_categories
    return any(condition_categories(code, measure) & not_a_complication for code in index_day)


def condition_categories(code: str, measure: Measure) -> set[int]:
    """Return all categories of a code; some maps hold only for codes without one so far."""
    found: set[int] = set()
    for clause in measure.condition_maps:
        if clause.only_codes_without_category and found:
            continue
        found |= {int(category) for category in categories_of(measure.table(clause.table), code)}
    return found


def has_code_of_day(
    factor: c.SameDayCode, procedure: Candidate, person: Person, measure: Measure, absent: Collection[str]
) -> bool:
    """A listed code is on an ASC facility line of the day."""
    patterns = listed(measure.table(factor.table), factor.role, procedure.year)
    lines = asc_lines_of_day(person, procedure.procedure_date, measure, absent)
    return any(any_takes(patterns, line.get("hcpcs")) for line in lines)


def classes(name: str, value: int | None, lower_bounds: tuple[int, ...]) -> Columns:
    """Return one indicator per class above the reference, which is the first."""
    row: Columns = {}
    for position, low in enumerate(lower_bounds):
        if position == 0:
            continue
        is_last = position == len(lower_bounds) - 1
        if is_last:
            row[f"{name}_{low}_plus"] = int(value is not None and value >= low)
        else:
            high = lower_bounds[position + 1] - 1
            label = f"{name}_{low}" if low == high else f"{name}_{low}_{high}"
            row[label] = int(value is not None and low <= value <= high)
    return row


def types(factor: c.ProcedureType, procedure: Candidate, measure: Measure) -> Columns:
    """Return one indicator per type except the reference; a code without a type has none."""
    table = measure.table(factor.table)
    row: Columns = {}
    for kind in factor.types:
        if kind != factor.reference:
            patterns = listed(table, kind, procedure.year)
            row[f"{factor.name}_{kind}"] = int(any_takes(patterns, procedure.index_code))
    return row
