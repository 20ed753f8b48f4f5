"""Facilities: which measures they do, how much, and how well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskstd.synth.plan import Vocabulary
from riskstd.synth.profile import MeasureProfile


@dataclass(frozen=True)
class Facilities:
    """Facilities by number, with volume weight and effect (log odds) per measure; weight 0 = none."""

    npi: np.ndarray
    weight: dict[str, np.ndarray]
    effect: dict[str, np.ndarray]


def draw_facilities(
    n: int, profiles: list[MeasureProfile], vocabulary: Vocabulary, rng: np.random.Generator
) -> Facilities:
    """Draw facilities; most do one or two of the measures, and each measure is done somewhere.

    The NPIs begin with 9, which no real NPI does.
    """
    numbers = np.sort(rng.choice(9_000_000, size=n, replace=False))
    npi = vocabulary.many([f"91{number:08d}" for number in numbers])
    does = _who_does_what(n, profiles, rng)
    weight, effect = {}, {}
    for column, profile in enumerate(profiles):
        volume = np.exp(profile.volume_sd * rng.standard_normal(n))
        weight[profile.id] = np.where(does[:, column], volume, 0.0)
        effect[profile.id] = profile.tau * rng.standard_normal(n)
    return Facilities(npi, weight, effect)


def _who_does_what(n: int, profiles: list[MeasureProfile], rng: np.random.Generator) -> np.ndarray:
    """Give each measure its share of facilities and no facility nothing to do."""
    does = np.zeros((n, len(profiles)), dtype=bool)
    for column, profile in enumerate(profiles):
        wanted = min(n, max(2, round(n * profile.facilities)))
        does[rng.choice(n, size=wanted, replace=False), column] = True
    idle = np.flatnonzero(~does.any(axis=1))
    does[idle, rng.integers(0, len(profiles), len(idle))] = True
    return does
