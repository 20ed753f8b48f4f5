"""Volumes: how many cases each surgical center of a nation has, after the published quantiles."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from riskstd.synth.profile import MeasureProfile

FILE = Path(__file__).with_name("nation.toml")


@cache
def nation_facts() -> dict[str, Any]:
    """Return the facts of a nation as in `nation.toml`."""
    return tomllib.loads(FILE.read_text("utf-8"))


@dataclass(frozen=True)
class Published:
    """Published distribution of cases per facility of a measure.

    Attributes
    ----------
    scored, too_small : int
        Facilities with a score, and with too few cases for one.
    probabilities, cases : ndarray of float
        Quantiles of the cases of scored facilities; the first is the smallest count with a score.
    """

    scored: int
    too_small: int
    probabilities: np.ndarray
    cases: np.ndarray

    @property
    def facilities(self) -> int:
        """Facilities with any case."""
        return self.scored + self.too_small

    @property
    def mean(self) -> float:
        """Mean cases per facility."""
        return float(self.quantile((np.arange(10_000) + 0.5) / 10_000).mean())

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Return cases at probabilities over all facilities: linear in their logarithm between quantiles.

        Facilities with too few cases come first; theirs spread evenly by logarithm from one case on.
        """
        few = self.too_small / self.facilities
        of_scored = np.exp(np.interp((u - few) / (1 - few), self.probabilities, np.log(self.cases)))
        of_small = np.exp(u / max(few, 1e-12) * np.log(self.cases[0]))
        return np.where(u < few, np.minimum(of_small, self.cases[0] - 1), of_scored)


def published(measure_id: str) -> Published | None:
    """Return the published distribution of a measure, None for a measure without one."""
    facts = nation_facts()
    entry = facts["volumes"].get(measure_id)
    if entry is None:
        return None
    return Published(
        entry["scored"], entry["too_small"], np.array(facts["probabilities"]), np.array(entry["cases"], dtype=float)
    )


def draw_volumes(n: int, profiles: list[MeasureProfile], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the expected cases of n facilities for each measure; 0 where a facility does not do it.

    Draws are stratified, so that a small set of facilities has the distribution of the whole nation.
    """
    does = draw_measures_done(n, rng)
    volumes = {}
    for profile in profiles:
        known = published(profile.id)
        if known is None:
            raise KeyError(profile.id)
        rows = np.flatnonzero(does[:, list(nation_facts()["volumes"]).index(profile.id)])
        if len(rows) == 0:
            rows = rng.integers(0, n, 1)
        strata = (rng.permutation(len(rows)) + rng.random(len(rows))) / len(rows)
        cases = np.zeros(n)
        drawn = known.quantile(strata)
        # A few facilities may be large ones by chance; their people must still be able to have the cases.
        most = 1.15 * known.mean * known.facilities * n / nation_facts()["facilities"]
        cases[rows] = drawn * min(1.0, most / drawn.sum())
        volumes[profile.id] = cases
    return volumes


def draw_measures_done(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw which of the published measures each facility does, of shape (n, measures).

    Sets of measures occur as often as the published counts per number of measures and per measure
    demand, and beyond that independently of each other.
    """
    sets, p = set_probabilities()
    drawn = np.searchsorted(np.cumsum(p), (rng.permutation(n) + rng.random(n)) / n, side="right")
    return sets[np.minimum(drawn, len(sets) - 1)]


@cache
def set_probabilities() -> tuple[np.ndarray, np.ndarray]:
    """Return all sets of measures, of shape (sets, measures), and their probabilities."""
    facts = nation_facts()
    volumes = facts["volumes"]
    k = len(volumes)
    sets = np.zeros((2**k, k), dtype=bool)
    position = 0
    for size in range(k + 1):
        for members in combinations(range(k), size):
            sets[position, list(members)] = True
            position += 1
    by_size = np.array(facts["measures_done"], dtype=float)
    by_measure = np.array([v["scored"] + v["too_small"] for v in volumes.values()], dtype=float)
    weight = np.ones(len(sets))
    size_of = sets.sum(axis=1)
    for _ in range(500):  # proportional fitting to both margins
        weight *= (by_size / np.bincount(size_of, weights=weight, minlength=k + 1))[size_of]
        for column in range(k):
            own = sets[:, column]
            total = weight.sum()
            inside = weight[own].sum()
            weight[own] *= by_measure[column] / inside
            weight[~own] *= (total - by_measure[column]) / (total - inside)
    return sets, weight / weight.sum()
