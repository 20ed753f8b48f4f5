"""A synthetic Medicare with known truth."""

from riskstd.synth.summary import SynthSummary
from riskstd.synth.synthesize import synthesize

__all__ = ["SynthSummary", "synthesize"]
