"""Reports of finished runs: national, of every facility, and for the public."""

from riskstd.pipeline.reports.batch import BatchResult, FacilityOutcome
from riskstd.pipeline.reports.options import FORMATS, ReportOptions
from riskstd.pipeline.reports.write import write_report, write_reports

__all__ = ["FORMATS", "BatchResult", "FacilityOutcome", "ReportOptions", "write_report", "write_reports"]
