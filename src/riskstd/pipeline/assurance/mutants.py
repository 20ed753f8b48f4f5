"""Mutants of a definition: the definition with one clause dropped, or with one of its values changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from riskstd.errors import SpecError
from riskstd.pipeline.assurance.changes import changes_of
from riskstd.spec import Measure
from riskstd.spec.clauses import Clause
from riskstd.spec.definition import Definition
from riskstd.spec.loader import check_references

DECIDING = ("cohort.", "outcome", "planned_admission", "risk")
"""Beginnings of the paths of clauses that decide on a patient."""

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutant:
    """A changed definition.

    Attributes
    ----------
    clause : str
        Path of the clause that is changed, as `riskstd spec show` prints it.
    change : str
        What is changed in it.
    holds_if : str
        The option under which the clause holds, as `name = value`; empty if it always does.
    place : tuple
        Where in the file.
    value : object
        What stands there instead.
    drops : bool
        Whether the place is left out.
    factor : str
        Name of the risk factor that alone is changed, if one is.
    """

    clause: str
    change: str
    holds_if: str
    place: Place
    value: Any = field(hash=False)
    drops: bool = False
    factor: str = ""

    @property
    def name(self) -> str:
        """Clause, option and change in one line; no two mutants of a measure share it."""
        return f"{self.clause}{f' ({self.holds_if})' if self.holds_if else ''}: {self.change}"

    def apply(self, tree: dict[str, Any]) -> None:
        """Change a definition in place."""
        part: Any = tree
        for step in self.place[:-1]:
            part = part[step]
        if self.drops and isinstance(part, list):
            part.pop(int(self.place[-1]))
        else:
            part[self.place[-1]] = self.value


def mutants_of(measure: Measure) -> list[Mutant]:
    """Return every mutant of a measure, in the order of the file, those included that no one could run.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> [each.change for each in mutants_of(load_measure("ASC-18")) if each.clause.endswith("[age_under_65]")]
    ['dropped', 'age_years 66', 'age_years 64']
    """
    found: list[Mutant] = []
    for path, place, clause in _clauses(measure.definition, "", ()):
        if path.startswith(DECIDING):
            factor = str(getattr(clause, "name", "")) if path.startswith("risk.factors[") else ""
            found += [
                Mutant(path, change.says, _holds_if(clause), (*place, *change.key), change.value, change.drops, factor)
                for change in changes_of(measure, path, clause)
            ]
        elif path.startswith("options.") and not _is_of_the_score(measure, path):
            found += [
                Mutant(path, f"default {choice}", "", (*place, "default"), choice)
                for choice in clause.choices  # type: ignore[attr-defined]
                if choice != clause.default  # type: ignore[attr-defined]
            ]
    return found


def mutated(measure: Measure, mutants: Sequence[Mutant]) -> Measure:
    """Return a measure with some changes at once.

    Raises
    ------
    SpecError
        When no such definition can be loaded, or it has no planned admission tables under its options.
    """
    tree = _listed(measure.definition.model_dump(by_alias=True))
    # From the back, so that what is dropped moves no other change.
    for mutant in sorted(mutants, key=lambda each: [str(step).zfill(4) for step in each.place], reverse=True):
        mutant.apply(tree)
    try:
        definition = Definition.model_validate(tree)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise SpecError(said) from None
    check_references(definition, measure.file, measure.tables)
    changed = replace(measure, definition=definition)
    if not changed.planned_tables:
        raise SpecError("no version of planned_admission.tables holds under the options")
    return changed


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else copy.copy(value)


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


def _holds_if(clause: Clause) -> str:
    return "" if clause.when is None else f"{clause.when.option} = {' or '.join(clause.when.is_in)}"


def _is_of_the_score(measure: Measure, path: str) -> bool:
    """Options that choose among clauses on the score alone decide on no patient."""
    name = path.removeprefix("options.")
    chosen = [each for each, clause in measure.definition.clauses() if clause.when and clause.when.option == name]
    return bool(chosen) and all(each.startswith("score") for each in chosen)
