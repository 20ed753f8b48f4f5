"""Sentences of a facility's page, made from its numbers, for a reader without statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskstd.report.content import scale_factor
from riskstd.report.explain import MixDifference
from riskstd.report.explain_trend import Trend
from riskstd.report.explain_whatif import Change, FlagRule, WhatIf
from riskstd.report.facilities import interval_name
from riskstd.report.power import Power
from riskstd.report.wording import counted, level_text, listed, number, plural
from riskstd.spec import Measure

_SAME_RISK = 0.005
"""Relative difference of expected risk that is called the same."""


@dataclass(frozen=True)
class Voice:
    """Whose page it is: "our" in the facility's own, "this facility's" in the public one."""

    our: str

    @property
    def start(self) -> str:
        """The word at the start of a sentence."""
        return self.our[0].upper() + self.our[1:]


OWN, PUBLIC = Voice("our"), Voice("this facility's")


def decimals_of(measure: Measure) -> int:
    """Return the decimals of a score for reading."""
    return max(measure.scale.decimals, 2) if measure.scale.kind == "ratio" else measure.scale.decimals


def reading_decimals(row: Mapping[str, Any], measure: Measure, comparator: float | None) -> int:
    """Return the decimals at which neither limit reads like the national rate, two more than usual at most.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> reading_decimals({"lower": 2.19, "upper": 9.9}, load_measure("ASC-17"), 2.161)
    2
    """
    usual = decimals_of(measure)
    if comparator is None:
        return usual
    for decimals in (usual, usual + 1):
        if round(comparator, decimals) not in (round(row["lower"], decimals), round(row["upper"], decimals)):
            return decimals
    return usual + 2


def label_of(kind: str, measure: Measure) -> str:
    """Return the measure's words for a category."""
    labels = measure.definition.score.categories.labels
    return {"better": labels.better, "same": labels.no_different, "worse": labels.worse}[kind]


def kind_of(category: Any, measure: Measure) -> str:
    """Return the kind of a category: better, same, worse, few or none."""
    labels = measure.definition.score.categories.labels
    kinds = {labels.better: "better", labels.no_different: "same", labels.worse: "worse", labels.too_few: "few"}
    return kinds.get(category, "none") if isinstance(category, str) else "none"


def rate_text(proportion: float, measure: Measure) -> str:
    """Write a proportion of cases in the unit of the measure; per 100 cases for a ratio.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> rate_text(0.0213, load_measure("ASC-12")), rate_text(0.0213, load_measure("ASC-19"))
    ('21.3 visits per 1,000 colonoscopies', '2.1 visits per 100 procedures')
    """
    if measure.scale.kind == "ratio":
        return f"{number(100 * proportion, 1)} visits per 100 {plural(measure.definition.measure.procedure_noun)}"
    return f"{number(proportion * scale_factor(measure), measure.scale.decimals)} {measure.scale.unit}"


def count_sentence(row: dict[str, Any], measure: Measure) -> str:
    """Say how many cases had a visit, and how many were expected to."""
    noun = measure.definition.measure.procedure_noun
    cases, visits = int(row["cases"]), int(row["observed"])
    expected = number(cases * float(row["expected"]), 1)
    first, last = measure.window
    visit = f"an unplanned hospital visit on {f'day {first}' if first == last else f'days {first} to {last}'}"
    if cases == 1:
        start = f"The 1 {noun} was {'' if visits else 'not '}followed by {visit}"
    else:
        some = "none was" if visits == 0 else "1 was" if visits == 1 else f"{visits:,} were"
        start = f"Of {cases:,} {plural(noun)}, {some} followed by {visit}"
    return f"{start}; of the same patients at an average facility, {expected} would be expected."


def standing_sentences(
    row: dict[str, Any], measure: Measure, *, comparator: float | None, level: float, voice: Voice
) -> list[str]:
    """Say where the facility stands and how sure that is."""
    decimals, kind = reading_decimals(row, measure, comparator), kind_of(row["category"], measure)
    minimum = measure.definition.score.categories.minimum_cases
    if kind == "few":
        more = minimum - int(row["cases"])
        text = (
            f"A score needs {minimum} cases, {more:,} more than there were in this period, so there is none. "
            "With so few cases, one visit more or less would turn the result over."
        )
        return [text, count_sentence(row, measure)]
    score = _score_text(row, measure, voice)
    if not (math.isfinite(row["lower"]) and math.isfinite(row["upper"])):
        return [score, "This run made no interval estimates, so there is no label.", count_sentence(row, measure)]
    low, high = number(row["lower"], decimals), number(row["upper"], decimals)
    sure = f"The true value may well lie anywhere from {low} to {high} ({interval_name(level)})."
    sentences = [f"{score} {sure}", _verdict(kind, measure, comparator, decimals), count_sentence(row, measure)]
    if int(row["observed"]) == 0:
        sentences.append(
            "Without any visit the score is still not 0: so few visits can be luck, so the score is drawn towards "
            "the average, the more so the fewer the cases."
        )
    share = float(row["reliability"])
    if math.isfinite(share):
        sentences.append(
            f"At this number of cases about {number(100 * share)} % of what sets such scores apart is true difference "
            "between facilities; the rest is chance."
        )
    return sentences


