"""How well a run's model tells cases apart and how far its risks agree with what was observed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from riskstd.model.assess import CStatistic, c_statistic, calibration
from riskstd.model.assess.calibration_table import risk_groups
from riskstd.model.assess.predictions import PredictedRows, group_by_risk
from riskstd.report.cases import Cases
from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.counts import Counts
from riskstd.report.disclosure.partitions import partitions
from riskstd.report.disclosure.suppression import is_small
from riskstd.report.national.headline import no_events_shown
from riskstd.report.national.risk_bins import RiskBins, risk_bins
from riskstd.report.national.risk_groups import RiskGroup, group_cases, merge_small

FloatArray = NDArray[np.float64]

DECILES = 10
NODES = 20
"""Quadrature nodes over the facility effect; the error is far below a printed digit."""
_NO_EVENTS = "No c-statistic and no calibration: all cases have the same outcome."
_TOO_SMALL = (
    "c-statistic and calibration are not shown: the cases with a visit, or those without, number 1 to 10, "
    "or would give such a count away."
)


@dataclass(frozen=True)
class ModelQuality:
    """What the model section says of discrimination and calibration.

    Attributes
    ----------
    c : CStatistic or None
    slope, slope_se, intercept, intercept_se : float
        Calibration slope; calibration in the large.
    brier, brier_scaled : float
    by_risk : list of RiskGroup
        Tenths of predicted risk; empty when they are not shown.
    by_subgroup : dict of str to list of RiskGroup
    risks : RiskBins or None
    left_out : tuple of str
        Sentences on what is not shown, and why.
    """

    c: CStatistic | None = None
    slope: float = math.nan
    slope_se: float = math.nan
    intercept: float = math.nan
    intercept_se: float = math.nan
    brier: float = math.nan
    brier_scaled: float = math.nan
    by_risk: tuple[RiskGroup, ...] = ()
    by_subgroup: tuple[tuple[str, tuple[RiskGroup, ...]], ...] = ()
    risks: RiskBins | None = None
    left_out: tuple[str, ...] = ()


def model_quality(content: ReportInput, cases: Cases, counts: Counts, profile: Profile) -> ModelQuality:
    """Judge the risk factors of a run on its own cases.

    Parameters
    ----------
    content : ReportInput
        With a model.
    cases : Cases
    counts : Counts
        Of the run, with what the profile hides.
    profile : {"facility-phi", "facility", "public"}
        The public profile takes neighbouring groups together where one of them is small, and leaves a table
        out where that leaves one group, or where a class of the table is a risk factor whose share is hidden.

    Returns
    -------
    ModelQuality
    """
    assert content.model is not None
    public = profile == "public"
    events = int(cases.outcome.sum())
    if public and (no_events_shown(counts) or is_small(events) or is_small(len(cases) - events)):
        return ModelQuality(left_out=(_TOO_SMALL,))
    risk = risk_at_any_facility(cases.expected, float(content.model["tau"]))
    bins = risk_bins(risk, public=public)
    if events in (0, len(cases)):
        return ModelQuality(risks=bins, left_out=(_NO_EVENTS,))
    found = calibration(cases.outcome, risk, groups=DECILES)
    by_risk = by_tenth(cases, risk)
    subgroups = [
        (part, group_cases(part.codes, part.labels, cases.outcome, risk)) for part in partitions(content, cases)
    ]
    left_out = []
    if public:
        by_risk, had = merge_small(by_risk), bool(by_risk)
        subgroups = [(part, [] if part.is_hidden(counts) else merge_small(groups)) for part, groups in subgroups]
        left_out = ["by predicted risk"] if had and not by_risk else []
        left_out += [f"by {part.name[:1].lower()}{part.name[1:]}" for part, groups in subgroups if not groups]
    return ModelQuality(
        c=c_statistic(cases.outcome, risk),
        slope=found.slope,
        slope_se=found.slope_se,
        intercept=found.intercept_in_the_large,
        intercept_se=found.intercept_in_the_large_se,
        brier=found.brier,
        brier_scaled=found.brier_scaled,
        by_risk=tuple(by_risk),
        by_subgroup=tuple((part.name, tuple(groups)) for part, groups in subgroups if len(groups) > 1),
        risks=bins,
        left_out=tuple(f"Calibration {what} is not shown, since it holds small counts." for what in left_out),
    )


def risk_at_any_facility(expected: FloatArray, tau: float) -> FloatArray:
    """Return each case's risk averaged over facilities, from its risk at an average facility.

    The mean of expit(log-odds + w) over w ~ N(0, tau^2), by Gauss-Hermite quadrature.

    Parameters
    ----------
    expected : ndarray, shape (n_cases,)
        Risk at a facility with w = 0.
    tau : float

    Returns
    -------
    ndarray, shape (n_cases,)

    Examples
    --------
    >>> risk_at_any_facility(np.array([0.02]), 0.0).round(4).tolist()
    [0.02]
    >>> risk_at_any_facility(np.array([0.02]), 0.5).round(4).tolist()
    [0.0225]
    """
    if tau == 0.0:
        return expected.copy()
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    log_odds, total = logit(expected), np.zeros(len(expected))
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        total += weight * expit(log_odds + tau * node)
    return total


def by_tenth(cases: Cases, risk: FloatArray) -> list[RiskGroup]:
    """Group the cases by tenths of predicted risk; equal risks share a tenth."""
    rows = PredictedRows(risk, np.ones(len(risk)), cases.outcome.astype(np.float64))
    grouped = group_by_risk(rows)
    tenth = risk_groups(grouped, DECILES)[np.searchsorted(grouped.risk, risk)].astype(np.int64) - 1
    return group_cases(tenth, [str(k + 1) for k in range(DECILES)], cases.outcome, risk)
