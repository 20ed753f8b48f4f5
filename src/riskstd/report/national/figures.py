"""All figures of the national report, in the order of the page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from riskstd.report.cases import Cases
from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.facilities import Facilities
from riskstd.report.figures import Plot, Sheet
from riskstd.report.national.cohort_figures import attrition_plot, days_plot
from riskstd.report.national.findings import Findings
from riskstd.report.national.model_view import drawable_terms
from riskstd.report.national.odds_figures import odds_plot, subgroup_plot
from riskstd.report.national.risk_figures import calibration_plot, risk_plot
from riskstd.report.national.score_figures import (
    THIS_RUN,
    Published,
    caterpillar_plot,
    funnel_plot,
    is_partial,
    left_out_sentence,
    published_plot,
    scored_rows,
)
from riskstd.report.national.shrinkage_figure import shrinkage_plot
from riskstd.report.national.volume_figures import rate_volume_plot, reliability_plot

FIGURE_NAMES = (
    "attrition",
    "visits_by_day",
    "odds_ratios",
    "predicted_risk",
    "calibration",
    "subgroups",
    "caterpillar",
    "funnel",
    "shrinkage",
    "rate_by_volume",
    "reliability",
    "published",
)
"""Names of all figures that a national report can have, in the order of the page."""


def make_plots(
    content: ReportInput,
    *,
    profile: Profile = "facility",
    cases: Cases | None = None,
    published: Published | None = None,
    overdispersion: bool = False,
    findings: Findings | None = None,
) -> list[Plot]:
    """Draw the figures of a report, public ones from what may be shown only, and as images.

    Parameters
    ----------
    content : ReportInput
    profile : {"facility-phi", "facility", "public"}
    cases : Cases, optional
        Without them, figures of predicted risk and calibration are left out.
    published : Published, optional
        Published results beside the run.
    overdispersion : bool
        Whether the funnel's limits are widened by the facilities' spread beyond chance.
    findings : Findings, optional
        Of the same content, profile and cases, where they are there already.

    Returns
    -------
    list of Plot

    Raises
    ------
    OptionError
        When there is no such profile.
    """
    findings = findings or Findings(content, profile, cases)
    counts = findings.counts
    sheet = Sheet(source_line(content), vector=profile != "public")
    plots: list[Plot | None] = [attrition_plot(counts, sheet), days_plot(counts, sheet)]
    if content.has_rates:
        plots.append(odds_plot(drawable_terms(content, counts, profile, cases), sheet))
        quality = findings.quality
        plots += [risk_plot(quality.risks, sheet), calibration_plot(quality, sheet), subgroup_plot(quality, sheet)]
        plots += _facility_plots(content, findings.facilities, cases, sheet, overdispersion=overdispersion)
        if published is not None and may_show_published(published, findings):
            plots.append(published_plot(published, content.measure, sheet))
    return [plot for plot in plots if plot is not None]


def may_show_published(published: Published, findings: Findings) -> bool:
    """Tell whether the profile may show a comparison: a public one rests on the facilities that may be drawn."""
    if findings.profile != "public":
        return True
    drawn = scored_rows(findings.content, findings.facilities)
    return np.count_nonzero(published.plot_data["source"] == THIS_RUN) == len(drawn)


def information_per_case(content: ReportInput, cases: Cases | None) -> float:
    """Return the mean of p(1-p): of the cases, or at each facility's mean risk without them."""
    if cases is not None and len(cases):
        return float(np.mean(cases.expected * (1.0 - cases.expected)))
    assert content.rates is not None
    n, p = content.rates["cases"].to_numpy(float), content.rates["expected"].to_numpy(float)
    return float(np.sum(n * p * (1.0 - p)) / np.sum(n))


def source_line(content: ReportInput) -> str:
    """Return the line below every figure: measure, period, fidelity and version."""
    measure = content.measure
    return (
        f"Source: {measure.id}, specification year {measure.spec_year}, {content.period}; "
        f"{content.fidelity.label}; riskstd {content.version}"
    )


def _facility_plots(
    content: ReportInput, facilities: Facilities, cases: Cases | None, sheet: Sheet, *, overdispersion: bool
) -> list[Plot | None]:
    assert content.model is not None
    rows, measure = scored_rows(content, facilities), content.measure
    sheet = replace(sheet, note=left_out_sentence(content, facilities, rows))
    information = information_per_case(content, cases)
    tau, partial = float(content.model["tau"]), is_partial(content, facilities, rows)
    return [
        caterpillar_plot(content, facilities, rows, sheet),
        funnel_plot(content, facilities, rows, sheet, overdispersion=overdispersion),
        shrinkage_plot(rows, measure, sheet),
        rate_volume_plot(rows, measure, content.national_rate, sheet),
        reliability_plot(rows, tau, information, sheet, partial=partial),
    ]
