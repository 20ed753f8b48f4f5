"""The definition in the report: every clause in force with its source and origin, and its code tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from riskstd.report.wording import listed, sentence
from riskstd.spec import Measure
from riskstd.spec.clauses import FactorBase
from riskstd.spec.definition import TRUSTED_ORIGINS

ORIGIN_NAMES = {
    "cms_public": "public CMS material",
    "reconstructed": "reconstructed",
    "assumed": "assumed",
    "user_import": "imported by the user",
}
_PARTS = {
    "measure": "Measure",
    "cohort": "Cohort",
    "outcome": "Outcome",
    "planned_admission": "Planned admissions",
    "risk": "Risk factors",
    "score": "Score",
    "options": "Options",
}


@dataclass(frozen=True)
class ClauseRow:
    """One clause of the definition, as text."""

    part: str
    path: str
    says: str
    source: str
    origin: str
    trusted: bool


def clause_rows(measure: Measure) -> list[ClauseRow]:
    """List every clause in force, in the order of the definition; a factor has the origin of its values.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> rows = clause_rows(load_measure("ASC-17"))
    >>> rows[0].part, rows[-1].part
    ('Measure', 'Score')
    """
    rows = []
    for path, clause in measure.active_clauses():
        head = path.partition(".")[0]
        if head == "options":
            continue
        source, origin = clause.source, str(clause.origin)
        if isinstance(clause, FactorBase) and clause.values_source:
            source = f"{source}; values: {clause.values_source}"
        if isinstance(clause, FactorBase) and clause.values_origin is not None:
            origin = str(clause.values_origin)
        name = ORIGIN_NAMES.get(origin, origin)
        rows.append(
            ClauseRow(_PARTS.get(head, head), path, sentence(clause.says), source, name, origin in TRUSTED_ORIGINS)
        )
    return rows


def origin_counts(counts: Mapping[str, int]) -> str:
    """Write counts by origin as words.

    Examples
    --------
    >>> origin_counts({"assumed": 9, "cms_public": 1204})
    '9 assumed and 1,204 public CMS material'
    """
    return listed([f"{n:,} {ORIGIN_NAMES.get(origin, origin)}" for origin, n in counts.items()])


def table_facts(measure: Measure) -> list[tuple[str, str, str]]:
    """List the code tables in use: name, version, hash of the file."""
    tables = [measure.table(name) for name in measure.tables_used()]
    return [(table.name, table.provenance.version, table.sha256) for table in tables]