def step_sentences(row: dict[str, Any], measure: Measure, *, expected_of_all: float, voice: Voice) -> list[str]:
    """Say what drives the difference between the score and the national rate, step by step."""
    expected, cases = float(row["expected"]), int(row["cases"])
    observed, of_all = float(row["observed"]) / cases, rate_text(expected_of_all, measure)
    relative = expected / expected_of_all - 1.0
    if abs(relative) < _SAME_RISK:
        mix = "the same risk as"
    else:
        mix = f"a risk {number(100 * abs(relative), 0 if abs(relative) >= 0.05 else 1)} % "
        mix += "higher than" if relative > 0 else "lower than"
    case_mix = (
        f"Case mix: {voice.our} patients had {mix} all patients of this run: at an average facility "
        f"{rate_text(expected, measure)} would be expected of them, and {of_all} of all patients."
    )
    gap = (observed - expected) * cases
    more = (
        "as many visits as"
        if abs(gap) < 0.05
        else f"{number(abs(gap), 1)} {'more' if gap > 0 else 'fewer'} visits than"
    )
    results = f"Own results: {rate_text(observed, measure)} were observed, {more} expected over all {voice.our} cases."
    raw, kept = observed / expected, float(row["ratio"])
    text = (
        f"Allowance for chance: {counted(cases, 'case leaves', 'cases leave')} room for chance, so the score does not "
        f"take the result at face value: {number(raw, 2)} times the expected visits become {number(kept, 2)} times."
    )
    if abs(raw - 1.0) >= 0.05:
        text += f" It keeps {number(100 * (kept - 1.0) / (raw - 1.0))} % of the distance from 1."
    return [case_mix, results, text]


def mix_sentence(differences: Sequence[MixDifference]) -> str:
    """Name the risk factors that move the expected risk most; empty without any."""
    parts = []
    for d in differences:
        if d.is_share:
            values = f"{number(100 * d.own, 1)} % of our patients, {number(100 * d.nation, 1)} % of all"
        else:
            values = f"mean {number(d.own, 1)}, of all patients {number(d.nation, 1)}"
        parts.append(f"{d.label} ({values}; {'raises' if d.contribution > 0 else 'lowers'} the expected visits)")
    return f"What sets the patients apart most: {listed(parts)}." if parts else ""


def what_if_sentences(found: WhatIf | None, visits: int, cases: int, measure: Measure, kind: str) -> list[str]:
    """Say how many visits fewer or more would change the category."""
    if found is None:
        return ["This run made no interval estimates, so no number of visits can be named."]
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
        rate, usual = rate_text(likely * expected, measure), number(_in_unit(expected, measure), 1)
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
        "too few": f"fewer than {minimum} cases, so no score",
        "absent": "no cases",
        "hidden": "numbers that are not shown here",
    }
    sentences = [
        f"In {point.period} there were {reasons[point.state]}." for point in trend.points if point.state != "scored"
    ]
    sentences.append(
        "Each score is relative to the nation of its own period: a lower one can mean fewer visits here or more "
        "elsewhere."
    )
    change = trend.change
    if change is None:
        return [*sentences, "A change needs scores in the last period and in one before it, so none is stated."]
    factor = number(change.ratio, 2)
    text = f"From {change.first} to {change.last} the score against the nation changed by a factor of {factor}"
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


def risk_text(risk: float) -> str:
    """Write a risk as a share and as one in so many.

    Examples
    --------
    >>> risk_text(0.0123)
    '1.2 % (1 in 81)'
    """
    return f"{number(100 * risk, 1)} % (1 in {number(1 / risk)})" if risk > 0 else f"{number(0.0, 1)} %"


def caution_sentence(level: float, category_level: float) -> str:
    """Say which interval a category is read from when it is not the one printed; else empty."""
    if level == category_level:
        return ""
    return f"The label is read from an interval of {level_text(category_level)}, not from the one printed."


def _score_text(row: dict[str, Any], measure: Measure, voice: Voice) -> str:
    score = number(row["rate"], decimals_of(measure))
    if measure.scale.kind == "ratio":
        return f"{voice.start} score is {score}: {score} times the visits expected of the same patients."
    return f"{voice.start} score is {score} {measure.scale.unit}."


def _verdict(kind: str, measure: Measure, comparator: float | None, decimals: int) -> str:
    if measure.scale.kind == "ratio":
        line = "1, as many visits as expected,"
    else:
        value = "" if comparator is None else f" ({number(comparator, decimals)})"
        line = f"The national rate{value}"
    if kind == "same":
        return (
            f"{line} lies within that range, so the result cannot be told from the average. That is the usual result; "
            "it is no proof that everything is well, nor that anything is wrong."
        )
    if kind == "none":
        return "There is no label for this score."
    low, high = ("above", "more") if kind == "worse" else ("below", "fewer")
    at = "1" if measure.scale.kind == "ratio" else line[0].lower() + line[1:]
    return f"The whole range lies {low} {at}: chance alone is an unlikely reason for {high} visits than on average."


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


def _in_unit(proportion: float, measure: Measure) -> float:
    return proportion * (100.0 if measure.scale.kind == "ratio" else scale_factor(measure))


def _chance(p: float) -> str:
    return "less than 1 time in 1,000" if p < 0.001 else f"about 1 time in {number(1.0 / p)}"
