"""Small cells: which counts a public report hides so that none of 1 to 10 can be read or worked out.

The rule is that of the CMS cell size suppression policy (ResDAC, 26 January 2024): no value from 1 to 10
may be shown, nor any from which one can be derived; zero may be shown. It is applied to true counts,
before rounding.

What is promised of a hidden count of 1 to 10: all that is shown leaves it the whole range from 1 to 10 (0 to 10
if it is part of a total that is small itself). Where marks alone say more, as that two counts of at least 1
make up a third of at most 10, what is shown adds nothing to that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riskstd.report.disclosure import (
    SMALL_CELL,
    TOLERANCE,
    AtMost,
    Reader,
    Total,
    is_small,
    parts_of_small_totals,
    whole_values,
)
from riskstd.report.wording import HIDDEN, Suppressed

__all__ = [
    "SMALL_CELL",
    "AtMost",
    "Column",
    "Rule",
    "Total",
    "attack",
    "is_small",
    "protect_sum",
    "rule_of",
    "shown_count",
    "shown_parts",
    "shown_share",
    "split_column",
    "states_small_count",
    "suppress",
    "suppress_table",
    "whole_numbers",
]

Rule = Literal["primary", "derived", "complementary"]
"""Why a cell is hidden: it is small, it is part of a small total, or another could be worked out from it."""

_WHOLE_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?![\w]|[.,]\d)")


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


def shown_share(part: int | Suppressed, whole: int | Suppressed, limit: int = SMALL_CELL) -> float | Suppressed | None:
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
    at_most: Sequence[AtMost] = (),
    unprinted: Iterable[str] = (),
    hide: Iterable[str] = (),
) -> frozenset[str]:
    """Choose the cells to hide: every small one, all below a small total, then others until none is given away.

    For each small cell in the order of names the table is found that has it at 1 (then at 10) and differs
    from the truth in the cheapest shown cells; those are hidden. A cell costs the more the larger it is;
    zeros are never chosen. So the choice is the same on every run.

    Parameters
    ----------
    cells : mapping of str to int
        True counts; cells that a reader can work out belong here even if no table shows them.
    totals : sequence of Total
        The sums that hold among the cells.
    keep : iterable of str
        Cells that are not small are hidden last if they are named here.
    limit : int
    at_most : sequence of AtMost
        Orders that hold among the cells.
    unprinted : iterable of str
        Cells that no table has; those that are small are protected too.
    hide : iterable of str
        Cells to hide whatever they are.

    Returns
    -------
    frozenset of str
        Names of the cells to hide; those that no table has are not among them.

    Examples
    --------
    >>> cells = {"all": 100, "a": 4, "b": 36, "c": 60}
    >>> sorted(suppress(cells, [Total("all", ("a", "b", "c"))]))
    ['a', 'b']
    """
    unprinted = frozenset(unprinted)
    chosen = {name for name, count in cells.items() if is_small(count, limit)} | set(hide)
    chosen |= parts_of_small_totals(cells, totals, limit)
    small = sorted(name for name, count in cells.items() if is_small(count, limit))
    if not small:
        return frozenset(chosen - unprinted)
    reader = Reader(cells, totals, at_most=at_most, unprinted=unprinted, limit=limit)
    kept = np.isin(reader.names, sorted(keep))
    hidden = reader.where(chosen)
    seen = _Range(reader, hidden)
    for k, sign in product(map(reader.position.__getitem__, small), (1.0, -1.0)):
        if seen.finds_end(k, sign, hidden):
            continue
        table = reader.cheapest_table(k, seen.best_end(k, sign), hidden, kept)
        hidden = hidden | (np.abs(table - reader.truth) > TOLERANCE)
        seen.add(table)
    return frozenset(name for name, k in reader.position.items() if hidden[k] and name not in unprinted)


def attack(
    cells: Mapping[str, int],
    totals: Sequence[Total],
    hidden: Iterable[str],
    *,
    limit: int = SMALL_CELL,
    at_most: Sequence[AtMost] = (),
    unprinted: Iterable[str] = (),
) -> list[str]:
    """Return the small cells that what is shown narrows down.

    The reader of `riskstd.report.disclosure` knows every shown cell, every sum and order, and why each hidden
    cell is hidden. A cell is narrowed down if showing less would leave it more values, or if it has one only.

    Parameters
    ----------
    cells, totals, limit, at_most, unprinted
        As in `suppress`.
    hidden : iterable of str

    Returns
    -------
    list of str
        In the order of their names.

    Examples
    --------
    >>> cells = {"all": 100, "a": 4, "b": 96}
    >>> attack(cells, [Total("all", ("a", "b"))], ["a"]), attack(cells, [Total("all", ("a", "b"))], ["a", "b"])
    (['a'], [])
    """
    unprinted = frozenset(unprinted)
    reader = Reader(cells, totals, at_most=at_most, unprinted=unprinted, limit=limit)
    marks = reader.where(hidden)
    seen = _Range(reader, marks)
    return [
        name
        for name in reader.names
        if is_small(cells[name], limit) and (name in unprinted or marks[reader.position[name]])
        if seen.is_narrowed(reader.position[name], marks)
    ]


def rule_of(name: str, cells: Mapping[str, int], totals: Sequence[Total], limit: int = SMALL_CELL) -> Rule:
    """Say why a hidden cell is hidden; below a small total all cells have one reason, so that none tells of zeros.

    Examples
    --------
    >>> cells = {"all": 100, "a": 4, "b": 96}
    >>> [rule_of(name, cells, [Total("all", ("a", "b"))]) for name in ("a", "b")]
    ['primary', 'complementary']
    """
    if name in parts_of_small_totals(cells, totals, limit):
        return "derived"
    return "primary" if is_small(cells[name], limit) else "complementary"


@dataclass(frozen=True, eq=False)
class Column:
    """Counts of one column whose sum is known, and what is known of each by itself if it is hidden.

    Attributes
    ----------
    values : ndarray of int, shape (n,)
        True counts.
    low, high : ndarray, shape (n,)
        Least and most that a reader takes a hidden value to be.
    promised_low, promised_high : ndarray, shape (n,)
        The range that a hidden value is to keep.
    """

    values: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    promised_low: NDArray[np.float64]
    promised_high: NDArray[np.float64]

    @classmethod
    def of_counts(cls, values: NDArray[np.int64], limit: int = SMALL_CELL) -> Column:
        """Make a column of counts of which a reader knows no more than whether they are small.

        Examples
        --------
        >>> Column.of_counts(np.array([0, 4, 30])).high.tolist()
        [0.0, 10.0, inf]
        """
        truth = values.astype(np.float64)
        small, large = (values >= 1) & (values <= limit), values > limit
        low, high = np.select([small, large], [1.0, limit + 1.0], 0.0), np.select([small, large], [limit, np.inf], 0.0)
        return cls(values, low, high, np.where(small, low, truth), np.where(small, high, truth))

    def gives_away(self, hidden: NDArray[np.bool_]) -> bool:
        """Tell whether the sum of the hidden values, which anyone can work out, narrows one of them down."""
        low, high, total = self.low[hidden], self.high[hidden], float(self.values[hidden].sum())
        unlimited = np.isinf(high)
        finite = np.where(unlimited, 0.0, high)
        least = np.where(unlimited.sum() > unlimited, low, np.maximum(low, total - (finite.sum() - finite)))
        most = np.minimum(high, total - (low.sum() - low))
        narrowed = (least > self.promised_low[hidden]) | (most < self.promised_high[hidden])
        return bool(np.any(narrowed | ((most - least < 1) & (low < high))))


def protect_sum(column: Column, hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Hide further values of a column, the smallest above zero first, until its sum gives none away.

    If all values end up hidden and `Column.gives_away` still holds, then the sum is to be hidden too.

    Parameters
    ----------
    column : Column
    hidden : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> values = np.array([4, 50, 20])
    >>> protect_sum(Column.of_counts(values), values < 11).tolist()
    [True, False, True]
    """
    hidden, values = hidden.copy(), column.values
    rows = np.arange(len(values))
    order = iter(rows[np.lexsort((rows, values, column.low == column.high))])
    while hidden.any() and not hidden.all() and column.gives_away(hidden):
        hidden[next(k for k in order if not hidden[k])] = True
    return hidden


