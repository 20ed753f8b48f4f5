"""Outcomes: drawn from the model, and turned into hospital visits in the window."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit

from riskstd.synth.carrier import add_emergency_physicians, add_observation_physicians
from riskstd.synth.factors import risk_factors
from riskstd.synth.facts import KEY, Facts, candidates_of, facts_of
from riskstd.synth.hospital import add_outpatient_visits
from riskstd.synth.people import Health, record_deaths
from riskstd.synth.plan import NO_DAY, NONE, kept, marked, numbered
from riskstd.synth.profile import MeasureProfile, texture
from riskstd.synth.stays import draw_diagnoses, draw_stays
from riskstd.synth.world import Schedule, World

_PATTERNS = (
    "ed",
    "observation",
    "ed_observation",
    "stay",
    "ed_in_stay",
    "ed_then_stay",
    "transfer",
    "two_ed",
)
_PATTERN_WEIGHTS = (0.52, 0.10, 0.06, 0.16, 0.08, 0.04, 0.02, 0.02)


def draw_outcomes(world: World, schedule: Schedule, health: Health, rng: np.random.Generator) -> None:
    """Draw outcomes in the order of each person's procedures, since visits become history."""
    for rank in range(int(schedule.rank.max()) + 1):
        if world.code_years is not None:
            world.plan.settle_code_years(world.code_years)
        facts = _facts(world, schedule.person[schedule.rank == rank])
        for i, profile in enumerate(world.profiles):
            rows = np.flatnonzero((schedule.measure == i) & (schedule.rank == rank))
            if profile.id not in world.mu:
                world.mu[profile.id] = _solve_mu(world, profile, facts)
            if len(rows):
                _draw_outcomes(world, profile, facts, schedule, rows, health, rng)


def _facts(world: World, person: np.ndarray) -> Facts:
    of_interest = marked(len(world.people), person)
    return facts_of(world.plan, world.people, of_interest, relevant_diagnoses(world))


def relevant_diagnoses(world: World) -> np.ndarray:
    """Return which text is a diagnosis that any measure asks for."""
    return np.any([book.relevant_diagnoses() for book in world.books.values()], axis=0)


def linear_predictor(world: World, profile: MeasureProfile, facts: Facts, candidates: pd.DataFrame) -> np.ndarray:
    """Return x beta + facility effect of candidates, without the intercept (log odds)."""
    x = risk_factors(world.books[profile.id], facts, candidates)
    beta = np.array([profile.coefficients[column] for column in x.columns])
    effects = np.zeros(len(world.plan.vocabulary.texts) + 1)
    effects[world.facilities.npi] = world.facilities.effect[profile.id]
    return x.to_numpy(dtype=float) @ beta + effects[candidates["facility"].to_numpy()]


def _solve_mu(world: World, profile: MeasureProfile, facts: Facts) -> float:
    candidates = candidates_of(world.books[profile.id], facts)
    candidates = kept(candidates, candidates["age_years"] >= 65)
    if candidates.empty:
        return float(logit(profile.event_rate))
    predictor = linear_predictor(world, profile, facts, candidates)
    root = brentq(lambda mu: expit(mu + predictor).mean() - profile.event_rate, -20.0, 5.0)
    return cast("float", root)


def _draw_outcomes(
    world: World,
    profile: MeasureProfile,
    facts: Facts,
    schedule: Schedule,
    rows: np.ndarray,
    health: Health,
    rng: np.random.Generator,
) -> None:
    planned = pd.DataFrame(
        {
            "person": schedule.person[rows],
            "day": schedule.day[rows],
            "facility": world.facilities.npi[schedule.facility[rows]],
            "is_last": schedule.is_last[rows],
        }
    )
    candidates = candidates_of(world.books[profile.id], facts).merge(planned, on=KEY)
    p = expit(world.mu[profile.id] + linear_predictor(world, profile, facts, candidates))
    event = rng.random(len(candidates)) < p
    _window_visits(world, profile, health, rng, kept(candidates, event))
    _window_non_events(world, profile, health, rng, kept(candidates, ~event))
    drawn = numbered(candidates, KEY).assign(event=event.astype(np.int32), probability=p)
    earlier = world.drawn.get(profile.id)
    world.drawn[profile.id] = drawn if earlier is None else pd.concat([earlier, drawn], ignore_index=True)


