"""Counts that belong together: sums and orders that hold among them, and which are small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SMALL_CELL = 10
"""Largest count that may not be shown."""


@dataclass(frozen=True)
class Total:
    """One cell that is the sum of others."""

    total: str
    parts: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """All cells of the sum."""
        return (self.total, *self.parts)


@dataclass(frozen=True)
class AtMost:
    """One cell that is never larger than another."""

    lesser: str
    greater: str


@dataclass(frozen=True, eq=False)
class System:
    """Counts by name, and all that is known to hold among them.

    Attributes
    ----------
    counts : dict of str to int
    totals : list of Total
    at_most : list of AtMost
    unprinted : set of str
        Cells that no table has but anyone can work out.
    known : dict of str to (float, float)
        Least and most that a reader takes a cell to be that is hidden whatever it is.
    """

    counts: dict[str, int] = field(default_factory=dict)
    totals: list[Total] = field(default_factory=list)
    at_most: list[AtMost] = field(default_factory=list)
    unprinted: set[str] = field(default_factory=set)
    known: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, other: System) -> None:
        """Take in the counts of another system and what holds among them."""
        self.counts.update(other.counts)
        self.totals.extend(other.totals)
        self.at_most.extend(other.at_most)
        self.unprinted.update(other.unprinted)
        self.known.update(other.known)

    def add_rest(self, total: str, parts: list[str], rest: str) -> bool:
        """Add what is left of a total beyond its parts as a cell of its own; refuse if it is negative."""
        left = self.counts[total] - sum(self.counts[part] for part in parts)
        if left < 0:
            return False
        self.counts[rest] = left
        self.unprinted.add(rest)
        self.totals.append(Total(total, (*parts, rest)))
        return True


def is_small(count: float, limit: int = SMALL_CELL) -> bool:
    """Tell whether a count may not be shown.

    Examples
    --------
    >>> [is_small(n) for n in (0, 1, 10, 11)]
    [False, True, True, False]
    """
    return 1 <= count <= limit


def parts_of_small_totals(cells: Mapping[str, int], totals: Sequence[Total], limit: int = SMALL_CELL) -> frozenset[str]:
    """Name the cells below a small total, zeros among them: no fact about a small group is shown.

    Examples
    --------
    >>> sorted(parts_of_small_totals({"all": 3, "a": 3, "b": 0}, [Total("all", ("a", "b"))]))
    ['a', 'b']
    """
    found: set[str] = set()
    while True:
        more = {part for t in totals if t.total in found or is_small(cells[t.total], limit) for part in t.parts} - found
        if not more:
            return frozenset(found)
        found |= more
