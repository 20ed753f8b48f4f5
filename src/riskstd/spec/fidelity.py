"""How far a measure rests on public CMS material: derived from origins, never claimed."""

from __future__ import annotations

from dataclasses import dataclass

from riskstd.spec.clauses import ComplicationOfCare, ConditionCategory, DiagnosisCode, FactorBase, VisitCodes
from riskstd.spec.definition import TRUSTED_ORIGINS, Measure

OFFICIAL = "official tables"
TABLES_ONLY = "public and imported tables, rules partly reconstructed, not a CMS result"
PARTLY = "partly reconstructed, not a CMS result"
_WITH_LISTS = (ConditionCategory, DiagnosisCode, ComplicationOfCare, VisitCodes)


@dataclass(frozen=True)
class Fidelity:
    """Counts of clauses and of code-table rows by origin, and the label they lead to.

    Attributes
    ----------
    clauses : dict of str to int
        Clauses in force by origin; a risk factor counts for its values.
    tables : dict of str to dict
        Rows by origin, for each code table in use.
    lists : frozenset of str
        Origins of the categories and codes that clauses list themselves: risk factors, complications of care, visits.
    label : str
        `official tables` only if nothing in use is reconstructed or assumed; the second label if that holds for the
        code tables and the lists in clauses, but not for every rule.
    """

    clauses: dict[str, int]
    tables: dict[str, dict[str, int]]
    lists: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """What a run on these origins may call itself."""
        listed = set(self.lists).union(*(set(rows) for rows in self.tables.values()))
        if not listed <= TRUSTED_ORIGINS:
            return PARTLY
        return OFFICIAL if set(self.clauses) <= TRUSTED_ORIGINS else TABLES_ONLY

    def statement(self) -> str:
        """Return the label with the counts behind it, as a sentence."""
        clauses = ", ".join(f"{n} {origin}" for origin, n in self.clauses.items())
        weak = sorted(name for name, rows in self.tables.items() if not set(rows) <= TRUSTED_ORIGINS)
        tables = f"; tables with reconstructed or assumed rows: {', '.join(weak)}" if weak else ""
        imported = sorted(name for name, rows in self.tables.items() if "user_import" in rows)
        tables += f"; tables imported by the user: {', '.join(imported)}" if imported else ""
        return f"{self.label} (clauses by origin: {clauses}{tables})"


def fidelity_of(measure: Measure) -> Fidelity:
    """Derive the fidelity of a measure under its options.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> fidelity_of(load_measure("ASC-12")).label
    'partly reconstructed, not a CMS result'
    """
    clauses: dict[str, int] = {}
    lists: set[str] = set()
    for path, clause in measure.active_clauses():
        if path.startswith("options."):
            continue
        origin = clause.origin
        if isinstance(clause, FactorBase) and clause.values_origin is not None:
            origin = clause.values_origin
        if isinstance(clause, _WITH_LISTS):
            lists.add(origin)
        clauses[origin] = clauses.get(origin, 0) + 1
    tables = {name: measure.table(name).origins() for name in measure.tables_used()}
    return Fidelity(dict(sorted(clauses.items())), tables, frozenset(lists))
