"""The model's door: arrays or frames in, checked arrays out.

Messages name columns, counts and row positions (from 0), never a value of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.exceptions import NarwhalsError
from numpy.typing import NDArray

from riskstd.errors import FitError
from riskstd.model.cells import FloatArray, IntArray
from riskstd.model.row_keys import RowKeys, guess_keys

SHOWN_POSITIONS = 5
MIN_LABEL_SPAN = 1_000_000
"""Range of whole-number labels up to which counting is always cheaper than sorting."""
BLOCK_LABELS = 65_536
"""Labels that are turned into positions at a time."""


@dataclass(frozen=True, eq=False, repr=False)
class ModelInput:
    """Checked rows.

    Parameters
    ----------
    y, n : ndarray, shape (n_rows,)
        Events and cases, times the weight of the row; of a narrow type where that is exact.
    X : ndarray, shape (n_rows, n_factors)
        The caller's own memory and type where it holds numbers: never written to.
    facility : ndarray of int, shape (n_rows,)
        Position in `labels`.
    labels : ndarray, shape (n_facilities,)
        Facility labels, sorted.
    offset : ndarray, shape (n_rows,), or None
    factor_names : tuple of str
    trials, raw_y, weights : ndarray, shape (n_rows,)
        As given, one number for all rows where left out; for the binomial constant.
    keys : RowKeys or None
        Of X, where reading found them.
    """

    y: NDArray[Any]
    n: FloatArray
    X: NDArray[Any]
    facility: IntArray
    labels: NDArray[Any]
    offset: FloatArray | None
    factor_names: tuple[str, ...]
    trials: FloatArray
    raw_y: NDArray[Any]
    weights: FloatArray
    keys: RowKeys | None


def read_model_input(
    y: Any,
    X: Any,
    facility: Any,
    *,
    trials: Any = None,
    weights: Any = None,
    offset: Any = None,
    factor_names: Any = None,
) -> ModelInput:
    """Read and check the arguments of `fit_hierarchical`.

    Raises
    ------
    FitError
        Lengths that differ, missing or infinite numbers, outcomes outside 0 .. trials.
    """
    refuse_other_index(y, X, facility, trials, weights, offset)
    rows, names = _factor_matrix(X, factor_names)
    keys = guess_keys(rows)
    if keys is None:
        _refuse_not_finite(rows, names)
    length = len(rows)
    events = _read_finite(y, "outcome y", length)
    label_values = read_values(facility, "facility")
    _check_length(label_values, "facility", length)
    ones = np.broadcast_to(1.0, length)
    cases = ones if trials is None else read_numbers(trials, "trials", length)
    row_weights = ones if weights is None else read_numbers(weights, "weights", length)
    shift = None if offset is None else read_numbers(offset, "offset", length)
    check_outcome(events, cases, given=trials is not None)
    events = events.astype(np.uint8 if trials is None else np.float64, copy=False)
    if weights is not None:
        refuse_rows(row_weights <= 0, "weights", "0 or below", "positive weights", "leave those rows out")
    labels, codes = code_facilities(label_values)
    return ModelInput(
        y=events if weights is None else events * row_weights,
        n=cases if weights is None else row_weights if trials is None else cases * row_weights,
        X=rows,
        facility=codes,
        labels=labels,
        offset=shift,
        factor_names=names,
        trials=cases,
        raw_y=events,
        weights=row_weights,
        keys=keys,
    )


def refuse_other_index(*given: Any) -> None:
    """Refuse pandas objects whose labels differ: rows are taken by position."""
    indexes = [one.index for one in given if type(one).__module__.startswith("pandas") and hasattr(one, "index")]
    if any(not indexes[0].equals(other) for other in indexes[1:]):
        raise FitError(
            "pandas arguments with different indexes",
            expected="the same index in the same order, since rows are matched by position",
            hint="sort and reset_index, or pass arrays",
        )


def read_factors(X: Any, factor_names: Any = None) -> tuple[FloatArray, tuple[str, ...]]:
    """Read risk factors of a frame or array, and their names.

    Returns
    -------
    ndarray of float, shape (n_rows, n_factors)
    tuple of str

    Examples
    --------
    >>> read_factors([[0, 1], [1, 1]])[1]
    ('x1', 'x2')
    """
    rows, names = _factor_matrix(X, factor_names)
    _refuse_not_finite(rows, names)
    return np.asarray(rows, dtype=np.float64), names


def _factor_matrix(X: Any, factor_names: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Risk factors as numbers of any type, which may still be missing or infinite, and their names."""
    try:
        frame = nw.from_native(X, eager_only=True, allow_series=True, pass_through=True)
    except NarwhalsError:
        raise FitError("X has repeated column names", expected="distinct names") from None
    if isinstance(frame, nw.Series):
        frame = frame.to_frame()
    if isinstance(frame, nw.DataFrame):
        # not by name: a number as a name would pick a row
        series = list(frame.iter_columns())
        names = tuple(str(one.name) for one in series)
        columns = [_as_numbers(one.to_numpy(), f"risk factor '{one.name}'") for one in series]
        kind = np.result_type(*columns) if columns else np.dtype(np.float64)
        rows = np.empty((len(frame), len(series)), kind, order="F")
        for k, column in enumerate(columns):
            rows[:, k] = column
    else:
        rows = _as_numbers(X, "risk factors X")
        rows = rows[:, None] if rows.ndim == 1 else rows
        if rows.ndim != 2:
            raise FitError(f"X has {rows.ndim} dimensions", expected="rows x risk factors (2 dimensions)")
        names = tuple(f"x{k + 1}" for k in range(rows.shape[1]))
    if factor_names is not None:
        names = tuple(str(name) for name in factor_names)
    if len(names) != rows.shape[1]:
        raise FitError(f"{len(names)} factor names for {rows.shape[1]} columns of X", expected="one name per column")
    if len(set(names)) != len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise FitError(f"repeated factor names: {', '.join(repeated)}", expected="distinct names")
    return rows, names


