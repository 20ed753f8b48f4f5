"""Hierarchical logistic regression: arrays in, frozen result out.

`fit_hierarchical` is the door; `check_enough_data` says when data are too few for a model.
"""

from riskstd.model.checks import check_enough_data
from riskstd.model.fit import fit_hierarchical
from riskstd.model.newton import PathStep
from riskstd.model.result import HierarchicalFit

__all__ = ["HierarchicalFit", "PathStep", "check_enough_data", "fit_hierarchical"]
