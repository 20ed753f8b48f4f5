"""The model step of a run: usable columns, fit, rates, and what `model.json` says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from riskstd.errors import TooFewDataError
from riskstd.model import HierarchicalFit, check_enough_data, fit_hierarchical
from riskstd.model.result import Z_95
from riskstd.pipeline.labels import column_labels
from riskstd.rates import FacilityRates, standardize
from riskstd.tables import coded_texts, factor_matrix

if TYPE_CHECKING:
    import pandas as pd

    from riskstd.spec import Measure

ROWS_AT_A_TIME = 100_000
"""Procedures whose risk factors are looked at together for columns that add up to others."""


@dataclass(frozen=True)
class DroppedFactor:
    """A column that the model cannot use on these data, and why."""

    factor: str
    label: str
    reason: str


@dataclass(frozen=True, eq=False)
class Modelled:
    """A fit, the rates, and the columns that were left out."""

    fit: HierarchicalFit
    rates: FacilityRates
    dropped: tuple[DroppedFactor, ...]
    means: dict[str, float]


def model_outcomes(
    procedures: pd.DataFrame,
    outcomes: pd.DataFrame,
    factors: pd.DataFrame,
    measure: Measure,
    *,
    method: str,
    n_nodes: int,
    interval: str,
    n_bootstrap: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Modelled:
    """Fit the hierarchical model and standardize.

    Raises
    ------
    TooFewDataError
        When there are too few facilities or events; nothing else is wrong with the data.
    """
    y = outcomes["outcome"].to_numpy()
    facility_ids, places = coded_texts(procedures["facility_id"])
    names = measure.factor_columns
    X = factor_matrix(factors, names)
    check_enough_data(len(facility_ids), float(y.sum()), 0)
    if y.all():
        raise TooFewDataError(
            f"all {len(y)} procedures have a hospital visit", expected="procedures with and without a visit"
        )
    kept, dropped = usable_columns(X, y, names, column_labels(measure))
    columns = X if len(kept) == len(names) else X[:, kept]
    fit = fit_hierarchical(
        y, columns, facility_ids[places], method=method, n_nodes=n_nodes, factor_names=[names[k] for k in kept]
    )
    rates = standardize(
        fit,
        measure=measure,
        interval=interval,
        n_bootstrap=n_bootstrap,
        seed=seed,
        progress=progress,
    )
    return Modelled(fit, rates, tuple(dropped), {names[k]: float(X[:, k].mean()) for k in kept})


def usable_columns(
    X: np.ndarray, y: np.ndarray, names: Sequence[str], labels: Mapping[str, str]
) -> tuple[list[int], list[DroppedFactor]]:
    """Leave out columns that do not vary, that separate the outcome, or that others add up to.

    Parameters
    ----------
    X : ndarray of float or uint8, shape (n_procedures, n_columns)
        Risk factors.
    y : ndarray of int, shape (n_procedures,)
        Outcome.
    names : sequence of str
        Columns of X.
    labels : mapping of str to str
        Words for the columns; the name stands for itself if it has none.

    Returns
    -------
    kept : list of int
        Positions of the columns to use.
    dropped : list of DroppedFactor

    Examples
    --------
    >>> y = np.array([0, 1, 0, 1])
    >>> X = np.array([[1.0, 5.0, 1.0], [0.0, 5.0, 1.0], [0.0, 5.0, 0.0], [1.0, 5.0, 0.0]])
    >>> kept, dropped = usable_columns(X, y, ["asthma", "year", "tobacco"], {})
    >>> kept, [one.reason for one in dropped]
    ([0, 2], ['the same value for all 4 procedures'])
    """
    kept: list[int] = []
    dropped: list[DroppedFactor] = []
    for k, name in enumerate(names):
        reason = _why_unusable(X[:, k], y)
        if reason:
            dropped.append(DroppedFactor(name, labels.get(name, name), reason))
        else:
            kept.append(k)
    independent = _independent(X, kept)
    for k in [k for k, ok in zip(kept, independent, strict=True) if not ok]:
        reason = "a combination of the columns before it"
        dropped.append(DroppedFactor(names[k], labels.get(names[k], names[k]), reason))
        kept.remove(k)
    return kept, dropped


def _why_unusable(x: np.ndarray, y: np.ndarray) -> str:
    values = np.unique(x)
    if len(values) < 2:
        return f"the same value for all {len(x):,} procedures"
    if len(values) > 2:
        return ""
    upper = x == values[1]
    for part, what in ((upper, "with"), (~upper, "without")):
        events, cases = int(y[part].sum()), int(part.sum())
        if events == 0:
            return f"no hospital visit among the {cases:,} procedures {what} it"
        if events == cases:
            return f"a hospital visit in every one of the {cases:,} procedures {what} it"
    return ""


def _independent(X: np.ndarray, columns: Sequence[int]) -> list[bool]:
    """Tell for each of some columns whether it adds to the intercept and the columns before it."""
    triangle = _triangle(X, columns)
    basis = [triangle[:, 0] / float(np.linalg.norm(triangle[:, 0]))]
    result = []
    for column in triangle.T[1:]:
        rest = column / max(float(np.linalg.norm(column)), 1e-300)
        for _ in range(2):
            for direction in basis:
                rest = rest - direction * float(direction @ rest)
        size = float(np.linalg.norm(rest))
        result.append(size > 1e-8)
        if size > 1e-8:
            basis.append(rest / size)
    return result


def _triangle(X: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """R of the QR decomposition of the intercept and some columns, its inner products theirs; block of rows by block.

    Golub and Van Loan, Matrix Computations, 4th ed., 5.2.2 and 12.1.5.
    """
    triangle = np.zeros((0, 1 + len(columns)))
    for start in range(0, len(X), ROWS_AT_A_TIME):
        rows = X[start : start + ROWS_AT_A_TIME][:, columns]
        block = np.column_stack([np.ones(len(rows)), rows])
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, block]), mode="r"))
    return triangle


def describe_model(modelled: Modelled, measure: Measure) -> dict[str, Any]:
    """Return what `model.json` holds.

    Returns
    -------
    dict
        Method, `mu, tau, coefficients` by name, covariance, log-likelihood, convergence, counts, warnings.
    """
    return describe_terms(modelled, column_labels(measure))


def describe_terms(modelled: Modelled, labels: dict[str, str]) -> dict[str, Any]:
    """Return a fitted model in plain values, columns named by labels where there are any."""
    fit = modelled.fit
    return {
        "method": fit.method,
        "n_nodes": fit.n_nodes,
        "mu": fit.mu,
        "mu_se": fit.mu_se,
        "tau": fit.tau,
        "tau_se": _number(fit.tau_se),
        "beta": {name: float(b) for name, b in zip(fit.factor_names, fit.beta, strict=True)},
        "coefficients": [
            _coefficient(name, labels.get(name, name), float(b), float(se), modelled.means[name])
            for name, b, se in zip(fit.factor_names, fit.beta, fit.beta_se, strict=True)
        ],
        "covariance": {
            "terms": ["mu", *fit.factor_names, "tau"],
            "values": [[_number(v) for v in row] for row in fit.covariance.tolist()],
        },
        "log_likelihood": fit.log_likelihood,
        "converged": fit.converged,
        "singular": fit.singular,
        "newton_decrement": _number(fit.newton_decrement),
        "iterations": fit.n_iterations,
        "counts": {
            "procedures": int(fit.n_cases),
            "visits": int(fit.n_events),
            "facilities": fit.n_facilities,
        },
        "national_rate": modelled.rates.national_rate,
        "dropped": [vars(one) for one in modelled.dropped],
        "warnings": [*fit.warnings, *modelled.rates.warnings],
        "interval": {
            "method": modelled.rates.interval,
            "level": modelled.rates.level,
            "category_level": modelled.rates.category_level,
            "replicates": modelled.rates.n_bootstrap,
            "dropped": modelled.rates.n_dropped,
            "flagged": modelled.rates.n_flagged,
            "seed": modelled.rates.seed,
        },
    }


def _coefficient(name: str, label: str, beta: float, se: float, mean: float) -> dict[str, Any]:
    return {
        "factor": name,
        "label": label,
        "beta": beta,
        "se": _number(se),
        "odds_ratio": math.exp(beta),
        "lower": _number(math.exp(beta - Z_95 * se)),
        "upper": _number(math.exp(beta + Z_95 * se)),
        ("prevalence" if 0 <= mean <= 1 else "mean"): mean,
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
