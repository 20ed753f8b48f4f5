"""Other ways to judge facilities, beside the one that CMS uses."""

from riskstd.rates.alternatives.agreement import FlagAgreement, flag_agreement
from riskstd.rates.alternatives.direct import DirectRates, direct_rates
from riskstd.rates.alternatives.empirical_null import EmpiricalNull, empirical_null
from riskstd.rates.alternatives.equity import EquityStrata, equity_strata
from riskstd.rates.alternatives.exact_test import ExactTest, exact_test
from riskstd.rates.alternatives.false_discovery import FalseDiscovery, false_discovery
from riskstd.rates.alternatives.firth import FirthLogistic, firth_logistic
from riskstd.rates.alternatives.fixed_effects import FixedEffects, fixed_effects
from riskstd.rates.alternatives.funnel import FunnelLimits, funnel_limits
from riskstd.rates.alternatives.improvement import Improvement, improvement
from riskstd.rates.alternatives.observed_expected import ObservedExpected, observed_expected
from riskstd.rates.alternatives.ranks import RankIntervals, RankSets, normal_draws, rank_intervals, rank_sets
from riskstd.rates.alternatives.reliability import (
    ResampledReliability,
    SignalToNoise,
    SplitSample,
    resampled_reliability,
    signal_to_noise,
    split_sample,
)

__all__ = [
    "DirectRates",
    "EmpiricalNull",
    "EquityStrata",
    "ExactTest",
    "FalseDiscovery",
    "FirthLogistic",
    "FixedEffects",
    "FlagAgreement",
    "FunnelLimits",
    "Improvement",
    "ObservedExpected",
    "RankIntervals",
    "RankSets",
    "ResampledReliability",
    "SignalToNoise",
    "SplitSample",
    "direct_rates",
    "empirical_null",
    "equity_strata",
    "exact_test",
    "false_discovery",
    "firth_logistic",
    "fixed_effects",
    "flag_agreement",
    "funnel_limits",
    "improvement",
    "normal_draws",
    "observed_expected",
    "rank_intervals",
    "rank_sets",
    "resampled_reliability",
    "signal_to_noise",
    "split_sample",
]
