"""Rates of a Bayesian fit: the posterior of every ratio, of its rank, and of being worse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from riskstd.errors import OptionError
from riskstd.model.bayes import BayesianFit
from riskstd.model.frozen import freeze_arrays
from riskstd.model.paths import path_of
from riskstd.rates.facility_rates import FacilityRates
from riskstd.rates.intervals import Limits, score_fit
from riskstd.rates.rules import Standardization, check_national_rate, read_standardization
from riskstd.rates.standardize import assemble_rates

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.floating[Any]]
POSTERIOR_COLUMNS = (
    "probability_worse",
    "probability_beyond_margin",
    "probability_error",
    "rank_mean",
    "rank_lower",
    "rank_upper",
)
BLOCK_VALUES = 2**22
"""Draws whose percentiles are taken at a time."""


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorRates:
    """Rates and probabilities; arrays of shape (n_facilities,) in the order of the labels.

    Parameters
    ----------
    rates : FacilityRates
        Ratio and rate are posterior means, limits percentiles of the posterior, categories read from them.
    probability_worse : ndarray
        Posterior probability of a ratio above the comparator, the national rate.
    probability_beyond_margin : ndarray
        Posterior probability of a ratio above `margin` times the comparator.
    probability_error : ndarray
        Monte Carlo standard error of `probability_worse`.
    rank_mean, rank_lower, rank_upper : ndarray
        Rank of the ratio among the facilities, 1 the lowest: posterior mean and percentiles.
    ratio_draws : ndarray, shape (chains, draws, n_facilities)
        The posterior of every ratio.
    margin : float
    converged : bool
        False only where `allow_unconverged` was given; `warnings` say what failed.
    warnings : tuple of str
    """

    rates: FacilityRates
    probability_worse: FloatArray
    probability_beyond_margin: FloatArray
    probability_error: FloatArray
    rank_mean: FloatArray
    rank_lower: FloatArray
    rank_upper: FloatArray
    ratio_draws: FloatArray
    margin: float
    converged: bool
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        chains, draws, n_facilities = self.ratio_draws.shape
        return (
            f"PosteriorRates({n_facilities} facilities, {chains} x {draws} draws, scale={self.rates.scale!r}, "
            f"margin={self.margin:g}, converged={self.converged})"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per facility: the columns of `facility_rates`, the probabilities, the ranks and `converged`."""
        columns = {name: getattr(self, name) for name in POSTERIOR_COLUMNS}
        return self.rates.to_frame().assign(**columns, converged=self.converged)


def posterior_rates(
    fit: BayesianFit,
    *,
    measure: Any = None,
    scale: str | None = None,
    national_rate: float | None = None,
    level: float | None = None,
    margin: float = 1.2,
    allow_unconverged: bool = False,
    threads: int | None = None,
) -> PosteriorRates:
    """Standardize every draw of the posterior: ratio, rate, rank, probability of being worse.

    Parameters
    ----------
    fit : BayesianFit
    measure, scale, national_rate, level
        As in `standardize`.
    margin : float
        Ratio, 1 or more, above which a facility is worse by more than a margin.
    allow_unconverged : bool
        Go on with draws that have not converged; the result and its frame say so.
    threads : int, optional
        The result does not depend on it.

    Returns
    -------
    PosteriorRates

    Raises
    ------
    FitError
        Draws that have not converged.
    OptionError

    Notes
    -----
    In each draw predicted uses the facility's effect of that draw and expected the effect 0, both with the draw's own
    coefficients; the national rate is taken as known. Ranks: Goldstein H, Spiegelhalter DJ, J R Stat Soc A
    1996;159:385-443. Probability of exceeding a benchmark: Normand S-LT, Glickman ME, Gatsonis CA, J Am
    Stat Assoc 1997;92:803-814.
    """
    rules = read_standardization(measure, scale, level)
    check_national_rate(national_rate)
    _check_margin(margin)
    fit.require_converged(allow_unconverged)
    predicted, expected = _sums(fit, threads)
    ratio = predicted / expected
    scored = score_fit(fit, "posterior")
    scored = replace(scored, predicted=predicted.mean(axis=0), expected=expected.mean(axis=0), ratio=ratio.mean(axis=0))
    national = scored.crude_rate if national_rate is None else float(national_rate)
    limits = _limits(ratio, rules, rules.multiplier(national))
    rates = assemble_rates(
        fit.facilities,
        scored,
        limits,
        rules,
        national_rate=national,
        interval="posterior",
        variance="posterior",
        seed=fit.sampling.seed,
        warnings=fit.warnings,
        measure=measure,
    )
    draws = ratio.reshape(*fit.posterior.mu.shape, -1)
    ranks = rankdata(ratio, axis=1)
    rank_lower, rank_upper = _percentiles(ranks, rules.display_level)
    return PosteriorRates(
        rates=rates,
        probability_worse=np.mean(ratio > 1.0, axis=0),
        probability_beyond_margin=np.mean(ratio > margin, axis=0),
        probability_error=mean_error(draws > 1.0),
        rank_mean=ranks.mean(axis=0),
        rank_lower=rank_lower,
        rank_upper=rank_upper,
        ratio_draws=draws,
        margin=float(margin),
        converged=fit.converged,
        warnings=rates.warnings,
    )


