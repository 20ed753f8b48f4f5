"""Progress of work in parts: each part's own count becomes a share of the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[int, int, str], None]
_POINTS = 100
"""Points of a part: fine enough for a bar, whole numbers for whom counts."""


@dataclass
class Parts:
    """Parts done one after another, each a hundred points of the whole.

    Parameters
    ----------
    tell : callable or None
        Called with points done, points in all, and what is being done.
    total : int
        Number of parts.

    Examples
    --------
    >>> parts = Parts(lambda done, total, what: print(done, total, what), 3)
    >>> parts.start("cohort")
    0 300 cohort
    >>> parts.start("bootstrap")
    100 300 bootstrap
    >>> parts.within(1000, 2000, "bootstrap")
    150 300 bootstrap
    """

    tell: Progress | None
    total: int
    done: int = field(default=-1, init=False)

    def start(self, what: str) -> None:
        """Go on to the next part."""
        self.done += 1
        self.within(0, 1, what)

    def within(self, done: int, total: int, what: str) -> None:
        """Tell how far the part of now is, in counts of its own."""
        if self.tell is not None:
            share = _POINTS * done // total if total else 0
            self.tell(_POINTS * max(self.done, 0) + share, _POINTS * self.total, what)

    def finish(self, what: str) -> None:
        """Tell that all is done."""
        self.done = self.total
        self.within(0, 1, what)
