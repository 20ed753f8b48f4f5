"""The notes of a workbook: how its figures were made and how to read them."""

from __future__ import annotations

from collections.abc import Iterable

from riskstd.report.content import IntervalFacts, ReportInput
from riskstd.report.disclosure.suppression import SMALL_CELL, states_small_count
from riskstd.report.wording import SUPPRESSED, counted, level_text, sentence
from riskstd.report.workbook.cover import MARKS
from riskstd.report.workbook.own import Own
from riskstd.report.workbook.sheet import Sheet, text_sheet

_PREDICTED = "The mean probability of a visit of this facility's cases, given their risk factors and its own effect."
_EXPECTED = "The mean probability of a visit of the same cases at an average facility."
_SMALL_VOLUMES = (
    "The effect of a facility is drawn towards the average, the more so the fewer cases it has. A facility without a "
    "visit does not get a score of 0, and one with a few visits does not get an extreme one."
)
_USUAL = "Most facilities are no different: their interval holds the value they are compared with."
_RELIABILITY = (
    "The share of the variance of the score that lies between facilities: near 1 a score repeats, near 0 it is mostly "
    "chance."
)
_DIFFERENCE = (
    "A result of CMS for the same facility may differ in: period of the claims; cases without enrollment or with "
    "incomplete claims; exclusions; how cases are assigned to a facility (NPI or CCN); code lists and their year; the "
    "cases the model was fitted to; the random numbers of the interval."
)
_RECOMPUTE = (
    "Sheet Cases holds all that the score of this facility needs: coefficients above the risk factors, and the two "
    "intercepts above the probabilities. The notes below that table say how."
)
_SMALL_CELLS = (
    f"A count from 1 to {SMALL_CELL} of cases, visits or facilities of a group is shown as {SUPPRESSED}, and so is "
    "what would give it away, also to a reader who takes off the figures of this facility. Zero is shown."
)
_PEERS = "The quarter of all facilities that are nearest in number of cases, this facility included."
_INTERVALS = {
    "plug-in": "From the estimated distribution of the facility's effect, the model taken as known",
    "closed-form": "From a formula for the standard error of the facility's effect",
}


def notes_sheet(own: Own) -> Sheet:
    """Explain the method, the category, the limits of the result, and what was left out."""
    content = own.content
    model = content.model or {}
    rows = [
        *_method(own),
        *(("Claims", sentence(text)) for text in content.statements),
        *(("Left out or set aside", text) for text in _without_small_counts(content.notes)),
        *(("Model", text) for text in _without_small_counts(model.get("warnings", ()))),
        *(("Factor left out", text) for text in _dropped(content)),
    ]
    return text_sheet(
        "Notes",
        "Notes",
        ("Topic", "Note"),
        rows,
        "How the figures were made and how to read them.",
        holds="Method, category rule, how the result may differ from one of CMS, rows left out.",
    )


def _method(own: Own) -> list[tuple[str, str]]:
    content, measure = own.content, own.content.measure
    score, interval = measure.definition.score, content.interval
    assert interval is not None
    first, last = measure.window
    outcome = f"An unplanned hospital visit of any cause on days {first} to {last} after the procedure, counted once."
    notes = [
        ("Outcome", outcome),
        ("Method", sentence(score.says)),
        ("Predicted", _PREDICTED),
        ("Expected", _EXPECTED),
        ("National rate", sentence(score.national_rate.says)),
        ("Small volumes", _SMALL_VOLUMES),
        ("Interval", _interval(interval)),
        (
            "Category rule",
            " ".join(sentence(text) for text in (score.categories.says, score.categories.caution) if text),
        ),
        ("Usual result", _USUAL),
        ("Reliability", _RELIABILITY),
        ("Difference from CMS", _DIFFERENCE),
        ("Fidelity", sentence(content.fidelity.statement())),
        ("Small cells", _SMALL_CELLS),
        ("Marks", sentence(MARKS)),
    ]
    if own.profile != "public":
        notes.append(("Peers", _PEERS))
    if own.profile == "facility-phi":
        notes.append(("Recompute", _RECOMPUTE))
    return notes


def _interval(interval: IntervalFacts) -> str:
    if interval.method == "none":
        return "No interval was computed, so there is no category."
    drawn = (
        f"Facilities are drawn with replacement {interval.replicates:,} times and the model is fitted again each time"
    )
    text = drawn if interval.method == "bootstrap" else _INTERVALS.get(interval.method, interval.method)
    levels = f"level of the printed limits {level_text(interval.level)}"
    return f"{text}; {levels}, of the category {level_text(interval.category_level)}."


def _without_small_counts(notes: Iterable[str]) -> list[str]:
    """Sentences of the run without those that state a small count; says how many were left out."""
    texts = [str(note) for note in notes]
    kept = [sentence(text) for text in texts if not states_small_count(text)]
    if len(kept) < len(texts):
        what = counted(len(texts) - len(kept), "further note is", "further notes are")
        kept.append(sentence(f"{what} not shown, since a small count may be stated"))
    return kept


def _dropped(content: ReportInput) -> list[str]:
    """Risk factors that the model left out, and why; a reason with a small count is not repeated."""
    rows = []
    for factor in (content.model or {}).get("dropped", ()):
        reason = str(factor["reason"])
        shown = "the reason may state a small count" if states_small_count(reason) else reason
        rows.append(sentence(f"{factor.get('label') or factor['factor']}: {shown}"))
    return rows
