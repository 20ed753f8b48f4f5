"""Mutants of a definition: each clause dropped, and each bound, list, flag and reference of each clause changed."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from pydantic import ValidationError

from riskstd.errors import SpecError
from riskstd.pipeline.assurance.assure import DECIDING
from riskstd.spec import Measure
from riskstd.spec.clauses import Clause
from riskstd.spec.definition import Definition
from riskstd.spec.loader import check_references

Place = tuple[str | int, ...]
WORDS = {"says", "source", "origin", "grade", "id", "name", "label", "rule", "kind", "values_source", "values_origin"}
WORDS |= {"values_grade", "version", "numbering", "takes_all_of", "index_code", "work_rvu_table", "unit"}
# Which codes are newer than the maps is counted and shown; it decides on no patient.
WORDS |= {"newer_codes"}
FOREIGN = {
    "buy_in": "1",
    "hmo": "1",
    "ccn_third": "2",
    "ccn_third_fourth": "30",
    "place_of_service": "22",
    "specialty": "10",
    "type_of_service": "2",
    "modifiers": "59",
}
OTHER_WORD = {
    "ed": "observation",
    "observation": "ed",
    "outpatient": "professional",
    "professional": "outpatient",
    "planned_admission_ry2021": "planned_admission_ry2024",
    "planned_admission_ry2023": "planned_admission_ry2021",
    "planned_admission_ry2024": "planned_admission_ry2021",
    "condition_categories_public": "condition_categories_rebuilt",
    "condition_categories_rebuilt": "condition_categories_public",
}


@dataclass(frozen=True)
class Mutant:
    """A changed definition: which clause, how, and where in the file."""

    clause: str
    change: str
    place: Place
    value: Any = field(hash=False)
    drops: bool = False

    @property
    def factor(self) -> str:
        """Name of the risk factor that alone is changed, if one is."""
        found = re.fullmatch(r"risk\.factors\[(\w+)\]", self.clause)
        return found.group(1) if found else ""

    def apply(self, tree: dict[str, Any]) -> None:
        """Change a definition in place."""
        part: Any = tree
        for step in self.place[:-1]:
            part = part[step]
        if self.drops and isinstance(part, list):
            del part[self.place[-1]]
        else:
            part[self.place[-1]] = self.value


def mutated(measure: Measure, mutants: list[Mutant]) -> Measure | None:
    """Return a measure with some changes at once; None if no such definition can be loaded."""
    tree = copy.deepcopy(tree_of(measure))
    # From the back, so that what is dropped moves no other change.
    for mutant in sorted(mutants, key=lambda each: [str(step).zfill(4) for step in each.place], reverse=True):
        mutant.apply(tree)
    try:
        definition = Definition.model_validate(tree)
        check_references(definition, measure.file, measure.tables)
    except (ValidationError, SpecError):
        return None
    changed = replace(measure, definition=definition)
    # Without any version of the tables the engine refuses the definition, in words.
    return changed if changed.planned_tables else None


def tree_of(measure: Measure) -> dict[str, Any]:
    """Return a definition as it would be read from its file."""
    return _listed(measure.definition.model_dump(by_alias=True))


def mutants_of(measure: Measure) -> list[Mutant]:
    """Return every mutant of a measure that can be loaded, in the order of the file."""
    return [mutant for mutant in candidates_of(measure) if mutated(measure, [mutant]) is not None]


def candidates_of(measure: Measure) -> list[Mutant]:
    """Return every mutant of a measure, whether or not the loader refuses it."""
    found: list[Mutant] = []
    for path, place, clause in _clauses(measure.definition, "", ()):
        if path.startswith(DECIDING):
            found += _of_clause(measure, path, place, clause)
        elif path.startswith("options.") and not _is_of_the_score(measure, path):
            found += [
                Mutant(path, f"default {choice}", (*place, "default"), choice)
                for choice in clause.choices  # type: ignore[attr-defined]
                if choice != clause.default  # type: ignore[attr-defined]
            ]
    return found


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def _clauses(part: Any, path: str, place: Place) -> Iterator[tuple[str, Place, Clause]]:
    """Every clause with its path as `Definition.clauses` has it, and its place in the file."""
    if isinstance(part, Clause):
        yield path, place, part
    if hasattr(part, "model_fields_set"):
        for name, value in part:
            yield from _clauses(value, f"{path}.{name}" if path else name, (*place, name))
    elif isinstance(part, dict):
        for name, value in part.items():
            yield from _clauses(value, f"{path}.{name}", (*place, name))
    elif isinstance(part, tuple):
        for position, value in enumerate(part):
            label = getattr(value, "id", None) or getattr(value, "name", None) or position
            yield from _clauses(value, f"{path}[{label}]", (*place, position))


def _of_clause(measure: Measure, path: str, place: Place, clause: Clause) -> Iterator[Mutant]:
    if getattr(clause, "categories", None) == ():
        # No category is listed: with or without the clause, nothing is one of them.
        listed = measure.definition.risk.complication_of_care[0].categories
        yield Mutant(path, "categories of the other clause", (*place, "categories"), list(listed))
        return
    yield Mutant(path, "dropped", place, None, drops=True)
    for key, value in clause:
        if key in WORDS or value is None or isinstance(value, Clause):
            continue
        at = (*place, key)
        if key == "when":
            if not _stands_beside_another(measure, path):
                yield Mutant(path, "holds always", at, None)
        elif key == "only_codes_without_category" and path.endswith("[0]"):
            continue  # the first map finds no code with a category
        elif isinstance(value, bool):
            yield Mutant(path, f"{key} {not value}", at, not value)
        elif isinstance(value, int):
            yield from (Mutant(path, f"{key} {value + step}", at, value + step) for step in (1, -1))
        elif isinstance(value, date):
            days = [value + timedelta(days=step) for step in (1, -1)]
            yield from (Mutant(path, f"{key} {day}", at, day) for day in days)
        elif isinstance(value, tuple) and not any(isinstance(item, Clause) for item in value):
            reference = getattr(clause, "reference", None)
            yield from _of_list(measure, path, at, key, [item for item in value if item != reference])
        elif isinstance(value, str):
            yield from _of_text(measure, path, at, clause, key, value)


def _of_list(measure: Measure, path: str, at: Place, key: str, value: list[Any]) -> Iterator[Mutant]:
    kept = [item for item in value if not _decides_nothing(measure, path, item)]
    if key in ("lower_bounds",):
        for position, bound in enumerate(value[1:], start=1):
            yield Mutant(path, f"{key} {bound + 1}", at, [*value[:position], bound + 1, *value[position + 1 :]])
        return
    for item in kept:
        yield Mutant(path, f"{key} without {item or 'blank'}", at, [other for other in value if other != item])
    if key == "facility_keys":
        yield Mutant(path, f"{key} reversed", at, value[::-1])
    if key == "factors":
        others = [f.name for f in measure.factors if f.name not in value and f.kind == "condition_category"]
        yield Mutant(path, f"{key} with another", at, [others[0], value[1]])
    foreign = _foreign(measure, key, value)
    if foreign is not None:
        yield Mutant(path, f"{key} with {foreign}", at, [*value, foreign])


def _foreign(measure: Measure, key: str, value: list[Any]) -> Any:
    """Something that a list does not hold and could."""
    if key == "bill_types" and value:
        return "83" if "13" in value else "21"
    if key == "categories" and value:
        held = {c for f in measure.factors if f.kind == "condition_category" for c in f.categories}
        return next(n for n in sorted(held) if n not in value)
    if key == "codes" and all(str(code).isdigit() and len(code) == 4 for code in value):
        return {"0450": "0453", "0762": "0761"}.get(value[0])
    if key in FOREIGN and FOREIGN[key] not in value:
        return FOREIGN[key]
    return None


def _decides_nothing(measure: Measure, path: str, item: Any) -> bool:
    """Categories that no code has, and complication categories that no risk factor of the measure holds."""
    if not isinstance(item, int):
        return False
    maps = [measure.table(clause.table) for clause in measure.definition.risk.condition_maps]
    held = any(f.kind == "condition_category" and item in f.categories for f in measure.definition.risk.factors)
    return not held or not any(row["category"] == str(item) for table in maps for row in table.rows)


def _is_of_the_score(measure: Measure, path: str) -> bool:
    """Options that choose among clauses on the score alone decide on no patient."""
    name = path.removeprefix("options.")
    chosen = [each for each, clause in measure.definition.clauses() if clause.when and clause.when.option == name]
    return bool(chosen) and all(each.startswith("score") for each in chosen)


def _stands_beside_another(measure: Measure, path: str) -> bool:
    """Clauses of which one holds under each choice of an option: two at once contradict, or the wider rules."""
    paths = [each for each, _ in measure.definition.clauses()]
    return paths.count(path) > 1 or path.startswith(("planned_admission.tables", "risk.index_day_claims"))


def _of_text(measure: Measure, path: str, at: Place, clause: Clause, key: str, value: str) -> Iterator[Mutant]:
    if key == "role":
        roles = [role for role in measure.table(clause.table).roles() if role != value]  # type: ignore[attr-defined]
        yield from (Mutant(path, f"{key} {role}", at, role) for role in roles[:1])
    elif key == "reference":
        other = next(kind for kind in clause.types if kind != value)  # type: ignore[attr-defined]
        yield Mutant(path, f"{key} {other}", at, other)
    elif key == "admission_years":
        for shift in (1, -1):
            years = re.sub(r"\d{4}", lambda found, shift=shift: str(int(found.group()) + shift), value)
            if years != value:
                yield Mutant(path, f"{key} {years}", at, years)
    elif value in OTHER_WORD and not (key == "claims" and clause.code_system == "revenue"):  # type: ignore[attr-defined]
        yield Mutant(path, f"{key} {OTHER_WORD[value]}", at, OTHER_WORD[value])
