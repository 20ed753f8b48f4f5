"""The facilities of a run as a profile may show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.counts import Counts, count_run, hide_run_facilities
from riskstd.report.wording import HIDDEN, MISSING, level_text, number
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd

ROWS_IN_PAGE = 500
"""Facilities listed in the page; the file `facility_rates.csv` has all of them."""


SHORT_NAMES = {
    "better": "Better",
    "same": "No different",
    "worse": "Worse",
    "few": "Too few cases",
    "none": "None",
}
"""Categories in the facility table, by the kind that gives them their mark."""


@dataclass(frozen=True)
class CategoryCounts:
    """Facilities by category."""

    better: int
    no_different: int
    worse: int
    too_few: int
    without: int

    @property
    def total(self) -> int:
        """All facilities."""
        return self.better + self.no_different + self.worse + self.too_few + self.without

    @property
    def scored(self) -> int:
        """Facilities with at least the minimum of cases."""
        return self.total - self.too_few


@dataclass(frozen=True)
class FacilityRow:
    """One line of the facility table, as text."""

    facility_id: str
    kind: str
    category: str
    cases: str
    observed: str
    observed_rate: str
    expected: str
    ratio: str
    rate: str
    interval: str
    reliability: str


@dataclass(frozen=True, eq=False)
class Facilities:
    """Facilities of a run under a profile.

    Attributes
    ----------
    frame : pandas.DataFrame
        Table `facility_rates`, sorted for reading.
    hide_cases, hide_results : ndarray of bool
        Per row: whether the case count is hidden; whether every number that tells of the events is.
    """

    frame: pd.DataFrame
    hide_cases: NDArray[np.bool_]
    hide_results: NDArray[np.bool_]

    @property
    def drawable(self) -> pd.DataFrame:
        """Rows whose numbers may be drawn."""
        return rows_where(self.frame, ~(self.hide_cases | self.hide_results))


def rows_where(frame: pd.DataFrame, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """Return the chosen rows, numbered anew."""
    return frame.take(np.flatnonzero(chosen)).reset_index(drop=True)


def is_scored(rates: pd.DataFrame, measure: Measure) -> NDArray[np.bool_]:
    """Tell per row whether the facility has the minimum of cases."""
    return rates["category"].to_numpy() != measure.definition.score.categories.labels.too_few


def count_categories(rates: pd.DataFrame, measure: Measure) -> CategoryCounts:
    """Count the facilities in each category."""
    labels = measure.definition.score.categories.labels
    names = (labels.better, labels.no_different, labels.worse, labels.too_few)
    counts = [int(np.count_nonzero(rates["category"] == name)) for name in names]
    return CategoryCounts(*counts, without=len(rates) - sum(counts))


def read_facilities(content: ReportInput, profile: Profile, counts: Counts | None = None) -> Facilities:
    """Sort the facilities for reading, and choose what the profile hides of each.

    The public profile hides every number below the case minimum, and every number that tells of the
    events where visits or cases without a visit number 1 to 10; then further facilities until the
    sums over all facilities give no hidden number away.
    """
    assert content.rates is not None
    frame = _sorted_for_reading(content.rates, content.measure, by_rate=profile != "public")
    if profile != "public":
        nothing = np.zeros(len(frame), dtype=bool)
        return Facilities(frame, nothing, nothing)
    counts = counts or count_run(content, profile)
    rows = hide_run_facilities(content, frame)
    return Facilities(
        frame, rows.cases | ("cases" in counts.hidden), rows.results | bool(counts.hidden & {"cases", "events"})
    )


def facility_rows(facilities: Facilities, measure: Measure, limit: int = ROWS_IN_PAGE) -> list[FacilityRow]:
    """Write the first facilities as lines of text."""
    kinds = _kinds(measure)
    decimals = measure.scale.decimals
    rows = []
    for k, row in enumerate(facilities.frame.head(limit).to_dict("records")):
        hidden, no_cases = bool(facilities.hide_results[k]), bool(facilities.hide_cases[k])

        def shown(name: str, places: int, row: dict = row, hidden: bool = hidden) -> str:
            return number(HIDDEN if hidden else row[name], places)

        category = row["category"] if isinstance(row["category"], str) else ""
        rows.append(
            FacilityRow(
                facility_id=str(row["facility_id"]),
                kind=kinds.get(category, "none"),
                category=SHORT_NAMES[kinds.get(category, "none")],
                cases=number(HIDDEN if no_cases else row["cases"]),
                observed=shown("observed", 0),
                observed_rate=shown("observed_rate", decimals),
                expected=number(HIDDEN if hidden else row["cases"] * row["expected"], 1),
                ratio=shown("ratio", 2),
                rate=shown("rate", max(decimals, 2) if measure.scale.kind == "ratio" else decimals),
                interval=_interval(row, measure, hidden),
                reliability=shown("reliability", 2),
            )
        )
    return rows


def interval_name(level: float) -> str:
    """Name the interval with its level."""
    return f"{level_text(level)} interval"


def _kinds(measure: Measure) -> dict[str, str]:
    labels = measure.definition.score.categories.labels
    return {
        labels.better: "better",
        labels.no_different: "same",
        labels.worse: "worse",
        labels.too_few: "few",
    }


def _sorted_for_reading(rates: pd.DataFrame, measure: Measure, *, by_rate: bool) -> pd.DataFrame:
    """Worse, better, no different, too few; public rows by id within, since order tells of rates."""
    position = {"worse": 0, "better": 1, "same": 2, "few": 4}
    kinds = _kinds(measure)
    order = [position.get(kinds.get(str(category), ""), 3) for category in rates["category"]]
    keys = ["_order", "_score", "facility_id"] if by_rate else ["_order", "facility_id"]
    score = -rates["rate"].to_numpy(float)
    sortable = rates.assign(_order=order, _score=np.where(np.array(order) == 4, 0.0, score))
    return sortable.sort_values(keys, kind="stable", ignore_index=True).drop(columns=["_order", "_score"])


def _interval(row: dict, measure: Measure, hidden: bool) -> str:
    decimals = max(measure.scale.decimals, 2) if measure.scale.kind == "ratio" else measure.scale.decimals
    if hidden:
        return number(HIDDEN)
    if not (np.isfinite(row["lower"]) and np.isfinite(row["upper"])):
        return MISSING
    return f"{row['lower']:,.{decimals}f} to {row['upper']:,.{decimals}f}"
