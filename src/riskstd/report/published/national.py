"""What published scores are compared with: the national value, which the facility file does not hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from riskstd.errors import OptionError
from riskstd.report.published.frames import keep_rows
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd

_RELEASE_JULY_2024 = {"ASC-12": 9.90, "ASC-17": 2.20, "ASC-18": 5.10, "ASC-19": 1.00}
NATIONAL_VALUES = {"2022": _RELEASE_JULY_2024, "2023": _RELEASE_JULY_2024}
"""National values by data year, on the published scale. Source: ASC_National.csv of July 2024, public; the
results of data year 2023 (October 2024) are the same."""

_SCALES_APART = 3.0
"""Proportion, percent and per 1,000 are factors of ten apart; published scores stay within a factor of three."""


@dataclass(frozen=True)
class NationalValue:
    """National value on the published scale; its origin is "given", "published", "definition" or "estimated"."""

    value: float
    origin: str


def published_scale(measure: Measure) -> Measure:
    """Return the measure under the default options: the scale that CMS publishes."""
    return replace(measure, chosen={})


def national_value(rows: pd.DataFrame, measure: Measure, given: float | None = None) -> NationalValue:
    """Return the national value that published scores are compared with.

    Parameters
    ----------
    rows : pandas.DataFrame
        Results of one measure and year.
    measure : Measure
    given : float, optional

    Raises
    ------
    OptionError
        When the one given is far outside the published scores, so that it must be on another scale.
    """
    scored = keep_rows(rows, rows["score"].notna() & rows["cases"].notna())
    score, cases = scored["score"].to_numpy(float), scored["cases"].to_numpy(float)
    if given is not None:
        if not score.min() / _SCALES_APART < given < score.max() * _SCALES_APART:
            raise OptionError(
                f"national rate {given:g} is on another scale than the published scores",
                expected=f"a value near those, which lie from {score.min():g} to {score.max():g}",
                hint=f"give it in {published_scale(measure).scale.unit}",
            )
        return NationalValue(float(given), "given")
    if published_scale(measure).scale.kind == "ratio":
        return NationalValue(1.0, "definition")
    known = NATIONAL_VALUES.get(str(rows["year"].iloc[0]), {}).get(measure.id)
    if known is not None:
        return NationalValue(known, "published")
    return NationalValue(float(np.average(score, weights=cases)), "estimated")
