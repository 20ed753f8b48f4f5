"""Background: ordinary care, and hospital care that no outcome window sees."""

from __future__ import annotations

import numpy as np
import pandas as pd

from riskstd.synth.carrier import add_ordinary_care
from riskstd.synth.hospital import add_outpatient_visits
from riskstd.synth.people import Health
from riskstd.synth.plan import day_of
from riskstd.synth.profile import texture
from riskstd.synth.stays import draw_diagnoses, draw_stays
from riskstd.synth.world import Schedule, World

LOOK_BACK_DAYS, AFTERCARE_DAYS = 400, 45
ORDINARY_CLAIMS_A_YEAR, OUTPATIENT_CLAIMS_A_YEAR = 5.5, 1.1


def add_background(
    world: World,
    schedule: Schedule,
    health: Health,
    contacts: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Add ordinary care, and hospital care that no outcome window sees."""
    start = np.maximum(contacts[0] - LOOK_BACK_DAYS, day_of(2021, 1, 4))
    end = np.minimum(contacts[1] + AFTERCARE_DAYS, day_of(2024, 12, 20))
    intensity = np.exp(0.3 * health.frailty - 0.045) * (end - start) / 365.25
    person, day = _dates(intensity * ORDINARY_CLAIMS_A_YEAR, start, end, rng)
    add_ordinary_care(world.plan, world.pool, health, rng, person=person, day=day)
    person, day = _dates(intensity * OUTPATIENT_CLAIMS_A_YEAR, start, end, rng)
    neither = np.zeros(len(person), dtype=bool)
    diagnoses = draw_diagnoses(world, health, person, rng, first=world.pool.ordinary)
    add_outpatient_visits(
        world.plan, world.hospitals, rng,
        person=person, day=day, diagnoses=diagnoses, ed=neither, observation=neither,
    )  # fmt: skip
    _background_visits(world, schedule, health, intensity, start, end, rng)
    _background_stays(world, schedule, health, intensity, start, end, rng)


def _background_visits(
    world: World,
    schedule: Schedule,
    health: Health,
    intensity: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    rng: np.random.Generator,
) -> None:
    person, day = _dates(intensity * 0.25, start, end, rng)
    n, settings = len(schedule.person), texture()
    before = np.flatnonzero(rng.random(n) < settings["visits_before"])
    after = np.flatnonzero(rng.random(n) < settings["visits_after_window"])
    near = np.concatenate([before, after])
    offset = np.concatenate([-rng.integers(1, 15, len(before)), rng.integers(8, 15, len(after))])
    person = np.concatenate([person, schedule.person[near]])
    day = np.concatenate([day, schedule.day[near] + offset])
    clear = ~_near_procedure(schedule, person, day, 0, 7)
    person, day = person[clear], day[clear]
    kind = rng.random(len(person))
    codes = world.plan.vocabulary.many(world.profiles[0].visit_diagnoses)
    diagnoses = draw_diagnoses(world, health, person, rng, first=codes)
    add_outpatient_visits(
        world.plan, world.hospitals, rng, person=person, day=day, diagnoses=diagnoses,
        ed=kind < 0.9, observation=kind > 0.8, void=rng.random(len(person)) < 0.02,
    )  # fmt: skip


def _background_stays(
    world: World,
    schedule: Schedule,
    health: Health,
    intensity: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Add at most one stay per person, far from procedures."""
    person = np.flatnonzero(rng.random(len(intensity)) < 0.10 * intensity)
    day = np.floor(start[person] + rng.random(len(person)) * (end[person] - start[person] - 8)).astype(np.int64)
    clear = ~_near_procedure(schedule, person, day, -30, 30)
    person, day = person[clear], day[clear]
    codes = world.plan.vocabulary.many(sorted({c for p in world.profiles for c in p.visit_diagnoses}))
    planned = rng.random(len(person)) < 0.2
    draw_stays(
        world, health, rng, person=person, admission=day, codes=codes,
        ed_line=(rng.random(len(person)) < 0.6) & ~planned, planned=planned,
        transfer=(rng.random(len(person)) < 0.03) & ~planned,
    )  # fmt: skip


def _dates(
    expected: np.ndarray, start: np.ndarray, end: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a Poisson number of days for each person."""
    counts = rng.poisson(expected)
    person = np.repeat(np.arange(len(counts)), counts)
    return person, np.floor(start[person] + rng.random(len(person)) * (end - start)[person]).astype(np.int64)


def _near_procedure(schedule: Schedule, person: np.ndarray, day: np.ndarray, first: int, last: int) -> np.ndarray:
    """Tell which days lie from `first` to `last` days after a procedure of the person."""
    events = pd.DataFrame({"person": person, "day": day}).reset_index(names="row")
    procedures = pd.DataFrame({"person": schedule.person, "procedure": schedule.day})
    pairs = events.merge(procedures, on="person")
    hit = pairs.loc[(pairs["day"] - pairs["procedure"]).between(first, last), "row"]
    return np.isin(np.arange(len(person)), hit)
