"""The simulation: facilities, people and care drawn from the profile, outcomes from the model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from riskstd.synth.bookkeeping import KEY, Facts, candidates_of, facts_of, risk_factors
from riskstd.synth.carrier import (
    Pool,
    add_asc_days,
    add_emergency_physicians,
    add_observation_physicians,
    add_ordinary_care,
    draw_codes,
    make_pool,
    same_day_codes,
)
from riskstd.synth.codebook import CodeBook, PlannedTables
from riskstd.synth.facilities import Facilities, draw_facilities
from riskstd.synth.hospital import Hospitals, add_outpatient_visits, add_stays, make_hospitals
from riskstd.synth.people import (
    FIRST_PROCEDURE,
    LAST_PROCEDURE,
    Health,
    draw_health,
    draw_people,
    procedure_counts,
    procedure_days,
    record_deaths,
)
from riskstd.synth.plan import NO_DAY, NONE, People, Plan, day_of
from riskstd.synth.profile import MeasureProfile, texture

LOOK_BACK_DAYS, AFTERCARE_DAYS = 400, 45
ORDINARY_CLAIMS_A_YEAR, OUTPATIENT_CLAIMS_A_YEAR = 5.5, 1.1
PLANNED_PROCEDURES = ("0SRD0J9", "0SR90JZ", "0DTN0ZZ", "02703DZ", "0HTV0ZZ", "0VT08ZZ")
PLANNED_DIAGNOSES = ("M1711", "M1611", "C189", "I2510", "C50911", "C61")
OTHER_PROCEDURES = ("0DJD8ZZ", "02HV33Z", "30233N1", "5A1D70Z", "B2111ZZ")
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


@dataclass
class World:
    """Everything drawn: the plan of care, the people, the facilities and the coefficients."""

    plan: Plan
    people: People
    facilities: Facilities
    profiles: list[MeasureProfile]
    books: dict[str, CodeBook]
    pool: Pool
    hospitals: Hospitals
    planned: PlannedTables
    mu: dict[str, float] = field(default_factory=dict)
    drawn: dict[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Schedule:
    """Planned procedures in the order of person and day; `rank` counts a person's procedures."""

    person: np.ndarray
    day: np.ndarray
    rank: np.ndarray
    is_last: np.ndarray
    measure: np.ndarray
    facility: np.ndarray


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
    _background(world, schedule, health, contacts, streams[4])
    _outcomes(world, schedule, health, streams[5])
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


# ---- background -------------------------------------------------------------------------------


