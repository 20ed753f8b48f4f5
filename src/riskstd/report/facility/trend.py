"""One facility over several runs of a measure: score against the nation of each period, and the change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from riskstd.errors import InputError
from riskstd.report.content import ReportInput

State = Literal["scored", "too few", "absent", "hidden"]


@dataclass(frozen=True)
class TrendPoint:
    """One period of a facility.

    Attributes
    ----------
    period : str
    state : {"scored", "too few", "absent", "hidden"}
        Without a score when below the case minimum, without a case, or not to be shown.
    ratio, lower, upper : float
        Score and its limits over the national rate of the period; NaN unless scored.
    level : float or None
        Level of the interval; None without one.
    """

    period: str
    state: State
    ratio: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    level: float | None = None


@dataclass(frozen=True)
class RatioChange:
    """Score over score of two periods, each relative to its nation, with an interval.

    Attributes
    ----------
    first, last : str
        The periods.
    ratio, lower, upper : float
        Above 1: higher than before. Limits are NaN without intervals of one level.
    level : float or None
    """

    first: str
    last: str
    ratio: float
    lower: float
    upper: float
    level: float | None


@dataclass(frozen=True)
class Trend:
    """Points, oldest first, and the change from the last but one scored period to the last."""

    points: tuple[TrendPoint, ...]
    change: RatioChange | None

    @property
    def scored(self) -> tuple[TrendPoint, ...]:
        """Points with a score."""
        return tuple(point for point in self.points if point.state == "scored")


def check_history(content: ReportInput, history: Sequence[ReportInput]) -> None:
    """Refuse earlier runs that cannot stand in one line with the run.

    Raises
    ------
    InputError
        Another measure, or two runs of one period.
    """
    other = [run.measure.id for run in history if run.measure.id != content.measure.id]
    if other:
        raise InputError(
            f"{len(other)} of {len(history)} earlier runs are of another measure: {', '.join(sorted(set(other)))}",
            expected=f"runs of {content.measure.id}",
        )
    periods = [run.period for run in (*history, content)]
    if len(set(periods)) < len(periods):
        raise InputError(
            f"{len(periods)} runs name {len(set(periods))} different periods",
            expected="runs of different periods, oldest first",
            hint="give --period when the runs are made, or leave out the earlier run of the same period",
        )


def point_of(run: ReportInput, row: dict[str, Any] | None, *, hidden: bool) -> TrendPoint:
    """Place a facility in one run; `row` is its row of facility rates, None when it has none."""
    if hidden:
        return TrendPoint(run.period, "hidden")
    if row is None:
        return TrendPoint(run.period, "absent")
    if row["category"] == run.measure.definition.score.categories.labels.too_few:
        return TrendPoint(run.period, "too few")
    values = [float(row[name]) / run.comparator for name in ("rate", "lower", "upper")]
    known = run.interval is not None and all(math.isfinite(value) and value > 0 for value in values)
    return TrendPoint(run.period, "scored", *values, level=run.interval.level if known and run.interval else None)


def trend_of(points: Sequence[TrendPoint]) -> Trend:
    """Put points in line and work out the last change.

    The interval for the change recovers the variances from the two intervals on the logarithmic scale (Zou and
    Donner, Statistics in Medicine 2008;27:1693): for a difference d of estimates a and b with limits,
    d - sqrt((b - b_low)^2 + (a_high - a)^2) to d + sqrt((b_high - b)^2 + (a - a_low)^2). It takes the two
    scores as independent; where periods overlap it is wider than need be.

    Examples
    --------
    >>> change = trend_of([TrendPoint("2022", "scored", 1.0, 0.8, 1.25, 0.95),
    ...                    TrendPoint("2023", "scored", 1.5, 1.2, 1.875, 0.95)]).change
    >>> round(change.ratio, 2), round(change.lower, 2), round(change.upper, 2)
    (1.5, 1.09, 2.06)
    """
    scored = [point for point in points if point.state == "scored"]
    if len(scored) < 2 or points[-1].state != "scored":
        return Trend(tuple(points), None)
    before, now = scored[-2:]
    ratio = now.ratio / before.ratio
    if before.level is None or before.level != now.level:
        return Trend(tuple(points), RatioChange(before.period, now.period, ratio, math.nan, math.nan, None))
    down = math.hypot(math.log(now.ratio / now.lower), math.log(before.upper / before.ratio))
    up = math.hypot(math.log(now.upper / now.ratio), math.log(before.ratio / before.lower))
    limits = ratio * math.exp(-down), ratio * math.exp(up)
    return Trend(tuple(points), RatioChange(before.period, now.period, ratio, *limits, now.level))
