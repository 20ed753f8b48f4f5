"""Figures of rows with an interval: odds ratios of the risk factors, and observed over predicted by subgroup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from riskstd.report.figures import (
    BLUE,
    GREY,
    INK,
    Plot,
    Sheet,
    figure_style,
    finish_figure,
    new_figure,
    plain,
    set_title,
)
from riskstd.report.national.model_quality import ModelQuality
from riskstd.report.national.risk_figures import groups_frame, some_of
from riskstd.report.wording import number

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_LABEL = 44
_WIDEST_FACTOR = 30.0
"""Odds ratios are drawn from 1 / this to this; limits beyond are cut."""


def odds_plot(terms: Sequence[Mapping[str, Any]], sheet: Sheet) -> Plot | None:
    """Draw the odds ratios of the risk factors with their 95 % intervals, the largest on top.

    Parameters
    ----------
    terms : sequence of mapping
        `label`, `odds_ratio`, `lower`, `upper` of the factors that may be shown.
    sheet : Sheet
    """
    usable = [t for t in terms if all(np.isfinite(t[name]) for name in ("odds_ratio", "lower", "upper"))]
    if not usable:
        return None
    rows = sorted(usable, key=lambda t: (-t["odds_ratio"], _label(t)))
    data = _odds_data(rows)
    apart = int(np.count_nonzero((data["lower"] > 1) | (data["upper"] < 1)))
    with figure_style():
        figure = new_figure(height=1.5 + 0.235 * len(rows))
        axes = figure.add_subplot()
        _draw_dots(axes, [_label(t) for t in rows], data["odds_ratio"], data["lower"], data["upper"])
        _scale_ratio(axes, data["lower"], data["upper"])
        axes.set_xlabel("Odds ratio with 95 % interval (logarithmic scale)")
        set_title(axes, f"{some_of(apart, len(rows), 'risk factor', 'risk factors')} an interval that leaves out 1")
        finish_figure(figure, sheet.source, grid="x", legend=False)
    words = "; ".join(
        f"{_label(t)} {number(t['odds_ratio'], 2)} ({number(t['lower'], 2)} to {number(t['upper'], 2)})" for t in rows
    )
    caption = (
        "To the right of 1: the odds of a visit rise with the factor, all others equal. Filled: the interval "
        "leaves out 1. For a number, such as years of age, the odds ratio is per unit."
    )
    return sheet.plot(
        "odds_ratios", figure, alt=f"Odds ratios of the risk factors. {words}.", caption=caption, data=data
    )


def subgroup_plot(quality: ModelQuality, sheet: Sheet) -> Plot | None:
    """Draw observed over predicted visits by subgroup, with intervals."""
    rows = [(name, group) for name, groups in quality.by_subgroup for group in groups]
    if not rows:
        return None
    data = groups_frame([group for _, group in rows])
    data.insert(0, "by", [name for name, _ in rows])
    ratio = np.array([group.ratio for _, group in rows])
    labels = [f"{plain(name, 40)}: {plain(group.label, 34)}" for name, group in rows]
    apart = int(np.count_nonzero((ratio[:, 1] > 1) | (ratio[:, 2] < 1)))
    with figure_style():
        figure = new_figure(height=1.5 + 0.25 * len(rows))
        axes = figure.add_subplot()
        _draw_dots(axes, labels, ratio[:, 0], ratio[:, 1], ratio[:, 2])
        axes.set_xlim(left=0)
        axes.set_xlabel("Observed / predicted visits, with 95 % interval")
        set_title(axes, f"{some_of(apart, len(rows), 'subgroup', 'subgroups')} an interval that leaves out 1")
        finish_figure(figure, sheet.source, grid="x", legend=False)
    words = "; ".join(
        f"{name}, {g.label}: {number(g.ratio[0], 2)} ({number(g.ratio[1], 2)} to {number(g.ratio[2], 2)})"
        for name, g in rows
    )
    caption = (
        "At 1 the model foresees as many visits as there were. Groups that are risk factors of the model agree by the "
        "way it is fitted, but for what differs between facilities."
    )
    alt = f"Observed over predicted visits by subgroup. {words}."
    return sheet.plot("subgroups", figure, alt=alt, caption=caption, data=data)


def _draw_dots(axes: Axes, labels: list[str], middle: Any, lower: Any, upper: Any) -> None:
    """Draw one row per label: an interval and its middle, filled where the interval leaves out 1."""
    middle, lower, upper = (np.asarray(side, dtype=float) for side in (middle, lower, upper))
    place = np.arange(len(labels))
    apart = (lower > 1) | (upper < 1)
    axes.axvline(1.0, color=INK, linewidth=0.9, linestyle=":")
    axes.hlines(place, lower, upper, colors=np.where(apart, BLUE, GREY).tolist(), linewidth=1.4)
    axes.plot(middle[apart], place[apart], "s", color=BLUE, markersize=4.6)
    axes.plot(middle[~apart], place[~apart], "o", markerfacecolor="white", markeredgecolor=GREY, markersize=4.6)
    axes.set_yticks(place, labels, fontsize=8)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def _scale_ratio(axes: Axes, lower: Any, upper: Any) -> None:
    axes.set_xscale("log")
    low = max(float(np.min(lower)), 1 / _WIDEST_FACTOR)
    high = min(float(np.max(upper)), _WIDEST_FACTOR)
    axes.set_xlim(min(low, 0.8) / 1.08, max(high, 1.25) * 1.08)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _label(term: Mapping[str, Any]) -> str:
    return plain(term.get("label") or term["factor"], _LONGEST_LABEL)


def _odds_data(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    values = [(t["factor"], t.get("label") or t["factor"], t["odds_ratio"], t["lower"], t["upper"]) for t in rows]
    return pd.DataFrame(values, columns=["factor", "label", "odds_ratio", "lower", "upper"])
