"""The page as a whole: structure, escaping, offline, the same bytes, and what it says without a model."""

from __future__ import annotations

import base64
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from riskstd.errors import InputError, OptionError
from riskstd.report import make_plots, render_report, write_report_files
from riskstd.report.national.figures import FIGURE_NAMES
from riskstd.report.national.page import build_page


@pytest.fixture(scope="module", params=["facility", "public"])
def profile(request):
    return request.param


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("measure_id", ["ASC-12", "ASC-17", "ASC-18", "ASC-19"])
def test_every_measure_has_a_page_that_nests_and_names_its_parts(make_report, measure_id, profile, outline):
    content = make_report(measure_id, 40)
    page = outline(render_report(content, profile=profile))
    assert page.faults == []
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert content.measure.definition.measure.title in page.text
    assert content.measure.sha256 in page.text
    assert content.period in page.text
    assert "not a CMS result" in page.text
    assert "CPT only copyright" in page.text
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"] for attrs in page.all("a")} <= {f"#{name}" for name in ids}


@pytest.mark.usefixtures("no_figures")
def test_tables_have_captions_and_headers_with_scope_and_rows_of_one_width(make_report, profile, outline):
    page = outline(render_report(make_report("ASC-17", 40), profile=profile))
    assert all(caption.strip() for caption in page.captions)
    assert all(attrs.get("scope") in {"col", "row"} for attrs in page.all("th"))
    assert all(len({len(row) for row in rows}) == 1 for rows in page.tables)


def test_figures_have_alternative_text_and_are_inside_the_page(make_report, profile, outline):
    page = outline(render_report(make_report("ASC-12", 40), profile=profile))
    images = page.all("img")
    expected = set(FIGURE_NAMES) - {"predicted_risk", "calibration", "subgroups", "published"}
    assert {attrs["id"] for attrs in page.all("figure")} == {f"figure-{name}" for name in expected}
    assert len(images) == len(expected)
    assert all(len(image["alt"]) > 30 for image in images)
    kind = "image/png" if profile == "public" else "image/svg+xml"
    assert all(image["src"].startswith(f"data:{kind};base64,") for image in images)


def test_nothing_is_fetched_and_nothing_runs(make_report, profile, outline):
    text = render_report(make_report("ASC-12", 40), profile=profile)
    page = outline(text)
    for _, attrs in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert re.match(r"#|data:image/", attrs.get(name) or "#")
        assert not any(name.startswith("on") for name in attrs)
    assert not {"script", "link", "iframe", "object", "form"} & {name for name, _ in page.tags}
    assert "@import" not in text
    assert "url(" not in text


def test_hostile_names_are_text(make_report, make_rates, outline):
    content = make_report("ASC-12", 30)
    names = [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(2)>',
        "$\\frac{",
        "{{ 7*7 }}",
        "日本 & more",
    ]
    rates = content.rates.copy()
    rates.loc[: len(names) - 1, "facility_id"] = names
    hostile = make_report("ASC-12", 30, rates=rates, period="<b>2023</b>", notes=("<i>x</i>",), layout="<u>")
    text = render_report(hostile)
    page = outline(text)
    assert page.faults == []
    assert not page.all("script")
    assert len(page.all("img")) == len(page.all("figure"))
    assert not page.all("i")
    assert not page.all("u")
    listed = {row[0] for row in page.table("All facilities")}
    assert set(names) <= listed


def test_same_content_gives_the_same_bytes_whatever_the_order_of_rows(make_report, tmp_path):
    content = make_report("ASC-19", 50)
    again = make_report("ASC-19", 50)
    rng = np.random.default_rng(0)
    for name in ("rates", "visits", "outcomes", "attrition"):
        frame = getattr(again, name)
        object.__setattr__(again, name, frame.iloc[rng.permutation(len(frame))])
    first = write_report_files(content, tmp_path / "a")
    second = write_report_files(again, tmp_path / "b")
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_style_of_matplotlib_is_left_as_it_was_and_does_not_matter(make_report):
    content = make_report("ASC-12", 20)
    first = render_report(content)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.fonttype": "none", "axes.grid": True}):
        before = dict(mpl.rcParams)
        second = render_report(content)
        assert dict(mpl.rcParams) == before
    assert first == second


def test_without_a_model_the_page_says_why_and_shows_the_rest(make_report, outline):
    page = outline(render_report(make_report("ASC-18", rates=None)))
    assert page.faults == []
    assert "No model, no rates" in page.text
    assert page.text.count("2 facilities have a visit; a model needs 10.") == 2
    assert page.table("Attrition")
    assert page.table("Outcome")[-1][1] == "40"
    assert page.table("The measure and its definition")
    assert {attrs["id"] for attrs in page.all("figure")} == {"figure-attrition", "figure-visits_by_day"}
    assert not any(caption.startswith("All facilities") for caption in page.captions)


def test_a_run_without_any_case_has_a_page(make_report, profile, outline):
    content = make_report("ASC-12", rates=None, n_cases=0, n_events=0)
    page = outline(render_report(content, profile=profile))
    assert page.faults == []
    assert "No colonoscopies are in the cohort" in page.text


@pytest.mark.usefixtures("no_figures")
def test_long_lists_are_cut_and_that_is_said(make_report, outline):
    page = outline(render_report(make_report("ASC-12", 620)))
    rows = page.table("500 of 620 facilities; all are in facility_rates.csv")
    assert len(rows) == 501


