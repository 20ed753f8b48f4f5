"""The profile: what the synthetic Medicare looks like, read from `profile.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from riskstd.errors import OptionError
from riskstd.spec import Measure, load_measure

FILE = Path(__file__).with_name("profile.toml")


@dataclass(frozen=True)
class MeasureProfile:
    """A measure with the parameters by which its procedures and visits are drawn.

    Attributes
    ----------
    share, facilities : float
        Part of all procedures, and part of the facilities that do them.
    volume_sd : float
        Standard deviation of the logarithm of cases per facility.
    event_rate, tau : float
        Part of procedures with a hospital visit; standard deviation of facility effects (log odds).
    coefficients : dict of str to float
        Log odds per unit of each risk-factor column.
    """

    measure: Measure
    share: float
    facilities: float
    volume_sd: float
    event_rate: float
    tau: float
    extra_codes: tuple[float, float]
    tail: float
    specialty: str
    anesthesia: str
    pathology: float
    codes: dict[str, float]
    same_day: dict[str, float]
    index_diagnoses: tuple[str, ...]
    visit_diagnoses: tuple[str, ...]
    coefficients: dict[str, float]

    @property
    def id(self) -> str:
        """Measure id."""
        return self.measure.id


@dataclass(frozen=True)
class Condition:
    """A condition of people: its share and the ICD-10-CM codes that show it."""

    name: str
    share: float
    codes: tuple[str, ...]


@cache
def _raw() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text("utf-8"))


def measure_profile(measure_id: str) -> MeasureProfile:
    """Return the profile of a measure.

    Raises
    ------
    OptionError
        When there is none, or when it does not have one coefficient per risk-factor column.
    """
    known = _raw()["measures"]
    name = measure_id.upper()
    if name not in known:
        raise OptionError(
            f"no synthetic data for measure {measure_id!r}", expected=f"one of {', '.join(sorted(known))}"
        )
    entry = dict(known[name])
    measure = load_measure(name, definitions=None)
    missing = [column for column in measure.factor_columns if column not in entry["coefficients"]]
    if missing:
        raise OptionError(
            f"synthetic profile of {name} lacks {len(missing)} coefficient(s): {', '.join(missing)}",
            hint="add them to synth/profile.toml",
        )
    for key in ("index_diagnoses", "visit_diagnoses", "extra_codes"):
        entry[key] = tuple(entry[key])
    return MeasureProfile(measure=measure, **entry)


def conditions() -> list[Condition]:
    """Return the conditions that people can have, in the order of the file."""
    return [Condition(name, c["share"], tuple(c["codes"])) for name, c in _raw()["conditions"].items()]


def texture() -> dict[str, Any]:
    """Return ordinary codes and the shares of visits that are no outcome."""
    return _raw()["texture"]
