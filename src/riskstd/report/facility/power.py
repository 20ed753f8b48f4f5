"""Whether one facility could ever be told from the average at its volume.

True visits of a facility whose odds are exp(w) times those of an average facility, case by case, are a sum of
independent events with p_i = invlogit(x_i + w): Poisson-binomial. The power is the probability that their number
falls where `riskstd.report.facility.whatif.FlagRule` gives the category. The distribution is exact: cases are
convolved block by block, and the blocks by fast Fourier transform, up to the largest number that matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.optimize import brentq
from scipy.special import expit

from riskstd.report.facility.whatif import FlagRule

FloatArray = NDArray[np.float64]

POWERS = (0.5, 0.8)
"""Probabilities of detection that a smallest detectable difference is stated for."""

_BLOCK = 16
_CURVE_POINTS = 41
_CURVE_ENDS = (1 / 8, 8.0)
_FAR = 30.0
"""Log-odds that make every case, or none, a visit for all that matters."""


@dataclass(frozen=True, eq=False)
class Power:
    """What can be detected at one facility.

    Attributes
    ----------
    ratio : ndarray, shape (n_points,)
        True visits over expected visits.
    worse, better : ndarray, shape (n_points,)
        Probability of the category at that ratio.
    worse_at, better_at : dict of float to float or None
        Power to smallest true ratio above 1 (largest below 1) that has it; None when none has.
    false_worse, false_better : float
        Probability of the category for a facility that is truly average.
    """

    ratio: FloatArray
    worse: FloatArray
    better: FloatArray
    worse_at: dict[float, float | None]
    better_at: dict[float, float | None]
    false_worse: float
    false_better: float


def events_at_most(log_odds: FloatArray, shifts: FloatArray, most: int) -> FloatArray:
    """Distribution function of the number of events.

    Parameters
    ----------
    log_odds : ndarray, shape (n_cases,)
    shifts : ndarray, shape (n_shifts,)
        Added to the log-odds of every case.
    most : int
        Largest number of events to return.

    Returns
    -------
    ndarray, shape (n_shifts, most + 1)
        Probability of 0, 0 to 1, ... 0 to `most` events, per shift.

    Examples
    --------
    >>> events_at_most(np.zeros(3), np.zeros(1), 3).round(3).tolist()
    [[0.125, 0.5, 0.875, 1.0]]
    """
    p = expit(log_odds[:, None] + shifts)
    p = np.concatenate([p, np.zeros((-len(p) % _BLOCK, len(shifts)))])
    p = p.reshape(_BLOCK, -1, len(shifts))
    mass = np.zeros((*p.shape[1:], min(_BLOCK, most) + 1))
    mass[..., 0] = 1.0
    for probability in p:
        stay = mass * (1.0 - probability)[..., None]
        stay[..., 1:] += mass[..., :-1] * probability[..., None]
        mass = stay
    while len(mass) > 1:
        mass = _halved(mass, most)
    out = np.zeros((len(shifts), most + 1))
    out[:, : mass.shape[-1]] = mass[0]
    return np.clip(np.cumsum(out, axis=1), 0.0, 1.0)


def power_of(log_odds: FloatArray, rule: FlagRule) -> Power:
    """Work out the power curve of a facility and its smallest detectable differences.

    Parameters
    ----------
    log_odds : ndarray, shape (n_cases,)
        Of a visit at an average facility.
    rule : FlagRule
        Numbers of visits that give the categories.

    Returns
    -------
    Power
    """
    wide = np.linspace(-8.0, 12.0, 401)
    expected = float(expit(log_odds).sum())
    ratios = np.array([float(expit(log_odds + shift).sum()) for shift in wide]) / expected
    top = min(_CURVE_ENDS[1], 0.999 * float(ratios[-1]))
    curve = np.geomspace(_CURVE_ENDS[0], top, _CURVE_POINTS) if top > 1.0 else np.ones(1)
    shifts = np.append(np.interp(np.log(curve), np.log(ratios), wide), 0.0)
    worse, better = probabilities(log_odds, shifts, rule)

    def ratio_at(shift: float) -> float:
        return float(expit(log_odds + shift).sum()) / expected

    worse_at: dict[float, float | None] = dict.fromkeys(POWERS)
    better_at: dict[float, float | None] = dict.fromkeys(POWERS)
    for power in POWERS:
        if rule.worse_from is not None:
            worse_at[power] = ratio_at(_shift_with(log_odds, rule, power, side=0))
        if rule.better_up_to is not None:
            better_at[power] = ratio_at(_shift_with(log_odds, rule, power, side=1))
    return Power(curve, worse[:-1], better[:-1], worse_at, better_at, float(worse[-1]), float(better[-1]))


def probabilities(log_odds: FloatArray, shifts: FloatArray, rule: FlagRule) -> tuple[FloatArray, FloatArray]:
    """Probabilities of "worse" and of "better" at odds exp(shift) times those of an average facility."""
    ends = [n for n in (rule.worse_from, rule.better_up_to) if n is not None]
    none = np.zeros(len(shifts))
    if not ends:
        return none, none
    up_to = events_at_most(log_odds, shifts, max(ends))
    worse = none if rule.worse_from is None else 1.0 - _below(up_to, rule.worse_from)
    return worse, none if rule.better_up_to is None else up_to[:, rule.better_up_to]


def _below(up_to: FloatArray, n: int) -> FloatArray:
    """Probability of fewer than n events."""
    return up_to[:, n - 1] if n > 0 else np.zeros(len(up_to))


def _halved(mass: FloatArray, most: int) -> FloatArray:
    """Convolve blocks two by two, and keep the first `most` + 1 probabilities."""
    odd = mass[-1:] if len(mass) % 2 else mass[:0]
    size = 2 * mass.shape[-1] - 1
    pairs = mass[: len(mass) - len(odd)]
    length = next_fast_len(size, real=True)
    seen = cast("NDArray[np.complex128]", rfft(pairs, length))
    product = cast("FloatArray", irfft(seen[0::2] * seen[1::2], length))
    joined = product[..., : min(size, most + 1)]
    if not len(odd):
        return joined
    padded = np.zeros((1, *joined.shape[1:]))
    padded[..., : odd.shape[-1]] = odd
    return np.concatenate([joined, padded])


def _shift_with(log_odds: FloatArray, rule: FlagRule, power: float, *, side: int) -> float:
    """Shift of the log-odds at which the probability of a category is the given power."""

    def short(shift: float) -> float:
        return float(probabilities(log_odds, np.array([shift]), rule)[side][0]) - power

    ends = -_FAR - float(log_odds.max()), _FAR - float(log_odds.min())
    low, high = short(ends[0]), short(ends[1])
    if low * high > 0.0:
        return math.nan
    return cast("float", brentq(short, *ends, xtol=1e-5))
