"""A nation: facilities with published volumes, providers, and the intercepts of the model, drawn once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from riskstd.spec.clauses import DiagnosisPresent
from riskstd.synth.codebook import CodeBook
from riskstd.synth.everyday import add_everyday_care, care_rates, code_years, fill_hospital_claims
from riskstd.synth.facilities import Facilities
from riskstd.synth.landsize import LandSize
from riskstd.synth.plan import Vocabulary
from riskstd.synth.profile import MeasureProfile, measure_profile
from riskstd.synth.simulate import Land, make_land, simulate_people
from riskstd.synth.truth import MeasureTruth, find_truth
from riskstd.synth.volumes import draw_volumes, nation_facts
from riskstd.synth.world import World

BLOCK_PEOPLE = 20_000
PILOT_PROCEDURES = 2_500
"""Procedures of each measure in the sample that the intercepts are worked out from."""

_CLAIM_TEXTS = ("40", "60", "0", "9", "7")


@dataclass(frozen=True)
class Nation:
    """What is drawn once and holds for all people; it can be sent to another process.

    Attributes
    ----------
    people, seed : int
        Size, and the seed that everything follows from.
    measures : tuple of str
    facilities : Facilities
        Weights are expected index procedures.
    candidates : dict of str to float
        Expected candidate procedures by measure: index procedures and those that an exclusion removes.
    mu : dict of str to float
        Intercepts (log odds) that give index procedures the published event rates.
    texts : list of str
        Vocabulary; no block adds to it.
    size : LandSize
        How many providers there are.
    block_people : int
        People of a block.
    """

    people: int
    seed: int
    measures: tuple[str, ...]
    facilities: Facilities
    candidates: dict[str, float]
    mu: dict[str, float]
    texts: list[str]
    size: LandSize
    block_people: int

    @property
    def blocks(self) -> int:
        """Number of blocks of people."""
        return -(-self.people // self.block_people)

    def bounds(self, block: int) -> tuple[int, int]:
        """Return the first person of a block and the first of the next."""
        return block * self.block_people, min((block + 1) * self.block_people, self.people)

    def procedures(self, block: int) -> int:
        """Return how many procedures the people of a block have."""
        total = sum(self.candidates.values())
        first, last = (round(total * bound / self.people) for bound in self.bounds(block))
        return last - first

    def profiles(self) -> list[MeasureProfile]:
        """Return the profiles, with the share of each measure in all procedures."""
        total = sum(self.candidates.values())
        return [replace(measure_profile(name), share=self.candidates[name] / total) for name in self.measures]

    def land(self) -> Land:
        """Return the land with the nation's vocabulary."""
        vocabulary = Vocabulary()
        vocabulary.many(self.texts)
        land = make_land(vocabulary, self.profiles(), self.size)
        vocabulary.freeze()
        return land


def draw_nation(people: int, seed: int, measures: tuple[str, ...]) -> Nation:
    """Draw a nation, or the part of it that so many people are.

    Parameters
    ----------
    people : int
        People; facilities and cases are in proportion.
    seed : int
        Seed.
    measures : tuple of str
        Measures whose procedures are drawn.

    Returns
    -------
    Nation
    """
    first, second, third = np.random.SeedSequence([seed, 0]).spawn(3)
    profiles = [measure_profile(name) for name in measures]
    vocabulary = Vocabulary()
    size = land_size(people)
    land = make_land(vocabulary, profiles, size)
    vocabulary.many(_CLAIM_TEXTS)
    code_years(vocabulary)
    facilities = draw_national_facilities(people, profiles, vocabulary, np.random.default_rng(first))
    truths = sample_truth(land, profiles, facilities, second)
    mu, kept_share = calibrate(truths, facilities, land.books, np.random.default_rng(third))
    candidates = {name: float(facilities.weight[name].sum()) / kept_share[name] for name in measures}
    return Nation(people, seed, measures, facilities, candidates, mu, list(vocabulary.texts), size, BLOCK_PEOPLE)


