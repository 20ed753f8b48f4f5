"""Settings that the numbers of a run depend on, checked before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from riskstd.cohort.build import read_period
from riskstd.errors import OptionError
from riskstd.model.fit import check_fit_options
from riskstd.rates.standardize import check_interval
from riskstd.report.content import check_profile

DEFAULT_SEED = 1


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run that its numbers depend on."""

    period: tuple[str, str] | None = None
    method: str = "agq"
    n_nodes: int = 7
    interval: str = "bootstrap"
    n_bootstrap: int | None = None
    seed: int = DEFAULT_SEED
    profile: str = "facility"


def check_settings(settings: RunSettings) -> None:
    """Refuse settings that could only fail after the work is done.

    Raises
    ------
    OptionError
    """
    check_profile(settings.profile)
    read_period(settings.period)
    check_fit_options(settings.method, settings.n_nodes)
    check_interval(settings.interval, settings.n_bootstrap)


def period_text(period: Sequence[str | date] | None) -> tuple[str, str] | None:
    """Return a period as two ISO texts.

    Raises
    ------
    OptionError
        When it does not have two ends.
    """
    if period is None:
        return None
    if isinstance(period, str) or len(period) != 2:
        raise OptionError(f"period {period!r} is not two dates", expected="first day and last day")
    first, last = (str(day) for day in period)
    return first, last


def settings_of(settings: RunSettings) -> dict[str, Any]:
    """Return the settings as the manifest holds them."""
    held = dict(vars(settings))
    held["period"] = list(settings.period) if settings.period else None
    return held
