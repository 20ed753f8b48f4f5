"""The cohort: candidates, exclusions with reasons, attrition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import ibis

from riskstd.claims.cut import CutClaims
from riskstd.cohort.attrition import attrition_table, count_by_reason
from riskstd.cohort.candidates import Candidates, find_candidates
from riskstd.cohort.cut import cut_claims
from riskstd.cohort.exclusions import Context, rule_of
from riskstd.cohort.lines import PLACE_OF_SERVICE_ONLY, tells_by_place_only
from riskstd.errors import OptionError
from riskstd.interpreter import rare_collections
from riskstd.tables import LazyFrames, to_frame

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from riskstd.claims import Claims
    from riskstd.spec import Measure

COHORT_COLUMNS = (
    "procedure_id",
    "person_key",
    "facility_id",
    "procedure_date",
    "codes",
    "index_code",
    "work_rvu",
    "qualifying_procedures",
    "age_years",
    "died_in_window",
    "facilities_same_day",
    "claim_id",
)


@dataclass(frozen=True)
class Cohort(LazyFrames):
    """Index procedures, excluded procedures with their first reason, and the attrition.

    Attributes
    ----------
    table : ibis table
        Index procedures with `person_key`, unordered.
    excluded_table : ibis table
        Excluded candidates and `excluded_by`, unordered.
    candidates : Candidates
        Facility lines, qualifying lines and the procedures that they make, before any exclusion.
    attrition : pandas.DataFrame
        From the claim lines read down to the cohort (`riskstd.tables.ATTRITION`).
    notes : tuple of str
        What a reader of the results should know.
    claims : Claims
        The claims tables, cut to what the rules of the measure look at.
    """

    table: ir.Table = field(repr=False)
    excluded_table: ir.Table = field(repr=False)
    candidates: Candidates = field(repr=False)
    attrition: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...] = ()
    claims: Claims | None = field(default=None, repr=False)

    @property
    def facility_lines(self) -> ir.Table:
        """Lines of ambulatory surgical centers, qualifying or not."""
        return self.candidates.facility_lines

    @cached_property
    def procedures(self) -> pd.DataFrame:
        """Index procedures, ordered by `procedure_id`."""
        return to_frame(self.table.order_by("procedure_id"))

    @cached_property
    def excluded(self) -> pd.DataFrame:
        """Excluded candidates with `excluded_by`, ordered by `procedure_id`."""
        return to_frame(self.excluded_table.order_by("procedure_id"))


@rare_collections()
def build_cohort(claims: Claims, measure: Measure, *, period: Sequence[str | date] | None = None) -> Cohort:
    """Select the index procedures of a measure.

    Parameters
    ----------
    claims : Claims
        Claims tables.
    measure : Measure
        Definition under its options.
    period : pair of date or ISO text, optional
        First and last procedure date, both inclusive; every date if left out.

    Returns
    -------
    Cohort
        Index procedures, excluded procedures with their first reason, attrition.

    Raises
    ------
    OptionError
        When the period cannot be read or runs backwards.
    SpecError
        When a rule of the definition has no implementation.

    Notes
    -----
    ASCQR manual v14.0, denominator statements (p. 1-15, 1-24, 1-28, 1-32); docs/measure-logic.md, sections 1 and 2.

    Examples
    --------
    >>> from datetime import date
    >>> from riskstd.claims import Claims
    >>> from riskstd.spec import load_measure
    >>> line = {"person_key": 1, "claim_id": "c", "line_date": date(2023, 5, 2), "hcpcs": "45378",
    ...         "type_of_service": "F", "billing_npi": "1999999991"}
    >>> cohort = build_cohort(Claims.from_frames({"professional_lines": [line]}), load_measure("ASC-12"))
    >>> cohort.excluded["excluded_by"].tolist()
    ['person_unknown']
    """
    claims = claims if isinstance(claims, CutClaims) and claims.covers(measure) else cut_claims(claims, [measure])
    candidates = find_candidates(claims, measure)
    context = Context(claims, measure, candidates, read_period(period))
    judged = _with_death(candidates.procedures, measure).left_join(_first_reasons(context), "procedure_id")
    judged = judged.select(*COHORT_COLUMNS, "dead_before", "excluded_by").cache()
    kept = judged.filter(judged.excluded_by.isnull()).select(*COHORT_COLUMNS).cache()
    excluded = judged.filter(judged.excluded_by.notnull()).drop("dead_before")
    counts = count_by_reason(judged)
    attrition = attrition_table(claims, measure, candidates, counts)
    notes = _notes(claims, measure, candidates, counts[None].dead_before)
    return Cohort(kept, excluded, candidates, attrition, notes, claims)


def _first_reasons(context: Context) -> ir.Table:
    """Procedures that a rule excludes, with the first such rule."""
    hits = [
        rule_of(clause)(context, clause).select("procedure_id").mutate(position=ibis.literal(position, "int32"))
        for position, clause in enumerate(context.measure.exclusions)
    ]
    every = reduce(lambda a, b: a.union(b), hits)
    first = every.group_by("procedure_id").aggregate(position=every.position.min())
    names = [(position, clause.id) for position, clause in enumerate(context.measure.exclusions)]
    return first.select("procedure_id", excluded_by=first.position.cases(*names))


def _with_death(procedures: ir.Table, measure: Measure) -> ir.Table:
    first, last = measure.window
    days = procedures.death_date.delta(procedures.procedure_date, unit="day")
    return procedures.mutate(
        died_in_window=((days >= first) & (days <= last)).fill_null(False),
        dead_before=(procedures.death_date < procedures.procedure_date).fill_null(False),
    )


def read_period(period: Sequence[str | date] | None) -> tuple[date, date] | None:
    """Return a period as two dates.

    Raises
    ------
    OptionError
        When it cannot be read or runs backwards.
    """
    if period is None:
        return None
    try:
        first, last = (d if isinstance(d, date) else date.fromisoformat(d) for d in period)
    except (ValueError, TypeError):
        shown = period if isinstance(period, str) else ":".join(str(d) for d in period)
        raise OptionError(
            f"period {shown!r} cannot be read",
            expected="two dates, for example 2023-01-01 and 2024-12-31",
        ) from None
    if last < first:
        raise OptionError(f"period {first}:{last} runs backwards", expected="first day, last day")
    return first, last


def _notes(claims: Claims, measure: Measure, candidates: Candidates, dead_before: int) -> tuple[str, ...]:
    notes = []
    if dead_before:
        notes.append(f"Index procedures dated after the death of the person: {dead_before:,}; they are kept.")
    if tells_by_place_only(claims, measure):
        notes.append(PLACE_OF_SERVICE_ONLY)
    if candidates.carried_rvus:
        notes.append(
            f"{candidates.carried_rvus} pair(s) of code and service year have no work RVU of that year; "
            "the nearest earlier year's, else the nearest later year's, is used."
        )
    return tuple(notes)
