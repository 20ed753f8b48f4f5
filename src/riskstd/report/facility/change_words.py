"""Sentences on what would change a category, what could be seen at all, and how a score moved over time."""

from __future__ import annotations

from riskstd.report.disclosure.facilities import interval_name
from riskstd.report.facility.power import Power
from riskstd.report.facility.trend import Trend
from riskstd.report.facility.whatif import Change, FlagRule, WhatIf
from riskstd.report.facility.words import in_unit, label_of, rate_text
from riskstd.report.wording import counted, number
from riskstd.spec import Measure

NO_SPREAD = (
    "The model of this run found no difference between facilities, so every score is the average and no number of "
    "visits would change a label."
)


def what_if_sentences(found: WhatIf | None, visits: int, cases: int, measure: Measure, kind: str) -> list[str]:
    """Say how many visits fewer or more would change the category."""
    if found is None:
        return ["There is no interval that could be traced back to visits, so no number of visits can be named."]
    if found.category != kind:
        text = (
            "The label rests on an interval of another level than the one printed, and it lies so near the line that "
            "no number of visits can be named."
        )
        return [text]
    sentences = [
        _change(change, visits, cases, measure, fewer=fewer)
        for change, fewer in ((found.fewer, True), (found.more, False))
        if change is not None
    ]
    if found.fewer is None:
        sentences.insert(0, "With fewer visits the label would stay as it is.")
    if found.more is None:
        sentences.append("With more visits the label would stay as it is.")
    return sentences


def power_sentences(power: Power, rule: FlagRule, measure: Measure, *, expected: float) -> list[str]:
    """Say which true differences could be seen at this volume."""
    worse, better = (_quoted(label_of(kind, measure)) for kind in ("worse", "better"))
    likely, even = power.worse_at[0.8], power.worse_at[0.5]
    if likely is None or even is None:
        to_worse = (
            f"At this volume the label {worse} cannot be reached, whatever the true rate: its absence is no proof of "
            "average care."
        )
    else:
        rate, usual = rate_text(likely * expected, measure), number(in_unit(expected, measure), 1)
        to_worse = (
            f"If the true rate were {number(likely, 1)} times the expected one ({rate} instead of {usual}), the label "
            f"{worse} would come 4 times in 5; at "
            f"{number(even, 1)} times, 1 time in 2. Smaller differences mostly go unseen."
        )
    likely, even = power.better_at[0.8], power.better_at[0.5]
    if likely is None or even is None:
        to_better = f"The label {better} cannot be reached at this volume, not even without any visit."
    else:
        rate = rate_text(likely * expected, measure)
        to_better = (
            f"For the label {better} 4 times in 5, the true rate would have to be {number(likely, 2)} times the "
            f"expected one ({rate}); for 1 time in 2, {number(even, 2)} times."
        )
    if rule.worse_from is None:
        return [to_worse, to_better]
    chance = _chance(power.false_worse)
    return [to_worse, to_better, f"A truly average facility of this volume would be labeled worse by chance {chance}."]


def trend_sentences(trend: Trend, measure: Measure) -> list[str]:
    """Say how the score moved against the nation, and whether chance explains it."""
    minimum = measure.definition.score.categories.minimum_cases
    reasons = {
        "too few": f"there were fewer than {minimum} cases, so there is no score",
        "absent": "there were no cases",
        "hidden": "the numbers are not shown here",
    }
    sentences = [f"In {point.period} {reasons[point.state]}." for point in trend.points if point.state != "scored"]
    sentences.append(
        "Each score is relative to the nation of its own period: a lower one can mean fewer visits here or more "
        "elsewhere."
    )
    change = trend.change
    if change is None:
        return [*sentences, "A change needs scores in the last period and in one before it, so none is stated."]
    factor = number(change.ratio, 2)
    text = f"In {change.last} the score against the nation was {factor} times that of {change.first}"
    if change.level is None:
        return [*sentences, f"{text}; without intervals of one level it cannot be said how sure that is."]
    limits = f"{number(change.lower, 2)} to {number(change.upper, 2)}, {interval_name(change.level)}"
    if change.lower <= 1.0 <= change.upper:
        verdict = "The interval holds 1, so the change cannot be told from chance."
    else:
        verdict = f"The interval lies {'above' if change.lower > 1.0 else 'below'} 1: more than chance is likely."
    care = (
        "Scores are drawn towards the average, so a true change is shown smaller than it is; where periods overlap "
        "they share cases, and the interval for the change is wider than need be."
    )
    return [*sentences, f"{text} ({limits}). {verdict}", care]


def _change(change: Change, visits: int, cases: int, measure: Measure, *, fewer: bool) -> str:
    label = _quoted(label_of(change.to, measure))
    if change.visits is not None:
        then = visits - change.visits if fewer else visits + change.visits
        word = "fewer" if fewer else "more"
        what = f"{change.visits:,} {word} {'visit' if change.visits == 1 else 'visits'}"
        return f"With {what} ({then:,} instead of {visits:,}) the label would be {label}."
    if fewer:
        none = (
            "There was no visit, and still the label is not"
            if visits == 0
            else "Not even without any visit would the label be"
        )
        return f"{none} {label}: {counted(cases, 'case', 'cases')} are too few to tell so low a rate from the average."
    return f"Not even a visit after every case would make the label {label}."


def _quoted(text: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK}"


def _chance(p: float) -> str:
    return "less than 1 time in 1,000" if p < 0.001 else f"about 1 time in {number(1.0 / p)}"
