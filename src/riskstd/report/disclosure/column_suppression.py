"""Suppression in one long column whose sum is known, such as the visits of all facilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstd.report.disclosure.count_system import SMALL_CELL

_NO_LIMIT = 1e9


@dataclass(frozen=True, eq=False)
class Column:
    """Counts of one column whose sum is known, and what is known of each by itself if it is hidden.

    Attributes
    ----------
    counts : ndarray of int, shape (n,)
        True counts.
    low, high : ndarray, shape (n,)
        Least and most that a reader takes a hidden value to be.
    promised_low, promised_high : ndarray, shape (n,)
        The range that a hidden value is to keep.
    """

    counts: NDArray[np.int64]
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

    def gives_away(self, hidden: NDArray[np.bool_], *, insider: bool = False) -> bool:
        """Tell whether the sum of the hidden values, which anyone can work out, narrows one of them down.

        An insider knows one of the other hidden values as well, whichever tells most: a facility knows its own.
        """
        low, counts = self.low[hidden], self.counts[hidden].astype(np.float64)
        high, total = np.minimum(self.high[hidden], counts + _NO_LIMIT), float(self.counts[hidden].sum())
        least, most = total - (high.sum() - high), total - (low.sum() - low)
        if insider:
            least, most = least + _largest_other(high - counts), most - _largest_other(counts - low)
        least, most = np.maximum(low, least), np.minimum(high, most)
        narrowed = (least > self.promised_low[hidden]) | (most < self.promised_high[hidden])
        return bool(np.any(narrowed | ((most - least < 1) & (low < high))))


def _largest_other(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each value the largest of the others, 0 if there is none."""
    if len(values) < 2:
        return np.zeros(len(values))
    second, first = np.partition(values, -2)[-2:]
    return np.where(np.arange(len(values)) == int(np.argmax(values)), second, first)


def protect_sum(column: Column, hidden: NDArray[np.bool_], *, insider: bool = False) -> NDArray[np.bool_]:
    """Hide further values of a column, the smallest above zero first, until its sum gives none away.

    If all values end up hidden and `Column.gives_away` still holds, then the sum is to be hidden too.

    Parameters
    ----------
    column : Column
    hidden : ndarray of bool, shape (n,)
    insider : bool
        Whether a reader is to be reckoned with who knows one of the hidden values, as in `Column.gives_away`.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> values = np.array([4, 50, 20])
    >>> protect_sum(Column.of_counts(values), values < 11).tolist()
    [True, False, True]
    """
    hidden, values = hidden.copy(), column.counts
    rows = np.arange(len(values))
    order = iter(rows[np.lexsort((rows, values, column.low == column.high))])
    while hidden.any() and not hidden.all() and column.gives_away(hidden, insider=insider):
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
        Largest size that a hidden group can have for all that is shown; not a number where its size is shown,
        infinite where only the size is hidden to protect others, so that the mark still tells few from many events.
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
    others, sized, marked = sizes - events, np.isnan(most), np.isinf(most)
    few = (events >= 1) & (events <= limit)
    few_others = sized & (others >= 1) & (others <= limit)
    fixed = (sized & ((events == 0) | (others == 0)) & ~few & ~few_others) | (marked & (events == 0))
    many = (sized | marked) & ~few & ~few_others & ~fixed
    low = np.maximum(np.where(few & ~np.isfinite(most), 1, 0), np.where(few_others, sizes - limit, 0))
    high = np.minimum(np.where(few, limit, sizes), np.where(few_others, sizes - 1, sizes))
    low = np.select([fixed, many], [events, limit + 1], low).astype(float)
    by_size = np.where(marked, np.inf, sizes - limit - 1.0)
    high = np.select([fixed, many, np.isfinite(most)], [events, by_size, most], high).astype(float)
    promised_low = np.select([few & ~sized, few | few_others], [1, low], events)
    promised_high = np.select([few & ~sized, few | few_others], [np.minimum(limit, high), high], events)
    return Column(events, low, high, promised_low.astype(float), promised_high.astype(float))
