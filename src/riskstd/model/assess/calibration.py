"""Calibration: how far predicted risks agree with what was observed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from riskstd.errors import OptionError
from riskstd.model.assess.calibration_table import (
    CalibrationTable,
    hosmer_lemeshow,
    risk_groups,
    tabulate,
    tabulate_by_label,
)
from riskstd.model.assess.predictions import Predictions, group_by_risk, read_predictions
from riskstd.model.assess.recalibration import recalibrate
from riskstd.model.inputs import count_text
from riskstd.model.options import check_level

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.floating[Any]]

INTERVALS = ("wilson", "exact")
MIN_GROUPS, MAX_GROUPS = 2, 1000


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Agreement of predicted risks with outcomes.

    Parameters
    ----------
    intercept_in_the_large, intercept_in_the_large_se : float
        Calibration-in-the-large: intercept with the slope held at 1, 0 when predicted and observed
        events agree.
    slope, slope_se : float
        Calibration slope, 1 when the spread of the risks is right, below 1 when it is too wide;
        NaN when all risks are equal or separate the outcomes.
    intercept, intercept_se : float
        Intercept beside that slope. (intercept, slope) are the over-fitting indices
        (gamma0, gamma1) of CMS measure reports.
    brier : float
        Brier score, the mean squared difference of outcome and risk.
    brier_scaled : float
        1 - Brier score / Brier score of the observed rate given to everyone.
    hosmer_lemeshow, hosmer_lemeshow_p : float
        Statistic over the risk groups and its p-value.
    hosmer_lemeshow_df : int
        Groups less 2 on the data the model was fitted to, else groups.
    expected_observed : float
        Events predicted over events observed.
    predictive_range : tuple of float
        Observed rate of the lowest and of the highest risk group, the "predictive ability" of CMS
        measure reports.
    by_risk : CalibrationTable
        Groups of predicted risk.
    by_subgroup : CalibrationTable or None
    n_cases, n_events, level : float

    Notes
    -----
    `repr` and `summary` show counts over all cases and risk groups, never a row or a label.
    """

    intercept_in_the_large: float
    intercept_in_the_large_se: float
    slope: float
    slope_se: float
    intercept: float
    intercept_se: float
    brier: float
    brier_scaled: float
    hosmer_lemeshow: float
    hosmer_lemeshow_df: int
    hosmer_lemeshow_p: float
    expected_observed: float
    predictive_range: tuple[float, float]
    by_risk: CalibrationTable
    by_subgroup: CalibrationTable | None
    n_cases: float
    n_events: float
    level: float

    def __repr__(self) -> str:
        return (
            f"Calibration(intercept_in_the_large={self.intercept_in_the_large:.4g}, slope={self.slope:.4g}, "
            f"expected_observed={self.expected_observed:.4g}, brier={self.brier:.4g}, "
            f"n_cases={self.n_cases:.12g}, n_events={self.n_events:.12g})"
        )

    def summary(self) -> str:
        """Indices and the table of risk groups as text.

        Returns
        -------
        str
        """
        (lowest, highest), df = self.predictive_range, self.hosmer_lemeshow_df
        lines = [
            f"Calibration of {count_text(self.n_cases)} cases, {count_text(self.n_events)} events",
            f"in the large {self.intercept_in_the_large:9.5f}  (std. error {self.intercept_in_the_large_se:.5f})",
            f"slope        {self.slope:9.5f}  (std. error {self.slope_se:.5f})",
            f"intercept    {self.intercept:9.5f}  (std. error {self.intercept_se:.5f})",
            f"expected / observed events {self.expected_observed:.4f}",
            f"Brier score {self.brier:.6f}, scaled {self.brier_scaled:.4f}",
            f"Hosmer-Lemeshow {self.hosmer_lemeshow:.3f}, {df} df, p = {self.hosmer_lemeshow_p:.3g}",
            f"observed rate, lowest to highest risk group: {100 * lowest:.2f}% to {100 * highest:.2f}%",
            "",
            f"{'group':>5}  {'cases':>12}  {'predicted':>9}  {'observed':>9}  {f'{100 * self.level:g}% interval':>18}",
        ]
        table = self.by_risk
        for k, label in enumerate(table.labels.tolist()):
            percents = [f"{100 * column[k]:7.3f}" for column in (table.lower, table.upper)]
            lines.append(
                f"{label:5d}  {count_text(float(table.cases[k])):>12}  {100 * table.predicted[k]:8.3f}%  "
                f"{100 * table.observed[k]:8.3f}%  {percents[0]} to {percents[1]}"
            )
        return "\n".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """Table of the risk groups.

        Returns
        -------
        pandas.DataFrame
            As `CalibrationTable.to_frame`.
        """
        return self.by_risk.to_frame()