def mean_error(draws: NDArray[Any]) -> FloatArray:
    """Monte Carlo standard error of means over chains and draws, by batch means.

    Parameters
    ----------
    draws : ndarray, shape (chains, draws, n)
        Batches have the length of the square root of a chain.

    Returns
    -------
    ndarray, shape (n,)

    Notes
    -----
    Flegal JM, Jones GL. Ann Stat 2010;38:1034-1070.

    Examples
    --------
    >>> chains = np.random.default_rng(1).normal(size=(4, 2500, 1))
    >>> abs(float(mean_error(chains)[0]) - 0.01) < 0.002
    True
    """
    chains, n_draws, n = draws.shape
    length = int(np.sqrt(n_draws))
    batches = draws[:, : n_draws // length * length].reshape(chains, -1, length, n).mean(axis=2).reshape(-1, n)
    return np.std(batches, axis=0, ddof=1) * np.sqrt(length / (chains * n_draws))


def _sums(fit: BayesianFit, threads: int | None) -> tuple[FloatArray, FloatArray]:
    """Predicted and expected sums of every draw, shape (n_draws, n_facilities), by label."""
    cells, order = fit.data.cells, fit.data.order
    path = path_of(cells, threads)
    coefficients, effects = fit.posterior.flat(cells)
    predicted, expected = np.empty(effects.shape), np.empty(effects.shape)
    for k in range(len(effects)):
        sums = path.predicted_expected(coefficients[k], order.by_content(effects[k]))
        predicted[k], expected[k] = (order.by_label(each) for each in sums)
    return predicted, expected


def _limits(ratio: FloatArray, rules: Standardization, multiplier: float) -> Limits:
    shown, judged = (
        tuple(limit * multiplier for limit in _percentiles(ratio, level))
        for level in (rules.display_level, rules.category_level)
    )
    return Limits(shown=(shown[0], shown[1]), judged=(judged[0], judged[1]))


def _percentiles(draws: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Equal-tailed limits over the first axis."""
    width = max(1, BLOCK_VALUES // len(draws))
    tails = (0.5 - level / 2.0, 0.5 + level / 2.0)
    parts = [np.quantile(draws[:, start : start + width], tails, axis=0) for start in range(0, draws.shape[1], width)]
    lower, upper = np.concatenate(parts, axis=1)
    return lower, upper


def _check_margin(margin: float) -> None:
    is_number = isinstance(margin, int | float | np.floating) and not isinstance(margin, bool)
    if not is_number or not 1.0 <= margin < np.inf:
        raise OptionError(f"margin {margin!r}", expected="a ratio of 1 or more, such as 1.2 for a fifth above")
