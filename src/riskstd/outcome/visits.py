"""Hospital visits in the window of each index procedure, and the outcome they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import ibis

from riskstd.claims.cut import narrowest
from riskstd.claims.visits import visits_of_candidates
from riskstd.interpreter import rare_collections
from riskstd.outcome.planned import StayCodes, codes_of_stays, judge_stays, newer_code_notes
from riskstd.tables import HOSPITAL_VISITS, LazyFrames, to_frame

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from riskstd.claims import Claims
    from riskstd.spec import Measure

NEVER_PLANNED = "never_planned_visit_type"


class HasProcedures(Protocol):
    """A cohort: a lazy table with `procedure_id, person_key, procedure_date`."""

    @property
    def table(self) -> ir.Table: ...  # noqa: D102


@dataclass(frozen=True)
class Visits(LazyFrames):
    """Visits in the window and outcomes.

    Attributes
    ----------
    table : ibis table
        `riskstd.tables.HOSPITAL_VISITS`, unordered.
    outcome_table : ibis table
        `riskstd.tables.OUTCOMES`, unordered.
    notes : tuple of str
        What a reader of the results should know.
    """

    table: ir.Table = field(repr=False)
    outcome_table: ir.Table = field(repr=False)
    notes: tuple[str, ...] = ()

    @cached_property
    def visits(self) -> pd.DataFrame:
        """Every visit in the window of an index procedure, in declared order."""
        return to_frame(self.table.order_by(list(HOSPITAL_VISITS.sorted_by)))

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """0 or 1 for every index procedure, ordered by `procedure_id`."""
        return to_frame(self.outcome_table.order_by("procedure_id"))


@rare_collections()
def find_hospital_visits(claims: Claims, cohort: HasProcedures, measure: Measure) -> Visits:
    """List the hospital visits in the outcome window and derive the outcome.

    Parameters
    ----------
    claims : Claims
        Claims tables.
    cohort : Cohort
        Index procedures.
    measure : Measure
        Definition under its options.

    Returns
    -------
    Visits
        Each visit with its type, day, whether it is planned and by which rule, and whether it counts.

    Notes
    -----
    ASCQR manual v14.0, numerator statements (p. 1-15, 1-24, 1-28, 1-32); docs/measure-logic.md, section 3.
    """
    claims = narrowest(claims, cohort)
    procedures = cohort.table.select("procedure_id", "person_key", "procedure_date")
    people = procedures.select("person_key").distinct()
    visits = visits_of_candidates(claims, measure, people)
    near = _without_index_stays(claims, cohort, _in_window(visits, procedures, measure), measure).cache()
    codes = codes_of_stays(claims, near.filter(near.stay_id.notnull()))
    judged = _with_planned(measure, near, codes)
    judged = judged.union(_ed_on_planned_stays(judged)) if _counts_ed_lines(measure) else judged
    marked = _mark_counted(claims, measure, judged.cache(), visits, procedures).cache()
    notes = newer_code_notes(measure, codes)
    return Visits(marked.select(*HOSPITAL_VISITS.names), _outcomes(procedures, marked), notes)


def _in_window(visits: ir.Table, procedures: ir.Table, measure: Measure) -> ir.Table:
    first, last = measure.window
    joined = procedures.inner_join(visits, "person_key")
    days = joined.start_date.delta(joined.procedure_date, unit="day").cast("int32")
    near = joined.mutate(days_after=days)
    return near.filter(near.days_after.between(first, last))


def _without_index_stays(claims: Claims, cohort: HasProcedures, visits: ir.Table, measure: Measure) -> ir.Table:
    """Leave out the stay in which the procedure was done, if the definition says that it is no visit."""
    clause = measure.definition.outcome.index_stay
    if clause is None or not measure.holds(clause):
        return visits
    stays = claims.inpatient_claims.select("person_key", "claim_id", "stay_id")
    done_in = cohort.table.select("procedure_id", "person_key", "claim_id").inner_join(
        stays, ["person_key", "claim_id"]
    )
    return visits.anti_join(done_in.select("procedure_id", "stay_id"), ["procedure_id", "stay_id"])


def _with_planned(measure: Measure, visits: ir.Table, codes: StayCodes) -> ir.Table:
    stays = judge_stays(measure, visits.filter(visits.stay_id.notnull()), codes)
    others = visits.filter(visits.stay_id.isnull())
    others = others.mutate(planned=ibis.literal(False), planned_rule=ibis.literal(NEVER_PLANNED))
    return stays.union(others)


def _counts_ed_lines(measure: Measure) -> bool:
    clause = measure.definition.outcome.ed_on_planned_stay
    return clause is not None and measure.holds(clause)


def _ed_on_planned_stays(visits: ir.Table) -> ir.Table:
    """ED visits that lines of planned stays show, dated by the admission."""
    with_ed = visits.filter(visits.planned, visits.ed_line)
    return with_ed.mutate(
        visit_type=ibis.literal("ed"),
        planned=ibis.literal(False),
        planned_rule=ibis.literal(NEVER_PLANNED),
    ).select(*visits.columns)


def _mark_counted(
    claims: Claims, measure: Measure, visits: ir.Table, every_visit: ir.Table, procedures: ir.Table
) -> ir.Table:
    inside = _inside_a_stay(claims, visits, every_visit)
    later = _belonging_to_later(visits, procedures)
    key = ["procedure_id", "visit_type", "route", "claim_id", "start_date"]
    marked = visits.left_join(inside, key)
    marked = marked.select(*visits.columns, inside=marked.inside)
    marked = marked.left_join(later, ["procedure_id", "start_date"])
    dropped = ibis.literal(False) if measure.counts_planned else marked.planned
    reason = ibis.cases(
        (dropped, "planned"),
        (marked.inside.fill_null(False), "part_of_admission"),
        (marked.later.fill_null(False), "belongs_to_later_procedure"),
        else_=ibis.null("string"),
    )
    marked = marked.select(*visits.columns, not_counted_because=reason)
    return marked.mutate(counted=marked.not_counted_because.isnull())


def _inside_a_stay(claims: Claims, visits: ir.Table, every_visit: ir.Table) -> ir.Table:
    """Visits that only a professional claim shows, on a day of an inpatient stay that is a visit."""
    made = every_visit.filter(every_visit.visit_type == "inpatient").select("person_key", "stay_id")
    stays = claims.stays.semi_join(made, ["person_key", "stay_id"])
    stays = stays.select("person_key", admitted="admission_date", discharged="discharge_date")
    professional = visits.filter(visits.route == "professional")
    joined = professional.inner_join(stays, "person_key")
    joined = joined.filter(joined.start_date.between(joined.admitted, joined.discharged))
    key = ["procedure_id", "visit_type", "route", "claim_id", "start_date"]
    return joined.select(*key).distinct().mutate(inside=ibis.literal(True))


def _belonging_to_later(visits: ir.Table, procedures: ir.Table) -> ir.Table:
    """Procedure and visit day where another index procedure lies after the one and on or before the other."""
    days = visits.select("procedure_id", "person_key", "procedure_date", "start_date").distinct()
    others = procedures.select("person_key", other_date="procedure_date").distinct()
    joined = days.inner_join(others, "person_key")
    joined = joined.filter(joined.other_date > joined.procedure_date, joined.other_date <= joined.start_date)
    return joined.select("procedure_id", "start_date").distinct().mutate(later=ibis.literal(True))


def _outcomes(procedures: ir.Table, visits: ir.Table) -> ir.Table:
    counted = visits.group_by("procedure_id").aggregate(any_counted=visits.counted.any())
    joined = procedures.left_join(counted, "procedure_id")
    return joined.select("procedure_id", outcome=joined.any_counted.fill_null(False).cast("int32")).cache()
