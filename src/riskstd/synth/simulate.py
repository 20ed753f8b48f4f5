"""The simulation: facilities, people and care drawn from the profile, outcomes from the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riskstd.synth.background import CareRates, add_background
from riskstd.synth.carrier import Pool, add_asc_days, draw_codes, make_pool, same_day_codes
from riskstd.synth.codebook import CodeBook, PlannedTables
from riskstd.synth.facilities import Facilities, draw_facilities
from riskstd.synth.hospital import Hospitals, make_hospitals
from riskstd.synth.landsize import LandSize
from riskstd.synth.outcomes import draw_outcomes
from riskstd.synth.people import (
    FIRST_PROCEDURE,
    LAST_PROCEDURE,
    Health,
    draw_health,
    draw_people,
    procedure_counts,
    procedure_days,
)
from riskstd.synth.plan import NO_DAY, People, Plan, Vocabulary
from riskstd.synth.profile import MeasureProfile
from riskstd.synth.world import Schedule, World


def simulate(
    profiles: list[MeasureProfile], *, facilities: int, procedures: int, seed: np.random.SeedSequence
) -> World:
    """Draw facilities, people, their care and the outcomes of their procedures."""
    streams = [np.random.default_rng(part) for part in seed.spawn(6)]
    vocabulary = Vocabulary()
    land = make_land(vocabulary, profiles)
    drawn_facilities = draw_facilities(facilities, profiles, vocabulary, streams[0])
    return simulate_people(land, profiles, drawn_facilities, streams[1:], procedures=procedures)


@dataclass(frozen=True)
class Land:
    """What people meet and nobody draws anew: provider numbers, code books, planned admission tables."""

    vocabulary: Vocabulary
    pool: Pool
    hospitals: Hospitals
    books: dict[str, CodeBook]
    planned: PlannedTables


def make_land(vocabulary: Vocabulary, profiles: list[MeasureProfile], size: LandSize | None = None) -> Land:
    """Enter providers and codes into a vocabulary."""
    size = size or LandSize()
    pool, hospitals = make_pool(vocabulary, size), make_hospitals(vocabulary, size)
    for profile in profiles:
        vocabulary.many(profile.visit_diagnoses)
    books = {profile.id: CodeBook(profile.measure, vocabulary) for profile in profiles}
    return Land(vocabulary, pool, hospitals, books, PlannedTables(profiles[0].measure))


def simulate_people(
    land: Land,
    profiles: list[MeasureProfile],
    facilities: Facilities,
    streams: list[np.random.Generator],
    *,
    procedures: int,
    people: int | None = None,
    rates: CareRates | None = None,
    mortality: float = 0.012,
    mu: dict[str, float] | None = None,
    more: Callable[[World, Schedule, Health, tuple[np.ndarray, np.ndarray]], None] | None = None,
) -> World:
    """Draw people, their care, and the outcomes of their procedures.

    Parameters
    ----------
    land, profiles, facilities
        Where they live; a profile's share is the part of its measure in all procedures.
    streams : list of Generator
        Five: people, health, surgical days, background, outcomes.
    procedures : int
        Procedures of all people.
    people : int, optional
        People; those with a procedure and a few more if left out.
    rates : CareRates
        Density of background care.
    mortality : float
        Part of people who die after their last procedure or contact.
    mu : dict of str to float, optional
        Intercepts by measure; those that give the event rates of the profiles if left out.
    more : callable, optional
        Adds further care before outcomes are drawn.
    """
    plan = Plan(land.vocabulary)
    counts = _procedure_counts(procedures, people, streams[0])
    schedule, drawn, contacts = _schedule(profiles, facilities, counts, plan, streams[0], mortality=mortality)
    age = (contacts[0] - np.where(drawn.birth == NO_DAY, contacts[0] - 27_000, drawn.birth)) / 365.25
    health = draw_health(drawn, age, streams[1])
    world = World(
        plan, drawn, facilities, profiles, land.books, land.pool, land.hospitals, land.planned, dict(mu or {})
    )
    _surgical_days(world, schedule, health, streams[2])
    add_background(world, schedule, health, contacts, streams[3], rates or CareRates())
    if more is not None:
        more(world, schedule, health, contacts)
    draw_outcomes(world, schedule, health, streams[4])
    plan.drop_after_death(drawn)
    # A person never entitled in the years of the delivery is in none of its enrolment files.
    drawn.has_record &= (drawn.buy_in != land.vocabulary("0")).any(axis=1)
    return world


def _procedure_counts(procedures: int, people: int | None, rng: np.random.Generator) -> np.ndarray:
    """Return how many procedures each person has, people without any among them."""
    counts = procedure_counts(procedures, rng)
    without = len(counts) // 25 if people is None else people - len(counts)
    counts = np.concatenate([counts, np.zeros(without, dtype=counts.dtype)])
    return counts[rng.permutation(len(counts))]


def _schedule(
    profiles: list[MeasureProfile],
    facilities: Facilities,
    counts: np.ndarray,
    plan: Plan,
    rng: np.random.Generator,
    *,
    mortality: float,
) -> tuple[Schedule, People, tuple[np.ndarray, np.ndarray]]:
    person, day = procedure_days(counts, rng)
    n = len(person)
    shares = np.array([profile.share for profile in profiles])
    bounds = np.round(np.cumsum(shares) / shares.sum() * n).astype(int)
    measure = rng.permutation(np.searchsorted(bounds, np.arange(n), side="right"))
    facility = np.empty(n, dtype=np.int64)
    for i, profile in enumerate(profiles):
        rows = np.flatnonzero(measure == i)
        weight = facilities.weight[profile.id]
        facility[rows] = rng.choice(len(weight), size=len(rows), p=weight / weight.sum())
    first = np.full(len(counts), NO_DAY, dtype=np.int64)
    without = counts == 0
    first[without] = rng.integers(FIRST_PROCEDURE, LAST_PROCEDURE, without.sum())
    last = first.copy()
    ends = np.cumsum(counts)
    first[~without] = day[(ends - counts)[~without]]
    last[~without] = day[ends[~without] - 1]
    people = draw_people(first, last, plan.vocabulary, rng, mortality=mortality)
    rank = np.arange(n) - (ends - counts)[person]
    schedule = Schedule(person, day, rank, rank == counts[person] - 1, measure, facility)
    return schedule, people, (first, last)


def _surgical_days(world: World, schedule: Schedule, health: Health, rng: np.random.Generator) -> None:
    for i, profile in enumerate(world.profiles):
        rows = np.flatnonzero(schedule.measure == i)
        book = world.books[profile.id]
        add_asc_days(
            world.plan, profile, world.pool, health, rng,
            person=schedule.person[rows], day=schedule.day[rows],
            facility=world.facilities.npi[schedule.facility[rows]],
            codes=draw_codes(profile, book, schedule.day[rows], rng),
            same_day=same_day_codes(profile, book, len(rows), rng),
        )  # fmt: skip
