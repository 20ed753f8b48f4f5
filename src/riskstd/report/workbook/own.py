"""One facility as the sheets of its workbook need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from riskstd.report.cases import Cases
from riskstd.report.content import Profile, ReportInput
from riskstd.report.wording import HIDDEN, MISSING, Suppressed
from riskstd.report.workbook.protect import Seen
from riskstd.report.workbook.shared import OUTCOME, WorkbookShared


@dataclass(frozen=True, eq=False)
class Own:
    """One facility as the sheets need it.

    Attributes
    ----------
    place : int
        Its place in the shared arrays.
    profile : str
    cases : Cases
        Its own cases.
    seen : tuple of Seen
        The groups it is compared with, the nation last.
    hide_cases, hide_results : bool
        What the public profile hides of it.
    """

    shared: WorkbookShared = field(repr=False)
    place: int
    profile: Profile
    cases: Cases = field(repr=False)
    seen: tuple[Seen, ...] = field(repr=False)
    hide_cases: bool
    hide_results: bool

    @property
    def content(self) -> ReportInput:
        """The run."""
        return self.shared.content

    @property
    def hides_nation(self) -> bool:
        """Whether a national count could be worked out from the national rate in full precision."""
        nation = self.seen[-1]
        return isinstance(nation.count(OUTCOME, 0), Suppressed)

    def fact(self, name: str) -> Any:
        """A column of the rates for this facility; hidden if the profile says so."""
        hidden = self.hide_cases if name == "cases" else self.hide_results and name != "category"
        return HIDDEN if hidden else self.shared.rates[name][self.place]

    def score(self, name: str) -> Any:
        """Score or a limit of it, as it may be shown; a ratio holds no national rate."""
        value = self.fact(name)
        return value if self.content.measure.scale.kind == "ratio" else self.rounded(value)

    def rounded(self, value: Any) -> Any:
        """A figure that holds the national rate, rounded as CMS does where it would give away a national count."""
        if isinstance(value, Suppressed) or not self.hides_nation:
            return value
        return round(float(value), score_decimals(self.content))


def score_decimals(content: ReportInput) -> int:
    """Decimals of a score for reading: those of CMS, at least one; two for a ratio."""
    return max(content.measure.scale.decimals, 2 if content.measure.scale.kind == "ratio" else 1)


def score_style(content: ReportInput) -> str:
    """Number style of a score."""
    return f"real{score_decimals(content)}"


def as_words(values: Sequence[object]) -> list[str]:
    """Text of a column, with the mark for a missing value."""
    missing = pd.isna(pd.Series(values, dtype=object)).tolist()
    return [MISSING if gone else str(value) for gone, value in zip(missing, values, strict=True)]
