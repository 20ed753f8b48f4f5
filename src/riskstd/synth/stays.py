"""Stays, each made to meet one rule of the planned admission algorithm."""

from __future__ import annotations

import numpy as np

from riskstd.synth.hospital import add_stays
from riskstd.synth.people import Health
from riskstd.synth.plan import NONE
from riskstd.synth.world import World

PLANNED_PROCEDURES = ("0SRD0J9", "0SR90JZ", "0DTN0ZZ", "02703DZ", "0HTV0ZZ", "0VT08ZZ")
PLANNED_DIAGNOSES = ("M1711", "M1611", "C189", "I2510", "C50911", "C61")
OTHER_PROCEDURES = ("0DJD8ZZ", "02HV33Z", "30233N1", "5A1D70Z", "B2111ZZ")


def draw_diagnoses(
    world: World, health: Health, person: np.ndarray, rng: np.random.Generator, *, first: np.ndarray
) -> np.ndarray:
    """Draw a leading diagnosis and up to three of the person's conditions."""
    n = len(person)
    leading = first[rng.integers(0, len(first), n)]
    return np.column_stack([leading, *(world.pool.condition(health, person, rng, 0.4) for _ in range(3))])


def draw_stays(
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
    diagnoses = draw_diagnoses(world, health, person, rng, first=codes)
    kind = rng.random(n)
    is_pa4 = ~planned & (kind < 0.25) & acute.any() & ~transfer
    diagnoses[is_pa4, 0] = codes[acute][rng.integers(0, max(acute.sum(), 1), is_pa4.sum())] if acute.any() else NONE
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
