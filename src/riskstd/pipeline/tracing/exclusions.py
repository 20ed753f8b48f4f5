"""Every exclusion rule asked about one case, whether or not an earlier one has excluded it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from riskstd.pipeline.tracing.case import Case, codes_of, has_modifier
from riskstd.pipeline.tracing.evidence import Decision
from riskstd.pipeline.tracing.visits import visits_of_person

if TYPE_CHECKING:
    from riskstd.pipeline.tracing.person import Row
    from riskstd.spec import clauses as c


def decide_exclusions(case: Case) -> list[Decision]:
    """Return the decision of every exclusion in force, in the order of the definition; `answer` is true if it hits."""
    return [RULES[clause.rule](case, clause) for clause in case.measure.exclusions]


def first_reason(case: Case, decisions: list[Decision]) -> str | None:
    """Return the id of the first exclusion that hits."""
    asked = zip(case.measure.exclusions, decisions, strict=True)
    return next((clause.id for clause, decision in asked if decision.answer), None)


def age_in_years(birth: date, day: date) -> int:
    """Return full years from birth to a day."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _outside_period(case: Case, clause: c.OutsidePeriod) -> Decision:
    period = case.period
    outside = period is not None and not period[0] <= case.day <= period[1]
    return case.ask.decide(clause, outside, period=period, procedure_date=case.day)


def _facility_unknown(case: Case, clause: c.FacilityUnknown) -> Decision:
    facility = case.procedure["facility_id"]
    return case.ask.decide(clause, facility is None, case.cite(case.own_lines), facility_id=facility)


def _discontinued(case: Case, clause: c.DiscontinuedModifier) -> Decision:
    stopped = bool(case.own_lines) and all(has_modifier(line.row, clause.modifiers) for line in case.own_lines)
    return case.ask.decide(clause, stopped, case.cite(case.own_lines))


def _person_unknown(case: Case, clause: c.PersonUnknown) -> Decision:
    birth = None if case.person is None else case.person["birth_date"]
    return case.ask.decide(clause, birth is None, _person(case), birth_date=birth)


def _age_below(case: Case, clause: c.AgeBelow) -> Decision:
    birth = None if case.person is None else case.person["birth_date"]
    age = None if birth is None else age_in_years(birth, case.day)
    found = {"birth_date": birth, "procedure_date": case.day, "age_years": age}
    return case.ask.decide(clause, age is not None and age < clause.age_years, _person(case), **found)


def _not_enrolled_before(case: Case, clause: c.NotEnrolledBefore) -> Decision:
    month = _month(case.day)
    return _lacking(case, clause, month - clause.months, month, {})


def _not_enrolled_after(case: Case, clause: c.NotEnrolledAfter) -> Decision:
    last = case.day + timedelta(days=clause.last_day)
    death = None if case.person is None else case.person["death_date"]
    found = {"last_day": last, "death_date": death, "outlived_window": death is None or death > last}
    return _lacking(case, clause, _month(case.day), _month(last), found)


def _lacking(case: Case, clause: Any, first: int, last: int, found: dict[str, Any]) -> Decision:
    rows: dict[int, list[Row]] = {}
    for row in case.claims.rows("enrollment"):
        if first <= row["month"] <= last:
            rows.setdefault(row["month"], []).append(row)
    months = []
    for month in range(first, last + 1):
        of_month = rows.get(month, [])
        months.append(
            {
                "month": f"{month // 12:04d}-{month % 12 + 1:02d}",
                "lines": case.evidence.cite_all("enrollment", of_month),
                "enrolled": any(_is_enrolled(row, clause) for row in of_month),
            }
        )
    lines = [*_person(case), *(line for month in months for line in month["lines"])]
    lacking = [month["month"] for month in months if not month["enrolled"]]
    answer = bool(lacking) and found.get("outlived_window", True)
    return case.ask.decide(clause, answer, lines, **found, months=months, months_lacking=lacking)


