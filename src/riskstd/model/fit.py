"""`fit_hierarchical`: read, check, start, optimise, report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln

from riskstd.errors import FitError, OptionError
from riskstd.model.cells import Cells, FloatArray, collapse_rows
from riskstd.model.checks import (
    check_columns,
    check_enough_data,
    check_estimates_finite,
    check_outcome_varies,
    check_separation,
)
from riskstd.model.curvature import invert_positive, symmetric, total, working_information
from riskstd.model.inputs import ModelInput, read_model_input
from riskstd.model.modes import Modes
from riskstd.model.newton import (
    MAX_LOG_TAU,
    MIN_LOG_TAU,
    Optimum,
    PathStep,
    QuadratureObjective,
    maximise,
)
from riskstd.model.pooled import PooledFit, excess_spread, fit_pooled, starting_tau
from riskstd.model.pseudo import PseudoObjective, fixed_effect_variance, solve_pseudo
from riskstd.model.quadrature import HermiteRule, log_likelihood_at_zero_tau
from riskstd.model.result import FitData, HierarchicalFit

METHODS = ("agq", "laplace", "pql")
PQL_FORMS = ("reml", "ml")
MAX_NODES = 200

Objective = QuadratureObjective | PseudoObjective


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """An optimum on the standardised scale, tau = 0 included."""

    beta: FloatArray
    tau: float
    log_likelihood: float
    modes: Modes
    mean: FloatArray
    converged: bool
    path: tuple[PathStep, ...]
    optimum: Optimum | None


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
    method : {"agq", "laplace", "pql"}
        Adaptive Gauss-Hermite quadrature, Laplace approximation, or pseudo-likelihood as SAS
        PROC GLIMMIX runs it.
    n_nodes : int
        Quadrature nodes per facility for "agq", 1 to 200; 1 equals "laplace".
    pql_form : {"reml", "ml"}
        RSPL (the SAS default) or MSPL.
    factor_names : sequence of str, optional
        Names of the columns; a frame brings its own.

    Returns
    -------
    HierarchicalFit

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
    check_fit_options(method, n_nodes, pql_form)
    rows = read_model_input(y, X, facility, trials=trials, weights=weights, offset=offset, factor_names=factor_names)
    if len(rows.y) == 0:
        raise FitError("no rows", expected="at least two facilities with cases")
    cells = collapse_rows(rows.X, rows.facility, rows.n, rows.y, rows.offset, len(rows.labels))
    check_outcome_varies(float(cells.events.sum()), float(cells.cases.sum()))
    check_enough_data(len(rows.labels), float(cells.events.sum()), rows.X.shape[1])
    check_columns(cells, rows.factor_names)
    check_separation(cells, rows.factor_names)
    multiplicity = np.ones(cells.n_facilities)
    pooled = fit_pooled(cells, multiplicity)
    check_estimates_finite(cells, pooled, rows.factor_names)
    assert pooled is not None
    objective = make_objective(cells, method, n_nodes, pql_form)
    estimate = estimate_from_pooled(objective, pooled, multiplicity)
    if estimate.tau >= math.exp(MAX_LOG_TAU):
        raise FitError(
            f"the variance between facilities runs to infinity ({cells.n_facilities} facilities, "
            f"{int(np.sum((cells.events > 0) & (cells.events < cells.cases)))} of them with both outcomes)",
            expected="facilities with cases of both outcomes",
            hint="use fewer, larger facilities",
        )
    return _report(rows, objective, pooled, estimate, method, n_nodes, pql_form)


def make_objective(cells: Cells, method: str, n_nodes: int, pql_form: str) -> Objective:
    """Objective of a method."""
    if method == "pql":
        return PseudoObjective(cells, pql_form == "reml")
    return QuadratureObjective(cells, HermiteRule.of(1 if method == "laplace" else n_nodes))


def estimate_from_pooled(objective: Objective, pooled: PooledFit, multiplicity: FloatArray) -> Estimate:
    """Estimate from the pooled start; tau = 0 when the data spread no more than chance.

    Parameters
    ----------
    objective : QuadratureObjective or PseudoObjective
    pooled : PooledFit
        Of the same multiplicity.
    multiplicity : ndarray, shape (n_facilities,)

    Returns
    -------
    Estimate
    """
    cells = objective.cells
    reml = isinstance(objective, PseudoObjective) and objective.reml
    spread = excess_spread(cells, pooled, reml=reml)
    tau = starting_tau(pooled, spread, multiplicity)
    if tau == 0.0:
        return _boundary(cells, pooled, multiplicity)
    theta = np.append(pooled.beta, np.log(tau))
    optimum = optimise(objective, theta, np.zeros(cells.n_facilities), multiplicity)
    if optimum.theta[-1] <= MIN_LOG_TAU:
        return _boundary(cells, pooled, multiplicity)
    at = optimum.evaluation
    value = float(total(multiplicity, at.log_likelihood))
    tau = float(np.exp(optimum.theta[-1]))
    return Estimate(optimum.theta[:-1], tau, value, at.modes, at.mean, optimum.converged, optimum.path, optimum)


def optimise(objective: Objective, theta: FloatArray, start: FloatArray, multiplicity: FloatArray) -> Optimum:
    """Run the optimiser that belongs to the objective."""
    if isinstance(objective, PseudoObjective):
        return solve_pseudo(objective, theta, start, multiplicity)
    return maximise(objective, theta, start, multiplicity)


def _boundary(cells: Cells, pooled: PooledFit, multiplicity: FloatArray) -> Estimate:
    value = float(total(multiplicity, log_likelihood_at_zero_tau(cells, pooled.beta)))
    path = (PathStep(value, 0.0, 0.0),)
    zeros = np.zeros(cells.n_facilities)
    return Estimate(pooled.beta, 0.0, value, pooled.at, zeros, pooled.converged, path, None)


def check_fit_options(method: str, n_nodes: int, pql_form: str = "reml") -> None:
    """Refuse a method, node count or form outside its allowed values.

    Raises
    ------
    OptionError
    """
    if method not in METHODS:
        raise OptionError(f"method {method!r}", expected="one of " + ", ".join(METHODS))
    if not isinstance(n_nodes, int | np.integer) or not 1 <= n_nodes <= MAX_NODES:
        raise OptionError(f"n_nodes {n_nodes!r}", expected=f"a whole number from 1 to {MAX_NODES}")
    if pql_form not in PQL_FORMS:
        raise OptionError(f"pql_form {pql_form!r}", expected="one of " + ", ".join(PQL_FORMS))


def _report(
    rows: ModelInput,
    objective: Objective,
    pooled: PooledFit,
    estimate: Estimate,
    method: str,
    n_nodes: int,
    pql_form: str,
) -> HierarchicalFit:
    cells = objective.cells
    singular = estimate.tau == 0.0
    curvatures = None
    if estimate.optimum is not None:
        curvatures = objective.curvatures(estimate.optimum.theta, estimate.optimum.evaluation)
    covariance = _covariance(cells, objective, pooled, estimate, curvatures)
    raw = cells.raw_coefficients(estimate.beta)
    ones = np.ones(cells.n_facilities)
    variance = estimate.modes.variance
    added = np.zeros_like(variance) if singular else fixed_effect_variance(cells, estimate.modes, ones)
    se = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), np.nan))
    return HierarchicalFit(
        mu=float(raw[0]),
        beta=_frozen(raw[1:]),
        tau=estimate.tau,
        factor_names=rows.factor_names,
        mu_se=float(se[0]),
        beta_se=_frozen(se[1:-1]),
        tau_se=float(se[-1]),
        covariance=_frozen(covariance),
        log_likelihood=estimate.log_likelihood + _binomial_constant(rows),
        facilities=_frozen(rows.labels),
        effects=_frozen(estimate.modes.u),
        effects_variance=_frozen(variance),
        prediction_variance=_frozen(variance + added),
        effects_mean=_frozen(estimate.mean),
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
        warnings=_warnings(estimate),
        _data=FitData(cells, estimate.beta, curvatures, pql_form),
    )


def _covariance(
    cells: Cells,
    objective: Objective,
    pooled: PooledFit,
    estimate: Estimate,
    curvatures: FloatArray | None,
) -> FloatArray:
    """Covariance of (mu, beta, tau) on the original scale; NaN for tau at the boundary."""
    size = cells.n_coefficients
    standard = np.full((size + 1, size + 1), np.nan)
    ones = np.ones(cells.n_facilities)
    if curvatures is None:
        standard[:size, :size] = invert_positive(pooled.information)
    elif isinstance(objective, PseudoObjective):
        standard[:] = 0.0
        standard[:size, :size] = invert_positive(working_information(cells, estimate.modes, ones))
        standard[size, size] = 1.0 / total(ones, curvatures)[size, size]
    else:
        standard = invert_positive(total(ones, curvatures))
    back = np.zeros((size + 1, size + 1))
    back[:size, :size] = cells.back_transform()
    back[size, size] = estimate.tau
    fixed = back[:size, :size] @ standard[:size, :size] @ back[:size, :size].T
    out = back @ standard @ back.T if curvatures is not None else np.full_like(standard, np.nan)
    out[:size, :size] = fixed
    return symmetric(out)


def _binomial_constant(rows: ModelInput) -> float:
    """Sum of weight x log(trials choose y); fsum is exact, so row order cannot change it."""
    several = rows.trials > 1
    n, y = rows.trials[several], rows.raw_y[several]
    terms = rows.weights[several] * (gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1))
    return math.fsum(terms.tolist())


def _warnings(estimate: Estimate) -> tuple[str, ...]:
    found = []
    if estimate.tau == 0.0:
        found.append("tau is 0: facilities differ no more than chance, every ratio is 1")
    if not estimate.converged:
        found.append(
            f"not converged after {len(estimate.path)} iterations: "
            f"{estimate.path[-1].decrement:.2g} standard errors from the optimum"
        )
    return tuple(found)


def _frozen(array: Any) -> Any:
    array.setflags(write=False)
    return array
