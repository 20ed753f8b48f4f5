"""The flow in one place, and its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskstd.lazy import lazy_names

if TYPE_CHECKING:
    from riskstd.pipeline.batch import run_measures
    from riskstd.pipeline.reports import write_report
    from riskstd.pipeline.run import Run, run_measure
    from riskstd.pipeline.settings import RunSettings

__all__ = ["Run", "RunSettings", "run_measure", "run_measures", "write_report"]

_PLACES = {
    "Run": "riskstd.pipeline.run",
    "RunSettings": "riskstd.pipeline.settings",
    "run_measure": "riskstd.pipeline.run",
    "run_measures": "riskstd.pipeline.batch",
    "write_report": "riskstd.pipeline.reports",
}
# Public names load on first use, so that a trace need not load engine and model.
__getattr__, __dir__ = lazy_names(__name__, _PLACES)