def suppress_table(rows: Sequence[tuple[int, int]], limit: int = SMALL_CELL) -> list[bool]:
    """Choose the rows to hide of a table by groups without overlap, such as tenths of risk or ages.

    A hidden row hides every number of the group: cases, events, rate and what was expected. It is assumed that
    the totals of the table are known, and the sizes of groups that are not small, as those of tenths are.

    Parameters
    ----------
    rows : sequence of (events, non-events)
        True counts.
    limit : int

    Returns
    -------
    list of bool
        In the order given. When all are True, leave the table out: then no mark tells anything of a row.

    Examples
    --------
    >>> suppress_table([(40, 900), (30, 900), (4, 900), (25, 900)])
    [False, False, True, True]
    >>> suppress_table([(0, 900), (50, 900)])
    [False, False]
    """
    if not len(rows):
        return []
    events, others = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    sizes = events + others
    by_size = Column.of_counts(sizes, limit)
    by_events = split_column(events, sizes, np.where(sizes <= limit, float(limit), np.nan), limit)
    hidden = ((events >= 1) & (events <= limit)) | ((others >= 1) & (others <= limit))
    while True:
        small_sizes = hidden & (sizes <= limit)
        more = protect_sum(by_events, hidden | (protect_sum(by_size, small_sizes) if small_sizes.any() else False))
        if np.array_equal(more, hidden):
            return hidden.tolist()
        hidden = more


