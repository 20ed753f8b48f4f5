"""The flow in one place, and its manifest."""

from riskstd.pipeline.run import Run, RunSettings, run_measure

__all__ = ["Run", "RunSettings", "run_measure"]
