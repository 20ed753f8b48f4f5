"""People: age, sex, enrolment by month, and the conditions that they live with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from riskstd.synth.plan import MONTHS, NO_DAY, NONE, People, Vocabulary, day_of, month_of
from riskstd.synth.profile import Condition, conditions

FIRST_PROCEDURE = day_of(2022, 7, 1)
LAST_PROCEDURE = day_of(2024, 6, 28)
GAP_DAYS = 45
_FRAILTY_LOADING = 0.45


@dataclass(frozen=True)
class Health:
    """Frailty of people and their conditions as a list of pairs, sorted by person."""

    frailty: np.ndarray
    person: np.ndarray
    condition: np.ndarray
    first: np.ndarray
    count: np.ndarray

    def draw(self, person: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw one condition for each of some people; `NONE` for people without any."""
        count = self.count[person]
        position = self.first[person] + np.floor(rng.random(len(person)) * count).astype(np.int64)
        drawn = self.condition[np.minimum(position, max(len(self.condition) - 1, 0))]
        return np.where(count > 0, drawn, NONE)


def procedure_counts(procedures: int, rng: np.random.Generator) -> np.ndarray:
    """Return how many procedures each person has; they add up to `procedures`."""
    drawn = rng.choice([1, 2, 3], size=procedures, p=[0.87, 0.11, 0.02])
    ends = np.cumsum(drawn)
    people = int(np.searchsorted(ends, procedures)) + 1
    counts = drawn[:people].copy()
    counts[-1] -= int(ends[people - 1]) - procedures
    return counts


def procedure_days(counts: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return person and day of every procedure: weekdays, at least six weeks apart for one person."""
    person = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(person)) - np.repeat(np.cumsum(counts) - counts, counts)
    free = LAST_PROCEDURE - FIRST_PROCEDURE - GAP_DAYS * (counts - 1)
    day = np.floor(rng.random(len(person)) * free[person]).astype(np.int64)
    day = day[np.lexsort((day, person))] + FIRST_PROCEDURE + GAP_DAYS * rank
    weekday = (day + 3) % 7  # 1 January 1970 was a Thursday; 0 is Monday
    return person, day - np.where(weekday == 5, 1, 0) + np.where(weekday == 6, 1, 0)


def draw_people(
    first_day: np.ndarray,
    last_day: np.ndarray,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    *,
    mortality: float = 0.012,
) -> People:
    """Draw people whose first and last procedure (or only contact) fall on given days."""
    n = len(first_day)
    years = np.where(rng.random(n) < 0.025, rng.uniform(45, 65, n), np.minimum(65.1 + rng.gamma(1.9, 4.2, n), 99))
    birth = (first_day - np.floor(years * 365.25)).astype(np.int64)
    sex = np.where(rng.random(n) < 0.46, vocabulary("1"), vocabulary("2")).astype(np.int32)
    has_record = rng.random(n) >= 0.001
    birth = np.where(rng.random(n) < 0.0005, NO_DAY, birth)
    buy_in, hmo = _enrolment(birth, vocabulary, rng)
    death = np.where(rng.random(n) < mortality, last_day + rng.integers(60, 300, n), NO_DAY)
    people = People(
        person_ids(n, rng), birth.astype(np.int32), np.full(n, NO_DAY, np.int32), sex, has_record, buy_in, hmo
    )
    record_deaths(people, death, vocabulary)
    return people


def person_ids(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return sorted identifiers of 15 characters, drawn without gaps that tell their number."""
    numbers = np.sort(rng.choice(900_000 + 40 * n, size=n, replace=False))
    return np.array([f"SYN{number:012d}" for number in numbers], dtype="U15")


def record_deaths(people: People, death: np.ndarray, vocabulary: Vocabulary) -> None:
    """Write days of death; entitlement ends with the month of death."""
    dies = death != NO_DAY
    people.death[dies] = death[dies]
    month = np.arange(MONTHS)
    after = dies[:, None] & (month[None, :] > month_of(np.where(dies, death, 0))[:, None])
    people.buy_in[after] = vocabulary("0")
    people.hmo[after] = vocabulary("0")


def _enrolment(birth: np.ndarray, vocabulary: Vocabulary, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    n = len(birth)
    month = np.arange(MONTHS)[None, :]
    buy_in = np.where(rng.random(n) < 0.12, vocabulary("C"), vocabulary("3"))[:, None].repeat(MONTHS, 1)
    hmo = vocabulary.many(["0", "4"])[(rng.random(n) < 0.005).astype(int)][:, None].repeat(MONTHS, 1)
    hmo[rng.random(n) < 0.03] = NONE
    spell = _spells(n, 0.035, rng, month)
    plans = vocabulary.many(["1", "2", "B", "C"])[rng.integers(0, 4, n)]
    hmo = np.where(spell, plans[:, None], hmo)
    buy_in = np.where(_spells(n, 0.012, rng, month), vocabulary("1"), buy_in)
    month_65 = month_of(np.where(birth == NO_DAY, 0, birth)) + 12 * 65
    newly = (rng.random(n) < 0.5) & (month_65 > 0) & (month_65 < MONTHS) & (birth != NO_DAY)
    buy_in = np.where(newly[:, None] & (month < month_65[:, None]), vocabulary("0"), buy_in)
    return buy_in.astype(np.int32), hmo.astype(np.int32)


def _spells(n: int, share: float, rng: np.random.Generator, month: np.ndarray) -> np.ndarray:
    """Return months within one spell of a few months to two years, for a part of the people."""
    start = rng.integers(-6, MONTHS, n)[:, None]
    length = rng.integers(2, 25, n)[:, None]
    return (rng.random(n) < share)[:, None] & (month >= start) & (month < start + length)


def draw_health(people: People, age_years: np.ndarray, rng: np.random.Generator) -> Health:
    """Draw frailty, and conditions that go together through it."""
    n = len(people)
    frailty = 0.03 * (age_years - 73) + rng.standard_normal(n)
    has = np.column_stack([_has(condition, frailty, rng) for condition in conditions()])
    person, condition = np.nonzero(has)
    count = has.sum(axis=1)
    return Health(frailty, person, condition, np.cumsum(count) - count, count)


def _has(condition: Condition, frailty: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(len(frailty))
    level = _FRAILTY_LOADING * frailty + np.sqrt(1 - _FRAILTY_LOADING**2) * noise
    return level > ndtri(1 - condition.share)
