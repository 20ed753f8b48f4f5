"""Risk factors: look-back, condition categories, procedure variables."""

from riskstd.riskfactors.build import RiskFactors, build_risk_factors

__all__ = ["RiskFactors", "build_risk_factors"]
