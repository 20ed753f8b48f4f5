"""Rates within strata of a patient attribute, and how far they differ from a reference stratum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError, OptionError
from riskstd.model.inputs import code_facilities, read_values, refuse_other_index
from riskstd.model.options import check_level
from riskstd.rates.alternatives.columns import Cases, ColumnResult, FloatArray, divide, read_cases
from riskstd.rates.alternatives.observed_expected import poisson_limits
from riskstd.rates.alternatives.proportions import difference_limits, ratio_of_ratios, wilson_limits

MINIMUM_CASES = 11
"""Cells of 1 to 10 are not shown under the CMS cell size policy."""


@dataclass(frozen=True, eq=False, repr=False)
class EquityStrata(ColumnResult):
    """Strata of each facility; arrays of shape (n_facilities x n_strata,), by facility, then stratum.

    Parameters
    ----------
    facility_id, stratum : ndarray
    cases, observed, expected : ndarray
    small : ndarray of bool
        Fewer cases than the minimum: everything below is NaN.
    rate, rate_lower, rate_upper : ndarray
        Events per case, Wilson's limits.
    ratio, ratio_lower, ratio_upper : ndarray
        Observed / expected, mid-P limits.
    rate_difference, rate_difference_lower, rate_difference_upper : ndarray
        From the reference stratum, as proportions, Newcombe's limits; NaN in the reference itself.
    adjusted_difference, adjusted_difference_lower, adjusted_difference_upper : ndarray
        The same of ratio x rate of all cases.
    relative, relative_lower, relative_upper, p_value : ndarray
        Ratio over that of the reference stratum, exact limits, p-value of 1.
    reference : object
        The reference stratum.
    minimum_cases : int
    level : float
    """

    columns: ClassVar[tuple[str, ...]] = (
        "facility_id", "stratum", "cases", "observed", "expected", "small", "rate", "rate_lower", "rate_upper",
        "ratio", "ratio_lower", "ratio_upper", "rate_difference", "rate_difference_lower", "rate_difference_upper",
        "adjusted_difference", "adjusted_difference_lower", "adjusted_difference_upper",
        "relative", "relative_lower", "relative_upper", "p_value",
    )  # fmt: skip

    facility_id: NDArray[Any]
    stratum: NDArray[Any]
    cases: FloatArray
    observed: FloatArray
    expected: FloatArray
    small: NDArray[np.bool_]
    rate: FloatArray
    rate_lower: FloatArray
    rate_upper: FloatArray
    ratio: FloatArray
    ratio_lower: FloatArray
    ratio_upper: FloatArray
    rate_difference: FloatArray
    rate_difference_lower: FloatArray
    rate_difference_upper: FloatArray
    adjusted_difference: FloatArray
    adjusted_difference_lower: FloatArray
    adjusted_difference_upper: FloatArray
    relative: FloatArray
    relative_lower: FloatArray
    relative_upper: FloatArray
    p_value: FloatArray
    reference: Any
    minimum_cases: int
    level: float


def equity_strata(
    y: Any,
    probability: Any,
    stratum: Any,
    facility: Any = None,
    *,
    trials: Any = None,
    reference: Any = None,
    missing: str = "not recorded",
    minimum_cases: int = MINIMUM_CASES,
    level: float = 0.95,
) -> EquityStrata:
    """Compare strata of patients, over all facilities or within each.

    Parameters
    ----------
    y : array, shape (n_rows,)
        0 or 1; events out of `trials` when those are given.
    probability : array, shape (n_rows,)
        Of an event at an average facility (`fit.predict(X)`), from a model without the attribute.
    stratum : array of labels, shape (n_rows,)
        None or NaN where the attribute is missing.
    facility : array of labels, shape (n_rows,), optional
        Left out: all rows are one facility.
    trials : array, shape (n_rows,), optional
    reference : label, optional
        Stratum the others are compared with; the one with the most cases when left out.
    missing : str
        Name of the stratum of rows without a label; they are counted, not dropped.
    minimum_cases : int
        Strata of a facility with fewer are marked `small`, and neither estimated nor compared.
    level : float

    Returns
    -------
    EquityStrata

    Raises
    ------
    FitError
        Rows that do not match or are out of range.
    OptionError
        A reference that no row has.

    Notes
    -----
    Limits of rates and their differences: Newcombe, Statistics in Medicine 1998;17:857 and 17:873 (method 10); of
    differences of ratio x rate: Zou and Donner, Statistics in Medicine 2008;27:1693, on mid-P Poisson limits; of
    ratios over ratios: Breslow and Day, IARC 1987, chapter 3.

    `small` guards estimates, not confidentiality: counts stand in the result. What is published goes through the
    suppression of the reports.

    Examples
    --------
    >>> found = equity_strata([56, 48], [0.7, 0.7], ["a", "b"], trials=[70, 80], reference="b")
    >>> limits = (found.rate_difference, found.rate_difference_lower, found.rate_difference_upper)
    >>> [round(float(v[0]), 4) for v in limits]
    [0.2, 0.0524, 0.3339]
    """
    check_level(level)
    if isinstance(minimum_cases, bool) or not isinstance(minimum_cases, int | np.integer) or minimum_cases < 1:
        raise OptionError(f"minimum_cases {minimum_cases!r}", expected="a whole number of 1 or more")
    refuse_other_index(y, stratum)
    rows = np.zeros(len(np.atleast_1d(read_values(y, "outcome y"))), dtype=np.int64) if facility is None else facility
    cases = read_cases(y, probability, rows, trials)
    strata, code = code_facilities(_read_strata(stratum, len(cases.y), missing))
    shape = (len(cases.labels), len(strata))
    amounts = (cases.y, cases.n, cases.n * cases.probability)
    observed, n, expected = (_cross(cases, code, shape, amount) for amount in amounts)
    at = _reference(strata, n.sum(axis=0), reference)
    flat = {"observed": observed.ravel(), "cases": n.ravel(), "expected": expected.ravel()}
    small = flat["cases"] < minimum_cases
    is_reference = np.tile(np.arange(len(strata)) == at, len(cases.labels))
    overall = float(cases.y.sum() / cases.n.sum())
    own = _own(flat, level)
    position = np.repeat(np.arange(len(cases.labels)) * len(strata) + at, len(strata))
    compared = _compare(own, flat, position, overall, level)
    unfit = small | np.repeat(small[is_reference], len(strata)) | is_reference
    return EquityStrata(
        facility_id=np.repeat(cases.labels, len(strata)),
        stratum=np.tile(strata, len(cases.labels)),
        **flat,
        small=small,
        **{name: np.where(small, np.nan, value) for name, value in own.items()},
        **{name: np.where(unfit, np.nan, value) for name, value in compared.items()},
        reference=strata[at],
        minimum_cases=int(minimum_cases),
        level=float(level),
    )


def _own(flat: dict[str, FloatArray], level: float) -> dict[str, FloatArray]:
    """Rates and ratios of the strata with their limits."""
    rate_lower, rate_upper = wilson_limits(flat["observed"], flat["cases"], level)
    lower, upper = poisson_limits(flat["observed"], level, "mid-p")
    return {
        "rate": divide(flat["observed"], flat["cases"]),
        "rate_lower": rate_lower,
        "rate_upper": rate_upper,
        "ratio": divide(flat["observed"], flat["expected"]),
        "ratio_lower": divide(lower, flat["expected"]),
        "ratio_upper": divide(upper, flat["expected"]),
    }


def _compare(
    own: dict[str, FloatArray], flat: dict[str, FloatArray], at: NDArray[Any], overall: float, level: float
) -> dict[str, FloatArray]:
    """Differences and ratios to the reference stratum of the same facility, at positions `at`."""
    out: dict[str, FloatArray] = {}
    for name, of, factor in (("rate_difference", "rate", 1.0), ("adjusted_difference", "ratio", overall)):
        value, low, high = (factor * own[part] for part in (of, f"{of}_lower", f"{of}_upper"))
        limits = difference_limits(value, (low, high), value[at], (low[at], high[at]))
        out |= {name: value - value[at], f"{name}_lower": limits[0], f"{name}_upper": limits[1]}
    events, mean = flat["observed"], flat["expected"]
    found = ratio_of_ratios(events[at], mean[at], events, mean, level)
    return out | dict(zip(("relative", "relative_lower", "relative_upper", "p_value"), found, strict=True))


def _cross(cases: Cases, stratum: NDArray[Any], shape: tuple[int, int], per_row: FloatArray) -> FloatArray:
    cell = cases.code.astype(np.int64) * shape[1] + stratum
    return np.bincount(cell, per_row, shape[0] * shape[1]).astype(np.float64, copy=False).reshape(shape)


def _reference(strata: NDArray[Any], cases: FloatArray, reference: Any) -> int:
    if reference is None:
        return int(np.argmax(cases))
    found = np.flatnonzero(strata == reference)
    if len(found) == 0:
        raise OptionError(f"reference {reference!r}", expected="one of " + ", ".join(str(s) for s in strata[:20]))
    return int(found[0])


def _read_strata(stratum: Any, length: int, missing: str) -> NDArray[Any]:
    """Labels as given when none is missing, else as text, with a stratum for those that are."""
    values = np.atleast_1d(read_values(stratum, "stratum"))
    if values.ndim != 1 or len(values) != length:
        raise FitError(f"stratum has shape {values.shape}", expected=f"shape ({length},), one label per row")
    # pandas.NA answers neither True nor False to a comparison
    absent = np.array([v is None or type(v).__name__ in ("NAType", "NaTType") or v != v for v in values.tolist()])
    if not absent.any():
        return values
    if values.dtype.kind == "f":
        whole = np.all(values[~absent] % 1 == 0)
        names = [str(int(v)) if whole else str(v) for v in np.where(absent, 0.0, values).tolist()]
    else:
        names = [str(v) for v in values.tolist()]
    return np.where(absent, missing, np.array(names, dtype=object))
