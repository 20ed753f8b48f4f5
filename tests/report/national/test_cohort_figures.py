"""Figures of the cohort where numbers are hidden."""

from __future__ import annotations

from riskstd.report.disclosure.counts import Counts, Step
from riskstd.report.figures import Sheet
from riskstd.report.national.cohort_figures import attrition_plot


def test_a_step_is_drawn_when_only_the_number_after_it_is_shown():
    """Its bar is longer than every shown number before a step, and still inside the figure."""
    steps = (
        Step("first", "own", "claim line", "a", "a.out", "b"),
        Step("second", "own", "claim line", "b", "b.out", "c"),
    )
    values = {"a": 5_000, "a.out": 4_600, "b": 400, "b.out": 5, "c": 395}
    for hidden in ({"a", "b", "b.out"}, {"a", "a.out", "c", "b.out"}, set(values), set()):
        plot = attrition_plot(Counts(values, frozenset(hidden), steps), Sheet("source", vector=False))
        assert plot is not None
        assert plot.png.startswith(b"\x89PNG")
        assert ("4,600" in plot.alt) is ("a.out" not in hidden)
