"""A synthetic Medicare with known truth."""

from riskstd.synth.synthesize import SynthSummary, synthesize

__all__ = ["SynthSummary", "synthesize"]
