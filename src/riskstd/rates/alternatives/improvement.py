"""Change over time against a fixed baseline: the same coefficients in every period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError, OptionError
from riskstd.model.inputs import code_facilities, read_values, refuse_other_index
from riskstd.model.options import check_level
from riskstd.rates.alternatives.columns import ColumnResult, FloatArray, divide, read_amounts, read_counts, read_labels
from riskstd.rates.alternatives.observed_expected import poisson_limits
from riskstd.rates.alternatives.proportions import ratio_of_ratios


@dataclass(frozen=True, eq=False, repr=False)
class Improvement(ColumnResult):
    """Observed over expected per facility and period, and the change from the baseline period.

    Arrays of shape (n_facilities x n_periods,), by facility, then period; NaN where nothing is expected.

    Parameters
    ----------
    facility_id, period : ndarray
    observed, expected : ndarray
        Events; 0 in a period without cases.
    ratio, lower, upper : ndarray
        Observed / expected, mid-P limits at `level`.
    change, change_lower, change_upper : ndarray
        Ratio over the ratio of the baseline period, exact limits; below 1 is improvement. NaN in the
        baseline period itself.
    p_value : ndarray
        Of no change, two-sided.
    baseline : object
        The baseline period.
    level : float
    """

    columns: ClassVar[tuple[str, ...]] = (
        "facility_id", "period", "observed", "expected", "ratio", "lower", "upper",
        "change", "change_lower", "change_upper", "p_value",
    )  # fmt: skip

    facility_id: NDArray[Any]
    period: NDArray[Any]
    observed: FloatArray
    expected: FloatArray
    ratio: FloatArray
    lower: FloatArray
    upper: FloatArray
    change: FloatArray
    change_lower: FloatArray
    change_upper: FloatArray
    p_value: FloatArray
    baseline: Any
    level: float


def improvement(
    observed: Any,
    expected: Any,
    period: Any,
    facility: Any = None,
    *,
    baseline: Any = None,
    level: float = 0.95,
    mid_p: bool = False,
) -> Improvement:
    """Compare each period with a baseline period, expected events by one and the same model.

    Parameters
    ----------
    observed, expected : array, shape (n_rows,)
        Events, and their expectation by the coefficients of the baseline (`predicted_expected` or
        `fit.predict` with the baseline's fit). Rows of one facility and period are added up, so rows can be cases.
    period : array of labels, shape (n_rows,)
    facility : array of labels, shape (n_rows,), optional
        Left out: all rows are one facility, such as a network.
    baseline : label, optional
        The first period in sorted order when left out.
    level : float
    mid_p : bool
        For the change: limits and p-value that count the observed split half.

    Returns
    -------
    Improvement

    Raises
    ------
    FitError
        Rows that do not match; one period only.
    OptionError
        A baseline that no row has.

    Notes
    -----
    Given the events of two periods together, those of the later one are binomial with odds
    change x E_later / E_baseline; exact limits follow (Breslow and Day, Statistical Methods in Cancer Research II,
    IARC 1987, chapter 3). With expected events by each period's own fit, a facility that keeps up with a nation
    that improves would show no change. The baseline's coefficients are taken as known, and the two periods' cases
    as different cases.

    Examples
    --------
    >>> found = improvement([11, 6], [8.3, 9.1], [2023, 2024])
    >>> [round(float(v[1]), 4) for v in (found.change, found.change_lower, found.change_upper)]
    [0.4975, 0.1511, 1.4676]
    """
    check_level(level)
    refuse_other_index(observed, expected, period, facility)
    events = read_counts(observed, "observed")
    mean = read_amounts(expected, "expected", len(events))
    periods, period_code = code_facilities(_read_period(period, len(events)))
    if len(periods) < 2:
        raise FitError(f"{len(periods)} period", expected="2 periods or more")
    first = 0 if baseline is None else _position(periods, baseline)
    rows = np.zeros(len(events), dtype=np.int64) if facility is None else facility
    labels, code = code_facilities(read_labels(rows, len(events), distinct=False))
    table = np.zeros((2, len(labels), len(periods)))
    np.add.at(table[0], (code, period_code), events)
    np.add.at(table[1], (code, period_code), mean)
    O, E = table[0].ravel(), table[1].ravel()  # noqa: E741
    before = np.repeat(table[:, :, first], len(periods), axis=1)
    lower, upper = poisson_limits(O, level, "mid-p")
    change = np.array(ratio_of_ratios(before[0], before[1], O, E, level, mid_p=mid_p))
    change[:, np.tile(np.arange(len(periods)) == first, len(labels))] = np.nan
    return Improvement(
        facility_id=np.repeat(labels, len(periods)),
        period=np.tile(periods, len(labels)),
        observed=O,
        expected=E,
        ratio=divide(O, E),
        lower=divide(lower, E),
        upper=divide(upper, E),
        change=change[0],
        change_lower=change[1],
        change_upper=change[2],
        p_value=change[3],
        baseline=periods[first],
        level=float(level),
    )


def _read_period(period: Any, length: int) -> NDArray[Any]:
    values = np.atleast_1d(read_values(period, "period"))
    if values.ndim != 1 or len(values) != length:
        raise FitError(f"period has shape {values.shape}", expected=f"shape ({length},), one label per row")
    return values


def _position(periods: NDArray[Any], baseline: Any) -> int:
    found = np.flatnonzero(periods == baseline)
    if len(found) == 0:
        raise OptionError(
            f"baseline {baseline!r}", expected="one of " + ", ".join(str(one) for one in periods.tolist()[:20])
        )
    return int(found[0])