def _is_enrolled(row: Row, clause: Any) -> bool:
    return row["buy_in"] in clause.buy_in and (row["hmo"] or "") in clause.hmo


def _concurrent_code(case: Case, clause: c.ConcurrentCode) -> Decision:
    of_day = case.lines_of_day
    hits = [line for line in of_day if case.is_listed(line, clause.table, clause.role)]
    codes = [{"line": case.cite([line])[0], "code": line.code, "listed": line in hits} for line in of_day]
    return case.ask.decide(clause, bool(hits), case.cite(hits), codes_of_the_day=codes)


def _diagnosis_present(case: Case, clause: c.DiagnosisPresent) -> Decision:
    listed = [row for row in case.claims.rows("diagnoses") if _is_listed(case, clause, row)]
    near = _visits_near(case) if clause.visit_in_window else []
    found, hits = [], []
    for row in listed:
        line = case.evidence.cite("diagnoses", row)
        places = _places(case, clause, row, near)
        found.append({"line": line, "code": row["code"], "days_before": -case.after(row["service_date"]), "at": places})
        hits += [line] if places else []
    visits = [{name: visit[name] for name in ("start_date", "days_after", "claims")} for visit in near]
    own = {"claim_id": case.procedure["claim_id"]} if clause.index_claim else {}
    window = {"window_days": list(case.measure.window)} if clause.visit_in_window else {}
    return case.ask.decide(clause, bool(hits), hits, listed_diagnoses=found, visits_in_window=visits, **own, **window)


def _places(case: Case, clause: c.DiagnosisPresent, row: Row, near: list[dict[str, Any]]) -> list[str]:
    before = -case.after(row["service_date"])
    tests = {
        "history": 1 <= before <= clause.history_days,
        "index_day": clause.index_day and before == 0,
        "index_claim": clause.index_claim and row["claim_id"] == case.procedure["claim_id"],
        "visit_in_window": any([row["claim_id"], row["setting"]] in visit["claims"] for visit in near),
    }
    return [name for name, holds in tests.items() if holds]


def _is_listed(case: Case, clause: c.DiagnosisPresent, row: Row) -> bool:
    system = f"ICD-{row['icd_version']}-CM"
    return row["code"] in codes_of(case.measure, clause.table, clause.role, row["service_date"].year, system)


def _visits_near(case: Case) -> list[dict[str, Any]]:
    """Hospital visits in the window, planned or not, with the claims whose diagnoses are theirs."""
    first, last = case.measure.window
    near = []
    for visit in visits_of_person(case):
        days = case.after(visit.start_date)
        if first <= days <= last:
            claims = [[visit.claim_id, visit.route]]
            if visit.stay_id is not None:
                stays = [row for row in case.claims.rows("inpatient_claims") if row["stay_id"] == visit.stay_id]
                claims = [[row["claim_id"], visit.route] for row in stays]
            near.append({"start_date": visit.start_date, "days_after": days, "claims": claims})
    return near


def _followed(case: Case, clause: c.FollowedByProcedure) -> Decision:
    later = [line for line in case.qualifying if 1 <= case.after(line.day) <= clause.within_days]
    found = [{"line": case.cite([line])[0], "days_after": case.after(line.day)} for line in later]
    return case.ask.decide(clause, bool(later), case.cite(later), later_procedures=found)


def _person(case: Case) -> list[str]:
    return [] if case.person is None else [case.evidence.cite("people", case.person)]


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


RULES: dict[str, Callable[[Case, Any], Decision]] = {
    "outside_period": _outside_period,
    "facility_unknown": _facility_unknown,
    "discontinued_modifier": _discontinued,
    "person_unknown": _person_unknown,
    "age_below": _age_below,
    "not_enrolled_before": _not_enrolled_before,
    "not_enrolled_after": _not_enrolled_after,
    "concurrent_code": _concurrent_code,
    "diagnosis_present": _diagnosis_present,
    "followed_by_procedure": _followed,
}
