"""Figures of the cohort: what each step keeps and sets aside, and visits by type and day."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from riskstd.report.disclosure.counts import VISIT_TYPES, Counts, Step
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
from riskstd.report.wording import SUPPRESSED, Suppressed, counted, listed, number

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_RULE = 34
_DAYS_WITH_NUMBERS = 31
_KIND_NAMES = {"ed": "Emergency department", "observation": "Observation", "inpatient": "Inpatient"}


def attrition_plot(counts: Counts, sheet: Sheet) -> Plot | None:
    """Draw every step as a bar of what it keeps and what it sets aside, one panel per unit.

    Parameters
    ----------
    counts : Counts
        Hidden counts are not drawn; a mark stands in their place.
    sheet : Sheet

    Returns
    -------
    Plot or None
        None without steps.
    """
    if not counts.steps:
        return None
    panels = [(unit, list(steps)) for unit, steps in groupby(counts.steps, key=lambda step: step.unit)]
    with figure_style():
        figure = new_figure(height=1.7 + 0.27 * len(counts.steps) + 0.35 * len(panels))
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[len(steps) + 0.8 for _, steps in panels])
        for axes, (unit, steps) in zip(grid[:, 0], panels, strict=True):
            _draw_steps(axes, counts, steps, label=axes is grid[0, 0])
            axes.set_xlabel(f"{unit[:1].upper()}{unit[1:]}s")
        set_title(grid[0, 0], _attrition_title(counts, panels[-1][1], panels[-1][0]))
        finish_figure(figure, sheet.source, grid="x")
    caption = (
        "Each bar is what a step starts with: the dark part stays, the striped part is set aside. The panels have "
        "units and scales of their own."
    )
    if counts.hidden:
        caption += f" {SUPPRESSED}: not shown."
    alt = f"Bars of the attrition. {'; '.join(_step_words(counts, step) for step in counts.steps)}."
    return sheet.plot("attrition", figure, alt=alt, caption=caption, data=_attrition_data(counts))


def days_plot(counts: Counts, sheet: Sheet) -> Plot | None:
    """Draw the visits that count by type and day; hidden counts have a mark and no bar."""
    if not counts.days:
        return None
    rows = [(kind, day, counts[f"day.{kind}.{day}"]) for kind in VISIT_TYPES for day in counts.days]
    shown = [n for *_, n in rows if not isinstance(n, Suppressed)]
    if not any(shown):
        return None
    with figure_style():
        figure = new_figure(height=3.6)
        panels = figure.subplots(1, len(VISIT_TYPES), sharey=True)
        for axes, kind in zip(panels, VISIT_TYPES, strict=True):
            _draw_days(axes, [(day, n) for k, day, n in rows if k == kind], top=max(shown))
            axes.set_title(_KIND_NAMES[kind], fontsize=9.5, loc="left")
            axes.set_xlabel("Day after the procedure")
        panels[0].set_ylabel("Visits that count")
        panels[0].yaxis.set_major_locator(MaxNLocator(integer=True))
        finish_figure(figure, sheet.source)
    words = "; ".join(f"{_KIND_NAMES[kind]}: {_day_words(counts, kind)}" for kind in VISIT_TYPES)
    alt = f"Bars of the visits that count, by type and day after the procedure. {words}."
    return sheet.plot("visits_by_day", figure, alt=alt, caption=day_sentence(counts), data=_day_data(rows))


def day_sentence(counts: Counts) -> str:
    """Say on which day most visits fall, as far as every day is shown.

    Examples
    --------
    >>> counts = Counts({"day.all.0": 12, "day.all.1": 20}, frozenset(), days=(0, 1))
    >>> day_sentence(counts)
    'Day 0 is the procedure date. Of 32 visits that count, 20 start on day 1, more than on any other day.'
    """
    text = "Day 0 is the procedure date."
    found = [counts[f"day.all.{day}"] for day in counts.days]
    by_day = [n for n in found if not isinstance(n, Suppressed)]
    if len(by_day) < len(found):
        return f"{text} {SUPPRESSED}: not shown."
    total, most = sum(by_day), max(by_day, default=0)
    if total == 0:
        return f"{text} No visit counts."
    days = [str(day) for day, n in zip(counts.days, by_day, strict=True) if n == most]
    if len(days) > 1:
        visits = counted(total, "visit that counts", "visits that count")
        return f"{text} Of {visits}, {most:,} each {'starts' if most == 1 else 'start'} on days {listed(days)}."
    if total == 1:
        return f"{text} The one visit that counts starts on day {days[0]}."
    start = "starts" if most == 1 else "start"
    return f"{text} Of {total:,} visits that count, {most:,} {start} on day {days[0]}, more than on any other day."


def _draw_steps(axes: Axes, counts: Counts, steps: list[Step], *, label: bool) -> None:
    # where the number before a step is hidden, the one after it may be shown
    cells = [counts[name] for step in steps for name in (step.before, step.after)]
    top = max((n for n in cells if not isinstance(n, Suppressed)), default=1) or 1
    for k, step in enumerate(steps):
        before, excluded, after = counts[step.before], counts[step.excluded], counts[step.after]
        end = 0
        if not isinstance(after, Suppressed):
            axes.barh(k, after, height=0.66, color=BLUE, label="Kept" if label and k == 0 else None)
            end = after
        if not isinstance(after, Suppressed) and not isinstance(excluded, Suppressed):
            axes.barh(
                k, excluded, left=after, height=0.66, color="white", edgecolor=ORANGE, hatch="////", linewidth=0.6
            )
            end = after + excluded
        if isinstance(after, Suppressed) and not isinstance(before, Suppressed):
            axes.barh(k, before, height=0.66, color="white", edgecolor=GREY, linewidth=0.8)
            end = before
        words = f"{number(after)} kept, {number(excluded)} set aside"
        axes.text(end + 0.012 * top, k, words, va="center", fontsize=7.5, color=INK)
    if label:
        axes.barh(0, 0, color="white", edgecolor=ORANGE, hatch="////", linewidth=0.6, label="Set aside")
    axes.set_yticks(range(len(steps)), [_rule_name(step) for step in steps], fontsize=8)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.38 * top)
    ticks = [tick for tick in MaxNLocator(4, integer=True).tick_values(0, top) if tick <= top]
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])


def _rule_name(step: Step) -> str:
    return plain(step.rule.replace("_", " "), _LONGEST_RULE)


def _attrition_title(counts: Counts, steps: list[Step], unit: str) -> str:
    start, end = counts[steps[0].before], counts[steps[-1].after]
    if isinstance(start, Suppressed) or isinstance(end, Suppressed):
        return f"From claims to the cohort: {number(end)} cases"
    if end == start:
        return f"{counted(start, unit, f'{unit}s')} from the claims, none set aside" if start else "No case is left"
    return f"{end:,} of {counted(start, unit, f'{unit}s')} {'is' if end == 1 else 'are'} left in the cohort"


def _step_words(counts: Counts, step: Step) -> str:
    excluded, after = number(counts[step.excluded]), number(counts[step.after])
    return f"{step.rule.replace('_', ' ')}: {excluded} {step.unit}s set aside, {after} kept"


def _attrition_data(counts: Counts) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (step.rule, step.unit, *(_value(counts[name]) for name in (step.before, step.excluded, step.after)))
        for step in counts.steps
    ]
    return pd.DataFrame(rows, columns=["rule", "unit", "before", "excluded", "after"])


def _draw_days(axes: Axes, rows: list[tuple[int, int | Suppressed]], *, top: int) -> None:
    for day, n in rows:
        if not isinstance(n, Suppressed) and n:
            axes.bar(day, n, width=0.72, color=BLUE)
        if len(rows) <= _DAYS_WITH_NUMBERS:
            height = 0 if isinstance(n, Suppressed) else n
            axes.text(day, height + 0.015 * top, number(n), ha="center", va="bottom", fontsize=7.5, color=INK)
    axes.axhline(0, color=LINE, linewidth=0.8)
    axes.set_xlim(rows[0][0] - 0.7, rows[-1][0] + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_ylim(0, 1.12 * top)


def _day_words(counts: Counts, kind: str) -> str:
    return ", ".join(f"{number(counts[f'day.{kind}.{day}'])} on day {day}" for day in counts.days)


def _day_data(rows: list[tuple[str, int, int | Suppressed]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([(kind, day, _value(n)) for kind, day, n in rows], columns=["visit_type", "day", "visits"])


def _value(n: int | Suppressed) -> int | str:
    """Return a count for export, or the mark of a hidden one."""
    return SUPPRESSED if isinstance(n, Suppressed) else n
