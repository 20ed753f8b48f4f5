"""Sums over the judged data sets of a measure: what the page needs, in a few kilobytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from judge import INTERVALS, METHODS
from numpy.typing import NDArray

Judged = list[dict[str, Any]]


def summarize(about: dict[str, Any], judged: Judged) -> dict[str, Any]:
    """Bias of estimates, coverage by volume, flags by true ratio, and what PQL changes; with Monte Carlo errors."""
    return {
        **about,
        "data_sets": len(judged),
        "estimates": {name: _estimates(np.array(about["truth"]), judged, name) for name in METHODS},
        "limits": {name: _limits(judged, name) for name in INTERVALS},
        "apart": {name: _mean_error([one["apart"][name] for one in judged]) for name in judged[0]["apart"]},
    }


def _estimates(truth: NDArray[np.float64], judged: Judged, method: str) -> dict[str, Any]:
    """Bias, spread and standard errors of (mu, beta, tau); coverage of their Wald intervals, all together for beta."""
    values = np.array([one["estimates"][method]["values"] for one in judged])
    errors = np.array([one["estimates"][method]["errors"] for one in judged], dtype=float)
    off = values - truth
    spread = off.std(axis=0, ddof=1)
    held = np.abs(off[:, 1:-1]) <= 1.959964 * errors[:, 1:-1]
    return {
        "tau_bias": _mean_error(off[:, -1] / truth[-1]),
        "tau_spread": float(spread[-1] / truth[-1]),
        "tau_zero": int(np.sum(values[:, -1] == 0.0)),
        "mu_bias": _mean_error(off[:, 0]),
        "largest_beta_bias_in_se": float(np.max(np.abs(off[:, 1:-1].mean(axis=0)) / spread[1:-1])),
        "beta_bias_z": float(np.mean((off[:, 1:-1].mean(axis=0) / (spread[1:-1] / np.sqrt(len(off)))) ** 2)),
        "se_to_spread": float(np.mean(np.nanmean(errors[:, 1:-1], axis=0) / spread[1:-1])),
        "beta_coverage": _mean_error(held.mean(axis=1)),
        "not_converged": int(sum(not one["estimates"][method]["converged"] for one in judged)),
    }


def _limits(judged: Judged, kind: str) -> dict[str, Any]:
    of = {
        name: np.array([one["limits"][kind][name] for one in judged], dtype=float) for name in judged[0]["limits"][kind]
    }
    missed = of["above"] + of["below"]
    covered = 1.0 - missed / of["n"]
    whole = 1.0 - missed.sum(axis=1) / of["n"].sum(axis=1)
    return {
        "coverage": [_mean_error(whole), *(_mean_error(column) for column in covered.T)],
        "above": _mean_error(of["above"].sum(axis=1) / of["n"].sum(axis=1)),
        "below": _mean_error(of["below"].sum(axis=1) / of["n"].sum(axis=1)),
        "width": of["width"].mean(axis=0).tolist(),
        **{name: of[name].sum(axis=0).tolist() for name in ("truth", "worse", "better")},
        "flagged_worse": _mean_error(of["worse"].sum(axis=(1, 2))),
        "flagged_better": _mean_error(of["better"].sum(axis=(1, 2))),
    }


def _mean_error(values: Any) -> list[float]:
    """Mean over data sets and its Monte Carlo standard error."""
    each = np.asarray(values, dtype=float)
    return [float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))]
