"""Invented patients with expected verdicts: does a measure do what it says?"""

from riskstd.pipeline.assurance.assure import Assurance, Verdict, assure

__all__ = ["Assurance", "Verdict", "assure"]
