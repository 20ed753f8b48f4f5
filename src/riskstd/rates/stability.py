"""Would another seed change the category? The Monte Carlo error of a bootstrap percentile.

A lower limit lies above the comparator when few enough draws lie at the comparator or below it: with n draws
and a tail of share t, at most floor(n t) of them (one half counts for "n t of them" where n t is whole, since
the limit is then the average of the draws on either side of the comparator). The number of draws not
above the comparator is binomial, with the share p of the bootstrap distribution that is not above it. What a run
tells of p is its own count k of n: a beta distribution (k + 1/2, n - k + 1/2), Jeffreys' prior. The upper limit
is the mirror image. A facility is in a replicate with probability 1 - (1 - 1/J)^J.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, ndtr, ndtri

from riskstd.rates.percentiles import DrawSummary, percentile_rank, tail_share
from riskstd.rates.rules import CategoryLabels

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]

SETTLED_RISK = 0.01
"""Probability of another category below which a facility counts as settled."""
UNSETTLED_RISK = 0.05
"""Probability of another category from which a facility is counted in warnings."""
MORE = 10
"""Times the replicates of a run for which a warning says how many facilities stay near the line."""
POSTERIOR_NODES = 31
FAR = 9.0
"""Standard errors between share and tail beyond which another seed changes nothing (under 1e-9)."""
NEGLIGIBLE = 1e-4
"""Probability under which a number of draws is left out of an average."""
MAX_REPLICATES = 1e9


@dataclass(frozen=True, eq=False, repr=False)
class Stability:
    """How far the categories depend on the seed, arrays of shape (n_facilities,).

    Parameters
    ----------
    flip_probability : ndarray
        Probability that another seed, with as many replicates, gives another category than this one.
    replicates_to_settle : ndarray
        Replicates at which two seeds give different categories with probability `SETTLED_RISK` or less;
        inf where no number can be named.
    unsettled_with_more : float
        Facilities to be expected at `UNSETTLED_RISK` or above with `MORE` times the replicates.
    """

    flip_probability: FloatArray
    replicates_to_settle: FloatArray
    unsettled_with_more: float

    @classmethod
    def unknown(cls, n_facilities: int) -> Stability:
        """Stability of limits that depend on no seed."""
        return cls(np.full(n_facilities, np.nan), np.full(n_facilities, np.nan), 0.0)


def category_stability(
    draws: DrawSummary,
    category: NDArray[np.object_],
    *,
    level: float,
    labels: CategoryLabels,
    n_bootstrap: int,
    n_dropped: int = 0,
    threads: int = 1,
) -> Stability:
    """Probability of another category under another seed, and the replicates that would settle it.

    Parameters
    ----------
    draws : DrawSummary
        Counts of the draws against the comparator.
    category : ndarray of str or None, shape (n_facilities,)
    level : float
        Of the interval the category is read from.
    labels : CategoryLabels
    n_bootstrap, n_dropped, threads : int

    Returns
    -------
    Stability
        NaN where there is no category. Zero for a facility with too few cases, which no seed changes.

    Notes
    -----
    `flip_probability` averages over what this run tells of the true share, so that it is calibrated:
    of the facilities at 20 %, one in five changes. `replicates_to_settle` takes the share one posterior standard
    deviation nearer to the tail than observed, so that it suffices in about five cases of six; where that
    reaches the tail, this run cannot tell on which side the share lies and the answer is inf. It is
    at most `n_bootstrap` where the probability is below `SETTLED_RISK` already.
    """
    tail = tail_share(level)
    presence = _presence(len(category)) * (1.0 - n_dropped / n_bootstrap)
    sides = (draws.not_above, draws.not_below)
    with ThreadPoolExecutor(min(threads, len(sides))) as pool:
        passing = [pool.submit(chance_of_passing, c, draws.present, tail, n_bootstrap, presence) for c in sides]
        settling = [pool.submit(draws_to_settle, c, draws.present, tail) for c in sides]
        passes_low, passes_high = (side.result() for side in passing)
        needed = np.max([side.result() for side in settling], axis=0)
    is_worse, is_better = category == labels.worse, category == labels.better
    flip = np.where(is_worse, 1.0 - passes_low, np.where(is_better, 1.0 - passes_high, passes_low + passes_high))
    flip = np.clip(flip, 0.0, 1.0)
    settle = np.ceil(needed / presence)
    settle = np.where(flip < SETTLED_RISK, np.minimum(settle, n_bootstrap), settle)
    too_few = category == labels.too_few
    unknown = np.array([one is None for one in category], dtype=bool)
    judged = ~too_few & ~unknown
    more = MORE * n_bootstrap * presence
    # exact sums, so that the order of the labels cannot change them
    near = (chance for c in sides for chance in chance_of_lying_near(c[judged], draws.present[judged], tail, more))
    return Stability(_where(flip, too_few, unknown), _where(settle, too_few, unknown), math.fsum(near))


def chance_of_passing(
    counts: IntArray, present: IntArray, tail: float, n_replicates: int, presence: float
) -> FloatArray:
    """Probability that another run has so few draws on one side that its limit passes the comparator.

    Parameters
    ----------
    counts, present : ndarray of int, shape (n_facilities,)
        Draws of this run on that side or at the comparator, and all its draws.
    tail : float
        Share of the draws beyond the limit.
    n_replicates : int
        Replicates of the other run.
    presence : float
        Probability that a facility is in a replicate.

    Returns
    -------
    ndarray, shape (n_facilities,)

    Examples
    --------
    >>> chance = chance_of_passing(np.array([0, 32, 90]), np.full(3, 1264), 0.025, 2000, 0.632)
    >>> chance.round(3).tolist()
    [1.0, 0.48, 0.0]
    """
    distance = _distance(counts, present, tail)
    passing = (distance < 0).astype(np.float64)
    near = np.flatnonzero((np.abs(distance) < FAR) & (present > 0))
    nodes, weights = hermegauss(POSTERIOR_NODES)
    share = _posterior_quantile(counts[near, None], present[near, None], ndtr(nodes))
    passing[near] = 0.0
    for chance, draws, allowed in _allowances(tail, n_replicates, presence):
        passing[near] += chance * np.einsum("jq,q->j", _at_most(allowed, draws, share), weights / weights.sum())
    return passing


def draws_to_settle(counts: IntArray, present: IntArray, tail: float) -> FloatArray:
    """Draws of a facility at which two runs agree on one side but for `SETTLED_RISK`.

    Parameters
    ----------
    counts, present : ndarray of int, shape (n_facilities,)
    tail : float

    Returns
    -------
    ndarray, shape (n_facilities,)
        inf where the share is within one posterior standard deviation of the tail.

    Examples
    --------
    >>> draws_to_settle(np.array([10, 32, 60]), np.full(3, 1264), 0.025).round().tolist()
    [459.0, inf, 824.0]
    """
    below = (counts + 0.5) / (present + 1.0) < tail
    nearer = _posterior_quantile(counts, present, ndtr(np.where(below, 1.0, -1.0)))
    out = np.full(len(counts), np.inf)
    known = np.flatnonzero(np.where(below, nearer < tail, nearer > tail))
    nearer = nearer[known]
    # with fewer draws than 1 / tail the limit is the outermost draw
    low, high = np.full(len(known), 1.0 / tail), np.full(len(known), MAX_REPLICATES)
    while np.any(high > low * 1.001):
        middle = np.sqrt(low * high)
        # the average of floor(n t) over numbers of draws n close by
        agree = _at_most(middle * tail - 0.5, middle, nearer)
        settled = 2.0 * agree * (1.0 - agree) <= SETTLED_RISK
        low, high = np.where(settled, low, middle), np.where(settled, middle, high)
    out[known] = high
    return out


def chance_of_lying_near(counts: IntArray, present: IntArray, tail: float, more_draws: float) -> FloatArray:
    """Probability that a facility would still be unsettled on one side with more draws.

    That is so when its share lies within sqrt(2) z standard errors of the tail, z the normal quantile of
    `UNSETTLED_RISK`: the shares that two runs find differ by sqrt(2) standard errors.

    Parameters
    ----------
    counts, present : ndarray of int, shape (n_facilities,)
    tail : float
    more_draws : float

    Returns
    -------
    ndarray, shape (n_facilities,)
    """
    half = -np.sqrt(2.0) * ndtri(UNSETTLED_RISK) / (2.0 * np.sqrt(more_draws))
    middle = np.arcsin(np.sqrt(tail))
    low, high = np.sin(np.clip([middle - half, middle + half], 0.0, np.pi / 2.0)) ** 2
    after, before = counts + 0.5, present - counts + 0.5
    return betainc(after, before, high) - betainc(after, before, low)


def stability_warning(stability: Stability, n_bootstrap: int) -> str:
    """Sentence on the facilities whose category depends on the seed; empty when there are none.

    Examples
    --------
    >>> print(stability_warning(Stability(np.array([0.3, 0.2, 0.0]), np.full(3, np.nan), 0.7), 2000))
    2 of 3 facilities would change category under another seed with a probability of 5 % or more; \
