"""Arguments of the alternatives as checked arrays, and results as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError, OptionError
from riskstd.model.assess.predictions import check_length
from riskstd.model.frozen import freeze_arrays
from riskstd.model.inputs import (
    check_outcome,
    code_facilities,
    read_numbers,
    read_values,
    refuse_other_index,
    refuse_rows,
)

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class ColumnResult:
    """Base of results whose arrays of equal length are the columns of a frame; arrays are read-only."""

    columns: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        """Type, number of rows and options, never a label."""
        options = (f", {k}={v!r}" for k, v in vars(self).items() if isinstance(v, str | int | float | bool))
        return f"{type(self).__name__}({len(getattr(self, self.columns[0]))} rows{''.join(options)})"

    def to_frame(self) -> pd.DataFrame:
        """Columns as a pandas frame, one row per entry."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in self.columns})


@dataclass(frozen=True, eq=False, repr=False)
class Cases:
    """Checked cases.

    Parameters
    ----------
    labels : ndarray, shape (n_facilities,)
        Sorted.
    code : ndarray of int, shape (n_rows,)
        Position in `labels`.
    y, n, probability : ndarray, shape (n_rows,)
        Events, cases, probability of an event.
    """

    labels: NDArray[Any]
    code: IntArray
    y: FloatArray
    n: FloatArray
    probability: FloatArray

    def total(self, per_row: FloatArray) -> FloatArray:
        """Sum per facility, shape (n_facilities,)."""
        return np.bincount(self.code, per_row, len(self.labels)).astype(np.float64, copy=False)


def read_cases(y: Any, probability: Any, facility: Any, trials: Any = None) -> Cases:
    """Read outcomes, probabilities under the standard and labels of facilities.

    Raises
    ------
    FitError
        No rows, lengths that differ, missing values, outcomes or probabilities out of range.

    Examples
    --------
    >>> cases = read_cases([0, 1], [0.1, 0.2], ["B", "A"])
    >>> cases.labels.tolist(), cases.total(cases.probability).tolist()
    (['A', 'B'], [0.2, 0.1])
    """
    refuse_other_index(y, probability, facility, trials)
    length = len(np.atleast_1d(read_values(y, "outcome y")))
    if length == 0:
        raise FitError("no rows", expected="at least one case")
    events = read_numbers(y, "outcome y", length)
    cases = np.ones(length) if trials is None else read_numbers(trials, "trials", length)
    check_outcome(events, cases, given=trials is not None)
    labels = read_values(facility, "facility")
    chance = np.asarray(read_values(probability, "probability"))
    for column, name in ((labels, "facility"), (chance, "probability")):
        check_length(column, name, length)
    chance = read_numbers(chance, "probability", length)
    outside = (chance <= 0) | (chance >= 1)
    refuse_rows(outside, "probability", "not between 0 and 1", "probabilities above 0 and below 1")
    sorted_labels, code = code_facilities(labels)
    return Cases(sorted_labels, code, events, cases, chance)


def read_amounts(values: Any, name: str, length: int | None = None) -> FloatArray:
    """Read numbers of 0 or more.

    Examples
    --------
    >>> read_amounts([1.5, -1.0], "expected")
    Traceback (most recent call last):
    riskstd.errors.FitError: expected: 1 of 2 rows below 0 (row positions from 0: 1)
      expected: numbers of 0 or more
    """
    column = np.atleast_1d(read_values(values, name))
    length = len(column) if length is None else length
    if column.ndim != 1 or len(column) != length:
        raise FitError(f"{name} has shape {column.shape}", expected=f"shape ({length},), one value per row")
    numbers = read_numbers(column, name, length)
    refuse_rows(numbers < 0, name, "below 0", "numbers of 0 or more")
    return numbers


def read_counts(values: Any, name: str, length: int | None = None) -> FloatArray:
    """Read whole numbers of 0 or more."""
    numbers = read_amounts(values, name, length)
    refuse_rows(numbers % 1 != 0, name, "not a whole number", "counts")
    return numbers


def read_labels(facility: Any, length: int, *, distinct: bool = True) -> NDArray[Any]:
    """Read a label per row; positions from 0 without labels.

    Examples
    --------
    >>> read_labels(None, 2).tolist(), read_labels(["A", "B"], 2).tolist()
    ([0, 1], ['A', 'B'])
    """
    if facility is None:
        return np.arange(length)
    labels = np.atleast_1d(read_values(facility, "facility"))
    if labels.ndim != 1 or len(labels) != length:
        raise FitError(f"facility has shape {labels.shape}", expected=f"shape ({length},), one label per row")
    known, _ = code_facilities(labels)
    if distinct and len(known) < length:
        raise FitError(f"{length - len(known)} of {length} rows repeat a facility", expected="one row per facility")
    return labels


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse an option outside its values.

    Examples
    --------
    >>> check_choice("method", "wald", ("exact", "byar"))
    Traceback (most recent call last):
    riskstd.errors.OptionError: method 'wald'
      expected: one of exact, byar
    """
    if value not in allowed:
        raise OptionError(f"{name} {value!r}", expected="one of " + ", ".join(allowed))


def check_replicates(name: str, value: Any, least: int) -> None:
    """Refuse a number of repetitions below the least one that makes sense."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name} {value!r}", expected=f"a whole number of {least} or more")


def divide(above: FloatArray, below: FloatArray) -> FloatArray:
    """Divide; NaN where the divisor is 0.

    Examples
    --------
    >>> divide(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    out = np.full(np.broadcast(above, below).shape, np.nan)
    return np.divide(above, below, out=out, where=np.asarray(below) != 0)
