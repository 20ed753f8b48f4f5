"""The sheet that counts the visits of a facility."""

from __future__ import annotations

from typing import Any

import numpy as np

from riskstd.report.cases import Cases
from riskstd.report.disclosure.counts import ALWAYS_PLANNED, MOST_SERIOUS_FIRST, PLANNED_RULES, REASONS, VISIT_TYPES
from riskstd.report.wording import HIDDEN, Suppressed
from riskstd.report.workbook.own import Own
from riskstd.report.workbook.sheet import NOT_APPLICABLE, Cell, Field, Sheet, Styled

TYPES = {"ed": "ED visits", "observation": "Observation stays", "inpatient": "Inpatient admissions"}
REASON_TEXTS = {
    "planned": "planned admission",
    "part_of_admission": "part of an admission",
    "belongs_to_later_procedure": "belongs to a later procedure",
}
RULE_TEXTS = {
    "PA1": "by rule PA1, a procedure that is always planned",
    "PA2": "by rule PA2, a diagnosis that is always planned",
    "PA3": "by rule PA3, a procedure that may be planned without an acute diagnosis",
    "PA4": "by rule PA4, a procedure that may be planned with an acute diagnosis",
    "no_planned_procedure": "without a procedure that may be planned",
    "missing_principal_diagnosis": "without a principal diagnosis",
}
_HOW_TO_READ = (
    "Day 0 is the day of the procedure. A case counts once, by its most serious visit:",
    "admission, then observation stay, then ED visit.",
    "Predicted and expected are sums of probabilities over the cases of this facility.",
    "They are made for any visit, so there are none by type.",
)
_NOT_PUBLIC = "Visits by type and day are not shown to the public, by the rule for small cells."


def visits_sheet(own: Own) -> Sheet:
    """Visits of the facility by type, day and reason, beside predicted and expected numbers."""
    hidden = own.hide_results or (own.profile == "public" and len(own.cases.visits) > 0)
    notes = (*_HOW_TO_READ, _NOT_PUBLIC) if own.profile == "public" and hidden else _HOW_TO_READ
    return Sheet(
        "Visits",
        "Visits: what was observed, predicted and expected",
        (
            Field("Figure", "What is counted.", "text", 62),
            Field("Unit", "Unit of the row.", "text", 12),
            Field("All types", "All kinds of hospital visits.", "count"),
            *(Field(text, f"{text} only.", "count") for text in TYPES.values()),
        ),
        [*_case_rows(own, hidden=hidden), *_visit_rows(own, hidden=hidden)],
        intro="Hospital visits in the window after a procedure of this facility.",
        notes=notes,
        frozen_columns=1,
        holds="Visits by type and day beside predicted and expected; planned and other visits that do not count.",
    )


def _visit_rows(own: Own, *, hidden: bool) -> list[list[Cell]]:
    """Visits by type: all, those that count by day, those that do not by reason and rule."""
    visits = own.cases.visits
    counted = visits["counted"].to_numpy(bool)
    kinds, rules = (visits[name].to_numpy(dtype=object).astype(str) for name in ("visit_type", "planned_rule"))
    reasons = np.where(counted, "", visits["not_counted_because"].to_numpy(dtype=object)).astype(str)
    days = visits["days_after"].to_numpy(np.int64)
    first, last = own.content.measure.window

    def row(text: str, chosen: Any) -> list[Cell]:
        by_type = [int(np.count_nonzero(chosen & (kinds == kind))) for kind in VISIT_TYPES]
        return [text, "visits", *(HIDDEN if hidden else n for n in (sum(by_type), *by_type))]

    rows = [row("Visits in the window", np.ones(len(visits), dtype=bool)), row("Visits that count", counted)]
    rows += [row(f"Visits that count, day {day}", counted & (days == day)) for day in range(first, last + 1)]
    planned = reasons == "planned"
    for reason in REASONS:
        rows.append(row(f"Not counted: {REASON_TEXTS[reason]}", reasons == reason))
        if reason == "planned":
            used = [rule for rule in PLANNED_RULES if rule in ALWAYS_PLANNED or np.any(planned & (rules == rule))]
            rows += [row(f"Planned {RULE_TEXTS[rule]}", planned & (rules == rule)) for rule in used]
    return rows


def _case_rows(own: Own, *, hidden: bool) -> list[list[Cell]]:
    """Cases with a visit by most serious type, and the numbers of the model beside them."""
    n = own.fact("cases")
    by_type = _most_serious(own.cases)
    observed = [HIDDEN if hidden else by_type[kind] for kind in VISIT_TYPES]
    rows: list[list[Cell]] = [["Cases", "procedures", n, *[NOT_APPLICABLE] * 3]]
    rows.append(["Cases with a visit that counts, observed", "procedures", own.fact("observed"), *observed])
    for name in ("predicted", "expected"):
        value = own.fact(name)
        total = HIDDEN if isinstance(value, Suppressed) or isinstance(n, Suppressed) else float(value) * int(n)
        rows.append([f"Cases with a visit, {name}", "procedures", Styled(total, "real3"), *[NOT_APPLICABLE] * 3])
    rows.append(["Ratio, predicted / expected", "ratio", Styled(own.fact("ratio"), "real4"), *[NOT_APPLICABLE] * 3])
    return rows


def _most_serious(cases: Cases) -> dict[str, int]:
    """Count the cases by their most serious visit that counts."""
    counted: Any = cases.visits[cases.visits["counted"].to_numpy(bool)]
    kinds, numbers = counted["visit_type"].to_numpy(dtype=object).astype(str), counted["procedure_id"].to_numpy()
    seen: set[int] = set()
    result = {}
    for kind in MOST_SERIOUS_FIRST:
        of_kind = set(numbers[kinds == kind].tolist()) - seen
        result[kind] = len(of_kind)
        seen |= of_kind
    return result
