"""Counts of groups of facilities, as one facility may see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskstd.report.disclosure.suppression import SMALL_CELL
from riskstd.report.wording import HIDDEN, Suppressed

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def small(counts: IntArray) -> BoolArray:
    """Tell per count whether it lies from 1 to 10."""
    return (counts >= 1) & (counts <= SMALL_CELL)


def protect_line(values: IntArray, hidden: BoolArray) -> BoolArray:
    """Hide further values of a line whose total is known, so that no hidden one can be worked out.

    A hidden value never stands alone, not even a large one: it may protect a small one of another line.

    Examples
    --------
    >>> protect_line(np.array([4, 50, 20]), np.array([True, False, False])).tolist()
    [True, False, True]
    """
    hidden = hidden.copy()
    order = np.lexsort((np.arange(len(values)), values, values == 0))
    while hidden.any() and not hidden.all() and _gives_away(values[hidden]):
        hidden[next(k for k in order if not hidden[k])] = True
    return hidden


def _gives_away(values: IntArray) -> bool:
    """Tell whether hidden values whose sum is known stand alone, add up to a small count, or can be one thing only.

    The reader knows which of them are hidden for being small: they lie from 1 to 10.
    """
    if len(values) == 1 or bool(small(values.sum())):
        return True
    few = small(values)
    if not few.all():
        return False
    total, n = int(values.sum()), len(values)
    return total in (n, n * SMALL_CELL)


def protect_table(values: IntArray, columns_known: BoolArray, hidden: BoolArray | None = None) -> BoolArray:
    """Choose the cells of a table to hide: the small ones, then others, until rows and columns give none away.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_columns)
        True counts; the total of every row is known to the reader.
    columns_known : ndarray of bool, shape (n_columns,)
        Whether the total of a column is known too.
    hidden : ndarray of bool, shape (n_rows, n_columns), optional
        Cells that are hidden for another reason.

    Returns
    -------
    ndarray of bool, shape (n_rows, n_columns)

    Examples
    --------
    >>> protect_table(np.array([[5, 95], [40, 60], [30, 70]]), np.array([True, True])).tolist()
    [[True, True], [False, False], [True, True]]
    """
    few = small(values)
    openable = few & is_open(values, np.ones_like(few), columns_known)
    hidden = _protect_lines(values, few if hidden is None else few | hidden, columns_known)
    while len(cells := np.argwhere(openable & ~is_open(values, hidden, columns_known))):
        row, column = cells[0]
        beside = np.zeros_like(hidden)
        beside[row], beside[:, column] = True, True
        pool = next(pool for pool in (~hidden & beside, ~hidden) if pool.any())
        choices, found = np.argwhere(pool), values[pool]
        hidden[tuple(choices[np.lexsort((found, found == 0))[0]])] = True
        hidden = _protect_lines(values, hidden, columns_known)
    return hidden


def is_open(values: IntArray, hidden: BoolArray, columns_known: BoolArray) -> BoolArray:
    """Tell per hidden cell whether it may be one more or one less without a change in anything that is shown.

    Such a change takes one from a cell of the same row and gives it back in another row, so that all totals stay;
    the reader knows that a small hidden cell lies from 1 to 10. A cell without such a neighbor may be open all
    the same, by a longer way round; it counts as closed.

    Parameters
    ----------
    values, hidden : ndarray, shape (n_rows, n_columns)
    columns_known : ndarray of bool, shape (n_columns,)

    Returns
    -------
    ndarray of bool, shape (n_rows, n_columns)

    Examples
    --------
    >>> values = np.array([[5, 95], [40, 60]])
    >>> is_open(values, np.array([[True, True], [False, False]]), np.array([True, True])).any()
    np.False_
    """
    few = small(values)
    up = hidden & (~few | (values < SMALL_CELL))
    down = hidden & np.where(few, values > 1, values > 0)
    free = ~columns_known
    return (up & _can_swap(up, down, free)) | (down & _can_swap(down, up, free))


def _can_swap(moves: BoolArray, against: BoolArray, free: BoolArray) -> BoolArray:
    """Tell per cell whether, if it moves, one of its row can move against it and another row undo both."""
    undo = np.vstack([against, free]).astype(np.int64).T @ np.vstack([moves, free]).astype(np.int64)
    own = against[:, :, None] & moves[:, None, :]
    pairs = against[:, None, :] & (undo[None] - own > 0)
    same = np.arange(moves.shape[1])
    pairs[:, same, same] = False
    return np.asarray(pairs.any(axis=2))


def _protect_lines(values: IntArray, hidden: BoolArray, columns_known: BoolArray) -> BoolArray:
    """Protect rows and columns in turn until nothing changes."""
    while True:
        before = hidden.copy()
        hidden = _protect_rows(values, hidden)
        for column in np.flatnonzero(columns_known):
            hidden[:, column] = protect_line(values[:, column], hidden[:, column])
            hidden = _protect_rows(values, hidden)
        if np.array_equal(before, hidden):
            return hidden


def _protect_rows(values: IntArray, hidden: BoolArray) -> BoolArray:
    if values.shape[1] == 2:
        return np.repeat(np.any(hidden, axis=1, keepdims=True), 2, axis=1)
    hidden = hidden.copy()
    for row in np.flatnonzero(hidden.any(axis=1)):
        hidden[row] = protect_line(values[row], hidden[row])
    return hidden


@dataclass(frozen=True, eq=False)
class Seen:
    """A group of facilities as one of its members sees it.

    Attributes
    ----------
    label : str
    members : ndarray of int
        Places of the facilities of the group.
    is_shown : bool
        False when the other facilities are 1 to 10, or have 1 to 10 cases: then nothing is shown.
    n_facilities, n_cases : int
    counts, hidden : mapping of str to ndarray
        Counts by table, and which of them are hidden.
    """

    label: str
    members: IntArray
    is_shown: bool
    n_facilities: int
    n_cases: int
    counts: Mapping[str, IntArray] = field(repr=False)
    hidden: Mapping[str, BoolArray] = field(repr=False)

    def count(self, table: str, column: int) -> int | Suppressed:
        """Return a count of a table, or `HIDDEN`."""
        if not self.is_shown or self.hidden[table][column]:
            return HIDDEN
        return int(self.counts[table][column])

    def or_hidden(self, value: float) -> float | Suppressed:
        """Return a value that is no count, or `HIDDEN` when nothing of the group is shown."""
        return value if self.is_shown else HIDDEN


@dataclass(frozen=True, eq=False)
class Groups:
    """Facilities divided into groups: by volume, by state, or all in one.

    Attributes
    ----------
    labels : tuple of str
    place : ndarray of int, shape (n_facilities,)
        Group of each facility.
    cases : ndarray of int, shape (n_facilities,)
    counts, hidden : mapping of str to ndarray, shape (n_groups, n_columns)
        Counts by table, and which of them no member may see.
    closed : ndarray of bool, shape (n_groups,)
        Groups of which nothing is shown, since even with all counts hidden their totals would tell one.
    """

    labels: tuple[str, ...]
    place: IntArray
    cases: IntArray = field(repr=False)
    counts: Mapping[str, IntArray] = field(repr=False)
    hidden: Mapping[str, BoolArray] = field(repr=False)
    closed: BoolArray

    @classmethod
    def of(
        cls,
        labels: tuple[str, ...],
        place: IntArray,
        cases: IntArray,
        tables: Mapping[str, IntArray],
        nation: Groups | None = None,
    ) -> Groups:
        """Add up tables of counts per facility by group, and protect them; `nation` holds their totals."""
        counts, hidden = {}, {}
        closed = np.zeros(len(labels), dtype=bool)
        for name, table in tables.items():
            summed = np.zeros((len(labels), table.shape[1]), dtype=np.int64)
            np.add.at(summed, place, table)
            known = np.zeros(table.shape[1], dtype=bool) if nation is None else ~nation.hidden[name][0]
            counts[name], hidden[name] = summed, protect_table(summed, known)
            told = small(summed) & ~is_open(summed, hidden[name], known)
            closed |= told.any(axis=1)
        return cls(labels, place, cases, counts, hidden, closed)

    def seen_by(self, facility: int, own: Mapping[str, IntArray]) -> Seen:
        """Return the facility's group as it may see it: what is left without the facility itself is not small either.

        Parameters
        ----------
        facility : int
            Place of the facility.
        own : mapping of str to ndarray, shape (n_columns,)
            Counts of the facility itself.
        """
        group = int(self.place[facility])
        members = np.flatnonzero(self.place == group)
        n_cases = int(self.cases[members].sum())
        others = np.array([len(members) - 1, n_cases - self.cases[facility]])
        counts = {name: table[group] for name, table in self.counts.items()}
        hidden = {
            name: _without_own(counts[name], self.hidden[name][group], counts[name] - own[name]) for name in counts
        }
        is_shown = not (small(others).any() or self.closed[group])
        return Seen(self.labels[group], members, is_shown, len(members), n_cases, counts, hidden)


def _without_own(values: IntArray, hidden: BoolArray, others: IntArray) -> BoolArray:
    """Hide what gives away a small count of the other facilities to one that knows its own."""
    few = small(others)
    if not few.any() and not hidden.any():
        return hidden
    return protect_line(values, protect_line(others, hidden | few))
