"""The posterior density the samplers climb about on: likelihood of collapsed counts, priors, coordinates.

Coordinates of a point: intercept at average risk factors, one coefficient per standardised
risk factor, log tau, one standardised effect per facility (non-centred: effect = tau x standardised effect).
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskstd.model.bayes.priors import MAX_LOG_TAU, Priors
from riskstd.model.cells import Cells
from riskstd.model.engine import kernels

FloatArray = NDArray[np.floating[Any]]
ValueAndGradient = tuple[float, FloatArray, FloatArray]


class Likelihood:
    """Log-likelihood of the cells' events given coefficients and effects, without binomial constants.

    Parameters
    ----------
    cells : Cells

    Examples
    --------
    >>> from riskstd.model import fit_hierarchical
    >>> fit = fit_hierarchical([3, 5], np.zeros((2, 0)), ["A", "B"], trials=[10, 10])
    >>> value, _, by_effect = Likelihood(fit.data.cells)(np.zeros(1), np.zeros(2))
    >>> round(value, 6), sorted(by_effect.tolist())
    (-13.862944, [-2.0, 0.0])
    """

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        # one thread adds these up, in the order of the cells
        self._event_row = np.einsum("jq->q", cells.event_rows)
        self._event_offset = float(np.sum(cells.event_offset))

    def __call__(self, coefficients: FloatArray, effects: FloatArray) -> ValueAndGradient:
        """Value, gradient by the coefficients of the cells' columns and by the effects, facilities as in the cells."""
        if self._compiled is None:
            return self.plain(coefficients, effects)
        return self._compiled.value_and_gradient(coefficients, effects, *self._arrays)

    def plain(self, coefficients: FloatArray, effects: FloatArray) -> ValueAndGradient:
        """The same by numpy, array by array."""
        cells = self.cells
        log_odds = cells.at_cells(cells.linear_predictor(coefficients)) + effects[cells.facility]
        expected = cells.n * expit(log_odds)
        value = float(np.sum(cells.y * log_odds - cells.n * np.logaddexp(0.0, log_odds)))
        taken = np.einsum("k,kq->q", cells.at_patterns(expected), cells.X)
        return value, self._event_row - taken, cells.events - cells.facility_sum(expected)

    @cached_property
    def _compiled(self) -> Any:
        if kernels("facility") is None:
            return None
        from riskstd.model.bayes import kernel

        return kernel

    @cached_property
    def _arrays(self) -> tuple[Any, ...]:
        cells, design = self.cells, self.cells.design
        table = (design.pointer, design.column, design.value, design.offset)
        counts = (cells.index, cells.pointer, cells.n, cells.n_single, cells.events)
        return *table, *counts, self._event_row, self._event_offset, int(np.max(np.diff(cells.pointer)))


class LogDensity:
    """Log of the posterior density in the coordinates of a sampler, without constants.

    Parameters
    ----------
    cells : Cells
    priors : Priors
    """

    def __init__(self, cells: Cells, priors: Priors) -> None:
        self.likelihood = Likelihood(cells)
        self.priors = priors
        self.n_factors = cells.n_coefficients - 1
        self.n_facilities = cells.n_facilities
        self.beta_mean, self.beta_sd = priors.per_factor(self.n_factors)
        # columns of the cells have standard deviation 1 and count from a level of their own
        self.column_mean = np.einsum("k,kq->q", cells.pattern_n, cells.X[:, 1:]) / float(cells.cases.sum())

    @property
    def n_coordinates(self) -> int:
        """Length of a point."""
        return self.n_factors + 2 + self.n_facilities

    def __call__(self, point: FloatArray) -> tuple[float, FloatArray]:
        """Log density and its gradient at a point, shape (n_coordinates,)."""
        q, out = self.n_factors, np.empty(len(point))
        beta, scores = point[1 : q + 1], point[q + 2 :]
        tau = math.exp(min(point[q + 1], MAX_LOG_TAU))
        value, by_coefficient, by_effect = self.likelihood(self.coefficients(point[0], beta), tau * scores)
        from_mu = (point[0] - self.priors.mu_mean) / self.priors.mu_sd
        from_beta = (beta - self.beta_mean) / self.beta_sd
        tau_value, tau_slope = self.priors.log_tau_density(float(point[q + 1]))
        # numpy's sums, unlike BLAS, add up in the same order on any number of threads
        value += tau_value - 0.5 * (from_mu**2 + float(np.sum(from_beta**2)) + float(np.sum(scores**2)))
        out[0] = by_coefficient[0] - from_mu / self.priors.mu_sd
        out[1 : q + 1] = by_coefficient[1:] - self.column_mean * by_coefficient[0] - from_beta / self.beta_sd
        out[q + 1] = tau * float(np.sum(by_effect * scores)) + tau_slope
        out[q + 2 :] = tau * by_effect - scores
        return value, out

    def coefficients(self, mu: float, beta: FloatArray) -> FloatArray:
        """Coefficients of the cells' columns, shape (n_factors + 1,), of a point's intercept and coefficients."""
        return np.append(mu - float(np.sum(beta * self.column_mean)), beta)

    def start(self, coefficients: FloatArray, se: FloatArray, seed: int | np.random.SeedSequence) -> FloatArray:
        """Draw a starting point, spread more widely than the posterior.

        Parameters
        ----------
        coefficients, se : ndarray, shape (n_factors + 1,)
            Pooled estimates of the cells' columns and their standard errors.
        seed : int or SeedSequence

        Returns
        -------
        ndarray, shape (n_coordinates,)
        """
        rng = np.random.default_rng(seed)
        moved = coefficients + se * rng.uniform(-2.0, 2.0, len(se))
        mu = moved[0] + float(np.sum(moved[1:] * self.column_mean))
        log_tau = rng.uniform(math.log(0.1), 0.0) + math.log(self.priors.tau_scale)
        return np.concatenate([[mu], moved[1:], [log_tau], rng.uniform(-1.0, 1.0, self.n_facilities)])
