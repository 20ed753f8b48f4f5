"""Land size: how many providers there are, and how their claims look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LandSize:
    """How many providers there are, and how their claims look.

    Attributes
    ----------
    physicians, groups, hospitals, critical_access : int
        Providers; hospitals without the critical-access ones.
    denied, replaced : float
        Part of ordinary professional claims denied whole, and of outpatient claims that replace another.
    lines_per_claim : tuple of float
        Parts of ordinary professional claims with one line, two lines and so on.
    """

    physicians: int = 400
    groups: int = 120
    hospitals: int = 90
    critical_access: int = 10
    denied: float = 0.0
    replaced: float = 0.0
    lines_per_claim: tuple[float, ...] = (0.42, 0.38, 0.2)
