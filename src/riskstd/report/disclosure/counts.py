"""The counts of a run and the sums that hold among them: what a public report protects as one system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from riskstd.errors import InputError
from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.count_system import AtMost, System, Total
from riskstd.report.disclosure.facility_hiding import HiddenFacilities, hide_facilities
from riskstd.report.disclosure.factor_counts import cell_of, count_factors
from riskstd.report.disclosure.suppression import Rule, is_small, rule_of, suppress, whole_numbers
from riskstd.report.wording import HIDDEN, Suppressed

VISIT_TYPES = ("ed", "observation", "inpatient")
MOST_SERIOUS_FIRST = ("inpatient", "observation", "ed")
REASONS = ("planned", "part_of_admission", "belongs_to_later_procedure")
ALWAYS_PLANNED = frozenset({"PA1", "PA2", "PA3"})
_MOST_SERIOUS_VISITS = {f"most_serious.{kind}": f"visits.{kind}.counted" for kind in VISIT_TYPES}
_OUTCOME_SUMS = (
    Total("cases", ("events", "non_events")),
    Total("events", tuple(f"most_serious.{kind}" for kind in VISIT_TYPES)),
)
PLANNED_RULES = ("PA1", "PA2", "PA3", "PA4", "no_planned_procedure", "missing_principal_diagnosis")


@dataclass(frozen=True)
class Step:
    """One step of the attrition with the names of its three cells."""

    rule: str
    source: str
    unit: str
    before: str
    excluded: str
    after: str


@dataclass(frozen=True)
class Counts:
    """Counts by name, those to hide and why, and the steps, days and rules they are shown in.

    Examples
    --------
    >>> counts = Counts({"cases": 40, "events": 3}, frozenset({"events"}))
    >>> counts["cases"], counts["events"]
    (40, HIDDEN)
    """

    values: Mapping[str, int]
    hidden: frozenset[str]
    steps: tuple[Step, ...] = ()
    days: tuple[int, ...] = ()
    planned_rules: frozenset[str] = ALWAYS_PLANNED
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int | Suppressed:
        """Return a count, or `HIDDEN`."""
        return HIDDEN if name in self.hidden else self.values[name]

    def hides_factor(self, factor: str) -> bool:
        """Tell whether the share of cases with a risk factor is hidden.

        Examples
        --------
        >>> counts = Counts({"cases": 40, "factor.stroke": 3}, frozenset({"factor.stroke"}))
        >>> counts.hides_factor("stroke"), counts.hides_factor("dementia")
        (True, False)
        """
        return "cases" in self.hidden or cell_of(factor) in self.hidden

    def is_told_by(self, text: str) -> bool:
        """Tell whether a sentence states a small count, or the value of a count that is hidden.

        Examples
        --------
        >>> counts = Counts({"step003.excluded": 1798, "cases": 40}, frozenset({"step003.excluded"}))
        >>> [counts.is_told_by(text) for text in ("denied claim 1,798", "40 cases", "4 claims")]
        [True, False, True]
        """
        values = {self.values[name] for name in self.hidden if self.values[name] > 0}
        return bool(self.hidden) and any(is_small(n) or n in values for n in whole_numbers(text))


def count_run(content: ReportInput, profile: Profile) -> Counts:
    """Count attrition, outcomes and visits of a run, and choose what the profile hides.

    Raises
    ------
    InputError
        When counts that belong together do not add up; the message names them.
    """
    system, steps, days = _count(content)
    _require_sums(system.counts, system.totals)
    hidden = _hidden(content, system) if profile == "public" else frozenset()
    rules: dict[str, Rule] = {name: rule_of(name, system.counts, system.totals) for name in sorted(hidden)}
    printed = {name: n for name, n in system.counts.items() if name not in system.unprinted}
    return Counts(printed, hidden, steps, days, _rules_that_planned(content.visits), rules)


def hide_run_facilities(content: ReportInput, rates: pd.DataFrame) -> HiddenFacilities:
    """Choose the facilities whose numbers a public report of the run hides; in the order of `rates`."""
    assert content.model is not None
    assert content.interval is not None
    categories = content.measure.definition.score.categories
    return hide_facilities(
        rates,
        categories.minimum_cases,
        flagged=rates["category"].isin([categories.labels.better, categories.labels.worse]).to_numpy(),
        tau=float(content.model["tau"]),
        level=content.interval.category_level,
    )


def _count(content: ReportInput) -> tuple[System, tuple[Step, ...], tuple[int, ...]]:
    values, totals, steps = _attrition(content)
    more_values, more_totals, days = _visits(content)
    system = System(values, totals)
    system.add(System(more_values, more_totals, [AtMost(*pair) for pair in _MOST_SERIOUS_VISITS.items()]))
    system.add(System(_outcomes(content), list(_OUTCOME_SUMS)))
    system.add(System({f"unmapped.{name}": int(n) for name, n in content.unmapped_codes.items()}))
    system.add(count_factors(content))
    return system, steps, days


def _hidden(content: ReportInput, system: System) -> frozenset[str]:
    """Choose the counts to hide; sums over facilities join in where they would give a facility away."""
    joined = System()
    joined.add(system)
    if content.rates is not None:
        rates = content.rates.sort_values("facility_id", ignore_index=True)
        if (sums := hide_run_facilities(content, rates).sums) is not None:
            joined.add(sums)
    hidden = suppress(
        joined.counts,
        joined.totals,
        keep={"cases", "events", *_stated_in_notes(content, system)},
        at_most=joined.at_most,
        unprinted=joined.unprinted,
        known=joined.known,
    )
    return hidden - set(joined.known)


def _stated_in_notes(content: ReportInput, system: System) -> list[str]:
    """Name the counts whose values the notes of the run state too, so that others are hidden first."""
    stated = {n for note in content.notes for n in whole_numbers(note)}
    return [name for name, n in system.counts.items() if n in stated]


def _attrition(content: ReportInput) -> tuple[dict[str, int], list[Total], tuple[Step, ...]]:
    """Name the counts of the steps so that one count has one name wherever it is shown."""
    table = content.attrition.sort_values("step", kind="stable", ignore_index=True)
    values: dict[str, int] = {"cases": content.n_cases}
    totals, steps = [], []
    last_after, last_name = -1, ""
    rows = table.to_dict("records")
    for k, row in enumerate(rows):
        before, excluded, after = (int(row[c]) for c in ("procedures_before", "excluded", "procedures_after"))
        goes_on = before == last_after
        before_name = last_name if goes_on else f"step{k:03}.before"
        is_cohort = k == len(rows) - 1 and after == content.n_cases
        after_name = "cases" if is_cohort else f"step{k:03}.after"
        step = Step(row["rule"], row["source"], row["unit"], before_name, f"step{k:03}.excluded", after_name)
        values |= {before_name: before, step.excluded: excluded, after_name: after}
        totals.append(Total(before_name, (step.excluded, after_name)))
        steps.append(step)
        last_after, last_name = after, after_name
    return values, totals, tuple(steps)


def _outcomes(content: ReportInput) -> dict[str, int]:
    """Count cases by their most serious visit that counts."""
    counted = content.visits[content.visits["counted"].astype(bool)]
    values = {"events": content.n_events, "non_events": content.n_cases - content.n_events}
    seen: set[object] = set()
    for kind in MOST_SERIOUS_FIRST:
        procedures = set(counted.loc[counted["visit_type"] == kind, "procedure_id"])
        values[f"most_serious.{kind}"] = len(procedures - seen)
        seen |= procedures
    return values


def _visits(content: ReportInput) -> tuple[dict[str, int], list[Total], tuple[int, ...]]:
    visits = content.visits
    first, last = content.measure.window
    days = tuple(range(first, last + 1))
    reason = visits["not_counted_because"].where(~visits["counted"].astype(bool), "counted")
    columns = ("counted", *REASONS)
    values, totals = {}, []
    for kind in VISIT_TYPES:
        of_kind = visits["visit_type"] == kind
        values[f"visits.{kind}"] = int(np.count_nonzero(of_kind))
        for column in columns:
            values[f"visits.{kind}.{column}"] = int(np.count_nonzero(of_kind & (reason == column)))
        for day in days:
            on_day = of_kind & (reason == "counted") & (visits["days_after"] == day)
            values[f"day.{kind}.{day}"] = int(np.count_nonzero(on_day))
        totals.append(Total(f"visits.{kind}", tuple(f"visits.{kind}.{c}" for c in columns)))
        totals.append(Total(f"visits.{kind}.counted", tuple(f"day.{kind}.{day}" for day in days)))
    for name in ("", *(f".{c}" for c in columns)):
        parts = tuple(f"visits.{kind}{name}" for kind in VISIT_TYPES)
        values[f"visits.all{name}"] = sum(values[part] for part in parts)
        totals.append(Total(f"visits.all{name}", parts))
    for day in days:
        parts = tuple(f"day.{kind}.{day}" for kind in VISIT_TYPES)
        values[f"day.all.{day}"] = sum(values[part] for part in parts)
        totals.append(Total(f"day.all.{day}", parts))
    rule_values, rule_totals = _planned_rules(visits)
    return values | rule_values, totals + rule_totals, days


def _planned_rules(visits: pd.DataFrame) -> tuple[dict[str, int], list[Total]]:
    """Count inpatient visits by the rule that decided whether they were planned."""
    inpatient = visits[visits["visit_type"] == "inpatient"]
    values = {f"rule.{rule}": int(np.count_nonzero(inpatient["planned_rule"] == rule)) for rule in PLANNED_RULES}
    planned = int(np.count_nonzero(inpatient["not_counted_because"] == "planned"))
    totals = []
    if sum(values.values()) == len(inpatient):
        totals.append(Total("visits.inpatient", tuple(values)))
    decided = tuple(f"rule.{rule}" for rule in PLANNED_RULES if rule in _rules_that_planned(visits))
    if sum(values[rule] for rule in decided) == planned:
        totals.append(Total("visits.inpatient.planned", decided))
    return values, totals


def _rules_that_planned(visits: pd.DataFrame) -> frozenset[str]:
    """Rules that planned in this run; an option decides for stays without a principal diagnosis."""
    planned = visits["planned"].astype(bool)
    return ALWAYS_PLANNED | (set(visits.loc[planned, "planned_rule"]) - set(visits.loc[~planned, "planned_rule"]))


def _require_sums(values: Mapping[str, int], totals: list[Total]) -> None:
    wrong = [t for t in totals if values[t.total] != sum(values[part] for part in t.parts)]
    if wrong:
        names = "; ".join(f"{t.total} and {' + '.join(t.parts)}" for t in wrong[:3])
        raise InputError(
            f"{len(wrong)} sum(s) of a run do not hold: {names}",
            expected="attrition, outcomes and visits of one and the same run",
        )
