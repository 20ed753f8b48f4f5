"""`fit_hierarchical`: read, check, start, optimise, report."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import gammaln

from riskstd.errors import FitError, OptionError
from riskstd.model.algebra import invert_positive, symmetric
from riskstd.model.cells import Cells, FacilityOrder, FloatArray, order_by_content
from riskstd.model.checks import (
    check_columns,
    check_enough_data,
    check_estimates_finite,
    check_outcome_varies,
    check_repeated_cases,
    check_separation,
)
from riskstd.model.collapse import collapse_rows
from riskstd.model.evaluation import Evaluation
from riskstd.model.inputs import ModelInput, read_model_input
from riskstd.model.newton import MAX_LOG_TAU, MIN_LOG_TAU, Optimum, PathStep, maximise
from riskstd.model.objective import Objective, added_variance, make_objective, total_value
from riskstd.model.paths import Path
from riskstd.model.pooled import MIN_START_TAU, PooledFit, excess_spread, fit_pooled, starting_point, starting_tau
from riskstd.model.result import FitData, HierarchicalFit

METHODS = ("agq", "laplace", "pql")
PQL_FORMS = ("reml", "ml")
MAX_NODES = 200
START_DECREMENT = 0.1
"""Distance of the start from the pooled estimates, in their standard errors."""


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """An optimum on the scale of the scaled columns, tau = 0 included."""

    at: Evaluation
    log_likelihood: float
    converged: bool
    path: tuple[PathStep, ...]
    optimum: Optimum | None
    pooled: PooledFit


def fit_hierarchical(
    y: Any,
    X: Any,
    facility: Any,
    *,
    trials: Any = None,
    weights: Any = None,
    offset: Any = None,
    method: str = "agq",
    n_nodes: int = 7,
    pql_form: str = "reml",
    factor_names: Any = None,
    priors: Any = None,
    sampling: Any = None,
) -> HierarchicalFit:
    """Fit a logistic regression with normal facility intercepts.

    logit P(event) = mu + x'beta + w_j,  w_j ~ N(0, tau^2),  j the facility of the case.

    Parameters
    ----------
    y : array or series, shape (n_rows,)
        0 or 1; events out of `trials` when those are given.
    X : array or frame (pandas, polars, pyarrow), shape (n_rows, n_factors)
        Risk factors without an intercept column.
    facility : array or series of labels, shape (n_rows,)
        Any sortable type.
    trials : array, shape (n_rows,), optional
        Cases of each row; 1 each when left out.
    weights : array, shape (n_rows,), optional
        How often each row counts; a whole weight equals that many equal rows.
    offset : array, shape (n_rows,), optional
        Known part of the log-odds.
    method : {"agq", "laplace", "pql", "pymc"}
        Adaptive Gauss-Hermite quadrature, Laplace approximation, pseudo-likelihood as SAS
        PROC GLIMMIX runs it, or draws from the posterior (`riskstd.model.bayes.fit_bayes`; needs riskstd[bayes]).
    n_nodes : int
        Quadrature nodes per facility for "agq", 1 to 200; 1 equals "laplace".
    pql_form : {"reml", "ml"}
        RSPL (the SAS default) or MSPL.
    factor_names : sequence of str, optional
        Names of the columns; a frame brings its own.
    priors, sampling : Priors, Sampling, optional
        Of "pymc" alone.

    Returns
    -------
    HierarchicalFit
        A `BayesianFit` of "pymc".

    Raises
    ------
    FitError
        Data the model cannot be fitted to as given; names columns, counts and row positions.
    TooFewDataError
        Fewer than two facilities, or fewer events than estimates.
    OptionError
        A method, form or node count outside its allowed values.

    Notes
    -----
    Rows in another order and other labels for the same facilities change no bit of the result.
    Columns are standardised inside and estimates transformed back. Standard errors come from
    the inverse Hessian of the objective; for PQL from the working model, as SAS prints them.
    ASCQR manual v14.0, risk adjustment (p. 1-18, 1-27, 1-30, 1-35).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> facility = np.repeat(np.arange(40), 50)
    >>> x = rng.integers(0, 2, 2000)
    >>> effect = rng.normal(0.0, 0.5, 40)
    >>> y = rng.random(2000) < 1 / (1 + np.exp(2.0 - 0.8 * x - effect[facility]))
    >>> fit = fit_hierarchical(y, x, facility, factor_names=["diabetes"])
    >>> fit.converged, fit.n_facilities, bool(abs(fit.beta[0] - 0.8) < 0.3)
    (True, 40, True)
    """
    data: dict[str, Any] = {"trials": trials, "weights": weights, "offset": offset, "factor_names": factor_names}
    if method == "pymc":
        from riskstd.model.bayes import fit_bayes

        return fit_bayes(y, X, facility, **data, priors=priors, sampling=sampling)
    if priors is not None or sampling is not None:
        raise OptionError(f"priors or sampling with method {method!r}", expected="neither, or method 'pymc'")
    check_fit_options(method, n_nodes, pql_form)
    rows, cells, order = read_cells(y, X, facility, **data)
    check_separation(cells, rows.factor_names)
    multiplicity = np.ones(cells.n_facilities)
    objective = make_objective(cells, method, n_nodes, pql_form)
    pooled = fit_pooled(objective.path, multiplicity, START_DECREMENT)
    check_estimates_finite(cells, pooled, rows.factor_names)
    assert pooled is not None
    estimate = estimate_from_pooled(objective, pooled, multiplicity)
    if estimate.at.tau >= math.exp(MAX_LOG_TAU):
        raise FitError(
            f"the variance between facilities runs to infinity ({cells.n_facilities} facilities, "
            f"{int(np.sum((cells.events > 0) & (cells.events < cells.cases)))} of them with both outcomes)",
            expected="facilities with cases of both outcomes",
            hint="use fewer, larger facilities",
        )
    return _report(rows, objective, order, estimate, method, n_nodes, pql_form)


def read_cells(y: Any, X: Any, facility: Any, **data: Any) -> tuple[ModelInput, Cells, FacilityOrder]:
    """Read, collapse and check what every method fits.

    Parameters
    ----------
    y, X, facility, **data
        As in `fit_hierarchical`.

    Returns
    -------
    rows : ModelInput
        Without facilities and keys, which nobody reads any more and which are as long as the file.
    cells : Cells
    order : FacilityOrder

    Raises
    ------
    FitError, TooFewDataError
    """
    rows = read_model_input(y, X, facility, **data)
    if len(rows.y) == 0:
        raise FitError("no rows", expected="at least two facilities with cases")
    cells, order = collapse_by_content(rows)
    rows = replace(rows, facility=rows.facility[:0].copy(), keys=None)
    check_outcome_varies(float(cells.events.sum()), float(cells.cases.sum()))
    check_enough_data(len(rows.labels), float(cells.events.sum()), rows.X.shape[1])
    check_repeated_cases(cells)
    check_columns(cells, rows.factor_names)
    return rows, cells, order


def collapse_by_content(rows: ModelInput) -> tuple[Cells, FacilityOrder]:
    """Collapse rows into cells of facilities in the order of their content.

    Parameters
    ----------
    rows : ModelInput

    Returns
    -------
    cells : Cells
    order : FacilityOrder
    """
    shape = (rows.n, rows.y, rows.offset, len(rows.labels), rows.keys)
    cells, order = order_by_content(collapse_rows(rows.X, rows.facility, *shape))
    if np.any(cells.n % 1):
        # means of columns are sums over facilities, whose fractions must be added by content too
        cells = collapse_rows(rows.X, order.content_position[rows.facility], *shape)
    return cells, order


def estimate_from_pooled(objective: Objective, pooled: PooledFit, multiplicity: FloatArray) -> Estimate:
    """Estimate from the pooled start; tau = 0 when the data spread no more than chance.

    Parameters
    ----------
    objective : Objective
    pooled : PooledFit
        Of the same multiplicity.
    multiplicity : ndarray, shape (n_facilities,)

    Returns
    -------
    Estimate
    """
    spread = excess_spread(objective.path, pooled, reml=objective.reml)
    tau = starting_tau(pooled, spread, multiplicity)
    if tau <= MIN_START_TAU:
        # near the boundary the decision is made at the exact estimates
        pooled = _finish(objective.path, pooled, multiplicity)
        spread = excess_spread(objective.path, pooled, reml=objective.reml)
        tau = starting_tau(pooled, spread, multiplicity)
    if tau == 0.0:
        return _boundary(pooled, multiplicity)
    cells = objective.cells
    rate = float(np.sum(multiplicity * cells.events) / np.sum(multiplicity * cells.cases))
    theta = starting_point(pooled, tau, spread, multiplicity, rate)
    optimum = maximise(objective, theta, np.zeros(cells.n_facilities), multiplicity)
    if optimum.theta[-1] <= MIN_LOG_TAU:
        return _boundary(_finish(objective.path, pooled, multiplicity), multiplicity)
    at = optimum.evaluation
    return Estimate(at, total_value(at, multiplicity), optimum.converged, optimum.path, optimum, pooled)


def _finish(path: Path, pooled: PooledFit, multiplicity: FloatArray) -> PooledFit:
    """The pooled fit itself, from one that stopped early."""
    return fit_pooled(path, multiplicity, start=pooled.beta) or pooled


def _boundary(pooled: PooledFit, multiplicity: FloatArray) -> Estimate:
    value = total_value(pooled.at, multiplicity)
    return Estimate(pooled.at, value, pooled.converged, (PathStep(value, 0.0, 0.0),), None, pooled)


def check_fit_options(method: str, n_nodes: int, pql_form: str = "reml") -> None:
    """Refuse a method, node count or form outside its allowed values.

    Raises
    ------
    OptionError
    """
    if method not in METHODS:
        raise OptionError(f"method {method!r}", expected="one of " + ", ".join((*METHODS, "pymc")))
    if isinstance(n_nodes, bool) or not isinstance(n_nodes, int | np.integer) or not 1 <= n_nodes <= MAX_NODES:
        raise OptionError(f"n_nodes {n_nodes!r}", expected=f"a whole number from 1 to {MAX_NODES}")
    if pql_form not in PQL_FORMS:
        raise OptionError(f"pql_form {pql_form!r}", expected="one of " + ", ".join(PQL_FORMS))


def _report(
    rows: ModelInput,
    objective: Objective,
    order: FacilityOrder,
    estimate: Estimate,
    method: str,
    n_nodes: int,
    pql_form: str,
) -> HierarchicalFit:
    cells, at = objective.cells, estimate.at
    singular = at.tau == 0.0
    covariance = _covariance(objective, estimate)
    raw = cells.raw_coefficients(at.beta)
    ones = np.ones(cells.n_facilities)
    added = np.zeros_like(at.variance)
    if not singular:
        added = added_variance(at, objective.working_curvature(at, ones), None)
    se = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), np.nan))
    return HierarchicalFit(
        mu=float(raw[0]),
        beta=_frozen(raw[1:]),
        tau=at.tau,
        factor_names=rows.factor_names,
        mu_se=float(se[0]),
        beta_se=_frozen(se[1:-1]),
        tau_se=float(se[-1]),
        covariance=_frozen(covariance),
        log_likelihood=estimate.log_likelihood + binomial_constant(rows),
        facilities=_frozen(rows.labels),
        effects=_frozen(order.by_label(at.u)),
        effects_variance=_frozen(order.by_label(at.variance)),
        prediction_variance=_frozen(order.by_label(at.variance + added)),
        effects_mean=_frozen(order.by_label(at.mean)),
        converged=estimate.converged,
        singular=singular,
        newton_decrement=estimate.path[-1].decrement,
        n_iterations=len(estimate.path),
        path=estimate.path,
        method=method,
        n_nodes=n_nodes if method == "agq" else 1,
        n_cases=float(cells.cases.sum()),
        n_events=float(cells.events.sum()),
        n_facilities=cells.n_facilities,
        warnings=_warnings(estimate, float(se[-1])),
        _data=FitData(cells, order, at.beta, pql_form),
    )


def _covariance(objective: Objective, estimate: Estimate) -> FloatArray:
    """Covariance of (mu, beta, tau) on the original scale; NaN for tau at the boundary."""
    cells, at = objective.cells, estimate.at
    size, ones = cells.n_coefficients, np.ones(cells.n_facilities)
    standard = np.full((size + 1, size + 1), np.nan)
    if estimate.optimum is None:
        standard[:size, :size] = invert_positive(estimate.pooled.information)
    elif objective.pseudo:
        working = objective.curvature(at, ones).hessian
        standard[:] = 0.0
        standard[:size, :size] = invert_positive(working[:size, :size])
        standard[size, size] = 1.0 / working[size, size]
    else:
        standard = invert_positive(objective.observed_curvature(estimate.optimum.theta, at, ones))
    back = np.zeros((size + 1, size + 1))
    back[:size, :size] = cells.back_transform()
    back[size, size] = at.tau
    fixed = back[:size, :size] @ standard[:size, :size] @ back[:size, :size].T
    out = np.full_like(standard, np.nan) if estimate.optimum is None else back @ standard @ back.T
    out[:size, :size] = fixed
    return symmetric(out)


def binomial_constant(rows: ModelInput) -> float:
    """Sum of weight x log(trials choose y); fsum is exact, so row order cannot change it."""
    several = rows.trials > 1
    n, y = rows.trials[several], rows.raw_y[several]
    terms = rows.weights[several] * (gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1))
    return math.fsum(terms.tolist())


def _warnings(estimate: Estimate, tau_se: float) -> tuple[str, ...]:
    found = []
    if estimate.at.tau == 0.0:
        found.append("tau is 0: facilities differ no more than chance, every ratio is 1")
    elif math.isnan(tau_se):
        found.append("the data hardly tell tau: its standard error cannot be computed")
    if not estimate.converged:
        found.append(
            f"not converged after {len(estimate.path)} iterations: "
            f"{estimate.path[-1].decrement:.2g} standard errors from the optimum"
        )
    return tuple(found)


def _frozen(array: Any) -> Any:
    array.setflags(write=False)
    return array
