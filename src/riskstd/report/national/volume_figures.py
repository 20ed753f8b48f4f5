"""Figures of facilities against volume: score and reliability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from riskstd.report.content import comparator_of
from riskstd.report.figures import (
    BLUE,
    GREY,
    INK,
    RASTER_ABOVE,
    Plot,
    Sheet,
    columns_of,
    figure_style,
    finish_figure,
    new_figure,
    set_title,
)
from riskstd.report.national.plots import Group, axis_name, draw_comparator, groups_present, name_points, whole_tick
from riskstd.report.national.volume import reliability_at, volume_needs, volume_sentences
from riskstd.report.wording import counted, number
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

_QUARTERS_FROM = 8
"""Fewest facilities whose scores are compared by quarter of volume."""


def rate_volume_plot(rows: pd.DataFrame, measure: Measure, national_rate: float | None, sheet: Sheet) -> Plot | None:
    """Draw the score of each facility against its cases."""
    if not len(rows):
        return None
    cases, rate = rows["cases"].to_numpy(float), rows["rate"].to_numpy(float)
    # facilities that may be drawn are not like the others, so no more is said of a part of them
    text = "" if sheet.note else volume_sentence(cases, rate, measure)
    with figure_style():
        figure = new_figure(height=4.2)
        axes = figure.add_subplot()
        for group, chosen in groups_present(rows, measure):
            _draw_group(axes, cases[chosen], rate[chosen], group, many=len(rows) > RASTER_ABOVE)
        labels = measure.definition.score.categories.labels
        flagged = rows["category"].isin([labels.better, labels.worse]).to_numpy()
        name_points(axes, cases[flagged], rate[flagged], list(rows["facility_id"][flagged]))
        draw_comparator(axes, comparator_of(measure, national_rate), measure)
        scale_cases(axes, cases)
        axes.set_ylabel(axis_name(measure))
        set_title(axes, f"Scores of {counted(len(rows), 'facility', 'facilities')} against volume")
        finish_figure(figure, sheet.source)
    alt = f"Scores against cases. {_range_words(cases, rate, measure)} {text}".strip()
    data = columns_of(rows, "facility_id", "category", "cases", "rate")
    caption = f"{text} Scores are drawn towards the average, most where cases are few.".strip()
    return sheet.plot("rate_by_volume", figure, alt=alt, caption=caption, data=data)


def reliability_plot(
    rows: pd.DataFrame, tau: float, information: float, sheet: Sheet, *, partial: bool = False
) -> Plot | None:
    """Draw the reliability of each facility's score against its cases, and the volumes that some levels need.

    Parameters
    ----------
    rows, sheet
        As in `shrinkage_plot`.
    tau : float
        Spread of the facility effects.
    information : float
        Mean of p(1-p) per case.
    partial : bool
        Whether `rows` holds a part of the facilities.
    """
    if not len(rows):
        return None
    cases, reliability = rows["cases"].to_numpy(float), rows["reliability"].to_numpy(float)
    needs = volume_needs(cases, tau, information)
    finite = [need for need in needs if np.isfinite(need.cases)]
    nouns = ("facility shown", "facilities shown") if partial else ("scored facility", "scored facilities")
    sentences = volume_sentences(needs, len(rows), nouns)
    right = max([float(cases.max()), *(1.15 * need.cases for need in finite)])
    with figure_style():
        figure = new_figure(height=4.2)
        axes = figure.add_subplot()
        grid = np.geomspace(max(float(cases.min()), 1.0), right, 200)
        axes.plot(
            grid, reliability_at(grid, tau, information), color=INK, linewidth=1.1, label="At average risk", zorder=3
        )
        axes.plot(
            cases,
            reliability,
            "o",
            color=GREY,
            markersize=3.0,
            alpha=0.6,
            rasterized=len(rows) > RASTER_ABOVE,
            label=f"{nouns[1][0].upper()}{nouns[1][1:]} ({len(rows):,})",
        )
        for need in finite:
            axes.plot([need.cases, need.cases], [0, need.reliability], "--", color=BLUE, linewidth=1.0)
            axes.plot(need.cases, need.reliability, "D", color=BLUE, markersize=5)
            words = f"{need.reliability:g} from {number(np.ceil(need.cases))} cases"
            axes.annotate(
                words, (need.cases, need.reliability), (-6, 5), textcoords="offset points", ha="right", fontsize=8
            )
        scale_cases(axes, np.append(cases, [need.cases for need in finite]))
        axes.set_ylim(0, 1)
        axes.set_ylabel("Reliability of the score")
        set_title(axes, sentences[0].removesuffix("."))
        finish_figure(figure, sheet.source)
    middle = number(float(np.median(reliability)), 2)
    alt = f"Reliability against cases. {' '.join(sentences)} Half of the {nouns[1]} have a reliability below {middle}."
    caption = (
        f"{' '.join(sentences)} Reliability is the share of the variation between facilities of that volume that is no "
        f"chance; half of the {nouns[1]} have less than {middle}."
    )
    data = columns_of(rows, "facility_id", "cases", "reliability")
    return sheet.plot("reliability", figure, alt=alt, caption=caption, data=data)


def volume_sentence(cases: FloatArray, rate: FloatArray, measure: Measure) -> str:
    """Compare the scores of the smallest and the largest quarter of facilities; empty for a few."""
    if len(cases) < _QUARTERS_FROM:
        return ""
    low, high = np.quantile(cases, [0.25, 0.75])
    small, large = (_range_text(rate[part], measure) for part in (cases <= low, cases >= high))
    return (
        f"Scores of the quarter with the fewest cases (up to {number(np.floor(low))}) run {small}, of the quarter with "
        f"the most ({number(np.ceil(high))} or more) {large}."
    )


def scale_cases(axes: Axes, cases: FloatArray) -> None:
    """Label the axis of cases, logarithmic where they differ much."""
    axes.set_xlabel("Cases")
    if cases.max() > 20 * cases.min():
        axes.set_xscale("log")
        axes.set_xlabel("Cases (logarithmic scale)")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(whole_tick))


def _draw_group(axes: Axes, x: FloatArray, y: FloatArray, group: Group, *, many: bool) -> None:
    axes.plot(
        x,
        y,
        linestyle="none",
        marker=group.marker,
        markersize=group.size,
        color=group.color,
        rasterized=many,
        alpha=0.9 if group.size > 5 else 0.6,
        zorder=3 if group.size > 5 else 2,
        label=f"{group.label} ({len(x):,})",
    )


def _range_words(cases: FloatArray, rate: FloatArray, measure: Measure) -> str:
    low, high = number(cases.min()), number(cases.max())
    facilities = counted(len(cases), "facility", "facilities")
    return f"{facilities} with {low} to {high} cases; scores run {_range_text(rate, measure)}."


def _range_text(values: FloatArray, measure: Measure) -> str:
    decimals = max(measure.scale.decimals, 2) if measure.scale.kind == "ratio" else measure.scale.decimals
    return f"from {number(float(values.min()), decimals)} to {number(float(values.max()), decimals)}"
