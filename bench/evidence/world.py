"""The four measures as their public files of July 2024 describe them, with a truth that is known.

The published files hold no cases. Their counts, volumes, rates, and the spread of facility effects that their printed
limits imply are taken over; risk factors are invented, as many as the manual lists, with clusters as diagnoses have.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "model"))

from simulate import Size, draw_rows, draw_truth, pattern_codes

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MINIMUM_CASES = 30
"""Facilities with fewer cases are in the model and get no category."""
VOLUME_CLASSES = 4


@dataclass(frozen=True)
class Published:
    """What is published of a measure.

    Parameters
    ----------
    scored, too_small : int
        Facilities with a score, and with too few cases for one; CMS, ASC quality measures by facility, July 2024.
    cases, median_cases : int
        Of the facilities with a score.
    factors : Size
        Risk factors, event rate and spread of effects; rows and facilities of it are not used.
    """

    scored: int
    too_small: int
    cases: int
    median_cases: int
    factors: Size


def _factors(flags: int, common: float, rare: float, rate: float, tau: float, seed: int, measure: str) -> Size:
    return Size(0, 0, flags, common, rare, rate, tau, seed, measure, age_groups=5)


# Standard deviations of effects: least squares fits of the printed limits by the closed form of docs/coverage.md.
MEASURES = {
    "ASC-12": Published(1_944, 176, 2_167_319, 739, _factors(21, 0.183, 0.003, 0.0099, 0.197, 2412, "ASC-12")),
    "ASC-17": Published(1_746, 1_105, 471_363, 172, _factors(28, 0.42, 0.006, 0.022, 0.242, 2417, "ASC-17")),
    "ASC-18": Published(595, 488, 159_983, 137, _factors(8, 0.35, 0.02, 0.051, 0.235, 2418, "ASC-18")),
    "ASC-19": Published(1_451, 1_978, 241_911, 73, _factors(26, 0.42, 0.006, 0.0185, 0.305, 2419, "ASC-19")),
}


@dataclass(frozen=True, eq=False)
class World:
    """Cells of cases whose outcomes can be drawn again and again.

    Parameters
    ----------
    X : ndarray of uint8, shape (n_cells, n_factors)
    facility, n : ndarray of int, shape (n_cells,)
        Facility and cases of each cell.
    mu, tau : float
    beta : ndarray, shape (n_factors,)
    seed : int
    """

    X: NDArray[np.uint8]
    facility: IntArray
    n: IntArray
    mu: float
    beta: FloatArray
    tau: float
    seed: int

    @cached_property
    def cases(self) -> IntArray:
        return np.bincount(self.facility, self.n).astype(np.int64)

    @cached_property
    def is_scored(self) -> NDArray[np.bool_]:
        return self.cases >= MINIMUM_CASES

    @cached_property
    def volume_class(self) -> IntArray:
        """Quarter of the scored facilities by cases, 0 the smallest; -1 for those without a score."""
        edges = np.quantile(self.cases[self.is_scored], np.arange(1, VOLUME_CLASSES) / VOLUME_CLASSES)
        return np.where(self.is_scored, np.searchsorted(edges, self.cases), -1)

    @cached_property
    def log_odds(self) -> FloatArray:
        return self.mu + self.X @ self.beta

    def draw(self, number: int) -> Outcomes:
        """Effects and events of one data set."""
        rng = np.random.default_rng([self.seed, 9, number])
        effects = rng.normal(0.0, self.tau, len(self.cases))
        p = inverse_logit(self.log_odds + effects[self.facility])
        expected = np.bincount(self.facility, self.n * inverse_logit(self.log_odds))
        return Outcomes(
            events=rng.binomial(self.n, p),
            ratio=np.bincount(self.facility, self.n * p) / expected,
            national_rate=float(np.average(p, weights=self.n)),
        )


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One data set and what it was drawn from.

    Parameters
    ----------
    events : ndarray of int, shape (n_cells,)
    ratio : ndarray, shape (n_facilities,)
        True predicted / true expected events.
    national_rate : float
        Mean of the true probabilities of all cases.
    """

    events: IntArray
    ratio: FloatArray
    national_rate: float


def inverse_logit(log_odds: FloatArray) -> FloatArray:
    """Probability of log-odds."""
    return 1.0 / (1.0 + np.exp(-log_odds))


def draw_volumes(of: Published, rng: np.random.Generator) -> IntArray:
    """Cases of every facility: lognormal with the published median and mean where there is a score, few elsewhere."""
    spread = np.sqrt(2.0 * np.log(of.cases / of.scored / of.median_cases))
    scored = np.maximum(MINIMUM_CASES, np.round(rng.lognormal(np.log(of.median_cases), spread, of.scored)))
    return np.append(scored, rng.integers(1, MINIMUM_CASES, of.too_small)).astype(np.int64)


def build_world(measure: str, share: float = 1.0) -> World:
    """Cells of a measure; a share of its facilities for a short trial."""
    of = MEASURES[measure]
    size, rng = of.factors, np.random.default_rng([of.factors.seed, 8])
    volumes = draw_volumes(of, rng)
    volumes = rng.permuted(volumes)[: max(60, int(share * len(volumes)))]
    truth = draw_truth(Size(**{**vars(size), "facilities": len(volumes)}))
    X = draw_rows(size, truth, rng, int(volumes.sum()))
    facility = np.repeat(np.arange(len(volumes)), volumes)
    key = facility * (int((pattern := pattern_codes(X)).max()) + 1) + pattern
    _, first, n = np.unique(key, return_index=True, return_counts=True)
    kept = X[first]
    mu = _intercept(kept @ truth.beta, n, size.tau, size.event_rate)
    return World(kept, facility[first], n, mu, truth.beta, size.tau, size.seed)


def _intercept(rest: FloatArray, n: IntArray, tau: float, rate: float) -> float:
    """Intercept at which cases have the rate on average over facility effects."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    low, high = -30.0, 10.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        p = sum(w * inverse_logit(middle + rest + tau * x) for x, w in zip(nodes, weights / weights.sum(), strict=True))
        is_high = np.average(p, weights=n) > rate
        low, high = (low, middle) if is_high else (middle, high)
    return 0.5 * (low + high)