def _background(
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
    diagnoses = _diagnoses(world, health, person, rng, first=world.pool.ordinary)
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
    diagnoses = _diagnoses(world, health, person, rng, first=codes)
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
    day = np.floor(start[person] + rng.random(len(person)) * (end[person] - start[person] - 8)).astype(
        np.int64
    )
    clear = ~_near_procedure(schedule, person, day, -30, 30)
    person, day = person[clear], day[clear]
    codes = world.plan.vocabulary.many(sorted({c for p in world.profiles for c in p.visit_diagnoses}))
    planned = rng.random(len(person)) < 0.2
    _stays(
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


def _near_procedure(
    schedule: Schedule, person: np.ndarray, day: np.ndarray, first: int, last: int
) -> np.ndarray:
    """Tell which days lie from `first` to `last` days after a procedure of the person."""
    events = pd.DataFrame({"person": person, "day": day}).reset_index(names="row")
    procedures = pd.DataFrame({"person": schedule.person, "procedure": schedule.day})
    pairs = events.merge(procedures, on="person")
    hit = pairs.loc[(pairs["day"] - pairs["procedure"]).between(first, last), "row"]
    return np.isin(np.arange(len(person)), hit)


def _diagnoses(
    world: World, health: Health, person: np.ndarray, rng: np.random.Generator, *, first: np.ndarray
) -> np.ndarray:
    """Draw a leading diagnosis and up to three of the person's conditions."""
    n = len(person)
    leading = first[rng.integers(0, len(first), n)]
    return np.column_stack([leading, *(world.pool.condition(health, person, rng, 0.4) for _ in range(3))])


# ---- stays --------------------------------------------------------------------------------------


def _stays(
    world: World,
    health: Health,
    rng: np.random.Generator,
    *,
    person: np.ndarray,
    admission: np.ndarray,
    codes: np.ndarray,
    ed_line: np.ndarray,
    planned: np.ndarray,
    transfer: np.ndarray,
    died: np.ndarray | None = None,
) -> np.ndarray:
    """Add stays, each with the rule of the planned admission algorithm that it is made to meet."""
    number, n = world.plan.vocabulary, len(person)
    tables = world.planned
    acute = np.array([tables.has_diagnosis("PA4", number.texts[code]) for code in codes], dtype=bool)
    length = np.minimum(rng.geometric(0.3, n), 6) + transfer
    diagnoses = _diagnoses(world, health, person, rng, first=codes)
    kind = rng.random(n)
    is_pa4 = ~planned & (kind < 0.25) & acute.any() & ~transfer
    diagnoses[is_pa4, 0] = (
        codes[acute][rng.integers(0, max(acute.sum(), 1), is_pa4.sum())] if acute.any() else NONE
    )
    rule = np.where(is_pa4, number("PA4"), number("no_planned_procedure"))
    listed = number.many(PLANNED_PROCEDURES)[rng.integers(0, len(PLANNED_PROCEDURES), n)]
    other = number.many(("", "", *OTHER_PROCEDURES))[rng.integers(0, 2 + len(OTHER_PROCEDURES), n)]
    procedure = np.where(is_pa4, listed, other)
    missing = ~planned & (kind > 0.985) & ~transfer
    rule = np.where(missing, number("missing_principal_diagnosis"), rule)
    procedure = np.where(missing, listed, procedure)
    for name, share, diagnosis, operation in (
        ("PA1", (0.0, 0.2), "C9000", "30233G0"),
        ("PA2", (0.2, 0.45), "Z5111", ""),
        ("PA3", (0.45, 1.0), "", ""),
    ):
        rows = np.flatnonzero(planned & (kind >= share[0]) & (kind < share[1]))
        rule[rows] = number(name)
        which = rng.integers(0, len(PLANNED_PROCEDURES), len(rows))
        is_pa3 = name == "PA3"
        diagnoses[rows, 0] = number.many(PLANNED_DIAGNOSES)[which] if is_pa3 else number(diagnosis)
        procedure[rows] = number.many(PLANNED_PROCEDURES)[which] if is_pa3 else number(operation)
    add_stays(
        world.plan, world.hospitals, rng, person=person, admission=admission, discharge=admission + length,
        diagnoses=diagnoses, rule=rule, procedure=procedure, ed_line=ed_line, transfer=transfer,
        died=np.zeros(n, dtype=bool) if died is None else died,
        principal=np.where(missing, NONE, diagnoses[:, 0]),
    )  # fmt: skip
    return admission + length


# ---- outcomes -----------------------------------------------------------------------------------


def _outcomes(world: World, schedule: Schedule, health: Health, rng: np.random.Generator) -> None:
    """Draw outcomes in the order of each person's procedures, since visits become history."""
    for rank in range(int(schedule.rank.max()) + 1):
        facts = facts_of(world.plan, world.people)
        for i, profile in enumerate(world.profiles):
            rows = np.flatnonzero((schedule.measure == i) & (schedule.rank == rank))
            if rank == 0:
                world.mu[profile.id] = _solve_mu(world, profile, facts, schedule, i)
            if len(rows):
                _draw_outcomes(world, profile, facts, schedule, rows, health, rng)


def linear_predictor(
    world: World, profile: MeasureProfile, facts: Facts, candidates: pd.DataFrame
) -> np.ndarray:
    """Return x beta + facility effect of candidates, without the intercept (log odds)."""
    x = risk_factors(world.books[profile.id], facts, candidates)
    beta = np.array([profile.coefficients[column] for column in x.columns])
    effects = np.zeros(len(world.plan.vocabulary.texts) + 1)
    effects[world.facilities.npi] = world.facilities.effect[profile.id]
    return x.to_numpy(dtype=float) @ beta + effects[candidates["facility"].to_numpy()]


def _solve_mu(world: World, profile: MeasureProfile, facts: Facts, schedule: Schedule, i: int) -> float:
    candidates = candidates_of(world.books[profile.id], facts)
    candidates = candidates[candidates["age_years"] >= 65].reset_index(drop=True)
    predictor = linear_predictor(world, profile, facts, candidates)
    return float(brentq(lambda mu: expit(mu + predictor).mean() - profile.event_rate, -20, 5))


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
    _window_visits(world, profile, health, rng, candidates[event])
    _window_non_events(world, profile, health, rng, candidates[~event])
    drawn = candidates[KEY].assign(event=event.astype(np.int32), probability=p)
    world.drawn[profile.id] = pd.concat([world.drawn.get(profile.id, drawn[:0]), drawn], ignore_index=True)


def _window_visits(
    world: World, profile: MeasureProfile, health: Health, rng: np.random.Generator, events: pd.DataFrame
) -> None:
    """Give every procedure with an event one or more hospital visits on days 0 to 7."""
    n = len(events)
    person, day = events["person"].to_numpy().astype(np.int64), events["day"].to_numpy().astype(np.int64)
    offset = rng.choice(8, size=n, p=texture()["day_weights"])
    pattern = np.array(_PATTERNS)[rng.choice(len(_PATTERNS), size=n, p=_PATTERN_WEIGHTS)]
    codes = world.plan.vocabulary.many(profile.visit_diagnoses)
    diagnoses = _diagnoses(world, health, person, rng, first=codes)
    neutral = _neutral_codes(world, profile)
    on_day = offset == 0
    diagnoses[on_day, 0] = neutral[rng.integers(0, len(neutral), on_day.sum())]
    diagnoses[on_day, 1:] = NONE
    ed = np.isin(pattern, ("ed", "ed_observation", "ed_then_stay", "two_ed"))
    observation = np.isin(pattern, ("observation", "ed_observation"))
    out = np.flatnonzero(ed | observation)
    add_outpatient_visits(
        world.plan, world.hospitals, rng, person=person[out], day=(day + offset)[out], diagnoses=diagnoses[out],
        ed=ed[out], observation=observation[out],
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
    discharge = _stays(
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
    _stays(
        world, health, rng, person=person[stay], admission=day[stay] + rng.integers(1, 8, len(stay)), codes=codes,
        ed_line=rng.random(len(stay)) < 0.1, planned=yes, transfer=no,
    )  # fmt: skip
    void = np.flatnonzero(rng.random(len(others)) < 0.003)
    add_outpatient_visits(
        world.plan, world.hospitals, rng, person=person[void], day=day[void] + rng.integers(0, 8, len(void)),
        diagnoses=_diagnoses(world, health, person[void], rng, first=codes), ed=np.ones(len(void), bool),
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
