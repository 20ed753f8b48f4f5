"""What a report is made of: the results of one run, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from riskstd.errors import InputError, OptionError
from riskstd.rates.rules import SCALE_FACTORS
from riskstd.spec import Fidelity, Measure
from riskstd.tables import ATTRITION, FACILITY_RATES, HOSPITAL_VISITS, OUTCOMES

if TYPE_CHECKING:
    import pandas as pd

Profile = Literal["facility-phi", "facility", "public"]
"""For whom: a facility with its own cases, a facility without persons, or anyone."""

_MODEL_KEYS = ("method", "mu", "tau", "coefficients", "log_likelihood", "converged", "singular")


@dataclass(frozen=True)
class IntervalFacts:
    """How the interval estimates were made.

    Attributes
    ----------
    method : str
        "bootstrap", "plug-in", "closed-form" or "none", as in `riskstd.rates.standardize`.
    level, category_level : float
        Levels of the printed interval and of the interval that a category is read from.
    replicates, dropped : int
        Bootstrap replicates, and how many of them were dropped.
    seed : int or None
    """

    method: str
    level: float = 0.95
    category_level: float = 0.95
    replicates: int = 0
    dropped: int = 0
    seed: int | None = None


@dataclass(frozen=True, eq=False)
class ReportInput:
    """The results of one run of one measure.

    Parameters
    ----------
    measure : Measure
        The definition under the options of the run; it carries id, hash and options.
    period : str
        Measurement period in words, for example "1 January 2023 to 31 December 2024".
    version : str
        Version of riskstd.
    seed : int or None
    fidelity : Fidelity
    layout : str
        Dialect of the claims.
    attrition, visits, outcomes : pandas.DataFrame
        Tables `attrition`, `hospital_visits` and `outcomes` of `riskstd.tables`.
    n_cases : int
        Index procedures of the cohort.
    statements : tuple of str
        What the dialect of the claims cannot tell. Sentences without counts: they are printed
        as they are in every profile.
    notes : tuple of str
        Notes and warnings of the run. The public profile leaves out those that hold a small count.
    model : mapping, optional
        As in `model.json`: `method`, `mu`, `tau`, `log_likelihood`, `converged`, `singular`;
        `coefficients`, a list of `factor`, `label`, `beta`, `se`, `odds_ratio`, `lower`, `upper`
        and `prevalence` (a share) or `mean`; and, if there are any, `dropped` (list of `factor`, `label`,
        `reason`) and `warnings` (list of str). None when the data were too few.
    rates : pandas.DataFrame, optional
        Table `facility_rates`. None when there is no model.
    interval : IntervalFacts, optional
    national_rate : float, optional
        Crude rate of all cases as a proportion, whatever the scale, as in `FacilityRates`.
    no_model_reason : str
        Why there are no model and no rates; needed then.
    unmapped_codes : mapping of str to int
        What could not be mapped, and how many.
    run_facts : mapping of str to str
        Further facts of the manifest, for the foot of the page. No counts of people.

    Raises
    ------
    InputError
        When a table lacks a column, the model lacks a key, or results are neither all there nor explained.
    """

    measure: Measure
    period: str
    version: str
    seed: int | None
    fidelity: Fidelity
    layout: str
    attrition: pd.DataFrame = field(repr=False)
    visits: pd.DataFrame = field(repr=False)
    outcomes: pd.DataFrame = field(repr=False)
    n_cases: int
    statements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    model: Mapping[str, Any] | None = field(default=None, repr=False)
    rates: pd.DataFrame | None = field(default=None, repr=False)
    interval: IntervalFacts | None = None
    national_rate: float | None = None
    no_model_reason: str = ""
    unmapped_codes: Mapping[str, int] = field(default_factory=dict)
    run_facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ATTRITION.require_names(self.attrition.columns)
        HOSPITAL_VISITS.require_names(self.visits.columns)
        OUTCOMES.require_names(self.outcomes.columns)
        if len(self.outcomes) != self.n_cases:
            raise InputError(
                f"table `outcomes` has {len(self.outcomes):,} rows",
                expected=f"one per case, {self.n_cases:,}",
            )
        _require_results_or_reason(self)
        if self.rates is not None:
            FACILITY_RATES.require_names(self.rates.columns)
        if self.model is not None:
            missing = [key for key in _MODEL_KEYS if key not in self.model]
            if missing:
                raise InputError(f"model lacks {len(missing)} key(s): {', '.join(missing)}")

    @property
    def has_rates(self) -> bool:
        """Whether the run came to a model and rates."""
        return self.rates is not None

    @property
    def n_events(self) -> int:
        """Cases with a hospital visit that counts."""
        return int(np.sum(self.outcomes["outcome"].to_numpy()))

    @property
    def comparator(self) -> float:
        """What a facility is compared with: the national rate in the scale of the measure, or 1."""
        return comparator_of(self.measure, self.national_rate)


def comparator_of(measure: Measure, national_rate: float | None) -> float:
    """Return the national rate (a proportion) in the scale of the measure; 1 for a ratio."""
    if measure.scale.kind == "ratio":
        return 1.0
    if national_rate is None:
        raise InputError("no national rate", expected="a proportion between 0 and 1, whatever the scale")
    return national_rate * scale_factor(measure)


def scale_factor(measure: Measure) -> float:
    """Return events per how many cases the score states: 1000, 100, or 1 for a ratio."""
    return SCALE_FACTORS[measure.scale.kind]


def check_profile(profile: str) -> Profile:
    """Return the profile if it is one.

    Raises
    ------
    OptionError
    """
    if profile not in get_args(Profile):
        raise OptionError(f"profile {profile!r}", expected=f"one of {', '.join(get_args(Profile))}")
    return profile  # type: ignore[return-value]


def _require_results_or_reason(content: ReportInput) -> None:
    results = {
        "model": content.model,
        "rates": content.rates,
        "interval": content.interval,
        "national_rate": content.national_rate,
    }
    missing = [name for name, value in results.items() if value is None]
    if missing and len(missing) < len(results):
        raise InputError(
            f"a report with some results but without {', '.join(missing)}",
            expected="model, rates, interval and national_rate together, or none of them",
        )
    if missing and not content.no_model_reason.strip():
        raise InputError("a report without model and rates", expected="`no_model_reason`, the reason as a sentence")
