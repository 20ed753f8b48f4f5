"""Logistic regression of all cases together, without facility effects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from riskstd.errors import FitError
from riskstd.model.algebra import invert_positive, symmetric
from riskstd.model.assess.logistic_result import PooledLogistic
from riskstd.model.cells import Cells
from riskstd.model.checks import check_columns, check_estimates_finite, check_outcome_varies, check_separation
from riskstd.model.collapse import collapse_rows
from riskstd.model.fit import binomial_constant
from riskstd.model.inputs import ModelInput, read_model_input, read_values
from riskstd.model.options import check_level
from riskstd.model.paths import path_of
from riskstd.model.pooled import PooledFit, fit_pooled

FloatArray = NDArray[np.floating[Any]]

MIN_CLUSTERS = 2


def pooled_logistic(
    y: Any,
    X: Any,
    *,
    trials: Any = None,
    weights: Any = None,
    offset: Any = None,
    factor_names: Any = None,
    facility: Any = None,
    level: float = 0.95,
) -> PooledLogistic:
    """Fit a logistic regression without facility effects.

    logit P(event) = mu + x'beta

    Parameters
    ----------
    y : array or series, shape (n_rows,)
        0 or 1; events out of `trials` when those are given.
    X : array or frame (pandas, polars, pyarrow), shape (n_rows, n_factors)
        Risk factors without an intercept column.
    trials : array, shape (n_rows,), optional
        Cases of each row; 1 each when left out.
    weights : array, shape (n_rows,), optional
        How often each row counts; a whole weight equals that many equal rows.
    offset : array, shape (n_rows,), optional
        Known part of the log-odds.
    factor_names : sequence of str, optional
        Names of the columns; a frame brings its own.
    facility : array or series of labels, shape (n_rows,), optional
        When given, standard errors are robust to dependence within facilities.
    level : float
        Confidence level of the odds ratios' limits.

    Returns
    -------
    PooledLogistic

    Raises
    ------
    FitError
        Data the model cannot be fitted to as given; names columns, counts and row positions.
    OptionError
        A level outside 0 to 1.

    Notes
    -----
    The estimates are the limit of `fit_hierarchical` at tau = 0, to the same bits for any row
    order and number of cores. Robust covariance: inverse information x sum of s s' x inverse
    information x J / (J - 1), s the score of each of J facilities (Liang and Zeger, Biometrika
    1986;73:13; the factor as Stata has it for maximum likelihood).

    Examples
    --------
    >>> fit = pooled_logistic([10, 20], [[0], [1]], trials=[100, 100], factor_names=["diabetes"])
    >>> round(float(fit.odds_ratio[0]), 6), round(fit.log_likelihood - fit.log_likelihood_null, 4)
    (2.25, 1.9933)
    """
    check_level(level)
    labels = np.zeros(len(read_values(y, "outcome y")), dtype=np.int64) if facility is None else facility
    rows = read_model_input(y, X, labels, trials=trials, weights=weights, offset=offset, factor_names=factor_names)
    if len(rows.y) == 0:
        raise FitError("no rows", expected="cases with and without the event")
    if facility is not None and len(rows.labels) < MIN_CLUSTERS:
        raise FitError(
            f"{len(rows.labels)} facility with cases",
            expected=f"at least {MIN_CLUSTERS} facilities for cluster-robust standard errors",
            hint="leave facility out for model-based ones",
        )
    cells = collapse_rows(rows.X, rows.facility, rows.n, rows.y, rows.offset, len(rows.labels))
    check_outcome_varies(float(cells.events.sum()), float(cells.cases.sum()))
    check_columns(cells, rows.factor_names)
    check_separation(cells, rows.factor_names)
    path = path_of(cells)
    pooled = fit_pooled(path, np.ones(cells.n_facilities))
    check_estimates_finite(cells, pooled, rows.factor_names)
    assert pooled is not None
    covariance = invert_positive(pooled.information)
    if facility is not None:
        covariance = robust_covariance(path.facility_scores(pooled.at)[:, :-1], covariance)
    return _report(rows, cells, pooled, covariance, facility is not None, float(level))


def robust_covariance(scores: FloatArray, covariance: FloatArray) -> FloatArray:
    """Cluster-robust covariance from the score of each cluster and the model-based covariance.

    Parameters
    ----------
    scores : ndarray, shape (n_clusters, n_coefficients)
    covariance : ndarray, shape (n_coefficients, n_coefficients)

    Examples
    --------
    >>> robust_covariance(np.array([[1.0], [-1.0]]), np.array([[0.5]])).tolist()
    [[1.0]]
    """
    n_clusters = len(scores)
    influence = np.einsum("jq,qr->jr", scores, covariance)
    return np.einsum("jq,jr->qr", influence, influence) * (n_clusters / (n_clusters - 1.0))


def _report(
    rows: ModelInput, cells: Cells, pooled: PooledFit, covariance: FloatArray, clustered: bool, level: float
) -> PooledLogistic:
    back = cells.back_transform()
    covariance = symmetric(back @ covariance @ back.T)
    raw, se = cells.raw_coefficients(pooled.beta), np.sqrt(np.diag(covariance))
    half = float(ndtri(0.5 + level / 2.0)) * se[1:]
    constant = binomial_constant(rows)
    return PooledLogistic(
        mu=float(raw[0]),
        mu_se=float(se[0]),
        beta=raw[1:],
        beta_se=se[1:],
        odds_ratio=np.exp(raw[1:]),
        odds_ratio_lower=np.exp(raw[1:] - half),
        odds_ratio_upper=np.exp(raw[1:] + half),
        factor_names=rows.factor_names,
        covariance=covariance,
        log_likelihood=float(pooled.at.log_likelihood.sum()) + constant,
        log_likelihood_null=_log_likelihood_null(rows) + constant,
        n_cases=float(cells.cases.sum()),
        n_events=float(cells.events.sum()),
        n_clusters=cells.n_facilities if clustered else None,
        level=level,
        _cells=cells,
    )


def _log_likelihood_null(rows: ModelInput) -> float:
    """Log-likelihood of the intercept alone, without binomial constants."""
    nobody = np.zeros(len(rows.y), dtype=np.int64)
    cells = collapse_rows(rows.X[:, :0], nobody, rows.n, rows.y, rows.offset, 1)
    pooled = fit_pooled(path_of(cells), np.ones(1))
    assert pooled is not None
    return float(pooled.at.log_likelihood.sum())
