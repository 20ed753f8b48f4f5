"""Hierarchical logistic regression: arrays in, frozen result out.

`fit_hierarchical` is the door, `fit_formula` the same for a frame and a formula; `load_fit` reads
a saved fit; `check_enough_data` says when data are too few for a model.
"""

from riskstd.model.checks import check_enough_data
from riskstd.model.fit import fit_hierarchical
from riskstd.model.formula import fit_formula
from riskstd.model.newton import PathStep
from riskstd.model.result import HierarchicalFit
from riskstd.model.storage import load_fit

__all__ = ["HierarchicalFit", "PathStep", "check_enough_data", "fit_formula", "fit_hierarchical", "load_fit"]
