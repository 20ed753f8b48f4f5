"""Flags among many facilities: false discovery rates from p-values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import OptionError
from riskstd.model.assess.predictions import check_length
from riskstd.model.inputs import read_numbers, read_values, refuse_rows
from riskstd.rates.alternatives.columns import ColumnResult, FloatArray, check_choice, read_labels

METHODS = ("benjamini-hochberg", "benjamini-yekutieli", "storey")


@dataclass(frozen=True, eq=False, repr=False)
class FalseDiscovery(ColumnResult):
    """Adjusted p-values; arrays of shape (n_facilities,).

    Parameters
    ----------
    facility_id, p_value : ndarray
        As given.
    q_value : ndarray
        Smallest false discovery rate at which the facility is flagged.
    flagged : ndarray of bool
        q_value at most `rate`.
    share_null : float
        Share of facilities in line with the null; 1 except for "storey".
    rate : float
    method : str
    """

    columns: ClassVar[tuple[str, ...]] = ("facility_id", "p_value", "q_value", "flagged")

    facility_id: NDArray[Any]
    p_value: FloatArray
    q_value: FloatArray
    flagged: NDArray[np.bool_]
    share_null: float
    rate: float
    method: str


def false_discovery(
    p_value: Any,
    *,
    facility: Any = None,
    method: str = "benjamini-hochberg",
    rate: float = 0.05,
    tuning: float = 0.5,
) -> FalseDiscovery:
    """Flag facilities so that of all flags a stated share at most is expected to be false.

    Parameters
    ----------
    p_value : array, shape (n_facilities,)
        Two-sided, of `exact_test`, `observed_expected` or `empirical_null`.
    facility : array of labels, shape (n_facilities,), optional
    method : {"benjamini-hochberg", "benjamini-yekutieli", "storey"}
        The second holds under any dependence; the third estimates the share of the null.
    rate : float
        False discovery rate to be kept.
    tuning : float
        Storey's lambda: p-values above it are taken to be of the null.

    Returns
    -------
    FalseDiscovery

    Raises
    ------
    FitError
        P-values missing or outside 0 to 1.
    OptionError

    Notes
    -----
    q_(i) = min over k >= i of min(1, pi0 c m p_(k) / k), with c = 1 and pi0 = 1 (Benjamini and Hochberg, JRSS B
    1995;57:289), c = sum of 1/i (Benjamini and Yekutieli, Annals of Statistics 2001;29:1165), or pi0 =
    #{p > lambda} / (m (1 - lambda)), at most 1 (Storey, JRSS B 2002;64:479). P-values of counts are
    discrete, so the true rate lies below.

    Examples
    --------
    >>> found = false_discovery([0.01, 0.02, 0.03, 0.5])
    >>> found.q_value.round(3).tolist(), found.flagged.tolist()
    ([0.04, 0.04, 0.04, 0.5], [True, True, True, False])
    """
    check_choice("method", method, METHODS)
    for name, value in (("rate", rate), ("tuning", tuning)):
        if not 0.0 < value < 1.0:
            raise OptionError(f"{name} {value!r}", expected="a number between 0 and 1")
    values = np.atleast_1d(read_values(p_value, "p_value"))
    check_length(values, "p_value", len(values))
    p = read_numbers(values, "p_value", len(values))
    refuse_rows((p < 0) | (p > 1), "p_value", "outside 0 to 1", "probabilities")
    share = storey_share(p, tuning) if method == "storey" else 1.0
    factor = float(np.sum(1.0 / np.arange(1, len(p) + 1))) if method == "benjamini-yekutieli" else 1.0
    q = step_up(p, share * factor)
    return FalseDiscovery(read_labels(facility, len(p)), p, q, q <= rate, share, float(rate), method)


def step_up(p: FloatArray, factor: float = 1.0) -> FloatArray:
    """Smallest rate at which each p-value is flagged.

    Examples
    --------
    >>> step_up(np.array([0.5, 0.01])).tolist()
    [0.5, 0.02]
    """
    order = np.argsort(p, kind="stable")
    rank = np.arange(1, len(p) + 1)
    scaled = factor * len(p) * p[order] / rank
    out = np.empty(len(p))
    out[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return out


def storey_share(p: FloatArray, tuning: float = 0.5) -> float:
    """Share of the p-values that belongs to the null.

    Examples
    --------
    >>> storey_share(np.array([0.01, 0.02, 0.7, 0.9]))
    1.0
    """
    if len(p) == 0:
        return 1.0
    return float(min(1.0, np.mean(p > tuning) / (1.0 - tuning)))
