"""A definition under the user's imports: planned admission tables, condition maps, values of clauses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from pydantic import ValidationError

from riskstd.errors import SpecError
from riskstd.spec.clauses import Clause, Condition, ConditionMap, FactorBase, Option, PlannedTables
from riskstd.spec.codetables import Provenance
from riskstd.spec.definition import Definition, Measure
from riskstd.spec.tableset import CONDITION_CATEGORIES, CodeTables, edition_spans
from riskstd.spec.years import Years

PLANNED_OPTION, IMPORTED = "planned_admission_tables", "imported"
SOURCE = "user_import"


def under_imports(definition: Definition, tables: CodeTables) -> Definition:
    """Return a definition with the user's imports in it; the definition itself if none concerns it.

    Imported planned admission tables and maps into their categories become versions by year of admission, chosen by
    the value `imported` of the option `planned_admission_tables`, which becomes the default. Imported maps to condition
    categories come before the project's, which keep what no import holds. Imported values of clauses take the place
    of theirs. Every changed clause has the origin `user_import`.

    Raises
    ------
    SpecError
        When imported values are of a clause or key that the definition does not have.
    """
    if tables.folder is None:
        return definition
    changed = _with_planned_tables(definition, tables)
    changed = _with_condition_maps(changed, tables)
    changed = _with_values(changed, tables)
    if changed is definition:
        return definition
    sources = {**definition.sources, SOURCE: "Table imported by the user; the manifest names its file and hash"}
    return changed.model_copy(update={"sources": sources})


def values_tables(definition: Definition, tables: CodeTables) -> list[str]:
    """Return the names of the user's tables with values of clauses of a definition."""
    if tables.folder is None:
        return []
    head = definition.measure
    return [
        name
        for name, entry in sorted(tables.folder.entries.items())
        if entry.kind == "clause_values" and entry.measure == head.id and head.spec_year in Years.of(entry.years)
    ]


def imports_in_use(measure: Measure) -> set[str]:
    """Return the names of the user's tables that a measure uses, by themselves or within a table of the project."""
    folder = measure.tables.folder
    if folder is None:
        return set()
    used = measure.tables_used()
    merged = {entry.sha256 for name in used for entry in measure.table(name).imports}
    return {name for name, entry in folder.entries.items() if name in used or (entry.sha256 and entry.sha256 in merged)}


# ---- planned admission tables -----------------------------------------------------------------


def _with_planned_tables(definition: Definition, tables: CodeTables) -> Definition:
    lists = _planned_lists(definition, tables)
    if not lists and not tables.imports("ccs_diagnoses") and not tables.imports("ccs_procedures"):
        return definition
    planned = definition.planned_admission
    known = [clause for base in planned.tables for clause in _with_imported_maps(base, tables)]
    if not lists:
        return _with_planned(definition, known)
    option = definition.options.get(PLANNED_OPTION)
    when = None if option is None else Condition(option=PLANNED_OPTION, is_in=(IMPORTED,))
    imported = [
        clause
        for name, span in _editions(lists, tables)
        for clause in _with_imported_maps(_imported_tables(planned.tables[0], name, span, when, tables), tables)
    ]
    if option is None:
        return _with_planned(definition, imported)
    choices = (*(choice for choice in option.choices if choice != IMPORTED), IMPORTED)
    option = Option.model_validate({**dict(option), "default": IMPORTED, "choices": choices})
    with_option = definition.model_copy(update={"options": {**definition.options, PLANNED_OPTION: option}})
    return _with_planned(with_option, [*known, *imported])


def _planned_lists(definition: Definition, tables: CodeTables) -> list[str]:
    """Imported lists for the measure alone, else those for every measure."""
    names = tables.imports("planned_admission")
    own = [name for name in names if _entry(name, tables).measure == definition.measure.id]
    return own or [name for name in names if not _entry(name, tables).measure]


def _with_planned(definition: Definition, clauses: list[PlannedTables]) -> Definition:
    planned = definition.planned_admission.model_copy(update={"tables": tuple(clauses)})
    return definition.model_copy(update={"planned_admission": planned})


def _imported_tables(
    base: PlannedTables, name: str, span: str, when: Condition | None, tables: CodeTables
) -> PlannedTables:
    entry = _entry(name, tables)
    return base.model_copy(
        update={
            "id": f"import_{name}"[:60],
            "version": entry.version,
            "table": name,
            "admission_years": span,
            "says": f"The imported lists decide for admissions {_years_text(span)}.",
            "source": f"{SOURCE}: {entry.source_file}",
            "origin": SOURCE,
            "grade": "A",
            "when": when,
        }
    )