def land_size(people: int) -> LandSize:
    """Return how many providers so many people have."""
    hospitals = min(max(people // 1_100, 40), 20_000)
    return LandSize(
        physicians=min(max(people // 60, 400), 400_000),
        groups=min(max(people // 400, 120), 60_000),
        hospitals=hospitals - hospitals // 4,
        critical_access=max(hospitals // 4, 4),
        denied=nation_facts()["care"]["denied"],
        replaced=nation_facts()["care"]["replaced"],
        lines_per_claim=tuple(nation_facts()["care"]["lines_per_claim"]),
    )


def draw_national_facilities(
    people: int, profiles: list[MeasureProfile], vocabulary: Vocabulary, rng: np.random.Generator
) -> Facilities:
    """Draw facilities with expected cases as published, and effects by the tau of each measure."""
    facts = nation_facts()
    n = max(2, round(facts["facilities"] * people / facts["people"]))
    numbers = np.sort(rng.choice(9_000_000, size=n, replace=False))
    npi = vocabulary.many(f"91{number:08d}" for number in numbers)
    weight = draw_volumes(n, profiles, rng)
    effect = {profile.id: profile.tau * rng.standard_normal(n) for profile in profiles}
    return Facilities(npi, weight, effect)


def sample_truth(
    land: Land, profiles: list[MeasureProfile], facilities: Facilities, seed: np.random.SeedSequence
) -> list[MeasureTruth]:
    """Simulate a sample of people with as many procedures of each measure, and return what is true of them."""
    streams = [np.random.default_rng(part) for part in seed.spawn(7)]
    alike = [replace(profile, share=1 / len(profiles)) for profile in profiles]
    world = simulate_people(
        land, alike, facilities, streams[:5], procedures=PILOT_PROCEDURES * len(profiles), rates=care_rates(),
        more=partial(add_everyday_care, rng=streams[5]),
    )  # fmt: skip
    fill_hospital_claims(world.plan, streams[6])  # enters its texts into the vocabulary
    return find_truth(world)


def calibrate(
    truths: list[MeasureTruth], facilities: Facilities, books: dict[str, CodeBook], rng: np.random.Generator
) -> tuple[dict[str, float], dict[str, float]]:
    """Return intercepts that give the event rates, and the share of candidates that no exclusion removes."""
    mu, share = {}, {}
    for truth in truths:
        profile = truth.profile
        beta = np.array([profile.coefficients[column] for column in truth.factors.columns])
        predictor = truth.factors.to_numpy(dtype=float) @ beta
        weight, effect = facilities.weight[profile.id], facilities.effect[profile.id]
        effects = rng.choice(effect, size=(len(predictor), 16), p=weight / weight.sum())
        lost = events_excluded(books[profile.id], profile)
        drawn_rate = profile.event_rate / (1 - lost + lost * profile.event_rate)
        mu[profile.id] = _intercept((predictor[:, None] + effects).ravel(), drawn_rate)
        share[profile.id] = len(truth.index) / (len(truth.index) + len(truth.excluded))
    return mu, share


def events_excluded(book: CodeBook, profile: MeasureProfile) -> float:
    """Return the part of events whose visit has a diagnosis that excludes the procedure."""
    codes = book.vocabulary.many(profile.visit_diagnoses)
    excluding = np.zeros(len(codes), dtype=bool)
    for clause in profile.measure.exclusions:
        if isinstance(clause, DiagnosisPresent) and clause.visit_in_window:
            excluding |= book.excluding(clause)[codes]
    return float(excluding.mean())


def _intercept(predictor: np.ndarray, event_rate: float) -> float:
    return cast("float", brentq(lambda mu: expit(mu + predictor).mean() - event_rate, -20.0, 5.0))


def simulate_block(nation: Nation, land: Land, block: int) -> World:
    """Draw the people of a block, their care and outcomes; nothing depends on other blocks."""
    streams = [np.random.default_rng(part) for part in np.random.SeedSequence([nation.seed, 1, block]).spawn(8)]
    first, last = nation.bounds(block)
    world = simulate_people(
        land, nation.profiles(), nation.facilities, streams[:5], procedures=nation.procedures(block),
        people=last - first, rates=care_rates(), mortality=nation_facts()["care"]["mortality"], mu=nation.mu,
        more=partial(add_everyday_care, rng=streams[5]),
    )  # fmt: skip
    world.plan.settle_code_years(code_years(land.vocabulary))
    fill_hospital_claims(world.plan, streams[7])
    world.people.person_id = _person_ids(first, last, streams[6])
    return world


def _person_ids(first: int, last: int, rng: np.random.Generator) -> np.ndarray:
    """Return sorted identifiers above those of all earlier people."""
    spread = 40
    numbers = first * spread + np.sort(rng.choice((last - first) * spread, size=last - first, replace=False))
    return np.array([f"SYN{number:012d}" for number in numbers.tolist()], dtype="U15")
