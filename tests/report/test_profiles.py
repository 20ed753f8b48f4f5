"""Fields that a profile forbids, looked for everywhere in what it publishes."""

from __future__ import annotations

import base64
import re

import numpy as np
import pandas as pd
import pytest

from riskstd.report import make_plots
from riskstd.report.cases import Cases, Factor
from riskstd.report.disclosure.public_export import public_files
from riskstd.report.disclosure.suppression import is_small
from riskstd.report.national.page import build_page
from riskstd.report.published.directory import Directory, Entry

PROFILES = ("facility-phi", "facility", "public")
DATE = pd.Timestamp("1997-03-14").date()
PERSON, CLAIM, STAY, VISITED, CODE = "PERSONX", "CLAIMX", "STAYX", "HOSPITALX", "G0QZ9"
FORBIDDEN = {
    "person": [PERSON],
    "claim": [CLAIM, STAY],
    "hospital of a visit": [VISITED],
    "diagnosis or code of a case": [CODE],
    "date": ["1997-03-14", "14 March 1997", "March 14, 1997", "03/14/1997", "3/14/97", "19970314", "14.03.1997"],
}


_HELD = {}


@pytest.fixture
def run(make_report):
    """A run with marks in every field that tells of a person."""
    if "run" not in _HELD:
        _HELD["run"] = marked_run(make_report)
    return _HELD["run"]


@pytest.fixture
def published(run):
    """All that a profile publishes of the run; made once."""

    def of(profile):
        if profile not in _HELD:
            _HELD[profile] = publish(*run, profile)
        return _HELD[profile]

    return of


def marked_run(make_report):
    content = make_report("ASC-17", 60)
    n = content.n_cases
    visits = content.visits.assign(
        claim_id=[f"{STAY}{k}" for k in range(len(content.visits))],
        facility_visited=VISITED,
        principal_diagnosis=CODE,
        start_date=DATE,
    )
    content = make_report("ASC-17", 60, visits=visits)
    procedures = pd.DataFrame(
        {
            "procedure_id": np.arange(n),
            "person_id": [f"{PERSON}{k}" for k in range(n)],
            "facility_id": np.repeat(content.rates["facility_id"].to_numpy(), content.rates["cases"].to_numpy()),
            "procedure_date": DATE,
            "claim_id": [f"{CLAIM}{k}" for k in range(n)],
            "codes": CODE,
            "index_code": CODE,
            "age_years": 65 + np.arange(n) % 30,
        }
    )
    X = (np.arange(n)[:, None] % np.array([2, 3, 50]) == 0).astype(float)
    factors = tuple(Factor(f"factor_{k}", f"Factor {k}", 0.1, is_flag=True) for k in range(3))
    risk = content.national_rate * np.exp(0.3 * np.sin(np.arange(n)))
    outcome = content.outcomes["outcome"].to_numpy(np.int64)
    return content, Cases(procedures, visits, outcome, X, factors, risk, risk)


def publish(content, cases, profile):
    """Everything that is published under a profile: figures, and text by where it stands."""
    plots = make_plots(content, profile=profile, cases=cases)
    texts = {"page": build_page(content, profile, plots, cases=cases)}
    for plot in plots:
        texts[f"{plot.name} words"] = plot.alt + plot.caption
        texts[f"{plot.name} image"] = plot.png.decode("latin-1")
        texts[f"{plot.name} vector"] = (plot.svg or b"").decode("utf-8")
        if plot.data is not None:
            texts[f"{plot.name} data"] = plot.data.to_csv()
    if profile == "public":
        directory = Directory({npi: Entry(name="Center", state="MA") for npi in content.rates["facility_id"]})
        texts |= {name: text.decode("utf-8") for name, text in public_files(content, directory=directory).items()}
    return plots, texts


@pytest.mark.parametrize("field", FORBIDDEN)
@pytest.mark.parametrize("profile", PROFILES)
def test_no_profile_of_the_national_report_tells_of_a_person(published, profile, field):
    _, texts = published(profile)
    assert len(texts) > 5
    for where, text in texts.items():
        for mark in FORBIDDEN[field]:
            assert mark not in text, (where, mark)


@pytest.mark.parametrize("profile", PROFILES)
def test_images_inside_the_page_are_searched_too(published, profile):
    page = published(profile)[1]["page"]
    images = re.findall(r"data:image/([a-z+]+);base64,([A-Za-z0-9+/=]+)", page)
    assert images
    for kind, data in images:
        text = base64.b64decode(data).decode("latin-1")
        assert not any(mark in text for marks in FORBIDDEN.values() for mark in marks)
        if profile == "public":
            assert kind == "png"


def test_public_figures_are_images_without_points(published):
    plots, texts = published("public")
    assert plots
    assert all(plot.svg is None for plot in plots)
    assert "<svg" not in texts["page"]
    assert any(plot.svg is not None for plot in published("facility")[0])


def test_public_figures_hold_no_text_of_their_making(published):
    for plot in published("public")[0]:
        kinds = re.findall(rb"(tEXt|iTXt|zTXt)(.{0,60})", plot.png, re.DOTALL)
        assert all(value.startswith(b"Software") for _, value in kinds)


def facilities_below_the_minimum(content):
    minimum = content.measure.definition.score.categories.minimum_cases
    return content.rates[content.rates["cases"] < minimum]


def test_public_output_holds_no_number_of_a_facility_below_the_minimum(run, published, outline):
    content, _ = run
    below = facilities_below_the_minimum(content)
    assert len(below) > 3
    _, texts = published("public")
    tables = outline(texts["page"]).tables
    for npi in below["facility_id"]:
        rows = [row for table in tables for row in table if row[0] == npi]
        assert rows
        for row in rows:
            assert set(row[2:]) == {"[c]"}
        for where, text in texts.items():
            if where.endswith(" data"):
                assert npi not in text, where
        (line,) = [line for line in texts["ASC_Facility.csv"].splitlines() if npi in line]
        assert line.endswith("N/A,Number of Cases Too Small,N/A,N/A,N/A,1")


def test_public_output_holds_no_number_of_a_facility_with_few_visits(run, published, outline):
    content, _ = run
    few = content.rates[content.rates["observed"].map(is_small) & (content.rates["cases"] >= 35)]
    assert len(few) > 3
    _, texts = published("public")
    table = outline(texts["page"]).table("All facilities")
    for npi in few["facility_id"]:
        (row,) = [row for row in table if row[0] == npi]
        assert set(row[3:]) == {"[c]"}
        assert not any(npi in text for where, text in texts.items() if where.endswith(" data"))
        (line,) = [line for line in texts["ASC_Facility.csv"].splitlines() if npi in line]
        assert line.endswith("N/A,N/A,N/A,c")


def test_the_facility_profile_shows_what_the_public_one_hides(run, published):
    content, _ = run
    assert "[c]" not in published("facility")[1]["page"]
    assert "[c]" in published("public")[1]["page"]
    npi = facilities_below_the_minimum(content)["facility_id"].iloc[0]
    assert npi in published("facility")[1]["page"]
