"""Funnel limits of observed over expected, with overdispersion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrik, ndtr, ndtri, pdtr, pdtrik

from riskstd.errors import OptionError
from riskstd.model.frozen import freeze_arrays
from riskstd.model.inputs import refuse_other_index, refuse_rows
from riskstd.model.options import check_level
from riskstd.rates.alternatives.columns import FloatArray, check_choice, read_amounts, read_counts, read_labels

if TYPE_CHECKING:
    import pandas as pd

OVERDISPERSION = ("none", "multiplicative", "additive")
TRANSFORMS = ("identity", "root")
Pair = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False, repr=False)
class FunnelLimits:
    """Control limits around the target 1; arrays of shape (n_facilities,).

    Parameters
    ----------
    facility_id : ndarray
    observed, expected, ratio : ndarray
    z : ndarray
        Score for chance alone.
    z_adjusted : ndarray
        Score allowing for overdispersion; `z` itself without.
    limits : tuple of (level, lower, upper)
        Limits of the ratio at each facility's own volume.
    phi : float
        Mean square of the winsorised scores.
    tau : float
        Standard deviation between facilities beyond chance, on the transformed scale.
    overdispersion, transform : str
    """

    facility_id: NDArray[Any]
    observed: FloatArray
    expected: FloatArray
    ratio: FloatArray
    z: FloatArray
    z_adjusted: FloatArray
    limits: tuple[tuple[float, FloatArray, FloatArray], ...]
    phi: float
    tau: float
    overdispersion: str
    transform: str

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        return (
            f"FunnelLimits({len(self.ratio)} facilities, phi={self.phi:.4g}, tau={self.tau:.4g}, "
            f"overdispersion={self.overdispersion!r}, transform={self.transform!r})"
        )

    def flag(self, level: float) -> FloatArray:
        """1 above the limits of a level, -1 below, 0 between."""
        for known, lower, upper in self.limits:
            if known == level:
                return np.where(self.ratio > upper, 1.0, np.where(self.ratio < lower, -1.0, 0.0))
        raise OptionError(f"level {level!r}", expected="one of " + ", ".join(str(known[0]) for known in self.limits))

    def to_frame(self) -> pd.DataFrame:
        """One row per facility, with lower and upper limit per level (lower_95, upper_95, ...)."""
        import pandas as pd

        names = ("facility_id", "observed", "expected", "ratio", "z", "z_adjusted")
        frame = pd.DataFrame({name: getattr(self, name) for name in names})
        for level, lower, upper in self.limits:
            frame[f"lower_{100 * level:g}"], frame[f"upper_{100 * level:g}"] = lower, upper
        return frame


def funnel_limits(
    observed: Any,
    expected: Any,
    *,
    cases: Any = None,
    facility: Any = None,
    levels: Sequence[float] = (0.95, 0.998),
    overdispersion: str = "none",
    transform: str = "identity",
    winsorised: float = 0.1,
) -> FunnelLimits:
    """Funnel limits of observed / expected around 1.

    Parameters
    ----------
    observed, expected : array, shape (n_facilities,)
        Events.
    cases : array, shape (n_facilities,), optional
        For binomial events with probability expected / cases; Poisson when left out.
    facility : array of labels, shape (n_facilities,), optional
    levels : sequence of float
    overdispersion : {"none", "multiplicative", "additive"}
        Chance alone; limits as at a normal score sqrt(phi) times larger; limits 1 -+ z sqrt(s^2 + tau^2).
    transform : {"identity", "root"}
        Scale of scores and of additive limits: the ratio or, for Poisson events, its square root.
    winsorised : float
        Share of the scores moved to a quantile at either end before phi and tau are worked out.

    Returns
    -------
    FunnelLimits

    Raises
    ------
    FitError
        Counts that are not counts, expected events that are not above 0 or not below cases.
    OptionError

    Notes
    -----
    Spiegelhalter, Statistics in Medicine 2005;24:1185: exact limits, appendix A.1.1; phi = mean of the squared scores
    z = (O - E) / sqrt(V) after winsorising; limits are widened where phi is above 1 (multiplicative), or where it is
    above (J - 1) / J, by tau^2 = (J phi - (J - 1)) / (sum w - sum w^2 / sum w), w =
    1 / s^2, s the standard deviation by chance (additive, DerSimonian and Laird). V = E, or E (1 - E / cases). The
    root: z = 2 (sqrt(O) - sqrt(E)), s = 1 / (2 sqrt(E)) (Spiegelhalter et al., JRSS A 2012;175:1). Limits
    by chance alone are quantiles, continued between whole numbers by the incomplete gamma (beta) function.

    Examples
    --------
    >>> funnel = funnel_limits([4, 30, 9], [10.0, 10.0, 10.0], levels=(0.95,))
    >>> [[round(float(v[0]), 3) for v in limit[1:]] for limit in funnel.limits], funnel.flag(0.95).tolist()
    ([[0.383, 1.613]], [0.0, 1.0, 0.0])
    """
    check_choice("overdispersion", overdispersion, OVERDISPERSION)
    check_choice("transform", transform, TRANSFORMS)
    for level in levels:
        check_level(level)
    if not 0.0 <= winsorised < 0.5:
        raise OptionError(f"winsorised {winsorised!r}", expected="a share of 0 or more and below 0.5")
    if transform == "root" and cases is not None:
        raise OptionError("transform 'root' with cases", expected="Poisson events, without cases")
    refuse_other_index(observed, expected, cases, facility)
    events = read_counts(observed, "observed")
    mean, size = _read_volume(expected, cases, len(events))
    z, spread = _scores(events, mean, size, transform)
    phi = winsorised_phi(z, winsorised)
    tau = _tau(phi, spread) if overdispersion == "additive" else 0.0
    widening = np.sqrt(max(phi, 1.0)) if overdispersion == "multiplicative" else 1.0
    limits = []
    for level in levels:
        score = float(ndtri(0.5 + level / 2.0))
        if overdispersion == "additive":
            pair = _additive_limits(score, np.hypot(spread, tau), transform)
        else:
            pair = chance_limits(score * widening, mean, size)
        limits.append((float(level), *pair))
    return FunnelLimits(
        facility_id=read_labels(facility, len(events)),
        observed=events,
        expected=mean,
        ratio=events / mean,
        z=z,
        z_adjusted=z * spread / np.hypot(spread, tau) / widening,
        limits=tuple(limits),
        phi=phi,
        tau=tau,
        overdispersion=overdispersion,
        transform=transform,
    )


def winsorised_phi(z: FloatArray, share: float) -> float:
    """Mean square of scores of which the outer shares were moved to a quantile.

    Examples
    --------
    >>> winsorised_phi(np.array([-1.0, 1.0, 0.0, 0.0]), 0.0)
    0.5
    """
    if len(z) == 0:
        return 1.0
    low, high = np.quantile(z, [share, 1.0 - share])
    return float(np.mean(np.clip(z, low, high) ** 2))


def chance_limits(score: float, expected: FloatArray, cases: FloatArray | None) -> Pair:
    """Quantiles of observed / expected at the probabilities of -score and score; 0 where no event is likelier."""
    return _quantile(float(ndtr(-score)), expected, cases), _quantile(float(ndtr(score)), expected, cases)


def _quantile(probability: float, expected: FloatArray, cases: FloatArray | None) -> FloatArray:
    if cases is None:
        at_none, count = pdtr(0, expected), pdtrik(probability, expected)
    else:
        rate = expected / cases
        at_none, count = (1.0 - rate) ** cases, bdtrik(probability, cases, rate)
    return np.where(probability <= at_none, 0.0, count) / expected


def _additive_limits(score: float, spread: FloatArray, transform: str) -> Pair:
    low, high = np.maximum(1.0 - score * spread, 0.0), 1.0 + score * spread
    return (low, high) if transform == "identity" else (low**2, high**2)


def _scores(
    events: FloatArray, mean: FloatArray, cases: FloatArray | None, transform: str
) -> tuple[FloatArray, FloatArray]:
    """Scores, and the standard deviation by chance on the transformed scale."""
    if transform == "root":
        return 2.0 * (np.sqrt(events) - np.sqrt(mean)), 0.5 / np.sqrt(mean)
    variance = mean if cases is None else mean * (1.0 - mean / cases)
    return (events - mean) / np.sqrt(variance), np.sqrt(variance) / mean


def _tau(phi: float, spread: FloatArray) -> float:
    w = spread**-2.0
    free = float(w.sum() - np.sum(w**2) / w.sum()) if len(w) > 1 else 0.0
    excess = len(w) * phi - (len(w) - 1)
    return float(np.sqrt(excess / free)) if free > 0 and excess > 0 else 0.0


def _read_volume(expected: Any, cases: Any, length: int) -> tuple[FloatArray, FloatArray | None]:
    mean = read_amounts(expected, "expected", length)
    refuse_rows(mean == 0, "expected", "0", "expected events above 0", "leave those facilities out")
    if cases is None:
        return mean, None
    size = read_counts(cases, "cases", length)
    refuse_rows(size <= mean, "cases", "not above expected events", "more cases than expected events")
    return mean, size