@pytest.mark.usefixtures("no_figures")
def test_options_that_differ_from_their_default_are_named(make_report, outline):
    from riskstd.spec import load_measure

    measure = load_measure("ASC-12", options={"carrier_ed": "on"})
    rows = outline(render_report(make_report(measure=measure))).table("Options that differ")
    assert [row[:3] for row in rows[1:]] == [["carrier_ed", "on", "off"]]
    assert "Every option has its default." in render_report(make_report("ASC-12"))


@pytest.mark.usefixtures("no_figures")
def test_attrition_and_outcome_add_up_in_the_facility_profile(make_report, outline):
    content = make_report("ASC-12", 30)
    page = outline(render_report(content))
    number = lambda text: int(text.replace(",", ""))  # noqa: E731
    for row in page.table("Attrition")[1:]:
        before, excluded, after = (number(cell) for cell in row[3:])
        assert before - excluded == after
    outcome = {row[0]: number(row[1]) for row in page.table("Outcome")[1:]}
    parts = [n for text, n in outcome.items() if text.startswith("of these")]
    assert sum(parts) == outcome["Any hospital visit that counts"] == content.n_events
    days = page.table("Visits that count, by day")[1:]
    assert sum(number(row[-1]) for row in days) == int(content.visits["counted"].sum())


@pytest.mark.usefixtures("no_figures")
def test_no_row_of_a_person_is_shown(make_report, profile):
    content = make_report("ASC-12", 30)
    text = render_report(content, profile=profile)
    assert "SECRET" not in text
    assert "2023-05-01" not in text
    assert "K922" not in text
    assert "SECRET" not in repr(content)


@pytest.mark.usefixtures("no_figures")
def test_model_that_failed_is_not_praised(make_report, make_model):
    content = make_report("ASC-12", 30, model=make_model(converged=False, singular=True, tau=0.0, dropped=[]))
    text = render_report(content)
    assert "did not converge" in text
    assert "every ratio is 1" in text
    assert "No risk factor was left out." in text


@pytest.fixture
def three_figures(monkeypatch):
    """Reports with the first three figures, where a test asks about files only."""
    monkeypatch.setattr("riskstd.report.files.make_plots", lambda *args, **options: make_plots(*args, **options)[:3])
    return FIGURE_NAMES[:3]


def test_files_are_written_together_and_stale_figures_go(make_report, three_figures, tmp_path):
    content = make_report("ASC-12", 6)
    written = write_report_files(content, tmp_path)
    assert written[-1] == tmp_path / "report" / "index.html"
    plots = make_plots(content)[:3]
    assert written[-1].read_text("utf-8") == build_page(content, "facility", plots)
    drawn = set(three_figures)
    folder = tmp_path / "report"
    assert {path.name for path in (folder / "figures").iterdir()} == {f"{n}.{k}" for n in drawn for k in ("png", "svg")}
    assert {path.name for path in (folder / "data").iterdir()} == {f"{name}.csv" for name in drawn}
    written = write_report_files(content, tmp_path, profile="public")
    left = {path.name for path in (folder / "figures").iterdir()}
    assert left == {path.name for path in written if path.suffix == ".png"}
    assert "attrition.png" in left
    assert not list(folder.rglob("*.svg"))


@pytest.mark.usefixtures("three_figures")
def test_a_failed_write_leaves_the_old_report(make_report, tmp_path, monkeypatch):
    content = make_report("ASC-12", 6)
    write_report_files(content, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full_disk(*_):
        raise OSError("no space")

    monkeypatch.setattr("riskstd.report.files.os.fdopen", full_disk)
    with pytest.raises(InputError, match="cannot be written to"):
        write_report_files(make_report("ASC-12", 7, seed=9), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_vector_figures_hold_no_date_and_no_program(make_report, outline):
    page = outline(render_report(make_report("ASC-12", 20)))
    for image in page.all("img"):
        svg = base64.b64decode(image["src"].partition(",")[2])
        assert b"<dc:date>" not in svg
        assert b"Matplotlib v" not in svg


@pytest.mark.usefixtures("no_figures")
def test_unknown_profile_and_half_results_are_refused(make_report):
    content = make_report("ASC-12", 20)
    with pytest.raises(OptionError, match="facility, public"):
        render_report(content, profile="secret")
    with pytest.raises(InputError, match="without model"):
        make_report("ASC-12", 20, model=None)
    with pytest.raises(InputError, match="no_model_reason"):
        make_report("ASC-12", rates=None, no_model_reason=" ")
    with pytest.raises(InputError, match="lacks 1 column"):
        make_report("ASC-12", 20, attrition=content.attrition.drop(columns="source"))
    with pytest.raises(InputError, match="one per case"):
        make_report("ASC-12", 20, outcomes=content.outcomes.head(3))


@pytest.mark.usefixtures("no_figures")
def test_counts_that_do_not_belong_together_are_refused(make_report):
    content = make_report("ASC-12", 20)
    lost = content.visits[content.visits["visit_type"] != "ed"]
    with pytest.raises(InputError, match="events and most_serious"):
        render_report(make_report("ASC-12", 20, visits=lost))
    broken = content.attrition.assign(excluded=content.attrition["excluded"] + 1)
    with pytest.raises(InputError, match="do not hold"):
        render_report(make_report("ASC-12", 20, attrition=broken))


@pytest.mark.usefixtures("no_figures")
def test_frames_are_not_changed(make_report):
    content = make_report("ASC-12", 20)
    copies = {name: getattr(content, name).copy() for name in ("rates", "visits", "outcomes", "attrition")}
    render_report(content, profile="public")
    for name, frame in copies.items():
        pd.testing.assert_frame_equal(getattr(content, name), frame)
