"""The national report with its cases: sections, figures, words, profiles, sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from riskstd.report import make_plots, render_report
from riskstd.report.disclosure.counts import count_run
from riskstd.report.national.figures import FIGURE_NAMES, may_show_published
from riskstd.report.national.findings import Findings
from riskstd.report.national.model_view import drawable_terms
from riskstd.report.national.page import build_page
from riskstd.report.national.score_figures import scored_rows


@dataclass
class FakePublished:
    plot_data: pd.DataFrame
    unit: str = "visits per 1,000 colonoscopies"
    sentences: list[str] = field(default_factory=lambda: ["Scores of <b>this run</b> spread less."])
    summary_rows: list[tuple[str, ...]] = field(default_factory=lambda: [("Median score", "9.8", "10.1")])


def published_beside(scores) -> FakePublished:
    theirs = np.linspace(5, 20, 50)
    return FakePublished(
        pd.DataFrame(
            {
                "score": np.concatenate([scores, theirs]),
                "source": ["this run"] * len(scores) + ["published"] * len(theirs),
            }
        )
    )


@pytest.fixture(scope="module", params=["facility", "public"])
def profile(request):
    return request.param


def test_every_section_is_there_with_every_figure(make_report, make_cases, outline):
    content = make_report("ASC-12", 60)
    published = published_beside(content.rates["rate"])
    text = render_report(content, cases=make_cases(content), published=published)
    page = outline(text)
    assert page.faults == []
    assert [attrs["id"] for attrs in page.all("figure")] == [f"figure-{name}" for name in FIGURE_NAMES]
    captions = [
        "The fit",
        "Discrimination and calibration",
        "Calibration by tenth of predicted risk",
        "Calibration by subgroup",
        "Facilities by category",
        "Cases that a reliability needs",
        "Clauses of the definition in force",
        "Code tables and their hashes",
        "This run beside published results",
        "How to repeat it",
    ]
    assert all(page.table(caption) for caption in captions)
    assert "Scores of <b>this run</b> spread less." in page.text
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_headings_come_in_order_and_wide_parts_can_be_reached(make_report, make_cases, outline, profile):
    content = make_report("ASC-19", 60)
    page = outline(render_report(content, profile=profile, cases=make_cases(content)))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    regions = [attrs for attrs in page.all("div") if "scroll" in (attrs.get("class") or "").split()]
    assert len(regions) == len(page.tables) + len(page.all("figure"))
    assert all(attrs["tabindex"] == "0" and attrs["role"] == "region" for attrs in regions)
    labels = [attrs["aria-label"] for attrs in regions]
    assert len(labels) == len(set(labels))


def test_without_cases_what_needs_them_is_left_out(make_report, outline):
    page = outline(render_report(make_report("ASC-12", 40)))
    assert "c-statistic is the share" in page.text
    assert not any(caption.startswith(("Calibration", "Discrimination")) for caption in page.captions)
    assert "figure-predicted_risk" not in {attrs["id"] for attrs in page.all("figure")}


def test_same_bytes_twice(make_report, make_cases, profile):
    first, second = (
        render_report(content, profile=profile, cases=make_cases(content))
        for content in (make_report("ASC-18", 12), make_report("ASC-18", 12))
    )
    assert first == second


def test_no_row_of_a_person_and_no_small_group_is_on_the_page(make_report, make_cases, outline, profile):
    content = make_report("ASC-17", 80)
    text = render_report(content, profile=profile, cases=make_cases(content))
    assert "SECRET" not in text
    if profile == "public":
        page = outline(text)
        for caption, first in (("Calibration by tenth", 1), ("Calibration by subgroup", 2)):
            for row in page.table(caption)[1:]:
                cases, events = (int(cell.replace(",", "")) for cell in row[first : first + 2])
                assert not 1 <= events <= 10
                assert not 1 <= cases - events <= 10


def test_alt_text_and_data_hold_the_numbers(make_report, make_cases):
    content = make_report("ASC-12", 60)
    cases = make_cases(content)
    plots = {plot.name: plot for plot in make_plots(content, cases=cases)}
    assert all(plot.data is not None and len(plot.data) for plot in plots.values())
    last = plots["attrition"].data.iloc[-1]
    assert f"{last['excluded']:,} procedures set aside, {last['after']:,} kept" in plots["attrition"].alt
    by_day = plots["visits_by_day"].data
    assert by_day["visits"].sum() == content.visits["counted"].sum()
    assert f"{by_day['visits'].iloc[0]:,} on day 0" in plots["visits_by_day"].alt
    for row in plots["odds_ratios"].data.itertuples():
        assert f"{row.odds_ratio:.2f} ({row.lower:.2f} to {row.upper:.2f})" in plots["odds_ratios"].alt
    tenths = plots["calibration"].data
    assert tenths["cases"].sum() == len(cases)
    assert f"group 10: predicted {100 * tenths['predicted'].iloc[9]:.2f} %" in plots["calibration"].alt
    assert f"{plots['caterpillar'].data['rate'].max():.1f}" in plots["caterpillar"].alt
    assert f"{plots['shrinkage'].data['observed_expected'].max():.2f}" in plots["shrinkage"].alt
    assert f"{np.median(plots['reliability'].data['reliability']):.2f}" in plots["reliability"].alt


def test_no_facility_below_the_minimum_and_no_hidden_one_is_drawn(make_report, make_cases):
    content = make_report("ASC-17", 90)
    cases, minimum = make_cases(content), content.measure.definition.score.categories.minimum_cases
    too_few = set(content.rates.loc[content.rates["cases"] < minimum, "facility_id"])
    small = content.rates["observed"].between(1, 10) | (content.rates["cases"] - content.rates["observed"]).between(
        1, 10
    )
    hidden = too_few | set(content.rates.loc[small, "facility_id"])
    assert too_few
    for who, excluded in (("facility", too_few), ("public", hidden)):
        for plot in make_plots(content, profile=who, cases=cases):
            if "facility_id" in plot.data:
                assert len(plot.data)
                assert not excluded & set(plot.data["facility_id"])


def test_public_figures_by_day_leave_out_hidden_cells(make_report):
    content = make_report("ASC-17", 40)
    counts = count_run(content, "public")
    plots = {plot.name: plot for plot in make_plots(content, profile="public")}
    for row in plots["visits_by_day"].data.itertuples():
        assert (row.visits == "[c]") == (f"day.{row.visit_type}.{row.day}" in counts.hidden)
        assert row.visits == "[c]" or not 1 <= row.visits <= 10
    heights = [bar.get_height() for axes in plots["visits_by_day"].figure.axes for bar in axes.patches]
    assert not any(1 <= height <= 10 for height in heights)


def test_public_page_hides_the_interval_of_a_factor_with_few_visits(make_report, make_cases, make_model, outline):
    content = make_report("ASC-17", 60)
    cases = make_cases(content)
    rare = cases.X.copy()
    rare[:, 0] = 0.0
    rare[np.flatnonzero(cases.outcome)[:4], 0] = 1.0
    rare[np.flatnonzero(cases.outcome == 0)[:400], 0] = 1.0
    cases.X.setflags(write=True)
    cases.X[:] = rare
    model = make_model()
    model["coefficients"] = [
        {**model["coefficients"][1], "factor": cases.factors[0].name, "label": "Rare one", "prevalence": 0.05}
    ]
    content = make_report("ASC-17", 60, model=model)
    rows = {
        who: outline(build_page(content, who, [], cases=cases)).table("Risk factors: odds")
        for who in ("facility", "public")
    }
    assert re.fullmatch(r"[\d.]+ to [\d.]+", rows["facility"][1][4])
    assert rows["public"][1][4] == "[c]"
    assert drawable_terms(content, count_run(content, "public"), "public", cases) == []


def test_public_comparison_must_rest_on_public_rows(make_report, outline):
    content = make_report("ASC-12", 120)
    public = Findings(content, "public")
    every = published_beside(content.rates["rate"])
    assert not may_show_published(every, public)
    assert may_show_published(every, Findings(content, "facility"))
    assert "spread less" not in build_page(content, "public", [], published=every)
    drawn = scored_rows(content, public.facilities)
    assert 0 < len(drawn) < len(content.rates)
    page = outline(build_page(content, "public", [], published=published_beside(drawn["rate"])))
    assert page.table("This run beside published results")[1] == ["Median score", "9.8", "10.1"]


def test_markup_in_names_is_text(make_report, make_cases, make_model, outline):
    label = '<script>alert("$\\frac{")</script>'
    model = make_model()
    model["coefficients"][0]["label"] = label
    content = make_report("ASC-12", 20, model=model)
    rates = content.rates.assign(facility_id=[f"<i>{k}</i>" for k in range(len(content.rates))])
    content = make_report("ASC-12", 20, model=model, rates=rates)
    page = outline(render_report(content, cases=make_cases(content)))
    assert page.faults == []
    assert not page.all("script")
    assert not page.all("i")
    assert label in {row[0] for row in page.table("Risk factors: odds")}


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("measure_id", ["ASC-12", "ASC-19"])
def test_few_facilities_can_be_read(make_report, make_cases, outline, measure_id, n, profile):
    content = make_report(measure_id, n, seed=3)
    page = outline(render_report(content, profile=profile, cases=make_cases(content)))
    assert page.faults == []
    assert "nan" not in page.text.replace("governance", "").lower().split()


def test_thousands_of_facilities_stay_small(make_report, outline):
    content = make_report("ASC-17", 5000)
    text = render_report(content)
    assert len(text) < 6_000_000
    assert outline(text).faults == []


@pytest.mark.usefixtures("no_figures")
def test_every_clause_is_listed_with_source_and_origin(make_report, outline):
    content = make_report("ASC-18", 20)
    rows = outline(render_report(content)).table("Clauses of the definition")[1:]
    assert len(rows) == sum(content.fidelity.clauses.values())
    assert all(cell.strip() for row in rows for cell in row)
    origins = [row[3] for row in rows]
    assert {origins.count("public CMS material"), origins.count("reconstructed"), origins.count("assumed")} == set(
        content.fidelity.clauses.values()
    )


@pytest.mark.usefixtures("no_figures")
def test_model_facts_and_categories(make_report, make_model, outline):
    model = make_model(tau_se=0.0512, n_nodes=7, iterations=9, warnings=["3 replicates failed"])
    content = make_report("ASC-12", 40, model=model)
    page = outline(render_report(content))
    facts = dict(page.table("The fit"))
    assert facts["Spread of facility effects (tau)"] == "0.250 log odds, standard error 0.051"
    assert facts["Share of variation between facilities (ICC)"] == "0.0186 on the latent scale, 1.9 %"
    assert facts["State"] == "converged (9 iterations)"
    assert "3 replicates failed." in page.text
    assert "3 replicates failed" not in render_report(content, profile="public")
    rows = page.table("Facilities by category")[1:]
    assert sum(int(row[1]) for row in rows[:-1]) == int(rows[-1][1]) == 40


def test_outliers_are_listed_beside_their_plot(make_report, make_rates, outline):
    content = make_report("ASC-12", 60)
    labels = content.measure.definition.score.categories.labels
    rates = content.rates.assign(category=labels.no_different)
    big = rates["cases"].to_numpy().argmax()
    rates.loc[big, ["category", "observed"]] = [labels.worse, int(rates["cases"].iloc[big] * 0.2)]
    rates.loc[rates["cases"] < 30, "category"] = labels.too_few
    page = outline(render_report(make_report("ASC-12", 60, rates=rates)))
    name = rates["facility_id"].iloc[big]
    assert [row[:2] for row in page.table("Facilities better or worse")[1:]] == [[name, "Worse"]]
    outside = page.table("Facilities outside the 99.8 %")[1:]
    assert [name, "above"] in [row[:2] for row in outside]
    assert all(row[0] in set(rates.loc[rates["cases"] >= 30, "facility_id"]) for row in outside)


def test_an_empty_run_has_no_figure_of_results(make_report, outline, profile):
    content = make_report("ASC-12", rates=None, n_cases=0, n_events=0)
    names = [plot.name for plot in make_plots(content, profile=profile)]
    assert names == ["attrition"]
    assert outline(render_report(content, profile=profile)).faults == []
