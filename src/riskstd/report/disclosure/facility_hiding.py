"""Which numbers of which facilities a public report hides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from riskstd.report.disclosure.column_suppression import Column, protect_sum, split_column
from riskstd.report.disclosure.count_system import SMALL_CELL, System, Total

if TYPE_CHECKING:
    import pandas as pd

_STEPS = 60
_ANY_SIZE = 1e9


@dataclass(frozen=True, eq=False)
class HiddenFacilities:
    """Per facility: whether cases and results are hidden; and the sums that would still tell.

    Attributes
    ----------
    cases, results : ndarray of bool, shape (n_facilities,)
    sums : System or None
        Counts of all facilities and their sums, where these give a small count away even with every row
        hidden, so that sums of the cohort are to be hidden too.
    """

    cases: NDArray[np.bool_]
    results: NDArray[np.bool_]
    sums: System | None


def hide_facilities(
    rates: pd.DataFrame, minimum: int, *, flagged: NDArray[np.bool_], tau: float, level: float
) -> HiddenFacilities:
    """Choose the facilities whose cases, and those whose results, are hidden.

    Hidden are: every number below the case minimum; every number that tells of the events where visits, or
    cases without a visit, number 1 to 10; the cases too of those among them that are better or worse, or that
    would be better with a single visit (`is_better_with_one`), since category and cases together tell of the
    visits; and further facilities until the sums over all give nothing away, not even to a facility that
    knows its own numbers. Where all facilities are hidden, such an insider can still learn of the others.

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
    hide_cases = protect_sum(by_cases, too_few, insider=True) if too_few.any() else too_few
    expected = rates["expected"].to_numpy(float)
    told = few & ~hide_cases & (flagged | is_better_with_one(cases, expected, tau, level))
    hide_cases = hide_cases | told
    most = np.select([too_few, hide_cases], [minimum - 1.0, np.inf], np.nan)
    by_events = split_column(events, cases, most)
    first = hide_cases | few | ((others >= 1) & (others <= SMALL_CELL))
    results = protect_sum(by_events, first, insider=True)
    tell = any(
        hidden.all() and column.gives_away(hidden) for column, hidden in ((by_cases, hide_cases), (by_events, results))
    )
    sums = _sums(by_cases, hide_cases, by_events, results, np.where(np.isinf(most), _ANY_SIZE, most)) if tell else None
    return HiddenFacilities(hide_cases, results, sums)


def _sums(
    by_cases: Column,
    hide_cases: NDArray[np.bool_],
    by_events: Column,
    results: NDArray[np.bool_],
    most: NDArray[np.float64],
) -> System:
    """Write cases, events and others of every facility as one system with those of the cohort."""
    cases, events = by_cases.counts, by_events.counts
    by_others = split_column(cases - events, cases, most)
    system = System()
    families = (("cases", by_cases, hide_cases), ("events", by_events, results), ("non_events", by_others, results))
    for total, column, hidden in families:
        names = [f"facility{k:06}.{total}" for k in range(len(cases))]
        low, high = (np.where(hidden, end, column.counts).tolist() for end in (column.low, column.high))
        system.counts.update(zip(names, column.counts.tolist(), strict=True))
        system.known.update(zip(names, zip(low, high, strict=True), strict=True))
        system.totals.append(Total(total, tuple(names)))
    rows = (f"facility{k:06}" for k in range(len(cases)))
    system.totals.extend(Total(f"{row}.cases", (f"{row}.events", f"{row}.non_events")) for row in rows)
    return system


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
