"""Risk-standardized rates: predicted, expected, ratio, interval, category, reliability."""

from riskstd.rates.facility_rates import FacilityRates
from riskstd.rates.published import score_facilities
from riskstd.rates.rules import CategoryLabels, Standardization, standardization_of
from riskstd.rates.scores import PredictedExpected, predicted_expected
from riskstd.rates.standardize import standardize

__all__ = [
    "CategoryLabels",
    "FacilityRates",
    "PredictedExpected",
    "Standardization",
    "predicted_expected",
    "score_facilities",
    "standardization_of",
    "standardize",
]
