"""How far a measure rests on public CMS material: derived from origins, never claimed."""

from __future__ import annotations

from dataclasses import dataclass

from riskstd.spec.clauses import FactorBase
from riskstd.spec.definition import TRUSTED_ORIGINS, Measure

OFFICIAL = "official tables"
PARTLY = "partly reconstructed, not a CMS result"


@dataclass(frozen=True)
class Fidelity:
    """Counts of clauses and of code-table rows by origin, and the label they lead to.

    Attributes
    ----------
    clauses : dict of str to int
        Clauses in force by origin; a risk factor counts for its values.
    tables : dict of str to dict
        Rows by origin, for each code table in use.
    label : str
        `official tables` only if nothing in use is reconstructed or assumed.
    """

    clauses: dict[str, int]
    tables: dict[str, dict[str, int]]

    @property
    def label(self) -> str:
        """What a run on these origins may call itself."""
        used = set(self.clauses).union(*(set(rows) for rows in self.tables.values()))
        return OFFICIAL if used <= TRUSTED_ORIGINS else PARTLY

    def statement(self) -> str:
        """Return the label with the counts behind it, as a sentence."""
        clauses = ", ".join(f"{n} {origin}" for origin, n in self.clauses.items())
        weak = sorted(name for name, rows in self.tables.items() if not set(rows) <= TRUSTED_ORIGINS)
        tables = f"; tables with reconstructed or assumed rows: {', '.join(weak)}" if weak else ""
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
    for path, clause in measure.active_clauses():
        if path.startswith("options."):
            continue
        origins = {clause.origin}
        if isinstance(clause, FactorBase) and clause.values_origin is not None:
            origins = {clause.values_origin}
        for origin in origins:
            clauses[origin] = clauses.get(origin, 0) + 1
    tables = {name: measure.table(name).origins() for name in measure.tables_used()}
    return Fidelity(dict(sorted(clauses.items())), tables)