def calibration(
    y: Any,
    predicted: Any,
    *,
    trials: Any = None,
    weights: Any = None,
    groups: int = 10,
    by: Any = None,
    in_sample: bool = True,
    interval: str = "wilson",
    level: float = 0.95,
) -> Calibration:
    """Judge predicted risks against outcomes, overall, by group of risk and by subgroup.

    Parameters
    ----------
    y : array or series, shape (n_rows,)
        0 or 1; events out of `trials` when those are given.
    predicted : array or series, shape (n_rows,)
        Predicted probabilities, above 0 and below 1.
    trials : array, shape (n_rows,), optional
        Cases of each row; 1 each when left out.
    weights : array, shape (n_rows,), optional
        How often each row counts; a whole weight equals that many equal rows.
    groups : int
        Groups of predicted risk, 2 to 1000, of equally many cases but for ties.
    by : array or series of labels, shape (n_rows,), optional
        Subgroup of each row, such as age class or dual eligibility.
    in_sample : bool
        Whether the model was fitted to these rows; sets the degrees of freedom of the
        Hosmer-Lemeshow statistic.
    interval : {"wilson", "exact"}
        Wilson score or Clopper-Pearson limits of the observed rates.
    level : float
        Confidence level of those limits.

    Returns
    -------
    Calibration

    Raises
    ------
    FitError
        Lengths that differ, values missing or out of range, no events or only events.
    OptionError
        Groups, interval or level outside their allowed values.

    Notes
    -----
    Cases of equal risk share a group: group = floor(midrank x groups / (cases + 1)), as SAS PROC
    RANK forms it, so that ties can leave fewer groups than asked for. Intercepts and slope: Cox,
    Biometrika 1958;45:562; Brier score: Brier, Monthly Weather Review 1950;78:1; statistic over the
    groups: Hosmer and Lemeshow, Communications in Statistics 1980;A9:1043, which rejects any model
    when cases are many enough.

    Examples
    --------
    >>> risk = np.repeat([0.1, 0.2, 0.4], 10)
    >>> y = np.concatenate([np.arange(10) < k for k in (1, 2, 4)])
    >>> found = calibration(y, risk, groups=3)
    >>> round(found.expected_observed, 6), round(found.slope, 6), found.predictive_range
    (1.0, 1.0, (0.1, 0.4))
    """
    _check_options(groups, interval)
    check_level(level)
    (rows,) = read_predictions(y, predicted, trials=trials, weights=weights, inside=True)
    grouped = group_by_risk(rows)
    found = recalibrate(grouped)
    table = tabulate(grouped, risk_groups(grouped, groups), interval, level)
    statistic = hosmer_lemeshow(table)
    df = len(table.labels) - (2 if in_sample else 0)
    rate = grouped.n_events / grouped.n_cases
    brier = brier_score(grouped)
    return Calibration(
        intercept_in_the_large=found.intercept_in_the_large,
        intercept_in_the_large_se=found.intercept_in_the_large_se,
        slope=found.slope,
        slope_se=found.slope_se,
        intercept=found.intercept,
        intercept_se=found.intercept_se,
        brier=brier,
        brier_scaled=1.0 - brier / (rate * (1.0 - rate)),
        hosmer_lemeshow=statistic,
        hosmer_lemeshow_df=df,
        hosmer_lemeshow_p=float(chdtrc(df, statistic)) if df > 0 else math.nan,
        expected_observed=float(np.sum(grouped.cases * grouped.risk)) / grouped.n_events,
        predictive_range=(float(table.observed[0]), float(table.observed[-1])),
        by_risk=table,
        by_subgroup=None if by is None else tabulate_by_label(rows, by, interval, level),
        n_cases=grouped.n_cases,
        n_events=grouped.n_events,
        level=float(level),
    )


def brier_score(grouped: Predictions) -> float:
    """Mean squared difference of outcome and predicted risk.

    Examples
    --------
    >>> brier_score(Predictions(np.array([0.5]), np.array([4.0]), np.array([1.0])))
    0.25
    """
    others = grouped.cases - grouped.events
    squares = grouped.events * (1.0 - grouped.risk) ** 2 + others * grouped.risk**2
    return float(np.sum(squares) / grouped.n_cases)


def _check_options(groups: int, interval: str) -> None:
    is_whole = isinstance(groups, int | np.integer) and not isinstance(groups, bool)
    if not is_whole or not MIN_GROUPS <= groups <= MAX_GROUPS:
        raise OptionError(f"groups {groups!r}", expected=f"a whole number from {MIN_GROUPS} to {MAX_GROUPS}")
    if interval not in INTERVALS:
        raise OptionError(f"interval {interval!r}", expected="one of " + ", ".join(INTERVALS))
