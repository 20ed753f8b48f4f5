"""The result of standardization: one row per facility, and how sure its category is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import OptionError
from riskstd.rates.stability import SETTLED_RISK, UNSETTLED_RISK

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FloatArray = NDArray[np.floating[Any]]
COLUMNS = (
    "facility_id",
    "cases",
    "observed",
    "observed_rate",
    "predicted",
    "expected",
    "ratio",
    "rate",
    "lower",
    "upper",
    "category",
    "reliability",
    "effect",
    "effect_se",
)
"""Columns of the table `facility_rates`."""
STABILITY_COLUMNS = ("flip_probability", "replicates_to_settle")


@dataclass(frozen=True, eq=False)
class FacilityRates:
    """Risk-standardized rates; arrays of shape (n_facilities,) in the order of `facility_id`.

    Parameters
    ----------
    facility_id : ndarray
        Labels, sorted.
    cases, observed : ndarray
        Cases and events, counts.
    observed_rate : ndarray
        Events per case in the scale; observed / expected events when the scale is "ratio".
    predicted, expected : ndarray
        Means (proportions) with the facility's effect and at the average intercept.
    ratio : ndarray
        predicted / expected.
    rate, lower, upper : ndarray
        Ratio x national rate in the scale, and its interval at the display level; NaN limits
        with `interval="none"`.
    category : ndarray of str or None
        Read from the unrounded interval at the category level.
    reliability : ndarray
        tau^2 / (tau^2 + 1 / sum p(1-p)), the sum over the facility's cases at the average
        intercept: the share of the variance on the log-odds scale that is not chance.
    effect, effect_se : ndarray
        Conditional mode, and the square root of the variance chosen by `variance`.
    flip_probability : ndarray
        Probability that the category would differ under another seed, with as many bootstrap
        replicates; NaN for other intervals, which have no seed.
    replicates_to_settle : ndarray
        Bootstrap replicates at which two seeds would give different categories with a probability of
        1 % or less; inf where this run cannot tell on which side of the line the facility
        lies, so that no number can be named; NaN for other intervals.
    national_rate : float
        Proportion the ratios are multiplied by.
    comparator : float
        What limits are compared with for the category, in the scale.
    scale, interval, variance : str
    level, category_level : float
    n_bootstrap, n_dropped, n_flagged, n_retried : int
        Replicates asked for; without convergence; with a separated risk factor held at the
        full fit's coefficient; refitted from the beginning.
    seed : int or None
    warnings : tuple of str
    measure : Measure or None
        As given to `standardize`.
    """

    facility_id: NDArray[Any]
    cases: NDArray[Any]
    observed: NDArray[Any]
    observed_rate: FloatArray
    predicted: FloatArray
    expected: FloatArray
    ratio: FloatArray
    rate: FloatArray
    lower: FloatArray
    upper: FloatArray
    category: NDArray[np.object_]
    reliability: FloatArray
    effect: FloatArray
    effect_se: FloatArray
    flip_probability: FloatArray
    replicates_to_settle: FloatArray
    national_rate: float
    comparator: float
    scale: str
    interval: str
    variance: str
    level: float
    category_level: float
    n_bootstrap: int
    n_dropped: int
    n_flagged: int
    n_retried: int
    seed: int | None
    warnings: tuple[str, ...]
    measure: Any = None

    def __repr__(self) -> str:
        return (
            f"FacilityRates({len(self.facility_id)} facilities, scale={self.scale!r}, "
            f"national_rate={self.national_rate:.6g}, interval={self.interval!r}, "
            f"n_bootstrap={self.n_bootstrap}, n_dropped={self.n_dropped}, seed={self.seed})"
        )

    @property
    def n_unsettled(self) -> int:
        """Facilities whose category would differ under another seed with a probability of 5 % or more."""
        return int(np.sum(self.flip_probability >= UNSETTLED_RISK))

    def to_frame(self, *, stability: bool = False) -> pd.DataFrame:
        """One row per facility, with the columns of the table `facility_rates`.

        Parameters
        ----------
        stability : bool
            Add flip_probability and replicates_to_settle.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        columns = (*COLUMNS, *STABILITY_COLUMNS) if stability else COLUMNS
        return pd.DataFrame({name: getattr(self, name) for name in columns})

    def stability(self, *, risk: float = SETTLED_RISK) -> pd.DataFrame:
        """Facilities near the line, the most doubtful first.

        Parameters
        ----------
        risk : float
            Least probability of another category under another seed.

        Returns
        -------
        pandas.DataFrame
            facility_id, cases, rate, lower, upper, category, flip_probability, replicates_to_settle; no rows
            for an interval without a seed.
        """
        columns = ["facility_id", "cases", "rate", "lower", "upper", "category", *STABILITY_COLUMNS]
        frame = self.to_frame(stability=True)[columns]
        near = frame.loc[self.flip_probability >= risk]
        return near.sort_values("flip_probability", ascending=False, kind="stable", ignore_index=True)

    def plot_caterpillar(self, *, source: str = "") -> Figure:
        """Plot the facilities in order of their score, with their interval estimates.

        Parameters
        ----------
        source : str
            Line below the plot.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        OptionError
            When the rates were standardized without a measure, whose words and scale the plot needs.
        """
        from riskstd.report.national.plots import plot_caterpillar
        from riskstd.spec import Measure

        if not isinstance(self.measure, Measure):
            raise OptionError(
                "no measure to take words and scale from", expected="standardize(..., measure=load_measure(...))"
            )
        return plot_caterpillar(
            self.to_frame(), self.measure, national_rate=self.national_rate, level=self.level, source=source
        )
