"""Efron's empirical null: the spread that most facilities show, taken from the facilities themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr, ndtri

from riskstd.errors import FitError, OptionError
from riskstd.model.assess.predictions import check_length
from riskstd.model.inputs import read_numbers, read_values
from riskstd.rates.alternatives.columns import ColumnResult, FloatArray, check_choice, read_labels
from riskstd.rates.alternatives.density import fit_density

METHODS = ("mle", "central-matching", "theoretical")
MIN_SCORES = 50
"""Fewer z-scores say next to nothing of a null distribution; Efron has hundreds or thousands in mind."""
LOG_ROOT = 0.5 * np.log(2.0 * np.pi)
CENTRAL_SHARE = 0.25
"""Share of the z-scores left out at either end by central matching."""


@dataclass(frozen=True, eq=False, repr=False)
class EmpiricalNull(ColumnResult):
    """Null distribution and local false discovery rates; arrays of shape (n_facilities,).

    Parameters
    ----------
    facility_id, z : ndarray
        Labels and scores as given.
    z_adjusted : ndarray
        (z - delta) / sigma.
    p_value : ndarray
        Two-sided, of `z_adjusted`.
    local_fdr : ndarray
        Probability of belonging to the null, given z; 1 within sigma of delta.
    delta, sigma, share_null : float
        Mean and standard deviation of the null; share of the facilities in it.
    method : str
    """

    columns: ClassVar[tuple[str, ...]] = ("facility_id", "z", "z_adjusted", "p_value", "local_fdr")

    facility_id: NDArray[Any]
    z: FloatArray
    z_adjusted: FloatArray
    p_value: FloatArray
    local_fdr: FloatArray
    delta: float
    sigma: float
    share_null: float
    method: str

    def flag(self, rate: float = 0.2) -> FloatArray:
        """1 (more events than expected) or -1 where `local_fdr` is at most `rate`, 0 otherwise."""
        if not 0 < rate < 1:
            raise OptionError(f"rate {rate!r}", expected="a number between 0 and 1, such as 0.2")
        return np.where(self.local_fdr <= rate, np.sign(self.z_adjusted), 0.0)


def empirical_null(
    z: Any, *, facility: Any = None, method: str = "mle", bins: int | None = None, degrees_of_freedom: int = 7
) -> EmpiricalNull:
    """Estimate the null distribution of z-scores, and the local false discovery rate of each.

    Parameters
    ----------
    z : array, shape (n_facilities,)
        Scores that would be standard normal if facilities differed by chance alone, such as `ExactTest.z`.
    facility : array of labels, shape (n_facilities,), optional
    method : {"mle", "central-matching", "theoretical"}
        From the likelihood of the scores in the middle; from a parabola through the logarithm of the
        density there; N(0, 1) with the share of the null alone estimated.
    bins : int, optional
        Of the histogram behind the density; 119 when left out, fewer below 1,000 scores (one per
        eight, 20 at least).
    degrees_of_freedom : int
        Of the spline in the density.

    Returns
    -------
    EmpiricalNull

    Raises
    ------
    FitError
        Fewer than 50 scores, scores that are not finite, a middle that is not like a normal distribution.
    OptionError

    Notes
    -----
    Model: density f(z) = pi0 N(delta, sigma^2) + (1 - pi0) f1(z), where f1 has little mass in the middle (Efron, JASA
    2004;99:96). "mle" maximizes N0 log(theta) + (N - N0) log(1 - theta) + sum over the N0 scores inside
    [a, b] of log N(z) / H0, H0 the mass of N inside and theta = pi0 H0 (Efron, Annals of Statistics
    2007;35:1351). [a, b] is median -+ 4.3 exp(-0.26 log10 N) x interquartile range / 1.349, then
    once more with the estimates in place of these. The local false discovery rate is pi0 f0 / f, f by Lindsey's
    method: a Poisson regression of the counts of a histogram on a natural spline (Efron, Large-Scale
    Inference, Cambridge 2010, sections 5.2, 6.2 and 6.3).

    Facilities that truly differ a little, all of them, widen the null: what is flagged is out of line with the
    bulk of facilities, which are taken to be acceptable as they are (Kalbfleisch and Wolfe, Statistics in
    Biosciences 2013;5:286).

    Examples
    --------
    >>> middle = ndtri((np.arange(2000) + 0.5) / 2000)
    >>> null = empirical_null(np.append(1.3 * middle, [6.0, 7.0, 8.0]))
    >>> round(null.delta, 2), round(null.sigma, 2), null.flag(0.2)[-3:].tolist()
    (0.0, 1.3, [1.0, 1.0, 1.0])
    """
    check_choice("method", method, METHODS)
    scores = _read_scores(z)
    count = min(119, max(20, len(scores) // 8)) if bins is None else bins
    density = fit_density(scores, count, degrees_of_freedom)
    if method == "mle":
        delta, sigma, share = null_by_likelihood(scores)
    elif method == "central-matching":
        delta, sigma, share = _central_matching(scores, density.middle, density.counts)
    else:
        delta, sigma, share = 0.0, 1.0, _theoretical_share(scores, density.middle, density.counts)
    adjusted = (scores - delta) / sigma
    null = share * np.exp(-0.5 * adjusted**2 - LOG_ROOT) / sigma
    local = np.minimum(1.0, null / density.at(scores))
    return EmpiricalNull(
        facility_id=read_labels(facility, len(scores)),
        z=scores,
        z_adjusted=adjusted,
        p_value=2.0 * ndtr(-np.abs(adjusted)),
        local_fdr=np.where(np.abs(adjusted) <= 1.0, 1.0, local),
        delta=delta,
        sigma=sigma,
        share_null=share,
        method=method,
    )


def null_by_likelihood(z: FloatArray) -> tuple[float, float, float]:
    """Mean, standard deviation and share of the null from the scores in the middle.

    Returns
    -------
    delta, sigma, share : float
    """
    low, middle, high = np.quantile(z, [0.25, 0.5, 0.75])
    width = 4.3 * np.exp(-0.26 * np.log10(len(z)))
    delta, sigma = float(middle), float((high - low) / (2.0 * ndtri(0.75)))
    ends = (delta - width * sigma, delta + width * sigma)
    delta, sigma = truncated_normal(z[(z >= ends[0]) & (z <= ends[1])], ends)
    ends = (delta - width * sigma, delta + width * sigma)
    delta, sigma = truncated_normal(z[(z >= ends[0]) & (z <= ends[1])], ends)
    inside = float(np.mean((z >= ends[0]) & (z <= ends[1])))
    mass = float(ndtr((ends[1] - delta) / sigma) - ndtr((ends[0] - delta) / sigma))
    return float(delta), float(sigma), inside / mass


def truncated_normal(inside: FloatArray, ends: tuple[float, float]) -> tuple[float, float]:
    """Maximum likelihood mean and standard deviation of a normal distribution seen between two ends only.

    Raises
    ------
    FitError
        Scores that lie the flatter the nearer the middle.

    Examples
    --------
    >>> scores = ndtri((np.arange(900) + 0.5) / 900)
    >>> delta, sigma = truncated_normal(scores[np.abs(scores) < 1], (-1.0, 1.0))
    >>> abs(delta) < 1e-6, 0.97 < sigma < 1.03
    (True, True)
    """
    if len(inside) < 3 or np.ptp(inside) == 0:
        raise FitError("z-scores without spread in the middle", expected="scores that vary")
    unit = (ends[1] - ends[0]) / 2.0
    middle = (ends[0] + ends[1]) / 2.0
    t = (inside - middle) / unit
    first, second = float(t.mean()), float(np.mean(t**2))

    def loss(parameters: FloatArray) -> float:
        mean, log_sd = parameters
        sd = float(np.exp(log_sd))
        upper, lower = (1.0 - mean) / sd, (-1.0 - mean) / sd
        mass = log_ndtr(upper) + np.log1p(-np.exp(min(log_ndtr(lower) - log_ndtr(upper), -1e-300)))
        return 0.5 * (second - 2 * first * mean + mean**2) / sd**2 + log_sd + mass

    start = np.array([first, np.log(max(np.std(t), 0.05))])
    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000})
    mean, sd = float(found.x[0]), float(np.exp(found.x[1]))
    if not found.success or sd > 20.0 or abs(mean) > 20.0:
        raise FitError(
            "the middle of the z-scores is not like a normal distribution",
            expected="a density with one peak in the middle",
            hint="method='central-matching', or 'theoretical'",
        )
    return float(middle + unit * mean), float(unit * sd)


def _central_matching(z: FloatArray, x: FloatArray, density: FloatArray) -> tuple[float, float, float]:
    """Parabola through the logarithm of the fitted counts between the quartiles of the scores."""
    low, high = np.quantile(z, [CENTRAL_SHARE, 1.0 - CENTRAL_SHARE])
    inside = (x > low) & (x < high)
    if inside.sum() < 4:
        raise FitError(f"{int(inside.sum())} bins between the quartiles", expected="4 or more", hint="more bins")
    peak = x[np.argmax(density)]
    c2, c1, c0 = np.polyfit(x[inside] - peak, np.log(density[inside]), 2)
    if c2 >= 0:
        raise FitError(
            "the middle of the z-scores is not like a normal distribution",
            expected="a density with one peak in the middle",
            hint="method='mle', or 'theoretical'",
        )
    share = np.sum(np.exp(c0 + c1 * (x - peak) + c2 * (x - peak) ** 2)) / density.sum()
    return float(peak - c1 / (2.0 * c2)), float(1.0 / np.sqrt(-2.0 * c2)), float(share)


def _theoretical_share(z: FloatArray, x: FloatArray, density: FloatArray) -> float:
    """Share of N(0, 1) that matches the fitted counts between the quartiles."""
    low, high = np.quantile(z, [CENTRAL_SHARE, 1.0 - CENTRAL_SHARE])
    inside = (x > low) & (x < high)
    standard = np.exp(-0.5 * x**2)
    return float(density[inside].sum() / density.sum() / (standard[inside].sum() / standard.sum()))


def _read_scores(z: Any) -> FloatArray:
    values = np.atleast_1d(read_values(z, "z"))
    check_length(values, "z", len(values))
    scores = read_numbers(values, "z", len(values))
    if len(scores) < MIN_SCORES:
        raise FitError(
            f"{len(scores)} z-scores",
            expected=f"{MIN_SCORES} or more",
            hint="exact_test and false_discovery need no distribution of facilities",
        )
    return scores
