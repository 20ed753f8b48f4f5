"""A smooth density by Lindsey's method: Poisson regression of histogram counts on a natural spline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskstd.errors import FitError, OptionError
from riskstd.rates.alternatives.columns import FloatArray

MAX_ITERATIONS = 100


@dataclass(frozen=True, eq=False, repr=False)
class Density:
    """Fitted counts of the bins.

    Parameters
    ----------
    middle, counts : ndarray, shape (n_bins,)
        Middle of each bin, and the fitted count.
    width : float
    total : int
        Values behind it.
    """

    middle: FloatArray
    counts: FloatArray
    width: float
    total: int

    def at(self, x: FloatArray) -> FloatArray:
        """Density at values inside the range, log-linear between middles of bins."""
        return np.exp(np.interp(x, self.middle, np.log(self.counts))) / (self.width * self.total)


def fit_density(values: FloatArray, bins: int, degrees_of_freedom: int) -> Density:
    """Fit the density of values.

    Parameters
    ----------
    values : ndarray, shape (n,)
    bins : int
    degrees_of_freedom : int
        Columns of the spline beside the constant.

    Returns
    -------
    Density

    Raises
    ------
    FitError
        Values without spread.
    OptionError
        Bins too few for the degrees of freedom.

    Notes
    -----
    Lindsey, Journal of the Royal Statistical Society B 1974;36:38; Efron, Large-Scale Inference, Cambridge 2010,
    section 5.2.

    Examples
    --------
    >>> found = fit_density(np.linspace(0.0, 1.0, 101), bins=10, degrees_of_freedom=3)
    >>> round(float(found.counts.sum()), 6), found.at(np.array([0.5])).round(1).tolist()
    (101.0, [1.0])
    """
    if degrees_of_freedom < 2 or bins < degrees_of_freedom + 3:
        raise OptionError(
            f"{bins} bins with {degrees_of_freedom} degrees of freedom",
            expected="2 degrees of freedom or more, and at least 3 bins more than these",
        )
    if np.ptp(values) == 0:
        raise FitError("z-scores without spread", expected="scores that vary")
    counts, edges = np.histogram(values, bins)
    middle = 0.5 * (edges[1:] + edges[:-1])
    basis = natural_spline(middle, degrees_of_freedom)
    return Density(middle, _poisson_fit(basis, counts.astype(np.float64)), float(edges[1] - edges[0]), len(values))


def natural_spline(x: FloatArray, degrees_of_freedom: int) -> FloatArray:
    """Columns that span the natural cubic splines with knots at quantiles of x, the constant included.

    Returns
    -------
    ndarray, shape (n, degrees_of_freedom + 1)
        Orthonormal.

    Notes
    -----
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd ed. 2009, eq. 5.4 and 5.5.

    Examples
    --------
    >>> natural_spline(np.linspace(0, 1, 20), 3).shape
    (20, 4)
    """
    t = (x - x.min()) / np.ptp(x)
    knots = np.quantile(t, np.linspace(0.0, 1.0, degrees_of_freedom + 1))
    last = knots[-1]
    cubes = np.maximum(t[:, None] - knots, 0.0) ** 3
    slopes = (cubes[:, :-1] - cubes[:, -1:]) / (last - knots[:-1])
    columns = np.column_stack([np.ones_like(t), t, slopes[:, :-1] - slopes[:, -1:]])
    return np.linalg.qr(columns)[0]


def _poisson_fit(basis: FloatArray, counts: FloatArray) -> FloatArray:
    """Fitted means of a Poisson regression by iterated least squares."""
    mean = counts + 0.1
    eta = np.log(mean)
    deviance = np.inf
    for _ in range(MAX_ITERATIONS):
        working, root = eta + (counts - mean) / mean, np.sqrt(mean)
        coefficients = np.linalg.lstsq(basis * root[:, None], working * root, rcond=None)[0]
        eta = basis @ coefficients
        mean = np.exp(np.clip(eta, -50.0, 50.0))
        previous, deviance = deviance, float(np.sum(mean - counts * eta))
        if abs(previous - deviance) <= 1e-12 * (abs(deviance) + 1.0):
            return mean
    raise FitError("the density of the z-scores did not converge", hint="fewer degrees of freedom, or fewer bins")
