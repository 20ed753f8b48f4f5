"""A measure in words: every clause in force with its values, source and origin."""

from __future__ import annotations

from typing import Any

from riskstd.spec.clauses import Clause, Closed, FactorBase
from riskstd.spec.codetables import DATA
from riskstd.spec.definition import TABLE_KEYS, Measure
from riskstd.spec.fidelity import fidelity_of

SECTIONS = {
    "cohort": "Cohort",
    "outcome": "Outcome",
    "planned_admission": "Planned admissions",
    "risk": "Risk factors",
    "score": "Score",
}
_WORDS = frozenset(
    {"says", "source", "origin", "grade", "when", "id", "name", "rule", "values_source", "values_origin"}
    | {"values_grade"}
)


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
    for section, title in SECTIONS.items():
        lines += ["", f"## {title}", ""]
        lines += [line for path, clause in clauses_of(measure, section) for line in _clause_lines(path, clause)]
    lines += ["", "## Options", "", *_option_lines(measure)]
    lines += ["", "## Code tables", "", *_table_lines(measure)]
    lines += ["", "## Sources", ""]
    lines += [f"- `{key}`: {text}" for key, text in measure.definition.sources.items()]
    return "\n".join([*lines, "", "## AMA notice", "", ama_notice()])


def ama_notice() -> str:
    """Return the notice that goes with every list of CPT numbers."""
    return (DATA / "AMA-NOTICE.txt").read_text("utf-8").strip()


def clauses_of(measure: Measure, section: str) -> list[tuple[str, Clause]]:
    """Return the clauses in force of one section, with their paths."""
    return [(path, clause) for path, clause in measure.active_clauses() if path.split(".")[0] == section]


def clause_facts(clause: Clause) -> list[tuple[str, str]]:
    """Return what a clause states besides words: its values, by key.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> clause_facts(load_measure("ASC-12").exclusions[3])
    [('age years', '65')]
    """
    facts = []
    for key, value in clause:
        if key in _WORDS or value in (None, "", ()) or isinstance(value, Clause) or _holds_clauses(value):
            continue
        facts.append((key.replace("_", " "), _value(value)))
    return facts


def origin_of(clause: Clause) -> tuple[str, str]:
    """Return where a clause was read and how sure that is; a factor has the origin of its values."""
    if isinstance(clause, FactorBase) and clause.values_source:
        return f"{clause.source}; values: {clause.values_source}", str(clause.values_origin or clause.origin)
    return clause.source, clause.origin


def code_lists(measure: Measure) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the codes of the code lists in use, by table and role, each with years and origin."""
    lists = []
    for name, roles in sorted(_roles_used(measure).items()):
        table = measure.table(name)
        if table.provenance.kind != "code_list":
            continue
        for role in sorted(roles):
            rows = [row for row in table.rows if row["role"] == role]
            said = [
                (f"{row['system']}, {row['years'] or 'every year'} ({row['origin']})", row["codes"]) for row in rows
            ]
            lists.append((f"{name}: {role.replace('_', ' ')}", said))
    return lists


def _row_in_words(row: dict[str, str]) -> str:
    return f"{row['system']}, {row['years'] or 'every year'} ({row['origin']})"


def _roles_used(measure: Measure) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    for _, clause in measure.active_clauses():
        for key in TABLE_KEYS:
            name = getattr(clause, key, None)
            roles = {getattr(clause, "role", None), *getattr(clause, "types", ())} - {None}
            if name is not None:
                used.setdefault(name, set()).update(str(role) for role in roles)
    return used


def _holds_clauses(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, Clause) for item in value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(_value(item) or "blank" for item in value)
    if isinstance(value, Closed):
        return "; ".join(f"{key.replace('_', ' ')}: {_value(item)}" for key, item in value)
    return str(value)


def _clause_lines(path: str, clause: Clause) -> list[str]:
    values = ""
    if isinstance(clause, FactorBase) and clause.values_source:
        values = f"; values: {clause.values_source} ({clause.values_origin})"
    facts = "; ".join(f"{key}: {value}" for key, value in clause_facts(clause))
    line = f"- `{path}`: {clause.says} [{clause.source} ({clause.origin}){values}]"
    return [line, f"  - {facts}"] if facts else [line]


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
