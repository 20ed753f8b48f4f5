"""The report of one run of one measure: one page that needs no script, no network and no other file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from riskstd.report import views
from riskstd.report.content import Profile, ReportInput, check_profile
from riskstd.report.counts import VISIT_TYPES, Counts, count_run
from riskstd.report.facilities import (
    ROWS_IN_PAGE,
    Facilities,
    count_categories,
    facility_rows,
    interval_name,
    is_scored,
    read_facilities,
    rows_where,
)
from riskstd.report.figures import Plot
from riskstd.report.funnel import LIMIT_LEVELS, calibration_of, funnel_of
from riskstd.report.headline import (
    headline,
    interval_sentence,
    national_rate_text,
    noun_of,
    window_text,
)
from riskstd.report.plots import caterpillar_title, funnel_title, plot_caterpillar, plot_funnel
from riskstd.report.suppression import SMALL_CELL
from riskstd.report.wording import SUPPRESSED, counted, level_text, number
from riskstd.spec.describe import ama_notice
from riskstd.spec.fidelity import OFFICIAL

if TYPE_CHECKING:
    import pandas as pd

TEMPLATES = Path(__file__).parent / "templates"


def render_report(content: ReportInput, *, profile: Profile = "facility") -> str:
    """Write the report of a run as one HTML page.

    Parameters
    ----------
    content : ReportInput
    profile : {"facility", "public"}
        "public" hides counts of 1 to 10, whatever they can be worked out from, and every number derived from
        them; "facility" shows all numbers. No profile shows a row of a person.

    Returns
    -------
    str
        The same text for the same content and profile.

    Raises
    ------
    OptionError
        When there is no such profile.
    """
    return build_page(content, check_profile(profile), make_plots(content, profile=profile))


def make_plots(content: ReportInput, *, profile: Profile = "facility") -> list[Plot]:
    """Draw the figures of a report; none without rates, and public ones from shown rows only, as images.

    Parameters
    ----------
    content : ReportInput
    profile : {"facility", "public"}

    Returns
    -------
    list of Plot
    """
    if not content.has_rates:
        return []
    facilities = read_facilities(content, check_profile(profile))
    rows = rows_where(facilities.drawable, is_scored(facilities.drawable, content.measure))
    plots = []
    if len(rows):
        plots.append(_caterpillar(content, facilities, rows, profile))
    if np.any(rows["observed"].to_numpy() > 0):
        plots.append(_funnel(content, facilities, rows, profile))
    return plots


def build_page(content: ReportInput, profile: Profile, plots: list[Plot]) -> str:
    """Write the page around figures that were drawn before."""
    counts = count_run(content, profile)
    facts = _common(content, profile, counts)
    if content.has_rates:
        facts |= _results(content, profile, counts, plots)
    return _environment().get_template("report.html.j2").render(facts)


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
        "no_model_reason": views.no_model_sentence(content, profile),
        "headline": headline(content, counts, categories),
        "categories": categories,
        "minimum": measure.definition.score.categories.minimum_cases,
        "fidelity": content.fidelity,
        "official": content.fidelity.label == OFFICIAL,
        "clause_origins": views.origin_counts(content.fidelity.clauses),
        "tables": views.table_rows(content),
        "facts": views.measure_facts(content),
        "changed": views.changed_options(measure),
        "sources": sorted(measure.definition.sources.items()),
        "statements": [views.sentence(text) for text in content.statements],
        "notes": views.note_sentences((*content.notes, *warnings), profile),
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
        "run_facts": _run_facts(content),
        "ama_notice": " ".join(ama_notice().split()),
    }


def _results(content: ReportInput, profile: Profile, counts: Counts, plots: list[Plot]) -> dict[str, Any]:
    assert content.interval is not None
    facilities = read_facilities(content, profile, counts)
    measure = content.measure
    hidden = int(facilities.hide_results.sum())
    return {
        "national_rate": national_rate_text(content, counts),
        "is_ratio": measure.scale.kind == "ratio",
        "unit": measure.scale.unit,
        "labels": measure.definition.score.categories.labels,
        "caution": measure.definition.score.categories.caution,
        "factors": views.factor_rows(content, profile),
        "model_facts": views.model_facts(content),
        "mor": number(views.median_odds_ratio(float(content.model["tau"])), 2),  # type: ignore[index]
        "dropped": views.dropped_rows(content, profile),
        "interval": interval_sentence(content),
        "interval_name": interval_name(content.interval.level),
        "interval_method": content.interval.method,
        "rows": facility_rows(facilities, measure),
        "rows_total": len(facilities.frame),
        "rows_limit": ROWS_IN_PAGE,
        "rows_hidden": counted(hidden, "facility", "facilities"),
        "any_hidden": hidden > 0,
        "plots": plots,
    }


def _caterpillar(content: ReportInput, facilities: Facilities, rows: pd.DataFrame, profile: Profile) -> Plot:
    assert content.interval is not None
    level, partial = content.interval.level, _is_partial(content, facilities, rows)
    figure = plot_caterpillar(
        rows,
        content.measure,
        national_rate=content.national_rate,
        level=level,
        source=_source(content),
        partial=partial,
    )
    title = caterpillar_title(rows, content.measure, partial=partial)
    caption = (
        f"Scored facilities from the lowest to the highest score, each with its {interval_name(level)}. "
        "Where an interval holds the line, the facility cannot be told from it."
    )
    alt = f"Caterpillar plot. {title}. The facility table below holds the numbers."
    return _plot("caterpillar", alt, caption + _left_out(content, facilities, rows), figure, profile)


def _funnel(content: ReportInput, facilities: Facilities, rows: pd.DataFrame, profile: Profile) -> Plot:
    rate, partial = content.national_rate, _is_partial(content, facilities, rows)
    factor = calibration_of(facilities.frame)
    figure = plot_funnel(
        rows,
        content.measure,
        national_rate=rate,
        source=_source(content),
        partial=partial,
        calibration=factor,
    )
    funnel = funnel_of(rows, content.measure, national_rate=rate, calibration=factor)
    title = funnel_title(funnel, partial=partial)
    inner, outer = (level_text(level) for level in LIMIT_LEVELS)
    caption = (
        "Observed rates of scored facilities after risk adjustment, before shrinkage, against volume. "
        f"Between the lines lie {inner} and {outer} of facilities of that size if all were average and only "
        "chance were at work. The categories come from the model, so a facility outside the lines may "
        "still be no different."
    )
    alt = f"Funnel plot. {title}. The facility table below holds the numbers."
    return _plot("funnel", alt, caption + _left_out(content, facilities, rows), figure, profile)


def _plot(name: str, alt: str, caption: str, figure: Any, profile: Profile) -> Plot:
    return Plot(name, alt, caption, figure, vector=profile != "public")


def _is_partial(content: ReportInput, facilities: Facilities, rows: pd.DataFrame) -> bool:
    return len(rows) < int(np.count_nonzero(is_scored(facilities.frame, content.measure)))


def _left_out(content: ReportInput, facilities: Facilities, rows: pd.DataFrame) -> str:
    left = int(np.count_nonzero(is_scored(facilities.frame, content.measure))) - len(rows)
    if left == 0:
        return ""
    return f" Not drawn: {counted(left, 'scored facility', 'scored facilities')} whose numbers are not shown."


def _source(content: ReportInput) -> str:
    measure = content.measure
    return (
        f"Source: {measure.id}, specification year {measure.spec_year}, {content.period}; "
        f"{content.fidelity.label}; riskstd {content.version}"
    )


def _run_facts(content: ReportInput) -> list[views.Fact]:
    seed = "none" if content.seed is None else str(content.seed)
    facts = [views.Fact("riskstd", content.version), views.Fact("Seed", seed)]
    return facts + [views.Fact(str(name), str(value)) for name, value in content.run_facts.items()]


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
