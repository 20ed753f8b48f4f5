"""The flow in one place, and its manifest."""

from riskstd.pipeline.batch import run_measures
from riskstd.pipeline.reports import write_report
from riskstd.pipeline.run import Run, run_measure
from riskstd.pipeline.settings import RunSettings

__all__ = ["Run", "RunSettings", "run_measure", "run_measures", "write_report"]
