"""The small figures of a facility's page; others are a grey curve of means, never a point of one facility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from riskstd.report.facility.drivers import Decomposition
from riskstd.report.facility.power import POWERS, Power
from riskstd.report.facility.shared import Band
from riskstd.report.facility.trend import Trend
from riskstd.report.figures import BLUE, GREY, INK, LINE, ORANGE, figure_style, plain, to_png, to_svg
from riskstd.report.wording import number

MARKS = {"better": (BLUE, "v"), "same": (INK, "o"), "worse": (ORANGE, "^"), "none": (INK, "s")}
"""Color and shape of a category."""

_WIDTH = 6.8
_RATIO_TICKS = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Own:
    """The facility's own point in a figure: name, score, limits, kind of category and rank."""

    name: str
    score: float
    lower: float
    upper: float
    kind: str
    rank: int


@dataclass(frozen=True)
class StepRow:
    """A bar of the figure of steps: a total from 0, or a change from where the bar above ends."""

    label: str
    start: float
    end: float
    text: str
    is_total: bool


@dataclass(frozen=True)
class Axis:
    """The scale of the scores in words: label, comparator with its name, decimals."""

    label: str
    comparator: float
    comparator_name: str
    decimals: int


def draw_position(band: Band, own: Own, axis: Axis, *, vector: bool) -> tuple[str, bytes]:
    """Draw the facility's own score among the curve of all."""
    with figure_style():
        axes = _blank(2.4, left=0.105, bottom=0.2, top=0.96)
        n = len(band.sorted_scores)
        if len(band.place):
            if np.all(np.isfinite(band.lower)):
                axes.fill_between(band.place, band.lower, band.upper, color="#e3e6eb", linewidth=0)
            axes.plot(band.place, band.score, color=GREY, linewidth=1.6)
        axes.axhline(axis.comparator, color=INK, linewidth=0.9, linestyle="-.")
        color, marker = MARKS[own.kind]
        if np.isfinite(own.lower) and np.isfinite(own.upper):
            axes.vlines(own.rank, own.lower, own.upper, colors=color, linewidth=2.2)
        axes.plot([own.rank], [own.score], marker=marker, color=color, markersize=9, linestyle="none", zorder=4)
        right = own.rank > 0.6 * n
        axes.annotate(
            f"{plain(own.name, 28)}: {number(own.score, axis.decimals)}",
            (own.rank, own.score),
            (-10 if right else 10, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="bottom",
            fontweight="bold",
            color=color,
            parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.2},
        )
        _name_line(axes, axis, at_left=right)
        axes.set_xlim(0, n + 1)
        axes.set_xlabel(f"Scored facilities from the lowest score (1) to the highest ({n:,})")
        axes.set_ylabel(axis.label)
        axes.xaxis.set_major_formatter(FuncFormatter(_count))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        return _bytes(axes, vector=vector)


def draw_steps(rows: Sequence[StepRow], axis: Axis, *, vector: bool) -> tuple[str, bytes]:
    """Draw totals and steps from top to bottom, the number beside each bar."""
    with figure_style():
        axes = _blank(0.25 * len(rows) + 0.55, left=0.31, bottom=0.21, top=0.985)
        ends = np.array([(row.start, row.end) for row in rows])
        low, high = min(0.0, float(ends.min())), float(ends.max())
        span = high - low or 1.0
        colors = [GREY if row.is_total else ORANGE if row.end > row.start else BLUE for row in rows]
        axes.barh(range(len(rows)), ends[:, 1] - ends[:, 0], left=ends[:, 0], height=0.62, color=colors)
        for k, row in enumerate(rows):
            axes.text(max(row.start, row.end) + 0.012 * span, k, row.text, va="center", fontsize=8.5)
        below = np.arange(len(rows) - 1)
        axes.vlines(ends[:-1, 1], below - 0.31, below + 1.31, colors=INK, linewidth=0.6)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.invert_yaxis()
        axes.set_xlim(low, high + 0.2 * span)
        axes.set_xlabel(axis.label)
        axes.tick_params(axis="y", length=0)
        return _bytes(axes, vector=vector)


