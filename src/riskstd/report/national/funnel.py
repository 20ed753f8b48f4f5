"""The funnel plot in numbers: points and exact control limits.

With O_j observed visits and E_j expected visits of facility j (its cases times its mean expected
probability, scaled by one factor so that all E_j add up to all O_j), the point of a facility is
`target * O_j / E_j`; target is the national rate in the scale of the measure, or 1 for a ratio. This is
the observed rate after risk adjustment and before shrinkage.

Control limits at probability p are quantiles of the number of visits if the facility were an average
one: binomial(n, national rate) against n cases, divided by n and in the scale of the measure; Poisson(E)
against E expected visits, divided by E, for a ratio. The limit is x / n (or x / E) with F(x) = p, and 0
where p < F(0). F is the distribution function, continued between whole numbers by the incomplete beta
(gamma) function. At whole numbers it is exact, so the limits agree there with those of Spiegelhalter
(Statistics in Medicine 2005;24:1185, appendix A.1.1), who joins them by straight lines. Limits hold chance
only: facilities that truly differ lie outside more often.

Overdispersion (same paper, section 4.2): phi is the mean square of the facilities' z-scores
(O_j - E_j) / sqrt(V_j), after the lowest and the highest tenth of them were moved to the 10th and the 90th
percentile; V_j is E_j (1 - E_j / n_j) for a rate, E_j for a ratio. Where phi is above 1, limits widened by it
stand at the probability whose normal score is sqrt(phi) times that of p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrik, ndtr, ndtri, pdtr, pdtrik

from riskstd.report.content import comparator_of, scale_factor
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

LIMIT_LEVELS = (0.95, 0.998)
"""Levels of the two pairs of control limits, two-sided."""

WINSORISED = 0.1
"""Share of the z-scores that is moved to a percentile, at either end."""

_GRID_POINTS = 240
_FARTHEST_SCORE = 6.5
"""Normal score up to which quantiles are exact in double precision."""


@dataclass(frozen=True, eq=False)
class Funnel:
    """Points and control limits of a funnel plot.

    Attributes
    ----------
    volume, value : ndarray, shape (n_facilities,)
        Cases, or expected visits for a ratio; observed rate after risk adjustment, on the measure's scale.
    target : float
    grid : ndarray, shape (n_grid,)
    limits : dict of float to (lower, upper)
        Per level, each of shape (n_grid,).
    outside : dict of float to ndarray of bool, shape (n_facilities,)
        Per level, whether a facility lies outside the limits at its own volume.
    by_expected : bool
        Whether volume is expected visits.
    dispersion : float
        phi, the spread of the facilities in multiples of the variance that chance gives; 1 if not above it.
    widened : bool
        Whether the limits are widened by it.
    """

    volume: FloatArray
    value: FloatArray
    target: float
    grid: FloatArray
    limits: dict[float, tuple[FloatArray, FloatArray]]
    outside: dict[float, NDArray[np.bool_]]
    by_expected: bool
    dispersion: float = 1.0
    widened: bool = False


def calibration_of(rates: pd.DataFrame) -> float:
    """Return observed over expected visits of all facilities: the factor that makes both sums equal."""
    observed = float(np.sum(rates["observed"].to_numpy(float)))
    expected = float(rates["cases"].to_numpy(float) @ rates["expected"].to_numpy(float))
    return observed / expected if observed > 0 else 1.0


def dispersion_of(observed: FloatArray, expected: FloatArray, cases: FloatArray | None = None) -> float:
    """Return phi, the mean square of winsorised z-scores; 1 if not above 1.

    Parameters
    ----------
    observed, expected : ndarray, shape (n_facilities,)
        Visits.
    cases : ndarray, shape (n_facilities,), optional
        For the variance of a binomial count; that of a Poisson count when left out.

    Examples
    --------
    >>> expected = np.full(4, 4.0)
    >>> dispersion_of(np.array([4.0, 5.0, 3.0, 4.0]), expected)
    1.0
    >>> round(dispersion_of(np.array([0.0, 8.0, 0.0, 8.0]), expected), 6)
    4.0
    """
    if len(observed) == 0:
        return 1.0
    variance = expected if cases is None else expected * (1.0 - np.minimum(expected / cases, 1.0 - 1e-9))
    z = (observed - expected) / np.sqrt(variance)
    low, high = np.quantile(z, [WINSORISED, 1.0 - WINSORISED])
    return max(1.0, float(np.mean(np.clip(z, low, high) ** 2)))


def funnel_of(
    rates: pd.DataFrame,
    measure: Measure,
    *,
    national_rate: float | None,
    calibration: float = 1.0,
    overdispersion: bool = False,
) -> Funnel:
    """Work out the funnel of a measure.

    Parameters
    ----------
    rates : pandas.DataFrame
        Table `facility_rates`.
    measure : Measure
    national_rate : float or None
        A proportion, whatever the scale; not used for a ratio.
    calibration : float
        Factor on expected visits, of all facilities (`calibration_of`).
    overdispersion : bool
        Whether the limits are widened by the spread beyond chance.

    Returns
    -------
    Funnel
    """
    observed, cases = rates["observed"].to_numpy(float), rates["cases"].to_numpy(float)
    expected = cases * rates["expected"].to_numpy(float) * calibration
    by_expected, target = measure.scale.kind == "ratio", comparator_of(measure, national_rate)
    volume = expected if by_expected else cases
    rate = None if by_expected else national_rate
    factor = scale_factor(measure)
    grid = np.geomspace(volume.min(), volume.max(), _GRID_POINTS) if len(volume) else np.zeros(0)
    value = target * observed / expected
    phi = dispersion_of(observed, expected, None if by_expected else cases)
    limits, outside = {}, {}
    for level in LIMIT_LEVELS:
        wide = widened_level(level, phi) if overdispersion else level
        limits[level] = control_limits(grid, wide, rate=rate, factor=factor)
        lower, upper = control_limits(volume, wide, rate=rate, factor=factor)
        outside[level] = (value < lower) | (value > upper)
    return Funnel(volume, value, target, grid, limits, outside, by_expected, phi, overdispersion)


def widened_level(level: float, phi: float) -> float:
    """Return the two-sided level whose normal score is sqrt(phi) times that of `level`.

    Examples
    --------
    >>> round(widened_level(0.95, 1.0), 6), round(widened_level(0.95, 4.0), 6)
    (0.95, 0.999911)
    """
    score = max(np.sqrt(phi) * ndtri((1.0 - level) / 2.0), -_FARTHEST_SCORE)
    return float(1.0 - 2.0 * ndtr(score))


def control_limits(
    volume: FloatArray, level: float, *, rate: float | None, factor: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper control limit at each volume.

    Parameters
    ----------
    volume : ndarray, shape (n,)
        Cases, or expected visits when `rate` is None.
    level : float
        Two-sided level, for example 0.95.
    rate : float or None
        Proportion that an average facility has; None for limits on a ratio.
    factor : float
        Events per how many cases the scale states.

    Returns
    -------
    lower, upper : ndarray, shape (n,)

    Examples
    --------
    >>> lower, upper = control_limits(np.array([100.0]), 0.95, rate=0.1, factor=100.0)
    >>> round(float(lower[0]), 2), round(float(upper[0]), 2)
    (4.05, 15.72)
    """
    tail = (1.0 - level) / 2.0
    low, high = (_quantile(volume, p, rate) * factor for p in (tail, 1.0 - tail))
    return low, high


def _quantile(volume: FloatArray, probability: float, rate: float | None) -> FloatArray:
    """Visits per case, or per expected visit, at a probability; 0 where no visit at all is likelier."""
    if rate is None:
        at_none = pdtr(0, volume)
        visits = pdtrik(probability, volume)
    else:
        at_none = (1.0 - rate) ** volume
        visits = bdtrik(probability, volume, rate)
    return np.where(probability <= at_none, 0.0, visits) / volume
