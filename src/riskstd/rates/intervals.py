"""Interval estimates: limits on the scale of the rate, at the display and the category level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from riskstd.errors import OptionError
from riskstd.model import HierarchicalFit
from riskstd.model.cells import Cells, FacilityOrder
from riskstd.model.evaluation import bounded_exp
from riskstd.rates.percentiles import DrawSummary, Pair, summarize_draws
from riskstd.rates.rules import Standardization
from riskstd.rates.scores import sum_predicted_expected
from riskstd.rates.storage import ReplicateStore

FloatArray = NDArray[np.floating[Any]]
INTERVALS = ("bootstrap", "plug-in", "closed-form", "none")
MIN_REPLICATES = 20
"""A facility is in 63 % of the replicates; with fewer than 20 the limits are single draws."""


@dataclass(frozen=True, eq=False, repr=False)
class Scored:
    """Cases scored with coefficients and effects; sums per facility by label, shape (n_facilities,).

    Parameters
    ----------
    cells : Cells
        Facilities by content.
    order : FacilityOrder
    beta : ndarray, shape (n_coefficients,)
        Of the columns of the cells.
    tau : float
    effects, effect_variance : ndarray
        Log-odds; prediction or posterior variance, as chosen.
    cases, observed, predicted, expected : ndarray
        Sums, not means.
    ratio : ndarray
        predicted / expected; exactly 1 where the effect is 0.
    information : ndarray
        Sum of p(1-p) at the average intercept.
    crude_rate : float
        Events / cases over all facilities.
    """

    cells: Cells
    order: FacilityOrder
    beta: FloatArray
    tau: float
    effects: FloatArray
    effect_variance: FloatArray
    cases: FloatArray
    observed: FloatArray
    predicted: FloatArray
    expected: FloatArray
    ratio: FloatArray
    information: FloatArray
    crude_rate: float


@dataclass(frozen=True, eq=False, repr=False)
class Limits:
    """Lower and upper limits as shown and as judged, and what a bootstrap adds to them."""

    shown: Pair
    judged: Pair
    draws: DrawSummary | None = None
    n_bootstrap: int = 0
    n_dropped: int = 0
    n_flagged: int = 0
    n_retried: int = 0


def score_fit(fit: HierarchicalFit, variance: str) -> Scored:
    """Score a fit's own cases with its own coefficients and effects."""
    spread = fit.prediction_variance if variance == "prediction" else fit.effects_variance
    return score_cells(fit.data.cells, fit.data.order, fit.data.beta, fit.tau, fit.effects, spread)


def score_cells(
    cells: Cells,
    order: FacilityOrder,
    beta: FloatArray,
    tau: float,
    effects: FloatArray,
    effect_variance: FloatArray,
) -> Scored:
    """Score cells with any coefficients, and effects by label."""
    predicted, expected = _sums_by_label(cells, order, beta, effects)
    odds = cells.at_cells(bounded_exp(cells.linear_predictor(beta)))
    return Scored(
        cells=cells,
        order=order,
        beta=beta,
        tau=tau,
        effects=effects,
        effect_variance=effect_variance,
        cases=order.by_label(cells.cases),
        observed=order.by_label(cells.events),
        predicted=predicted,
        expected=expected,
        ratio=predicted / expected,
        information=order.by_label(cells.facility_sum(cells.n * odds / (1.0 + odds) ** 2)),
        crude_rate=float(cells.events.sum() / cells.cases.sum()),
    )


def bootstrap_limits(
    store: ReplicateStore,
    n_replicates: int,
    scored: Scored,
    rules: Standardization,
    national_rate: float,
    threads: int = 1,
) -> Limits:
    """Percentiles of ratio x crude rate of the replicate; of the ratio alone in scale "ratio".

    A national rate other than the crude rate of the full data moves every replicate's
    crude rate by the same factor.
    """
    found = store.per_replicate(n_replicates)
    blocks = store.ratio_blocks(n_replicates)
    if rules.scale != "ratio":
        crude = found["crude_rate"] * (rules.factor * national_rate / scored.crude_rate)
        blocks = (np.multiply(block, crude, out=block) for block in blocks)
    levels = (rules.display_level, rules.category_level)
    draws = summarize_draws(blocks, levels, rules.multiplier(national_rate), threads)
    return Limits(
        shown=draws.limits[0],
        judged=draws.limits[1],
        draws=draws,
        n_bootstrap=n_replicates,
        n_dropped=int(found["dropped"].sum()),
        n_flagged=int(found["flagged"].sum()),
        n_retried=int(found["retried"].sum()),
    )


def formula_limits(scored: Scored, rules: Standardization, interval: str, multiplier: float) -> Limits:
    """Limits without resampling: "plug-in", "closed-form" or "none" (NaN)."""

    def at(level: float) -> Pair:
        z = float(ndtri(0.5 + level / 2.0))
        if interval == "none":
            low = high = np.full_like(scored.ratio, np.nan)
        elif scored.tau == 0.0:
            low = high = scored.ratio
        elif interval == "plug-in":
            low, high = _plug_in(scored, z)
        else:
            low, high = _closed_form(scored, z)
        return low * multiplier, high * multiplier

    return Limits(shown=at(rules.display_level), judged=at(rules.category_level))


def check_interval(interval: str, n_bootstrap: int | None = None) -> None:
    """Refuse an unknown interval, and replicates too few for percentiles.

    Raises
    ------
    OptionError
    """
    if interval not in INTERVALS:
        raise OptionError(f"interval {interval!r}", expected="one of " + ", ".join(INTERVALS))
    if interval != "bootstrap" or n_bootstrap is None:
        return
    if not isinstance(n_bootstrap, int | np.integer) or n_bootstrap < MIN_REPLICATES:
        raise OptionError(
            f"n_bootstrap {n_bootstrap!r}",
            expected=f"{MIN_REPLICATES} or more replicates, a whole number",
            hint="1,000 or more for results that are passed on; interval='plug-in' needs none",
        )


def _sums_by_label(cells: Cells, order: FacilityOrder, beta: FloatArray, effects: FloatArray) -> Pair:
    """Sums of predicted and expected, facilities and their effects by label."""
    predicted, expected = sum_predicted_expected(cells, beta, order.by_content(effects))
    return order.by_label(predicted), order.by_label(expected)


def _plug_in(scored: Scored, z: float) -> Pair:
    """Ratio at the effect minus and plus z standard errors."""
    half = z * np.sqrt(scored.effect_variance)
    model = (scored.cells, scored.order, scored.beta)
    low, high = (_sums_by_label(*model, effects)[0] for effects in (scored.effects - half, scored.effects + half))
    return low / scored.expected, high / scored.expected


def _closed_form(scored: Scored, z: float) -> Pair:
    """Ratio x exp(-+ z / sqrt(ratio x information + 1 / tau^2)); published limits follow it."""
    half = z / np.sqrt(scored.ratio * scored.information + scored.tau**-2)
    return scored.ratio * np.exp(-half), scored.ratio * np.exp(half)
