"""The category rule on printed limits: moved to the category level, and with their rounding in mind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskstd.rates.rules import Standardization, categorize
from riskstd.report.published.cells import WORDS
from riskstd.report.published.frames import keep_rows
from riskstd.report.published.intervals import z_of

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

_LEVELS = np.round(np.arange(0.900, 0.9996, 0.001), 3)


def at_category_level(limit: Any, score: Any, rules: Standardization) -> FloatArray:
    """Move a printed limit to the category level: its arm on the log scale grows with the normal quantile.

    Examples
    --------
    >>> wider = Standardization(display_level=0.95, category_level=0.99)
    >>> at_category_level([4.0, 9.0], [6.0, 6.0], wider).round(2).tolist()
    [3.52, 10.22]
    """
    growth = z_of(rules.category_level) / z_of(rules.display_level)
    limits, scores = np.maximum(np.asarray(limit, dtype=float), 0.0), np.asarray(score, dtype=float)
    return scores ** (1 - growth) * limits**growth


def within_rounding(
    rows: pd.DataFrame, rules: Standardization, national: float, half_unit: float = 0.05
) -> NDArray[np.bool_]:
    """Tell per facility whether limits that print the same could give the published category.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns `score`, `lower`, `upper`, `category`.
    rules : Standardization
        Its levels.
    national : float
    half_unit : float
        Half a unit of the last decimal printed.

    Returns
    -------
    ndarray of bool, shape (n_facilities,)

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"score": [0.7, 0.7], "lower": [0.5, 0.5], "upper": [1.0, 1.1], "category": "better"})
    >>> within_rounding(rows, Standardization("ratio"), 1.0).tolist()
    [True, False]
    """
    low, high = (_reach(rows, name, rules, half_unit) for name in ("lower", "upper"))
    category = rows["category"].to_numpy(dtype=object)
    possible = (low[0] <= national) & (high[1] >= national)
    possible[category == WORDS.better] = (high[0] < national)[category == WORDS.better]
    possible[category == WORDS.worse] = (low[1] > national)[category == WORDS.worse]
    return possible


def _reach(rows: pd.DataFrame, name: str, rules: Standardization, half: float) -> tuple[FloatArray, FloatArray]:
    """Least and greatest limit at the category level that prints as this one does."""
    limit, score = rows[name].to_numpy(float), rows["score"].to_numpy(float)
    corners = [
        at_category_level(limit + a, np.maximum(score + b, half / 2), rules)
        for a in (-half, half)
        for b in (-half, half)
    ]
    return np.min(corners, axis=0), np.max(corners, axis=0)


def categories_by_rule(
    rows: pd.DataFrame, rules: Standardization, national: float
) -> tuple[FloatArray, FloatArray, NDArray[Any]]:
    """Return lower and upper limit at the category level, and the category that follows from them."""
    score = rows["score"].to_numpy(float)
    lower, upper = (at_category_level(rows[name].to_numpy(float), score, rules) for name in ("lower", "upper"))
    cases = rows["cases"].to_numpy(float)
    return lower, upper, categorize(lower, upper, cases, comparator=national, rules=rules)


def fitting_levels(
    rows: pd.DataFrame, rules: Standardization, national: float, half: float
) -> tuple[tuple[float, float], int]:
    """Levels that leave the fewest misses beyond rounding."""
    enough = keep_rows(rows, rows["cases"].to_numpy(float) >= rules.minimum_cases)
    counts = []
    for level in _LEVELS:
        at_level = replace(rules, category_level=float(level))
        differs = categories_by_rule(enough, at_level, national)[2] != enough["category"].to_numpy(dtype=object)
        counts.append(int(np.count_nonzero(differs & ~within_rounding(enough, at_level, national, half))))
    best = _LEVELS[np.array(counts) == min(counts)]
    return (float(best[0]), float(best[-1])), min(counts)
