"""Checks of a definition: what contradicts itself, what can never happen, which codes are not what they should be."""

from riskstd.spec.checking.finding import DEFECT, LEVELS, NOTE, OPEN, WARNING, Finding
from riskstd.spec.checking.measure import check_measure

__all__ = ["DEFECT", "LEVELS", "NOTE", "OPEN", "WARNING", "Finding", "check_measure"]
