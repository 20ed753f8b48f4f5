"""Background: ordinary care, and hospital care that no outcome window sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from riskstd.synth.carrier import add_ordinary_care
from riskstd.synth.hospital import add_outpatient_visits
from riskstd.synth.people import Health
from riskstd.synth.plan import NONE, day_of, month_of
from riskstd.synth.profile import texture
from riskstd.synth.stays import draw_diagnoses, draw_stays
from riskstd.synth.world import Schedule, World


@dataclass(frozen=True)
class CareRates:
    """How dense care is that no measure is about; numbers per person and year, days around procedures.

    With `only_covered`, care falls into months that fee-for-service Medicare pays for, and a person may
    have any number of stays instead of one.
    """

    ordinary_claims: float = 5.5
    outpatient_claims: float = 1.1
    ed_visits: float = 0.25
    stays: float = 0.10
    look_back_days: int = 400
    aftercare_days: int = 45
    only_covered: bool = False


def add_background(
    world: World,
    schedule: Schedule,
    health: Health,
    contacts: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
    rates: CareRates,
) -> None:
    """Add ordinary care, and hospital care that no outcome window sees."""
    start, end = care_window(contacts, rates)
    intensity = care_intensity(health, start, end)
    person, day = _care(world, rates, intensity * rates.ordinary_claims, start, end, rng)
    add_ordinary_care(world.plan, world.pool, health, rng, person=person, day=day)
    person, day = _care(world, rates, intensity * rates.outpatient_claims, start, end, rng)
    neither = np.zeros(len(person), dtype=bool)
    diagnoses = draw_diagnoses(world, health, person, rng, first=world.pool.ordinary)
    add_outpatient_visits(
        world.plan, world.hospitals, rng,
        person=person, day=day, diagnoses=diagnoses, ed=neither, observation=neither,
    )  # fmt: skip
    dates = _care(world, rates, intensity * rates.ed_visits, start, end, rng)
    _background_visits(world, schedule, health, dates, rng)
    if rates.only_covered:
        dates = _care(world, rates, intensity * rates.stays, start, end - 8, rng)
    else:
        dates = _one_at_most(intensity * rates.stays, start, end - 8, rng)
    _background_stays(world, schedule, health, dates, rng)


def care_window(contacts: tuple[np.ndarray, np.ndarray], rates: CareRates) -> tuple[np.ndarray, np.ndarray]:
    """Return the first day of everybody's background care, and the day after the last."""
    start = np.maximum(contacts[0] - rates.look_back_days, day_of(2021, 1, 4))
    return start, np.minimum(contacts[1] + rates.aftercare_days, day_of(2024, 12, 20))


def care_intensity(health: Health, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return years of care, weighted so that frail people have more of it."""
    return np.exp(0.3 * health.frailty - 0.045) * (end - start) / 365.25


def _background_visits(
    world: World,
    schedule: Schedule,
    health: Health,
    dates: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> None:
    person, day = dates
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
    dates: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Add stays, far from procedures."""
    person, day = dates
    clear = ~_near_procedure(schedule, person, day, -30, 30)
    person, day = person[clear], day[clear]
    codes = world.plan.vocabulary.many(sorted({c for p in world.profiles for c in p.visit_diagnoses}))
    planned = rng.random(len(person)) < 0.2
    draw_stays(
        world, health, rng, person=person, admission=day, codes=codes,
        ed_line=(rng.random(len(person)) < 0.6) & ~planned, planned=planned,
        transfer=(rng.random(len(person)) < 0.03) & ~planned,
    )  # fmt: skip


def is_covered(world: World, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Tell which days fall into a month that fee-for-service Medicare pays for."""
    number, month = world.plan.vocabulary, month_of(day)
    entitled = world.people.buy_in[person, month] != number("0")
    return entitled & np.isin(world.people.hmo[person, month], [number("0"), number("4"), NONE])


def _care(
    world: World,
    rates: CareRates,
    expected: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    person, day = care_dates(expected, start, end, rng)
    if not rates.only_covered:
        return person, day
    covered = is_covered(world, person, day)
    return person[covered], day[covered]


def _one_at_most(
    expected: np.ndarray, start: np.ndarray, end: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a day for a part of the people."""
    person = np.flatnonzero(rng.random(len(expected)) < expected)
    day = np.floor(start[person] + rng.random(len(person)) * (end - start)[person]).astype(np.int64)
    return person, day


def care_dates(
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
