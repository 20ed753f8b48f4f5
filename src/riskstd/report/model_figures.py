"""Figures of the model: odds ratios, calibration by risk and by subgroup, and predicted risks."""

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
    LINE,
    ORANGE,
    Plot,
    Sheet,
    figure_style,
    finish_figure,
    new_figure,
    plain,
    set_title,
)
from riskstd.report.model_quality import ModelQuality, RiskBins
from riskstd.report.risk_groups import RiskGroup
from riskstd.report.wording import counted, number

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
        set_title(axes, f"{_some_of(apart, len(rows), 'risk factor', 'risk factors')} an interval that leaves out 1")
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


def calibration_plot(quality: ModelQuality, sheet: Sheet) -> Plot | None:
    """Draw observed against predicted rates by tenth of predicted risk, with intervals."""
    groups = quality.by_risk
    if not groups:
        return None
    data = groups_frame(groups)
    predicted, observed, lower, upper = (100 * data[c].to_numpy() for c in ("predicted", "observed", "lower", "upper"))
    top = 1.06 * max(upper.max(), predicted.max())
    outside = int(np.count_nonzero((predicted < lower) | (predicted > upper)))
    with figure_style():
        figure = new_figure(height=4.6)
        axes = figure.add_subplot()
        axes.plot([0, top], [0, top], "--", color=GREY, linewidth=1.0, label="Predicted = observed")
        axes.vlines(predicted, lower, upper, colors=BLUE, linewidth=1.4)
        axes.plot(predicted, observed, "o", color=BLUE, markersize=5, label="Observed, with 95 % interval")
        for label, x, y in zip(data["group"], predicted, upper, strict=True):
            axes.annotate(label, (x, y), (0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=7)
        axes.set_xlim(0, 1.08 * predicted.max())
        axes.set_ylim(0, top)
        axes.set_xlabel("Mean predicted risk, %")
        axes.set_ylabel("Observed rate, %")
        set_title(axes, f"{_some_of(outside, len(groups), 'group', 'groups')} a predicted risk outside its interval")
        finish_figure(figure, sheet.source)
    alt = f"Calibration plot. {_groups_words(groups)}."
    return sheet.plot("calibration", figure, alt=alt, caption=calibration_sentence(groups), data=data)


def subgroup_plot(quality: ModelQuality, sheet: Sheet) -> Plot | None:
    """Draw observed over predicted visits by subgroup, with intervals."""
    rows = [(name, group) for name, groups in quality.by_subgroup for group in groups]
    if not rows:
        return None
    data = groups_frame([group for _, group in rows])
    data.insert(0, "by", [name for name, _ in rows])
    ratio = np.array([group.ratio for _, group in rows])
    labels = [f"{plain(name, 30)}: {plain(group.label, 34)}" for name, group in rows]
    apart = int(np.count_nonzero((ratio[:, 1] > 1) | (ratio[:, 2] < 1)))
    with figure_style():
        figure = new_figure(height=1.5 + 0.25 * len(rows))
        axes = figure.add_subplot()
        _draw_dots(axes, labels, ratio[:, 0], ratio[:, 1], ratio[:, 2])
        axes.set_xlim(left=0)
        axes.set_xlabel("Observed / predicted visits, with 95 % interval")
        set_title(axes, f"{_some_of(apart, len(rows), 'subgroup', 'subgroups')} an interval that leaves out 1")
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


def risk_plot(bins: RiskBins | None, sheet: Sheet) -> Plot | None:
    """Draw the shares of the cases by predicted risk."""
    if bins is None:
        return None
    edges, cases = 100 * np.array(bins.edges), np.array(bins.cases)
    share = 100 * cases / cases.sum()
    with figure_style():
        figure = new_figure(height=3.9)
        axes = figure.add_subplot()
        axes.bar(edges[:-1], share, np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.7)
        middle = 100 * bins.percentiles[1]
        axes.axvline(middle, color=ORANGE, linewidth=1.4, linestyle="--", label=f"Median {number(middle, 1)} %")
        _scale_percent(axes, edges)
        axes.set_xlabel("Predicted risk, % (logarithmic scale)")
        axes.set_ylabel("Share of cases, %")
        set_title(axes, f"Half of the cases have a predicted risk below {number(middle, 1)} %")
        finish_figure(figure, sheet.source)
    rows = "; ".join(
        f"{number(a, 2)} to {number(b, 2)} %: {number(part, 1)} %"
        for a, b, part in zip(edges[:-1], edges[1:], share, strict=True)
    )
    alt = f"Distribution of predicted risk. Share of cases by risk: {rows}."
    return sheet.plot("predicted_risk", figure, alt=alt, caption=risk_sentence(bins), data=_bins_frame(bins))


def calibration_sentence(groups: Sequence[RiskGroup]) -> str:
    """Say what was observed where the model foresees least and most.

    Examples
    --------
    >>> low, high = (RiskGroup(str(k), 100, n, p, 0.0, 1.0) for k, n, p in ((1, 1, 0.02), (2, 8, 0.07)))
    >>> calibration_sentence([low, high]).split(".  ")[0][:89]
    'Cases in groups of rising predicted risk, numbered by tenths. In the lowest the model fore'
    """
    low, high = groups[0], groups[-1]
    return (
        "Cases in groups of rising predicted risk, numbered by tenths. In the lowest the model foresees "
        f"{number(100 * low.predicted, 2)} % and {number(100 * low.observed, 2)} % had a visit; in the highest "
        f"{number(100 * high.predicted, 2)} % and {number(100 * high.observed, 2)} %. The model was fitted to these "
        "cases, so the agreement is somewhat better than it would be on new ones."
    )


def risk_sentence(bins: RiskBins) -> str:
    """Say how far predicted risks spread."""
    low, middle, high = (number(100 * p, 1) for p in bins.percentiles)
    return (
        f"The tenth of the cases with the least risk lies below {low} %, half below {middle} %, and the tenth with the "
        f"most above {high} %. Risk is what the patient's and the procedure's risk factors give at any facility."
    )


def groups_frame(groups: Sequence[RiskGroup]) -> pd.DataFrame:
    """Return groups as a table for export; proportions."""
    import pandas as pd

    rows = [(g.label, g.cases, g.events, g.predicted, g.observed, g.lower, g.upper, g.ratio[0]) for g in groups]
    names = "group cases events predicted observed lower upper observed_predicted"
    return pd.DataFrame(rows, columns=names.split())


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


def _scale_percent(axes: Axes, edges: Any) -> None:
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.spines["bottom"].set_color(LINE)


def _some_of(n: int, total: int, one: str, many: str) -> str:
    """Begin a title: how many of some things have something."""
    if total == 1:
        return f"The one {one} {'has' if n else 'does not have'}"
    return f"{'None' if n == 0 else f'{n:,}'} of {counted(total, one, many)} {'has' if n < 2 else 'have'}"


def _groups_words(groups: Sequence[RiskGroup]) -> str:
    return "; ".join(
        f"group {g.label}: predicted {number(100 * g.predicted, 2)} %, observed {number(100 * g.observed, 2)} % "
        f"({number(100 * g.lower, 2)} to {number(100 * g.upper, 2)} %)"
        for g in groups
    )


def _label(term: Mapping[str, Any]) -> str:
    return plain(term.get("label") or term["factor"], _LONGEST_LABEL)


def _odds_data(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    values = [(t["factor"], t.get("label") or t["factor"], t["odds_ratio"], t["lower"], t["upper"]) for t in rows]
    return pd.DataFrame(values, columns=["factor", "label", "odds_ratio", "lower", "upper"])


def _bins_frame(bins: RiskBins) -> pd.DataFrame:
    import pandas as pd

    share = np.array(bins.cases) / sum(bins.cases)
    columns = {"risk_from": bins.edges[:-1], "risk_to": bins.edges[1:], "cases": bins.cases, "share": share}
    return pd.DataFrame(columns)
