"""What each rule found about a case, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Content = dict[str, Any]


def found_words(decision: Content) -> list[str]:
    """Return what a decision found, in short sentences with the numbers of the lines.

    Examples
    --------
    >>> found_words({"rule": "age_below", "found": {"age_years": 71}, "lines": ["B1"]})
    ['age 71 (B1)']
    """
    return list(_FOUND.get(decision["rule"], _nothing)(decision))


def number(value: float | None) -> str:
    """Return a number as people write it."""
    return "none" if value is None else f"{value:g}"


def _nothing(_decision: Content) -> Iterator[str]:
    yield from ()


def _index_lines(decision: Content) -> Iterator[str]:
    by_facility: dict[str, list[str]] = {}
    for line in decision["answer"]:
        by_facility.setdefault(line["facility_id"] or "unknown", []).append(line["line"])
    for facility, lines in by_facility.items():
        yield f"lines {', '.join(lines)}: facility {facility}"
    if not by_facility:
        yield "no line of the day"


def _qualifying(decision: Content) -> Iterator[str]:
    found = decision["found"]
    for name, listed in (("qualify", True), ("do not qualify", False)):
        codes = [f"{c['code'] or 'no code'} ({c['line']})" for c in found["codes"] if c["listed"] is listed]
        if codes:
            yield f"{name}: {', '.join(codes)}"


def _record(decision: Content) -> Iterator[str]:
    found = decision["found"]
    for code in found["codes"]:
        yield f"{code['code']}: work RVU {number(code['work_rvu'])} of {code['work_rvu_of_year'] or 'no year'}"
    yield f"index code {decision['answer']['index_code']}, {decision['answer']['qualifying_procedures']} qualifying"


def _period(decision: Content) -> Iterator[str]:
    found = decision["found"]
    period = found["period"]
    yield "no period was given" if period is None else f"{found['procedure_date']}; period {period[0]} to {period[1]}"


def _facility(decision: Content) -> Iterator[str]:
    found = decision["found"]
    yield f"facility {found['facility_id'] or 'unknown'}"


def _age(decision: Content) -> Iterator[str]:
    found = decision["found"]
    age = found["age_years"]
    yield "age unknown" if age is None else f"age {age} ({', '.join(decision['lines'])})"


def _birth(decision: Content) -> Iterator[str]:
    found = decision["found"]
    yield "no birth date on record" if found["birth_date"] is None else f"birth date on record ({decision['lines'][0]})"


def _months(decision: Content) -> Iterator[str]:
    found = decision["found"]
    months, lacking = found["months"], found["months_lacking"]
    if not found.get("outlived_window", True):
        yield "the person died within the window, so that enrollment after it is not asked"
    elif lacking:
        yield f"lacking: {', '.join(lacking)}"
    else:
        yield f"{months[0]['month']} to {months[-1]['month']}: {len(months)} of {len(months)} months"


def _codes_of_day(decision: Content) -> Iterator[str]:
    found = decision["found"]
    hits = [f"{c['code']} ({c['line']})" for c in found["codes_of_the_day"] if c["listed"]]
    yield f"listed: {', '.join(hits)}" if hits else "no listed code on a facility line of the day"


def _before(days: int) -> str:
    if days == 0:
        return "on the day"
    return f"{days} days before" if days > 0 else f"{-days} days after"


def _diagnoses(decision: Content) -> Iterator[str]:
    found = decision["found"]
    for diagnosis in found["listed_diagnoses"]:
        where = ", ".join(place.replace("_", " ") for place in diagnosis["at"]) or "out of reach"
        yield f"{diagnosis['code']} {_before(diagnosis['days_before'])} ({diagnosis['line']}): {where}"
    if not found["listed_diagnoses"]:
        yield "no listed diagnosis"


def _later(decision: Content) -> Iterator[str]:
    found = decision["found"]
    if not found["later_procedures"]:
        yield "none later"
    for later in found["later_procedures"]:
        day = f"{later['days_after']} days later" if "days_after" in later else f"on {later['procedure_date']}"
        yield f"{day} ({later.get('line') or 'procedure ' + str(later['procedure_id'])})"


def _planned(decision: Content) -> Iterator[str]:
    found = decision["found"]
    for procedure in found["procedures"]:
        parts = [f"{part} by {procedure[part]}" for part in ("PA1", "PA3") if procedure[part]]
        yield f"procedure {procedure['code']} ({procedure['line']}): {', '.join(parts) or 'in no part'}"
    principal = found["principal_diagnosis"]
    if principal is None:
        yield "no ICD-10 principal diagnosis"
    else:
        parts = [f"{part} by {principal[part]}" for part in ("PA2", "PA4") if principal[part]]
        lines = ", ".join(principal["lines"])
        yield f"principal diagnosis {principal['code']} ({lines}): {', '.join(parts) or 'in no part'}"
    yield f"{'planned' if decision['answer']['planned'] else 'unplanned'}, {decision['answer']['planned_rule']}"


def _window(decision: Content) -> Iterator[str]:
    stays = decision["found"].get("part_of_stays")
    if stays:
        yield f"its day lies in a stay that is a visit ({', '.join(stays)})"


def _carried(decision: Content) -> Iterator[str]:
    found = decision["found"]
    for one in found.get("carried_by", []):
        day = _before(one["days_before"])
        by = f", category {', '.join(map(str, one['categories']))}" if one["categories"] else ""
        yield f"{one['code']} {day} ({one['line']}){by}"


def _of_code(decision: Content) -> Iterator[str]:
    found = decision["found"]
    if "index_code" in found:
        yield f"index code {found['index_code']}"


def _count(decision: Content) -> Iterator[str]:
    found = decision["found"]
    if "qualifying_procedures" in found:
        yield f"{found['qualifying_procedures']} qualifying procedures"


def _if_there(words: Any, key: str) -> Any:
    return lambda decision: words(decision) if key in decision["found"] else iter(())


_FOUND: dict[str, Any] = {
    "asc_facility_line": _index_lines,
    "surgeon_line": _index_lines,
    "hospital_outpatient_line": _index_lines,
    "inpatient_procedure": _index_lines,
    "qualifying_codes": _qualifying,
    "one_procedure_per_person_day_facility": _record,
    "outside_period": _if_there(_period, "period"),
    "facility_unknown": _if_there(_facility, "facility_id"),
    "person_unknown": _if_there(_birth, "birth_date"),
    "age_below": _if_there(_age, "age_years"),
    "not_enrolled_before": _if_there(_months, "months"),
    "not_enrolled_after": _if_there(_months, "months"),
    "concurrent_code": _if_there(_codes_of_day, "codes_of_the_day"),
    "diagnosis_present": _if_there(_diagnoses, "listed_diagnoses"),
    "followed_by_procedure": _if_there(_later, "later_procedures"),
    "latest_procedure_on_or_before_visit": _later,
    "planned_admission_tables": _planned,
    "outcome_window": _window,
    "condition_category": _carried,
    "diagnosis_code": _carried,
    "same_day_code": _if_there(_codes_of_day, "codes_of_the_day"),
    "age_bands": _if_there(_age, "age_years"),
    "years_over": _if_there(_age, "age_years"),
    "work_rvu": _of_code,
    "procedure_type": _of_code,
    "procedure_count": _count,
}
