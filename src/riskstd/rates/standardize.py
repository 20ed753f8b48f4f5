"""`standardize`: from a fit to rates, intervals, categories and reliability per facility."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import OptionError
from riskstd.model import HierarchicalFit
from riskstd.rates.bootstrap import VARIANCES, draw_replicates
from riskstd.rates.intervals import Limits, ScoredFit, bootstrap_limits, formula_limits, score_fit
from riskstd.rates.rules import Standardization, categorize, read_standardization

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FloatArray = NDArray[np.floating[Any]]
INTERVALS = ("bootstrap", "plug-in", "closed-form", "none")
MIN_REPLICATES = 20
"""A facility is in 63 % of the replicates; with fewer than 20 the limits are single draws."""
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

    def to_frame(self) -> pd.DataFrame:
        """One row per facility, with the columns of the table `facility_rates`.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS})

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
        from riskstd.report.plots import plot_caterpillar
        from riskstd.spec import Measure

        if not isinstance(self.measure, Measure):
            raise OptionError(
                "no measure to take words and scale from", expected="standardize(..., measure=load_measure(...))"
            )
        return plot_caterpillar(
            self.to_frame(), self.measure, national_rate=self.national_rate, level=self.level, source=source
        )


def standardize(
    fit: HierarchicalFit,
    *,
    measure: Any = None,
    scale: str | None = None,
    national_rate: float | None = None,
    interval: str = "bootstrap",
    n_bootstrap: int = 2000,
    level: float | None = None,
    seed: int | None = None,
    variance: str = "prediction",
    progress: Callable[[int, int], None] | None = None,
) -> FacilityRates:
    """Standardize: predicted / expected x national rate, with interval and category.

    Parameters
    ----------
    fit : HierarchicalFit
    measure : object, optional
        Anything with the attributes of `Standardization`: scale, minimum_cases,
        display_level, category_level, category_labels.
    scale : {"per_1000", "percent", "ratio"}, optional
        Takes the place of the measure's scale; "percent" without a measure.
    national_rate : float, optional
        Proportion; the crude mean over all cases of the model when left out.
    interval : {"bootstrap", "plug-in", "closed-form", "none"}
        CMS facility bootstrap; ratio at effect +- z standard errors; ratio x
        exp(+- z / sqrt(ratio sum p(1-p) + 1/tau^2)); no interval.
    n_bootstrap : int
    level : float, optional
        Level of the printed interval; the measure's display level, or 0.95, when left out.
    seed : int
        Needed for the bootstrap.
    variance : {"prediction", "posterior"}
        Variance of the effects: with the uncertainty of the coefficients (as SAS prints it),
        or without.
    progress : callable(done, total), optional

    Returns
    -------
    FacilityRates

    Raises
    ------
    OptionError

    Notes
    -----
    In the bootstrap a replicate's rate is its ratio x its own crude rate (x national_rate /
    crude mean of the full data when a national rate is given). The scale "ratio" shows the
    ratio itself, with comparator 1.

    Examples
    --------
    >>> from riskstd.model import fit_hierarchical
    >>> deaths, cases = [0, 18, 8, 46, 8, 13], [47, 148, 119, 810, 211, 196]
    >>> fit = fit_hierarchical(deaths, np.zeros((6, 0)), list("ABCDEF"), trials=cases)
    >>> rates = standardize(fit, scale="percent", n_bootstrap=50, seed=1)
    >>> rates.to_frame().shape
    (6, 14)
    """
    rules = read_standardization(measure, scale, level)
    _check_options(interval, n_bootstrap, seed, variance, national_rate)
    scored = score_fit(fit, variance)
    national = scored.crude_rate if national_rate is None else float(national_rate)
    multiplier = rules.multiplier(national)
    if interval == "bootstrap":
        assert seed is not None
        drawn = draw_replicates(fit, range(n_bootstrap), seed=seed, variance=variance, progress=progress)
        limits = bootstrap_limits(drawn, scored, rules, national)
    else:
        limits = formula_limits(fit, scored, rules, interval, multiplier)
    lower, upper = limits.judged
    return FacilityRates(
        facility_id=fit.facilities,
        cases=_counts(scored.cases),
        observed=_counts(scored.observed),
        observed_rate=_observed_rate(scored, rules),
        predicted=scored.predicted / scored.cases,
        expected=scored.expected / scored.cases,
        ratio=scored.ratio,
        rate=scored.ratio * multiplier,
        lower=limits.shown[0],
        upper=limits.shown[1],
        category=categorize(lower, upper, scored.cases, comparator=multiplier, rules=rules),
        reliability=reliability(fit.tau, scored.information),
        effect=fit.effects,
        effect_se=np.sqrt(scored.effect_variance),
        national_rate=national,
        comparator=multiplier,
        scale=rules.scale,
        interval=interval,
        variance=variance,
        level=rules.display_level,
        category_level=rules.category_level,
        n_bootstrap=limits.n_bootstrap,
        n_dropped=limits.n_dropped,
        n_flagged=limits.n_flagged,
        n_retried=limits.n_retried,
        seed=seed if interval == "bootstrap" else None,
        warnings=_warnings(fit, limits),
        measure=measure,
    )


