"""Direct standardization: stratum rates of a facility weighted by a standard population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from riskstd.errors import FitError
from riskstd.model.inputs import code_facilities, read_values, refuse_other_index, refuse_rows
from riskstd.model.options import check_level
from riskstd.rates.alternatives.columns import (
    ColumnResult,
    FloatArray,
    IntArray,
    check_choice,
    divide,
    read_amounts,
    read_counts,
    read_labels,
)
from riskstd.rates.alternatives.observed_expected import poisson_limits

METHODS = ("gamma", "modified-gamma", "dobson")


@dataclass(frozen=True, eq=False, repr=False)
class DirectRates(ColumnResult):
    """Directly standardized rates, events per case; arrays of shape (n_facilities,).

    Parameters
    ----------
    facility_id : ndarray
        Labels, sorted.
    cases, observed : ndarray
        Counts.
    crude_rate : ndarray
        Events per case.
    rate, lower, upper : ndarray
        Standardized; NaN where the facility has no cases in a stratum that the standard has.
    missing_strata : ndarray of int
        Strata of the standard in which the facility has no cases.
    missing_weight : ndarray
        Share of the standard in those strata.
    method : str
    level : float
    """

    columns: ClassVar[tuple[str, ...]] = (
        "facility_id", "cases", "observed", "crude_rate", "rate", "lower", "upper", "missing_strata", "missing_weight",
    )  # fmt: skip

    facility_id: NDArray[Any]
    cases: FloatArray
    observed: FloatArray
    crude_rate: FloatArray
    rate: FloatArray
    lower: FloatArray
    upper: FloatArray
    missing_strata: IntArray
    missing_weight: FloatArray
    method: str
    level: float


def direct_rates(
    events: Any,
    cases: Any,
    stratum: Any,
    facility: Any = None,
    *,
    standard: Mapping[Any, float] | None = None,
    method: str = "gamma",
    level: float = 0.95,
) -> DirectRates:
    """Standardize directly: what a facility's rate were if its cases were those of the standard.

    Parameters
    ----------
    events, cases : array, shape (n_rows,)
        Counts per facility and stratum; rows of one facility and stratum are added up.
    stratum : array of labels, shape (n_rows,)
    facility : array of labels, shape (n_rows,), optional
        Left out: all rows are one facility.
    standard : mapping of stratum to weight, optional
        Cases of the standard population; all cases given, by stratum, when left out.
    method : {"gamma", "modified-gamma", "dobson"}
        Limits of Fay and Feuer; of Tiwari, Clegg and Zou, less conservative; of Dobson et al.
    level : float

    Returns
    -------
    DirectRates

    Raises
    ------
    FitError
        Counts that are not counts, more events than cases, a stratum that the standard lacks.
    OptionError

    Notes
    -----
    With w_i = share of the standard / cases of the stratum, rate y = sum w_i O_i and variance v = sum
    w_i^2 O_i, the limits are those of gamma distributions: lower with mean y and variance v, upper with
    y + w and v + w^2, w the largest w_i (Fay and Feuer, Statistics in Medicine 1997;16:791, section 2). The modified
    limits take the mean of the w_i and of their squares (Tiwari, Clegg and Zou, Statistical Methods in Medical
    Research 2006;15:547). Dobson: y + sqrt(v / O) (limit of O - O), O all events (Dobson, Kuulasmaa,
    Eberle and Scherer, Statistics in Medicine 1991;10:457).

    Examples
    --------
    >>> found = direct_rates([10, 30], [100, 100], ["young", "old"], standard={"young": 3, "old": 1})
    >>> [round(float(v[0]), 4) for v in (found.crude_rate, found.rate, found.lower, found.upper)]
    [0.2, 0.15, 0.1012, 0.2178]
    """
    check_choice("method", method, METHODS)
    check_level(level)
    refuse_other_index(events, cases, stratum, facility)
    counts = read_counts(events, "events")
    size = read_counts(cases, "cases", len(counts))
    refuse_rows(counts > size, "events", "above cases", "at most as many events as cases")
    strata, stratum_code = code_facilities(_read_stratum(stratum, len(counts)))
    rows = np.zeros(len(counts), dtype=np.int64) if facility is None else facility
    labels, code = code_facilities(read_labels(rows, len(counts), distinct=False))
    weights = _standard_weights(standard, strata, np.bincount(stratum_code, size, len(strata)).astype(np.float64))
    table = np.zeros((2, len(labels), len(strata)))
    np.add.at(table[0], (code, stratum_code), counts)
    np.add.at(table[1], (code, stratum_code), size)
    observed, total = table.sum(axis=2)
    absent = (table[1] == 0) & (weights > 0)
    per_case = divide(np.broadcast_to(weights, absent.shape), table[1])
    rate, lower, upper = _limits(table[0], np.where(weights > 0, per_case, 0.0), level, method)
    return DirectRates(
        facility_id=labels,
        cases=total,
        observed=observed,
        crude_rate=divide(observed, total),
        rate=rate,
        lower=lower,
        upper=upper,
        missing_strata=absent.sum(axis=1),
        missing_weight=np.sum(absent * weights, axis=1),
        method=method,
        level=float(level),
    )


def _limits(events: FloatArray, weight: FloatArray, level: float, method: str) -> tuple[FloatArray, ...]:
    """Rate and limits per facility from events and weights per case, shape (n_facilities, n_strata)."""
    tail = (1.0 - level) / 2.0
    rate, variance = np.sum(weight * events, axis=1), np.sum(weight**2 * events, axis=1)
    if method == "dobson":
        observed = events.sum(axis=1)
        scale = np.sqrt(np.where(observed > 0, divide(variance, observed), np.mean(weight**2, axis=1)))
        low, high = poisson_limits(observed, level, "exact")
        return rate, rate + scale * (low - observed), rate + scale * (high - observed)
    if method == "gamma":
        largest = weight.max(axis=1)
        extra, extra_variance = largest, largest**2
    else:
        extra, extra_variance = weight.mean(axis=1), np.mean(weight**2, axis=1)
    lower = np.where(rate == 0, 0.0, _gamma_quantile(rate, variance, tail))
    return rate, lower, _gamma_quantile(rate + extra, variance + extra_variance, 1.0 - tail)


def _gamma_quantile(mean: FloatArray, variance: FloatArray, probability: float) -> FloatArray:
    scale = divide(variance, mean)
    return gammaincinv(divide(mean, scale), probability) * scale


def _read_stratum(stratum: Any, length: int) -> NDArray[Any]:
    values = np.atleast_1d(read_values(stratum, "stratum"))
    if values.ndim != 1 or len(values) != length:
        raise FitError(f"stratum has shape {values.shape}", expected=f"shape ({length},), one label per row")
    return values


def _standard_weights(standard: Mapping[Any, float] | None, strata: NDArray[Any], cases: FloatArray) -> FloatArray:
    """Share of the standard population in each stratum."""
    if standard is None:
        amounts = cases
    else:
        known = strata.tolist()
        absent, unused = sum(s not in standard for s in known), sum(s not in known for s in standard)
        if absent or unused:
            raise FitError(
                f"{absent} strata of the cases are not in the standard, {unused} of the standard not in the cases",
                expected="a weight for every stratum, and cases of some facility in each",
            )
        amounts = read_amounts([standard[s] for s in known], "standard")
    if amounts.sum() <= 0:
        raise FitError("a standard population of size 0", expected="weights that add up to more than 0")
    return amounts / amounts.sum()