def _window_visits(
    world: World, profile: MeasureProfile, health: Health, rng: np.random.Generator, events: pd.DataFrame
) -> None:
    """Give every procedure with an event one or more hospital visits on days 0 to 7."""
    n = len(events)
    person, day = events["person"].to_numpy().astype(np.int64), events["day"].to_numpy().astype(np.int64)
    offset = rng.choice(8, size=n, p=texture()["day_weights"])
    pattern = np.array(_PATTERNS)[rng.choice(len(_PATTERNS), size=n, p=_PATTERN_WEIGHTS)]
    codes = world.plan.vocabulary.many(profile.visit_diagnoses)
    diagnoses = draw_diagnoses(world, health, person, rng, first=codes)
    neutral = _neutral_codes(world, profile)
    on_day = offset == 0
    diagnoses[on_day, 0] = neutral[rng.integers(0, len(neutral), on_day.sum())]
    diagnoses[on_day, 1:] = NONE
    ed = np.isin(pattern, ("ed", "ed_observation", "ed_then_stay", "two_ed"))
    observation = np.isin(pattern, ("observation", "ed_observation"))
    out = np.flatnonzero(ed | observation)
    add_outpatient_visits(
        world.plan, world.hospitals, rng, person=person[out], day=(day + offset)[out],
        diagnoses=diagnoses[out], ed=ed[out], observation=observation[out],
    )  # fmt: skip
    again = np.flatnonzero((pattern == "two_ed") & (offset > 0))
    add_outpatient_visits(
        world.plan, world.hospitals, rng, person=person[again], day=(day + np.minimum(offset + 1, 7))[again],
        diagnoses=diagnoses[again], ed=np.ones(len(again), bool), observation=np.zeros(len(again), bool),
    )  # fmt: skip
    doctors = np.flatnonzero(ed & (rng.random(n) < 0.8))
    add_emergency_physicians(
        world.plan, world.pool, rng, person=person[doctors], day=(day + offset)[doctors],
        diagnosis=diagnoses[doctors, 0],
    )  # fmt: skip
    doctors = np.flatnonzero((pattern == "observation") & (rng.random(n) < 0.5))
    add_observation_physicians(
        world.plan, world.pool, rng, person=person[doctors], day=(day + offset)[doctors],
        diagnosis=diagnoses[doctors, 0],
    )  # fmt: skip
    _window_stays(world, health, rng, events, codes, pattern, offset)


def _window_stays(
    world: World,
    health: Health,
    rng: np.random.Generator,
    events: pd.DataFrame,
    codes: np.ndarray,
    pattern: np.ndarray,
    offset: np.ndarray,
) -> None:
    rows = np.flatnonzero(np.isin(pattern, ("stay", "ed_in_stay", "ed_then_stay", "transfer")))
    next_day = (pattern[rows] == "ed_then_stay") & (rng.random(len(rows)) < 0.5) & (offset[rows] < 7)
    person = events["person"].to_numpy().astype(np.int64)[rows]
    admission = events["day"].to_numpy().astype(np.int64)[rows] + offset[rows] + next_day
    died = events["is_last"].to_numpy()[rows] & (rng.random(len(rows)) < 0.03)
    discharge = draw_stays(
        world, health, rng, person=person, admission=admission, codes=codes,
        ed_line=pattern[rows] == "ed_in_stay", planned=np.zeros(len(rows), dtype=bool),
        transfer=pattern[rows] == "transfer", died=died,
    )  # fmt: skip
    death = np.full(len(world.people), NO_DAY, dtype=np.int64)
    death[person[died]] = discharge[died]
    record_deaths(world.people, death, world.plan.vocabulary)


def _window_non_events(
    world: World, profile: MeasureProfile, health: Health, rng: np.random.Generator, others: pd.DataFrame
) -> None:
    """Give a few procedures without an event a planned stay, or an ED claim that was voided."""
    person, day = others["person"].to_numpy().astype(np.int64), others["day"].to_numpy().astype(np.int64)
    codes = world.plan.vocabulary.many(profile.visit_diagnoses)
    stay = np.flatnonzero(rng.random(len(others)) < texture()["planned_admissions"])
    yes, no = np.ones(len(stay), dtype=bool), np.zeros(len(stay), dtype=bool)
    draw_stays(
        world, health, rng, person=person[stay], admission=day[stay] + rng.integers(1, 8, len(stay)),
        codes=codes, ed_line=rng.random(len(stay)) < 0.1, planned=yes, transfer=no,
    )  # fmt: skip
    void = np.flatnonzero(rng.random(len(others)) < 0.003)
    add_outpatient_visits(
        world.plan, world.hospitals, rng, person=person[void], day=day[void] + rng.integers(0, 8, len(void)),
        diagnoses=draw_diagnoses(world, health, person[void], rng, first=codes), ed=np.ones(len(void), bool),
        observation=np.zeros(len(void), bool), void=np.ones(len(void), bool),
    )  # fmt: skip


def _neutral_codes(world: World, profile: MeasureProfile) -> np.ndarray:
    """Return visit diagnoses that change no risk factor of any measure on the index day."""
    codes = [
        code
        for code in profile.visit_diagnoses
        if not any(book.factors_of(code, index_day=True) for book in world.books.values())
    ]
    return world.plan.vocabulary.many(codes)
