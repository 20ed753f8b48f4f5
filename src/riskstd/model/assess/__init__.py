"""How good a risk model is: discrimination, calibration, collinearity, influence, tests."""

from riskstd.model.assess.calibration import Calibration, calibration
from riskstd.model.assess.calibration_table import CalibrationTable
from riskstd.model.assess.collinearity import VarianceInflation, variance_inflation
from riskstd.model.assess.discrimination import (
    CStatistic,
    CStatisticDifference,
    c_statistic,
    compare_c_statistics,
)
from riskstd.model.assess.influence import FacilityInfluence, facility_influence, one_step_deletion
from riskstd.model.assess.likelihood_ratio import LikelihoodRatioTest, likelihood_ratio_test
from riskstd.model.assess.logistic import pooled_logistic
from riskstd.model.assess.logistic_result import PooledLogistic
from riskstd.model.assess.wald import WaldTest, wald_test

__all__ = [
    "CStatistic",
    "CStatisticDifference",
    "Calibration",
    "CalibrationTable",
    "FacilityInfluence",
    "LikelihoodRatioTest",
    "PooledLogistic",
    "VarianceInflation",
    "WaldTest",
    "c_statistic",
    "calibration",
    "compare_c_statistics",
    "facility_influence",
    "likelihood_ratio_test",
    "one_step_deletion",
    "pooled_logistic",
    "variance_inflation",
    "wald_test",
]
