"""Priors of the Bayesian model, on the scale of standardised risk factors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import OptionError

FloatArray = NDArray[np.floating[Any]]
MAX_LOG_TAU = 50.0
"""Log tau beyond which tau is held, so that a leap of a sampler stays a float."""
TAU_FAMILIES = ("half-normal", "half-t")


@dataclass(frozen=True)
class Priors:
    """Priors of the intercept, the coefficients and the spread between facilities.

    Parameters
    ----------
    mu_mean, mu_sd : float
        Normal prior of the log-odds of a case with average risk factors, at the average facility.
    beta_mean, beta_sd : float or tuple of float, one per risk factor
        Normal prior of the log-odds per standard deviation of a risk factor, over the cases.
    tau_family : {"half-normal", "half-t"}
    tau_scale : float
        Scale of the prior of tau, the standard deviation between facilities, in log-odds.
    tau_df : float
        Degrees of freedom of "half-t".

    Raises
    ------
    OptionError
        A value that is no number, or a scale that is not positive.

    Notes
    -----
    The defaults say little: the average risk lies between 0.00006 and 0.99994, a standard deviation of a
    risk factor changes the odds less than sevenfold, tau is below 2, each with a probability of 95 %.
    For standardised coefficients see Gelman A, Jakulin A, Pittau MG, Su Y-S, Ann Appl Stat 2008;2:1360-1383, for the
    half-t family Gelman A, Bayesian Anal 2006;1:515-534.

    Examples
    --------
    >>> Priors().describe()[-1]
    'tau ~ half-normal(1)'
    >>> Priors(tau_family="half-t", tau_scale=2.5).describe()[-1]
    'tau ~ half-t(3 df, 2.5)'
    """

    mu_mean: float = 0.0
    mu_sd: float = 5.0
    beta_mean: float | tuple[float, ...] = 0.0
    beta_sd: float | tuple[float, ...] = 1.0
    tau_family: str = "half-normal"
    tau_scale: float = 1.0
    tau_df: float = 3.0

    def __post_init__(self) -> None:
        if self.tau_family not in TAU_FAMILIES:
            raise OptionError(f"tau_family {self.tau_family!r}", expected="one of " + ", ".join(TAU_FAMILIES))
        for name in ("mu_mean", "beta_mean"):
            _check(name, getattr(self, name), -math.inf, "a finite number")
        for name in ("mu_sd", "beta_sd", "tau_scale", "tau_df"):
            _check(name, getattr(self, name), 0.0, "a finite number above 0")

    def per_factor(self, n_factors: int) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the prior of each coefficient, two arrays of shape (n_factors,).

        Raises
        ------
        OptionError
            When as many were given as there are not risk factors.
        """
        return _spread("beta_mean", self.beta_mean, n_factors), _spread("beta_sd", self.beta_sd, n_factors)

    def log_tau_density(self, log_tau: float) -> tuple[float, float]:
        """Log density of log tau without constants, and its derivative.

        Examples
        --------
        >>> Priors(tau_scale=1.0).log_tau_density(0.0)
        (-0.5, 0.0)
        """
        # twice the log stays below the largest exponent of a float
        square = (math.exp(min(log_tau, MAX_LOG_TAU)) / self.tau_scale) ** 2
        if self.tau_family == "half-normal":
            return log_tau - 0.5 * square, 1.0 - square
        many = self.tau_df + 1.0
        value = log_tau - 0.5 * many * math.log1p(square / self.tau_df)
        return value, 1.0 - many * square / (self.tau_df + square)

    def describe(self) -> tuple[str, ...]:
        """One line of text per prior."""
        tail = f"{self.tau_df:g} df, " if self.tau_family == "half-t" else ""
        mean, sd = (
            f"{value:g}" if isinstance(value, int | float) else "one per factor"
            for value in (self.beta_mean, self.beta_sd)
        )
        return (
            f"mu at average risk factors ~ normal({self.mu_mean:g}, {self.mu_sd:g})",
            f"beta per standard deviation ~ normal({mean}, {sd})",
            f"tau ~ {self.tau_family}({tail}{self.tau_scale:g})",
        )


def _check(name: str, value: Any, above: float, expected: str) -> None:
    values: tuple[Any, ...] = value if isinstance(value, tuple) and name.startswith("beta") else (value,)
    for one in values:
        is_number = isinstance(one, int | float | np.floating | np.integer) and not isinstance(one, bool)
        if not is_number or not above < float(one) < math.inf:
            raise OptionError(f"prior {name} {one!r}", expected=expected)


def _spread(name: str, value: float | tuple[float, ...], n_factors: int) -> FloatArray:
    if not isinstance(value, tuple):
        return np.full(n_factors, float(value))
    if len(value) != n_factors:
        raise OptionError(
            f"prior {name} of {len(value)} values",
            expected=f"one number for all, or {n_factors}, one per risk factor in the order of the columns",
        )
    return np.array(value, dtype=np.float64)
