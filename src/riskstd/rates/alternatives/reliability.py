"""How much of the differences between facilities is not chance: four views of reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError
from riskstd.model import HierarchicalFit
from riskstd.model.options import check_seed
from riskstd.rates.alternatives.columns import Cases, ColumnResult, FloatArray, check_replicates, read_cases
from riskstd.rates.intervals import score_fit
from riskstd.rates.standardize import reliability

MIN_FACILITIES = 3


@dataclass(frozen=True, eq=False, repr=False)
class SignalToNoise(ColumnResult):
    """Reliability from a hierarchical fit; arrays of shape (n_facilities,).

    Parameters
    ----------
    facility_id : ndarray
        Labels, sorted.
    cases, information : ndarray
        Cases, and sum of p (1 - p) at the average intercept.
    reliability : ndarray
        tau^2 / (tau^2 + 1 / information).
    median : float
        Of the reliabilities.
    latent_icc : float
        tau^2 / (tau^2 + pi^2 / 3).
    tau : float
    """

    columns: ClassVar[tuple[str, ...]] = ("facility_id", "cases", "information", "reliability")

    facility_id: NDArray[Any]
    cases: FloatArray
    information: FloatArray
    reliability: FloatArray
    median: float
    latent_icc: float
    tau: float

    def cases_needed(self, target: float = 0.7) -> float:
        """Cases at which a facility of average case mix reaches a reliability; infinite at tau = 0.

        The formula of Spearman and Brown on the log-odds scale: target / (1 - target) / (tau^2 x mean
        information of a case).
        """
        if self.tau == 0.0:
            return float("inf")
        per_case = float(self.information.sum() / self.cases.sum())
        return target / (1.0 - target) / (self.tau**2 * per_case)


@dataclass(frozen=True, eq=False, repr=False)
class SplitSample(ColumnResult):
    """Agreement of the halves of facilities over repeated splits; arrays of shape (n_splits,).

    Parameters
    ----------
    icc : ndarray
        Intraclass correlation ICC(2,1) of the two halves' ratios.
    pearson : ndarray
        Their correlation.
    full_sample : ndarray
        ICC stepped up to the whole sample, 2 r / (1 + r).
    mean_icc, mean_full_sample : float
        The mean ICC, and that stepped up; NaN where ICCs are not defined.
    n_facilities : int
        Facilities with enough cases.
    minimum_cases, seed : int
    """

    columns: ClassVar[tuple[str, ...]] = ("icc", "pearson", "full_sample")

    icc: FloatArray
    pearson: FloatArray
    full_sample: FloatArray
    mean_icc: float
    mean_full_sample: float
    n_facilities: int
    minimum_cases: int
    seed: int


@dataclass(frozen=True, eq=False, repr=False)
class ResampledReliability(ColumnResult):
    """Inter-unit reliability by resampling; arrays of shape (n_facilities,).

    Parameters
    ----------
    facility_id : ndarray
        Labels, sorted; facilities with enough cases.
    cases, ratio, variance : ndarray
        Cases, observed / expected, and its variance over resamples of the facility's cases.
    within, total : float
        Pooled variance within facilities, and total variance, of the ratio at a facility of typical size.
    inter_unit : float
        (total - within) / total, 0 where chance explains all of it.
    n_resamples, seed : int
    """

    columns: ClassVar[tuple[str, ...]] = ("facility_id", "cases", "ratio", "variance")

    facility_id: NDArray[Any]
    cases: FloatArray
    ratio: FloatArray
    variance: FloatArray
    within: float
    total: float
    inter_unit: float
    n_resamples: int
    seed: int


def signal_to_noise(fit: HierarchicalFit) -> SignalToNoise:
    """Reliability per facility, its median, and the latent intraclass correlation of a fit.

    Parameters
    ----------
    fit : HierarchicalFit

    Returns
    -------
    SignalToNoise

    Notes
    -----
    The column `reliability` of `standardize`, with what surrounds it. Adams, The Reliability of Provider Profiling,
    RAND TR-653, 2009; latent ICC: Goldstein, Browne and Rasbash, Understanding Statistics 2002;1:223.

    Examples
    --------
    >>> from riskstd.model import fit_hierarchical
    >>> fit = fit_hierarchical([1, 18, 8, 46, 8], np.zeros((5, 0)), list("ABCDE"), trials=[47, 148, 119, 810, 211])
    >>> found = signal_to_noise(fit)
    >>> bool(found.reliability[3] > found.reliability[0]), round(found.latent_icc, 6) == round(fit.icc, 6)
    (True, True)
    """
    scored = score_fit(fit, "posterior")
    values = reliability(fit.tau, scored.information)
    return SignalToNoise(
        facility_id=fit.facilities,
        cases=scored.cases,
        information=scored.information,
        reliability=values,
        median=float(np.median(values)),
        latent_icc=float(fit.icc),
        tau=float(fit.tau),
    )


def split_sample(
    y: Any,
    probability: Any,
    facility: Any,
    *,
    trials: Any = None,
    n_splits: int = 100,
    minimum_cases: int = 2,
    seed: int,
) -> SplitSample:
    """Split each facility's cases in random halves, and compare the halves' observed over expected.

    Parameters
    ----------
    y, probability, facility, trials
        As for `exact_test`.
    n_splits : int
    minimum_cases : int
        Facilities with fewer are left out; 2 at least.
    seed : int

    Returns
    -------
    SplitSample

    Raises
    ------
    FitError
        Fewer than three facilities with enough cases.
    OptionError

    Notes
    -----
    ICC(2,1) of Shrout and Fleiss, Psychological Bulletin 1979;86:420; the step to the whole sample: Spearman,
    British Journal of Psychology 1910;3:271, and Brown, 1910;3:296. Facilities count alike, so many small ones give a
    low figure; the odd case of a facility goes to the second half. A single split is a lottery: read the mean.
    The rows' order does not matter.

    Examples
    --------
    >>> found = split_sample([2, 9, 18], [0.5] * 3, ["A", "B", "C"], trials=[20] * 3, n_splits=20, seed=1)
    >>> bool(0.8 < found.mean_icc < found.mean_full_sample < 1.0)
    True
    """
    check_replicates("n_splits", n_splits, 1)
    check_replicates("minimum_cases", minimum_cases, 2)
    check_seed(seed)
    cases, pointer, y_case, p_case, kept = _single_cases(y, probability, facility, trials, minimum_cases)
    size = np.diff(pointer)
    owner = np.repeat(np.arange(len(cases.labels)), size)
    generator = np.random.default_rng(seed)
    place = np.arange(len(y_case)) - np.repeat(pointer[:-1], size)
    in_second = place >= np.repeat(size // 2, size)
    found = np.empty((n_splits, 2))
    for k in range(n_splits):
        order = np.lexsort((generator.random(len(y_case)), owner))
        cell = 2 * owner + in_second
        observed, expected = (np.bincount(cell, v[order], 2 * len(size)).reshape(-1, 2) for v in (y_case, p_case))
        halves = observed[kept] / expected[kept]
        found[k] = icc_2_1(halves), _pearson(halves)
    icc = float(np.mean(found[:, 0]))
    return SplitSample(
        icc=found[:, 0],
        pearson=found[:, 1],
        full_sample=spearman_brown(found[:, 0]),
        mean_icc=icc,
        mean_full_sample=float(spearman_brown(np.array([icc]))[0]),
        n_facilities=int(kept.sum()),
        minimum_cases=int(minimum_cases),
        seed=int(seed),
    )


def resampled_reliability(
    y: Any,
    probability: Any,
    facility: Any,
    *,
    trials: Any = None,
    n_resamples: int = 100,
    minimum_cases: int = 2,
    seed: int,
) -> ResampledReliability:
    """Inter-unit reliability: variance within facilities by resampling their cases.

    Parameters
    ----------
    y, probability, facility, trials
        As for `exact_test`.
    n_resamples : int
        Per facility, with replacement, as many cases as it has.
    minimum_cases : int
        Facilities with fewer are left out; 2 at least.
    seed : int

    Returns
    -------
    ResampledReliability

    Raises
    ------
    FitError
        Fewer than three facilities with enough cases.
    OptionError

    Notes
    -----
    With T_j the ratio and s_j^2 its variance over resamples: within = sum (n_j - 1) s_j^2 / sum (n_j - 1); total =
    sum n_j (T_j - T)^2 / (n' (J - 1)), T the mean weighted by n_j, n' = (sum n_j - sum n_j^2 / sum n_j) / (J - 1);
    inter_unit = (total - within) / total (He, Kalbfleisch, Yang and Fei, Statistics in Medicine 2019;38:844).

    Examples
    --------
    >>> found = resampled_reliability([2, 9, 18], [0.5] * 3, list("ABC"), trials=[20] * 3, n_resamples=50, seed=1)
    >>> bool(0.9 < found.inter_unit < 1.0)
    True
    """
    check_replicates("n_resamples", n_resamples, 2)
    check_replicates("minimum_cases", minimum_cases, 2)
    check_seed(seed)
    cases, pointer, y_case, p_case, kept = _single_cases(y, probability, facility, trials, minimum_cases)
    generator = np.random.default_rng(seed)
    at = np.flatnonzero(kept)
    ratio, variance = np.empty(len(at)), np.empty(len(at))
    for k, j in enumerate(at):
        observed, expected = y_case[pointer[j] : pointer[j + 1]], p_case[pointer[j] : pointer[j + 1]]
        drawn = generator.integers(0, len(observed), (n_resamples, len(observed)))
        ratio[k] = observed.sum() / expected.sum()
        variance[k] = np.var(observed[drawn].sum(axis=1) / expected[drawn].sum(axis=1), ddof=1)
    size = np.diff(pointer)[at].astype(np.float64)
    within, total = _variances(size, ratio, variance)
    return ResampledReliability(
        facility_id=cases.labels[at],
        cases=size,
        ratio=ratio,
        variance=variance,
        within=within,
        total=total,
        inter_unit=max(0.0, 1.0 - within / total) if total > 0 else 0.0,
        n_resamples=int(n_resamples),
        seed=int(seed),
    )


def icc_2_1(ratings: FloatArray) -> float:
    """Intraclass correlation of single ratings, raters random; NaN where nothing varies.

    Parameters
    ----------
    ratings : ndarray, shape (n_units, n_raters)

    Examples
    --------
    >>> shrout_fleiss = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> round(icc_2_1(np.array(shrout_fleiss, dtype=float)), 2)
    0.29
    """
    n, k = ratings.shape
    grand = ratings.mean()
    between = k * np.sum((ratings.mean(axis=1) - grand) ** 2)
    raters = n * np.sum((ratings.mean(axis=0) - grand) ** 2)
    rest = np.sum((ratings - grand) ** 2) - between - raters
    row, column, error = between / (n - 1), raters / (k - 1), rest / ((n - 1) * (k - 1))
    below = row + (k - 1) * error + k * (column - error) / n
    return float((row - error) / below) if below > 0 else float("nan")


def spearman_brown(correlation: FloatArray, times: float = 2.0) -> FloatArray:
    """Reliability of a sample `times` as long.

    Examples
    --------
    >>> spearman_brown(np.array([0.5]), 2.0).round(4).tolist()
    [0.6667]
    """
    return times * correlation / (1.0 + (times - 1.0) * correlation)


def _variances(size: FloatArray, ratio: FloatArray, variance: FloatArray) -> tuple[float, float]:
    """Variance within facilities and in all, of a facility of typical size."""
    free = size - 1.0
    mean = float(np.sum(size * ratio) / size.sum())
    typical = (size.sum() - np.sum(size**2) / size.sum()) / (len(size) - 1)
    total = float(np.sum(size * (ratio - mean) ** 2) / (typical * (len(size) - 1)))
    return float(np.sum(free * variance) / free.sum()), total


def _pearson(halves: FloatArray) -> float:
    if np.any(np.ptp(halves, axis=0) == 0):
        return float("nan")
    return float(np.corrcoef(halves[:, 0], halves[:, 1]).ravel()[1])


def _single_cases(
    y: Any, probability: Any, facility: Any, trials: Any, minimum: int
) -> tuple[Cases, NDArray[np.int64], FloatArray, FloatArray, NDArray[np.bool_]]:
    """One entry per case, facility by facility, in an order that the rows' order does not change."""
    cases = read_cases(y, probability, facility, trials)
    order = np.lexsort((cases.y, cases.n, cases.probability, cases.code))
    n = cases.n[order].astype(np.int64)
    rank = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    events = (rank < np.repeat(cases.y[order], n)).astype(np.float64)
    size = cases.total(cases.n).astype(np.int64)
    kept = size >= minimum
    if kept.sum() < MIN_FACILITIES:
        raise FitError(
            f"{int(kept.sum())} facilities with {minimum} cases or more", expected=f"{MIN_FACILITIES} or more"
        )
    return cases, np.append(0, np.cumsum(size)), events, np.repeat(cases.probability[order], n), kept
