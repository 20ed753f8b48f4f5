"""Claims cut to the people and days that some measures look at."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from riskstd.claims.claims import Claims

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    import ibis.expr.types as ir

    from riskstd.spec import Measure


T = TypeVar("T")


@dataclass(frozen=True)
class CutClaims(Claims):
    """Claims tables without the rows and columns that no rule of some measures looks at.

    Attributes
    ----------
    source : Claims
        Claims that they were cut from.
    lines_before : int
        Professional lines before the cut.
    rows_before : dict of str to int
        Rows before the cut of the tables that procedures are read from.
    reach : frozenset
        Definitions and options that the cut is wide enough for.
    candidates : ibis table
        `person_key` of the people who have a candidate.
    seconds : float
        Time that the cut took.
    shared : dict
        What measures that ask the same of the cut share, by what they ask; `once` fills it.
    """

    source: Claims | None = field(default=None, repr=False)
    lines_before: int = 0
    rows_before: dict[str, int] = field(default_factory=dict, compare=False)
    reach: frozenset[Any] = frozenset()
    candidates: ir.Table | None = field(default=None, repr=False)
    seconds: float = 0.0
    shared: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, source: Claims, tables: Mapping[str, ir.Table], measures: Iterable[Measure], **known: Any) -> CutClaims:
        """Return the cut of some claims that has these tables and is wide enough for these measures."""
        kept = {f.name: getattr(source, f.name) for f in fields(Claims)} | {"tables": tables}
        return cls(**kept, source=source, reach=frozenset(map(identity, measures)), **known)

    def covers(self, measure: Measure) -> bool:
        """Tell whether every row that a rule of the measure looks at is there."""
        return identity(measure) in self.reach


def identity(measure: Measure) -> tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return what tells one measure under its options, with its code tables, from another."""
    tables = tuple(measure.table(name).sha256 for name in measure.tables_used())
    return measure.sha256, tuple(sorted(measure.options.items())), tables


def narrowest(claims: Claims, cohort: object) -> Claims:
    """Return the cut that a cohort was built from if it is a cut of these claims, else the claims."""
    cut = getattr(cohort, "claims", None)
    return cut if isinstance(cut, CutClaims) and cut.source is claims else claims


def once(claims: Claims, asked: Hashable, work: Callable[[], T]) -> T:
    """Return what some work on claims gives; on a cut it is done once for all measures that ask the same."""
    if not isinstance(claims, CutClaims):
        return work()
    if asked not in claims.shared:
        claims.shared[asked] = work()
    return claims.shared[asked]
