"""What a hierarchical model cannot be fitted to, each case with its own message."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular
from scipy.sparse import csr_array

from riskstd.errors import FitError, TooFewDataError
from riskstd.model.algebra import invert_positive
from riskstd.model.cells import Cells, FloatArray, IntArray
from riskstd.model.inputs import count_text
from riskstd.model.paths import path_of
from riskstd.model.pooled import PooledFit

MIN_FACILITIES = 2
"""A variance between facilities needs two of them."""
MIN_CASES = 2
"""Spread between facilities is seen beside chance where a facility has two cases."""
COLLINEAR_TOLERANCE = 1e-8
"""Part of a standardised column not explained by the others, under which it is redundant."""
CLEAR_EIGENVALUE = 1e-6
"""Smallest eigenvalue of the correlation matrix above which no search for redundancy is needed."""
SEPARATED_SE = 1e4
"""Standard error, in log-odds per standard deviation of a column, of an estimate that runs away.

Newton steps on separated data stop with standard errors above 1e5, or without convergence.
"""
UNCONVERGED_SE = 100.0
"""The same without convergence, where rounding has stopped the standard error on its way."""
SMALLEST_SD, LARGEST_SD = 1e-151, 1e151
"""Standard deviations of a risk factor whose squared coefficients are floats."""


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


def check_repeated_cases(cells: Cells) -> None:
    """Refuse one case per facility: the spread between facilities cannot be told from chance."""
    if cells.cases.max() >= MIN_CASES:
        return
    raise TooFewDataError(
        f"one case per facility: none of {count_text(cells.n_facilities)} facilities has {MIN_CASES} cases",
        expected=f"facilities with {MIN_CASES} or more cases, which tell a variance between them from chance",
        hint="check the facility labels, add cases, or score these cases with published coefficients",
    )


def check_columns(cells: Cells, factor_names: tuple[str, ...]) -> None:
    """Refuse constant and linearly dependent risk factors and those in extreme units, by name."""
    varies = np.zeros(cells.n_coefficients, dtype=bool)
    # values are counted from a level of the column or its mean, so a column that varies is not all 0
    varies[cells.design.column] = True
    constant = [name for name, v in zip(factor_names, varies[1:], strict=True) if not v]
    if constant:
        raise FitError(
            f"constant risk factors: {', '.join(constant)}",
            expected="columns with at least two different values (X has no intercept column)",
            hint="drop them",
        )
    extreme = [
        f"'{name}' ({'below' if sd < 1 else 'above'} the range)"
        for name, sd in zip(factor_names, cells.scale, strict=True)
        if not SMALLEST_SD < sd < LARGEST_SD
    ]
    if extreme:
        raise FitError(
            f"standard deviations near the end of floating-point numbers: {', '.join(extreme)}",
            expected=f"risk factors with standard deviations from {SMALLEST_SD:.0e} to {LARGEST_SD:.0e}",
            hint="give them in another unit, or replace codes that stand for missing values",
        )
    for name, group in find_redundant_columns(cells, factor_names):
        raise FitError(
            f"risk factor '{name}' is a linear combination of: {', '.join(group) or 'the intercept'}",
            expected="linearly independent columns (the intercept is implied)",
            hint=f"drop '{name}' or another of them",
        )


def find_redundant_columns(cells: Cells, factor_names: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Redundant columns, each with the columns that explain it."""
    weight = cells.pattern_n
    correlation = path_of(cells).pattern_gram(weight) / weight.sum()
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
    columns, parts = _two_valued(cells)
    sums: list[FloatArray] = []
    for per_cell in (cells.n, cells.y):
        found = []
        for index, (start, at_high) in zip(cells.index.T, parts, strict=True):
            shape = (cells.n_facilities, len(at_high))
            found.append(csr_array((per_cell, index - start, cells.pointer), shape=shape) @ at_high)
        sums.append(np.hstack(found))
    order = np.argsort(columns)
    return columns[order], sums[0][:, order], sums[1][:, order]


def level_totals(cells: Cells) -> tuple[IntArray, FloatArray, FloatArray]:
    """Sums of `level_counts` over the facilities, columns in order."""
    columns, parts = _two_valued(cells)
    sums: list[FloatArray] = []
    for per_pattern in (cells.pattern_n, cells.pattern_y):
        found = []
        for index, (start, at_high) in zip(cells.design.index.T, parts, strict=True):
            found.append(np.einsum("r,rk->k", np.bincount(index - start, per_pattern, len(at_high)), at_high))
        sums.append(np.concatenate(found))
    order = np.argsort(columns)
    return columns[order], sums[0][order], sums[1][order]


def _two_valued(cells: Cells) -> tuple[IntArray, list[tuple[int, FloatArray]]]:
    """Two-valued columns block by block; first table row of each block, and whether its rows hold the higher values."""
    found, parts = [], []
    table = cells.design.table
    for block in cells.design.index.T:
        start, stop = int(block.min()), int(block.max()) + 1
        part = table[start:stop]
        columns = np.unique(part.indices)
        columns = columns[columns > 0]
        values = part[:, columns].toarray()
        high, low = values.max(axis=0, initial=-np.inf), values.min(axis=0, initial=np.inf)
        two_valued = np.all((values == high) | (values == low), axis=0)
        found.append(columns[two_valued] - 1)
        parts.append((start, (values == high)[:, two_valued].astype(np.float64)))
    return np.concatenate(found).astype(np.int64), parts


def is_separated(
    high_cases: FloatArray, high_events: FloatArray, n_cases: float | FloatArray, n_events: float | FloatArray
) -> NDArray[np.bool_]:
    """Whether a level of a two-valued column holds no events or only events, per column, and per resample if many.

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
    columns, high_cases, high_events = level_totals(cells)
    n_cases, n_events = float(cells.cases.sum()), float(cells.events.sum())
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
    limit = SEPARATED_SE if pooled.converged else UNCONVERGED_SE
    runaway = np.flatnonzero(~(np.sqrt(np.diag(invert_positive(pooled.information))) < limit))
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
    events = cells.pattern_y
    return [float(events[cells.X[:, k] > cells.X[:, k].min()].sum()) for k in columns]
