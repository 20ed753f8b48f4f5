"""What a public report hides, why, and at which step; never the values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass

import numpy as np

from riskstd.report.content import ReportInput
from riskstd.report.disclosure.counts import Counts, count_run
from riskstd.report.disclosure.csv_text import csv_bytes
from riskstd.report.disclosure.facilities import Facilities, read_facilities
from riskstd.report.disclosure.suppression import Rule, is_small

STEPS: dict[Rule, int] = {"primary": 1, "derived": 2, "complementary": 3}
CARRIED = 4
"""Step in which a mark is carried to every number made from a hidden one; its rule is "derived"."""

_TABLES = {
    "step": "attrition",
    "cases": "outcome",
    "events": "outcome",
    "non_events": "outcome",
    "most_serious": "outcome",
    "visits": "visits",
    "day": "visits by day",
    "rule": "planned admissions",
    "unmapped": "what could not be mapped",
    "factor": "risk factors",
}


@dataclass(frozen=True, order=True)
class LogEntry:
    """One hidden cell.

    Attributes
    ----------
    table, cell : str
    rule : str
        "primary": small itself; "derived": part of a small total, or made from a hidden number;
        "complementary": another could be worked out from it.
    step : int
        1 small cells, 2 parts of small totals, 3 protection of others, 4 numbers made from hidden ones.
    """

    table: str
    cell: str
    rule: Rule
    step: int


def suppression_log(content: ReportInput) -> list[LogEntry]:
    """List what the public profile hides of a run, sorted by table and cell.

    Facilities are named, as the public file names them; the log tells of them what that file tells.
    """
    counts = count_run(content, "public")
    entries = [*_count_entries(counts), *_rate_entries(content, counts)]
    if content.has_rates:
        entries += _facility_entries(content, read_facilities(content, "public", counts))
    return sorted(entries)


def log_bytes(entries: list[LogEntry]) -> bytes:
    """Write the log as CSV.

    Examples
    --------
    >>> log_bytes([LogEntry("outcome", "events", "primary", 1)])
    b'table,cell,rule,step\\noutcome,events,primary,1\\n'
    """
    return csv_bytes(["table", "cell", "rule", "step"], ([str(value) for value in astuple(e)] for e in entries))


def _count_entries(counts: Counts) -> Iterator[LogEntry]:
    steps = {
        name: f"{step.rule}: {what}"
        for step in counts.steps
        for what, name in (("before", step.before), ("after", step.after), ("excluded", step.excluded))
        if name != "cases"
    }
    for name in counts.hidden:
        head = name.partition(".")[0]
        table = _TABLES["step" if name in steps else head]
        rule = counts.rules[name]
        yield LogEntry(table, steps.get(name, name.replace("_", " ").replace(".", ": ", 1)), rule, STEPS[rule])


def _rate_entries(content: ReportInput, counts: Counts) -> Iterator[LogEntry]:
    """Shares and rates made from hidden counts."""
    if counts.hidden & {"cases", "events"}:
        yield LogEntry("national", "rate", "derived", CARRIED)
    for term in content.model["coefficients"] if content.model is not None else ():
        if counts.hides_factor(term["factor"]):
            yield LogEntry("risk factors", f"share: {term['factor']}", "derived", CARRIED)


def _facility_entries(content: ReportInput, facilities: Facilities) -> Iterator[LogEntry]:
    frame, minimum = facilities.frame, content.measure.definition.score.categories.minimum_cases
    cases, events = frame["cases"].to_numpy(np.int64), frame["observed"].to_numpy(np.int64)
    for k, facility in enumerate(frame["facility_id"]):
        too_few = cases[k] < minimum or is_small(cases[k])
        small = too_few or is_small(events[k]) or is_small(cases[k] - events[k])
        if facilities.hide_cases[k]:
            rule: Rule = "primary" if too_few else "complementary"
            yield LogEntry("facilities", f"{facility}: cases", rule, STEPS[rule])
        if facilities.hide_results[k]:
            rule = "primary" if small else "complementary"
            yield LogEntry("facilities", f"{facility}: visits", rule, STEPS[rule])
            yield LogEntry("facilities", f"{facility}: score, limits, expected, reliability", "derived", CARRIED)