def _with_imported_maps(base: PlannedTables, tables: CodeTables) -> Iterator[PlannedTables]:
    """One version for each stretch of years with one pair of imported maps into categories."""
    diagnoses = _editions(tables.imports("ccs_diagnoses"), tables) or [(base.diagnosis_categories, "")]
    procedures = _editions(tables.imports("ccs_procedures"), tables) or [(base.procedure_categories, "")]
    of_imports = tables.imports("ccs_diagnoses") and tables.imports("ccs_procedures")
    found = []
    for (diagnosis, years), (procedure, more) in product(diagnoses, procedures):
        span = _common(base.admission_years, years, more)
        if span is not None:
            maps = {"diagnosis_categories": diagnosis, "procedure_categories": procedure, "admission_years": span}
            found.append(maps | ({"newer_codes": None} if of_imports else {}))
    for position, maps in enumerate(found, start=1):
        own = {} if len(found) == 1 else {"id": f"{base.id}_{position}"}
        yield base.model_copy(update=maps | own)


def _editions(names: list[str], tables: CodeTables) -> list[tuple[str, str]]:
    return list(zip(names, edition_spans([_entry(name, tables) for name in names]), strict=True))


def _common(*texts: str) -> str | None:
    """Years that all texts name, as text; None if there are none."""
    spans: list[tuple[int, int]] = [(0, 9999)]
    for text in texts:
        others = Years.of(text).spans or ((0, 9999),)
        spans = [(max(a, c), min(b, d)) for (a, b), (c, d) in product(spans, others) if max(a, c) <= min(b, d)]
    if not spans:
        return None
    if spans == [(0, 9999)]:
        return ""
    return " ".join(_span_text(first, last) for first, last in spans)


def _span_text(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first or ''}-{'' if last == 9999 else last}"


def _years_text(span: str) -> str:
    if not span:
        return "of every year"
    if span.startswith("-"):
        return f"to the end of {span[1:]}"
    return f"from {span[:-1]}" if span.endswith("-") else f"of {span}"


# ---- condition categories ---------------------------------------------------------------------


def _with_condition_maps(definition: Definition, tables: CodeTables) -> Definition:
    names = tables.imports(CONDITION_CATEGORIES)
    if not names:
        return definition
    imported = [_imported_map(name, span, tables) for name, span in _editions(names, tables)]
    left = [clause for clause in definition.risk.condition_maps if tables.get(clause.table).rows]
    risk = definition.risk.model_copy(update={"condition_maps": (*imported, *left)})
    return definition.model_copy(update={"risk": risk})


def _imported_map(name: str, span: str, tables: CodeTables) -> ConditionMap:
    entry = _entry(name, tables)
    return ConditionMap(
        table=name,
        service_years=span,
        says=f"The imported map gives diagnosis codes their condition categories, for procedures {_years_text(span)}.",
        source=f"{SOURCE}: {entry.source_file}",
        origin=SOURCE,
        grade="A",
    )


# ---- values of clauses ------------------------------------------------------------------------


def _with_values(definition: Definition, tables: CodeTables) -> Definition:
    for name in values_tables(definition, tables):
        table = tables.get(name)
        for position, row in enumerate(table.rows, start=2):
            where = f"table {name!r}, line {position}, clause {row['clause']!r}, key {row['key']!r}"
            definition = _with_value(definition, row, table.provenance, where)
    return definition


def _with_value(definition: Definition, row: dict[str, str], entry: Provenance, where: str) -> Definition:
    paths = dict(definition.clauses())
    if row["clause"] not in paths:
        raise SpecError(
            f"{where}: {definition.measure.id} has no such clause",
            expected="a path as `riskstd spec show` prints it",
            hint="import the dictionary again with a mapping that names clauses of this definition",
        )
    clause = paths[row["clause"]]
    numbers = row["key"] == "categories"
    values = tuple(int(value) if numbers else value for value in row["values"].split())
    source = f"{SOURCE}: {entry.source_file}"
    if isinstance(clause, FactorBase):
        facts = {"values_source": source, "values_origin": row["origin"], "values_grade": row["grade"]}
    else:
        facts = {"source": source, "origin": row["origin"], "grade": row["grade"]}
    try:
        changed = type(clause).model_validate({**dict(clause), row["key"]: values, **facts})
    except ValidationError as error:
        raise SpecError(f"{where}: {error.errors()[0]['msg']}") from None
    return _replaced(definition, clause, changed)


def _replaced(part: Any, old: Clause, new: Clause) -> Any:
    """Return a part of a definition with one clause, the very object, in another form."""
    if part is old:
        return new
    if isinstance(part, tuple):
        items = tuple(_replaced(item, old, new) for item in part)
        return items if any(a is not b for a, b in zip(items, part, strict=True)) else part
    if hasattr(part, "model_fields_set"):
        changed = {name: _replaced(value, old, new) for name, value in part}
        changed = {name: value for name, value in changed.items() if value is not getattr(part, name)}
        return part.model_copy(update=changed) if changed else part
    return part


def _entry(name: str, tables: CodeTables) -> Provenance:
    assert tables.folder is not None
    return tables.folder.entries[name]
