"""What the pages of all facilities of a run have in common, worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.facilities import is_scored, read_facilities, rows_where
from riskstd.report.disclosure.suppression import SMALL_CELL, is_small

if TYPE_CHECKING:
    import pandas as pd

    from riskstd.report.cases import Cases

FloatArray = NDArray[np.float64]

BAND_FACILITIES = SMALL_CELL + 2
"""Least number of facilities behind one point of the grey curve, so that 11 of them are others."""
PEER_FACILITIES = SMALL_CELL + 1
"""Least number of other facilities behind a rate of peers."""
NATION_FACILITIES = 2
"""Least number of other facilities behind the national rate: with one, it would be that one's."""
_BAND_POINTS = 60


class Directory(Protocol):
    """Names and places of facilities."""

    def name_of(self, npi: str, /) -> str | None:
        """Name, or None."""
        ...

    def state_of(self, npi: str, /) -> str | None:
        """State, or None."""
        ...

    def npis_in(self, state: str, /) -> Sequence[str]:
        """Facilities of a state."""
        ...


@dataclass(frozen=True, eq=False)
class Band:
    """The scored facilities in order of their score, each point the mean of at least `BAND_FACILITIES` of them.

    Attributes
    ----------
    place : ndarray, shape (n_points,)
        Mean rank of the facilities of the point, 1 the lowest score.
    score, lower, upper : ndarray, shape (n_points,)
        Means; limits are NaN without intervals.
    sorted_scores : ndarray, shape (n_facilities,)
        To find a facility's own rank; not for print.
    """

    place: FloatArray
    score: FloatArray
    lower: FloatArray
    upper: FloatArray
    sorted_scores: FloatArray = field(repr=False)

    def rank_of(self, score: float) -> int:
        """Rank of a score, 1 the lowest; facilities of one score share the lowest rank."""
        return int(np.searchsorted(self.sorted_scores, score, side="left")) + 1


@dataclass(frozen=True)
class Group:
    """Totals over facilities."""

    facilities: int
    cases: int
    visits: int
    expected: float

    def without(self, other: Group) -> Group:
        """Totals of the group less those of a part of it."""
        return Group(
            self.facilities - other.facilities,
            self.cases - other.cases,
            self.visits - other.visits,
            self.expected - other.expected,
        )

    def tells_nobody(self, least: int) -> bool:
        """Tell whether its rates may be shown: nobody, or at least so many facilities and no small count."""
        if self.facilities == 0:
            return True
        counts = (self.visits, self.cases - self.visits, self.cases)
        return self.facilities >= least and not any(is_small(n) for n in counts)


@dataclass(frozen=True, eq=False)
class RunIndex:
    """Rows of a run by facility, and what the public profile hides of each."""

    content: ReportInput

    @cached_property
    def place(self) -> dict[str, int]:
        """Facility to its row."""
        if self.content.rates is None:
            return {}
        return {str(name): k for k, name in enumerate(self.content.rates["facility_id"])}

    def row_of(self, facility_id: str) -> dict[str, Any] | None:
        """Row of facility rates, None when the facility has none."""
        place = self.place.get(facility_id)
        if place is None or self.content.rates is None:
            return None
        return {name: values[place] for name, values in self._columns.items()}

    def hides(self, facility_id: str, profile: Profile) -> bool:
        """Tell whether a profile hides the numbers of a facility."""
        return profile == "public" and facility_id in self._hidden

    @cached_property
    def _columns(self) -> dict[str, NDArray[Any]]:
        assert self.content.rates is not None
        return {str(name): self.content.rates[name].to_numpy() for name in self.content.rates.columns}

    @cached_property
    def _hidden(self) -> frozenset[str]:
        """Facilities whose numbers the national public report hides, and those with a small count of their own."""
        if self.content.rates is None:
            return frozenset()
        facilities = read_facilities(self.content, "public")
        frame = facilities.frame
        hidden = facilities.hide_cases | facilities.hide_results
        minimum = self.content.measure.definition.score.categories.minimum_cases
        cases, visits = frame["cases"].to_numpy(np.int64), frame["observed"].to_numpy(np.int64)
        for count in (visits, cases - visits, cases):
            hidden = hidden | ((count >= 1) & (count <= SMALL_CELL))
        hidden = hidden | (cases < minimum)
        return frozenset(str(name) for name in frame["facility_id"].to_numpy()[hidden])