def split_column(
    events: NDArray[np.int64], sizes: NDArray[np.int64], most: NDArray[np.float64], limit: int = SMALL_CELL
) -> Column:
    """Make a column of events in groups whose size may be known, so that non-events are known as well as events.

    Parameters
    ----------
    events, sizes : ndarray of int, shape (n,)
    most : ndarray, shape (n,)
        Largest size that a hidden group can have for all that is shown; not a number where its size is shown.
    limit : int

    Returns
    -------
    Column
        A group with few events keeps 1 to `limit` of them; one of known size with few others as many others.

    Examples
    --------
    >>> column = split_column(np.array([4, 36]), np.array([40, 40]), np.full(2, np.nan))
    >>> column.low.tolist(), column.high.tolist()
    ([1.0, 30.0], [10.0, 39.0])
    """
    others, sized = sizes - events, np.isnan(most)
    few = (events >= 1) & (events <= limit)
    few_others = sized & (others >= 1) & (others <= limit)
    all_or_none = sized & ((events == 0) | (others == 0)) & ~few & ~few_others
    plain = sized & ~few & ~few_others & ~all_or_none
    low = np.maximum(np.where(sized & few, 1, 0), np.where(few_others, sizes - limit, 0))
    high = np.minimum(np.where(few, limit, sizes), np.where(few_others, sizes - 1, sizes))
    low = np.select([all_or_none, plain], [events, limit + 1], low).astype(float)
    high = np.select([all_or_none, plain, ~sized], [events, sizes - limit - 1, most], high).astype(float)
    promised_low = np.select([few & ~sized, few | few_others], [1, low], events)
    promised_high = np.select([few & ~sized, few | few_others], [np.minimum(limit, high), high], events)
    return Column(events, low, high, promised_low.astype(float), promised_high.astype(float))


def states_small_count(text: str, limit: int = SMALL_CELL) -> bool:
    """Tell whether a sentence holds a whole number from 1 to `limit`.

    Examples
    --------
    >>> [states_small_count(text) for text in ("4 claims skipped", "1,204 claims; 0.5 %", "code F32")]
    [True, False, False]
    """
    return any(is_small(value, limit) for value in whole_numbers(text))


def whole_numbers(text: str) -> list[int]:
    """Return the whole numbers that a sentence states.

    Examples
    --------
    >>> whole_numbers("1,204 of 9 claims; 0.5 %; code F32")
    [1204, 9]
    """
    return [int(match.replace(",", "")) for match in _WHOLE_NUMBER.findall(text)]


class _Range:
    """Least and most value seen of every cell in tables that agree with what is shown.

    Hiding more adds tables and takes none away, so what has been seen once stays.
    """

    def __init__(self, reader: Reader, hidden: NDArray[np.bool_]) -> None:
        self.reader = reader
        self.least, self.most = reader.truth.copy(), reader.truth.copy()
        for sign in (1.0, -1.0):
            self.add(reader.extreme(np.where(reader.small, sign, 0.0), hidden))

    def add(self, table: NDArray[np.float64]) -> None:
        """See one more table."""
        self.least, self.most = np.minimum(self.least, table), np.maximum(self.most, table)

    def has_end(self, k: int, sign: float) -> bool:
        """Tell whether a cell has been seen at the least (most, if the sign is negative) that is promised."""
        return bool(self.least[k] <= 1 + TOLERANCE if sign > 0 else self.most[k] >= self.reader.limit - TOLERANCE)

    def finds_end(self, k: int, sign: float, hidden: NDArray[np.bool_]) -> bool:
        """Look for the end of a cell's range; tell whether it is as far out as is promised."""
        if not self.has_end(k, sign):
            self.add(self.reader.extreme(sign * self.reader.unit(k), hidden))
        return self.has_end(k, sign)

    def best_end(self, k: int, sign: float) -> float:
        """Return the end that is promised, or what comes nearest to it if all but zeros were hidden."""
        reader = self.reader
        marked = reader.all_marked(reader.small | reader.below_small | reader.unprinted)
        best = float(reader.extreme(sign * reader.unit(k), marked)[k])
        return max(1.0, best) if sign > 0 else min(float(reader.limit), best)

    def is_narrowed(self, k: int, hidden: NDArray[np.bool_]) -> bool:
        """Tell whether what is shown narrows a cell down, or leaves it one value."""
        for sign in (1.0, -1.0):
            if not self.finds_end(k, sign, hidden):
                seen = self.least[k] if sign > 0 else self.most[k]
                if sign * (seen - self.best_end(k, sign)) > TOLERANCE:
                    return True
        return whole_values(self.least[k], self.most[k]) < 2
