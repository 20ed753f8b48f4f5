"""Checks of definitions: schema, references, contradictions, codes, and an implementation of every rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from riskstd.cohort.exclusions import rule_of
from riskstd.errors import SpecError
from riskstd.spec import Measure, list_measures, load_measure
from riskstd.spec.checking import DEFECT, Finding, check_measure
from riskstd.spec.folder import Definitions

_MENDS = {
    "unknown key": "take it out, or correct its name: the keys are those of riskstd.spec.clauses",
    "missing key": "add it",
    "missing key `rule` or `kind`": "add it: it names the rule that decides",
    "rule or kind without an implementation": "use one of those in riskstd.spec.clauses",
}
_MEND_REFERENCE = "correct the name, or add what it names"


@dataclass(frozen=True)
class CheckedDefinition:
    """A definition that was looked at.

    Attributes
    ----------
    file : str
    clauses, rules, tables : int
        What it holds; 0 when it cannot be loaded.
    findings : tuple of Finding
        Defects first.
    """

    file: str
    clauses: int = 0
    rules: int = 0
    tables: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def defects(self) -> tuple[Finding, ...]:
        """Findings that make the check fail."""
        return tuple(finding for finding in self.findings if finding.level == DEFECT)


def check_definitions(
    files: Sequence[str | Path] | None = None, *, definitions: Definitions = "auto"
) -> list[CheckedDefinition]:
    """Check definition files or measure ids, or all definitions of the project and of one's own folder.

    Parameters
    ----------
    files : sequence of str or Path, optional
        Definition files or ids.
    definitions : str or Path, optional
        The user's definition folder, as in `load_measure`.

    Returns
    -------
    list of CheckedDefinition
        One for each definition, whether it passes or not.

    Examples
    --------
    >>> [bool(checked.defects) for checked in check_definitions(["ASC-12", "ASC-18"])]
    [False, False]
    """
    wanted = [(file, 2025) for file in files] if files else list_measures(definitions)
    return [_check(file, year, definitions) for file, year in wanted]


def _check(file: str | Path, year: int, definitions: Definitions) -> CheckedDefinition:
    try:
        measure = load_measure(file, year, definitions=definitions)
    except SpecError as error:
        return CheckedDefinition(Path(file).name, findings=tuple(_as_findings(error)))
    found = [*_rules_without_function(measure), *check_measure(measure)]
    return CheckedDefinition(
        measure.file,
        clauses=sum(1 for _ in measure.definition.clauses()),
        rules=len(measure.definition.cohort.exclusions),
        tables=len(measure.tables_used()),
        findings=tuple(found),
    )


def _rules_without_function(measure: Measure) -> list[Finding]:
    found = []
    for clause in measure.definition.cohort.exclusions:
        try:
            rule_of(clause)
        except SpecError as error:
            place = f"cohort.exclusions[{clause.id}].rule"
            found.append(Finding(DEFECT, place, error.found, "use a rule of riskstd.cohort.exclusions"))
    return found


def _as_findings(error: SpecError) -> list[Finding]:
    """One finding for each problem that the loader names, or one for all it says."""
    head, *problems = error.found.splitlines()
    if not problems:
        return [Finding(DEFECT, head.partition(":")[0], head, error.hint or error.expected)]
    found = []
    for problem in problems:
        place, _, said = problem.strip().partition(": ")
        found.append(Finding(DEFECT, place, said, _MENDS.get(said, _mend(error, head))))
    return found


def _mend(error: SpecError, head: str) -> str:
    if "reference" in head:
        return _MEND_REFERENCE
    return error.hint or f"write what is expected: {error.expected}"
