"""Risk-standardized rates: predicted, expected, ratio, interval, category, reliability."""

from riskstd.rates.rules import CategoryLabels, Standardization, standardization_of
from riskstd.rates.scores import PredictedExpected, predicted_expected
from riskstd.rates.standardize import FacilityRates, standardize

__all__ = [
    "CategoryLabels",
    "FacilityRates",
    "PredictedExpected",
    "Standardization",
    "predicted_expected",
    "standardization_of",
    "standardize",
]
