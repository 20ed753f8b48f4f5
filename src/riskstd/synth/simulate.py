"""The simulation: facilities, people and care drawn from the profile, outcomes from the model."""

from __future__ import annotations

import numpy as np

from riskstd.synth.background import add_background
from riskstd.synth.carrier import add_asc_days, draw_codes, make_pool, same_day_codes
from riskstd.synth.codebook import CodeBook, PlannedTables
from riskstd.synth.facilities import Facilities, draw_facilities
from riskstd.synth.hospital import make_hospitals
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
from riskstd.synth.plan import NO_DAY, People, Plan
from riskstd.synth.profile import MeasureProfile
from riskstd.synth.world import Schedule, World


def simulate(
    profiles: list[MeasureProfile], *, facilities: int, procedures: int, seed: np.random.SeedSequence
) -> World:
    """Draw facilities, people, their care and the outcomes of their procedures."""
    streams = [np.random.default_rng(part) for part in seed.spawn(6)]
    plan = Plan()
    pool, hospitals = make_pool(plan.vocabulary), make_hospitals(plan.vocabulary)
    for profile in profiles:
        plan.vocabulary.many(profile.visit_diagnoses)
    drawn_facilities = draw_facilities(facilities, profiles, plan.vocabulary, streams[0])
    schedule, people, contacts = _schedule(profiles, drawn_facilities, procedures, plan, streams[1])
    age = (contacts[0] - np.where(people.birth == NO_DAY, contacts[0] - 27_000, people.birth)) / 365.25
    health = draw_health(people, age, streams[2])
    books = {profile.id: CodeBook(profile.measure, plan.vocabulary) for profile in profiles}
    planned = PlannedTables(profiles[0].measure)
    world = World(plan, people, drawn_facilities, profiles, books, pool, hospitals, planned)
    _surgical_days(world, schedule, health, streams[3])
    add_background(world, schedule, health, contacts, streams[4])
    draw_outcomes(world, schedule, health, streams[5])
    plan.drop_after_death(people)
    # A person never entitled in the years of the delivery is in none of its enrolment files.
    people.has_record &= (people.buy_in != plan.vocabulary("0")).any(axis=1)
    return world


def _schedule(
    profiles: list[MeasureProfile],
    facilities: Facilities,
    procedures: int,
    plan: Plan,
    rng: np.random.Generator,
) -> tuple[Schedule, People, tuple[np.ndarray, np.ndarray]]:
    counts = procedure_counts(procedures, rng)
    counts = np.concatenate([counts, np.zeros(len(counts) // 25, dtype=counts.dtype)])
    counts = counts[rng.permutation(len(counts))]
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
    people = draw_people(first, last, plan.vocabulary, rng)
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
