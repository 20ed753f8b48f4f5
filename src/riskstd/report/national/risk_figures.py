"""Figures of predicted risk: calibration by tenths, and the distribution of the risks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from riskstd.report.figures import (
    BLUE,
    GREY,
    LINE,
    ORANGE,
    Plot,
    Sheet,
    figure_style,
    finish_figure,
    new_figure,
    set_title,
)
from riskstd.report.national.model_quality import ModelQuality, RiskBins
from riskstd.report.national.risk_groups import RiskGroup
from riskstd.report.wording import counted, number

if TYPE_CHECKING:
    import pandas as pd


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
        set_title(axes, f"{some_of(outside, len(groups), 'group', 'groups')} a predicted risk outside its interval")
        finish_figure(figure, sheet.source)
    alt = f"Calibration plot. {_groups_words(groups)}."
    return sheet.plot("calibration", figure, alt=alt, caption=calibration_sentence(groups), data=data)


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
    >>> calibration_sentence([low, high]).split(". ")[1]
    'In the lowest the model foresees 2.00 % and 1.00 % had a visit; in the highest 7.00 % and 8.00 %'
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


def _scale_percent(axes: Axes, edges: Any) -> None:
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.spines["bottom"].set_color(LINE)


def some_of(n: int, total: int, one: str, many: str) -> str:
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


def _bins_frame(bins: RiskBins) -> pd.DataFrame:
    import pandas as pd

    share = np.array(bins.cases) / sum(bins.cases)
    columns = {"risk_from": bins.edges[:-1], "risk_to": bins.edges[1:], "cases": bins.cases, "share": share}
    return pd.DataFrame(columns)