@dataclass(frozen=True, eq=False)
class PageShared:
    """Everything that is the same for the pages of all facilities of a run.

    Parameters
    ----------
    content : ReportInput
        With rates.
    cases : Cases
        Of the whole run.
    directory : Directory, optional
        Names and states; without it, peers are the facilities of the same quarter by volume.
    """

    content: ReportInput
    cases: Cases = field(repr=False)
    directory: Directory | None = None

    @classmethod
    def of(cls, content: ReportInput, cases: Cases, directory: Directory | None = None) -> PageShared:
        """Take a run; what is needed of it is worked out at the first page and kept."""
        return cls(content, cases, directory)

    @cached_property
    def run(self) -> RunIndex:
        """Rows of the run."""
        return RunIndex(self.content)

    def index_of(self, earlier: ReportInput) -> RunIndex:
        """Rows of an earlier run, kept for the next page."""
        if id(earlier) not in self._earlier:
            self._earlier[id(earlier)] = RunIndex(earlier)
        return self._earlier[id(earlier)]

    @cached_property
    def _earlier(self) -> dict[int, RunIndex]:
        return {}

    @cached_property
    def factor_means(self) -> FloatArray:
        """Means of the risk factors over all cases, shape (n_factors,)."""
        return self.cases.X.mean(axis=0)

    @cached_property
    def nation(self) -> Group:
        """Totals of the run."""
        return self._total(np.ones(len(self._table[0]), dtype=bool))

    def peers_of(self, facility_id: str) -> tuple[str, Group]:
        """Name the peers of a facility, itself among them, and total them."""
        state = self.directory.state_of(facility_id) if self.directory is not None else None
        if state and self.directory is not None:
            names = frozenset(self.directory.npis_in(state)) | {facility_id}
            return f"Facilities in {state}", self._state_total(state, names)
        quarter = int(self._quarters[self._place[facility_id]])
        name = ("the fewest", "fewer", "more", "the most")[quarter]
        return f"Quarter with {name} cases", self._quarter_totals[quarter]

    def group_of(self, facility_id: str) -> Group:
        """Totals of one facility."""
        chosen = np.zeros(len(self._table[0]), dtype=bool)
        chosen[self._place[facility_id]] = True
        return self._total(chosen)

    def band(self, profile: Profile) -> Band:
        """Scored facilities as a curve of means; the public one of those whose numbers are shown."""
        return self._public_band if profile == "public" else self._full_band

    @cached_property
    def _full_band(self) -> Band:
        return self._band_of(np.ones(len(self._table[0]), dtype=bool))

    @cached_property
    def _public_band(self) -> Band:
        return self._band_of(np.array([not self.run.hides(name, "public") for name in self._place], dtype=bool))

    def _band_of(self, shown: NDArray[np.bool_]) -> Band:
        rates = rows_where(self._rates, shown & is_scored(self._rates, self.content.measure))
        values = rates[["rate", "lower", "upper"]].to_numpy(np.float64)
        values = values[np.lexsort(values.T[::-1])]
        n = len(values)
        points = min(_BAND_POINTS, n // BAND_FACILITIES)
        edges = np.linspace(0, n, points + 1).astype(np.int64) if points else np.zeros(1, dtype=np.int64)
        parts = [values[a:b].mean(axis=0) for a, b in pairwise(edges)]
        means = np.array(parts).reshape(-1, 3)
        return Band((edges[:-1] + edges[1:] + 1) / 2.0, means[:, 0], means[:, 1], means[:, 2], values[:, 0])

    @cached_property
    def _rates(self) -> pd.DataFrame:
        """Facility rates in the order of the ids, so that sums have the same bits for any order of rows."""
        assert self.content.rates is not None
        return self.content.rates.sort_values("facility_id", kind="stable", ignore_index=True)

    @cached_property
    def _place(self) -> dict[str, int]:
        """Facility to its place in that order."""
        return {str(name): k for k, name in enumerate(self._rates["facility_id"])}

    @cached_property
    def _table(self) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
        """Cases, visits and expected visits per row of the rates."""
        rates = self._rates
        cases = rates["cases"].to_numpy(np.int64)
        return cases, rates["observed"].to_numpy(np.int64), cases * rates["expected"].to_numpy(np.float64)

    @cached_property
    def _quarters(self) -> NDArray[np.int64]:
        """Quarter of each facility by its cases, 0 with the fewest."""
        cases = self._table[0]
        return np.searchsorted(np.quantile(cases, (0.25, 0.5, 0.75)), cases, side="left")

    @cached_property
    def _quarter_totals(self) -> tuple[Group, ...]:
        return tuple(self._total(self._quarters == quarter) for quarter in range(4))

    @cached_property
    def _states(self) -> dict[str, Group]:
        return {}

    def _state_total(self, state: str, names: frozenset[str]) -> Group:
        if state not in self._states:
            chosen = np.array([name in names for name in self._place], dtype=bool)
            self._states[state] = self._total(chosen)
        return self._states[state]

    def _total(self, chosen: NDArray[np.bool_]) -> Group:
        cases, visits, expected = (column[chosen] for column in self._table)
        return Group(int(chosen.sum()), int(cases.sum()), int(visits.sum()), float(expected.sum()))
