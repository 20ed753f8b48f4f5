"""How well a run's model tells cases apart and how far its risks agree with what was observed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from riskstd.model.assess import CStatistic, c_statistic, calibration
from riskstd.model.assess.calibration_table import risk_groups
from riskstd.model.assess.predictions import PredictedRows, group_by_risk
from riskstd.report.cases import Cases
from riskstd.report.content import Profile, ReportInput
from riskstd.report.counts import Counts
from riskstd.report.headline import no_events_shown
from riskstd.report.risk_groups import RiskGroup, group_cases, merge_small, merged_runs
from riskstd.report.suppression import is_small
from riskstd.spec.clauses import AgeBands, ProcedureCount, ProcedureType, SameDayCode
from riskstd.spec.definition import columns_of

FloatArray = NDArray[np.float64]

DECILES = 10
NODES = 20
"""Quadrature nodes over the facility effect; the error is far below a printed digit."""
AGE_BOUNDS = (65, 70, 75, 80, 85)
_BINS_PER_TENFOLD = 10
_NO_EVENTS = "No c-statistic and no calibration: all cases have the same outcome."
_TOO_SMALL = (
    "c-statistic and calibration are not shown: the cases with a visit, or those without, number 1 to 10, "
    "or would give such a count away."
)


@dataclass(frozen=True)
class RiskBins:
    """Cases by predicted risk.

    Attributes
    ----------
    edges : tuple of float
        Limits of the bins, one more than bins; proportions.
    cases : tuple of int
    percentiles : tuple of float
        Predicted risk that 10, 50 and 90 % of the cases lie below.
    """

    edges: tuple[float, ...]
    cases: tuple[int, ...]
    percentiles: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Partition:
    """Groups that the cases fall into.

    Attributes
    ----------
    name : str
    codes : ndarray of int, shape (n_cases,)
        Position of the group of each case.
    labels : tuple of str
    factors : tuple of str
        Columns of the model that mark the groups.
    """

    name: str
    codes: NDArray[np.int64]
    labels: tuple[str, ...]
    factors: tuple[str, ...] = ()

    def is_hidden(self, counts: Counts) -> bool:
        """Tell whether the share of cases in one of the groups is hidden, which a group beside it could give away."""
        return any(counts.hides_factor(name) for name in self.factors)


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


def partitions(content: ReportInput, cases: Cases) -> list[Partition]:
    """Split the cases by age, and by each factor of the model that tells of the procedure."""
    age = cases.procedures["age_years"].to_numpy(np.int64)
    labels = (f"Under {AGE_BOUNDS[0]}", *(f"{low} to {high - 1}" for low, high in pairwise(AGE_BOUNDS)))
    column = {factor.name: cases.X[:, k] for k, factor in enumerate(cases.factors)}
    bands = [name for factor in content.measure.factors if isinstance(factor, AgeBands) for name in columns_of(factor)]
    codes = np.searchsorted(AGE_BOUNDS, age, side="right")
    found = [Partition("Age in years", codes, (*labels, f"{AGE_BOUNDS[-1]} and over"), tuple(bands))]
    for factor in content.measure.factors:
        if isinstance(factor, SameDayCode) and factor.name in column:
            codes = (column[factor.name] > 0).astype(np.int64)
            found.append(Partition(factor.label, codes, ("No", "Yes"), (factor.name,)))
        if isinstance(factor, ProcedureType | ProcedureCount):
            names = tuple(name for name in columns_of(factor) if name in column)
            flags = np.column_stack([np.zeros(len(cases)), *(column[name] for name in names)])
            words = [name.removeprefix(f"{factor.name}_").replace("_", " ") for name in names]
            labels = (_rest_of(factor, names), *_counted_words(factor, words))
            found.append(Partition(factor.label, np.argmax(flags, axis=1), labels, names))
    return found


def risk_bins(risk: FloatArray, *, public: bool = False) -> RiskBins | None:
    """Count the cases by predicted risk, on limits that are equal steps of its logarithm.

    Examples
    --------
    >>> found = risk_bins(np.repeat([0.011, 0.021], [20, 30]))
    >>> [round(edge, 4) for edge in found.edges], found.cases
    ([0.01, 0.0126, 0.0158, 0.02, 0.0251], (20, 0, 0, 30))
    """
    if len(risk) == 0:
        return None
    place = np.floor(np.log10(risk) * _BINS_PER_TENFOLD + 1e-9).astype(np.int64)
    first = int(place.min())
    count = np.bincount(place - first)
    runs = [(k, k + 1) for k in range(len(count))]
    if public:
        runs = merged_runs([(int(n),) for n in count])
    if not runs:
        return None
    ends = [first + runs[0][0], *(first + last for _, last in runs)]
    percentiles = np.quantile(risk, [0.1, 0.5, 0.9])
    return RiskBins(
        tuple(float(10.0 ** (k / _BINS_PER_TENFOLD)) for k in ends),
        tuple(int(count[a:b].sum()) for a, b in runs),
        (float(percentiles[0]), float(percentiles[1]), float(percentiles[2])),
    )


def _rest_of(factor: ProcedureType | ProcedureCount, names: tuple[str, ...]) -> str:
    """Name the cases that no column of a factor marks."""
    rest = factor.reference.replace("_", " ") if isinstance(factor, ProcedureType) else "1"
    return rest if len(names) == len(columns_of(factor)) else f"{rest} or other"


def _counted_words(factor: ProcedureType | ProcedureCount, words: list[str]) -> list[str]:
    if isinstance(factor, ProcedureType):
        return words
    return [word.replace(" plus", " and more") if "plus" in word else word.replace(" ", " to ") for word in words]
