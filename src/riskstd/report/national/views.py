"""Sections of the page as plain rows of text, so that the template only lays them out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.counts import PLANNED_RULES, REASONS, VISIT_TYPES, Counts
from riskstd.report.disclosure.facilities import count_categories
from riskstd.report.disclosure.suppression import states_small_count
from riskstd.report.national.definition_view import origin_counts
from riskstd.report.national.headline import interval_sentence, noun_of, window_text
from riskstd.report.wording import MISSING, counted, number, percent, sentence
from riskstd.spec import Measure
from riskstd.spec.definition import TRUSTED_ORIGINS

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


def category_rows(content: ReportInput) -> list[tuple[str, str, str, str]]:
    """Count facilities by category: mark, words, facilities, share of all."""
    assert content.rates is not None
    counts, labels = (
        count_categories(content.rates, content.measure),
        content.measure.definition.score.categories.labels,
    )
    rows = [
        ("better", labels.better, counts.better),
        ("same", labels.no_different, counts.no_different),
        ("worse", labels.worse, counts.worse),
        ("few", labels.too_few, counts.too_few),
    ]
    if counts.without:
        rows.append(("none", "Without a category, since there are no interval estimates", counts.without))
    rows.append(("", "All facilities", counts.total))
    return [(kind, text, number(n), percent(n, counts.total)) for kind, text, n in rows]


def volume_text(cases: float) -> str:
    """Write the cases that a reliability needs, rounded up; a dash where no number is enough."""
    return number(math.ceil(cases)) if math.isfinite(cases) else MISSING


def run_facts(content: ReportInput) -> list[Fact]:
    """Say with what the run was made, so that it can be made again."""
    facts = [Fact("riskstd", content.version), Fact("Seed", "none" if content.seed is None else str(content.seed))]
    facts += [
        Fact("Definition", f"{content.measure.file}, SHA-256 {content.measure.sha256}"),
        Fact("Options", "; ".join(f"{name} = {value}" for name, value in sorted(content.measure.options.items()))),
        Fact("Fidelity", content.fidelity.label),
    ]
    if content.interval is not None and content.model is not None:
        facts += [Fact("Estimator", str(content.model["method"])), Fact("Intervals", interval_sentence(content))]
    return facts + [Fact(str(name), str(value)) for name, value in content.run_facts.items()]


def no_model_sentence(content: ReportInput, counts: Counts, profile: Profile) -> str:
    """Say why there is no model; the public profile does not repeat a hidden count."""
    if hides_text(content.no_model_reason, counts, profile):
        return "The data were too few. The reason is not shown, since it may state a small count."
    return sentence(content.no_model_reason)


def note_sentences(notes: Iterable[str], counts: Counts, profile: Profile) -> list[str]:
    """Write notes and warnings as sentences; public ones leave out, and say so, what holds a hidden count."""
    kept, left_out = [], 0
    for note in notes:
        if hides_text(note, counts, profile):
            left_out += 1
        else:
            kept.append(sentence(note))
    if left_out:
        what = counted(left_out, "further note is", "further notes are")
        kept.append(f"{what} not shown here, since a small count may be stated.")
    return kept


def hides_text(text: str, counts: Counts, profile: Profile) -> bool:
    """Tell whether the profile leaves a sentence out, since it states a small count or a hidden one."""
    return profile == "public" and (states_small_count(text) or counts.is_told_by(text))
