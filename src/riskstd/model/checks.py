"""What a hierarchical model cannot be fitted to, each case with its own message."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

from riskstd.errors import FitError, TooFewDataError
from riskstd.model.cells import Cells, FloatArray, IntArray
from riskstd.model.curvature import invert_positive
from riskstd.model.inputs import count_text
from riskstd.model.pooled import PooledFit

MIN_FACILITIES = 2
"""A variance between facilities needs two of them."""
COLLINEAR_TOLERANCE = 1e-8
"""Part of a standardised column not explained by the others, under which it is redundant."""
CLEAR_EIGENVALUE = 1e-6
"""Smallest eigenvalue of the correlation matrix above which no search for redundancy is needed."""
SEPARATED_SE = 100.0
"""Standard error, in log-odds across a column's range, of an estimate that runs away."""
SEPARATED_LOG_ODDS = 40.0


def check_enough_data(n_facilities: int, n_events: float, n_factors: int) -> None:
    """Refuse data too few for a model: the policy of the package in one place.

    At least two facilities, and at least one event per estimated quantity
    (intercept, tau and one coefficient per risk factor).

    Parameters
    ----------
    n_facilities, n_factors : int
    n_events : float

    Raises
    ------
    TooFewDataError

    Examples
    --------
    >>> check_enough_data(1, 50, 3)
    Traceback (most recent call last):
    riskstd.errors.TooFewDataError: 1 facility with cases
      expected: at least 2 facilities for a variance between them
      what to do: add facilities, or score these cases with published coefficients
    """
    if n_facilities < MIN_FACILITIES:
        noun = "facility" if n_facilities == 1 else "facilities"
        raise TooFewDataError(
            f"{n_facilities} {noun} with cases",
            expected=f"at least {MIN_FACILITIES} facilities for a variance between them",
            hint="add facilities, or score these cases with published coefficients",
        )
    n_parameters = n_factors + 2
    if n_events < n_parameters:
        raise TooFewDataError(
            f"{count_text(n_events)} events for {n_parameters} estimates (intercept, tau and {n_factors} risk factors)",
            expected=f"at least {n_parameters} events",
            hint="add cases, lengthen the period or use fewer risk factors",
        )


def check_outcome_varies(n_events: float, n_cases: float) -> None:
    """Refuse an outcome that is the same in every case."""
    if 0 < n_events < n_cases:
        return
    what = "no events" if n_events == 0 else "only events"
    raise FitError(
        f"{what} among {count_text(n_cases)} cases",
        expected="cases with and without the event",
        hint="check how the outcome was built",
    )


def check_columns(cells: Cells, factor_names: tuple[str, ...]) -> None:
    """Refuse constant and linearly dependent risk factors, by name."""
    span = np.ptp(cells.X[:, 1:], axis=0) if len(factor_names) else np.empty(0)
    constant = [name for name, s in zip(factor_names, span, strict=True) if s == 0]
    if constant:
        raise FitError(
            f"constant risk factors: {', '.join(constant)}",
            expected="columns with at least two different values (X has no intercept column)",
            hint="drop them",
        )
    for name, group in find_redundant_columns(cells, factor_names):
        raise FitError(
            f"risk factor '{name}' is a linear combination of: {', '.join(group) or 'the intercept'}",
            expected="linearly independent columns (the intercept is implied)",
            hint=f"drop '{name}' or another of them",
        )


