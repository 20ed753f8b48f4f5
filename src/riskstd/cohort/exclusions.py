"""Exclusion rules: each takes the candidates and returns the ids of those it excludes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import ibis

from riskstd.claims.cut import once
from riskstd.claims.listed import lines_with_listed_code
from riskstd.claims.visits import visits_of_candidates
from riskstd.codes import CodeSet
from riskstd.cohort.enrollment import enrolled_months, month_of
from riskstd.errors import SpecError
from riskstd.spec import CodeTable

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims import Claims
    from riskstd.cohort.candidates import Candidates
    from riskstd.spec import Measure
    from riskstd.spec import clauses as c


@dataclass(frozen=True)
class Context:
    """What an exclusion rule may look at."""

    claims: Claims
    measure: Measure
    candidates: Candidates
    period: tuple[date, date] | None

    @property
    def procedures(self) -> ir.Table:
        """The candidates."""
        return self.candidates.procedures

    @property
    def people(self) -> ir.Table:
        """The people of the candidates."""
        return self.procedures.select("person_key").distinct()

    @cached_property
    def visits(self) -> ir.Table:
        """Hospital visits of the candidates' people, worked out once for all rules that look at them."""
        return visits_of_candidates(self.claims, self.measure, self.people)


def outside_period(context: Context, clause: c.OutsidePeriod) -> ir.Table:
    """Exclude procedures before the first or after the last day of the period."""
    if context.period is None:
        return _none(context)
    first, last = context.period
    day = context.procedures.procedure_date
    return _ids(context.procedures.filter((day < ibis.literal(first)) | (day > ibis.literal(last))))


def facility_unknown(context: Context, clause: c.FacilityUnknown) -> ir.Table:
    """Exclude procedures without an NPI on their lines."""
    return _ids(context.procedures.filter(context.procedures.facility_id.isnull()))


def discontinued_modifier(context: Context, clause: c.DiscontinuedModifier) -> ir.Table:
    """Exclude procedures all of whose qualifying lines carry a modifier of discontinuation."""
    lines = context.candidates.qualifying_lines
    padded = ibis.literal(" ") + lines.modifiers.fill_null("") + ibis.literal(" ")
    marked = ibis.or_(*(padded.contains(f" {modifier} ") for modifier in clause.modifiers))
    lines = lines.mutate(marked=marked)
    key = ["person_key", "line_date", "facility_id"]
    stopped = lines.group_by(key).aggregate(all_marked=lines.marked.all()).filter(ibis._.all_marked)
    p = context.procedures
    same = [
        p.person_key == stopped.person_key,
        p.procedure_date == stopped.line_date,
        p.facility_id.identical_to(stopped.facility_id),
    ]
    return _ids(p.semi_join(stopped, same))


def person_unknown(context: Context, clause: c.PersonUnknown) -> ir.Table:
    """Exclude procedures of people without a birth date on record."""
    return _ids(context.procedures.filter(context.procedures.birth_date.isnull()))


def age_below(context: Context, clause: c.AgeBelow) -> ir.Table:
    """Exclude procedures of people younger than the age on that day."""
    return _ids(context.procedures.filter(context.procedures.age_years < clause.age_years))


def not_enrolled_before(context: Context, clause: c.NotEnrolledBefore) -> ir.Table:
    """Exclude procedures without enrolment in each of the months before and the index month."""
    month = month_of(context.procedures.procedure_date)
    return _lacking_months(context, clause, month - clause.months, month, context.procedures)


def not_enrolled_after(context: Context, clause: c.NotEnrolledAfter) -> ir.Table:
    """Exclude procedures of people who outlived the window without enrolment in each of its months."""
    p = context.procedures
    last = p.procedure_date + ibis.interval(days=clause.last_day)
    alive = p.filter(p.death_date.isnull() | (p.death_date > last))
    last_month = month_of(alive.procedure_date + ibis.interval(days=clause.last_day))
    return _lacking_months(context, clause, month_of(alive.procedure_date), last_month, alive)


def concurrent_code(context: Context, clause: c.ConcurrentCode) -> ir.Table:
    """Exclude procedures with a listed code on a facility line of the same person and day."""
    table = context.measure.table(clause.table)
    lines = lines_with_listed_code(context.claims, context.candidates.facility_lines, table, clause.role)
    p = context.procedures
    return _ids(p.semi_join(lines, [p.person_key == lines.person_key, p.procedure_date == lines.line_date]))


def diagnosis_present(context: Context, clause: c.DiagnosisPresent) -> ir.Table:
    """Exclude procedures with a listed diagnosis in the history, on the index day or at a visit in the window."""
    listed = _listed_diagnoses(context, clause)
    p = context.procedures.select("procedure_id", "person_key", "procedure_date", "claim_id")
    joined = p.inner_join(listed.drop("claim_id"), "person_key")
    days_before = joined.procedure_date.delta(joined.service_date, unit="day")
    in_history = (days_before >= 1) & (days_before <= clause.history_days)
    hit = in_history | (days_before == 0) if clause.index_day else in_history
    found = _ids(joined.filter(hit))
    if clause.index_claim:
        found = found.union(_ids(p.semi_join(listed, ["person_key", "claim_id"])))
    if clause.visit_in_window:
        found = found.union(_at_visit_in_window(context, listed, p.drop("claim_id")))
    return found.distinct()


