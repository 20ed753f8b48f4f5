"""The visits of one facility: those to review, the most surprising first, and their counts by type and day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from riskstd.report.disclosure.counts import MOST_SERIOUS_FIRST, VISIT_TYPES
from riskstd.report.disclosure.facilities import rows_where

if TYPE_CHECKING:
    from riskstd.report.cases import Cases


@dataclass(frozen=True)
class ReviewedVisit:
    """A case with a visit that counts, by its first such visit.

    Attributes
    ----------
    case_number : int
        Number of the index procedure within the run.
    procedure_date, code : str
    days_after : int or None
        Days from the procedure to the visit; None when the run has no row of it.
    visit_type, diagnosis : str
    further : int
        Further visits of the case that count.
    risk : float
        Probability of a visit at an average facility.
    """

    case_number: int
    procedure_date: str
    code: str
    days_after: int | None
    visit_type: str
    diagnosis: str
    further: int
    risk: float


@dataclass(frozen=True)
class VisitTable:
    """Visits that count, by type and day.

    Attributes
    ----------
    days : tuple of int
    rows : dict of str to tuple of int
        Type of visit to one count per day.
    """

    days: tuple[int, ...]
    rows: dict[str, tuple[int, ...]]

    @property
    def total(self) -> int:
        """All visits that count."""
        return sum(sum(row) for row in self.rows.values())


def visits_to_review(own: Cases) -> list[ReviewedVisit]:
    """List the cases with a visit that counts, ranked by surprise: lowest risk at an average facility first.

    A visit after a procedure of low risk is the least explained by the patient's own risk. Ties stand in the order
    of their case numbers. Several visits on the first day are named by the most serious.
    """
    rows = np.flatnonzero(own.outcome == 1)
    numbers = own.procedures["procedure_id"].to_numpy()
    counted = rows_where(own.visits, own.visits["counted"].to_numpy(bool))
    severity = np.array([MOST_SERIOUS_FIRST.index(kind) for kind in counted["visit_type"]], dtype=np.int64)
    order = np.lexsort((severity, counted["days_after"].to_numpy(), counted["procedure_id"].to_numpy()))
    by_case: dict[int, list[dict]] = {}
    for visit in counted.take(order).to_dict("records"):
        by_case.setdefault(int(visit["procedure_id"]), []).append(visit)
    found = []
    for row in rows[np.lexsort((numbers[rows], own.expected[rows]))]:
        case = own.procedures.iloc[int(row)]
        visits = by_case.get(int(numbers[row]), [])
        first = visits[0] if visits else {}
        found.append(
            ReviewedVisit(
                case_number=int(numbers[row]),
                procedure_date=_text(case["procedure_date"])[:10],
                code=_text(case["index_code"]),
                days_after=int(first["days_after"]) if first else None,
                visit_type=_text(first.get("visit_type")),
                diagnosis=_text(first.get("principal_diagnosis")),
                further=max(len(visits) - 1, 0),
                risk=float(own.expected[row]),
            )
        )
    return found


def count_visits(own: Cases, window: tuple[int, int]) -> VisitTable:
    """Count the visits that count by type and by day of the window."""
    counted = rows_where(own.visits, own.visits["counted"].to_numpy(bool))
    kinds, after = counted["visit_type"].to_numpy(), counted["days_after"].to_numpy()
    days = tuple(range(window[0], window[1] + 1))
    rows = {
        kind: tuple(int(np.count_nonzero((kinds == kind) & (after == day))) for day in days) for kind in VISIT_TYPES
    }
    return VisitTable(days, rows)


def _text(value: object) -> str:
    """Text of a cell, empty when there is none."""
    return "" if value is None or value != value else str(value)
