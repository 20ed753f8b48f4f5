"""Codes against the code lists of the years, as far as such lists are there: shipped or imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from riskstd.codes import CodeSet
from riskstd.spec.checking.finding import DEFECT, NOTE, WARNING, Finding, shown
from riskstd.spec.checking.rows import place_of, tables_of, years_meet
from riskstd.spec.clauses import DiagnosisCode, VisitCodes
from riskstd.spec.codetables import CodeTable, code_table_names, load_code_table
from riskstd.spec.definition import Measure
from riskstd.spec.tablediff import written
from riskstd.spec.years import Years

LISTS = {"ICD-10-CM": "icd10cm_codes", "ICD-10-PCS": "icd10pcs_codes"}
"""Code systems by name, and the table that lists their codes: the project's, or an import that stands for it."""
_EVERY_YEAR = Years()


@dataclass(frozen=True, eq=False)
class Edition:
    """The codes of a system in some years.

    Attributes
    ----------
    years : Years
        Fiscal years of ICD-10 codes; 2024 is 1 October 2023 to 30 September 2024.
    text : str
        The same as text.
    codes : frozenset of str
        Codes that a claim can hold.
    beginnings : frozenset of str
        Beginnings of codes, headings among them.
    """

    years: Years
    text: str
    codes: frozenset[str]
    beginnings: frozenset[str]


def editions(measure: Measure, system: str) -> list[Edition]:
    """Return the code lists of a system that are at hand, by years."""
    name = LISTS.get(system)
    if name is None:
        return []
    own = [load_code_table(name)] if name in code_table_names() else []
    tables = [*own, *(measure.tables.get(key) for key in measure.tables.imports(name))]
    found = [edition for table in tables for edition in _editions_of(table)]
    return sorted(found, key=lambda edition: edition.years.spans)


@cache
def _editions_of(table: CodeTable) -> tuple[Edition, ...]:
    found = []
    for years in dict.fromkeys(row["years"] for row in table.rows):
        rows = [row for row in table.rows if row["years"] == years and row["role"] == "billable"]
        codes = frozenset(code for row in rows for code in written(row["codes"]))
        beginnings = frozenset(code[:n] for code in codes for n in range(1, len(code)))
        found.append(Edition(Years.of(years), years, codes, beginnings))
    return tuple(found)


# ---- codes that the system does not have ------------------------------------------------------


def codes_outside_the_system(measure: Measure) -> Iterator[Finding]:
    """Listed codes that no code list at hand has in the years for which they are listed."""
    for place, system, codes, years in _listed(measure):
        at_hand = editions(measure, system)
        near = [edition for edition in at_hand if years_meet(edition.years, years)]
        if near:
            yield from _outside(place, system, codes, years, near)


def _listed(measure: Measure) -> Iterator[tuple[str, str, list[str], Years]]:
    newer = {clause.newer_codes for clause in measure.definition.planned_admission.tables}
    for name, table in tables_of(measure).items():
        if table.provenance.kind == "code_list" and name not in newer:
            for line, row in enumerate(table.rows, start=2):
                yield place_of(table, line), row["system"], written(row["codes"]), Years.of(row["years"])
    for path, clause in measure.definition.clauses():
        if isinstance(clause, DiagnosisCode):
            yield f"{path}.codes", "ICD-10-CM", written(" ".join(clause.codes)), _EVERY_YEAR
        if isinstance(clause, VisitCodes) and clause.code_system == "hcpcs":
            last = 9999 if clause.valid_to is None else clause.valid_to.year
            yield f"{path}.codes", "HCPCS", written(" ".join(clause.codes)), Years(((0, last),))


def _outside(place: str, system: str, codes: list[str], years: Years, near: list[Edition]) -> Iterator[Finding]:
    said = f"{system} of {_years_text(near)}"
    headings = [
        code for code in codes if not any(code in e.codes for e in near) and any(code in e.beginnings for e in near)
    ]
    if headings:
        mend = f"write {headings[0]}* for all codes below it"
        yield Finding(DEFECT, place, f"headings, which no claim holds ({said}): {shown(headings)}", mend)
    absent = [code for code in codes if code not in headings and not any(_has(edition, code) for edition in near)]
    if absent:
        # Outside the years of the lists at hand a code may well be one.
        level = DEFECT if _all_years(years, near) else WARNING
        mend = "correct the code or its years, or import the code list of the year that has it"
        yield Finding(level, place, f"not in {said}: {shown(absent)}", mend)