def reliability(tau: float, information: FloatArray) -> FloatArray:
    """Share of the variance on the log-odds scale that is not chance.

    tau^2 / (tau^2 + 1 / information), with information = sum of p(1-p) over the cases.

    Examples
    --------
    >>> reliability(0.5, np.array([4.0, 0.0])).tolist()
    [0.5, 0.0]
    """
    signal = tau**2 * information
    return signal / (1.0 + signal)


def _observed_rate(scored: ScoredFit, rules: Standardization) -> FloatArray:
    """Events per case in the scale; per expected event where the scale is the ratio."""
    if rules.scale == "ratio":
        return scored.observed / scored.expected
    return scored.observed / scored.cases * rules.factor


def _counts(values: FloatArray) -> NDArray[Any]:
    return values.astype(np.int64) if np.all(values % 1 == 0) else values


def _warnings(fit: HierarchicalFit, limits: Limits) -> tuple[str, ...]:
    found = list(fit.warnings)
    total = limits.n_bootstrap
    if limits.n_dropped:
        found.append(f"{limits.n_dropped} of {total} bootstrap replicates dropped: no convergence")
    if limits.n_flagged:
        found.append(
            f"{limits.n_flagged} of {total} bootstrap replicates hold a risk factor at the full fit's "
            "coefficient, because one of its values has no events or only events there"
        )
    return tuple(found)


def check_interval(interval: str, n_bootstrap: int | None = None) -> None:
    """Refuse an unknown interval, and replicates too few for percentiles.

    Raises
    ------
    OptionError
    """
    if interval not in INTERVALS:
        raise OptionError(f"interval {interval!r}", expected="one of " + ", ".join(INTERVALS))
    if interval == "bootstrap" and n_bootstrap is not None and n_bootstrap < MIN_REPLICATES:
        raise OptionError(
            f"n_bootstrap {n_bootstrap!r}",
            expected=f"{MIN_REPLICATES} or more replicates",
            hint="1,000 or more for results that are passed on; interval='plug-in' needs none",
        )


def _check_options(
    interval: str, n_bootstrap: int, seed: int | None, variance: str, national_rate: float | None
) -> None:
    check_interval(interval, n_bootstrap)
    if variance not in VARIANCES:
        raise OptionError(f"variance {variance!r}", expected="one of " + ", ".join(VARIANCES))
    if national_rate is not None and not 0.0 < national_rate < 1.0:
        raise OptionError(
            f"national_rate {national_rate!r}", expected="a proportion between 0 and 1, whatever the scale"
        )
    if interval != "bootstrap":
        return
    if seed is None:
        raise OptionError("no seed for the bootstrap", expected="seed=, a whole number", hint="record it")
    if seed < 0:
        raise OptionError(f"seed {seed!r}", expected="a whole number of 0 or more")
