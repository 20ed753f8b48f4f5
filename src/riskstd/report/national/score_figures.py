"""Figures of the scores: caterpillar, funnel, and the distribution beside published results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from riskstd.report.content import ReportInput
from riskstd.report.disclosure.facilities import Facilities, interval_name, is_scored, rows_where
from riskstd.report.figures import (
    BLUE,
    INK,
    Plot,
    Sheet,
    columns_of,
    figure_style,
    finish_figure,
    new_figure,
    set_title,
)
from riskstd.report.national.funnel import LIMIT_LEVELS, Funnel, calibration_of, funnel_of
from riskstd.report.national.plots import caterpillar_title, funnel_title, plot_caterpillar, plot_funnel
from riskstd.report.wording import counted, level_text, number
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd

THIS_RUN, PUBLISHED = "this run", "published"
_MOST_BINS = 45


class Published(Protocol):
    """Published results beside a run, as a report needs them."""

    @property
    def unit(self) -> str:
        """Unit of the scores."""
        ...

    @property
    def summary_rows(self) -> Sequence[tuple[str, ...]]:
        """What, this run, published."""
        ...

    @property
    def sentences(self) -> Sequence[str]:
        """What the comparison says."""
        ...

    @property
    def plot_data(self) -> pd.DataFrame:
        """Columns `score` and `source` ("this run" or "published")."""
        ...


def scored_rows(content: ReportInput, facilities: Facilities) -> pd.DataFrame:
    """Return the scored facilities whose numbers may be drawn."""
    return rows_where(facilities.drawable, is_scored(facilities.drawable, content.measure))


def is_partial(content: ReportInput, facilities: Facilities, rows: pd.DataFrame) -> bool:
    """Tell whether the drawn facilities are a part of the scored ones."""
    return len(rows) < int(np.count_nonzero(is_scored(facilities.frame, content.measure)))


def left_out_sentence(content: ReportInput, facilities: Facilities, rows: pd.DataFrame) -> str:
    """Say how many scored facilities are not drawn; empty if all are."""
    left = int(np.count_nonzero(is_scored(facilities.frame, content.measure))) - len(rows)
    if left == 0:
        return ""
    return f"Not drawn: {counted(left, 'scored facility', 'scored facilities')} whose numbers are not shown."


def caterpillar_plot(content: ReportInput, facilities: Facilities, rows: pd.DataFrame, sheet: Sheet) -> Plot | None:
    """Draw the facilities in order of their score; None without facilities."""
    assert content.interval is not None
    if not len(rows):
        return None
    level, partial = content.interval.level, is_partial(content, facilities, rows)
    rate = content.national_rate
    figure = plot_caterpillar(
        rows, content.measure, national_rate=rate, level=level, source=sheet.source, partial=partial
    )
    title = caterpillar_title(rows, content.measure, partial=partial)
    caption = (
        f"Scored facilities from the lowest to the highest score, each with its {interval_name(level)}. "
        "Where an interval holds the line, the facility cannot be told from it."
    )
    ordered = rows.sort_values(by=["rate", "facility_id"], ignore_index=True)
    data = columns_of(ordered, "facility_id", "rate", "lower", "upper", "category")
    low, high = (_score(v, content.measure) for v in (data["rate"].iloc[0], data["rate"].iloc[-1]))
    alt = f"Caterpillar plot. {title}. Scores run from {low} to {high}. The facility table below holds the numbers."
    return sheet.plot("caterpillar", figure, alt=alt, caption=caption, data=data)


def funnel_plot(
    content: ReportInput, facilities: Facilities, rows: pd.DataFrame, sheet: Sheet, *, overdispersion: bool = False
) -> Plot | None:
    """Draw observed rates against volume within control limits; None without a visit.

    Where some scored facilities are not drawn, nothing is said of the common spread and the limits are not
    widened by it: those drawn are not like the others.
    """
    if not np.any(rows["observed"].to_numpy() > 0):
        return None
    rate, partial = content.national_rate, is_partial(content, facilities, rows)
    overdispersion = overdispersion and not partial
    factor = calibration_of(facilities.frame)
    figure = plot_funnel(
        rows,
        content.measure,
        national_rate=rate,
        source=sheet.source,
        partial=partial,
        calibration=factor,
        overdispersion=overdispersion,
    )
    funnel = funnel_of(rows, content.measure, national_rate=rate, calibration=factor, overdispersion=overdispersion)
    title = funnel_title(funnel, partial=partial)
    inner, outer = (level_text(level) for level in LIMIT_LEVELS)
    caption = (
        "Observed rates of scored facilities after risk adjustment, before shrinkage, against volume. "
        f"Between the lines lie {inner} and {outer} of facilities of that size if all were average and only "
        f"{'chance and the common spread were' if overdispersion else 'chance were'} at work. "
        f"{'' if partial else phi_sentence(funnel) + ' '}"
        "The categories come from the model, so a facility outside the lines may still be no different."
    )
    outside = ", ".join(
        f"{number(funnel.outside[level].sum())} outside the {level_text(level)} limits" for level in LIMIT_LEVELS
    )
    alt = f"Funnel plot. {title}. Of {len(rows):,} drawn: {outside}. The facility table below holds the numbers."
    return sheet.plot(
        "funnel",
        figure,
        alt=alt,
        caption=caption,
        data=_funnel_frame(rows, funnel),
    )


def phi_sentence(funnel: Funnel) -> str:
    """Say how much more the facilities spread than chance gives, and whether the limits allow for it."""
    if funnel.dispersion <= 1.0:
        return "They spread no more than chance gives (phi = 1)."
    text = f"They spread {number(funnel.dispersion, 2)} times as much as chance gives (phi, in units of variance)"
    return f"{text}, and the limits are widened by that." if funnel.widened else f"{text}; the limits are not widened."


def published_plot(published: Published, measure: Measure, sheet: Sheet) -> Plot | None:
    """Draw the distribution of this run's scores beside that of published ones; None when either has none."""
    frame = published.plot_data
    ours, theirs = (
        np.sort(frame.loc[frame["source"] == name, "score"].dropna().to_numpy(float)) for name in (THIS_RUN, PUBLISHED)
    )
    if not len(ours) or not len(theirs):
        return None
    edges = score_bins(np.concatenate([ours, theirs]), measure.scale.decimals)
    with figure_style():
        figure = new_figure(height=4.0)
        axes = figure.add_subplot()
        for scores, name, color, filled in ((ours, "This run", BLUE, True), (theirs, "Published", INK, False)):
            share = 100 * np.histogram(scores, edges)[0] / len(scores)
            label = f"{name} ({len(scores):,}; median {_score(np.median(scores), measure)})"
            axes.stairs(
                share, edges, fill=filled, color=color, alpha=0.45 if filled else 1.0, linewidth=1.4, label=label
            )
        axes.set_xlabel(f"Score, {published.unit}")
        axes.set_ylabel("Share of facilities, %")
        middle = [_score(np.median(scores), measure) for scores in (ours, theirs)]
        set_title(axes, f"The middle score is {middle[0]} in this run and {middle[1]} as published")
        finish_figure(figure, sheet.source)
    both = f"This run: {_spread_words(ours, measure)}. Published: {_spread_words(theirs, measure)}"
    alt = f"Distributions of scores. {both}."
    import pandas as pd

    data = pd.DataFrame(
        {"score": np.concatenate([ours, theirs]), "source": [THIS_RUN] * len(ours) + [PUBLISHED] * len(theirs)}
    )
    caption = "Shares of facilities by score. Period, claims and code lists differ, so the two need not agree."
    return sheet.plot("published", figure, alt=alt, caption=caption, data=data)


