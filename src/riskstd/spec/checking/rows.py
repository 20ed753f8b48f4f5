"""How codes are written: form, repetitions, lists and categories that do not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from riskstd.spec.checking.finding import DEFECT, NOTE, Finding, shown
from riskstd.spec.clauses import ComplicationOfCare, ConditionCategory, DiagnosisCode, VisitCodes
from riskstd.spec.codetables import CodeTable
from riskstd.spec.definition import TABLE_KEYS, Measure
from riskstd.spec.tablediff import written
from riskstd.spec.years import Years

LAST_CATEGORY = 201
"""Condition categories of V22 are numbered 1 to 201."""
PARTS = {
    ("PA1", "procedure_category"),
    ("PA2", "diagnosis_category"),
    ("PA3", "procedure_category"),
    ("PA3", "procedure_code"),
    ("PA4", "diagnosis_category"),
    ("PA4", "diagnosis_code"),
}

_DIAGNOSIS = r"[A-Z][0-9][0-9A-Z]"
_FORMS = {
    "HCPCS": (r"[0-9]{4}[0-9A-Z]|[A-Z][0-9]{4}", "five characters: four digits with one more, or a letter and four"),
    "ICD-10-CM": (rf"{_DIAGNOSIS}[0-9A-Z]{{0,4}}", "a letter, a digit, up to five more characters, without the point"),
    "ICD-10-PCS": (r"[0-9A-HJ-NP-Z]{7}", "seven characters without the letters I and O"),
    "ICD-9-CM": (r"[0-9EV][0-9]{2,4}", "three to five digits, without the point"),
    "revenue": (r"[0-9]{4}", "four digits, a zero in front"),
    "CCS": (r"[1-9][0-9]{0,3}", "the number of a category"),
}
_PREFIXES = {
    "HCPCS": r"[0-9A-Z][0-9]{0,4}",
    "ICD-10-CM": r"[A-Z]([0-9][0-9A-Z]{0,5})?",
    "ICD-10-PCS": r"[0-9A-HJ-NP-Z]{1,7}",
}
_OF_KINDS = {
    "procedure_category": "CCS",
    "diagnosis_category": "CCS",
    "procedure_code": "ICD-10-PCS",
    "diagnosis_code": "ICD-10-CM",
}


def tables_of(measure: Measure) -> dict[str, CodeTable]:
    """Return every code table that a clause names, in force or not, by name."""
    names = {getattr(clause, key, None) for _, clause in measure.definition.clauses() for key in TABLE_KEYS}
    return {name: measure.table(name) for name in sorted(name for name in names if name is not None)}


def place_of(table: CodeTable, *lines: int) -> str:
    """Return where a row stands: file and line, the header being line 1."""
    where = " and ".join(str(line) for line in lines)
    return f"tables/{table.provenance.file}, line{'s' if len(lines) > 1 else ''} {where}"


def badly_written_codes(measure: Measure) -> Iterator[Finding]:
    """Codes that cannot be codes of their system, so that no claim ever holds them."""
    for table in tables_of(measure).values():
        yield from _badly_written(table)
    for path, clause in measure.definition.clauses():
        if isinstance(clause, VisitCodes):
            system = "HCPCS" if clause.code_system == "hcpcs" else "revenue"
            yield from _bad_codes(f"{path}.codes", system, " ".join(clause.codes))
        if isinstance(clause, DiagnosisCode):
            yield from _bad_codes(f"{path}.codes", "ICD-10-CM", " ".join(clause.codes))


@cache
def _badly_written(table: CodeTable) -> tuple[Finding, ...]:
    return tuple(
        finding
        for line, row in enumerate(table.rows, start=2)
        for finding in _bad_codes(place_of(table, line), _system_of(table, row), row.get("codes", row.get("code", "")))
    )


def _system_of(table: CodeTable, row: dict[str, str]) -> str:
    if table.provenance.kind == "planned_admission":
        return _OF_KINDS.get(row["kind"], "")
    return row.get("system", table.provenance.system)


def _bad_codes(place: str, system: str, codes: str) -> Iterator[Finding]:
    if system not in _FORMS:
        return
    form, says = _FORMS[system]
    prefix = _PREFIXES.get(system, r"[0-9A-Z]+")
    bad = [
        code
        for code in written(codes)
        if not (re.fullmatch(prefix, code[:-1]) if code.endswith("*") else re.fullmatch(form, code))
    ]
    if bad:
        yield Finding(DEFECT, place, f"not codes of {system}: {shown(bad)}", f"write {says}; a prefix ends in *")


def codes_twice(measure: Measure) -> Iterator[Finding]:
    """Codes that one list holds twice for the same years."""
    for table in tables_of(measure).values():
        yield from _twice(table)


@cache
def _twice(table: CodeTable) -> tuple[Finding, ...]:
    found = []
    seen: dict[tuple[str, ...], list[tuple[int, Years]]] = {}
    for line, row in enumerate(table.rows, start=2):
        # An override of a map repeats a code on purpose, with a source of its own.
        source = row["source"] if table.provenance.kind == "category_map" else ""
        group = (source, *(row.get(key, "") for key in ("role", "system", "category", "part", "kind")))
        years = Years.of(row.get("years", ""))
        again: dict[int, list[str]] = {}
        for code in _codes_as_written(row):
            before = seen.setdefault((*group, code), [])
            for earlier, other in before:
                if years_meet(years, other):
                    again.setdefault(earlier, []).append(code)
            before.append((line, years))
        for earlier, codes in again.items():
            where = place_of(table, *([line] if earlier == line else [earlier, line]))
            found.append(Finding(DEFECT, where, f"listed twice: {shown(codes)}", "keep one, or give each its years"))
    return tuple(found)


def _codes_as_written(row: dict[str, str]) -> list[str]:
    text = row.get("codes", row.get("code", ""))
    return [
        code
        for token in text.split()
        for code in (written(token) if ".." in token or "*" in token else [token.replace(".", "").upper()])
    ]


def years_meet(first: Years, second: Years) -> bool:
    """Tell whether two texts of years have a year in common.

    Examples
    --------
    >>> years_meet(Years.of("2020-2022"), Years.of("2022-")), years_meet(Years.of("-2015"), Years.of("2021"))
    (True, False)
    """
    if not first.spans or not second.spans:
        return True
    return any(a <= d and c <= b for a, b in first.spans for c, d in second.spans)


def unknown_lists(measure: Measure) -> Iterator[Finding]:
    """Parts of the planned admission algorithm that no rule reads."""
    for table in tables_of(measure).values():
        if table.provenance.kind != "planned_admission":
            continue
        for line, row in enumerate(table.rows, start=2):
            if (row["part"], row["kind"]) not in PARTS:
                yield Finding(
                    DEFECT,
                    place_of(table, line),
                    f"no rule reads part {row['part']!r} with kind {row['kind']!r}",
                    "use " + "; ".join(f"{part} {kind}" for part, kind in sorted(PARTS)),
                )


def unknown_categories(measure: Measure) -> Iterator[Finding]:
    """Categories that are named and that no map holds, or that the numbering does not have."""
    yield from _planned_categories(measure)
    held = {
        int(row["category"])
        for clause in measure.condition_maps
        for row in measure.table(clause.table).rows
        if row["category"].isdigit()
    }
    for path, clause in measure.definition.clauses():
        if not isinstance(clause, ConditionCategory | ComplicationOfCare):
            continue
        place = f"{path}.categories"
        outside = [str(n) for n in clause.categories if not 1 <= n <= LAST_CATEGORY]
        if outside:
            yield Finding(
                DEFECT, place, f"V22 has no category {shown(outside)}", f"use the numbers 1 to {LAST_CATEGORY} of V22"
            )
        if isinstance(clause, ConditionCategory) and not outside:
            yield from _empty_categories(place, clause, held)


def _empty_categories(place: str, clause: ConditionCategory, held: set[int]) -> Iterator[Finding]:
    empty = [str(category) for category in clause.categories if category not in held]
    mend = "import a map that holds it (riskstd import cc), or take it out"
    if len(empty) == len(clause.categories):
        yield Finding(DEFECT, place, f"no map in force holds category {shown(empty)}: the factor is always 0", mend)
    elif empty:
        yield Finding(NOTE, place, f"no map in force holds category {shown(empty)}", mend)


def _planned_categories(measure: Measure) -> Iterator[Finding]:
    for clause in measure.definition.planned_admission.tables:
        table = measure.table(clause.table)
        for kind, name in (
            ("procedure_category", clause.procedure_categories),
            ("diagnosis_category", clause.diagnosis_categories),
        ):
            known = {row["category"] for row in measure.table(name).rows}
            for line, row in enumerate(table.rows, start=2):
                missing = [code for code in row["codes"].split() if row["kind"] == kind and code not in known]
                if missing:
                    yield Finding(
                        DEFECT,
                        place_of(table, line),
                        f"{row['part']} names categories that {name} has no codes for: {shown(missing)}",
                        "correct the number, or import the map that belongs to these lists (riskstd import ccs)",
                    )
