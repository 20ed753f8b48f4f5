"""The figure of shrinkage: from what happened to what is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from riskstd.report.figures import (
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
from riskstd.report.national.plots import groups_present
from riskstd.report.wording import number
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


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
        for group, chosen in groups_present(rows, measure):
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
        axes.set_yticks(
            [tick for tick in (0, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50) if tick <= 1.05 * top]
        )
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


def shrinkage_sentence(observed: FloatArray, predicted: FloatArray) -> str:
    """Say how far ratios are drawn in, and what becomes of facilities without a visit.

    Examples
    --------
    >>> shrinkage_sentence(np.array([0.0, 2.0]), np.array([0.9, 1.2])).split(". ")[1]
    'The one facility without a visit does not score 0 but 0.90.'
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


def _shrinkage_title(observed: FloatArray, predicted: FloatArray) -> str:
    if len(observed) == 1:
        return f"The observed ratio of {number(observed[0], 2)} becomes a score of {number(predicted[0], 2)}"
    ends = [number(float(v), 2) for v in (observed.min(), observed.max(), predicted.min(), predicted.max())]
    return f"Observed ratios of {ends[0]} to {ends[1]} become {ends[2]} to {ends[3]}"


def _root(values: FloatArray) -> FloatArray:
    return np.sqrt(np.maximum(values, 0.0))
