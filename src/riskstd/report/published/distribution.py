"""One distribution of scores in numbers: spread, volume, interval widths, categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from riskstd.report.published.cells import WORDS
from riskstd.report.published.frames import keep_rows
from riskstd.report.published.intervals import IntervalForm, fit_interval_form, log_standard_error

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = {"smallest": 0.0, "5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "largest": 1.0}
"""Points of a distribution that are shown, by name."""


@dataclass(frozen=True)
class Distribution:
    """Scores of the facilities of one source, on the published scale.

    Attributes
    ----------
    n_scored : int
        Facilities whose scores the other numbers are made of.
    national : float
        What they are compared with.
    median_cases : float
    quantiles : mapping of str to float
        By the names of `QUANTILES`; NaN without a facility.
    log_sd : float
        Standard deviation of the natural logs of the scores; NaN for fewer than two.
    median_factor : float
        Median of upper over lower limit; NaN without intervals.
    form : IntervalForm or None
        Closed form of the interval widths.
    categories : mapping of str to int
        Facilities by category, "too few cases" among them.
    """

    n_scored: int
    national: float
    median_cases: float
    quantiles: Mapping[str, float] = field(repr=False)
    log_sd: float
    median_factor: float
    form: IntervalForm | None
    categories: Mapping[str, int]


def distribution_of(scored: pd.DataFrame, national: float, level: float, categories: Mapping[str, int]) -> Distribution:
    """Summarize facilities with a score.

    Parameters
    ----------
    scored : pandas.DataFrame
        Columns `cases`, `score`, `lower`, `upper`; `cut_lower` rows have no width.
    national : float
    level : float
        Of the limits.
    categories : mapping of str to int
        Counts over all facilities of the source.
    """
    score, cases = scored["score"].to_numpy(float), scored["cases"].to_numpy(float)
    whole = keep_rows(scored, ~scored["cut_lower"].to_numpy(dtype=bool))
    columns = [whole[name].to_numpy(float) for name in ("cases", "score", "lower", "upper")]
    widths = log_standard_error(columns[2], columns[3], level)
    factors = columns[3][np.isfinite(widths)] / columns[2][np.isfinite(widths)]
    positive = score[score > 0]
    return Distribution(
        n_scored=len(scored),
        national=national,
        median_cases=float(np.median(cases)) if len(cases) else np.nan,
        quantiles={name: float(np.quantile(score, at)) if len(score) else np.nan for name, at in QUANTILES.items()},
        log_sd=float(np.std(np.log(positive), ddof=1)) if len(positive) > 1 else np.nan,
        median_factor=float(np.median(factors)) if len(factors) else np.nan,
        form=fit_interval_form(*columns, comparator=national, level=level),
        categories=dict(categories),
    )


def count_words(categories: Sequence[str | None]) -> dict[str, int]:
    """Count categories in the words of `WORDS`, in the order better, no different, worse, too few.

    Examples
    --------
    >>> count_words(["worse", None, "worse"])
    {'better': 0, 'no different': 0, 'worse': 2, 'too few cases': 0}
    """
    return {
        word: sum(1 for category in categories if category == word)
        for word in (WORDS.better, WORDS.no_different, WORDS.worse, WORDS.too_few)
    }
