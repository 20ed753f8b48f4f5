"""Reports: one page per run of one measure, its figures, and what a public copy hides.

`ReportInput` is what a report is made of; `render_report` and `write_report_files` are the doors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskstd.lazy import lazy_names

if TYPE_CHECKING:
    from riskstd.report.content import IntervalFacts, Profile, ReportInput
    from riskstd.report.disclosure.suppression import SMALL_CELL, Total, attack, suppress
    from riskstd.report.files import write_report_files
    from riskstd.report.national.page import make_plots, render_report
    from riskstd.report.national.plots import plot_caterpillar, plot_funnel

# Figures are not needed for all that is here, and matplotlib takes half a second to load.
_PLACES = {
    "IntervalFacts": "riskstd.report.content",
    "Profile": "riskstd.report.content",
    "ReportInput": "riskstd.report.content",
    "SMALL_CELL": "riskstd.report.disclosure.suppression",
    "Total": "riskstd.report.disclosure.suppression",
    "attack": "riskstd.report.disclosure.suppression",
    "suppress": "riskstd.report.disclosure.suppression",
    "write_report_files": "riskstd.report.files",
    "make_plots": "riskstd.report.national.page",
    "render_report": "riskstd.report.national.page",
    "plot_caterpillar": "riskstd.report.national.plots",
    "plot_funnel": "riskstd.report.national.plots",
}

__all__ = [
    "SMALL_CELL",
    "IntervalFacts",
    "Profile",
    "ReportInput",
    "Total",
    "attack",
    "make_plots",
    "plot_caterpillar",
    "plot_funnel",
    "render_report",
    "suppress",
    "write_report_files",
]

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
