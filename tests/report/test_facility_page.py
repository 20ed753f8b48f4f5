"""The page of one facility: what it says for every kind of facility, and what each profile must not hold."""

from __future__ import annotations

import base64
import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from riskstd.errors import InputError, OptionError
from riskstd.rates import score_facilities
from riskstd.report import IntervalFacts, ReportInput
from riskstd.report.cases import read_cases
from riskstd.report.facility.page import PageShared, facility_figures, render_facility_page
from riskstd.report.facility.shared import BAND_FACILITIES
from riskstd.spec import fidelity_of, load_measure

PROFILES = ("facility-phi", "facility", "public")
MU, BETA, TAU = -3.9, np.array([0.7, 0.25]), 0.45
KINDS = ("ed", "observation", "inpatient")


def make_run(measure_id="ASC-17", sizes=(), visits=None, *, n=40, seed=2, period="2022 to 2023", level=0.95, **changes):
    """A run whose rates are those of its cases; `sizes` and `visits` fix the first facilities."""
    measure = load_measure(measure_id)
    rng = np.random.default_rng(seed)
    cases = np.append(np.array(sizes, dtype=int), rng.integers(20, 160, n - len(sizes)))
    facility = np.repeat([f"{1_700_000_000 + 7919 * k}" for k in range(n)], cases)
    total = len(facility)
    X = np.column_stack([rng.random(total) < 0.2, rng.normal(0, 1, total)]).astype(float)
    y = (rng.random(total) < 1 / (1 + np.exp(-(MU + X @ BETA)))).astype(int)
    ends = np.cumsum(cases)
    for k, count in enumerate(visits or ()):
        y[ends[k] - cases[k] : ends[k]] = np.arange(cases[k]) < count
    rates = score_facilities(
        y, X, facility, mu=MU, beta=BETA, tau=TAU, measure=measure, national_rate="observed", level=level
    )
    numbers = np.arange(total) + 500_000
    procedures = pd.DataFrame(
        {
            "procedure_id": numbers,
            "person_id": [f"PERSON{k}" for k in range(total)],
            "facility_id": facility,
            "procedure_date": pd.Timestamp("2022-02-03").date(),
            "codes": "45378",
            "index_code": "45378",
            "work_rvu": 3.1,
            "qualifying_procedures": 1,
            "age_years": 71,
            "died_in_window": False,
            "facilities_same_day": 1,
            "claim_id": [f"CLAIM{k}" for k in range(total)],
        }
    )
    events = numbers[y == 1]
    table = pd.DataFrame(
        {
            "procedure_id": events,
            "visit_type": rng.choice(KINDS, len(events)),
            "start_date": pd.Timestamp("2022-02-05").date(),
            "days_after": rng.integers(0, 8, len(events)),
            "planned": False,
            "planned_rule": "no_planned_procedure",
            "counted": True,
            "not_counted_because": None,
            "facility_visited": "050001",
            "principal_diagnosis": "K9289",
            "claim_id": [f"VISITCLAIM{k}" for k in range(len(events))],
        }
    )
    table.loc[table["visit_type"] != "inpatient", "planned_rule"] = "never_planned_visit_type"
    outcomes = pd.DataFrame({"procedure_id": numbers, "outcome": y})
    coefficients = [
        {"factor": "flag", "label": "Heart failure", "beta": BETA[0], "prevalence": float(X[:, 0].mean())},
        {"factor": "age", "label": "Age", "beta": BETA[1], "mean": float(X[:, 1].mean())},
    ]
    model = {
        "method": "agq",
        "mu": MU,
        "tau": TAU,
        "coefficients": coefficients,
        "log_likelihood": -1.0,
        "converged": True,
        "singular": False,
    }
    steps = [(0, "raw input", "claims", "claim line", total, 0)]
    columns = ["step", "rule", "source", "unit", "procedures_before", "excluded"]
    attrition = pd.DataFrame(steps, columns=columns).assign(procedures_after=total)
    fields = {
        "measure": measure,
        "period": period,
        "version": "0.1.0",
        "seed": 1,
        "fidelity": fidelity_of(measure),
        "layout": "CCW",
        "attrition": attrition,
        "visits": table,
        "outcomes": outcomes,
        "n_cases": total,
        "model": model,
        "rates": rates.to_frame(),
        "interval": IntervalFacts("plug-in", level=level),
        "national_rate": rates.national_rate,
        **changes,
    }
    content = ReportInput(**fields)
    risk = pd.DataFrame({"procedure_id": numbers, "flag": X[:, 0], "age": X[:, 1]})
    return content, read_cases(procedures, table, outcomes, risk, model, content.rates)


