"""Sentences of a facility's page, made from its numbers, for a reader without statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskstd.report.content import scale_factor
from riskstd.report.disclosure.facilities import interval_name
from riskstd.report.facility.drivers import MixDifference
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


def in_unit(proportion: float, measure: Measure) -> float:
    """Return a proportion of cases in the unit of the measure, per 100 cases for a ratio."""
    return proportion * (100.0 if measure.scale.kind == "ratio" else scale_factor(measure))


def rate_text(proportion: float, measure: Measure, *, more: int = 0) -> str:
    """Write a proportion of cases in the unit of the measure, per 100 cases for a ratio, with `more` decimals.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> rate_text(0.0213, load_measure("ASC-12")), rate_text(0.0213, load_measure("ASC-19"))
    ('21.3 visits per 1,000 colonoscopies', '2.1 visits per 100 procedures')
    """
    value = number(in_unit(proportion, measure), max(measure.scale.decimals, 1) + more)
    if measure.scale.kind == "ratio":
        return f"{value} visits per 100 {plural(measure.definition.measure.procedure_noun)}"
    return f"{value} {measure.scale.unit}"


def expected_text(row: Mapping[str, Any]) -> str:
    """Write the expected visits of a facility.

    Examples
    --------
    >>> expected_text({"cases": 4, "expected": 0.01}), expected_text({"cases": 400, "expected": 0.01})
    ('less than 0.1', '4.0')
    """
    expected = float(row["cases"]) * float(row["expected"])
    return number(expected, 1) if expected >= 0.05 else "less than 0.1"


def count_sentence(row: dict[str, Any], measure: Measure) -> str:
    """Say how many cases had a visit, and how many were expected to."""
    noun = measure.definition.measure.procedure_noun
    cases, visits = int(row["cases"]), int(row["observed"])
    expected = expected_text(row)
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
            "Without any visit the score is still not 0: having none can be luck, so the score is drawn towards "
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
    observed = float(row["observed"]) / cases
    relative = expected / expected_of_all - 1.0
    if abs(relative) < _SAME_RISK:
        mix = "the same risk as"
    else:
        mix = f"a risk {number(100 * abs(relative), 0 if abs(relative) >= 0.05 else 1)} % "
        mix += "higher than" if relative > 0 else "lower than"
    case_mix = (
        f"Case mix: {voice.our} patients had {mix} all patients of this run: at an average facility "
        f"{rate_text(expected, measure, more=1)} would be expected of them, and "
        f"{number(in_unit(expected_of_all, measure), max(measure.scale.decimals, 1) + 1)} of all patients."
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
        line = "A score of 1, as many visits as expected,"
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
    at = "1, as many visits as expected" if measure.scale.kind == "ratio" else line[0].lower() + line[1:]
    return f"The whole range lies {low} {at}: chance alone is an unlikely reason for {high} visits than on average."