def followed_by_procedure(context: Context, clause: c.FollowedByProcedure) -> ir.Table:
    """Exclude procedures that another candidate of the person follows within some days."""
    p = context.procedures.select("procedure_id", "person_key", "procedure_date")
    later = p.select("person_key", later_date="procedure_date").distinct()
    joined = p.inner_join(later, "person_key")
    days = joined.later_date.delta(joined.procedure_date, unit="day")
    return _ids(joined.filter((days >= 1) & (days <= clause.within_days))).distinct()


RULES: dict[str, Callable[[Context, Any], ir.Table]] = {
    "outside_period": outside_period,
    "facility_unknown": facility_unknown,
    "discontinued_modifier": discontinued_modifier,
    "person_unknown": person_unknown,
    "age_below": age_below,
    "not_enrolled_before": not_enrolled_before,
    "not_enrolled_after": not_enrolled_after,
    "concurrent_code": concurrent_code,
    "diagnosis_present": diagnosis_present,
    "followed_by_procedure": followed_by_procedure,
}


def rule_of(clause: c.Exclusion) -> Callable[[Context, Any], ir.Table]:
    """Return the function of an exclusion rule.

    Raises
    ------
    SpecError
        When the rule has no implementation.
    """
    if clause.rule not in RULES:
        raise SpecError(f"cohort.exclusions[{clause.id}].rule: {clause.rule!r} has no implementation")
    return RULES[clause.rule]


def _listed_diagnoses(context: Context, clause: c.DiagnosisPresent) -> ir.Table:
    """Diagnoses of the candidates' people that are listed for the year of their service date."""
    table = context.measure.table(clause.table)
    diagnoses = context.claims.diagnoses
    diagnoses = diagnoses.mutate(year=diagnoses.service_date.year().cast("int32"))
    key = ["code", "icd_version", "year"]
    codes = diagnoses.select(*key).distinct()
    found = once(context.claims, ("code_years", codes.op()), lambda: codes.to_pyarrow().to_pylist())
    rows = [row for row in found if row["code"] in _listed(table, clause.role, row["icd_version"], row["year"])]
    if not rows:
        return diagnoses.filter(ibis.literal(False))
    rows.sort(key=lambda row: tuple(row[name] for name in key))
    wanted = ibis.memtable(rows, schema={"code": "string", "icd_version": "int32", "year": "int32"})
    listed = diagnoses.semi_join(wanted, key).semi_join(context.people, "person_key")
    return listed.select("person_key", "claim_id", "setting", "service_date").cache()


@cache
def _listed(table: CodeTable, role: str, icd_version: int, year: int) -> CodeSet:
    return table.codes(role, year=year, system=f"ICD-{icd_version}-CM")


def _at_visit_in_window(context: Context, listed: ir.Table, procedures: ir.Table) -> ir.Table:
    """Ids of procedures with a listed diagnosis on a claim of a hospital visit in the window."""
    first, last = context.measure.window
    visits = context.visits
    stays = context.claims.inpatient_claims.select("person_key", "stay_id", stay_claim="claim_id")
    of_lines = visits.filter(visits.stay_id.isnull()).select("person_key", "start_date", "claim_id", setting="route")
    of_stays = visits.filter(visits.stay_id.notnull()).inner_join(stays, ["person_key", "stay_id"])
    of_stays = of_stays.select("person_key", "start_date", claim_id="stay_claim", setting="route")
    claims_of_visits = of_lines.union(of_stays)
    with_code = claims_of_visits.semi_join(listed, ["person_key", "claim_id", "setting"])
    joined = procedures.inner_join(with_code, "person_key")
    days = joined.start_date.delta(joined.procedure_date, unit="day")
    return _ids(joined.filter((days >= first) & (days <= last)))


def _lacking_months(
    context: Context,
    clause: c.NotEnrolledBefore | c.NotEnrolledAfter,
    first_month: ir.IntegerValue,
    last_month: ir.IntegerValue,
    procedures: ir.Table,
) -> ir.Table:
    spans = procedures.select("procedure_id", "person_key", first_month=first_month, last_month=last_month)
    months = enrolled_months(context.claims.enrollment, clause.buy_in, clause.hmo)
    joined = spans.inner_join(months, "person_key")
    inside = joined.filter(joined.month.between(joined.first_month, joined.last_month))
    counted = inside.group_by("procedure_id").aggregate(months=inside.month.nunique())
    joined_counts = spans.left_join(counted, "procedure_id")
    needed = joined_counts.last_month - joined_counts.first_month + 1
    return joined_counts.filter(joined_counts.months.fill_null(0) < needed).select("procedure_id")


def _ids(table: ir.Table) -> ir.Table:
    return table.select("procedure_id")


def _none(context: Context) -> ir.Table:
    return _ids(context.procedures.filter(ibis.literal(False)))
