"""Outcomes and predicted risks: rows in, one entry per distinct predicted risk out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError
from riskstd.model.checks import check_outcome_varies
from riskstd.model.inputs import check_outcome, read_numbers, read_values, refuse_other_index, refuse_rows

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """Cases of equal predicted risk taken together, by ascending risk.

    Parameters
    ----------
    risk : ndarray, shape (n_risks,)
        Distinct predicted probabilities, ascending.
    cases, events : ndarray, shape (n_risks,)
        Sums over the rows of that risk, each times its weight.
    """

    risk: FloatArray
    cases: FloatArray
    events: FloatArray

    @property
    def n_cases(self) -> float:
        """All cases."""
        return float(self.cases.sum())

    @property
    def n_events(self) -> float:
        """All events."""
        return float(self.events.sum())


@dataclass(frozen=True, eq=False, repr=False)
class PredictedRows:
    """Checked rows: predicted risk, cases and events of each, shape (n_rows,)."""

    risk: FloatArray
    cases: FloatArray
    events: FloatArray


def read_predictions(
    y: Any, *predicted: Any, trials: Any = None, weights: Any = None, inside: bool = False
) -> tuple[PredictedRows, ...]:
    """Read and check outcomes with one or more columns of predicted risks.

    Parameters
    ----------
    y : array or series, shape (n_rows,)
        0 or 1; events out of `trials` when those are given.
    *predicted : array or series, shape (n_rows,)
        Predicted probabilities.
    trials, weights : array, shape (n_rows,), optional
        Cases of each row; how often each row counts.
    inside : bool
        Whether 0 and 1 themselves are refused, because their log-odds are infinite.

    Returns
    -------
    tuple of PredictedRows
        One per column of predicted risks.

    Raises
    ------
    FitError
        Lengths that differ, values missing or out of range, an outcome that never varies.
    """
    refuse_other_index(y, *predicted, trials, weights)
    length = len(np.atleast_1d(read_values(y, "outcome y")))
    events = read_column(y, "outcome y", length)
    cases = np.ones(length) if trials is None else read_column(trials, "trials", length)
    row_weights = np.ones(length) if weights is None else read_column(weights, "weights", length)
    check_outcome(events, cases, given=trials is not None)
    refuse_rows(row_weights <= 0, "weights", "0 or below", "positive weights", "leave those rows out")
    risks = [_read_risk(column, length, inside) for column in predicted]
    cases, events = cases * row_weights, events * row_weights
    check_outcome_varies(float(events.sum()), float(cases.sum()))
    return tuple(PredictedRows(risk, cases, events) for risk in risks)


def read_column(values: Any, name: str, length: int) -> FloatArray:
    """Read one finite number per row of the outcome.

    Examples
    --------
    >>> read_column([0.5], "predicted", 2)
    Traceback (most recent call last):
    riskstd.errors.FitError: predicted has shape (1,), outcome y has 2 rows
      expected: shape (2,)
    """
    check_length(read_values(values, name), name, length)
    return read_numbers(values, name, length)


def check_length(values: NDArray[Any], name: str, length: int) -> None:
    """Refuse a column that has not one value per row of the outcome."""
    if values.ndim != 1 or len(values) != length:
        raise FitError(f"{name} has shape {values.shape}, outcome y has {length} rows", expected=f"shape ({length},)")


def group_by_risk(rows: PredictedRows) -> Predictions:
    """Take rows of equal predicted risk together.

    Examples
    --------
    >>> rows = PredictedRows(np.array([0.5, 0.2, 0.5]), np.ones(3), np.array([1.0, 0.0, 0.0]))
    >>> grouped = group_by_risk(rows)
    >>> grouped.risk.tolist(), grouped.cases.tolist(), grouped.events.tolist()
    ([0.2, 0.5], [1.0, 2.0], [0.0, 1.0])
    """
    return group_by_label(rows, np.zeros(len(rows.risk), dtype=np.int64))[1]


def group_by_label(rows: PredictedRows, label: IntArray) -> tuple[IntArray, Predictions]:
    """Take rows of equal label and predicted risk together, by label, then risk.

    Parameters
    ----------
    rows : PredictedRows
    label : ndarray of int, shape (n_rows,)

    Returns
    -------
    label : ndarray of int, shape (n_groups,)
    Predictions
        Its risks ascend within a label.
    """
    order = row_order(rows, label, rows.risk) if label.any() else row_order(rows, rows.risk)
    label, risk = label[order], rows.risk[order]
    starts = np.flatnonzero((np.diff(risk, prepend=-1.0) != 0) | (np.diff(label, prepend=-1) != 0))
    cases, events = (np.add.reduceat(column[order], starts) for column in (rows.cases, rows.events))
    return label[starts], Predictions(risk[starts], cases, events)


def row_order(rows: PredictedRows, *keys: NDArray[Any]) -> IntArray:
    """Order of the rows by `keys`, the first one leading, that does not depend on how they came."""
    if np.any(rows.cases % 1):
        # sums of fractions depend on their order, so equal keys are ordered by what is summed
        return np.lexsort((rows.events, rows.cases, *reversed(keys)))
    return np.argsort(keys[0]) if len(keys) == 1 else np.lexsort(tuple(reversed(keys)))


def _read_risk(values: Any, length: int, inside: bool) -> FloatArray:
    risk = read_column(values, "predicted", length)
    if inside:
        outside, expected = (risk <= 0) | (risk >= 1), "probabilities above 0 and below 1"
        refuse_rows(outside, "predicted", "not between 0 and 1", expected, "pass probabilities, not log-odds")
    else:
        outside = (risk < 0) | (risk > 1)
        refuse_rows(outside, "predicted", "outside 0 to 1", "probabilities", "pass probabilities, not log-odds")
    return risk + 0.0