@pytest.fixture(scope="module")
def run():
    """A run whose first facilities are: many visits, none, few, one case, as expected, all visits."""
    return make_run(sizes=(900, 60, 12, 1, 700, 40), visits=(60, 0, 1, 0, 15, 40))


def names(run):
    return run[0].rates["facility_id"].tolist()


def everything_in(text):
    """Text of a page with its vector figures decoded."""
    images = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text)
    page = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    return page + "".join(base64.b64decode(image).decode("utf-8") for image in images)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("place", range(6))
def test_every_kind_of_facility_has_a_page_that_nests(run, place, profile, outline):
    page = outline(render_facility_page(*run, names(run)[place], profile=profile))
    assert page.faults == []
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert all(caption.strip() for caption in page.captions)
    assert all(attrs.get("scope") in {"col", "row"} for attrs in page.all("th"))
    assert all(len({len(row) for row in rows}) == 1 for rows in page.tables)
    assert all(len(image["alt"]) > 30 for image in page.all("img"))
    assert not {"script", "link", "iframe", "object", "form"} & {name for name, _ in page.tags}
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        assert all(re.match(r"#|data:image/", attrs.get(name) or "#") for name in ("src", "href"))
    assert "nan" not in page.text.replace("finan", "")
    assert "None" not in page.text


@pytest.mark.parametrize("measure_id", ["ASC-12", "ASC-17", "ASC-18", "ASC-19"])
def test_the_page_says_where_the_facility_stands(measure_id, outline):
    content, cases = make_run(measure_id, sizes=(900, 400), visits=(80, 0))
    row = content.rates.iloc[0]
    page = outline(render_facility_page(content, cases, row["facility_id"]))
    decimals = 2 if measure_id == "ASC-19" else 1
    assert row["category"] == content.measure.definition.score.categories.labels.worse
    assert row["category"] in page.text
    assert f"Our score is {row['rate']:.{decimals}f}" in page.text
    assert "The whole range lies above" in page.text
    assert "Of 900" in page.text
    assert "80 were followed by" in page.text
    assert re.search(r"With \d+ fewer visits \(\d+ instead of 80\) the label would be", page.text)
    assert "With more visits the label would stay as it is." in page.text
    quiet = outline(render_facility_page(content, cases, content.rates["facility_id"][1])).text
    assert "none was followed by" in quiet
    assert "Without any visit the score is still not 0" in quiet


def test_a_facility_below_the_minimum_gets_counts_but_no_score(run, outline):
    for place in (2, 3):
        page = outline(render_facility_page(*run, names(run)[place]))
        assert "A score needs 35 cases" in page.text
        assert "Our score" not in page.text
        assert not page.all("img")
        assert "Below 35 cases no label is given" in page.text
    assert "1 was followed by" in outline(render_facility_page(*run, names(run)[2])).text
    assert "The 1 procedure was not followed by" in outline(render_facility_page(*run, names(run)[3])).text


def test_small_facilities_are_told_what_they_can_never_reach(run, outline):
    text = outline(render_facility_page(*run, names(run)[1])).text
    assert "There was no visit, and still the label is not “Better" in text
    assert "cannot be reached at this volume, not even without any visit" in text
    every = outline(render_facility_page(*run, names(run)[5])).text
    assert "40 were followed by" in every


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("place", range(6))
def test_no_profile_holds_what_it_must_not(run, place, profile):
    content, cases = run
    own = names(run)[place]
    text = everything_in(render_facility_page(content, cases, own, profile=profile))
    assert not [name for name in names(run) if name != own and name in text]
    assert not re.search(r"PERSON\d|CLAIM\d|050001", text)
    assert "2022-02-05" not in text
    mine = [str(number) for number in cases.of_facility(own).procedures["procedure_id"]]
    others = set(cases.procedures["procedure_id"].astype(str)) - set(mine)
    found = set(re.findall(r"(?<![\d.])5\d{5}(?![\d.])", text))
    assert not found & others
    listed = profile == "facility-phi" and content.rates["observed"][place] > 0
    assert bool(found & set(mine)) == listed
    assert ("2022-02-03" in text) == listed
    assert ("K9289" in text) == listed


