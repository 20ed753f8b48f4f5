"""Verdicts in words: what is expected, and the result as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from riskstd.pipeline.assurance.patients import Expected

if TYPE_CHECKING:
    from riskstd.pipeline.assurance.assure import Assurance, Verdict

_FACTS = (
    "facility_id",
    "codes",
    "index_code",
    "work_rvu",
    "qualifying_procedures",
    "age_years",
    "died_in_window",
    "facilities_same_day",
    "planned_rule",
    "principal_diagnosis",
)


def expectation_in_words(expected: Expected) -> str:
    """Return an expectation in a few words.

    Examples
    --------
    >>> expectation_in_words(Expected(in_cohort=True, outcome=1, visits=("ed 7",)))
    'in; outcome 1; visits: ed 7'
    """
    said = []
    if expected.candidate is False:
        said.append("no procedure")
    if expected.excluded_by is not None:
        said.append(f"out by {expected.excluded_by}")
    elif expected.in_cohort is not None and expected.candidate is not False:
        said.append("in" if expected.in_cohort else "out")
    if expected.outcome is not None:
        said.append(f"outcome {expected.outcome}")
    if expected.visits is not None:
        said.append(f"visits: {', '.join(expected.visits) or 'none'}")
    if expected.not_counted_because is not None:
        said.append(f"not counted: {expected.not_counted_because.replace('_', ' ')}")
    for name in _FACTS:
        value = getattr(expected, name)
        if value is not None:
            said.append(f"{name.replace('_', ' ')} {_fact(value)}")
    return "; ".join([*said, *(f"{name} = {value:g}" for name, value in expected.factor.items())])


def counts_by_clause(verdicts: Iterable[Verdict]) -> list[tuple[str, int, int]]:
    """Return each clause with its number of patients and how many of them fail, in the order of the files."""
    counts: dict[str, list[int]] = {}
    for verdict in verdicts:
        for clause in verdict.clauses:
            entry = counts.setdefault(clause, [0, 0])
            entry[0] += 1
            entry[1] += not verdict.passes
    return [(clause, patients, failed) for clause, (patients, failed) in counts.items()]


def summary(found: Assurance, measure: str) -> str:
    """Return the result of a measure in one sentence."""
    verdicts = [verdict for verdict in found.verdicts if verdict.measure == measure]
    failed = sum(not verdict.passes for verdict in verdicts)
    untested = len(found.untested.get(measure, ()))
    said = f"{measure}: {len(verdicts) - failed:,} of {len(verdicts):,} patients as expected"
    return f"{said}; {untested} deciding clause(s) without a patient" if untested else said


def measures_of(found: Assurance) -> list[str]:
    """Return the measures that were run, in order."""
    return list(dict.fromkeys(verdict.measure for verdict in found.verdicts))


def as_markdown(found: Assurance) -> str:
    """Return the result as Markdown: a table of patients for each measure, and what failed."""
    lines = []
    for measure in measures_of(found):
        verdicts = [verdict for verdict in found.verdicts if verdict.measure == measure]
        lines += [f"# {summary(found, measure)}", ""]
        lines += markdown_table(
            ("patient", "shows", "expected", "result"),
            [(v.patient, v.says, v.expected, "as expected" if v.passes else "; ".join(v.reasons)) for v in verdicts],
        )
        untested = found.untested.get(measure, ())
        if untested:
            lines += ["", "Clauses without a patient: " + ", ".join(f"`{path}`" for path in untested) + "."]
        lines.append("")
    return "\n".join(lines).rstrip()


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    head = [" | ".join(columns), " | ".join("---" for _ in columns)]
    body = [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return [f"| {line} |" for line in [*head, *body]]


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