def find_redundant_columns(cells: Cells, factor_names: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Redundant columns, each with the columns that explain it."""
    weight = cells.at_patterns(cells.n)
    correlation = cells.gram(cells.n) / weight.sum()
    if np.linalg.eigvalsh(correlation)[0] > CLEAR_EIGENVALUE:
        return []
    scaled = cells.X * np.sqrt(weight / weight.sum())[:, None]
    upper, order = (np.asarray(part) for part in qr(scaled, mode="r", pivoting=True))
    size = np.abs(np.diag(upper))
    rank = int(np.sum(size > COLLINEAR_TOLERANCE))
    found = []
    for k in range(rank, len(order)):
        part = solve_triangular(upper[:rank, :rank], upper[:rank, k])
        involved = [order[i] for i in np.flatnonzero(np.abs(part) > 1e-6)]
        group = [factor_names[i - 1] for i in sorted(involved) if i > 0]
        name = factor_names[order[k] - 1] if order[k] > 0 else group.pop()
        found.append((name, tuple(group)))
    return found


def level_counts(cells: Cells) -> tuple[IntArray, FloatArray, FloatArray]:
    """Per facility and two-valued column: cases and events at the higher value.

    Returns
    -------
    columns : ndarray of int, shape (n_two_valued,)
        Positions among the risk factors.
    cases, events : ndarray, shape (n_facilities, n_two_valued)
    """
    rows = cells.X[:, 1:]
    if rows.shape[1] == 0:
        none = np.empty((cells.n_facilities, 0))
        return np.empty(0, dtype=np.int64), none, none
    high, low = rows.max(axis=0), rows.min(axis=0)
    columns = np.flatnonzero(np.all((rows == high) | (rows == low), axis=0))
    cases = np.empty((cells.n_facilities, len(columns)))
    events = np.empty_like(cases)
    for position, k in enumerate(columns):
        at_high = cells.at_cells((rows[:, k] == high[k]).astype(np.float64))
        cases[:, position] = cells.facility_sum(cells.n * at_high)
        events[:, position] = cells.facility_sum(cells.y * at_high)
    return columns, cases, events


def is_separated(high_cases: FloatArray, high_events: FloatArray, n_cases: float, n_events: float) -> NDArray[np.bool_]:
    """Whether a level of a two-valued column holds no events or only events, per column.

    Examples
    --------
    >>> is_separated(np.array([4.0, 4.0]), np.array([0.0, 1.0]), 10.0, 3.0).tolist()
    [True, False]
    """
    low_cases, low_events = n_cases - high_cases, n_events - high_events
    high = (high_events <= 0) | (high_events >= high_cases)
    return high | (low_events <= 0) | (low_events >= low_cases)


def check_separation(cells: Cells, factor_names: tuple[str, ...]) -> None:
    """Refuse a two-valued risk factor with a level that holds no events or only events."""
    columns, cases, events = level_counts(cells)
    n_cases, n_events = float(cells.cases.sum()), float(cells.events.sum())
    high_cases, high_events = cases.sum(axis=0), events.sum(axis=0)
    found = [
        f"'{factor_names[columns[k]]}' "
        f"({count_text(high_events[k])} events in {count_text(high_cases[k])} cases at its higher value, "
        f"{count_text(n_events - high_events[k])} in {count_text(n_cases - high_cases[k])} at the lower)"
        for k in np.flatnonzero(is_separated(high_cases, high_events, n_cases, n_events))
    ]
    if found:
        raise FitError(
            f"separated risk factors: {'; '.join(found)}",
            expected="cases with and without the event at both values; otherwise the estimate is infinite",
            hint="drop or merge the risk factor, or lengthen the period",
        )


def check_estimates_finite(cells: Cells, pooled: PooledFit | None, factor_names: tuple[str, ...]) -> None:
    """Refuse data in which a combination of risk factors separates events from the rest."""
    if pooled is None:
        raise FitError("the logistic model has no finite estimate", expected="independent risk factors, both outcomes")
    span = np.ptp(cells.X, axis=0)
    span[0] = 1.0
    se = np.sqrt(np.diag(invert_positive(pooled.information))) * span
    contrast = np.abs(pooled.beta) * span
    runaway = np.flatnonzero(~(se < SEPARATED_SE) | (contrast > SEPARATED_LOG_ODDS))
    names = [factor_names[k - 1] for k in runaway if k > 0]
    if names:
        counts = total_events_off_minimum(cells, runaway[runaway > 0])
        shown = [
            f"'{name}' ({count_text(count)} events above its lowest value)"
            for name, count in zip(names, counts, strict=True)
        ]
        raise FitError(
            f"estimates that run to infinity: {'; '.join(shown)}",
            expected="risk factors that do not separate cases with the event from cases without",
            hint="drop or merge risk factors, or lengthen the period",
        )
    if not pooled.converged:
        raise FitError("the logistic model without facilities did not converge", hint="check the risk factors")


def total_events_off_minimum(cells: Cells, columns: IntArray) -> list[float]:
    """Events among the cases above the lowest value of each column of X."""
    events = cells.at_patterns(cells.y)
    return [float(events[cells.X[:, k] > cells.X[:, k].min()].sum()) for k in columns]
