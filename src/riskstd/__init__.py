"""Risk-standardized hospital visit rates for ambulatory surgical centers, from Medicare claims."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riskstd.claims import Claims, read_claims
    from riskstd.cohort import build_cohort
    from riskstd.errors import RiskstdError
    from riskstd.model import fit_hierarchical
    from riskstd.outcome import find_hospital_visits
    from riskstd.pipeline import Run, run_measure, run_measures, write_report
    from riskstd.rates import predicted_expected, standardize
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
    "find_hospital_visits": "riskstd.outcome",
    "Run": "riskstd.pipeline",
    "run_measure": "riskstd.pipeline",
    "run_measures": "riskstd.pipeline",
    "write_report": "riskstd.pipeline",
    "predicted_expected": "riskstd.rates",
    "standardize": "riskstd.rates",
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
    "predicted_expected",
    "standardize",
    "Run",
    "run_measure",
    "run_measures",
    "write_report",
    "synthesize",
    "RiskstdError",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'riskstd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
