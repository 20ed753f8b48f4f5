"""`fit_bayes`: read and check as `fit_hierarchical` does, sample, report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from riskstd.errors import FitError
from riskstd.model.algebra import invert_positive
from riskstd.model.bayes.convergence import ConvergenceLimits, check_convergence
from riskstd.model.bayes.density import FloatArray, LogDensity
from riskstd.model.bayes.libraries import load_library
from riskstd.model.bayes.posterior import Posterior
from riskstd.model.bayes.priors import Priors
from riskstd.model.bayes.result import BayesianFit
from riskstd.model.bayes.sampling import Draws, Sampling, sample
from riskstd.model.cells import Cells, FacilityOrder
from riskstd.model.checks import (
    check_separation,
)
from riskstd.model.fit import START_DECREMENT, binomial_constant, read_cells
from riskstd.model.inputs import ModelInput
from riskstd.model.objective import make_objective
from riskstd.model.pooled import fit_pooled
from riskstd.model.result import FitData

N_NODES = 15
"""Quadrature nodes of the log-likelihood at the posterior means."""
FAR_START_SE = 1.0
"""Spread of the starting points where the data do not give one, in log-odds per standard deviation."""


def fit_bayes(
    y: Any,
    X: Any,
    facility: Any,
    *,
    trials: Any = None,
    weights: Any = None,
    offset: Any = None,
    factor_names: Any = None,
    priors: Priors | None = None,
    sampling: Sampling | None = None,
    limits: ConvergenceLimits | None = None,
) -> BayesianFit:
    """Sample the posterior of the hierarchical logistic model.

    logit P(event) = mu + x'beta + w_j,  w_j = tau z_j,  z_j ~ N(0, 1),  priors on mu, beta and tau.

    Parameters
    ----------
    y, X, facility, trials, weights, offset, factor_names
        As in `fit_hierarchical`.
    priors : Priors, optional
    sampling : Sampling, optional
        Draws, chains, seed, sampler.
    limits : ConvergenceLimits, optional
        What the draws must meet for `converged`.

    Returns
    -------
    BayesianFit
        Look at `converged`: rates refuse a fit whose chains do not agree.

    Raises
    ------
    FitError, TooFewDataError
        Data the model cannot be fitted to as given.
    OptionError
        Options outside their values; without the extra riskstd[bayes].

    Notes
    -----
    The likelihood runs over cells, equal rows of a facility counted once. Unlike the other methods this one
    takes a risk factor that separates the outcomes: the prior keeps its coefficient finite, and decides it.
    Same data, options and seed give the same draws, whatever the number of cores, the row order
    and the facility labels.

    Examples
    --------
    >>> fit = fit_bayes(y, X, facility, sampling=Sampling(seed=1))  # doctest: +SKIP
    >>> fit.converged, fit.convergence  # doctest: +SKIP
    """
    load_library("arviz")
    options, prior = sampling or Sampling(), priors or Priors()
    data: dict[str, Any] = {"trials": trials, "weights": weights, "offset": offset, "factor_names": factor_names}
    rows, cells, order = read_cells(y, X, facility, **data)
    density = LogDensity(cells, prior)
    coefficients, se = _pooled_start(cells)
    draws = sample(density, lambda seed: density.start(coefficients, se, seed), options)
    posterior = _posterior(draws, density, order)
    return _report(rows, density, order, posterior, draws, options, limits or ConvergenceLimits())


def _pooled_start(cells: Cells) -> tuple[FloatArray, FloatArray]:
    """Pooled estimates and standard errors; a rough guess where a risk factor separates the outcomes."""
    pooled = fit_pooled(make_objective(cells, "laplace", 1, "ml").path, np.ones(cells.n_facilities), START_DECREMENT)
    if pooled is not None and pooled.converged:
        se = np.sqrt(np.diag(invert_positive(pooled.information)))
        if np.all(np.isfinite(pooled.beta)) and np.all(se < FAR_START_SE):
            return pooled.beta, se
    rate = float(cells.events.sum() / cells.cases.sum())
    guess = np.zeros(cells.n_coefficients)
    guess[0] = np.log(rate / (1.0 - rate))
    return guess, np.full(len(guess), 0.5 * FAR_START_SE)


def _posterior(draws: Draws, density: LogDensity, order: FacilityOrder) -> Posterior:
    """Draws on the original scale of the risk factors, effects by label."""
    cells, q = density.likelihood.cells, density.n_factors
    intercept, standard = draws.points[..., 0], draws.points[..., 1 : q + 1]
    tau = np.exp(draws.points[..., q + 1])
    beta = standard / cells.scale
    shift = np.einsum("cdk,k->cd", standard, density.column_mean) + np.einsum("cdk,k->cd", beta, cells.center)
    effects = np.take(draws.points[..., q + 2 :], order.content_position, axis=2)
    effects *= tau[..., None]
    return Posterior(
        mu=intercept - shift,
        beta=beta,
        tau=tau,
        effects=effects,
        log_posterior=draws.log_posterior,
        energy=draws.energy,
        diverging=draws.diverging,
        at_max_depth=draws.at_max_depth,
        steps=draws.steps,
    )


def _report(
    rows: ModelInput,
    density: LogDensity,
    order: FacilityOrder,
    posterior: Posterior,
    draws: Draws,
    options: Sampling,
    limits: ConvergenceLimits,
) -> BayesianFit:
    cells, size = density.likelihood.cells, density.n_factors
    convergence = check_convergence(posterior.quantities(), draws, limits)
    pooled = np.concatenate([posterior.mu[..., None], posterior.beta, posterior.tau[..., None]], axis=2)
    flat = pooled.reshape(-1, size + 2)
    mean, covariance = flat.mean(axis=0), np.cov(flat, rowvar=False)
    se = np.sqrt(np.diag(covariance))
    effects, spread = posterior.effects.mean(axis=(0, 1)), posterior.effects.var(axis=(0, 1), ddof=1)
    at_cells = posterior.cell_coefficients(cells, mean[0], mean[1:-1])
    return BayesianFit(
        mu=float(mean[0]),
        beta=mean[1:-1].copy(),
        tau=float(mean[-1]),
        factor_names=rows.factor_names,
        mu_se=float(se[0]),
        beta_se=se[1:-1].copy(),
        tau_se=float(se[-1]),
        covariance=covariance,
        log_likelihood=_log_likelihood(cells, at_cells, float(mean[-1])) + binomial_constant(rows),
        facilities=rows.labels,
        effects=effects,
        effects_variance=spread,
        prediction_variance=spread.copy(),
        effects_mean=effects.copy(),
        converged=convergence.converged,
        singular=False,
        newton_decrement=float("nan"),
        n_iterations=int(posterior.mu.size),
        path=(),
        method="pymc",
        n_nodes=1,
        n_cases=float(cells.cases.sum()),
        n_events=float(cells.events.sum()),
        n_facilities=cells.n_facilities,
        warnings=(*(f"not converged: {text}" for text in convergence.problems), *_separated(cells, rows.factor_names)),
        _data=FitData(cells, order, at_cells, "ml"),
        posterior=posterior,
        priors=density.priors,
        # not what a result depends on
        sampling=replace(options, cores=None, progress=False),
        convergence=convergence,
    )


def _separated(cells: Cells, factor_names: tuple[str, ...]) -> list[str]:
    """A warning where the likelihood leaves coefficients without limit."""
    try:
        check_separation(cells, factor_names)
    except FitError as error:
        return [f"{error.found}: the prior decides the coefficient"]
    return []


def _log_likelihood(cells: Cells, coefficients: FloatArray, tau: float) -> float:
    """Marginal log-likelihood at the posterior means, by quadrature."""
    objective = make_objective(cells, "agq", N_NODES, "ml")
    theta, nothing = np.append(coefficients, np.log(tau)), np.zeros(cells.n_facilities)
    return float(np.sum(objective.evaluate(theta, nothing, np.ones(cells.n_facilities)).log_likelihood))
