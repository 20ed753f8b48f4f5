"""The sheet with the result of the facility."""

from __future__ import annotations

import math
from typing import Any

from riskstd.report.content import ReportInput, scale_factor
from riskstd.report.wording import HIDDEN, level_text, number, sentence
from riskstd.report.workbook.own import Own, score_decimals, score_style
from riskstd.report.workbook.sheet import Cell, Field, Sheet
from riskstd.tables import FACILITY_RATES


def results_sheet(own: Own) -> Sheet:
    """One row with the result of the facility, and what each figure means."""
    columns = _columns(own)
    numbered = [(f"[{k}]", column) for k, (column, _) in enumerate(columns, start=1)]
    return Sheet(
        "Results",
        f"Results: {own.content.measure.definition.measure.title}",
        tuple(Field(f"{c.header} {mark}", c.meaning, c.style, c.width) for mark, c in numbered),
        [[cell for _, cell in columns]],
        intro=_result_line(own),
        notes=(*(f"{mark} {c.header}: {c.meaning}" for mark, c in numbered), *_rounding_note(own)),
        holds="Result of this facility: cases, observed, predicted, expected, ratio, score, interval, category.",
    )


def result_sentence(own: Own) -> str:
    """Say the result in one sentence."""
    content, interval = own.content, own.content.interval
    assert interval is not None
    category = own.fact("category")
    words = sentence(category) if isinstance(category, str) else "There is no category."
    if own.hide_results:
        return f"{words} The figures are not shown, by the rule for small cells."
    decimals, unit = score_decimals(content), content.measure.scale.unit
    score, lower, upper = (own.score(name) for name in ("rate", "lower", "upper"))
    limits = f", {level_text(interval.level)} interval {number(lower, decimals)} to {number(upper, decimals)}"
    return f"Score {number(score, decimals)} ({unit}){limits if math.isfinite(lower) else ', no interval'}. {words}"


def _columns(own: Own) -> list[tuple[Field, Cell]]:
    """Columns of the sheet with their cells."""
    content, interval = own.content, own.content.interval
    assert interval is not None
    unit, style = content.measure.scale.unit, score_style(content)
    is_ratio = content.measure.scale.kind == "ratio"
    level = level_text(interval.level)
    words = {c.name: sentence(c.meaning) for c in FACILITY_RATES.columns}
    missing = " No interval was computed." if interval.method == "none" else ""
    lower = f"Lower end of the interval of the score.{missing}"
    upper = f"Upper end of the interval of the score.{missing}"
    national_unit = "visits per 100 procedures" if is_ratio else unit
    category = f"{words['category']} {content.measure.definition.score.categories.says}"
    reliability = f"{words['reliability']} Near 0 the score says little about this facility."
    predicted = f"{words['predicted']} With the facility's own effect."
    expected = f"{words['expected']} With the effect of an average facility."
    return [
        (Field("Cases (procedures)", "Index procedures of this facility in the cohort.", "count"), own.fact("cases")),
        (Field("Observed (cases with a visit)", "Cases with a visit that counts.", "count"), own.fact("observed")),
        (Field(_observed_header(content), _observed_words(content), style, 14), own.fact("observed_rate")),
        (Field("Predicted (probability)", predicted, "real6"), own.fact("predicted")),
        (Field("Expected (probability)", expected, "real6"), own.fact("expected")),
        (Field("Ratio (predicted / expected)", "Below 1: fewer visits than expected.", "real4"), own.fact("ratio")),
        (Field(f"Score ({unit})", _score_words(content), style, 14), own.score("rate")),
        (Field(f"Lower limit, {level} ({unit})", lower, style, 14), own.score("lower")),
        (Field(f"Upper limit, {level} ({unit})", upper, style, 14), own.score("upper")),
        (Field(f"National rate ({national_unit})", "Share of all cases with a visit.", "real2", 14), _national(own)),
        (Field("Category", category, "wrap", 26), own.fact("category")),
        (Field("Reliability (0 to 1)", reliability, "real2"), own.fact("reliability")),
    ]


def _national(own: Own) -> Any:
    """National rate on the scale of the measure, in percent for a ratio; hidden with its counts."""
    content = own.content
    assert content.national_rate is not None
    if own.profile == "public" and own.hides_nation:
        return HIDDEN
    factor = 100.0 if content.measure.scale.kind == "ratio" else scale_factor(content.measure)
    return own.rounded(content.national_rate * factor)


def _observed_header(content: ReportInput) -> str:
    is_ratio = content.measure.scale.kind == "ratio"
    return f"Observed rate ({'observed / expected' if is_ratio else content.measure.scale.unit})"


def _observed_words(content: ReportInput) -> str:
    if content.measure.scale.kind == "ratio":
        return "Cases with a visit over the number expected, before the score is drawn towards the average."
    return "What was observed, before it is adjusted for the patients."


def _score_words(content: ReportInput) -> str:
    is_ratio = content.measure.scale.kind == "ratio"
    return "The ratio itself is the score." if is_ratio else "The ratio times the national rate."


def _result_line(own: Own) -> str:
    if own.hide_cases:
        return "The number of cases and all that follows from it is not shown, by the rule for small cells."
    if own.hide_results:
        return "What follows from the number of visits is not shown, by the rule for small cells."
    minimum = own.content.measure.definition.score.categories.minimum_cases
    if own.fact("cases") < minimum:
        return f"Fewer than {minimum} cases: too few for a category; the figures are for information."
    return "Numbers in brackets refer to the notes below the table."


def _rounding_note(own: Own) -> tuple[str, ...]:
    if not own.hides_nation or own.profile == "public":
        return ()
    is_ratio = own.content.measure.scale.kind == "ratio"
    what = "The national rate is" if is_ratio else "Score, limits and national rate are"
    return (f"{what} rounded, since the visits of the other facilities are too few to be shown or worked out.",)
