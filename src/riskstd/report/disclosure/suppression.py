"""Small cells: which counts a public report hides so that none of 1 to 10 can be read or worked out.

The rule is that of the CMS cell size suppression policy (ResDAC, 26 January 2024): no value from 1 to 10
may be shown, nor any from which one can be derived; zero may be shown. It is applied to true counts,
before rounding.

What is promised of a hidden count of 1 to 10: all that is shown leaves it the whole range from 1 to 10 (0 to 10
if it is part of a total that is small itself). Where marks alone say more, as that two counts of at least 1
make up a third of at most 10, what is shown adds nothing to that. It is no promise against one who makes the
choice of cells again for every possible table, nor against what is merely likely: 1 of 300 cases is likelier
than 10 at a rate of 1 %.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Literal

import numpy as np

from riskstd.report.disclosure.attacker import TOLERANCE, Reader
from riskstd.report.disclosure.column_suppression import Column, protect_sum, split_column, suppress_table
from riskstd.report.disclosure.count_system import SMALL_CELL, AtMost, Total, is_small, parts_of_small_totals
from riskstd.report.disclosure.seen_range import SeenRange
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
    known: Mapping[str, tuple[float, float]] | None = None,
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
    known : mapping of str to (float, float), optional
        Cells that are hidden whatever they are, and the least and the most that a reader takes them to be.

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
    chosen = {name for name, count in cells.items() if is_small(count, limit)} | set(known or {})
    chosen |= parts_of_small_totals(cells, totals, limit)
    small = sorted(name for name, count in cells.items() if is_small(count, limit))
    if not small:
        return frozenset(chosen - unprinted)
    reader = Reader(cells, totals, at_most=at_most, unprinted=unprinted, known=known, limit=limit)
    kept = np.isin(reader.names, sorted(keep))
    hidden = reader.where(chosen)
    seen = SeenRange(reader, hidden)
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

    The reader of `riskstd.report.disclosure.attacker` knows every shown cell, every sum and order, and why each hidden
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
    seen = SeenRange(reader, marks)
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
