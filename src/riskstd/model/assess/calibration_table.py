"""Observed rates and mean predicted risks, group by group."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from riskstd.errors import FitError
from riskstd.model.assess.predictions import PredictedRows, Predictions, check_length, group_by_label
from riskstd.model.frozen import freeze_arrays
from riskstd.model.inputs import code_facilities, count_text, read_values

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class CalibrationTable:
    """Observed rate and mean predicted risk, group by group.

    Parameters
    ----------
    labels : ndarray, shape (n_groups,)
        Number of the risk group from 1 (lowest risk), or the subgroup's label, sorted.
    cases, events : ndarray, shape (n_groups,)
    observed, predicted : ndarray, shape (n_groups,)
        Events / cases; mean predicted risk of the cases.
    lower, upper : ndarray, shape (n_groups,)
        Limits of the observed rate.
    lowest_risk, highest_risk : ndarray, shape (n_groups,)
        Range of the predicted risks.
    """

    labels: NDArray[Any]
    cases: FloatArray
    events: FloatArray
    observed: FloatArray
    predicted: FloatArray
    lower: FloatArray
    upper: FloatArray
    lowest_risk: FloatArray
    highest_risk: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        return f"CalibrationTable({len(self.labels)} groups, {count_text(float(self.cases.sum()))} cases)"

    @property
    def observed_expected(self) -> FloatArray:
        """Events over events predicted, shape (n_groups,)."""
        return self.observed / self.predicted

    def to_frame(self) -> pd.DataFrame:
        """One row per group.

        Returns
        -------
        pandas.DataFrame
            Columns group, cases, events, observed, lower, upper, predicted, observed_expected,
            lowest_risk, highest_risk.
        """
        import pandas as pd

        columns = {"group": self.labels}
        names = "cases events observed lower upper predicted observed_expected lowest_risk highest_risk"
        columns |= {name: getattr(self, name) for name in names.split()}
        return pd.DataFrame(columns)


def risk_groups(grouped: Predictions, groups: int) -> NDArray[np.integer[Any]]:
    """Group of each distinct risk from 1, floor(midrank x groups / (cases + 1)) + 1.

    Examples
    --------
    >>> risk_groups(Predictions(np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 1.0]), np.zeros(3)), 2).tolist()
    [1, 2, 2]
    """
    midrank = np.cumsum(grouped.cases) - 0.5 * (grouped.cases - 1.0)
    return 1 + np.floor(midrank * groups / (grouped.n_cases + 1.0)).astype(np.int64)


def tabulate(ordered: Predictions, label: NDArray[Any], interval: str, level: float) -> CalibrationTable:
    """Tabulate cases whose `label` never changes back; risks ascend within a label."""
    starts = np.flatnonzero(np.append(True, label[1:] != label[:-1]))
    ends = np.append(starts[1:], len(label)) - 1
    cases, events = np.add.reduceat(ordered.cases, starts), np.add.reduceat(ordered.events, starts)
    predicted = np.add.reduceat(ordered.cases * ordered.risk, starts) / cases
    lower, upper = rate_limits(events, cases, interval, level)
    return CalibrationTable(
        labels=label[starts],
        cases=cases,
        events=events,
        observed=events / cases,
        predicted=predicted,
        lower=lower,
        upper=upper,
        lowest_risk=ordered.risk[starts],
        highest_risk=ordered.risk[ends],
    )


def tabulate_by_label(rows: PredictedRows, by: Any, interval: str, level: float) -> CalibrationTable:
    """Tabulate the rows by the labels `by`, sorted.

    Raises
    ------
    FitError
        Labels missing, of mixed types or not one a row.
    """
    values = read_values(by, "by")
    check_length(values, "by", len(rows.risk))
    try:
        labels, codes = code_facilities(values)
    except FitError as error:
        raise FitError(
            error.found.replace("facility labels", "subgroup labels").replace("facility:", "by:"),
            expected=error.expected,
            hint=error.hint,
        ) from None
    code, grouped = group_by_label(rows, codes)
    table = tabulate(grouped, code, interval, level)
    columns = {name: getattr(table, name) for name in CalibrationTable.__dataclass_fields__}
    return CalibrationTable(**columns | {"labels": labels})


def rate_limits(events: FloatArray, cases: FloatArray, interval: str, level: float) -> tuple[FloatArray, FloatArray]:
    """Limits of a rate by Wilson (JASA 1927;22:209) or Clopper and Pearson (Biometrika 1934;26:404).

    Examples
    --------
    >>> [float(limit[0].round(4)) for limit in rate_limits(np.array([2.0]), np.array([10.0]), "wilson", 0.95)]
    [0.0567, 0.5098]
    """
    tail = 0.5 * (1.0 - level)
    others = cases - events
    if interval == "exact":
        some_events, some_others = np.where(events > 0, events, 1.0), np.where(others > 0, others, 1.0)
        lower = np.where(events > 0, betaincinv(some_events, others + 1.0, tail), 0.0)
        upper = np.where(others > 0, betaincinv(events + 1.0, some_others, 1.0 - tail), 1.0)
        return lower, upper
    z2 = float(ndtri(tail)) ** 2
    middle = (events + 0.5 * z2) / (cases + z2)
    half = math.sqrt(z2) / (cases + z2) * np.sqrt(events * others / cases + 0.25 * z2)
    lower, upper = np.where(events > 0, middle - half, 0.0), np.where(others > 0, middle + half, 1.0)
    return np.clip(lower, 0.0, 1.0), np.clip(upper, 0.0, 1.0)


def hosmer_lemeshow(table: CalibrationTable) -> float:
    """Sum over the groups of (events - expected)^2 / (cases x mean risk x (1 - mean risk))."""
    variance = table.cases * table.predicted * (1.0 - table.predicted)
    return float(np.sum((table.events - table.cases * table.predicted) ** 2 / variance))
