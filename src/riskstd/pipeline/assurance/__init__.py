"""Invented patients with expected verdicts: does a measure do what it says, and who would notice if it did not?"""

from riskstd.pipeline.assurance.assure import Assurance, Verdict, assure
from riskstd.pipeline.assurance.score import MutationScore, Tried, mutation_score

__all__ = ["Assurance", "MutationScore", "Tried", "Verdict", "assure", "mutation_score"]
