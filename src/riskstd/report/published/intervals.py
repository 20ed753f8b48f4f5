"""How wide intervals are for their number of cases: a closed form that published limits follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import ndtri

FloatArray = NDArray[np.float64]

FEWEST_INTERVALS = 10
"""Below it two numbers cannot be told from the widths."""


@dataclass(frozen=True)
class IntervalForm:
    """What the widths of intervals tell of the model behind them.

    Attributes
    ----------
    tau : float
        Standard deviation of the facility intercepts; slightly high when the limits come from a bootstrap.
    information_per_case : float
        p(1 - p), p being the rate of visits.
    median_relative_error : float
        Of the widths under these two numbers.
    n : int
        Intervals used.
    """

    tau: float
    information_per_case: float
    median_relative_error: float
    n: int

    def reliability(self, cases: Any) -> Any:
        """Return tau^2 / (tau^2 + 1 / (cases x information per case))."""
        return self.tau**2 / (self.tau**2 + 1.0 / (np.asarray(cases) * self.information_per_case))


def log_standard_error(lower: Any, upper: Any, level: float) -> FloatArray:
    """Return the standard error on the log scale that an interval stands for; NaN where there is none.

    Examples
    --------
    >>> log_standard_error([8.0], [12.0], 0.95).round(3).tolist()
    [0.103]
    """
    low, high = (np.asarray(limit, dtype=float) for limit in (lower, upper))
    good = (low > 0) & (high > low)
    width = np.full(low.shape, np.nan)
    width[good] = np.log(high[good] / low[good]) / (2 * z_of(level))
    return width


def closed_form(cases: Any, relative_score: Any, tau: float, information_per_case: float) -> FloatArray:
    """Return 1 / sqrt(n p(1-p) r/r0 + 1/tau^2), the standard error of a log score.

    Parameters
    ----------
    cases : array, shape (n_facilities,)
    relative_score : array, shape (n_facilities,)
        Score over the national value.
    tau, information_per_case : float

    Examples
    --------
    >>> closed_form([739], [1.0], 0.197, 0.0103).round(3).tolist()
    [0.173]
    """
    information = np.asarray(cases, dtype=float) * information_per_case * np.asarray(relative_score, dtype=float)
    return 1.0 / np.sqrt(information + tau**-2)


def fit_interval_form(
    cases: Any, score: Any, lower: Any, upper: Any, *, comparator: float, level: float = 0.95
) -> IntervalForm | None:
    """Find tau and p(1 - p) from intervals by least squares of log widths.

    Parameters
    ----------
    cases, score, lower, upper : array, shape (n_facilities,)
        Facilities with anything missing are left out.
    comparator : float
        National value on the scale of the score.
    level : float

    Returns
    -------
    IntervalForm or None
        None for fewer than `FEWEST_INTERVALS` intervals, or intervals that do not depend on the cases.
    """
    n, r = (np.asarray(values, dtype=float) for values in (cases, score))
    width = log_standard_error(lower, upper, level)
    good = np.isfinite(width) & (n > 0) & (r > 0)
    if np.count_nonzero(good) < FEWEST_INTERVALS or np.ptp(n[good]) == 0:
        return None
    n, relative, width = n[good], r[good] / comparator, width[good]

    def residuals(logs: FloatArray) -> FloatArray:
        return np.log(width / closed_form(n, relative, *np.exp(logs)))

    start = np.log([np.quantile(width, 0.9), 0.02])
    bounds = (np.log([1e-4, 1e-8]), np.log([20.0, 0.25]))
    found = least_squares(residuals, np.clip(start, *bounds), bounds=bounds, loss="soft_l1", f_scale=0.05)
    tau, information = (float(value) for value in np.exp(found.x))
    error = np.median(np.abs(np.expm1(residuals(found.x))))
    return IntervalForm(tau, information, float(error), len(n))


def z_of(level: float) -> float:
    """Return the normal quantile of a two-sided level: 1.96 for 0.95."""
    return float(ndtri(0.5 + level / 2))
