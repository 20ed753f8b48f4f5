"""Checks of definitions that need the engine: every rule has an implementation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from riskstd.cohort.exclusions import rule_of
from riskstd.spec import Measure, list_measures, load_measure
from riskstd.spec.codetables import load_code_table


@dataclass(frozen=True)
class CheckedDefinition:
    """A definition that passed, with what was looked at."""

    file: str
    clauses: int
    rules: int
    tables: int


def check_definitions(files: Sequence[Path] | None = None) -> list[CheckedDefinition]:
    """Check definition files, or all definitions of the project.

    Raises
    ------
    SpecError
        At the first definition that fails, naming file and key.

    Examples
    --------
    >>> len(check_definitions())
    4
    """
    measures = (
        [load_measure(path) for path in files]
        if files
        else [load_measure(name, year) for name, year in list_measures()]
    )
    return [_check(measure) for measure in measures]


def _check(measure: Measure) -> CheckedDefinition:
    exclusions = measure.definition.cohort.exclusions
    for clause in exclusions:
        rule_of(clause)
    for name in measure.tables_used():
        load_code_table(name)
    clauses = sum(1 for _ in measure.definition.clauses())
    return CheckedDefinition(measure.file, clauses, len(exclusions), len(measure.tables_used()))
