"""The report of one run of one measure: one page that needs no script, no network and no other file."""

from __future__ import annotations

from typing import Any

from riskstd.report.cases import Cases
from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.counts import VISIT_TYPES, Counts
from riskstd.report.disclosure.facilities import (
    ROWS_IN_PAGE,
    count_categories,
    facility_rows,
    interval_name,
)
from riskstd.report.disclosure.suppression import SMALL_CELL
from riskstd.report.figures import Plot
from riskstd.report.national import model_view, quality_view, views
from riskstd.report.national.definition_view import clause_rows, origin_counts, table_facts
from riskstd.report.national.figures import information_per_case, make_plots, may_show_published
from riskstd.report.national.findings import Findings
from riskstd.report.national.headline import (
    headline,
    interval_sentence,
    national_rate_text,
    noun_of,
    window_text,
)
from riskstd.report.national.outliers import MOST_ROWS, category_outliers, funnel_outliers, more_sentence
from riskstd.report.national.score_figures import Published, is_partial, scored_rows
from riskstd.report.national.volume import volume_needs, volume_sentences
from riskstd.report.templating import environment
from riskstd.report.wording import SUPPRESSED, counted, number, percent
from riskstd.spec.describe import ama_notice
from riskstd.spec.fidelity import OFFICIAL

__all__ = ["build_page", "make_plots", "render_report"]


def render_report(
    content: ReportInput,
    *,
    profile: Profile = "facility",
    cases: Cases | None = None,
    published: Published | None = None,
    overdispersion: bool = False,
) -> str:
    """Write the national report of a run as one HTML page.

    Parameters
    ----------
    content : ReportInput
    profile : {"facility-phi", "facility", "public"}
        "public" hides counts of 1 to 10, whatever they can be worked out from, and every number derived from
        them; the others show all numbers. No profile shows a row of a person.
    cases : Cases, optional
        The cases behind the run; without them the page says nothing of discrimination and calibration.
    published : Published, optional
        Published results beside the run.
    overdispersion : bool
        Whether the funnel's limits are widened by the facilities' spread beyond chance.

    Returns
    -------
    str
        The same text for the same content and profile.

    Raises
    ------
    OptionError
        When there is no such profile.
    """
    findings = Findings(content, profile, cases)
    plots = make_plots(
        content, profile=profile, cases=cases, published=published, overdispersion=overdispersion, findings=findings
    )
    return build_page(content, profile, plots, cases=cases, published=published, findings=findings)


def build_page(
    content: ReportInput,
    profile: Profile,
    plots: list[Plot],
    *,
    cases: Cases | None = None,
    published: Published | None = None,
    findings: Findings | None = None,
) -> str:
    """Write the page around figures that were drawn before.

    Parameters
    ----------
    content, profile, cases, published
        As in `render_report`.
    findings : Findings, optional
        As in `make_plots`.
    plots : list of Plot
        From `make_plots`, with the same arguments.

    Returns
    -------
    str
    """
    findings = findings or Findings(content, profile, cases)
    facts = _common(content, profile, findings.counts)
    facts |= {"figures": {plot.name: plot for plot in plots}, "published": None}
    if content.has_rates:
        facts |= _model(findings) | _results(findings)
        if published is not None and may_show_published(published, findings):
            facts["published"] = published
    return environment().get_template("report.html.j2").render(facts)