def draw_power(power: Power, *, vector: bool) -> tuple[str, bytes]:
    """Draw the probability of each category against the true ratio."""
    with figure_style():
        axes = _blank(2.2, left=0.105, bottom=0.22, top=0.95)
        sides = (("worse", power.worse, power.worse_at, "-"), ("better", power.better, power.better_at, "--"))
        for name, values, detectable, style in sides:
            color, marker = MARKS[name]
            never = all(ratio is None for ratio in detectable.values())
            if not never:
                axes.plot(power.ratio, values, color=color, linewidth=1.8, linestyle=style)
            reached = [(ratio, level) for level, ratio in detectable.items() if ratio is not None]
            drawn = [point for point in reached if power.ratio[0] <= point[0] <= power.ratio[-1]]
            axes.plot(*np.reshape(drawn, (-1, 2)).T, marker=marker, color=color, markersize=7, linestyle="none")
            at, side = (0.985, "right") if name == "worse" else (0.015, "left")
            text = f"labeled {name}" + (": never" if never else "")
            axes.text(at, 0.06, text, transform=axes.transAxes, ha=side, color=color, fontweight="bold")
        axes.axhline(POWERS[-1], color=LINE, linewidth=0.9)
        axes.axvline(1.0, color=INK, linewidth=0.9, linestyle=":")
        axes.set_xscale("log")
        axes.set_xlim(_RATIO_TICKS[0], max(float(power.ratio[-1]), 1.5))
        axes.set_ylim(-0.02, 1.04)
        axes.xaxis.set_major_locator(FixedLocator(_RATIO_TICKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(_times))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
        axes.set_xlabel("True visits against expected visits (1 = as expected)")
        axes.set_ylabel("Chance of the label")
        axes.text(power.ratio[0], POWERS[-1] + 0.02, " 4 times in 5", color="#5b616e", fontsize=8)
        return _bytes(axes, vector=vector)


def draw_trend(trend: Trend, *, vector: bool) -> tuple[str, bytes]:
    """Draw the scores against the nation of each period, with their intervals."""
    with figure_style():
        axes = _blank(2.3, left=0.12, bottom=0.2, top=0.95)
        middle = axes.get_xaxis_transform()
        for k, point in enumerate(trend.points):
            if point.state != "scored":
                text = {"too few": "too few\ncases", "absent": "no cases", "hidden": "not shown"}[point.state]
                axes.text(k, 0.5, text, transform=middle, ha="center", va="center", color="#5b616e", fontsize=8.5)
                continue
            if np.isfinite(point.lower):
                axes.vlines(k, point.lower, point.upper, colors=INK, linewidth=2)
            axes.plot([k], [point.ratio], marker="o", color=INK, markersize=7, linestyle="none")
            axes.annotate(number(point.ratio, 2), (k, point.ratio), (9, 0), textcoords="offset points", va="center")
        axes.axhline(1.0, color=INK, linewidth=0.9, linestyle="-.", zorder=0)
        axes.set_xticks(
            range(len(trend.points)),
            [plain(point.period, 34).replace(" to ", " to\n") for point in trend.points],
            parse_math=False,
        )
        axes.set_xlim(-0.6, len(trend.points) - 0.4)
        axes.set_ylabel("Score / national rate\nof the period")
        return _bytes(axes, vector=vector)


def step_rows(steps: Decomposition, decimals: int, *, our: str) -> list[StepRow]:
    """Lay the steps of a score out as bars."""

    def total(label: str, value: float) -> StepRow:
        return StepRow(label, 0.0, value, number(value, decimals), is_total=True)

    def changes(at: float, parts: Sequence[tuple[str, float]]) -> list[StepRow]:
        rows = []
        for label, change in parts:
            rows.append(StepRow(label, at, at + change, signed(change, decimals), is_total=False))
            at += change
        return rows

    to_observed = (
        ("An average facility", steps.average_facility),
        (f"{our} patients (case mix)", steps.case_mix),
        (f"{our} results", steps.own_results),
    )
    to_score = (("Same patients for all", steps.risk_adjustment), ("Allowance for chance", steps.shrinkage))
    return [
        total("National rate", steps.national),
        *changes(steps.national, to_observed),
        total(f"{our} observed rate", steps.observed),
        *changes(steps.observed, to_score),
        total(f"{our} score", steps.score),
    ]


def signed(value: float, decimals: int) -> str:
    """Return a change with its sign.

    Examples
    --------
    >>> signed(0.25, 1), signed(-0.04, 1), signed(-2.0, 0)
    ('+0.2', '0.0', '−2')
    """
    rounded = round(value, decimals)
    if rounded == 0:
        return number(0.0, decimals)
    return ("+" if rounded > 0 else "") + number(rounded, decimals)


@cache
def _canvas() -> Figure:
    """One figure that every drawing of a process uses in turn."""
    figure = Figure(figsize=(_WIDTH, 3.0), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _blank(height: float, *, left: float, bottom: float, top: float) -> Axes:
    figure = _canvas()
    figure.clear()
    figure.set_size_inches(_WIDTH, height)
    axes = figure.add_axes((left, bottom, 0.985 - left, top - bottom))
    axes.tick_params(length=3)
    return axes


def _name_line(axes: Axes, axis: Axis, *, at_left: bool) -> None:
    axes.annotate(
        axis.comparator_name,
        (0.0 if at_left else 1.0, axis.comparator),
        (4 if at_left else -4, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="left" if at_left else "right",
        va="bottom",
        fontsize=8.5,
    )


def _bytes(axes: Axes, *, vector: bool) -> tuple[str, bytes]:
    figure = axes.figure
    assert isinstance(figure, Figure)
    return ("svg+xml", to_svg(figure)) if vector else ("png", to_png(figure))


def _count(value: float, _: object) -> str:
    return f"{value:,.0f}" if value >= 1 else ""


def _times(value: float, _: object) -> str:
    return f"1/{1 / value:.0f}" if value < 1 else f"{value:.0f}"


def _percent(value: float, _: object) -> str:
    return f"{100 * value:.0f} %"