@pytest.mark.parametrize(("place", "shown"), [(0, True), (1, True), (2, False), (3, False), (4, True), (5, True)])
def test_the_public_page_shows_the_category_alone_where_counts_are_small(run, place, shown, outline):
    page = outline(render_facility_page(*run, names(run)[place], profile="public"))
    assert run[0].rates["category"][place] in page.text
    if not shown:
        assert "The category is all that is shown" in page.text
        assert not page.all("img")
        assert not page.all("dl")
    assert "Beside peers" not in page.text
    assert "svg+xml" not in render_facility_page(*run, names(run)[place], profile="public")


def test_the_public_page_hides_visits_of_1_to_10_and_all_but_1_to_10(outline):
    content, cases = make_run(sizes=(400, 400, 60, 60), visits=(10, 11, 50, 49), n=30)
    hidden = []
    for name in content.rates["facility_id"][:4]:
        text = outline(render_facility_page(content, cases, name, profile="public")).text
        hidden.append("The category is all that is shown" in text)
    assert hidden[0]
    assert hidden[2]


def test_the_grey_curve_is_of_means_of_many_and_the_data_hold_no_single_other(run):
    content, cases = run
    own = names(run)[0]
    shared = PageShared.of(content, cases)
    band = shared.band("facility")
    scored = len(band.sorted_scores)
    assert 0 < len(band.place) <= scored // BAND_FACILITIES
    figures = {figure.name: figure for figure in facility_figures(content, cases, own, shared=shared)}
    assert set(figures) == {"position", "steps", "power"}
    scores = figures["position"].data["score"].to_numpy()[:-1]
    assert not np.isin(scores, content.rates["rate"].to_numpy()).any()
    assert figures["position"].data["score"].iloc[-1] == content.rates["rate"][0]


def test_a_run_of_one_or_few_facilities_draws_no_other(outline):
    for n in (1, 2, 11):
        content, cases = make_run(sizes=(300,), visits=(12,), n=n)
        page = outline(render_facility_page(content, cases, content.rates["facility_id"][0]))
        assert page.faults == []
        assert "too few for a curve" in page.text
        assert re.search(rf"Rank \d+ of {int((content.rates['cases'] >= 35).sum())} scored facilit", page.text)


def test_peers_whose_numbers_would_tell_of_a_single_facility_are_not_shown(run, outline):
    class States:
        def name_of(self, npi):
            return {names(run)[0]: "<b>Hill & Dale</b>"}.get(npi)

        def state_of(self, npi):
            return "MA"

        def npis_in(self, state):
            return names(run)[:places]

    def peers():
        page = outline(render_facility_page(*run, names(run)[0], directory=States()))
        assert "NPI " + names(run)[0] in page.text
        assert "<b>Hill & Dale</b>" in page.text
        assert not page.all("b")
        return next(row for row in page.table("Beside peers") if row[0] == "Facilities in MA")

    places = 2
    assert peers()[1:] == ["[c]"] * 5
    places = 20
    rates = run[0].rates.iloc[:20]
    assert peers()[1:3] == ["20", f"{rates['cases'].sum():,}"]


def test_same_input_gives_the_same_bytes_whatever_the_order_of_rows(run):
    content, cases = run
    again = dataclasses.replace(content, rates=content.rates.iloc[::-1].reset_index(drop=True))
    for profile in PROFILES:
        own = names(run)[4]
        first = render_facility_page(content, cases, own, profile=profile)
        shared = PageShared.of(again, cases)
        render_facility_page(again, cases, names(run)[0], profile=profile, shared=shared)
        assert render_facility_page(again, cases, own, profile=profile, shared=shared) == first


def test_hostile_text_is_text(outline):
    content, cases = make_run(sizes=(300,), visits=(12,), n=20, period="<script>alert(1)</script> $x^2$ {{ 7*7 }}")
    page = outline(render_facility_page(content, cases, content.rates["facility_id"][0], profile="facility-phi"))
    assert page.faults == []
    assert not page.all("script")
    assert "{{ 7*7 }}" in page.text