def _common(content: ReportInput, profile: Profile, counts: Counts) -> dict[str, Any]:
    measure = content.measure
    categories = count_categories(content.rates, measure) if content.rates is not None else None
    warnings = tuple(content.model.get("warnings", ())) if content.model is not None else ()
    noun, nouns = noun_of(measure)
    return {
        "measure": measure,
        "head": measure.definition.measure,
        "period": content.period,
        "noun": noun,
        "nouns": nouns,
        "window": window_text(measure),
        "profile": profile,
        "public": profile == "public",
        "small_cell": SMALL_CELL,
        "suppressed": SUPPRESSED,
        "has_rates": content.has_rates,
        "no_model_reason": views.no_model_sentence(content, counts, profile),
        "headline": headline(content, counts, categories),
        "categories": categories,
        "minimum": measure.definition.score.categories.minimum_cases,
        "fidelity": content.fidelity,
        "official": content.fidelity.label == OFFICIAL,
        "clause_origins": origin_counts(content.fidelity.clauses),
        "clauses": clause_rows(measure),
        "tables": views.table_rows(content),
        "facts": views.measure_facts(content),
        "changed": views.changed_options(measure),
        "sources": sorted(measure.definition.sources.items()),
        "statements": [views.sentence(text) for text in content.statements],
        "notes": views.note_sentences((*content.notes, *warnings), counts, profile),
        "attrition": views.attrition_rows(counts, measure),
        "cases": number(counts["cases"]),
        "events": number(counts["events"]),
        "outcomes": views.outcome_rows(counts, measure),
        "visit_types": [views.TYPE_NAMES[kind] for kind in VISIT_TYPES],
        "visits": views.visit_rows(counts),
        "reasons": list(views.REASON_NAMES.values()),
        "rules": views.rule_rows(counts),
        "days": views.day_rows(counts),
        "unmapped": [(name, number(counts[f"unmapped.{name}"])) for name in sorted(content.unmapped_codes)],
        "version": content.version,
        "run_facts": views.run_facts(content),
        "table_facts": table_facts(measure),
        "ama_notice": " ".join(ama_notice().split()),
    }


def _model(findings: Findings) -> dict[str, Any]:
    content, profile, counts, cases = findings.content, findings.profile, findings.counts, findings.cases
    assert content.model is not None
    quality = findings.quality
    tau = float(content.model["tau"])
    return {
        "factors": model_view.factor_rows(content, counts, profile, cases),
        "model_facts": model_view.model_facts(content),
        "mor": number(model_view.median_odds_ratio(tau), 2),
        "icc": f"{number(100 * model_view.latent_icc(tau), 1)} %",
        "dropped": model_view.dropped_rows(content, counts, profile),
        "model_warnings": model_view.warning_sentences(content.model.get("warnings", ()), counts, profile),
        "has_cases": cases is not None,
        "quality_facts": quality_view.quality_facts(quality),
        "quality_sentence": quality_view.quality_sentence(quality),
        "quality_left_out": quality.left_out,
        "tenths": quality_view.tenth_rows(quality),
        "subgroups": quality_view.subgroup_rows(quality),
    }


def _results(findings: Findings) -> dict[str, Any]:
    content, counts, facilities = findings.content, findings.counts, findings.facilities
    assert content.interval is not None
    assert content.model is not None
    measure, drawn = content.measure, scored_rows(content, facilities)
    hidden = int(facilities.hide_results.sum())
    by_category = category_outliers(facilities, content)
    outside = funnel_outliers(content, facilities, drawn)
    partial = is_partial(content, facilities, drawn)
    tau, information = float(content.model["tau"]), information_per_case(content, findings.cases)
    needs = volume_needs(drawn["cases"].to_numpy(float), tau, information)
    nouns = ("facility shown", "facilities shown") if partial else ("scored facility", "scored facilities")
    return {
        "national_rate": national_rate_text(content, counts),
        "is_ratio": measure.scale.kind == "ratio",
        "unit": measure.scale.unit,
        "labels": measure.definition.score.categories.labels,
        "caution": measure.definition.score.categories.caution,
        "category_rows": views.category_rows(content),
        "interval": interval_sentence(content),
        "interval_name": interval_name(content.interval.level),
        "interval_method": content.interval.method,
        "rows": facility_rows(facilities, measure),
        "rows_total": len(facilities.frame),
        "rows_limit": ROWS_IN_PAGE,
        "rows_hidden": counted(hidden, "facility", "facilities"),
        "any_hidden": hidden > 0,
        "outliers": by_category[:MOST_ROWS],
        "outliers_more": more_sentence(len(by_category), MOST_ROWS),
        "outside": outside[:MOST_ROWS],
        "outside_more": more_sentence(len(outside), MOST_ROWS),
        "needs": [
            (
                f"{need.reliability:g}",
                views.volume_text(need.cases),
                number(need.facilities),
                percent(need.facilities, len(drawn)),
            )
            for need in needs
        ],
        "need_sentences": volume_sentences(needs, len(drawn), nouns) if len(drawn) else [],
        "need_nouns": nouns[1],
    }
