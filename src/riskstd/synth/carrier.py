"""Professional claims: the day at the surgical center, and ordinary care around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskstd.synth.codebook import YEARS, CodeBook
from riskstd.synth.landsize import LandSize
from riskstd.synth.people import Health
from riskstd.synth.plan import NEVER_PLANNED, NONE, Plan, Vocabulary, day_of, year_of
from riskstd.synth.profile import MeasureProfile, conditions, texture

OBSERVATION_LINES_END = day_of(2022, 12, 31)


@dataclass(frozen=True)
class Pool:
    """Numbers of the vocabulary to draw from: provider numbers and diagnosis codes."""

    physicians: np.ndarray
    groups: np.ndarray
    ordinary: np.ndarray
    condition_codes: np.ndarray
    condition_sizes: np.ndarray
    denied: float = 0.0
    lines_per_claim: tuple[float, ...] = (0.42, 0.38, 0.2)

    def condition(self, health: Health, person: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
        """Draw a diagnosis code of one of each person's conditions, for a part of them; else `NONE`."""
        which = health.draw(person, rng)
        slot = np.floor(rng.random(len(person)) * self.condition_sizes[which]).astype(np.int64)
        return np.where((which >= 0) & (rng.random(len(person)) < share), self.condition_codes[which, slot], NONE)


def make_pool(vocabulary: Vocabulary, size: LandSize) -> Pool:
    """Enter provider numbers and diagnosis codes into the vocabulary."""
    known = conditions()
    width = max(len(condition.codes) for condition in known)
    codes = np.full((len(known), width), NONE, dtype=np.int32)
    for row, condition in enumerate(known):
        codes[row, : len(condition.codes)] = vocabulary.many(condition.codes)
    return Pool(
        vocabulary.many(f"92{number:08d}" for number in range(1017, 1017 + 7 * size.physicians, 7)),
        vocabulary.many(f"93{number:08d}" for number in range(2011, 2011 + 11 * size.groups, 11)),
        vocabulary.many(texture()["ordinary_diagnoses"]),
        codes,
        np.array([len(condition.codes) for condition in known]),
        size.denied,
        size.lines_per_claim,
    )


# ---- the day at the surgical center -----------------------------------------------------------


