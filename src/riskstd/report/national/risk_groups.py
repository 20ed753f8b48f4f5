"""Groups of cases side by side: observed against predicted, and neighbours taken together where one is small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstd.model.assess.calibration_table import rate_limits
from riskstd.report.disclosure.suppression import is_small

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEVEL = 0.95
"""Level of the interval of an observed rate."""


@dataclass(frozen=True)
class RiskGroup:
    """Cases of one group: how many had a visit, and how many the model foresaw.

    Attributes
    ----------
    label : str
    cases, events : int
    predicted : float
        Mean predicted risk.
    lower, upper : float
        95 % limits of the observed rate (Wilson).
    """

    label: str
    cases: int
    events: int
    predicted: float
    lower: float
    upper: float

    @property
    def observed(self) -> float:
        """Share of the cases with a visit."""
        return self.events / self.cases

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Observed over predicted, with the limits of the observed rate."""
        return self.observed / self.predicted, self.lower / self.predicted, self.upper / self.predicted


def group_cases(codes: IntArray, labels: Sequence[str], outcome: IntArray, risk: FloatArray) -> list[RiskGroup]:
    """Sum cases, events and risk by group; groups without cases are left out.

    Parameters
    ----------
    codes : ndarray of int, shape (n_cases,)
        Position of the group of each case in `labels`.
    labels : sequence of str
    outcome, risk : ndarray, shape (n_cases,)

    Returns
    -------
    list of RiskGroup

    Examples
    --------
    >>> group_cases(np.array([0, 0, 1]), ["a", "b"], np.array([1, 0, 0]), np.full(3, 0.5))[0].observed
    0.5
    """
    n = len(labels)
    cases = np.bincount(codes, minlength=n)
    events = np.bincount(codes, weights=outcome, minlength=n).astype(np.int64)
    total = np.bincount(codes, weights=risk, minlength=n)
    return [_group(labels[k], int(cases[k]), int(events[k]), float(total[k])) for k in range(n) if cases[k]]


def merge_small(groups: list[RiskGroup]) -> list[RiskGroup]:
    """Take neighbours together until neither cases with a visit nor those without number 1 to 10 in any group.

    No group stands hidden beside the others, so that nothing can be worked out from totals. The list is empty
    when one group would be left.

    Examples
    --------
    >>> groups = [RiskGroup(name, 100, n, 0.1, 0.0, 1.0) for name, n in (("a", 4), ("b", 9), ("c", 20))]
    >>> [(group.label, group.events) for group in merge_small(groups)]
    [('a + b', 13), ('c', 20)]
    """
    runs = merged_runs([(group.events, group.cases - group.events) for group in groups])
    merged = [_together(groups[first:last]) for first, last in runs]
    return merged if len(merged) > 1 else []


def merged_runs(counts: list[tuple[int, ...]]) -> list[tuple[int, int]]:
    """Cut a row of neighbours into runs in which no count is small: first and last (exclusive) of each.

    Empty when all of them together hold a small count.

    Examples
    --------
    >>> merged_runs([(4,), (9,), (20,), (3,)])
    [(0, 2), (2, 4)]
    >>> merged_runs([(4,), (3,)])
    []
    """
    runs: list[tuple[int, int]] = []
    start = 0
    for end in range(1, len(counts) + 1):
        if _is_safe(counts[start:end]):
            runs.append((start, end))
            start = end
    while start < len(counts) and runs:
        start, _ = runs.pop()
        if _is_safe(counts[start:]):
            runs.append((start, len(counts)))
            start = len(counts)
    return runs


def _is_safe(counts: list[tuple[int, ...]]) -> bool:
    return not any(is_small(sum(column)) for column in zip(*counts, strict=True))


def _together(groups: list[RiskGroup]) -> RiskGroup:
    if len(groups) == 1:
        return groups[0]
    label = " + ".join(group.label for group in groups)
    total = sum(group.cases * group.predicted for group in groups)
    return _group(label, sum(g.cases for g in groups), sum(g.events for g in groups), total)


def _group(label: str, cases: int, events: int, total: float) -> RiskGroup:
    low, high = rate_limits(np.array([float(events)]), np.array([float(cases)]), "wilson", LEVEL)
    return RiskGroup(label, cases, events, total / cases, float(low[0]), float(high[0]))
