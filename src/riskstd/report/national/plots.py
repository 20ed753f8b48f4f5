"""The plots of a measure: facilities in order of their score, and the funnel of observed rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from riskstd.report.content import comparator_of
from riskstd.report.disclosure.facilities import is_scored, rows_where
from riskstd.report.figures import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    RASTER_ABOVE,
    figure_style,
    finish_figure,
    new_figure,
    plain,
    set_title,
)
from riskstd.report.national.funnel import LIMIT_LEVELS, Funnel, calibration_of, funnel_of
from riskstd.report.wording import counted, level_text
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd

_NAMED_FACILITIES = 40
_NAMED_POINTS = 8


@dataclass(frozen=True)
class Group:
    """One category in a plot: its words, and a color and a shape of its own."""

    label: str
    color: str
    marker: str
    size: float


def plot_caterpillar(
    rates: pd.DataFrame,
    measure: Measure,
    *,
    national_rate: float | None,
    level: float = 0.95,
    source: str = "",
    partial: bool = False,
) -> Figure:
    """Plot every scored facility in order of its score, with its interval estimate.

    Parameters
    ----------
    rates : pandas.DataFrame
        Table `facility_rates`; facilities below the case minimum are left out.
    measure : Measure
    national_rate : float or None
        A proportion, whatever the scale; not used for a ratio.
    level : float
        Level of the interval in `lower` and `upper`.
    source : str
        Line below the plot.
    partial : bool
        Whether `rates` holds a part of the facilities; the title then says so.

    Returns
    -------
    matplotlib.figure.Figure
    """
    scored = _scored(rates, measure).sort_values(by=["rate", "facility_id"], ignore_index=True)
    with figure_style():
        figure = new_figure()
        axes = figure.add_subplot()
        rank = np.arange(1, len(scored) + 1)
        for group in category_groups(measure):
            _draw_intervals(axes, rank, scored, scored["category"].to_numpy() == group.label, group)
        _draw_intervals(axes, rank, scored, scored["category"].isna().to_numpy(), unjudged_group())
        draw_comparator(axes, comparator_of(measure, national_rate), measure)
        set_title(axes, caterpillar_title(rates, measure, partial=partial))
        axes.set_ylabel(f"{axis_name(measure)},\nwith {level_text(level)} interval")
        _label_ranks(axes, scored)
        finish_figure(figure, source)
    return figure


def plot_funnel(
    rates: pd.DataFrame,
    measure: Measure,
    *,
    national_rate: float | None,
    source: str = "",
    partial: bool = False,
    calibration: float | None = None,
    overdispersion: bool = False,
) -> Figure:
    """Plot the observed, risk-adjusted rate of every scored facility against its volume, with control limits.

    Parameters
    ----------
    rates : pandas.DataFrame
        Table `facility_rates`; facilities below the case minimum are left out.
    measure : Measure
    national_rate : float or None
        A proportion, whatever the scale; not used for a ratio.
    source : str
        Line below the plot.
    partial : bool
        Whether `rates` holds a part of the facilities; the title then says so.
    calibration : float, optional
        Observed over expected visits of all facilities; of those in `rates` when left out.
    overdispersion : bool
        Whether the limits are widened by the spread beyond chance.

    Returns
    -------
    matplotlib.figure.Figure

    Notes
    -----
    Formulas: `riskstd.report.national.funnel`.
    """
    scored = _scored(rates, measure)
    factor = calibration_of(rates) if calibration is None else calibration
    funnel = funnel_of(scored, measure, national_rate=national_rate, calibration=factor, overdispersion=overdispersion)
    with figure_style():
        figure = new_figure()
        axes = figure.add_subplot()
        _draw_limits(axes, funnel)
        draw_comparator(axes, funnel.target, measure)
        category = scored["category"].to_numpy()
        for group in category_groups(measure):
            _draw_points(axes, funnel, category == group.label, group)
        _draw_points(axes, funnel, scored["category"].isna().to_numpy(), unjudged_group())
        outside = funnel.outside[LIMIT_LEVELS[-1]]
        name_points(axes, funnel.volume[outside], funnel.value[outside], list(scored["facility_id"][outside]))
        set_title(axes, funnel_title(funnel, partial=partial))
        axes.set_xlabel("Expected visits" if funnel.by_expected else "Cases")
        axes.set_ylabel(_funnel_axis_name(measure))
        _scale_volume(axes, funnel)
        finish_figure(figure, source)
    return figure


def caterpillar_title(rates: pd.DataFrame, measure: Measure, *, partial: bool = False) -> str:
    """Say how many of the scored facilities differ from the comparator."""
    scored = _scored(rates, measure)
    labels = measure.definition.score.categories.labels
    differ = np.count_nonzero(scored["category"].isin([labels.better, labels.worse]))
    name = "what is expected" if measure.scale.kind == "ratio" else "the national rate"
    one, many = _nouns(partial)
    if np.all(np.isnan(scored["lower"].to_numpy(float))):
        return f"Scores of {counted(len(scored), one, many)}, without intervals"
    if len(scored) == 1:
        return f"The one scored {one} {'differs' if differ else 'does not differ'} from {name}"
    if differ == 0:
        return f"None of {len(scored):,} {many} differs from {name}"
    return f"{differ:,} of {len(scored):,} {many} {'differs' if differ == 1 else 'differ'} from {name}"


def funnel_title(funnel: Funnel, *, partial: bool = False) -> str:
    """Say how many facilities lie outside the outer control limits."""
    outside, total = int(funnel.outside[LIMIT_LEVELS[-1]].sum()), len(funnel.volume)
    limits = f"the {'widened ' if funnel.widened else ''}{level_text(LIMIT_LEVELS[-1])} control limits"
    one, many = _nouns(partial)
    if total == 1:
        return f"The one {one} lies {'outside' if outside else 'within'} {limits}"
    if outside == 0:
        return f"All {total:,} {many} lie within {limits}"
    return f"{outside:,} of {total:,} {many} {'lies' if outside == 1 else 'lie'} outside {limits}"


def _scored(rates: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    return rows_where(rates, is_scored(rates, measure))


def _nouns(partial: bool) -> tuple[str, str]:
    return ("facility shown", "facilities shown") if partial else ("facility", "facilities")


def category_groups(measure: Measure) -> list[Group]:
    """Return the categories of scored facilities with their colors and shapes."""
    labels = measure.definition.score.categories.labels
    return [
        Group(labels.no_different, GREY, "o", 3.2),
        Group(labels.better, BLUE, "v", 5.5),
        Group(labels.worse, ORANGE, "^", 5.5),
    ]


def unjudged_group() -> Group:
    """Return color and shape of facilities without a category."""
    return Group("Without a category", GREY, "s", 3.2)


def groups_present(rows: pd.DataFrame, measure: Measure) -> list[tuple[Group, NDArray[np.bool_]]]:
    """Return the categories that some row has, with the rows of each; rows without one come last."""
    category = rows["category"].to_numpy()
    found = [(group, category == group.label) for group in category_groups(measure)]
    found.append((unjudged_group(), rows["category"].isna().to_numpy()))
    return [(group, chosen) for group, chosen in found if chosen.any()]


def _draw_intervals(
    axes: Axes, rank: NDArray[np.int64], scored: pd.DataFrame, chosen: NDArray[np.bool_], group: Group
) -> None:
    if not chosen.any():
        return
    many = len(scored) > RASTER_ABOVE
    x, part = rank[chosen], rows_where(scored, chosen)
    axes.vlines(
        x,
        part["lower"].to_numpy(float),
        part["upper"].to_numpy(float),
        colors=group.color,
        linewidth=1.3 if len(scored) < 150 else 0.9 if group.size > 4 else 0.5,
        alpha=0.9 if group.size > 4 else 0.45,
        rasterized=many,
    )
    axes.plot(
        x,
        part["rate"].to_numpy(float),
        linestyle="none",
        marker=group.marker,
        markersize=group.size if len(scored) < 400 or group.size > 4 else 1.6,
        color=group.color,
        label=f"{group.label} ({len(part):,})",
        rasterized=many,
        zorder=3,
    )


def _draw_points(axes: Axes, funnel: Funnel, chosen: NDArray[np.bool_], group: Group) -> None:
    if not chosen.any():
        return
    axes.plot(
        funnel.volume[chosen],
        funnel.value[chosen],
        linestyle="none",
        marker=group.marker,
        markersize=group.size,
        color=group.color,
        alpha=0.9 if group.size > 5 else 0.6,
        label=f"{group.label} ({np.count_nonzero(chosen):,})",
        rasterized=len(funnel.volume) > RASTER_ABOVE,
        zorder=3 if group.size > 5 else 2,
    )


def _draw_limits(axes: Axes, funnel: Funnel) -> None:
    for level, style in zip(LIMIT_LEVELS, ("--", "-"), strict=True):
        lower, upper = funnel.limits[level]
        for side, label in ((lower, None), (upper, f"{level_text(level)} control limits")):
            axes.plot(funnel.grid, side, style, color=INK, linewidth=0.8, label=label, zorder=1)


def draw_comparator(axes: Axes, comparator: float, measure: Measure) -> None:
    """Draw the line that facilities are compared with."""
    ratio = measure.scale.kind == "ratio"
    label = "Expected (1)" if ratio else f"National rate ({comparator:,.{measure.scale.decimals}f})"
    axes.axhline(comparator, color=INK, linewidth=1.0, linestyle=":" if ratio else "-.", label=label, zorder=2.5)


def _label_ranks(axes: Axes, scored: pd.DataFrame) -> None:
    if 0 < len(scored) <= _NAMED_FACILITIES:
        names = [plain(name) for name in scored["facility_id"]]
        axes.set_xticks(np.arange(1, len(scored) + 1), names, rotation=90, fontsize=7)
        for text in axes.get_xticklabels():
            text.set_parse_math(False)
        axes.set_xlabel("Facility, in order of its score")
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(whole_tick))
        axes.set_xlabel("Facilities in order of their score (rank)")
    axes.set_xlim(0, len(scored) + 1)


def _scale_volume(axes: Axes, funnel: Funnel) -> None:
    if len(funnel.volume) and funnel.volume.max() > 20 * funnel.volume.min():
        axes.set_xscale("log")
        axes.set_xlabel(f"{axes.get_xlabel()} (logarithmic scale)")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(whole_tick))
    if len(funnel.value):
        widest = funnel.limits[LIMIT_LEVELS[-1]][1]
        top = max(float(funnel.value.max()), min(float(widest.max()), 4 * funnel.target))
        axes.set_ylim(-0.03 * top, 1.06 * top)


def name_points(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], names: Sequence[object]) -> None:
    """Write the facility beside each point, where the points are few enough to be read."""
    if len(names) > _NAMED_POINTS:
        return
    for place, value, name in zip(x, y, names, strict=True):
        axes.annotate(
            plain(name), (place, value), (5, 3), textcoords="offset points", fontsize=7, color=INK, parse_math=False
        )


def axis_name(measure: Measure) -> str:
    """Name the score with its unit."""
    if measure.scale.kind == "ratio":
        return "Predicted / expected visits"
    return f"Risk-standardized {measure.scale.unit}"


def _funnel_axis_name(measure: Measure) -> str:
    if measure.scale.kind == "ratio":
        return "Observed / expected visits"
    return f"Observed, risk-adjusted\n{measure.scale.unit}"


def whole_tick(value: float, _: object) -> str:
    """Write a tick of a count with thousands marked."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
