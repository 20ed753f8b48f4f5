"""Sections of the page as plain rows of text, so that the template only lays them out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from riskstd.report.content import Profile, ReportInput
from riskstd.report.counts import PLANNED_RULES, REASONS, VISIT_TYPES, Counts, hides_count
from riskstd.report.headline import noun_of, window_text
from riskstd.report.suppression import states_small_count
from riskstd.report.wording import HIDDEN, MISSING, counted, listed, number, percent, sentence
from riskstd.spec import Measure
from riskstd.spec.definition import TRUSTED_ORIGINS

MEDIAN_ODDS_FACTOR = math.sqrt(2.0) * 0.6744897501960817

TYPE_NAMES = {
    "ed": "Emergency department visit",
    "observation": "Observation stay",
    "inpatient": "Inpatient admission",
    "all": "All visits",
}
REASON_NAMES = {
    "planned": "Planned",
    "part_of_admission": "Part of an admission",
    "belongs_to_later_procedure": "Belongs to a later procedure",
}
RULE_NAMES = {
    "PA1": "PA1: a procedure that is always planned",
    "PA2": "PA2: a diagnosis that is always planned",
    "PA3": "PA3: a procedure that may be planned, and no acute diagnosis",
    "PA4": "PA4: a procedure that may be planned, but an acute diagnosis or complication",
    "no_planned_procedure": "No procedure that may be planned",
    "missing_principal_diagnosis": "A procedure that may be planned, but no principal diagnosis",
}
ORIGIN_NAMES = {
    "cms_public": "public CMS material",
    "reconstructed": "reconstructed",
    "assumed": "assumed",
    "user_import": "imported by the user",
}


@dataclass(frozen=True)
class Fact:
    """A name and what it is."""

    name: str
    value: str


@dataclass(frozen=True)
class AttritionRow:
    """One step of the attrition, as text."""

    rule: str
    says: str
    source: str
    unit: str
    before: str
    excluded: str
    after: str


@dataclass(frozen=True)
class FactorRow:
    """One risk factor of the model, as text."""

    label: str
    share: str
    beta: str
    odds_ratio: str
    interval: str


def measure_facts(content: ReportInput) -> list[Fact]:
    """Say what was measured, and from which definition."""
    measure, head = content.measure, content.measure.definition.measure
    consensus = f", consensus number {head.consensus_number}" if head.consensus_number else ""
    return [
        Fact("Measure", f"{measure.id}{consensus}"),
        Fact("What it estimates", sentence(head.says)),
        Fact("Setting", head.setting),
        Fact(
            "Outcome",
            f"Unplanned hospital visit of any cause {window_text(measure)}; day 0 is the procedure date",
        ),
        Fact("Score", f"{measure.scale.unit} ({sentence(measure.scale.says)[:-1]})"),
        Fact("Period", content.period),
        Fact("Definition", f"{measure.file}, specification year {measure.spec_year}, revision {head.revision}"),
        Fact("Definition hash", f"SHA-256 {measure.sha256}"),
        Fact("Claims", content.layout),
    ]


def changed_options(measure: Measure) -> list[tuple[str, str, str, str]]:
    """List options that differ from their default: name, value, default, what it decides."""
    return [
        (name, measure.options[name], option.default, option.says)
        for name, option in sorted(measure.definition.options.items())
        if measure.options[name] != option.default
    ]


def origin_counts(counts: Mapping[str, int]) -> str:
    """Write counts by origin as words."""
    return listed([f"{n:,} {ORIGIN_NAMES.get(origin, origin)}" for origin, n in counts.items()])


def table_rows(content: ReportInput) -> list[tuple[str, str, str, bool]]:
    """List the code tables in use: name, what it says, rows by origin, whether all rows are trusted."""
    rows = []
    for name, origins in sorted(content.fidelity.tables.items()):
        says = content.measure.table(name).provenance.says
        rows.append((name, says, origin_counts(origins), set(origins) <= TRUSTED_ORIGINS))
    return rows


def attrition_rows(counts: Counts, measure: Measure) -> list[AttritionRow]:
    """Write the steps from the raw input to the cohort."""
    says = {clause.id: clause.says for clause in measure.exclusions}
    return [
        AttritionRow(
            rule=step.rule.replace("_", " "),
            says=says.get(step.rule, ""),
            source=step.source,
            unit=step.unit,
            before=number(counts[step.before]),
            excluded=number(counts[step.excluded]),
            after=number(counts[step.after]),
        )
        for step in counts.steps
    ]


def outcome_rows(counts: Counts, measure: Measure) -> list[tuple[str, str, str]]:
    """Split the cases by their most serious visit: words, cases, share of all cases."""
    _, many = noun_of(measure)
    names = {
        "events": "Any hospital visit that counts",
        "most_serious.inpatient": "of these: unplanned inpatient admission",
        "most_serious.observation": "of these: observation stay, no admission",
        "most_serious.ed": "of these: emergency department visit only",
        "non_events": f"No hospital visit {window_text(measure)}",
        "cases": f"All {many} of the cohort",
    }
    return [(text, number(counts[name]), percent(counts[name], counts["cases"])) for name, text in names.items()]


def visit_rows(counts: Counts) -> list[list[str]]:
    """Count all visits in the window by type, and why some do not count."""
    return [
        [
            TYPE_NAMES[kind],
            *(number(counts[f"visits.{kind}{c}"]) for c in ("", ".counted", *(f".{r}" for r in REASONS))),
        ]
        for kind in (*VISIT_TYPES, "all")
    ]


def rule_rows(counts: Counts) -> list[tuple[str, str, str]]:
    """Count inpatient admissions by the rule that decided: rule, verdict, admissions."""
    return [
        (
            RULE_NAMES[rule],
            "planned" if rule in counts.planned_rules else "unplanned",
            number(counts[f"rule.{rule}"]),
        )
        for rule in PLANNED_RULES
    ]


def day_rows(counts: Counts) -> list[list[str]]:
    """Count visits that count by day."""
    return [
        [f"Day {day}", *(number(counts[f"day.{kind}.{day}"]) for kind in (*VISIT_TYPES, "all"))] for day in counts.days
    ]


def factor_rows(content: ReportInput, profile: Profile) -> list[FactorRow]:
    """Write the risk factors of the model with their odds ratios."""
    assert content.model is not None
    small = profile == "public"
    return [
        FactorRow(
            label=str(term.get("label") or term["factor"]),
            share=_share(term, content.n_cases, small=small),
            beta=number(term["beta"], 3),
            odds_ratio=number(term["odds_ratio"], 2),
            interval=_limits(term),
        )
        for term in content.model["coefficients"]
    ]


def model_facts(content: ReportInput) -> list[Fact]:
    """Say how the model was fitted and how much facilities differ."""
    assert content.model is not None
    model, tau = content.model, float(content.model["tau"])
    state = "converged" if model["converged"] else "did not converge: treat every number below as provisional"
    facts = [
        Fact("Estimator", str(model["method"])),
        Fact("State", state),
        Fact("Intercept (mu)", number(model["mu"], 3)),
        Fact("Spread of facility effects (tau)", f"{number(tau, 3)} log odds"),
        Fact("Median odds ratio", number(median_odds_ratio(tau), 2)),
        Fact("Log-likelihood", number(model["log_likelihood"], 2)),
    ]
    if model["singular"]:
        facts.append(
            Fact(
                "At the boundary",
                "tau is 0: no difference between facilities could be estimated; every ratio is 1",
            )
        )
    return facts


def median_odds_ratio(tau: float) -> float:
    """Median odds ratio between two facilities drawn at random, the higher over the lower.

    Larsen and Merlo, American Journal of Epidemiology 2005;161:81: exp(sqrt(2) tau Phi^-1(0.75)).

    Examples
    --------
    >>> round(median_odds_ratio(0.2), 3)
    1.21
    """
    return math.exp(MEDIAN_ODDS_FACTOR * tau)


def dropped_rows(content: ReportInput, profile: Profile) -> list[tuple[str, str]]:
    """List risk factors that the model left out, and why."""
    assert content.model is not None
    rows = []
    for factor in content.model.get("dropped", ()):
        reason = sentence(str(factor["reason"]))
        if profile == "public" and states_small_count(reason):
            reason = "The reason is not shown, since it may state a small count."
        rows.append((str(factor.get("label") or factor["factor"]), reason))
    return rows


def no_model_sentence(content: ReportInput, profile: Profile) -> str:
    """Say why there is no model; the public profile does not repeat a small count."""
    if profile == "public" and states_small_count(content.no_model_reason):
        return "The data were too few. The reason is not shown, since it may state a small count."
    return sentence(content.no_model_reason)


def note_sentences(notes: Iterable[str], profile: Profile) -> list[str]:
    """Write notes and warnings as sentences; public ones leave out, and say so, what holds a small count."""
    kept, left_out = [], 0
    for note in notes:
        if profile == "public" and states_small_count(note):
            left_out += 1
        else:
            kept.append(sentence(note))
    if left_out:
        what = counted(left_out, "further note is", "further notes are")
        kept.append(f"{what} not shown here, since a small count may be stated.")
    return kept


def _share(term: Mapping[str, Any], n_cases: int, *, small: bool) -> str:
    if (share := term.get("prevalence")) is not None:
        return number(HIDDEN) if small and hides_count(share, n_cases) else f"{100 * share:.1f} %"
    if (mean := term.get("mean")) is not None:
        return f"mean {number(mean, 2)}"
    return MISSING


def _limits(term: Mapping[str, Any]) -> str:
    low, high = number(term["lower"], 2), number(term["upper"], 2)
    return MISSING if MISSING in (low, high) else f"{low} to {high}"
