"""A measure in words: every clause in force with its source and origin."""

from __future__ import annotations

from riskstd.spec.clauses import Clause, FactorBase
from riskstd.spec.codetables import DATA
from riskstd.spec.definition import Measure
from riskstd.spec.fidelity import fidelity_of

_SECTIONS = {
    "cohort": "Cohort",
    "outcome": "Outcome",
    "planned_admission": "Planned admissions",
    "risk": "Risk factors",
    "score": "Score",
}


def describe_measure(measure: Measure) -> str:
    """Return the measure as Markdown: what it measures, each clause, options, code tables, fidelity.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> describe_measure(load_measure("ASC-18")).splitlines()[0]
    '# ASC-18, specification year 2025'
    """
    head = measure.definition.measure
    lines = [
        f"# {measure.id}, specification year {measure.spec_year}",
        "",
        f"{head.title}.",
        "",
        head.says,
        "",
        f"Fidelity: {fidelity_of(measure).statement()}",
    ]
    for section, title in _SECTIONS.items():
        lines += ["", f"## {title}", ""]
        lines += [_clause_line(path, clause) for path, clause in _clauses_of(measure, section)]
    lines += ["", "## Options", "", *_option_lines(measure)]
    lines += ["", "## Code tables", "", *_table_lines(measure)]
    lines += ["", "## Sources", ""]
    lines += [f"- `{key}`: {text}" for key, text in measure.definition.sources.items()]
    return "\n".join([*lines, "", "## AMA notice", "", ama_notice()])


def ama_notice() -> str:
    """Return the notice that goes with every list of CPT numbers."""
    return (DATA / "AMA-NOTICE.txt").read_text("utf-8").strip()


def _clauses_of(measure: Measure, section: str) -> list[tuple[str, Clause]]:
    return [(path, clause) for path, clause in measure.active_clauses() if path.split(".")[0] == section]


def _clause_line(path: str, clause: Clause) -> str:
    values = ""
    if isinstance(clause, FactorBase) and clause.values_source:
        values = f"; values: {clause.values_source} ({clause.values_origin})"
    return f"- `{path}`: {clause.says} [{clause.source} ({clause.origin}){values}]"


def _option_lines(measure: Measure) -> list[str]:
    return [
        f"- `{name}` = {measure.options[name]} (of {', '.join(option.choices)}): {option.says} "
        f"[{option.source} ({option.origin})]"
        for name, option in measure.definition.options.items()
    ]


def _table_lines(measure: Measure) -> list[str]:
    lines = []
    for name in measure.tables_used():
        table = measure.table(name)
        origins = ", ".join(f"{n:,} {origin}" for origin, n in table.origins().items())
        lines.append(f"- `{name}` ({table.provenance.version}): {table.provenance.says} Rows: {origins}.")
    return lines