def _refuse_not_finite(rows: NDArray[Any], names: tuple[str, ...]) -> None:
    if rows.dtype.kind != "f":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.add.reduce(rows, axis=0)
    # a sum that is finite has finite terms; only the others need a look at every row
    for k in np.flatnonzero(~np.isfinite(sums)):
        bad = ~np.isfinite(rows[:, k])
        refuse_rows(bad, f"risk factor '{names[k]}'", "missing or infinite", "finite numbers")


def read_numbers(values: Any, name: str, length: int) -> FloatArray:
    """Read one number per row."""
    return np.asarray(_read_finite(values, name, length), dtype=np.float64)


def _read_finite(values: Any, name: str, length: int) -> NDArray[Any]:
    """One number per row, of the type given."""
    numbers = _as_numbers(read_values(values, name), name)
    _check_length(numbers, name, length)
    if numbers.dtype.kind == "f":
        refuse_rows(~np.isfinite(numbers), name, "missing or infinite", "finite numbers")
    return numbers


def read_values(values: Any, name: str) -> NDArray[Any]:
    """Read a series, list or array as a one-dimensional array."""
    series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        if series.dtype in (nw.Categorical, nw.Enum) and not series.implementation.is_pandas_like():
            series = series.cast(nw.String)
        return np.asarray(series.to_numpy())
    if isinstance(values, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(values)
        values = np.array(np.ma.getdata(values), dtype=object)
        values[masked] = None
    try:
        array = np.asarray(values)
    except ValueError:
        raise FitError(f"{name} holds lists of different lengths", expected="one value per row") from None
    if array.dtype.kind in "US" and isinstance(values, list | tuple):
        # numpy would turn a number, or NaN, beside text into text
        array = np.array(values, dtype=object)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def code_facilities(values: NDArray[Any]) -> tuple[NDArray[Any], IntArray]:
    """Sorted distinct labels, and the position of each row's label among them.

    Examples
    --------
    >>> labels, codes = code_facilities(np.array(["b", "a", "b"]))
    >>> labels.tolist(), codes.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    if values.dtype.kind in "fcmM":
        # NaN and NaT differ from themselves
        refuse_rows(values != values, "facility", "missing", "a label on every row")
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < max(MIN_LABEL_SPAN, len(values)):
            return _code_close_integers(values, low, high)
    if values.dtype.kind != "O":
        labels, codes = np.unique(values, return_inverse=True)
        return labels, codes.astype(np.int32)
    refuse_rows(_missing_labels(values), "facility", "missing", "a label on every row")
    distinct = set(values.tolist())
    try:
        ordered = sorted(distinct)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in distinct})
        raise FitError(
            f"facility labels of mixed types: {', '.join(kinds)}",
            expected="labels of one type",
            hint="convert them all to text",
        ) from None
    if not all(one < other for one, other in pairwise(ordered)):
        raise FitError(
            f"facility labels of type {type(ordered[0]).__name__}, which has no order",
            expected="labels that can be sorted",
            hint="convert them to text",
        )
    position = {label: k for k, label in enumerate(ordered)}
    codes = np.fromiter((position[label] for label in values.tolist()), dtype=np.int32, count=len(values))
    labels = np.empty(len(ordered), dtype=object)
    labels[:] = ordered
    return labels, codes


def _code_close_integers(values: NDArray[Any], low: int, high: int) -> tuple[NDArray[Any], IntArray]:
    """Labels and positions by counting, without a sort."""
    blocks = [slice(start, start + BLOCK_LABELS) for start in range(0, len(values), BLOCK_LABELS)]
    is_label = np.zeros(high - low + 1, dtype=bool)
    for block in blocks:
        is_label[_above(values[block], low, high)] = True
    rank = np.cumsum(is_label, dtype=np.uint16 if np.count_nonzero(is_label) < 2**16 else np.uint32)
    rank -= 1
    codes = np.empty(len(values), dtype=np.int32)
    for block in blocks:
        codes[block] = rank[_above(values[block], low, high)]
    labels = np.array([low + int(k) for k in np.flatnonzero(is_label)], dtype=values.dtype)
    return labels, codes


def _above(values: NDArray[Any], low: int, high: int) -> IntArray:
    """Differences from the smallest value; those of unsigned and of narrow integers would wrap around."""
    return values.astype(np.int64) - low if high < 2**63 else (values - values.dtype.type(low)).astype(np.int64)


def refuse_rows(bad: NDArray[np.bool_], name: str, what: str, expected: str, hint: str = "") -> None:
    """Raise FitError with the number and first positions of bad rows, when there are any.

    Examples
    --------
    >>> refuse_rows(np.array([False, True]), "offset", "missing", "finite numbers")
    Traceback (most recent call last):
    riskstd.errors.FitError: offset: 1 of 2 rows missing (row positions from 0: 1)
      expected: finite numbers
    """
    positions = np.flatnonzero(bad)
    if len(positions) == 0:
        return
    shown = ", ".join(str(p) for p in positions[:SHOWN_POSITIONS])
    more = ", ..." if len(positions) > SHOWN_POSITIONS else ""
    raise FitError(
        f"{name}: {len(positions)} of {len(bad)} rows {what} (row positions from 0: {shown}{more})",
        expected=expected,
        hint=hint,
    )


def count_text(count: float) -> str:
    """A count as text; weighted counts keep two decimals.

    Examples
    --------
    >>> count_text(1234567.0), count_text(2.5)
    ('1,234,567', '2.50')
    """
    return f"{count:,.0f}" if count % 1 == 0 else f"{count:,.2f}"


def _missing_labels(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.array([_is_missing(v) for v in values.tolist()], dtype=bool)


def _is_missing(value: Any) -> bool:
    # pandas.NA answers neither True nor False to a comparison, so it is known by its type
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _as_numbers(values: Any, name: str) -> NDArray[Any]:
    """Values as numbers, of their own type where they have one that is no wider than float64."""
    try:
        array = np.asarray(read_values(values, name) if isinstance(values, np.ma.MaskedArray) else values)
        # numpy would turn text and dates into numbers silently
        is_text = array.dtype.kind == "O" and any(isinstance(v, str) for v in array.flat)
        if array.dtype.kind == "O" and not is_text:
            array = np.array([np.nan if _is_missing(v) else v for v in array.flat], dtype=object).reshape(array.shape)
        if array.dtype.kind in "biuf" and array.dtype.itemsize <= np.dtype(np.float64).itemsize:
            return array
        if array.dtype.kind in "fO" and not is_text:
            return np.asarray(array, dtype=np.float64)
        kind = "text" if is_text else str(array.dtype)
    except (TypeError, ValueError, OverflowError):
        kind = "mixed"
    raise FitError(f"{name} cannot be read as numbers (type {kind})", expected="numbers, or true and false")


def _check_length(values: NDArray[Any], name: str, length: int) -> None:
    if values.ndim != 1 or len(values) != length:
        raise FitError(f"{name} has shape {values.shape}, X has {length} rows", expected=f"shape ({length},)")


def check_outcome(events: FloatArray, cases: FloatArray, *, given: bool) -> None:
    """Refuse outcomes other than 0 and 1, or other than counts within the trials `given`."""
    if not given:
        expected = "0 or 1 (no event, event)"
        hint = "pass trials= when y counts events"
        refuse_rows((events != 0) & (events != 1), "outcome y", "neither 0 nor 1", expected, hint)
        return
    refuse_rows((cases < 1) | (cases % 1 != 0), "trials", "not a whole number of 1 or more", "counts of cases")
    refuse_rows((events < 0) | (events % 1 != 0), "outcome y", "not a whole number of 0 or more", "event counts")
    refuse_rows(events > cases, "outcome y", "above trials", "at most as many events as trials")
