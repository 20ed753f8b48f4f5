"""Tables of the facilities that stand out: by category, and outside the outer control limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from riskstd.report.content import ReportInput, scale_factor
from riskstd.report.disclosure.facilities import Facilities, FacilityRow, facility_rows
from riskstd.report.national.funnel import LIMIT_LEVELS, calibration_of, control_limits, funnel_of
from riskstd.report.wording import counted, number

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 50
"""Facilities listed beside a figure; the others are counted."""


@dataclass(frozen=True)
class OutsideRow:
    """One facility outside the outer control limits, as text."""

    facility_id: str
    side: str
    volume: str
    value: str
    limits: str
    category: str


def category_outliers(facilities: Facilities, content: ReportInput) -> list[FacilityRow]:
    """List the facilities that are better or worse, as the profile shows them."""
    found = facility_rows(facilities, content.measure, limit=len(facilities.frame))
    return [row for row in found if row.kind in {"better", "worse"}]


def funnel_outliers(content: ReportInput, facilities: Facilities, rows: pd.DataFrame) -> list[OutsideRow]:
    """List drawn facilities outside the outer control limits, the highest rate first.

    Parameters
    ----------
    content : ReportInput
    facilities : Facilities
    rows : pandas.DataFrame
        Scored facilities that may be drawn.

    Returns
    -------
    list of OutsideRow
    """
    if not np.any(rows["observed"].to_numpy() > 0):
        return []
    measure, rate, level = content.measure, content.national_rate, LIMIT_LEVELS[-1]
    funnel = funnel_of(rows, measure, national_rate=rate, calibration=calibration_of(facilities.frame))
    chosen = np.flatnonzero(funnel.outside[level])
    order = chosen[np.lexsort((rows["facility_id"].to_numpy(dtype=str)[chosen], -funnel.value[chosen]))]
    lower, upper = control_limits(
        funnel.volume[order], level, rate=None if funnel.by_expected else rate, factor=scale_factor(measure)
    )
    decimals = 2 if funnel.by_expected else measure.scale.decimals
    return [
        OutsideRow(
            facility_id=str(rows["facility_id"].iloc[k]),
            side="above" if funnel.value[k] > funnel.target else "below",
            volume=number(float(funnel.volume[k]), 1 if funnel.by_expected else 0),
            value=number(float(funnel.value[k]), decimals),
            limits=f"{number(float(low), decimals)} to {number(float(high), decimals)}",
            category=str(rows["category"].iloc[k]) if isinstance(rows["category"].iloc[k], str) else "None",
        )
        for k, low, high in zip(order, lower, upper, strict=True)
    ]


def more_sentence(total: int, shown: int) -> str:
    """Say how many rows a cut table leaves out; empty if none.

    Examples
    --------
    >>> more_sentence(51, 50), more_sentence(50, 50)
    ('1 further facility is in the facility table.', '')
    """
    left = total - shown
    if left <= 0:
        return ""
    return f"{counted(left, 'further facility is', 'further facilities are')} in the facility table."
