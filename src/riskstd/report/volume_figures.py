"""Figures of facilities against volume: shrinkage, score and reliability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
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
from riskstd.report.plots import Group, axis_name, category_groups, draw_comparator, unjudged_group, whole_tick
from riskstd.report.volume import reliability_at, volume_needs, volume_sentences
from riskstd.report.wording import counted, number
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

_QUARTERS_FROM = 8
"""Fewest facilities whose scores are compared by quarter of volume."""


def shrinkage_plot(rows: pd.DataFrame, measure: Measure, sheet: Sheet) -> Plot | None:
    """Draw each facility's way from observed / expected to predicted / expected.

    Parameters
    ----------
    rows : pandas.DataFrame
        Scored facilities that may be drawn, as in `facility_rates`.
    measure : Measure
    sheet : Sheet
    """
    if not len(rows):
        return None
    expected = rows["cases"].to_numpy(float) * rows["expected"].to_numpy(float)
    observed, predicted = rows["observed"].to_numpy(float) / expected, rows["ratio"].to_numpy(float)
    with figure_style():
        figure = new_figure(height=4.6)
        axes = figure.add_subplot()
        axes.set_yscale("function", functions=(_root, np.square))
        many = len(rows) > RASTER_ABOVE
        for group, chosen in _chosen_groups(rows, measure):
            ends = np.stack(
                [
                    np.column_stack([np.zeros(chosen.sum()), observed[chosen]]),
                    np.column_stack([np.ones(chosen.sum()), predicted[chosen]]),
                ],
                axis=1,
            )
            strong = group.size > 4
            width, alpha = (1.2, 0.95) if strong else (0.6, 0.55 if len(rows) < 200 else 0.15)
            lines = LineCollection(list(ends), colors=group.color, linewidths=width, alpha=alpha, rasterized=many)
            axes.add_collection(lines, autolim=False)
            for x, y in ((0, observed[chosen]), (1, predicted[chosen])):
                axes.plot(
                    np.full(len(y), x),
                    y,
                    linestyle="none",
                    marker=group.marker,
                    markersize=group.size,
                    color=group.color,
                    rasterized=many,
                    clip_on=False,
                    zorder=3 if strong else 2,
                    label=f"{group.label} ({len(y):,})" if x == 0 else None,
                )
        axes.axhline(1.0, color=INK, linewidth=0.9, linestyle=":")
        top = max(float(observed.max()), float(predicted.max()), 1.5)
        axes.set_ylim(0, 1.05 * top)
        axes.set_yticks([tick for tick in (0, 0.25, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50) if tick <= 1.05 * top])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(-0.12, 1.12)
        axes.set_xticks([0, 1], ["Observed / expected\n(what happened)", "Predicted / expected\n(what is scored)"])
        axes.set_ylabel("Ratio (root scale)")
        set_title(axes, _shrinkage_title(observed, predicted))
        finish_figure(figure, sheet.source)
    data = columns_of(rows, "facility_id", "category").assign(observed_expected=observed, predicted_expected=predicted)
    caption = shrinkage_sentence(observed, predicted)
    alt = f"Lines from observed to predicted ratios. {_shrinkage_title(observed, predicted)}. {caption}"
    return sheet.plot("shrinkage", figure, alt=alt, caption=caption, data=data)


def rate_volume_plot(rows: pd.DataFrame, measure: Measure, national_rate: float | None, sheet: Sheet) -> Plot | None:
    """Draw the score of each facility against its cases."""
    if not len(rows):
        return None
    cases, rate = rows["cases"].to_numpy(float), rows["rate"].to_numpy(float)
    text = volume_sentence(cases, rate, measure)
    with figure_style():
        figure = new_figure(height=4.2)
        axes = figure.add_subplot()
        for group, chosen in _chosen_groups(rows, measure):
            _draw_group(axes, cases[chosen], rate[chosen], group, many=len(rows) > RASTER_ABOVE)
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
        axes.plot(grid, reliability_at(grid, tau, information), color=INK, linewidth=1.1, label="At average risk")
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


def shrinkage_sentence(observed: FloatArray, predicted: FloatArray) -> str:
    """Say how far ratios are drawn in, and what becomes of facilities without a visit.

    Examples
    --------
    >>> shrinkage_sentence(np.array([0.0, 2.0]), np.array([0.9, 1.2])).split(". ")[1]
    'The one facility without a visit does not score 0 but 0.90'
    """
    text = (
        "A result from few cases is drawn towards 1 the most, since it may be chance; lines that run nearly level "
        "belong to large facilities."
    )
    without = predicted[observed == 0]
    if len(without) == 0:
        return text
    low, high = number(float(without.min()), 2), number(float(without.max()), 2)
    if len(without) == 1:
        return f"{text} The one facility without a visit does not score 0 but {low}."
    return f"{text} The {len(without):,} facilities without a visit do not score 0 but {low} to {high}."


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


def _chosen_groups(rows: pd.DataFrame, measure: Measure) -> list[tuple[Group, NDArray[np.bool_]]]:
    category = rows["category"].to_numpy()
    found = [(group, category == group.label) for group in category_groups(measure)]
    found.append((unjudged_group(), rows["category"].isna().to_numpy()))
    return [(group, chosen) for group, chosen in found if chosen.any()]


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


def _shrinkage_title(observed: FloatArray, predicted: FloatArray) -> str:
    if len(observed) == 1:
        return f"The observed ratio of {number(observed[0], 2)} becomes a score of {number(predicted[0], 2)}"
    ends = [number(float(v), 2) for v in (observed.min(), observed.max(), predicted.min(), predicted.max())]
    return f"Observed ratios of {ends[0]} to {ends[1]} become {ends[2]} to {ends[3]}"


def _range_words(cases: FloatArray, rate: FloatArray, measure: Measure) -> str:
    low, high = number(cases.min()), number(cases.max())
    facilities = counted(len(cases), "facility", "facilities")
    return f"{facilities} with {low} to {high} cases; scores run {_range_text(rate, measure)}."


def _range_text(values: FloatArray, measure: Measure) -> str:
    decimals = max(measure.scale.decimals, 2) if measure.scale.kind == "ratio" else measure.scale.decimals
    return f"from {number(float(values.min()), decimals)} to {number(float(values.max()), decimals)}"


def _root(values: FloatArray) -> FloatArray:
    return np.sqrt(np.maximum(values, 0.0))
