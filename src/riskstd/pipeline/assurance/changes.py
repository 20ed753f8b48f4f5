"""What can be changed in a clause: it is dropped; a bound, list, flag, table or condition of it is another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from riskstd.spec import Measure
from riskstd.spec.clauses import Clause

_WORDS = frozenset(
    {
        *("says", "source", "origin", "grade", "id", "name", "label", "rule", "kind", "values_source", "values_origin"),
        *("values_grade", "version", "numbering", "takes_all_of", "index_code", "work_rvu_table", "unit"),
        # Which codes are newer than the maps is counted and shown; it decides on no patient.
        "newer_codes",
    }
)
_FOREIGN = {
    "buy_in": "1",
    "hmo": "1",
    "ccn_third": "2",
    "ccn_third_fourth": "30",
    "place_of_service": "22",
    "specialty": "10",
    "type_of_service": "2",
    "modifiers": "59",
}
_OTHER_WORD = {
    "ed": "observation",
    "observation": "ed",
    "outpatient": "professional",
    "professional": "outpatient",
    "planned_admission_ry2021": "planned_admission_ry2024",
    "planned_admission_ry2023": "planned_admission_ry2021",
    "planned_admission_ry2024": "planned_admission_ry2021",
    "condition_categories_public": "condition_categories_rebuilt",
    "condition_categories_rebuilt": "condition_categories_public",
    "drop": "count",
    "count": "drop",
}
_NEIGHBOR = {"0450": "0453", "0762": "0761"}


@dataclass(frozen=True)
class Change:
    """A change of a clause: in words, the key that it is made at (none is the clause itself), and the value there."""

    says: str
    key: tuple[str, ...]
    value: Any
    drops: bool = False


def changes_of(measure: Measure, path: str, clause: Clause) -> Iterator[Change]:
    """Yield every change of a clause at a path, in the order of its keys."""
    if getattr(clause, "categories", None) == ():
        # No category is listed: with or without the clause, nothing is one of them.
        others = [each.categories for each in measure.definition.risk.complication_of_care if each.categories]
        if others:
            yield Change("categories of the other clause", ("categories",), list(others[0]))
        return
    yield Change("dropped", (), None, drops=True)
    for key, value in clause:
        if key in _WORDS or value is None or isinstance(value, Clause):
            continue
        for says, changed in _of_value(measure, path, clause, key, value):
            yield Change(says, (key,), changed)


def _of_value(measure: Measure, path: str, clause: Clause, key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if key == "when":
        if not _stands_beside_another(measure, path):
            yield "holds always", None
    elif key == "only_codes_without_category" and path.endswith("[0]"):
        return  # the first map finds no code with a category
    elif isinstance(value, bool):
        yield f"{key} {str(not value).lower()}", not value
    elif isinstance(value, int):
        yield from ((f"{key} {value + step}", value + step) for step in (1, -1))
    elif isinstance(value, date):
        yield from ((f"{key} {day}", day) for day in (value + timedelta(days=1), value - timedelta(days=1)))
    elif isinstance(value, tuple) and not any(isinstance(item, Clause) for item in value):
        reference = getattr(clause, "reference", None)
        yield from _of_list(measure, key, [item for item in value if item != reference])
    elif isinstance(value, str):
        yield from _of_text(measure, clause, key, value)


def _of_list(measure: Measure, key: str, value: list[Any]) -> Iterator[tuple[str, Any]]:
    if key == "lower_bounds":
        for position, bound in enumerate(value[1:], start=1):
            yield f"{key} {bound + 1}", [*value[:position], bound + 1, *value[position + 1 :]]
        return
    for item in value:
        if not _decides_nothing(measure, item):
            yield f"{key} without {item or 'blank'}", [other for other in value if other != item]
    if key == "facility_keys" and len(value) > 1:
        yield f"{key} reversed", value[::-1]
    if key == "factors":
        others = [f.name for f in measure.factors if f.name not in value and f.kind == "condition_category"]
        yield from ((f"{key} with {other}", [other, value[1]]) for other in others[:1])
    foreign = _foreign(measure, key, value)
    if foreign is not None:
        yield f"{key} with {foreign}", [*value, foreign]


def _foreign(measure: Measure, key: str, value: list[Any]) -> Any:
    """Something that a list does not hold and could."""
    if key == "bill_types" and value:
        return "83" if "13" in value else "21"
    if key == "categories" and value:
        held = {c for f in measure.factors if f.kind == "condition_category" for c in f.categories}
        return next((n for n in sorted(held) if n not in value), None)
    if key in ("codes", "revenue_codes"):
        return _NEIGHBOR.get(value[0])
    return _FOREIGN[key] if key in _FOREIGN and _FOREIGN[key] not in value else None


def _of_text(measure: Measure, clause: Any, key: str, value: str) -> Iterator[tuple[str, Any]]:
    if key == "role":
        yield from ((f"{key} {role}", role) for role in _other_roles(measure, clause, value)[:1])
    elif key == "table" and hasattr(clause, "role") and not _other_roles(measure, clause, clause.role):
        yield from ((f"{key} {name}", name) for name in _other_tables(measure, value, clause.role)[:1])
    elif key == "reference":
        yield from ((f"{key} {kind}", kind) for kind in [each for each in clause.types if each != value][:1])
    elif key == "admission_years":
        for shift in (1, -1):
            years = re.sub(r"\d{4}", lambda found, shift=shift: str(int(found.group()) + shift), value)
            if years != value:
                yield f"{key} {years}", years
    elif value in _OTHER_WORD and not (key == "claims" and clause.code_system == "revenue"):
        yield f"{key} {_OTHER_WORD[value]}", _OTHER_WORD[value]


def _other_roles(measure: Measure, clause: Any, value: str) -> list[str]:
    return [role for role in measure.table(clause.table).roles() if role != value]


def _other_tables(measure: Measure, value: str, role: str) -> list[str]:
    names = [name for name in measure.tables.names() if name != value]
    lists = [name for name in names if measure.table(name).provenance.kind == "code_list"]
    return [name for name in lists if role in measure.table(name).roles()]


def _decides_nothing(measure: Measure, item: Any) -> bool:
    """Categories that no code has, and complication categories that no risk factor of the measure holds."""
    if not isinstance(item, int):
        return False
    maps = [measure.table(clause.table) for clause in measure.definition.risk.condition_maps]
    held = any(f.kind == "condition_category" and item in f.categories for f in measure.definition.risk.factors)
    return not held or not any(row["category"] == str(item) for table in maps for row in table.rows)


def _stands_beside_another(measure: Measure, path: str) -> bool:
    """Clauses of which one holds under each choice of an option: two at once contradict, or the wider rules."""
    paths = [each for each, _ in measure.definition.clauses()]
    return paths.count(path) > 1 or path.startswith(("planned_admission.tables", "risk.index_day_claims"))
