"""Candidates first: cut the claims tables to the people and days that some measures look at, each table once."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, TypeVar

import ibis

from riskstd.claims.cut import CutClaims
from riskstd.claims.listed import lines_with_listed_code
from riskstd.claims.visits import lines_of_visits, shows_visit
from riskstd.cohort.enrollment import month_of
from riskstd.cohort.lines import facility_lines, is_index_line, lines_read
from riskstd.interpreter import rare_collections
from riskstd.spec.clauses import Clause, DiagnosisPresent, NotEnrolledAfter, NotEnrolledBefore, VisitCodes
from riskstd.tables import count_rows, discard, materialize

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims import Claims
    from riskstd.spec import Measure
    from riskstd.spec.clauses import IndexLine

C = TypeVar("C", bound=Clause)
Progress = Callable[[int, int, str], None]
# In this order: lines make candidates, candidates tell the people, lines of visits tell the claims of diagnoses.
STEPS = (
    "professional_lines",
    "people",
    "enrollment",
    "inpatient_claims",
    "stays",
    "procedures",
    "outpatient_lines",
    "diagnoses",
)


@rare_collections()
def cut_claims(claims: Claims, measures: Sequence[Measure], *, progress: Progress | None = None) -> CutClaims:
    """Keep the rows of the claims tables that a rule of some measures may look at, reading each table once.

    Parameters
    ----------
    claims : Claims
        Claims tables.
    measures : sequence of Measure
        Definitions under their options; the cut serves all of them.
    progress : callable, optional
        Called with steps done, steps in all, and what is being done.

    Returns
    -------
    CutClaims
        Lines of facilities and of visits; of the people who have a candidate: everything on the days that look-back,
        enrolment and outcome window reach to, and on the claims of visits.

    Notes
    -----
    The tables take space in the engine of the claims until the cut is no longer referred to.
    """
    tell = progress or (lambda *_: None)
    start = time.perf_counter()
    claims = claims.source if isinstance(claims, CutClaims) and claims.source is not None else claims
    tables = dict(claims.tables)
    made: list[str] = []

    def keep(name: str, rows: ir.Table) -> None:
        tell(len(made), len(STEPS), f"claims of candidates: {name.replace('_', ' ')}")
        tables[name] = materialize(rows, claims.connection)
        made.append(tables[name].op().name)

    keep("professional_lines", _professional_lines(claims, measures))
    spans = _candidate_days(CutClaims.of(claims, tables, measures), measures).cache()
    keep("people", claims.people.semi_join(spans, "person_key"))
    keep("enrollment", _enrollment(claims, measures, spans))
    for name in ("inpatient_claims", "stays", "procedures"):
        keep(name, claims.tables[name].semi_join(spans, "person_key"))
    keep("outpatient_lines", _outpatient_lines(claims, measures, spans))
    keep("diagnoses", _diagnoses(CutClaims.of(claims, tables, measures), claims.diagnoses, measures, spans))
    names = {"professional_lines", *(name for measure in measures for name in lines_read(measure))}
    before = {name: count_rows(claims.tables[name]) for name in sorted(names)}
    cut = CutClaims.of(
        claims,
        tables,
        measures,
        lines_before=before["professional_lines"],
        rows_before=before,
        candidates=spans.select("person_key"),
        seconds=round(time.perf_counter() - start, 3),
    )
    weakref.finalize(cut, discard, claims.connection, made)
    return cut


def _professional_lines(claims: Claims, measures: Sequence[Measure]) -> ir.Table:
    """Facility lines of anybody, which attrition counts, and lines that show a visit."""
    lines = claims.professional_lines
    clauses = _index_lines(measures, "asc_facility_line", "surgeon_line")
    of_facilities = [is_index_line(claims, lines, clause) for clause in clauses]
    of_visits = [shows_visit(claims, lines, clause) for clause in _visit_codes(measures, "professional")]
    return lines.filter(ibis.or_(ibis.literal(False), *of_facilities, *of_visits))


def _index_lines(measures: Sequence[Measure], *rules: str) -> list[IndexLine]:
    """Clauses of some rules on the lines that procedures are read from, those that test the same once."""
    words = {"says", "source", "origin", "grade", "when", "facility_keys"}
    every = [clause for measure in measures for clause in measure.index_lines if clause.rule in rules]
    return list({clause.model_dump_json(exclude=words): clause for clause in every}.values())


def _candidate_days(claims: Claims, measures: Sequence[Measure]) -> ir.Table:
    """First and last day of a qualifying line of every person who has one."""
    lines = [_qualifying_lines(claims, measure).select("person_key", "line_date") for measure in measures]
    days = reduce(lambda a, b: a.union(b), lines)
    return days.group_by("person_key").aggregate(first_day=days.line_date.min(), last_day=days.line_date.max())


def _qualifying_lines(claims: Claims, measure: Measure) -> ir.Table:
    codes = measure.definition.cohort.codes
    return lines_with_listed_code(claims, facility_lines(claims, measure), measure.table(codes.table), codes.role)


def _enrollment(claims: Claims, measures: Sequence[Measure], spans: ir.Table) -> ir.Table:
    every = [clause for measure in measures for clause in measure.exclusions]
    before = max((c.months for c in every if isinstance(c, NotEnrolledBefore)), default=0)
    after = max((c.last_day for c in every if isinstance(c, NotEnrolledAfter)), default=0)
    months = claims.enrollment.inner_join(spans, "person_key")
    first, last = month_of(months.first_day) - before, month_of(months.last_day + ibis.interval(days=after))
    return months.filter(months.month.between(first, last)).select(*claims.enrollment.columns)


def _outpatient_lines(claims: Claims, measures: Sequence[Measure], spans: ir.Table) -> ir.Table:
    lines = claims.outpatient_lines
    tests = [shows_visit(claims, lines, clause) for clause in _visit_codes(measures, "outpatient")]
    tests += [
        is_index_line(claims, lines, clause) & lines.hcpcs.notnull()
        for clause in _index_lines(measures, "hospital_outpatient_line")
    ]
    kept = lines.filter(ibis.or_(*tests)) if tests else lines.filter(ibis.literal(False))
    return kept.semi_join(spans, "person_key")


def _diagnoses(claims: Claims, diagnoses: ir.Table, measures: Sequence[Measure], spans: ir.Table) -> ir.Table:
    """Diagnoses of look-back and index day, of inpatient and index claims, and of claims with a visit in the window."""
    history = max(_history_days(measure) for measure in measures)
    # a date of its own: compared row by row, a date less an interval is a timestamp in most engines
    since = (spans.first_day - ibis.interval(days=history)).cast("date")
    mine = diagnoses.inner_join(spans.mutate(since=since), "person_key")
    of_any_day = _claims_of_any_day(claims, measures, spans)
    joined = mine.left_join(of_any_day, ["person_key", "claim_id", "setting"])
    near = joined.service_date.between(joined.since, joined.last_day)
    kept = joined.filter(near | (joined.setting == "inpatient") | joined.of_any_day.notnull())
    return kept.select(*diagnoses.columns)


def _claims_of_any_day(claims: Claims, measures: Sequence[Measure], spans: ir.Table) -> ir.Table:
    """Outpatient and professional claims whose diagnoses are looked at whatever their day."""
    found = _claims_of_visits(claims, measures, spans)
    for measure in measures:
        if any(isinstance(clause, DiagnosisPresent) and clause.index_claim for clause in measure.exclusions):
            lines = _qualifying_lines(claims, measure)
            found += [
                lines.select("person_key", "claim_id", setting=ibis.literal(s)) for s in ("outpatient", "professional")
            ]
    if not found:
        none = claims.outpatient_lines.filter(ibis.literal(False))
        found = [none.select("person_key", "claim_id", setting=ibis.literal("outpatient"))]
    return reduce(lambda a, b: a.union(b), found).distinct().mutate(of_any_day=ibis.literal(True))


def _claims_of_visits(claims: Claims, measures: Sequence[Measure], spans: ir.Table) -> list[ir.Table]:
    """Outpatient and professional claims that show a visit which may lie in a window."""
    first, last = (end([measure.window[n] for measure in measures]) for n, end in ((0, min), (1, max)))
    found = []
    for setting in ("outpatient", "professional"):
        for clause in _visit_codes(measures, setting):
            lines = lines_of_visits(claims, clause).inner_join(spans, "person_key")
            start = lines.first_day + ibis.interval(days=first)
            end = lines.last_day + ibis.interval(days=last)
            near = lines.filter(lines.line_date.between(start, end))
            found.append(near.select("person_key", "claim_id", setting=ibis.literal(setting)))
    return found


def _history_days(measure: Measure) -> int:
    listed = [clause.history_days for clause in measure.exclusions if isinstance(clause, DiagnosisPresent)]
    return max([measure.definition.risk.history_days, *listed])


def _visit_codes(measures: Sequence[Measure], setting: str) -> list[VisitCodes]:
    every = [clause for measure in measures for clause in measure.visit_codes if clause.claims == setting]
    return _unlike(every, ("code_system", "codes", "bill_types", "valid_to"))


def _unlike(clauses: Sequence[C], names: Sequence[str]) -> list[C]:
    """Keep one of the clauses that are alike in what they test."""
    return list({tuple(getattr(clause, name) for name in names): clause for clause in clauses}.values())
