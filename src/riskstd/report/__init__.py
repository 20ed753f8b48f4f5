"""Reports: one page per run of one measure, its figures, and what a public copy hides.

`ReportInput` is what a report is made of; `render_report` and `write_report_files` are the doors.
"""

from riskstd.report.content import IntervalFacts, Profile, ReportInput
from riskstd.report.disclosure.suppression import SMALL_CELL, Total, attack, suppress
from riskstd.report.files import write_report_files
from riskstd.report.national.page import make_plots, render_report
from riskstd.report.national.plots import plot_caterpillar, plot_funnel

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
