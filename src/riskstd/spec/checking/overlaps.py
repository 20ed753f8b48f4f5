"""Codes that two clauses claim which exclude each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from riskstd.codes import CodeSet
from riskstd.spec.checking.finding import DEFECT, Finding, shown
from riskstd.spec.checking.rows import place_of, years_meet
from riskstd.spec.clauses import ConcurrentCode, PlannedTables, ProcedureType
from riskstd.spec.codetables import CodeTable
from riskstd.spec.definition import Measure
from riskstd.spec.tablediff import written
from riskstd.spec.years import Years

CodeYears = dict[str, list[Years]]


def code_years(table: CodeTable, role: str) -> CodeYears:
    """Return the codes of a role as written, ranges expanded, with the years of each row."""
    found: CodeYears = {}
    for row in table.rows:
        if row["role"] == role:
            for code in written(row["codes"]):
                found.setdefault(code, []).append(Years.of(row["years"]))
    return found


def in_both(first: CodeYears, second: CodeYears) -> list[str]:
    """Return the codes that both hold in a year in common, sorted."""
    listed = CodeSet.of(second)
    common = []
    for code, spans in first.items():
        others = second.get(code) or [years for other, each in second.items() if _under(code, other) for years in each]
        if code.rstrip("*") in listed and any(years_meet(a, b) for a in spans for b in others):
            common.append(code)
    return sorted(common)


def _under(code: str, prefix: str) -> bool:
    return prefix.endswith("*") and code.startswith(prefix[:-1])


def included_and_excluded(measure: Measure) -> Iterator[Finding]:
    """Qualifying codes that an exclusion lists for the same day: they always exclude themselves."""
    codes = measure.definition.cohort.codes
    qualifying = code_years(measure.table(codes.table), codes.role)
    for clause in measure.exclusions:
        if isinstance(clause, ConcurrentCode):
            both = in_both(qualifying, code_years(measure.table(clause.table), clause.role))
            if both:
                yield Finding(
                    DEFECT,
                    f"cohort.exclusions[{clause.id}]",
                    f"{len(both)} code(s) qualify by cohort.codes and exclude by this clause: {shown(both)}",
                    f"take them out of role {codes.role!r} of {codes.table} or {clause.role!r} of {clause.table}",
                )


def codes_of_two_visit_clauses(measure: Measure) -> Iterator[Finding]:
    """Codes that two clauses on visits list for the same claims."""
    for first, second in combinations(measure.visit_codes, 2):
        if (first.claims, first.code_system) != (second.claims, second.code_system):
            continue
        if first.bill_types and second.bill_types and not set(first.bill_types) & set(second.bill_types):
            continue
        both = sorted(set(written(" ".join(first.codes))) & set(written(" ".join(second.codes))))
        if both:
            says = "as the same visit type" if first.type == second.type else f"as {first.type} and {second.type}"
            yield Finding(
                DEFECT,
                f"outcome.visits[{second.id}].codes",
                f"listed {says} here and in outcome.visits[{first.id}]: {shown(both)}",
                "leave each code in one of the two",
            )


def codes_of_two_types(measure: Measure) -> Iterator[Finding]:
    """Codes of two procedure types."""
    for factor in measure.factors:
        if not isinstance(factor, ProcedureType):
            continue
        table = measure.table(factor.table)
        place = f"risk.factors[{factor.name}]"
        if factor.reference not in factor.types:
            yield Finding(
                DEFECT, f"{place}.reference", f"{factor.reference!r} is none of the types", "name one of them"
            )
        unlisted = [kind for kind in factor.types if kind not in table.roles()]
        if unlisted:
            mend = f"add rows with this role to tables/{table.provenance.file}"
            yield Finding(DEFECT, f"{place}.types", f"{table.name} lists no codes of {shown(unlisted)}", mend)
        for first, second in combinations(factor.types, 2):
            both = in_both(code_years(table, first), code_years(table, second))
            if both:
                mend = f"leave each code in one role of tables/{table.provenance.file}"
                yield Finding(DEFECT, place, f"of type {first} and of type {second}: {shown(both)}", mend)


def planned_lists_overlap(measure: Measure) -> Iterator[Finding]:
    """Entries of the planned admission lists that an earlier list, or a listed category, already decides."""
    versions = measure.definition.planned_admission.tables
    lists = {(v.table, v.procedure_categories, v.diagnosis_categories): v for v in versions}
    for clause in lists.values():
        table = measure.table(clause.table)
        for earlier, later, kind in (("PA1", "PA3", "procedure_category"), ("PA2", "PA4", "diagnosis_category")):
            both = sorted(table.planned_part(earlier, kind).exact & table.planned_part(later, kind).exact, key=int)
            if both:
                yield Finding(
                    DEFECT,
                    place_of(table, *_lines(table, later, kind, both)),
                    f"{kind} in {earlier}, which decides first, and in {later}: {shown(both)}",
                    f"take them out of {later}",
                )
        yield from _codes_in_listed_categories(measure, clause)


def _codes_in_listed_categories(measure: Measure, clause: PlannedTables) -> Iterator[Finding]:
    table = measure.table(clause.table)
    newer = measure.table(clause.newer_codes) if clause.newer_codes else None
    for part, word, name in (
        ("PA3", "procedure", clause.procedure_categories),
        ("PA4", "diagnosis", clause.diagnosis_categories),
    ):
        listed = table.planned_part(part, f"{word}_category").exact
        classes = measure.table(name).category_map()
        skipped = newer.codes(word).exact if newer is not None else frozenset()
        codes = table.planned_part(part, f"{word}_code").exact - skipped
        inside = sorted(code for code in codes if set(classes.categories(code)) & listed)
        if inside:
            yield Finding(
                DEFECT,
                place_of(table, *_lines(table, part, f"{word}_code", inside)),
                f"single codes of {part} that a listed category holds already: {shown(inside)}",
                "take out the codes, or the category",
            )


def _lines(table: CodeTable, part: str, kind: str, codes: list[str]) -> list[int]:
    wanted = set(codes)
    lines = [
        line
        for line, row in enumerate(table.rows, start=2)
        if row["part"] == part and row["kind"] == kind and wanted & set(row["codes"].split())
    ]
    return lines[:3]