def score_bins(scores: np.ndarray, decimals: int) -> np.ndarray:
    """Return edges of bins for scores of which some are rounded: whole steps wide, and between the steps.

    Examples
    --------
    >>> score_bins(np.array([1.0, 1.34]), 1).round(2).tolist()
    [0.95, 1.05, 1.15, 1.25, 1.35]
    """
    step = 10.0**-decimals
    first, last = np.round(scores.min() / step), np.round(scores.max() / step)
    width = max(1, int(np.ceil((last - first + 1) / _MOST_BINS)))
    return (np.arange(first, last + width + 1, width) - 0.5) * step


def _funnel_frame(rows: pd.DataFrame, funnel: Funnel) -> pd.DataFrame:
    data = columns_of(rows, "facility_id", "category").assign(volume=funnel.volume, value=funnel.value)
    return data.assign(**{f"outside_{100 * level:g}": funnel.outside[level] for level in LIMIT_LEVELS})


def _spread_words(scores: np.ndarray, measure: Measure) -> str:
    low, middle, high = (_score(v, measure) for v in (scores[0], np.median(scores), scores[-1]))
    return f"{counted(len(scores), 'facility', 'facilities')}, from {low} to {high}, middle {middle}"


def _score(value: float, measure: Measure) -> str:
    decimals = measure.scale.decimals
    return number(float(value), max(decimals, 2) if measure.scale.kind == "ratio" else decimals)
