"""Reports: one page per run of one measure, its figures, and what a public copy hides.

`ReportInput` is what a report is made of; `render_report` and `write_report_files` are the doors.
"""

from riskstd.report.content import IntervalFacts, Profile, ReportInput
from riskstd.report.files import write_report_files
from riskstd.report.page import make_plots, render_report
from riskstd.report.plots import plot_caterpillar, plot_funnel
from riskstd.report.suppression import SMALL_CELL, Total, attack, suppress

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
