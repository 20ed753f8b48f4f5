"""Risk-standardized hospital visit rates for ambulatory surgical centers, from Medicare claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskstd.lazy import lazy_names

if TYPE_CHECKING:
    from riskstd.claims import Claims, read_claims
    from riskstd.cohort import build_cohort
    from riskstd.errors import RiskstdError
    from riskstd.model import fit_formula, fit_hierarchical, load_fit
    from riskstd.model.assess import (
        c_statistic,
        calibration,
        compare_c_statistics,
        facility_influence,
        likelihood_ratio_test,
        pooled_logistic,
        variance_inflation,
        wald_test,
    )
    from riskstd.outcome import find_hospital_visits
    from riskstd.pipeline import Run, run_measure, run_measures, write_report
    from riskstd.rates import predicted_expected, score_facilities, standardize
    from riskstd.report.great_table import great_table
    from riskstd.riskfactors import build_risk_factors
    from riskstd.spec import list_measures, load_measure
    from riskstd.synth import synthesize

__version__ = "0.1.0"

# Public names load on first use, so that the command line starts at once.
_PLACES = {
    "Claims": "riskstd.claims",
    "read_claims": "riskstd.claims",
    "build_cohort": "riskstd.cohort",
    "RiskstdError": "riskstd.errors",
    "fit_hierarchical": "riskstd.model",
    "fit_formula": "riskstd.model",
    "load_fit": "riskstd.model",
    "pooled_logistic": "riskstd.model.assess",
    "c_statistic": "riskstd.model.assess",
    "compare_c_statistics": "riskstd.model.assess",
    "calibration": "riskstd.model.assess",
    "variance_inflation": "riskstd.model.assess",
    "facility_influence": "riskstd.model.assess",
    "likelihood_ratio_test": "riskstd.model.assess",
    "wald_test": "riskstd.model.assess",
    "find_hospital_visits": "riskstd.outcome",
    "Run": "riskstd.pipeline",
    "run_measure": "riskstd.pipeline",
    "run_measures": "riskstd.pipeline",
    "write_report": "riskstd.pipeline",
    "predicted_expected": "riskstd.rates",
    "standardize": "riskstd.rates",
    "score_facilities": "riskstd.rates",
    "great_table": "riskstd.report.great_table",
    "build_risk_factors": "riskstd.riskfactors",
    "list_measures": "riskstd.spec",
    "load_measure": "riskstd.spec",
    "synthesize": "riskstd.synth",
}

__all__ = [  # noqa: RUF022 - in the order of the flow
    "list_measures",
    "load_measure",
    "Claims",
    "read_claims",
    "build_cohort",
    "find_hospital_visits",
    "build_risk_factors",
    "fit_hierarchical",
    "fit_formula",
    "load_fit",
    "pooled_logistic",
    "c_statistic",
    "compare_c_statistics",
    "calibration",
    "variance_inflation",
    "facility_influence",
    "likelihood_ratio_test",
    "wald_test",
    "predicted_expected",
    "score_facilities",
    "standardize",
    "Run",
    "run_measure",
    "run_measures",
    "write_report",
    "great_table",
    "synthesize",
    "RiskstdError",
]


__getattr__, __dir__ = lazy_names(__name__, _PLACES)
