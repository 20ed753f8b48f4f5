"""Reliability of a score at a volume, and the volume that a reliability needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstd.report.wording import counted, listed, number

FloatArray = NDArray[np.float64]

RELIABILITY_LEVELS = (0.4, 0.6, 0.7)
"""Reliabilities whose volume is stated."""


@dataclass(frozen=True)
class VolumeNeed:
    """The volume that a reliability needs.

    Attributes
    ----------
    reliability : float
    cases : float
        Infinite where tau is 0.
    facilities : int
        How many of the facilities looked at have as many cases.
    """

    reliability: float
    cases: float
    facilities: int


def volume_for(reliability: float, tau: float, information: float) -> float:
    """Return the cases at which a score has a reliability.

    reliability = tau^2 / (tau^2 + 1 / (cases x information)), solved for cases.

    Parameters
    ----------
    reliability : float
        Above 0, below 1.
    tau : float
        Spread of the facility effects, log odds.
    information : float
        Mean of p(1-p) per case.

    Examples
    --------
    >>> round(volume_for(0.5, 0.5, 0.02), 6)
    200.0
    >>> volume_for(0.5, 0.0, 0.02)
    inf
    """
    signal = tau**2 * information
    return reliability / (1.0 - reliability) / signal if signal > 0 else math.inf


def reliability_at(cases: FloatArray, tau: float, information: float) -> FloatArray:
    """Return the reliability of a score at each number of cases.

    Examples
    --------
    >>> reliability_at(np.array([200.0]), 0.5, 0.02).tolist()
    [0.5]
    """
    signal = tau**2 * information * cases
    return signal / (1.0 + signal)


def volume_needs(cases: FloatArray, tau: float, information: float) -> list[VolumeNeed]:
    """Return the volume that each of `RELIABILITY_LEVELS` needs, and how many facilities have it."""
    return [
        VolumeNeed(level, need, int(np.count_nonzero(cases >= need)))
        for level in RELIABILITY_LEVELS
        for need in [volume_for(level, tau, information)]
    ]


def volume_sentences(needs: list[VolumeNeed], total: int, facilities: tuple[str, str]) -> list[str]:
    """Say which volume each reliability needs, and how many facilities have it.

    Parameters
    ----------
    needs : list of VolumeNeed
    total : int
        Facilities looked at.
    facilities : tuple of str
        What they are called, one and many.

    Examples
    --------
    >>> volume_sentences([VolumeNeed(0.4, 120.2, 3)], 9, ("facility", "facilities"))
    ['A reliability of 0.4 needs about 121 cases.', '3 of 9 facilities have that many.']
    """
    if any(math.isinf(need.cases) for need in needs):
        return ["No volume gives a reliability above 0, since no difference between facilities could be estimated."]
    volumes = [f"{number(math.ceil(need.cases))}" for need in needs]
    levels = [f"{need.reliability:g}" for need in needs]
    ending = ", in this order" if len(needs) > 1 else ""
    first = f"A reliability of {listed(levels)} needs about {listed(volumes)} cases{ending}."
    if total == 1:
        have = listed(levels[: sum(need.facilities for need in needs)])
        return [
            first,
            f"The one {facilities[0]} has enough for {have}." if have else f"The one {facilities[0]} has fewer.",
        ]
    counts = listed([number(need.facilities) for need in needs])
    if not any(need.facilities for need in needs):
        return [first, f"None of {counted(total, *facilities)} has that many."]
    verb = "has" if len(needs) == 1 and needs[0].facilities == 1 else "have"
    return [first, f"{counts} of {counted(total, *facilities)} {verb} that many."]
