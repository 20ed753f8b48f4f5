"""Interval estimates: limits on the scale of the rate, at the display and the category level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from riskstd.model import HierarchicalFit
from riskstd.model.modes import bounded_exp
from riskstd.rates.bootstrap import Replicates, percentile_limits, sum_predicted_expected
from riskstd.rates.rules import Standardization

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class ScoredFit:
    """Sums per facility, shape (n_facilities,), of a fit's own cases.

    Parameters
    ----------
    cases, observed, predicted, expected : ndarray
        Sums, not means.
    ratio : ndarray
        predicted / expected; exactly 1 when tau is 0.
    information : ndarray
        Sum of p(1-p) at the average intercept.
    effect_variance : ndarray
        Prediction or posterior variance, as chosen.
    crude_rate : float
        Events / cases over all facilities.
    """

    cases: FloatArray
    observed: FloatArray
    predicted: FloatArray
    expected: FloatArray
    ratio: FloatArray
    information: FloatArray
    effect_variance: FloatArray
    crude_rate: float


@dataclass(frozen=True, eq=False, repr=False)
class Limits:
    """Lower and upper limits as shown and as judged, and the counts of the bootstrap."""

    shown: tuple[FloatArray, FloatArray]
    judged: tuple[FloatArray, FloatArray]
    n_bootstrap: int = 0
    n_dropped: int = 0
    n_flagged: int = 0
    n_retried: int = 0


def score_fit(fit: HierarchicalFit, variance: str) -> ScoredFit:
    """Score a fit's own cases with its own coefficients and effects."""
    cells, beta = fit._data.cells, fit._data.beta
    predicted, expected = sum_predicted_expected(cells, beta, fit.effects)
    odds = cells.at_cells(bounded_exp(cells.linear_predictor(beta)))
    return ScoredFit(
        cases=cells.cases,
        observed=cells.events,
        predicted=predicted,
        expected=expected,
        ratio=np.ones_like(predicted) if fit.singular else predicted / expected,
        information=cells.facility_sum(cells.n * odds / (1.0 + odds) ** 2),
        effect_variance=fit.prediction_variance if variance == "prediction" else fit.effects_variance,
        crude_rate=float(cells.events.sum() / cells.cases.sum()),
    )


def bootstrap_limits(drawn: Replicates, scored: ScoredFit, rules: Standardization, national_rate: float) -> Limits:
    """Percentiles of ratio x crude rate of the replicate; of the ratio alone in scale "ratio".

    A national rate other than the crude rate of the full data moves every replicate's
    crude rate by the same factor.
    """
    values = drawn.ratio
    if rules.scale != "ratio":
        factor = rules.factor * national_rate / scored.crude_rate
        values = values * (drawn.crude_rate * factor)[:, None]
    return Limits(
        shown=percentile_limits(values, rules.display_level),
        judged=percentile_limits(values, rules.category_level),
        n_bootstrap=len(values),
        n_dropped=int(drawn.dropped.sum()),
        n_flagged=int(drawn.flagged.sum()),
        n_retried=int(drawn.retried.sum()),
    )


def formula_limits(
    fit: HierarchicalFit, scored: ScoredFit, rules: Standardization, interval: str, multiplier: float
) -> Limits:
    """Limits without resampling: "plug-in", "closed-form" or "none" (NaN)."""

    def at(level: float) -> tuple[FloatArray, FloatArray]:
        z = float(ndtri(0.5 + level / 2.0))
        if interval == "none":
            low = high = np.full_like(scored.ratio, np.nan)
        elif fit.singular:
            low = high = scored.ratio
        elif interval == "plug-in":
            low, high = _plug_in(fit, scored, z)
        else:
            low, high = _closed_form(fit, scored, z)
        return low * multiplier, high * multiplier

    return Limits(shown=at(rules.display_level), judged=at(rules.category_level))


def _plug_in(fit: HierarchicalFit, scored: ScoredFit, z: float) -> tuple[FloatArray, FloatArray]:
    """Ratio at the effect minus and plus z standard errors."""
    data, half = fit._data, z * np.sqrt(scored.effect_variance)
    low = sum_predicted_expected(data.cells, data.beta, fit.effects - half)[0]
    high = sum_predicted_expected(data.cells, data.beta, fit.effects + half)[0]
    return low / scored.expected, high / scored.expected


def _closed_form(fit: HierarchicalFit, scored: ScoredFit, z: float) -> tuple[FloatArray, FloatArray]:
    """Ratio x exp(-+ z / sqrt(ratio x information + 1 / tau^2)); published limits follow it."""
    half = z / np.sqrt(scored.ratio * scored.information + fit.tau**-2)
    return scored.ratio * np.exp(-half), scored.ratio * np.exp(half)
