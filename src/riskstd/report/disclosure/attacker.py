"""What a reader can work out about hidden counts: linear programs over everything that is shown.

The reader is given more than any reader has. He knows every shown count, every sum and every order that holds
among the counts, the rule of suppression, and of each hidden count whether it is small (1 to 10), a part of
a small total (0 to 10) or hidden only to protect others (more than 10). What he can learn of a count is then the
interval of its values over all tables that agree with this; both ends are linear programs. Fractions are allowed,
so that the interval is at least as wide as that of whole numbers; it is the same for totals in a hierarchy or in
two directions, whose matrices are totally unimodular. Counts hidden to protect others are taken to lie above
the limit although zero would be possible, which can only make the interval narrower than it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack, vstack

from riskstd.report.disclosure.count_system import SMALL_CELL, AtMost, Total, parts_of_small_totals

TOLERANCE = 1e-6
_KEPT_COST = 1000.0


class Reader:
    """One who has all that is shown and works out the rest.

    Parameters
    ----------
    cells : mapping of str to int
        True counts.
    totals : sequence of Total
    at_most : sequence of AtMost
    unprinted : iterable of str
        Cells that no table has, so that no mark tells anything of them either.
    known : mapping of str to (float, float), optional
        Least and most that a cell can be if it is hidden, where more is known than its mark tells.
    limit : int

    Attributes
    ----------
    names : tuple of str
        Cells in the order of all arrays.
    """

    def __init__(
        self,
        cells: Mapping[str, int],
        totals: Sequence[Total],
        *,
        at_most: Sequence[AtMost] = (),
        unprinted: Iterable[str] = (),
        known: Mapping[str, tuple[float, float]] | None = None,
        limit: int = SMALL_CELL,
    ) -> None:
        self.names = tuple(sorted(cells))
        self.limit = limit
        self.position = {name: k for k, name in enumerate(self.names)}
        self.truth = np.array([cells[name] for name in self.names], dtype=np.float64)
        self.small = (self.truth >= 1) & (self.truth <= limit)
        self.unprinted = self._where(unprinted)
        self.below_small = self._where(parts_of_small_totals(cells, totals, limit))
        self._known = {self.position[name]: ends for name, ends in (known or {}).items()}
        self._sums = self._matrix([(t.total, t.parts) for t in totals])
        self._orders = self._matrix([(pair.lesser, (pair.greater,)) for pair in at_most])
        self._slack = np.minimum(-(self._orders @ self.truth), 4.0 * self._reach)

    @property
    def _reach(self) -> float:
        """How far from the truth tables are looked for, which is more than any small count can need."""
        return 20.0 * self.limit

    def _where(self, names: Iterable[str]) -> NDArray[np.bool_]:
        chosen = np.zeros(len(self.names), dtype=bool)
        chosen[[self.position[name] for name in names]] = True
        return chosen

    def _matrix(self, rows: list[tuple[str, tuple[str, ...]]]) -> Any:
        entries = [
            (k, self.position[name], sign)
            for k, (plus, minus) in enumerate(rows)
            for name, sign in ((plus, 1.0), *((part, -1.0) for part in minus))
        ]
        if not entries:
            return csr_array((0, len(self.names)))
        row, column, value = zip(*entries, strict=True)
        return csr_array((value, (row, column)), shape=(len(rows), len(self.names)))

    def where(self, hidden: Iterable[str]) -> NDArray[np.bool_]:
        """Return the hidden cells as an array; shape (n_cells,)."""
        return self._where(hidden) | self.unprinted

    def bounds(self, hidden: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what is known of each cell by itself: least and most, each of shape (n_cells,)."""
        small_group = hidden & self.below_small & ~self.unprinted
        small = hidden & self.small & ~small_group & ~self.unprinted
        others = hidden & (self.truth > self.limit) & ~self.unprinted
        unmarked = hidden & self.unprinted
        most = np.select(
            [small_group | small, others | unmarked], [float(self.limit), self.truth + self._reach], self.truth
        )
        least = np.select([small_group | unmarked, small, others], [0.0, 1.0, self.limit + 1.0], self.truth)
        for k, (low, high) in self._known.items():
            if hidden[k]:
                least[k], most[k] = low, min(high, self.truth[k] + self._reach)
        return np.maximum(least, self.truth - self._reach), most

    def extreme(self, goal: NDArray[np.float64], hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the table, among those that agree with all that is shown, that makes the goal least.

        Parameters
        ----------
        goal : ndarray, shape (n_cells,)
            Weight of each cell.
        hidden : ndarray of bool, shape (n_cells,)

        Returns
        -------
        ndarray, shape (n_cells,)
        """
        least, most = self.bounds(hidden)
        moved = _optimum(goal, self._orders, self._slack, self._sums, least - self.truth, most - self.truth)
        return self.truth + moved

    def interval(self, name: str, hidden: NDArray[np.bool_]) -> tuple[float, float]:
        """Return the least and the most that a cell can be."""
        k = self.position[name]
        return float(self.extreme(self.unit(k), hidden)[k]), float(self.extreme(-self.unit(k), hidden)[k])

    def unit(self, k: int) -> NDArray[np.float64]:
        """Return the goal that is cell `k` alone."""
        goal = np.zeros(len(self.names))
        goal[k] = 1.0
        return goal

    def all_marked(self, hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the cells hidden if every cell but shown zeros were."""
        return hidden | (self.truth > self.limit)

    def cheapest_table(
        self, k: int, value: float, hidden: NDArray[np.bool_], kept: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the table with cell `k` at a value that differs from the truth in the cheapest shown cells.

        A shown cell costs the more the larger it is, one that is to be kept much more; zeros stay.
        """
        free = self.all_marked(hidden)
        least, most = self.bounds(free)
        least[k] = most[k] = value
        payers = np.flatnonzero(free & ~hidden)
        n, m = len(self.names), len(payers)
        cost = 1.0 + np.log10(self.truth[payers]) + 1e-4 * np.arange(m)
        cost = cost * np.where(kept[payers], _KEPT_COST, 1.0)
        chosen = csr_array((np.ones(m), (np.arange(m), payers)), shape=(m, n))
        moved = _optimum(
            np.concatenate([np.zeros(n), cost]),
            vstack([_widened(self._orders, m), hstack([chosen, -eye_array(m)]), hstack([-chosen, -eye_array(m)])]),
            np.concatenate([self._slack, np.zeros(2 * m)]),
            _widened(self._sums, m),
            np.concatenate([least - self.truth, np.zeros(m)]),
            np.concatenate([most - self.truth, np.full(m, np.inf)]),
        )
        return self.truth + moved[:n]


def whole_values(low: float, high: float) -> int:
    """Count the whole numbers between two ends.

    Examples
    --------
    >>> whole_values(1.0, 10.0), whole_values(2.4, 2.9)
    (10, 0)
    """
    return math.floor(high + TOLERANCE) - math.ceil(low - TOLERANCE) + 1


def _widened(matrix: Any, columns: int) -> Any:
    return hstack([matrix, csr_array((matrix.shape[0], columns))])


def _optimum(
    goal: NDArray[np.float64],
    at_most: Any,
    slack: NDArray[np.float64],
    sums: Any,
    least: NDArray[np.float64],
    most: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve a linear program in the differences from the truth, which keeps numbers small."""
    result = linprog(
        goal,
        A_ub=at_most if at_most.shape[0] else None,
        b_ub=slack if at_most.shape[0] else None,
        A_eq=sums if sums.shape[0] else None,
        b_eq=np.zeros(sums.shape[0]) if sums.shape[0] else None,
        bounds=np.column_stack([least, most]),
        method="highs",
    )
    if result.x is None:
        raise ValueError(f"no table agrees with what is shown: {result.message}")
    return result.x
