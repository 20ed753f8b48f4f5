"""Small cells: which counts a public report hides so that none of 1 to 10 can be read or worked out.

The rule is that of the CMS cell size suppression policy (ResDAC, 26 January 2024): no value from 1 to 10
may be shown, nor any from which one can be derived; zero may be shown. It is applied to true counts,
before rounding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space
from scipy.optimize import linprog

from riskstd.report.wording import HIDDEN, Suppressed

SMALL_CELL = 10
"""Largest count that may not be shown."""

_TOLERANCE = 1e-6
_WHOLE_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?![\w]|[.,]\d)")


@dataclass(frozen=True)
class Total:
    """One cell that is the sum of others."""

    total: str
    parts: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """All cells of the sum."""
        return (self.total, *self.parts)


def is_small(count: float, limit: int = SMALL_CELL) -> bool:
    """Tell whether a count may not be shown.

    Examples
    --------
    >>> [is_small(n) for n in (0, 1, 10, 11)]
    [False, True, True, False]
    """
    return 1 <= count <= limit


def shown_count(n: int | Suppressed, limit: int = SMALL_CELL) -> int | Suppressed:
    """Return a count that stands alone, or `HIDDEN` if it is small.

    This is primary suppression: it fits a count that no other printed number completes to a known total.
    Counts that add up to one go through `shown_parts`, a share through `shown_share`.

    Parameters
    ----------
    n : int or HIDDEN
        True count, before any rounding; a hidden one stays hidden.
    limit : int
        Largest count that may not be shown.

    Returns
    -------
    int or HIDDEN
        `riskstd.report.wording.number` writes either.

    Examples
    --------
    >>> [shown_count(n) for n in (0, 1, 10, 11)]
    [0, HIDDEN, HIDDEN, 11]
    """
    return HIDDEN if isinstance(n, Suppressed) or is_small(n, limit) else n


def shown_share(
    part: int | Suppressed, whole: int | Suppressed, limit: int = SMALL_CELL
) -> float | Suppressed | None:
    """Return part / whole, or `HIDDEN` if the part, the rest or the whole is small.

    Parameters
    ----------
    part, whole : int or HIDDEN
        True counts, before any rounding; the share of a hidden count is hidden.
    limit : int
        Largest count that may not be shown.

    Returns
    -------
    float, HIDDEN or None
        A proportion; None when the whole is 0, since there is no share of nothing.

    Examples
    --------
    >>> [shown_share(part, 40) for part in (0, 4, 20, 36, 40)]
    [0.0, HIDDEN, 0.5, HIDDEN, 1.0]
    >>> shown_share(0, 7), shown_share(0, 0)
    (HIDDEN, None)
    """
    if isinstance(part, Suppressed) or isinstance(whole, Suppressed):
        return HIDDEN
    if any(is_small(n, limit) for n in (part, whole - part, whole)):
        return HIDDEN
    return part / whole if whole else None


def shown_parts(parts: Sequence[int], limit: int = SMALL_CELL) -> list[int | Suppressed]:
    """Return counts that add up to a known total, with `HIDDEN` in place of small ones and of what gives them away.

    Parameters
    ----------
    parts : sequence of int
        True counts of groups without overlap that together make a total which is printed elsewhere.
    limit : int
        Largest count that may not be shown.

    Returns
    -------
    list of int or HIDDEN
        In the order given.

    Examples
    --------
    >>> shown_parts([4, 36, 60]), shown_parts([12, 0, 60])
    ([HIDDEN, HIDDEN, 60], [12, 0, 60])
    """
    names = [f"part{k:06}" for k in range(len(parts))]
    cells = {"total": sum(parts), **dict(zip(names, parts, strict=True))}
    hidden = suppress(cells, [Total("total", tuple(names))], keep=["total"], limit=limit)
    return [HIDDEN if name in hidden else n for name, n in zip(names, parts, strict=True)]


def suppress(
    cells: Mapping[str, int],
    totals: Sequence[Total],
    *,
    keep: Iterable[str] = (),
    limit: int = SMALL_CELL,
) -> frozenset[str]:
    """Choose the cells to hide: every small one, then others until no small one can be worked out.

    While a hidden small cell follows from what is shown, one more cell is hidden: the first that frees
    it, in the order of cells beside it in a sum before others, cells above zero before zeros, small before
    large, and names. So the choice is the same on every run.

    Parameters
    ----------
    cells : mapping of str to int
        True counts; cells that a reader can work out belong here even if no table shows them.
    totals : sequence of Total
        The sums that hold among the cells.
    keep : iterable of str
        Cells that are not small are hidden last if they are named here.
    limit : int

    Returns
    -------
    frozenset of str
        Names of the cells to hide.

    Examples
    --------
    >>> cells = {"all": 100, "a": 4, "b": 36, "c": 60}
    >>> sorted(suppress(cells, [Total("all", ("a", "b", "c"))]))
    ['a', 'b']
    """
    hidden = {name for name, count in cells.items() if is_small(count, limit)}
    kept = set(keep)
    while exposed := attack(cells, totals, hidden, limit=limit):
        candidates = _candidates(exposed[0], cells, totals, hidden, kept)
        if not candidates:
            break
        frees = (c for c in candidates if _is_open(exposed[0], cells, totals, {*hidden, c}, limit))
        hidden.add(next(frees, candidates[0]))
    return frozenset(hidden)


def attack(
    cells: Mapping[str, int], totals: Sequence[Total], hidden: Iterable[str], *, limit: int = SMALL_CELL
) -> list[str]:
    """Return the hidden small cells that have one possible value, given all that is shown.

    The attacker knows every shown cell, every sum, and which hidden cells are small (1 to `limit`).

    Parameters
    ----------
    cells, totals, limit
        As in `suppress`.
    hidden : iterable of str

    Returns
    -------
    list of str
        In the order of their names.
    """
    small = sorted(name for name in hidden if is_small(cells[name], limit))
    names = sorted(hidden)
    matrix, _ = _equations(cells, totals, names)
    if not len(matrix):
        return []
    free = null_space(matrix)
    solved = [name for name in small if _is_fixed(free[names.index(name)])]
    return solved or [name for name in small if not _is_open(name, cells, totals, set(names), limit)]


def protect_sum(
    values: NDArray[np.int64],
    hidden: NDArray[np.bool_],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Hide further values of one long column, whose sum is shown, until no hidden one can be worked out.

    The sum of the hidden values is a count itself, and anyone can work it out: it must not be small either.

    Parameters
    ----------
    values : ndarray, shape (n,)
    hidden : ndarray of bool, shape (n,)
    lower, upper : ndarray, shape (n,)
        What a reader knows of a hidden value; for a value hidden only here, 0 and no limit are assumed.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> values = np.array([4, 50, 20])
    >>> protect_sum(values, values < 11, np.full(3, 1.0), np.full(3, 10.0)).tolist()
    [True, False, True]
    """
    first, hidden = hidden.copy(), hidden.copy()
    low, high = np.where(first, lower, 0.0), np.where(first, upper, np.inf)
    while hidden.any() and (
        is_small(int(values[hidden].sum())) or _has_single_value(values[hidden], low[hidden], high[hidden])
    ):
        shown = np.flatnonzero(~hidden)
        if not len(shown):
            break
        order = np.lexsort((shown, values[shown], values[shown] == 0))
        hidden[shown[order[0]]] = True
    return hidden