def test_without_intervals_there_is_no_label_and_that_is_said(run, outline):
    content, cases = run
    rates = content.rates.assign(lower=np.nan, upper=np.nan, category=None)
    bare = dataclasses.replace(content, rates=rates, interval=IntervalFacts("none"))
    page = outline(render_facility_page(bare, cases, names(run)[0]))
    assert page.faults == []
    assert "No label" in page.text
    assert "made no interval estimates" in page.text
    assert "nan" not in page.text


def test_no_spread_between_facilities_means_nothing_changes_the_label(run, outline):
    content, cases = run
    rates = content.rates.assign(
        ratio=1.0, predicted=content.rates["expected"], rate=content.comparator, lower=content.comparator
    )
    labels = content.measure.definition.score.categories.labels
    flat = dataclasses.replace(
        content,
        rates=rates.assign(upper=content.comparator, effect=0.0, category=labels.no_different),
        model={**content.model, "tau": 0.0},
    )
    page = outline(render_facility_page(flat, cases, names(run)[0]))
    assert page.faults == []
    assert "found no difference between facilities" in page.text
    assert "times the expected one" not in page.text


@pytest.mark.parametrize("profile", PROFILES)
def test_trend_over_runs_with_a_facility_missing_in_one(run, profile, outline):
    content, cases = run
    oldest, _ = make_run(sizes=(800,), visits=(90,), seed=5, period="2018 to 2019")
    middle, _ = make_run(sizes=(850,), visits=(70,), seed=6, period="2020 to 2021")
    missing = dataclasses.replace(middle, rates=middle.rates.iloc[1:].reset_index(drop=True))
    own = names(run)[0]
    shared = PageShared.of(content, cases)
    three = outline(render_facility_page(content, cases, own, profile=profile, history=(oldest, middle), shared=shared))
    assert "relative to the nation of its own period" in three.text
    now, before = (c.rates["rate"][0] / c.comparator for c in (content, middle))
    factor = f"{now / before:.2f}"
    assert f"In 2022 to 2023 the score against the nation was {factor} times that of 2020 to 2021" in three.text
    assert re.search(r"The interval (holds 1|lies (above|below) 1)", three.text)
    assert any("2018 to 2019: " in image["alt"] for image in three.all("img"))
    gap = outline(render_facility_page(content, cases, own, profile=profile, history=(oldest, missing), shared=shared))
    assert "In 2020 to 2021 there were no cases." in gap.text
    assert "times that of 2018 to 2019" in gap.text
    few = outline(render_facility_page(content, cases, names(run)[2], history=(oldest,)))
    assert "In 2022 to 2023 there were fewer than 35 cases" in few.text
    assert "none is stated" in few.text


def test_earlier_runs_must_be_of_the_measure_and_of_other_periods(run):
    own = names(run)[0]
    with pytest.raises(InputError, match="another measure: ASC-12"):
        render_facility_page(*run, own, history=(make_run("ASC-12", period="2020")[0],))
    with pytest.raises(InputError, match="2 runs name 1 different periods"):
        render_facility_page(*run, own, history=(run[0],))


def test_unknown_facility_profile_and_a_run_without_rates_are_refused(run):
    with pytest.raises(InputError, match="facility 'X' has no rate in this run"):
        render_facility_page(*run, "X")
    with pytest.raises(OptionError, match="profile 'all'"):
        render_facility_page(*run, names(run)[0], profile="all")
    bare = dataclasses.replace(
        run[0], rates=None, model=None, interval=None, national_rate=None, no_model_reason="too few"
    )
    with pytest.raises(InputError, match="without model and rates"):
        render_facility_page(bare, run[1], names(run)[0])


def test_long_lists_are_cut_and_that_is_said(run, outline):
    page = outline(render_facility_page(*run, names(run)[0], profile="facility-phi"))
    table = page.table("Cases with a visit, lowest risk first; 48 more are in the workbook")
    risks = [float(row[-1].split(" %")[0]) for row in table[1:]]
    assert len(risks) == 12
    assert risks == sorted(risks)
    counts = outline(render_facility_page(*run, names(run)[0])).table("Visits that count")
    assert sum(int(row[-1]) for row in counts[1:]) == 60
