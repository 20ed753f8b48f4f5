"""Which numbers of which facilities a public report hides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from riskstd.report.suppression import SMALL_CELL, Column, protect_sum, split_column

if TYPE_CHECKING:
    import pandas as pd

_STEPS = 60


@dataclass(frozen=True, eq=False)
class HiddenFacilities:
    """Per facility: whether cases and results are hidden; and whether the sums of all would still tell.

    Attributes
    ----------
    cases, results : ndarray of bool, shape (n_facilities,)
    cases_tell, events_tell : bool
        Whether even with every row hidden the sum over all facilities gives a small count away, so that
        the sum itself is to be hidden.
    """

    cases: NDArray[np.bool_]
    results: NDArray[np.bool_]
    cases_tell: bool
    events_tell: bool


def hide_facilities(
    rates: pd.DataFrame, minimum: int, *, flagged: NDArray[np.bool_], tau: float, level: float
) -> HiddenFacilities:
    """Choose the facilities whose cases, and those whose results, are hidden.

    Hidden are: every number below the case minimum; every number that tells of the events where visits, or
    cases without a visit, number 1 to 10; the cases too of those among them that are better or worse, or that
    would be better with a single visit (`is_better_with_one`), since category and cases together tell of the
    visits; and further facilities until the sums over all give nothing away.

    Parameters
    ----------
    rates : pandas.DataFrame
        Table `facility_rates`.
    minimum : int
        Cases below which a facility gets no category.
    flagged : ndarray of bool, shape (n_facilities,)
        Whether the category is better or worse.
    tau : float
        Standard deviation of facility effects.
    level : float
        Level of the interval that a category is read from.

    Returns
    -------
    HiddenFacilities

    Notes
    -----
    What a reader still learns from the marks: a facility whose cases are shown and whose results are not had
    1 to 10 visits, or all but 1 to 10 of its cases had one, or it is hidden to protect another. Chance makes some
    of 1 to 10 likelier than others at a given number of cases; no number of the facility says which.
    """
    minimum = max(minimum, SMALL_CELL + 1)
    cases, events = rates["cases"].to_numpy(np.int64), rates["observed"].to_numpy(np.int64)
    few, others = (events >= 1) & (events <= SMALL_CELL), cases - events
    too_few = cases < minimum
    by_cases = _cases_column(cases, too_few, minimum)
    hide_cases = protect_sum(by_cases, too_few) if too_few.any() else too_few
    expected = rates["expected"].to_numpy(float)
    told = few & ~hide_cases & (flagged | is_better_with_one(cases, expected, tau, level))
    hide_cases = hide_cases | told
    most = np.select([too_few, hide_cases], [minimum - 1.0, np.inf], np.nan)
    by_events = split_column(events, cases, np.where(few & hide_cases & ~too_few, float(SMALL_CELL), most))
    first = hide_cases | few | ((others >= 1) & (others <= SMALL_CELL))
    results = protect_sum(by_events, first)
    return HiddenFacilities(
        hide_cases,
        results,
        bool(hide_cases.all() and by_cases.gives_away(hide_cases)),
        bool(results.all() and len(results) and by_events.gives_away(results)),
    )


def is_better_with_one(
    cases: NDArray[np.int64], expected: NDArray[np.float64], tau: float, level: float
) -> NDArray[np.bool_]:
    """Tell where a facility with a single visit would be better than the rate; "no different" then rules out 1.

    The interval is the plain approximation: posterior mode and curvature.

    Parameters
    ----------
    cases : ndarray of int, shape (n,)
    expected : ndarray, shape (n,)
        Mean probability of a visit at an average facility.
    tau, level : float

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> is_better_with_one(np.array([100, 5000]), np.array([0.02, 0.02]), 0.25, 0.95).tolist()
    [False, True]
    """
    if tau <= 0:
        return np.zeros(len(cases), dtype=bool)
    return _standard_effect(1, cases, expected, tau) < -float(ndtri(0.5 + level / 2.0))


def _standard_effect(
    visits: int, cases: NDArray[np.int64], expected: NDArray[np.float64], tau: float
) -> NDArray[np.float64]:
    """Return the effect of a facility with so many visits over its standard error, by bisection on the effect."""
    base = logit(np.clip(expected, 1e-9, 1 - 1e-9))
    low, high = np.full(len(cases), -20.0), np.full(len(cases), 20.0)
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        rises = visits - cases * expit(base + middle) - middle / tau**2 > 0
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    rate = expit(base + low)
    return low * np.sqrt(cases * rate * (1.0 - rate) + tau**-2)


def _cases_column(cases: NDArray[np.int64], too_few: NDArray[np.bool_], minimum: int) -> Column:
    small = (cases >= 1) & (cases <= SMALL_CELL)
    return Column(
        cases,
        np.where(too_few, 1.0, float(minimum)),
        np.where(too_few, minimum - 1.0, np.inf),
        np.where(small, 1.0, cases),
        np.where(small, float(SMALL_CELL), cases),
    )