20,000 bootstrap replicates would leave about 1
    """
    unsettled = int(np.sum(stability.flip_probability >= UNSETTLED_RISK))
    if unsettled == 0:
        return ""
    left = round(stability.unsettled_with_more)
    return (
        f"{unsettled:,} of {len(stability.flip_probability):,} facilities would change category under another seed "
        f"with a probability of {100 * UNSETTLED_RISK:g} % or more; "
        f"{MORE * n_bootstrap:,} bootstrap replicates would leave about {left:,}"
    )


def _presence(n_facilities: int) -> float:
    return 1.0 - (1.0 - 1.0 / n_facilities) ** n_facilities


def _distance(counts: IntArray, present: IntArray, tail: float) -> FloatArray:
    """Standard errors from the tail to the share observed, on the scale where they are equal."""
    share = (counts + 0.5) / (present + 1.0)
    return 2.0 * np.sqrt(present) * (np.arcsin(np.sqrt(share)) - np.arcsin(np.sqrt(tail)))


def _posterior_quantile(counts: Any, present: Any, probability: Any) -> FloatArray:
    return betaincinv(counts + 0.5, present - counts + 0.5, probability)


def _at_most(allowed: Any, draws: Any, share: FloatArray) -> FloatArray:
    """P(count <= allowed) of a binomial count, continued between whole numbers."""
    allowed = np.clip(allowed, -0.999, np.asarray(draws) - 1e-9)
    return betainc(draws - allowed, allowed + 1.0, 1.0 - share)


def _allowances(tail: float, n_replicates: int, presence: float) -> list[tuple[float, float, float]]:
    """Draws a limit may leave behind, by how often a facility is drawn: (probability, mean draws, allowed)."""
    # heavy to load, and needed after a bootstrap only
    from scipy.stats import binom

    numbers = np.arange(1, n_replicates + 1)
    weight = binom.pmf(numbers, n_replicates, presence)
    weight /= weight.sum()
    rank = percentile_rank(numbers, tail)
    whole = np.floor(rank)
    allowed, group = np.unique(whole - 0.5 * (whole == rank), return_inverse=True)
    chance = np.bincount(group, weight)
    draws = np.bincount(group, weight * numbers)
    likely = chance > NEGLIGIBLE
    scale = chance[likely].sum()
    return [(p / scale, d / p, a) for p, d, a in zip(chance[likely], draws[likely], allowed[likely], strict=True)]


def _where(values: FloatArray, too_few: NDArray[np.bool_], unknown: NDArray[np.bool_]) -> FloatArray:
    return np.where(unknown, np.nan, np.where(too_few, 0.0, values))