def draw_codes(profile: MeasureProfile, book: CodeBook, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one to three qualifying codes of the service year for each procedure, of shape (procedures, 3)."""
    drawn = np.full((len(day), 3), NONE, dtype=np.int32)
    year = year_of(day)
    for service_year in YEARS:
        rows = np.flatnonzero(year == service_year)
        codes, weights = _weights(profile, book, service_year)
        if len(rows) == 0:
            continue
        drawn[rows] = book.vocabulary.many(codes)[rng.choice(len(codes), size=(len(rows), 3), p=weights)]
    wanted = 1 + (rng.random(len(day))[:, None] < np.cumsum(profile.extra_codes[::-1])[::-1]).sum(axis=1)
    drawn[np.arange(3)[None, :] >= wanted[:, None]] = NONE
    drawn[(drawn[:, 1] == drawn[:, 0]), 1] = NONE
    drawn[(drawn[:, 2] == drawn[:, 0]) | (drawn[:, 2] == drawn[:, 1]), 2] = NONE
    return drawn


def _weights(profile: MeasureProfile, book: CodeBook, year: int) -> tuple[list[str], np.ndarray]:
    qualifying = book.qualifying(year)
    every = sorted(qualifying.exact)
    common = {code: weight for code, weight in profile.codes.items() if code in qualifying}
    total = sum(common.values())
    weights = np.array([profile.tail / len(every) + (1 - profile.tail) * common.get(code, 0) / total for code in every])
    return every, weights / weights.sum()


def same_day_codes(profile: MeasureProfile, book: CodeBook, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a further code of the facility that is not qualifying but has a meaning, for a few procedures."""
    drawn = np.full(n, NONE, dtype=np.int32)
    table = profile.measure.definition.cohort.codes.table
    for role, share in profile.same_day.items():
        codes = book.vocabulary.many(sorted(book.codes(table, role, YEARS[-1]).exact))
        hit = rng.random(n) < share
        drawn = np.where(hit, codes[rng.integers(0, len(codes), n)], drawn)
    return drawn


def add_asc_days(
    plan: Plan,
    profile: MeasureProfile,
    pool: Pool,
    health: Health,
    rng: np.random.Generator,
    *,
    person: np.ndarray,
    day: np.ndarray,
    facility: np.ndarray,
    codes: np.ndarray,
    same_day: np.ndarray,
) -> None:
    """Add the claims of surgical days: facility, surgeon, anesthesia, pathology, denied copies."""
    number, n = plan.vocabulary, len(person)
    reasons = number.many(profile.index_diagnoses)
    reason = reasons[rng.integers(0, len(reasons), n)]
    second = np.where(rng.random(n) < 0.3, reasons[rng.integers(0, len(reasons), n)], NONE)
    facility_codes = np.column_stack([codes, same_day])
    diagnoses = np.column_stack([reason, second])
    base = {"person": person, "day": day, "facility": facility}
    _facility_claims(plan, pool, rng, base, facility_codes, diagnoses)
    copies = rng.random(n) < 0.03
    _denied_copies(plan, {k: v[copies] for k, v in base.items()}, codes[copies])
    doctor = pool.physicians[rng.integers(0, len(pool.physicians), n)]
    group = pool.groups[rng.integers(0, len(pool.groups), n)]

    def comorbid(share: float, part: np.ndarray) -> list[np.ndarray]:
        return [pool.condition(health, person[part], rng, share) for _ in range(2)]

    everyone = np.arange(n)
    surgeon = np.column_stack([reason, second, *comorbid(0.15, everyone)])
    _professional(plan, person, day, doctor, group, surgeon, codes, number("2"), number(profile.specialty))
    again = np.flatnonzero(rng.random(n) < 0.08)
    _professional(
        plan, person[again], day[again], doctor[again], group[again], reason[again, None], codes[again, :1],
        number("2"), number(profile.specialty), modifier=number("59"),
    )  # fmt: skip
    some = np.flatnonzero(rng.random(n) < 0.85)
    _professional(
        plan, person[some], day[some], pool.physicians[rng.integers(0, 60, len(some))], group[some],
        np.column_stack([reason[some], *comorbid(0.25, some)]),
        np.full((len(some), 1), number(profile.anesthesia), np.int32), number("7"), number("05"),
    )  # fmt: skip
    some = np.flatnonzero(rng.random(n) < profile.pathology)
    _professional(
        plan, person[some], day[some], pool.physicians[rng.integers(60, 100, len(some))], group[some],
        reason[some, None], np.full((len(some), 1), number("88305"), np.int32), number("5"), number("22"),
    )  # fmt: skip


def _facility_claims(
    plan: Plan,
    pool: Pool,
    rng: np.random.Generator,
    base: dict[str, np.ndarray],
    codes: np.ndarray,
    diagnoses: np.ndarray,
) -> None:
    number, n = plan.vocabulary, len(base["person"])
    claim = plan.new_claims(n)
    facility = base["facility"]
    decoy = pool.groups[rng.integers(0, len(pool.groups), n)]
    step = rng.random(n)
    organization = np.where(step < 0.9, np.where((step < 0.7) & (step > 0.6), decoy, facility), NONE)
    performing = np.where((step >= 0.7) & (step < 0.9), decoy, facility)
    plan.add(
        "carrier", "claims", claim=claim, person=base["person"], first=base["day"], last=base["day"],
        principal=diagnoses[:, 0], claim_type=number("71"), payment=number("1"),
        billing=np.where(step < 0.7, facility, NONE),
    )  # fmt: skip
    plan.add_diagnoses("carrier", claim, diagnoses)
    mark = rng.random(n)
    denied_code = np.where(rng.random(n) < 0.02, np.roll(codes[:, 0], 1), NONE)
    supply = np.where(rng.random(n) < 0.05, number("C1713"), NONE)
    modifier = number.many(["", "RT", "LT", "PT", "59", "73"])
    table = np.column_stack([codes, supply, denied_code])
    row, column = np.nonzero(table >= 0)
    line = np.cumsum(table >= 0, axis=1)[row, column]
    indicator = number.many(["A", "A", "A", "R", "S"])[rng.integers(0, 5, len(row))]
    is_denied = column == table.shape[1] - 1
    plan.add(
        "carrier", "lines", claim=claim[row], line=line, first=base["day"][row], last=base["day"][row],
        hcpcs=table[row, column],
        mod1=modifier[rng.choice(6, len(row), p=[0.6, 0.12, 0.12, 0.1, 0.05, 0.01])],
        type_of_service=np.where(mark[row] < 0.93, number("F"), number("2")),
        specialty=np.where((mark[row] > 0.85) & (mark[row] < 0.93), NONE, number("49")),
        place=number("24"), indicator=np.where(is_denied, number("D"), indicator),
        diagnosis=diagnoses[row, 0], organization=organization[row], performing=performing[row],
        facility=facility[row], asc=True, denied=is_denied,
    )  # fmt: skip


def _denied_copies(plan: Plan, base: dict[str, np.ndarray], codes: np.ndarray) -> None:
    """Add copies of facility claims that were denied whole, with a diagnosis that must not count."""
    number, n = plan.vocabulary, len(base["person"])
    claim = plan.new_claims(n)
    decoy = np.full((n, 1), number("C787"), np.int32)
    plan.add(
        "carrier", "claims", claim=claim, person=base["person"], first=base["day"], last=base["day"],
        principal=decoy[:, 0], claim_type=number("71"), payment=number("0"), billing=base["facility"],
        void=True,
    )  # fmt: skip
    plan.add_diagnoses("carrier", claim, decoy)
    plan.add(
        "carrier", "lines", claim=claim, first=base["day"], last=base["day"], hcpcs=codes[:, 0],
        type_of_service=number("F"), specialty=number("49"), place=number("24"), indicator=number("D"),
        diagnosis=decoy[:, 0], organization=base["facility"], performing=base["facility"],
        facility=base["facility"], asc=True, denied=True,
    )  # fmt: skip


def _professional(
    plan: Plan,
    person: np.ndarray,
    day: np.ndarray,
    doctor: np.ndarray,
    group: np.ndarray,
    diagnoses: np.ndarray,
    codes: np.ndarray,
    type_of_service: int,
    specialty: int,
    *,
    place: str = "24",
    modifier: int = NONE,
) -> np.ndarray:
    """Add one claim per person with a line per code; at place of service 24 it is no facility line."""
    number, n = plan.vocabulary, len(person)
    claim = plan.new_claims(n)
    plan.add(
        "carrier", "claims", claim=claim, person=person, first=day, last=day, principal=diagnoses[:, 0],
        claim_type=number("71"), payment=number("1"), billing=group,
    )  # fmt: skip
    plan.add_diagnoses("carrier", claim, diagnoses)
    row, column = np.nonzero(codes >= 0)
    line = np.cumsum(codes >= 0, axis=1)[row, column]
    second = np.where(line > 1, number("51"), NONE)
    plan.add(
        "carrier", "lines", claim=claim[row], line=line, first=day[row], last=day[row],
        hcpcs=codes[row, column], mod1=np.where(modifier >= 0, modifier, second),
        type_of_service=type_of_service, specialty=specialty, place=number(place), indicator=number("A"),
        diagnosis=diagnoses[row, 0], organization=group[row], performing=doctor[row],
    )  # fmt: skip
    return claim


# ---- ordinary care ------------------------------------------------------------------------------


def add_ordinary_care(
    plan: Plan,
    pool: Pool,
    health: Health,
    rng: np.random.Generator,
    *,
    person: np.ndarray,
    day: np.ndarray,
) -> None:
    """Add professional claims of ordinary care, one for each person and day given."""
    number, n = plan.vocabulary, len(person)
    ordinary = pool.ordinary[rng.integers(0, len(pool.ordinary), (n, 2))]
    conditions_seen = [pool.condition(health, person, rng, share) for share in (0.6, 0.5, 0.35)]
    diagnoses = np.column_stack([ordinary[:, 0], *conditions_seen])
    diagnoses[:, 0] = np.where(diagnoses[:, 1] >= 0, diagnoses[:, 1], ordinary[:, 0])
    diagnoses[:, 1] = np.where(rng.random(n) < 0.3, ordinary[:, 1], NONE)
    claim = plan.new_claims(n)
    equipment = rng.random(n) < 0.015
    denied = rng.random(n) < pool.denied if pool.denied else np.zeros(n, dtype=bool)
    span = np.where(rng.random(n) < 0.04, rng.integers(1, 6, n), 0)
    doctor = pool.physicians[rng.integers(100, len(pool.physicians), n)]
    plan.add(
        "carrier", "claims", claim=claim, person=person, first=day, last=day + span,
        principal=diagnoses[:, 0],
        claim_type=np.where(equipment, number("72"), number("71")), payment=np.where(denied, number("0"), number("1")),
        billing=pool.groups[rng.integers(0, len(pool.groups), n)], void=equipment | denied,
    )  # fmt: skip
    plan.add_diagnoses("carrier", claim, diagnoses)
    lines = rng.choice(np.arange(1, len(pool.lines_per_claim) + 1), size=n, p=pool.lines_per_claim)
    row = np.repeat(np.arange(n), lines)
    line = np.arange(len(row)) - np.repeat(np.cumsum(lines) - lines, lines) + 1
    office = number.many(texture()["office_codes"])
    other = number.many(texture()["other_codes"])
    first_line = line == 1
    at = day[row] + np.where(first_line, 0, span[row])
    plan.add(
        "carrier", "lines", claim=claim[row], line=line, first=at, last=at,
        hcpcs=np.where(first_line, office[rng.integers(0, len(office), len(row))],
                       other[rng.integers(0, len(other), len(row))]),
        type_of_service=np.where(first_line, number("1"), number("5")), specialty=number("11"),
        place=np.where(first_line, number("11"), number("81")),
        indicator=np.where(denied[row], number("D"), number("A")),
        diagnosis=diagnoses[row, 0], organization=NONE, performing=doctor[row], denied=(equipment | denied)[row],
    )  # fmt: skip


def add_other_surgery(
    plan: Plan,
    pool: Pool,
    rng: np.random.Generator,
    choices: dict[str, list[str]],
    *,
    person: np.ndarray,
    day: np.ndarray,
    facility: np.ndarray,
) -> None:
    """Add days at a surgical center for something that no measure is about: facility and surgeon."""
    number, n = plan.vocabulary, len(person)
    codes, reasons = number.many(choices["codes"]), number.many(choices["diagnoses"])
    code = codes[rng.integers(0, len(codes), (n, 1))]
    reason = reasons[rng.integers(0, len(reasons), (n, 1))]
    _facility_claims(plan, pool, rng, {"person": person, "day": day, "facility": facility}, code, reason)
    doctor = pool.physicians[rng.integers(100, len(pool.physicians), n)]
    group = pool.groups[rng.integers(0, len(pool.groups), n)]
    _professional(plan, person, day, doctor, group, reason, code, number("2"), number(choices["specialties"][0]))


def add_observation_physicians(
    plan: Plan,
    pool: Pool,
    rng: np.random.Generator,
    *,
    person: np.ndarray,
    day: np.ndarray,
    diagnosis: np.ndarray,
) -> None:
    """Add professional observation care; to the end of 2022 each line is a visit of its own."""
    n = len(person)
    codes = plan.vocabulary.many(["99219", "99220", "99235"])[rng.integers(0, 3, (n, 1))]
    codes = np.where(day[:, None] <= OBSERVATION_LINES_END, codes, plan.vocabulary("99235"))
    claim = _professional(
        plan, person, day, pool.physicians[rng.integers(0, 50, n)], pool.groups[rng.integers(0, 20, n)],
        diagnosis[:, None], codes, plan.vocabulary("1"), plan.vocabulary("11"), place="22",
    )  # fmt: skip
    rows = np.flatnonzero(day <= OBSERVATION_LINES_END)
    visit = plan.new_visits(len(rows))
    plan.add(
        "visits", "claims", visit=visit, person=person[rows], type=1, start=day[rows], end=day[rows],
        rule=plan.vocabulary(NEVER_PLANNED), principal=diagnosis[rows], professional=True,
    )  # fmt: skip
    plan.add("visits", "lines", visit=visit, claim=claim[rows])


def add_emergency_physicians(
    plan: Plan,
    pool: Pool,
    rng: np.random.Generator,
    *,
    person: np.ndarray,
    day: np.ndarray,
    diagnosis: np.ndarray,
) -> None:
    """Add the professional side of ED visits, which is no visit by itself."""
    n = len(person)
    codes = plan.vocabulary.many(["99283", "99284", "99285"])[rng.integers(0, 3, (n, 1))]
    _professional(
        plan, person, day, pool.physicians[rng.integers(0, 50, n)], pool.groups[rng.integers(0, 20, n)],
        diagnosis[:, None], codes, plan.vocabulary("1"), plan.vocabulary("93"), place="23",
    )  # fmt: skip
