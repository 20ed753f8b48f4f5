"""Index procedures: candidates, exclusions, attrition."""

from riskstd.cohort.build import Cohort, build_cohort

__all__ = ["Cohort", "build_cohort"]
