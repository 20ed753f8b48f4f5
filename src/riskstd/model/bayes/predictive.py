"""Posterior predictive checks: do data like those seen come out of the fitted model?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskstd.errors import FitError, OptionError
from riskstd.model.bayes.result import BayesianFit
from riskstd.model.options import check_seed

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.floating[Any]]
EFFECTS = ("new", "same")
N_CLASSES = 4
MIN_REPLICATES = 20
SURPRISE = 0.025
"""Share of the replicates beyond the observed value, on one side, under which the model is called into question."""


@dataclass(frozen=True, eq=False, repr=False)
class PredictiveChecks:
    """Statistics of the data and of replicates of them.

    Parameters
    ----------
    names : tuple of str
    observed : ndarray, shape (n_statistics,)
    replicated : ndarray, shape (n_replicates, n_statistics)
    effects : {"new", "same"}
    converged : bool
        Whether the draws met the convergence checks.
    """

    names: tuple[str, ...]
    observed: FloatArray
    replicated: FloatArray
    effects: str
    converged: bool

    def __repr__(self) -> str:
        return (
            f"PredictiveChecks({len(self.names)} statistics, {len(self.replicated)} replicates, "
            f"effects={self.effects!r}, {len(self.surprises)} surprising, converged={self.converged})"
        )

    @property
    def share_above(self) -> FloatArray:
        """Share of the replicates above the observed value, equal ones counted half (posterior predictive p-value)."""
        return np.mean((self.replicated > self.observed) + 0.5 * (self.replicated == self.observed), axis=0)

    @property
    def surprises(self) -> tuple[str, ...]:
        """Statistics with fewer than 2.5 % of the replicates on one side of the observed value."""
        share = self.share_above
        return tuple(
            name for name, far in zip(self.names, np.minimum(share, 1.0 - share) < SURPRISE, strict=True) if far
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per statistic: observed, mean, lower, upper (95 % of the replicates), share_above, surprising."""
        import pandas as pd

        lower, upper = np.quantile(self.replicated, (0.025, 0.975), axis=0)
        return pd.DataFrame(
            {
                "statistic": self.names,
                "observed": self.observed,
                "mean": self.replicated.mean(axis=0),
                "lower": lower,
                "upper": upper,
                "share_above": self.share_above,
                "surprising": [name in self.surprises for name in self.names],
            }
        )


def check_predictions(
    fit: BayesianFit,
    *,
    seed: int,
    n_replicates: int = 500,
    effects: str = "new",
    allow_unconverged: bool = False,
) -> PredictiveChecks:
    """Draw data from the posterior and compare them with those seen.

    Parameters
    ----------
    fit : BayesianFit
    seed : int
    n_replicates : int
        Data sets, each from another draw of the posterior; at most the number of draws.
    effects : {"new", "same"}
        New facilities drawn from N(0, tau^2), which tests the normal distribution of the effects; or the
        facilities as estimated, which tests the rest.
    allow_unconverged : bool
        Go on with draws that have not converged.

    Returns
    -------
    PredictiveChecks
        Of total events, events per quarter of the facilities by cases, facilities without events, and the
        standard deviation of observed / expected events between facilities weighted by expected events.

    Raises
    ------
    FitError
        Draws that have not converged; weights that are not whole, which no count can have.
    OptionError

    Notes
    -----
    Gelman A, Meng X-L, Stern H. Stat Sinica 1996;6:733-807.
    """
    fit.require_converged(allow_unconverged)
    _check_options(seed, n_replicates, effects, fit.posterior.n_draws)
    cells = fit.data.cells
    if np.any(cells.n % 1) or np.any(cells.y % 1):
        raise FitError("cases that are not whole numbers", expected="whole weights, as replicates are counts")
    rng = np.random.default_rng(seed)
    coefficients, by_label = fit.posterior.flat(cells)
    taken = rng.choice(fit.posterior.n_draws, n_replicates, replace=False)
    tau = fit.posterior.tau.ravel()
    n = cells.n.astype(np.int64)
    statistics = _Statistics(fit)
    replicated = np.empty((n_replicates, len(statistics.names)))
    for k, draw in enumerate(taken):
        effect = fit.data.order.by_content(by_label[draw])
        if effects == "new":
            effect = rng.normal(0.0, tau[draw], len(effect))
        log_odds = cells.at_cells(cells.linear_predictor(coefficients[draw])) + effect[cells.facility]
        replicated[k] = statistics(cells.facility_sum(rng.binomial(n, expit(log_odds)).astype(np.float64)))
    return PredictiveChecks(statistics.names, statistics(cells.events), replicated, effects, fit.converged)


class _Statistics:
    """Statistics of the events per facility, facilities as in the cells."""

    def __init__(self, fit: BayesianFit) -> None:
        cells = fit.data.cells
        average = cells.at_cells(expit(cells.linear_predictor(fit.data.beta)))
        self._expected = cells.facility_sum(cells.n * average)
        limits = np.quantile(cells.cases, np.arange(1, N_CLASSES) / N_CLASSES)
        self._class = np.searchsorted(limits, cells.cases, side="left")
        # facilities of few sizes fill fewer classes
        self._filled = np.unique(self._class)
        ranges = [(cells.cases[self._class == k].min(), cells.cases[self._class == k].max()) for k in self._filled]
        self.names = (
            "events",
            *(f"events of facilities with {low:g} to {high:g} cases" for low, high in ranges),
            "facilities without events",
            "standard deviation of observed / expected",
        )

    def __call__(self, events: FloatArray) -> FloatArray:
        ratio = events / self._expected
        mean = events.sum() / self._expected.sum()
        spread = np.sum(self._expected * (ratio - mean) ** 2) / self._expected.sum()
        by_class = np.bincount(self._class, events, N_CLASSES)[self._filled]
        return np.concatenate([[events.sum()], by_class, [np.sum(events == 0), np.sqrt(spread)]])


def _check_options(seed: int, n_replicates: int, effects: str, n_draws: int) -> None:
    if effects not in EFFECTS:
        raise OptionError(f"effects {effects!r}", expected="one of " + ", ".join(EFFECTS))
    check_seed(seed)
    if not isinstance(n_replicates, int | np.integer) or not MIN_REPLICATES <= n_replicates <= n_draws:
        raise OptionError(
            f"n_replicates {n_replicates!r}", expected=f"a whole number from {MIN_REPLICATES} to {n_draws}, the draws"
        )
