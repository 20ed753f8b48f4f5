"""The world: everything that a run has drawn so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from riskstd.synth.carrier import Pool
from riskstd.synth.codebook import CodeBook, PlannedTables
from riskstd.synth.facilities import Facilities
from riskstd.synth.hospital import Hospitals
from riskstd.synth.plan import CodeYear, People, Plan
from riskstd.synth.profile import MeasureProfile


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
    code_years: list[CodeYear] | None = None
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