def _has(edition: Edition, code: str) -> bool:
    if code.endswith("*"):
        return code[:-1] in edition.beginnings or code[:-1] in edition.codes
    return code in edition.codes


def _all_years(years: Years, near: list[Edition]) -> bool:
    known = {year for edition in near for first, last in edition.years.spans for year in range(first, last + 1)}
    wanted = [year for first, last in years.spans if last - first < 100 for year in range(first, last + 1)]
    return bool(wanted) and all(last - first < 100 for first, last in years.spans) and set(wanted) <= known


def _years_text(found: list[Edition]) -> str:
    return "fiscal year " + ", ".join(edition.text for edition in found)


# ---- codes that a list or a map does not have -------------------------------------------------


def headings_not_whole(measure: Measure) -> Iterator[Finding]:
    """Codes of a heading or category, named in `takes_all_of`, that the list of the clause misses."""
    for path, clause in measure.definition.clauses():
        for name in getattr(clause, "takes_all_of", ()):
            listed, where = _list_of(measure, clause)
            missing, said = _members_missing(measure, name, listed)
            if missing:
                mend = f"add them to {where}, or take {name!r} out of takes_all_of"
                found = f"{len(missing)} code(s) of {name}{said} are not listed: {shown(missing)}"
                yield Finding(DEFECT, f"{path}.takes_all_of", found, mend)


def _list_of(measure: Measure, clause: object) -> tuple[CodeSet, str]:
    if isinstance(clause, DiagnosisCode):
        return CodeSet.of(clause.codes), "codes"
    table = measure.table(clause.table)  # type: ignore[attr-defined]
    return table.codes(clause.role), f"role {clause.role!r} of tables/{table.provenance.file}"  # type: ignore[attr-defined]


def _members_missing(measure: Measure, name: str, listed: CodeSet) -> tuple[list[str], str]:
    """Members of a heading (`K50*`) or of a category of a map (`ccs_diagnoses:146`) that are not listed."""
    table_name, colon, category = name.partition(":")
    system = measure.table(table_name).provenance.system if colon else _system_of_heading(name)
    at_hand = editions(measure, system)
    if not at_hand and colon:
        rows = [row for row in measure.table(table_name).rows if row["category"] == category]
        patterns = [pattern for row in rows for pattern in written(row["codes"])]
        return [pattern for pattern in patterns if pattern.rstrip("*") not in listed], ""
    if colon:
        classes = measure.table(table_name).category_map()
        codes = {code for e in at_hand for code in e.codes if category in classes.categories(code)}
    else:
        codes = {code for e in at_hand for code in e.codes if code in CodeSet.of([name])}
    return sorted(code for code in codes if code not in listed), f" in {_years_text(at_hand)}" if at_hand else ""


def _system_of_heading(name: str) -> str:
    return "ICD-10-CM" if name[:1].isalpha() and name[1:2].isdigit() and len(name.rstrip("*")) < 7 else "ICD-10-PCS"


def maps_behind_the_system(measure: Measure) -> Iterator[Finding]:
    """Codes of a year that a map into the categories of the planned admission lists does not hold."""
    names = {
        name
        for clause in measure.definition.planned_admission.tables
        for name in (clause.diagnosis_categories, clause.procedure_categories)
    }
    for name in sorted(names):
        table = measure.table(name)
        for edition in editions(measure, table.provenance.system):
            missing = _without_category(table, edition)
            if missing:
                found = (
                    f"{len(missing):,} of {len(edition.codes):,} codes of fiscal year {edition.text} have no category"
                )
                mend = "import the map of that year (riskstd import ccs); a stay with such a code fits no category"
                yield Finding(NOTE, f"tables/{table.provenance.file}", f"{found}: {shown(missing)}", mend)


@cache
def _without_category(table: CodeTable, edition: Edition) -> list[str]:
    classes = table.category_map()
    return sorted(code for code in edition.codes if not classes.categories(code))
