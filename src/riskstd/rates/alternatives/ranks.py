"""How sure ranks are: intervals from draws, and joint sets from estimates and their standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from riskstd.errors import FitError, OptionError
from riskstd.model.options import check_level, check_seed
from riskstd.rates.alternatives.columns import (
    ColumnResult,
    FloatArray,
    IntArray,
    check_replicates,
    read_amounts,
    read_labels,
)
from riskstd.rates.percentiles import percentile_limits


@dataclass(frozen=True, eq=False, repr=False)
class RankIntervals(ColumnResult):
    """Ranks from draws; arrays of shape (n_facilities,), rank 1 for the lowest value.

    Parameters
    ----------
    facility_id : ndarray
    mean_rank, median_rank : ndarray
    lower, upper : ndarray
        Limits at `level`, each facility on its own.
    lowest_share, highest_share : ndarray
        Probability of a rank among the lowest, and the highest, `share` of the facilities.
    level, share : float
    n_draws : int
    """

    columns: ClassVar[tuple[str, ...]] = (
        "facility_id", "mean_rank", "median_rank", "lower", "upper", "lowest_share", "highest_share",
    )  # fmt: skip

    facility_id: NDArray[Any]
    mean_rank: FloatArray
    median_rank: FloatArray
    lower: FloatArray
    upper: FloatArray
    lowest_share: FloatArray
    highest_share: FloatArray
    level: float
    share: float
    n_draws: int


@dataclass(frozen=True, eq=False, repr=False)
class RankSets(ColumnResult):
    """Joint confidence sets of ranks; arrays of shape (n_facilities,), rank 1 for the lowest value.

    Parameters
    ----------
    facility_id, estimate, standard_error : ndarray
    lower, upper : ndarray of int
        All true ranks lie between them with a probability of at least `level`.
    level : float
    """

    columns: ClassVar[tuple[str, ...]] = ("facility_id", "estimate", "standard_error", "lower", "upper")

    facility_id: NDArray[Any]
    estimate: FloatArray
    standard_error: FloatArray
    lower: IntArray
    upper: IntArray
    level: float


def rank_intervals(draws: Any, *, facility: Any = None, level: float = 0.95, share: float = 0.1) -> RankIntervals:
    """Rank facilities within each draw, and summarize the ranks.

    Parameters
    ----------
    draws : array, shape (n_draws, n_facilities)
        Posterior draws of ratios, rates or effects, or bootstrap replicates. NaN where a replicate lacks the facility;
        ranks there are scaled to the number of all facilities.
    facility : array of labels, shape (n_facilities,), optional
    level : float
    share : float
        Of the facilities, for the probabilities of being among the lowest or highest.

    Returns
    -------
    RankIntervals

    Raises
    ------
    FitError
        Draws that are not a table, or infinite.
    OptionError

    Notes
    -----
    Goldstein and Spiegelhalter, JRSS A 1996;159:385, section 3.3; mean ranks: Laird and Louis, Journal of Educational
    Statistics 1989;14:29. Limits are percentiles by SAS definition 5; equal values share their mean rank. Ranks of
    shrunken draws crowd in the middle less than their wide limits suggest, and each interval is for one
    facility: `rank_sets` holds for all at once.

    Examples
    --------
    >>> ranks = rank_intervals([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]], level=0.9)
    >>> ranks.mean_rank.tolist(), ranks.lower.tolist(), ranks.upper.tolist()
    ([1.0, 2.5, 2.5], [1.0, 2.0, 2.0], [1.0, 3.0, 3.0])
    """
    check_level(level)
    if not 0.0 < share < 1.0:
        raise OptionError(f"share {share!r}", expected="a number between 0 and 1, such as 0.1")
    table = np.asarray(draws, dtype=np.float64)
    if table.ndim != 2 or 0 in table.shape or np.any(np.isinf(table)):
        raise FitError(f"draws of shape {table.shape}", expected="finite numbers, draws x facilities")
    size = table.shape[1]
    ranks = rankdata(table, axis=1, nan_policy="omit")
    present = np.sum(~np.isnan(table), axis=1, keepdims=True)
    ranks = np.where(present == size, ranks, (ranks - 0.5) * size / np.maximum(present, 1) + 0.5)
    never = int(np.sum(np.all(np.isnan(ranks), axis=0)))
    if never:
        raise FitError(f"{never} facilities without a draw", expected="draws of each")
    lower, upper = percentile_limits(ranks, level)
    known = np.sum(~np.isnan(ranks), axis=0)
    cut = share * size
    return RankIntervals(
        facility_id=read_labels(facility, size),
        mean_rank=np.nanmean(ranks, axis=0),
        median_rank=np.nanmedian(ranks, axis=0),
        lower=lower,
        upper=upper,
        lowest_share=np.sum(ranks <= max(cut, 1.0), axis=0) / known,
        highest_share=np.sum(ranks > min(size - cut, size - 1.0), axis=0) / known,
        level=float(level),
        share=float(share),
        n_draws=len(table),
    )


def rank_sets(estimate: Any, standard_error: Any, *, facility: Any = None, level: float = 0.95) -> RankSets:
    """Sets that hold the true ranks of all facilities at once.

    Parameters
    ----------
    estimate, standard_error : array, shape (n_facilities,)
        Independent, unshrunken estimates on a scale on which they are nearly normal, such as log odds.
    facility : array of labels, shape (n_facilities,), optional
    level : float

    Returns
    -------
    RankSets

    Raises
    ------
    FitError
    OptionError

    Notes
    -----
    Each estimate gets an interval of level^(1/J), so that all J hold with probability `level`. A facility's rank is
    at least 1 + the number of intervals wholly below its own, at most J - the number wholly above (Klein, Wright and
    Wieczorek, JRSS A 2020;183:1589, theorem 1). Mogstad, Romano, Shaikh and Wilhelm (Review of Economic
    Studies 2024;91:476) give narrower sets by testing differences.

    Examples
    --------
    >>> sets = rank_sets([0.0, 0.1, 5.0], [0.1, 0.1, 0.1])
    >>> sets.lower.tolist(), sets.upper.tolist()
    ([1, 1, 3], [2, 2, 3])
    """
    check_level(level)
    values = np.atleast_1d(np.asarray(estimate, dtype=np.float64))
    if values.ndim != 1 or not np.all(np.isfinite(values)):
        raise FitError(f"estimates of shape {values.shape}", expected="finite numbers, one per facility")
    error = read_amounts(standard_error, "standard_error", len(values))
    half = float(ndtri(0.5 + 0.5 * level ** (1.0 / max(len(values), 1)))) * error
    lows, highs = np.sort(values - half), np.sort(values + half)
    below = np.searchsorted(highs, values - half, side="left")
    above = len(values) - np.searchsorted(lows, values + half, side="right")
    return RankSets(read_labels(facility, len(values)), values, error, 1 + below, len(values) - above, float(level))


def normal_draws(estimate: Any, standard_error: Any, *, n_draws: int = 2000, seed: int) -> FloatArray:
    """Draws from independent normal distributions, as of a fit's effects and their standard errors.

    Parameters
    ----------
    estimate, standard_error : array, shape (n_facilities,)
    n_draws : int
    seed : int

    Returns
    -------
    ndarray, shape (n_draws, n_facilities)

    Examples
    --------
    >>> normal_draws([0.0, 1.0], [0.0, 0.0], n_draws=2, seed=1).tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    check_replicates("n_draws", n_draws, 1)
    check_seed(seed)
    centre = np.atleast_1d(np.asarray(estimate, dtype=np.float64))
    error = read_amounts(standard_error, "standard_error", len(centre))
    return centre + error * np.random.default_rng(seed).standard_normal((n_draws, len(centre)))
