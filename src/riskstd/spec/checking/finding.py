"""What a check found: where, what, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from riskstd.spec.definition import Measure

DEFECT, WARNING, OPEN, NOTE = "defect", "warning", "open", "note"
LEVELS = (DEFECT, WARNING, OPEN, NOTE)
"""A defect makes the check fail; a warning may be meant; an open place waits for its author; a note only informs."""

SHOWN = 8


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes
    ----------
    level : {'defect', 'warning', 'open', 'note'}
    place : str
        Clause of the definition, or table with its rows (line of the file, the header being line 1).
    found : str
        What is wrong.
    mend : str
        What to do.
    """

    level: str
    place: str
    found: str
    mend: str


Check = Callable[[Measure], Iterator[Finding]]


def shown(items: Sequence[str]) -> str:
    """Return the first of some items, and how many more there are.

    Examples
    --------
    >>> shown(["a", "b"])
    'a, b'
    >>> shown([str(n) for n in range(10)])
    '0, 1, 2, 3, 4, 5, 6, 7 and 2 more'
    """
    more = f" and {len(items) - SHOWN:,} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
