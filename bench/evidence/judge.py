"""One simulated data set: estimates of every method, and what intervals and flags say against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from world import VOLUME_CLASSES, Outcomes, World

import riskstd

METHODS = {"quadrature": "agq", "Laplace": "laplace", "PQL": "pql"}
INTERVALS = {
    "PQL, bootstrap (the CMS way)": ("PQL", "bootstrap"),
    "quadrature, bootstrap": ("quadrature", "bootstrap"),
    "quadrature, plug-in": ("quadrature", "plug-in"),
    "quadrature, closed form": ("quadrature", "closed-form"),
}
CMS_WAY, OURS = list(INTERVALS)[:2]
RATIO_EDGES = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.75)
"""Of the true ratio, between which flags are counted."""


def judge(world: World, outcomes: Outcomes, seed: int, replicates: int) -> dict[str, Any]:
    """Fit one data set by every method and count what its intervals hold and flag.

    Returns
    -------
    dict
        `estimates`, `limits` by kind of interval, `apart`: what PQL changes. Plain numbers and lists.
    """
    fits = {
        name: riskstd.fit_hierarchical(outcomes.events, world.X, world.facility, trials=world.n, method=method)
        for name, method in METHODS.items()
    }
    rates = {
        name: riskstd.standardize(fits[fit], scale="percent", interval=interval, **_options(interval, seed, replicates))
        for name, (fit, interval) in INTERVALS.items()
    }
    return {
        "estimates": {name: estimates(fit) for name, fit in fits.items()},
        "limits": {name: limits(world, outcomes, of) for name, of in rates.items()},
        "apart": apart(world, rates[CMS_WAY], rates[OURS]),
    }


def _options(interval: str, seed: int, replicates: int) -> dict[str, Any]:
    return {"n_bootstrap": replicates, "seed": seed} if interval == "bootstrap" else {}


def estimates(fit: Any) -> dict[str, Any]:
    """mu, beta, tau and their standard errors."""
    values = np.array([fit.mu, *fit.beta, fit.tau])
    errors = np.array([fit.mu_se, *fit.beta_se, fit.tau_se])
    known = [None if np.isnan(error) else error for error in errors.tolist()]
    return {"values": values.tolist(), "errors": known, "converged": bool(fit.converged)}


def limits(world: World, outcomes: Outcomes, rates: Any) -> dict[str, Any]:
    """Scored facilities by quarter of volume: how many, and how many true rates lie beyond a limit; flags by truth."""
    true_rate = 100.0 * outcomes.national_rate * outcomes.ratio
    above, below = true_rate > rates.upper, true_rate < rates.lower
    worse, better = rates.lower > rates.comparator, rates.upper < rates.comparator
    rows = world.volume_class * (len(RATIO_EDGES) + 1) + np.searchsorted(RATIO_EDGES, outcomes.ratio)
    whole, width = np.ones(len(rows), dtype=bool), rates.upper / rates.lower
    by_class = {"n": whole, "above": above, "below": below}
    by_truth = {"truth": whole, "worse": worse, "better": better}
    return {
        **{name: _count(world.volume_class, chosen, VOLUME_CLASSES) for name, chosen in by_class.items()},
        **{name: _flags(world, rows, chosen) for name, chosen in by_truth.items()},
        "width": [float(np.median(width[world.volume_class == k])) for k in range(VOLUME_CLASSES)],
    }


def _flags(world: World, rows: NDArray[np.int64], chosen: NDArray[np.bool_]) -> list[list[int]]:
    """Counts by quarter of volume and true ratio."""
    width = len(RATIO_EDGES) + 1
    flat = _count(np.where(world.volume_class < 0, -1, rows), chosen, VOLUME_CLASSES * width)
    return [flat[k * width : (k + 1) * width] for k in range(VOLUME_CLASSES)]


def _count(place: NDArray[np.int64], chosen: NDArray[np.bool_], size: int) -> list[int]:
    return np.bincount(place[(place >= 0) & chosen], minlength=size).tolist()


def apart(world: World, one: Any, other: Any) -> dict[str, float]:
    """How far two ways of rating lie from each other, over scored facilities."""
    scored = world.is_scored
    change = np.abs(one.ratio[scored] / other.ratio[scored] - 1.0)
    categories = [_category(rates)[scored] for rates in (one, other)]
    return {
        "median_change": float(np.median(change)),
        "largest_change": float(change.max()),
        "categories_differ": int(np.sum(categories[0] != categories[1])),
        "flagged_one": int(np.sum(categories[0] != 0)),
        "flagged_other": int(np.sum(categories[1] != 0)),
        "rank_correlation": float(np.corrcoef(_ranks(one.ratio[scored]), _ranks(other.ratio[scored]))[0, 1]),
    }


def _category(rates: Any) -> NDArray[np.int64]:
    return (rates.lower > rates.comparator).astype(np.int64) - (rates.upper < rates.comparator)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.argsort(np.argsort(values))
