"""Clauses that can never decide anything: behind another, with an empty window, or of years that do not come."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import ceil

from riskstd.codes import CodeSet
from riskstd.spec import clauses as c
from riskstd.spec.checking.finding import DEFECT, NOTE, WARNING, Finding, shown
from riskstd.spec.checking.overlaps import CodeYears, code_years
from riskstd.spec.checking.rows import place_of, years_meet
from riskstd.spec.definition import Measure
from riskstd.spec.years import Years

_DAYS_A_YEAR, _DAYS_A_MONTH = 365, 31
_EVER = (0, 9999)


# ---- exclusions -------------------------------------------------------------------------------


def exclusions_behind_others(measure: Measure) -> Iterator[Finding]:
    """Exclusions whose every case an earlier one takes."""
    for earlier, later in combinations(measure.exclusions, 2):
        if earlier.rule == later.rule and _takes_all(measure, earlier, later):
            yield Finding(
                DEFECT,
                f"cohort.exclusions[{later.id}]",
                f"can exclude nothing: cohort.exclusions[{earlier.id}] comes first and takes every such case",
                "take it out, widen it, or put it first",
            )


def _takes_all(measure: Measure, first: c.Exclusion, second: c.Exclusion) -> bool:
    match first, second:
        case c.AgeBelow(), c.AgeBelow():
            return second.age_years <= first.age_years
        case c.NotEnrolledBefore(), c.NotEnrolledBefore():
            return second.months <= first.months and _flags_wider(second, first)
        case c.NotEnrolledAfter(), c.NotEnrolledAfter():
            return second.last_day == first.last_day and _flags_wider(second, first)
        case c.DiscontinuedModifier(), c.DiscontinuedModifier():
            return set(second.modifiers) <= set(first.modifiers)
        case c.FollowedByProcedure(), c.FollowedByProcedure():
            return second.within_days <= first.within_days
        case c.ConcurrentCode(), c.ConcurrentCode():
            return _within(_codes(measure, second), _codes(measure, first))
        case c.DiagnosisPresent(), c.DiagnosisPresent():
            narrower = (
                second.history_days <= first.history_days
                and second.index_day <= first.index_day
                and second.index_claim <= first.index_claim
                and second.visit_in_window <= first.visit_in_window
            )
            return narrower and _within(_codes(measure, second), _codes(measure, first))
        case _:
            return True


def _flags_wider(
    one: c.NotEnrolledBefore | c.NotEnrolledAfter, other: c.NotEnrolledBefore | c.NotEnrolledAfter
) -> bool:
    return set(one.buy_in) >= set(other.buy_in) and set(one.hmo) >= set(other.hmo)


def _codes(measure: Measure, clause: c.ConcurrentCode | c.DiagnosisPresent | c.SameDayCode) -> CodeYears:
    return code_years(measure.table(clause.table), clause.role)


def _within(few: CodeYears, many: CodeYears) -> bool:
    """Tell whether every code, in all its years, is among others."""
    listed = CodeSet.of(many)
    return bool(few) and all(
        code.rstrip("*") in listed and all(_covers(many.get(code, [Years()]), span) for span in spans)
        for code, spans in few.items()
    )


def _covers(wide: list[Years], narrow: Years) -> bool:
    spans = [span for years in wide for span in (years.spans or (_EVER,))]
    return all(any(a <= first and last <= b for a, b in spans) for first, last in (narrow.spans or (_EVER,)))


# ---- windows and years ------------------------------------------------------------------------


def windows_never_met(measure: Measure) -> Iterator[Finding]:
    """Windows that hold no day, and windows whose days nobody can be seen in."""
    outcome, risk = measure.definition.outcome, measure.definition.risk
    for clause in measure.exclusions:
        place = f"cohort.exclusions[{clause.id}]"
        if isinstance(clause, c.DiagnosisPresent) and not (
            clause.history_days or clause.index_day or clause.index_claim or clause.visit_in_window
        ):
            mend = "set history_days above 0, index_day, index_claim or visit_in_window"
            yield Finding(DEFECT, place, "looks at no day: no history, not the index day, no visit", mend)
        if isinstance(clause, c.AgeBelow) and clause.age_years == 0:
            yield Finding(DEFECT, f"{place}.age_years", "nobody is younger than 0", "write an age above 0")
        if isinstance(clause, c.NotEnrolledAfter) and clause.last_day < outcome.last_day:
            yield Finding(
                DEFECT,
                f"{place}.last_day",
                f"enrollment is asked to day {clause.last_day}, visits to day {outcome.last_day}: later ones go unseen",
                f"set last_day to {outcome.last_day}",
            )
        if isinstance(clause, c.NotEnrolledBefore) and clause.months * _DAYS_A_MONTH < risk.history_days:
            yield Finding(
                WARNING,
                f"{place}.months",
                f"enrollment is asked for {clause.months} months, the look-back is {risk.history_days} days",
                f"set months to {ceil(risk.history_days * 12 / _DAYS_A_YEAR)}, or shorten risk.history_days",
            )
    coded = [f for f in measure.factors if isinstance(f, c.ConditionCategory | c.DiagnosisCode)]
    if coded and not risk.history_days and not measure.index_day_settings:
        mend = "set history_days above 0, or add [[risk.index_day_claims]]"
        yield Finding(DEFECT, "risk.history_days", f"{len(coded)} factor(s) rest on diagnoses of no day", mend)


def years_never_met(measure: Measure) -> Iterator[Finding]:
    """Rows, versions and ends of codes whose years lie outside those in which any code qualifies."""
    definition = measure.definition
    codes = definition.cohort.codes
    rows = [row for row in measure.table(codes.table).rows if row["role"] == codes.role]
    spans = [span for row in rows for span in (Years.of(row["years"]).spans or (_EVER,))]
    if not spans:
        return
    first, last = min(a for a, _ in spans), max(b for _, b in spans)
    after = ceil(definition.outcome.last_day / _DAYS_A_YEAR)
    says = f"no procedure qualifies but in {_span(first, last)}"
    for path, clause in definition.clauses():
        role = getattr(clause, "role", None)
        if isinstance(clause, c.PlannedTables) and not years_meet(
            Years.of(clause.admission_years), Years(((first, last + after),))
        ):
            mend = "correct the years, or take the version out"
            yield Finding(DEFECT, f"{path}.admission_years", f"{clause.admission_years} never comes: {says}", mend)
        if isinstance(clause, c.VisitCodes) and clause.valid_to is not None and clause.valid_to.year < first:
            mend = "correct the date, or take the clause out"
            yield Finding(DEFECT, f"{path}.valid_to", f"{clause.valid_to} comes before any procedure: {says}", mend)
        if role is not None and not isinstance(clause, c.QualifyingCodes):
            before = ceil(getattr(clause, "history_days", 0) / _DAYS_A_YEAR)
            table = measure.table(getattr(clause, "table"))  # noqa: B009
            reach = Years(((first - before, last + after),))
            for line, row in enumerate(table.rows, start=2):
                if row["role"] == role and not years_meet(Years.of(row["years"]), reach):
                    mend = "correct the years, or take the row out"
                    yield Finding(DEFECT, place_of(table, line), f"years {row['years']} never come: {says}", mend)


def _span(first: int, last: int) -> str:
    return f"{first or 'the first year'} to {'any later year' if last == _EVER[1] else last}"


# ---- risk factors -----------------------------------------------------------------------------


def bands_never_met(measure: Measure) -> Iterator[Finding]:
    """Classes of age or number that nobody is in, and ages that are in none."""
    youngest = max((e.age_years for e in measure.exclusions if isinstance(e, c.AgeBelow)), default=0)
    for factor in measure.factors:
        place = f"risk.factors[{factor.name}].lower_bounds"
        if isinstance(factor, c.AgeBands | c.ProcedureCount):
            bounds = factor.lower_bounds
            if any(a >= b for a, b in pairwise(bounds)):
                yield Finding(DEFECT, place, "bounds do not rise", "write them in order, each once")
                continue
            least = youngest if isinstance(factor, c.AgeBands) else 1
            if bounds[1] <= least:
                mend = f"begin with {least}"
                yield Finding(DEFECT, place, f"nobody is in the class from {bounds[0]}: all are {least} or more", mend)
            elif least < bounds[0]:
                found = f"those from {least} to {bounds[0] - 1} are in no class and count as the reference"
                yield Finding(DEFECT, place, found, f"begin with {least}")
        if isinstance(factor, c.YearsOver) and factor.start_years > youngest:
            mend = f"set start_years to {youngest}, or exclude younger people"
            found = f"people from {youngest} years are in the cohort and get negative values"
            yield Finding(WARNING, f"risk.factors[{factor.name}].start_years", found, mend)


def factors_never_met(measure: Measure) -> Iterator[Finding]:
    """Factors that an exclusion keeps at 0, and procedure types that no qualifying code has."""
    risk = measure.definition.risk
    same_day = [e for e in measure.exclusions if isinstance(e, c.ConcurrentCode)]
    diagnoses = [e for e in measure.exclusions if isinstance(e, c.DiagnosisPresent)]
    for factor in measure.factors:
        place = f"risk.factors[{factor.name}]"
        if isinstance(factor, c.SameDayCode):
            for clause in same_day:
                if _within(_codes(measure, factor), _codes(measure, clause)):
                    yield _always_0(place, clause.id)
        if isinstance(factor, c.DiagnosisCode):
            for clause in diagnoses:
                listed = {code: [Years()] for code in factor.codes}
                wide = clause.history_days >= risk.history_days and (clause.index_day or not measure.index_day_settings)
                if wide and _within(listed, _codes(measure, clause)):
                    yield _always_0(place, clause.id)
        if isinstance(factor, c.ProcedureType):
            yield from _types_never_met(measure, factor)


def _always_0(place: str, excluded_by: str) -> Finding:
    found = f"always 0: cohort.exclusions[{excluded_by}] excludes every procedure that has it"
    return Finding(DEFECT, place, found, "take the factor out, or the exclusion")


def _types_never_met(measure: Measure, factor: c.ProcedureType) -> Iterator[Finding]:
    codes = measure.definition.cohort.codes
    qualifying = code_years(measure.table(codes.table), codes.role)
    table = measure.table(factor.table)
    typed: set[str] = set()
    for kind in factor.types:
        listed = CodeSet.of(code_years(table, kind))
        held = {code for code in qualifying if code.rstrip("*") in listed}
        typed |= held
        if len(listed) and not held:
            mend = "correct the codes of the type, or take it out"
            yield Finding(DEFECT, f"risk.factors[{factor.name}].types", f"no qualifying code is of type {kind}", mend)
    without = sorted(set(qualifying) - typed)
    if without:
        found = f"{len(without)} qualifying code(s) have no type and count as {factor.reference}: {shown(without)}"
        yield Finding(NOTE, f"risk.factors[{factor.name}]", found, f"list them in tables/{table.provenance.file}")


def factors_twice(measure: Measure) -> Iterator[Finding]:
    """Factors that say the same under two names: their coefficients cannot be told apart."""
    words = {"name", "label", "says", "source", "origin", "grade", "when"}
    words |= {"values_source", "values_origin", "values_grade"}
    for first, second in combinations(measure.factors, 2):
        same = type(first) is type(second)
        if same and first.model_dump(exclude=words) == second.model_dump(exclude=words):
            mend = "leave one of them"
            place = f"risk.factors[{second.name}]"
            yield Finding(DEFECT, place, f"says the same as risk.factors[{first.name}]", mend)