def states_small_count(text: str, limit: int = SMALL_CELL) -> bool:
    """Tell whether a sentence holds a whole number from 1 to `limit`.

    Examples
    --------
    >>> [states_small_count(text) for text in ("4 claims skipped", "1,204 claims; 0.5 %", "code F32")]
    [True, False, False]
    """
    found = (int(match.replace(",", "")) for match in _WHOLE_NUMBER.findall(text))
    return any(is_small(value, limit) for value in found)


def _candidates(
    name: str, cells: Mapping[str, int], totals: Sequence[Total], hidden: set[str], kept: set[str]
) -> list[str]:
    """Shown cells in sums with a hidden one, in the order of choice; if none is left, kept ones, then all."""
    beside = {cell for total in totals if name in total.cells for cell in total.cells}
    linked = {cell for total in totals if hidden & set(total.cells) for cell in total.cells}
    pools = (linked - kept - hidden, linked - hidden, set(cells) - hidden)
    pool = next((pool for pool in pools if pool), set())
    return sorted(pool, key=lambda c: (c not in beside, cells[c] == 0, cells[c], c))


def _is_open(name: str, cells: Mapping[str, int], totals: Sequence[Total], hidden: set[str], limit: int) -> bool:
    """Tell whether a hidden small cell can have more than one value."""
    names = sorted(hidden)
    matrix, known = _equations(cells, totals, names)
    position = names.index(name)
    if not len(matrix):
        return True
    if _is_fixed(null_space(matrix)[position]):
        return False
    bounds: list[tuple[int, int | None]] = [
        (1, limit) if is_small(cells[other], limit) else (0, None) for other in names
    ]
    return _width(matrix, known, bounds, position) >= 1 - _TOLERANCE


def _is_fixed(directions: NDArray[np.float64]) -> bool:
    """Tell whether no solution of the sums moves a cell, given its row of their null space."""
    return bool(np.all(np.abs(directions) < _TOLERANCE))


def _equations(
    cells: Mapping[str, int], totals: Sequence[Total], names: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    position = {name: k for k, name in enumerate(names)}
    rows, known = [], []
    for total in totals:
        row, right = np.zeros(len(names)), 0.0
        for cell, sign in ((total.total, 1.0), *((part, -1.0) for part in total.parts)):
            if cell in position:
                row[position[cell]] += sign
            else:
                right -= sign * cells[cell]
        if row.any():
            rows.append(row)
            known.append(right)
    return np.array(rows), np.array(known)


def _width(
    matrix: NDArray[np.float64],
    known: NDArray[np.float64],
    bounds: list[tuple[int, int | None]],
    position: int,
) -> float:
    goal = np.zeros(matrix.shape[1])
    goal[position] = 1.0
    ends = [
        linprog(sign * goal, A_eq=matrix, b_eq=known, bounds=bounds, method="highs").fun * sign for sign in (1.0, -1.0)
    ]
    return ends[1] - ends[0]


def _has_single_value(values: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    total = float(values.sum())
    unlimited = np.isinf(high)
    finite = np.where(unlimited, 0.0, high)
    others_unlimited = unlimited.sum() - unlimited > 0
    least = np.where(others_unlimited, low, np.maximum(low, total - (finite.sum() - finite)))
    most = np.minimum(high, total - (low.sum() - low))
    return bool(np.any((most - least < 1 - _TOLERANCE) & ~unlimited))
