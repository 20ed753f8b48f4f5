"""The workbook of a facility: recomputed from its cells, searched for what a profile forbids, and looked at."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import openpyxl
import pandas as pd
import pytest
from scipy.special import expit

from riskstd.errors import InputError, OptionError
from riskstd.report import IntervalFacts
from riskstd.report.cases import Factor, read_cases
from riskstd.report.workbook.book import WorkbookShared, _own, facility_workbook
from riskstd.report.workbook.cases import CASE_FIELDS, cases_sheet
from riskstd.report.workbook.shared import OUTCOME
from riskstd.report.workbook.sheet import END, HEADER_ROW
from riskstd.spec import load_measure

PROFILES = ("facility-phi", "facility", "public")
HEADER = HEADER_ROW + 1
MU, TAU = -2.2, 0.4
NASTY = '=HYPERLINK("http://example.org","x")<b>&amp;'
ALL_EVENTS, NO_EVENTS, ONE_CASE, FEW = "9000000001", "9000000002", "9000000003", "9000000004"


def make_run(make_report, measure_id="ASC-17", n_facilities=48, seed=4, **facilities):
    """A run whose tables hang together: facilities by id with their cases, and special ones."""
    rng = np.random.default_rng(seed)
    measure = load_measure(measure_id)
    sizes = {f"{1_000_000_000 + 7 * k}": int(rng.integers(60, 400)) for k in range(n_facilities)}
    sizes |= {ALL_EVENTS: 40, NO_EVENTS: 120, ONE_CASE: 1, FEW: 12, NASTY: 50} | facilities
    ids = np.array(sorted(sizes))
    facility = np.repeat(ids, [sizes[name] for name in ids])
    n = len(facility)
    names = measure.factor_columns[:5]
    X = (rng.random((n, len(names))) < 0.2).astype(float)
    if measure_id != "ASC-12":
        X[:, 0] = rng.integers(0, 30, n)
    else:
        X[:, :4] = np.eye(5)[rng.integers(0, 5, n)][:, :4]
    beta = np.linspace(0.02, 0.4, len(names))
    effects = rng.normal(0, TAU, len(ids))
    log_odds = MU + X @ beta
    outcome = (rng.random(n) < expit(log_odds + np.repeat(effects, [sizes[i] for i in ids]))).astype(np.int64)
    outcome[facility == ALL_EVENTS], outcome[facility == NO_EVENTS] = 1, 0
    numbers = rng.permutation(n) + 1000
    procedures = pd.DataFrame(
        {
            "procedure_id": numbers,
            "person_id": [f"PERSON{k:06}" for k in numbers],
            "facility_id": facility,
            "procedure_date": [date(2023, 2, 1) + timedelta(days=int(k)) for k in rng.integers(0, 500, n)],
            "codes": "29881 29880",
            "index_code": "29881",
            "work_rvu": 7.0,
            "qualifying_procedures": 2,
            "age_years": rng.integers(65, 95, n),
            "died_in_window": False,
            "facilities_same_day": 1,
            "claim_id": [f"CLAIMP{k:06}" for k in numbers],
        }
    )
    risk = pd.DataFrame(X, columns=names).assign(procedure_id=numbers)
    rates = _rates(measure, ids, facility, outcome, expit(log_odds), effects, log_odds)
    coefficients = [
        {
            "factor": name,
            "label": "=" + name if k == 1 else name,
            "beta": float(b),
            "se": 0.1,
            "odds_ratio": float(np.exp(b)),
            "lower": 0.9,
            "upper": 1.9,
            **({"prevalence": float(x.mean())} if set(x) <= {0.0, 1.0} else {"mean": float(x.mean())}),
        }
        for k, (name, b, x) in enumerate(zip(names, beta, X.T, strict=True))
    ]
    model = {
        "method": "agq",
        "mu": MU,
        "tau": TAU,
        "coefficients": coefficients,
        "log_likelihood": -1.0,
        "converged": True,
        "singular": False,
        "dropped": [{"factor": "rare", "label": "Rare", "reason": "3 cases have it"}],
        "warnings": ["4 replicates were dropped"],
    }
    visits = _visits(numbers, outcome, procedures["procedure_date"], rng)
    outcomes = pd.DataFrame({"procedure_id": numbers, "outcome": outcome})
    content = make_report(
        measure_id,
        rates=rates,
        n_cases=n,
        n_events=int(outcome.sum()),
        visits=visits,
        outcomes=outcomes,
        model=model,
        national_rate=float(outcome.mean()),
    )
    return SimpleNamespace(
        content=content, cases=read_cases(procedures, visits, outcomes, risk, model, rates), rates=rates
    )


def _rates(measure, ids, facility, outcome, expected, effects, log_odds):
    scale = {"per_1000": 1000.0, "percent": 100.0, "ratio": 1.0}[measure.scale.kind]
    is_ratio = measure.scale.kind == "ratio"
    factor = 1.0 if is_ratio else outcome.mean() * scale
    labels, minimum = measure.definition.score.categories.labels, measure.definition.score.categories.minimum_cases
    rows = []
    for name, effect in zip(ids, effects, strict=True):
        own = facility == name
        predicted, mean = expit(log_odds[own] + effect).mean(), expected[own].mean()
        ratio = predicted / mean
        observed = int(outcome[own].sum())
        rows.append(
            {
                "facility_id": name,
                "cases": int(own.sum()),
                "observed": observed,
                "observed_rate": observed / own.sum() / (mean if is_ratio else 1) * scale,
                "predicted": predicted,
                "expected": mean,
                "ratio": ratio,
                "rate": ratio * factor,
                "lower": 0.6 * ratio * factor,
                "upper": 1.7 * ratio * factor,
                "category": labels.too_few if own.sum() < minimum else labels.no_different,
                "reliability": 0.4,
                "effect": effect,
                "effect_se": 0.2,
            }
        )
    return pd.DataFrame(rows)


def _visits(numbers, outcome, days, rng):
    events = np.flatnonzero(outcome)
    planned = np.flatnonzero(outcome == 0)[::9]
    rows = np.concatenate([events, planned])
    counted = np.arange(len(rows)) < len(events)
    kind = np.where(counted, rng.choice(["ed", "observation", "inpatient"], len(rows)), "inpatient")
    after = rng.integers(0, 8, len(rows))
    rule = np.where(kind == "inpatient", "no_planned_procedure", "never_planned_visit_type")
    return pd.DataFrame(
        {
            "procedure_id": numbers[rows],
            "visit_type": kind,
            "start_date": [days.iloc[k] + timedelta(days=int(d)) for k, d in zip(rows, after, strict=True)],
            "days_after": after,
            "planned": ~counted,
            "planned_rule": np.where(counted, rule, "PA2"),
            "counted": counted,
            "not_counted_because": pd.Series(np.where(counted, None, "planned"), dtype=object),
            "facility_visited": "050001",
            "principal_diagnosis": "K922",
            "claim_id": [f"CLAIMV{k:06}" for k in rows],
        }
    )


@pytest.fixture
def run(make_report):
    return make_run(make_report)


@pytest.fixture
def directory(run):
    """Two big states, and one in which the first facility is alone."""
    ids = run.cases.facility_ids.tolist()
    states = {npi: ("TX", "CA")[k % 2] for k, npi in enumerate(ids)} | {ids[0]: "RI"}
    return SimpleNamespace(name_of=lambda npi: f"-Center {npi[-3:]}", state_of=states.get)


def read(content: bytes):
    return openpyxl.load_workbook(io.BytesIO(content))


def table(book, name):
    """Rows of a sheet below its headers, as mappings; and the row above the headers."""
    sheet = book[name]
    rows = list(sheet.iter_rows(values_only=True))
    headers = rows[HEADER_ROW]
    last = int(re.search(r"\d+$", next(iter(sheet.tables.values())).ref)[0])
    return [dict(zip(headers, row, strict=True)) for row in rows[HEADER:last]], dict(
        zip(headers, rows[HEADER_ROW - 1], strict=True)
    )


def figures(book):
    """The row of sheet Results without the numbers of its notes."""
    (row,), _ = table(book, "Results")
    return {re.sub(r" \(.*| \[.*", "", key).split(",")[0]: value for key, value in row.items()}


def rate_row(run, facility_id):
    return run.rates.set_index("facility_id").loc[facility_id]


def package_text(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "\n".join(archive.read(name).decode("utf-8") for name in archive.namelist())


@pytest.mark.parametrize("measure_id", ["ASC-12", "ASC-17", "ASC-19"])
def test_the_score_is_recomputed_from_the_cells(make_report, measure_id):
    run = make_run(make_report, measure_id)
    for facility_id in (ALL_EVENTS, NO_EVENTS, ONE_CASE, FEW, run.cases.facility_ids[5]):
        book = read(facility_workbook(run.content, run.cases, facility_id))
        rows, above = table(book, "Cases")
        factors = list(above)[len(CASE_FIELDS) : -2]
        x = np.array([[row[h] for h in factors] for row in rows], dtype=float)
        beta = np.array([above[h] for h in factors], dtype=float)
        means = {}
        for header in ("Expected (probability)", "Predicted (probability)"):
            p = 1 / (1 + np.exp(-(x @ beta + above[header])))
            np.testing.assert_allclose(p, [row[header] for row in rows], rtol=0, atol=1e-10)
            means[header] = p.mean()
        expected, predicted = means.values()
        truth, shown = rate_row(run, facility_id), figures(book)
        assert predicted == pytest.approx(truth["predicted"], abs=1e-10)
        assert expected == pytest.approx(truth["expected"], abs=1e-10)
        assert predicted / expected == pytest.approx(truth["ratio"], abs=1e-10)
        assert sum(row["Outcome (1 = visit, 0 = none)"] for row in rows) == truth["observed"] == shown["Observed"]
        assert len(rows) == truth["cases"] == shown["Cases"]
        for name in ("predicted", "expected", "ratio", "reliability"):
            assert shown[name.capitalize()] == pytest.approx(truth[name], abs=1e-10)
        assert shown["Score"] == pytest.approx(truth["rate"], abs=1e-10)
        assert shown["Lower limit"] == pytest.approx(truth["lower"], abs=1e-10)
        assert shown["Upper limit"] == pytest.approx(truth["upper"], abs=1e-10)
        assert shown["Category"] == truth["category"]
        ratio_to_rate = 1 if measure_id == "ASC-19" else shown["National rate"]
        assert shown["Ratio"] * ratio_to_rate == pytest.approx(shown["Score"], abs=1e-10)


def test_cases_hold_the_first_visit_that_counts(run):
    book = read(facility_workbook(run.content, run.cases, run.cases.facility_ids[3]))
    own = run.cases.of_facility(run.cases.facility_ids[3])
    rows, _ = table(book, "Cases")
    visits = own.visits.set_index("procedure_id")
    assert {row["Case (number)"] for row in rows} == set(own.procedures["procedure_id"])
    seen = 0
    for row in rows:
        if row["Visits in the window (visits)"] == 0:
            assert row["Visit type"] == row["Visit date (yyyy-mm-dd)"] == "N/A"
            continue
        seen += 1
        visit = visits.loc[row["Case (number)"]]
        assert row["Visit date (yyyy-mm-dd)"].date() == visit["start_date"]
        assert row["Days after the procedure (days)"] == visit["days_after"]
        assert row["Counts (yes / no)"] == ("yes" if visit["counted"] else "no")
        assert row["Why it does not count"] == ("N/A" if visit["counted"] else "planned")
    assert seen == len(own.visits) > 5
    listed, _ = table(book, "Case visits")
    assert sorted(row["Case (number)"] for row in listed) == sorted(own.visits["procedure_id"])


def test_a_case_with_several_visits_shows_the_one_that_counts(run):
    own = run.cases.of_facility(NO_EVENTS)
    number = int(own.procedures["procedure_id"].iloc[0])
    extra = own.visits.iloc[[0, 0]].assign(procedure_id=number)
    extra["days_after"], extra["visit_type"] = [1, 5], ["inpatient", "ed"]
    extra["counted"], extra["not_counted_because"] = [False, True], ["planned", None]
    visits = pd.concat([own.visits[own.visits["procedure_id"] != number], extra], ignore_index=True)
    sheet = _cases_sheet_of(run, NO_EVENTS, visits)
    row = next(row for row in sheet.rows if row[0] == number)
    assert row[7] == 2
    assert row[8] == "ed"
    assert row[10] == 5


def _cases_sheet_of(run, facility_id, visits):
    own = _own(WorkbookShared.of(run.content, run.cases), run.cases, facility_id, "facility-phi")
    return cases_sheet(replace(own, cases=replace(own.cases, visits=visits)))


def test_visits_add_up(run):
    name = run.cases.facility_ids[7]
    rows, _ = table(read(facility_workbook(run.content, run.cases, name, profile="facility")), "Visits")
    by_text = {row["Figure"]: [row[c] for c in list(row)[2:]] for row in rows}
    visits, truth = run.cases.of_facility(name).visits, rate_row(run, name)
    days = np.array([by_text[f"Visits that count, day {day}"] for day in range(8)])
    assert days.sum(axis=0).tolist() == by_text["Visits that count"]
    assert by_text["Visits that count"][0] == visits["counted"].sum() > 0
    assert by_text["Not counted: planned admission"][0] == (~visits["counted"]).sum() > 0
    assert (
        by_text["Planned by rule PA2, a diagnosis that is always planned"] == by_text["Not counted: planned admission"]
    )
    assert by_text["Visits in the window"][0] == len(visits)
    for values in by_text.values():
        assert values[1:] == ["N/A"] * 3 or sum(values[1:]) == values[0]
    assert by_text["Cases with a visit that counts, observed"][0] == truth["observed"]
    assert by_text["Cases with a visit, predicted"][0] == pytest.approx(truth["cases"] * truth["predicted"])
    assert by_text["Cases with a visit, expected"][0] == pytest.approx(truth["cases"] * truth["expected"])


def test_risk_factors_are_those_of_the_cases(run):
    name = run.cases.facility_ids[7]
    rows, _ = table(read(facility_workbook(run.content, run.cases, name, profile="facility")), "Risk factors")
    own = run.cases.of_facility(name)
    for k, row in enumerate(rows):
        assert row["Coefficient (log odds)"] == pytest.approx(run.cases.factors[k].beta, rel=1e-14)
        if run.cases.factors[k].is_flag:
            assert row["This facility (cases with it)"] == own.X[:, k].sum()
            assert row["This facility (% or mean)"] == pytest.approx(100 * own.X[:, k].mean())
            assert row["Nation (cases with it)"] == run.cases.X[:, k].sum()
            assert row["Nation (% or mean)"] == pytest.approx(100 * run.cases.X[:, k].mean())
        else:
            assert row["This facility (cases with it)"] == row["Nation (cases with it)"] == "N/A"
            assert row["This facility (% or mean)"] == pytest.approx(own.X[:, k].mean())
            assert row["Nation (% or mean)"] == pytest.approx(run.cases.X[:, k].mean())


def test_comparison_adds_up_the_groups(run, directory):
    name = run.cases.facility_ids[8]
    rows, _ = table(read(facility_workbook(run.content, run.cases, name, directory=directory)), "Comparison")
    by_text = {row["Figure"]: row for row in rows if row["Unit"] != "% of facilities"}
    assert list(rows[0])[2:] == ["This facility", "Peers of similar volume", "State (TX)", "Nation"]
    ids = run.rates["facility_id"]
    of_state = run.rates[[directory.state_of(npi) == "TX" for npi in ids]]
    cut = np.quantile(run.rates["cases"], [0.25, 0.5, 0.75])
    quarter = np.searchsorted(cut, run.rates["cases"], side="left")
    of_peers = run.rates[quarter == quarter[ids.tolist().index(name)]]
    for label, frame in (("State (TX)", of_state), ("Peers of similar volume", of_peers), ("Nation", run.rates)):
        assert by_text["Facilities"][label] == len(frame)
        assert by_text["Cases"][label] == frame["cases"].sum()
        assert by_text["Cases with a visit"][label] == frame["observed"].sum()
        assert by_text["Observed rate"][label] == pytest.approx(100 * frame["observed"].sum() / frame["cases"].sum())
        middle = frame.loc[frame["cases"] >= 35, "rate"].median()
        assert by_text["Score that half of scored facilities lie below"][label] == round(middle, 1)
    assert by_text["Category"]["This facility"] == rate_row(run, name)["category"]


def test_groups_follow_the_small_cell_rule_for_every_facility(run, directory):
    shared = WorkbookShared.of(run.content, run.cases, directory)
    hidden = shown = 0
    for place in range(len(shared.ids)):
        for group in shared.groups_seen_by(place, nation_only=False):
            for name, counts in group.counts.items():
                for column, count in enumerate(counts):
                    value = group.count(name, column)
                    if not isinstance(value, int):
                        hidden += 1
                        continue
                    shown += 1
                    assert value == count
                    assert not 1 <= value <= 10
                    assert not 1 <= value - shared.tables[name][place, column] <= 10
    assert hidden > 20
    assert shown > 1000


def test_a_state_with_few_other_facilities_is_not_shown(run):
    ids = run.cases.facility_ids.tolist()
    states = dict.fromkeys(ids, "TX") | dict.fromkeys(ids[:3], "RI")
    directory = SimpleNamespace(name_of=lambda npi: None, state_of=states.get)
    book = read(facility_workbook(run.content, run.cases, ids[0], directory=directory))
    rows, _ = table(book, "Comparison")
    assert {row["State (RI)"] for row in rows} <= {"[c]", "N/A"}
    factors, _ = table(book, "Risk factors")
    assert {row["State (RI) (% or mean)"] for row in factors} == {"[c]"}


def test_national_figures_are_rounded_where_the_others_have_few_events(make_report):
    run = make_run(make_report, n_facilities=8)
    book = read(facility_workbook(run.content, run.cases, NO_EVENTS))
    shown, truth = figures(book), rate_row(run, NO_EVENTS)
    others = len(run.rates) - 1
    assert others > 10
    assert shown["Score"] == pytest.approx(truth["rate"], abs=1e-10)
    run = make_run(make_report, n_facilities=5)
    assert len(run.rates) - 1 == 9
    book = read(facility_workbook(run.content, run.cases, NO_EVENTS))
    shown, truth = figures(book), rate_row(run, NO_EVENTS)
    assert shown["Score"] == round(truth["rate"], 1)
    assert shown["National rate"] == round(100 * run.content.national_rate, 1)
    assert shown["Ratio"] == pytest.approx(truth["ratio"], abs=1e-10)
    rows, _ = table(book, "Comparison")
    assert {row["Nation"] for row in rows} <= {"[c]", "N/A"}


@pytest.mark.parametrize("profile", ["facility", "public"])
def test_no_person_no_claim_and_no_date_without_the_phi_profile(run, directory, profile):
    name = run.cases.facility_ids[2]
    assert len(run.cases.of_facility(name).visits) > 5
    content = facility_workbook(run.content, run.cases, name, profile=profile, directory=directory)
    text = package_text(content)
    assert not re.search(r"PERSON\d|CLAIM[PV]\d", text)
    assert "K922" not in text
    assert "050001" not in text
    assert set(re.findall(r"\d{4}-\d{2}-\d{2}", text)) == {"2000-01-01"}
    book = read(content)
    assert not {"Cases", "Case visits"} & set(book.sheetnames)
    serials = set(range(44000, 47000))
    for sheet in book:
        assert sheet.sheet_state == "visible"
        assert not any(d.hidden for d in sheet.column_dimensions.values())
        assert not any(d.hidden for d in sheet.row_dimensions.values())
        for row in sheet.iter_rows():
            for cell in row:
                assert not cell.is_date
                assert cell.comment is None
                assert not (isinstance(cell.value, int) and cell.value in serials)


def test_the_phi_profile_holds_the_persons_of_the_facility_only(run):
    name = run.cases.facility_ids[2]
    text = package_text(facility_workbook(run.content, run.cases, name))
    own = run.cases.of_facility(name).procedures
    assert set(re.findall(r"PERSON\d{6}", text)) == set(own["person_id"])
    assert not re.search(r"CLAIM[PV]\d", text)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_other_facility_is_identified(run, directory, profile):
    shared = WorkbookShared.of(run.content, run.cases, directory)
    for name in (run.cases.facility_ids[2], NO_EVENTS):
        text = package_text(facility_workbook(run.content, run.cases, name, profile=profile, shared=shared))
        assert f"NPI {name}" in text
        assert not [other for other in run.cases.facility_ids if other != name and other in text]


def test_the_public_profile_hides_small_counts_and_what_follows_from_them(run):
    shared = WorkbookShared.of(run.content, run.cases)
    few = shown = 0
    for name in run.cases.facility_ids:
        book = read(facility_workbook(run.content, run.cases, name, profile="public", shared=shared))
        truth, row = rate_row(run, name), figures(book)
        small_events = 1 <= truth["observed"] <= 10 or 1 <= truth["cases"] - truth["observed"] <= 10
        if truth["cases"] < 35:
            assert row["Cases"] == "[c]"
        if truth["cases"] < 35 or small_events:
            few += 1
            numbers = {key: value for key, value in row.items() if key not in {"Cases", "Category", "National rate"}}
            assert set(numbers.values()) == {"[c]"}
            cover = {part["Part"]: part["What it says"] for part in table(book, "Cover")[0]}
            assert cover["Result"].endswith("by the rule for small cells.")
        elif row["Observed"] != "[c]":
            shown += 1
            assert row["Score"] == pytest.approx(truth["rate"])
        for rows in (table(book, sheet)[0] for sheet in ("Visits", "Comparison", "Risk factors")):
            for line in rows:
                if line.get("Unit") in {"visits", "procedures", "facilities"}:
                    counts = [value for key, value in line.items() if isinstance(value, int)]
                    assert not [n for n in counts if 1 <= n <= 10], (name, line)
                assert not 1 <= _number(line.get("This facility (cases with it)")) <= 10
        assert "Peers of similar volume" not in table(book, "Comparison")[0][0]
    assert few >= 3
    assert shown >= 10


def _number(value):
    return value if isinstance(value, int) else 0


def test_notes_leave_out_small_counts(run):
    rows, _ = table(read(facility_workbook(run.content, run.cases, FEW)), "Notes")
    text = "\n".join(row["Note"] for row in rows)
    assert "3 cases have it" not in text
    assert "4 replicates" not in text
    assert "1,204 diagnosis codes are newer than the map" in text
    assert "the claims have no bill type" in text.lower()


@pytest.mark.parametrize("profile", PROFILES)
def test_text_from_users_is_never_a_formula(run, directory, profile):
    content = facility_workbook(run.content, run.cases, NASTY, profile=profile, directory=directory)
    for sheet in read(content):
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f"
                assert not (isinstance(cell.value, str) and cell.value[:1] in set("=+-@\t\r"))
    assert "<f>" not in package_text(content)
    assert NASTY in read(content)["Results"]["A2"].value
    headers = [cell.value for cell in read(content)["Risk factors"]["A"]]
    assert f"'={run.cases.factors[1].name}" in headers


@pytest.mark.parametrize("profile", PROFILES)
def test_layout_of_every_sheet(run, profile):
    name = run.cases.facility_ids[4]
    book = read(facility_workbook(run.content, run.cases, name, profile=profile))
    assert book.sheetnames[:5] == ["Cover", "Results", "Comparison", "Visits", "Risk factors"]
    assert book.sheetnames[-3:] == ["Data dictionary", "Notes", "Manifest"]
    titles = set()
    for sheet in book:
        titles.add(sheet["A1"].value)
        assert sheet["A2"].value == f"Facility: NPI {name}"
        assert sheet["A3"].value == f"Period: {run.content.period}"
        assert not sheet.merged_cells.ranges
        assert len(sheet.tables) == 1
        found = next(iter(sheet.tables.values()))
        assert found.ref.startswith(f"A{HEADER}:")
        assert [c.name for c in found.tableColumns] == [c.value for c in sheet[HEADER]]
        assert re.fullmatch(rf"[AB]{HEADER + 1}", sheet.freeze_panes)
        assert sheet.cell(sheet.max_row, 1).value == END
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToHeight == 0
        assert f"${HEADER}" in sheet.print_title_rows
    assert len(titles) == len(book.sheetnames)
    properties = book.properties
    assert not properties.creator
    assert not properties.lastModifiedBy
    assert str(properties.created) == str(properties.modified) == "2000-01-01 00:00:00"


def test_numbers_are_numbers_with_formats_and_dates_are_dates(run):
    book = read(facility_workbook(run.content, run.cases, run.cases.facility_ids[4]))
    cells = {
        cell.value.split(" [")[0]: book["Results"].cell(HEADER + 1, cell.column) for cell in book["Results"][HEADER]
    }
    assert {text: cell.data_type for text, cell in cells.items()} == {
        text: "s" if text == "Category" else "n" for text in cells
    }
    assert cells["Score (visits per 100 procedures)"].number_format == "#,##0.0"
    assert cells["Cases (procedures)"].number_format == "#,##0"
    sheet = book["Cases"]
    column = next(c.column for c in sheet[HEADER] if c.value.startswith("Procedure date"))
    assert sheet.cell(HEADER + 1, column).is_date
    assert sheet.cell(HEADER + 1, column).number_format == "yyyy-mm-dd"


def test_every_column_is_in_the_data_dictionary(run):
    book = read(facility_workbook(run.content, run.cases, run.cases.facility_ids[4]))
    rows, _ = table(book, "Data dictionary")
    known = {(row["Sheet"], row["Column"].lstrip("'")) for row in rows}
    factors = {row["Column"].lstrip("'") for row in rows if row["Sheet"] == "Risk factor"}
    for name in ("Results", "Comparison", "Visits", "Risk factors", "Cases", "Case visits"):
        for cell in book[name][HEADER]:
            header = cell.value.lstrip("'")
            assert (name, header) in known or (name == "Cases" and header in factors)
    assert all(row["Meaning"] for row in rows)


def test_manifest_names_the_run(run):
    rows, _ = table(read(facility_workbook(run.content, run.cases, FEW, profile="facility")), "Manifest")
    facts = {row["Fact"]: row["Value"] for row in rows}
    assert facts["Measure"] == "ASC-17"
    assert facts["Definition SHA-256"] == run.content.measure.sha256
    assert facts["Fidelity"] == run.content.fidelity.statement()
    assert facts["Interval method"] == "bootstrap"
    assert facts["Seed of the run"] == "11"
    assert facts["Profile"] == "facility"


@pytest.mark.parametrize("profile", PROFILES)
def test_same_input_same_bytes(make_report, profile):
    first, second = make_run(make_report), make_run(make_report)
    name = first.cases.facility_ids[6]
    shared = WorkbookShared.of(second.content, second.cases)
    one = facility_workbook(first.content, first.cases, name, profile=profile)
    assert one == facility_workbook(second.content, second.cases, name, profile=profile, shared=shared)


def test_the_order_of_rows_changes_nothing(make_report):
    first, name = make_run(make_report), "1000000014"
    content, cases = first.content, first.cases
    rng = np.random.default_rng(5)

    def mixed(frame):
        return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)

    risk = pd.DataFrame(cases.X, columns=[f.name for f in cases.factors])
    risk["procedure_id"] = cases.procedures["procedure_id"]
    visits, outcomes, rates = mixed(content.visits), mixed(content.outcomes), mixed(content.rates)
    other = replace(content, visits=visits, outcomes=outcomes, rates=rates)
    shuffled = read_cases(mixed(cases.procedures), visits, outcomes, mixed(risk), content.model, rates)
    for profile in PROFILES:
        expected = facility_workbook(content, cases, name, profile=profile)
        assert facility_workbook(other, shuffled, name, profile=profile) == expected


def test_procedures_that_the_caller_keeps_stay_as_they_are_while_cases_take_their_own_order(run):
    cases, risk = run.cases, pd.DataFrame(run.cases.X, columns=[f.name for f in run.cases.factors])
    risk["procedure_id"] = cases.procedures["procedure_id"]
    mixed = cases.procedures.iloc[np.random.default_rng(7).permutation(len(cases))].reset_index(drop=True)
    kept, content = mixed.copy(), run.content
    made = read_cases(mixed, content.visits, content.outcomes, risk, content.model, content.rates)
    pd.testing.assert_frame_equal(mixed, kept)
    plain = kept.sort_values(["facility_id", "procedure_id"], ignore_index=True)
    pd.testing.assert_frame_equal(made.procedures, plain)


def test_what_is_shared_can_be_sent_to_a_worker(run):
    shared = WorkbookShared.of(run.content, run.cases)
    sent = pickle.loads(pickle.dumps(shared))
    assert facility_workbook(run.content, run.cases, FEW, shared=sent) == facility_workbook(
        run.content, run.cases, FEW, shared=shared
    )


def test_special_facilities(run):
    shared = WorkbookShared.of(run.content, run.cases)
    books = {
        name: read(facility_workbook(run.content, run.cases, name, shared=shared))
        for name in (ALL_EVENTS, NO_EVENTS, ONE_CASE, FEW)
    }
    assert figures(books[NO_EVENTS])["Observed"] == 0
    assert figures(books[NO_EVENTS])["Score"] > 0
    assert figures(books[ALL_EVENTS])["Observed"] == figures(books[ALL_EVENTS])["Cases"] == 40
    assert len(table(books[ONE_CASE], "Cases")[0]) == 1
    assert "too few for a category" in books[FEW]["Results"]["A4"].value
    assert figures(books[FEW])["Category"] == "Number of Cases Too Small"


def test_a_facility_without_visits_says_so(make_report):
    run = make_run(make_report, "ASC-17", **{"9000000009": 3})
    name = "9000000009"
    if len(run.cases.of_facility(name).visits):
        keep = ~run.cases.visits["procedure_id"].isin(run.cases.of_facility(name).procedures["procedure_id"])
        sheet = _cases_sheet_of(run, name, run.cases.visits[keep].head(0))
        assert {row[7] for row in sheet.rows} == {0}
        return
    listed, _ = table(read(facility_workbook(run.content, run.cases, name)), "Case visits")
    assert [row["Case (number)"] for row in listed] == ["NQ"]


def test_without_intervals_the_limits_are_missing(run):
    rates = run.rates.assign(lower=np.nan, upper=np.nan, category=None)
    content = replace(run.content, rates=rates, interval=IntervalFacts("none"))
    shown = figures(read(facility_workbook(content, run.cases, NO_EVENTS)))
    assert shown["Lower limit"] == shown["Upper limit"] == shown["Category"] == "\N{EN DASH}"
    assert isinstance(shown["Score"], float)


def test_factors_with_one_label_get_headers_of_their_own(run):
    factors = tuple(Factor(f.name, "Same", f.beta, f.is_flag) for f in run.cases.factors)
    book = read(facility_workbook(run.content, replace(run.cases, factors=factors), FEW))
    headers = [cell.value for cell in book["Cases"][HEADER]]
    assert {"Same", "Same (2)", "Same (5)"} <= set(headers)


def test_products_of_factors_are_not_shown_for_groups(make_report):
    measure = load_measure("ASC-12")
    names = ["age_70_74", "arrhythmia", "age_70_74_x_arrhythmia"]
    assert set(names) <= set(measure.factor_columns)
    run = make_run(make_report, "ASC-12")
    X = run.cases.X[:, :3].copy()
    X[:, 2] = X[:, 0] * X[:, 1]
    factors = tuple(Factor(name, name, 0.1, True) for name in names)
    rows, _ = table(
        read(facility_workbook(run.content, replace(run.cases, X=X, factors=factors), NO_EVENTS)), "Risk factors"
    )
    assert rows[2]["Nation (cases with it)"] == rows[2]["Peers of similar volume (% or mean)"] == "N/A"
    assert isinstance(rows[2]["This facility (cases with it)"], int)
    assert isinstance(rows[0]["Nation (cases with it)"], int)


def test_bad_input_is_named(run, make_report):
    with pytest.raises(InputError, match="has no cases in this run"):
        facility_workbook(run.content, run.cases, "8888888888")
    with pytest.raises(OptionError, match="profile"):
        facility_workbook(run.content, run.cases, FEW, profile="everyone")
    with pytest.raises(InputError, match="without rates"):
        facility_workbook(make_report(rates=None), run.cases, FEW)
    other = make_run(make_report, seed=9)
    with pytest.raises(InputError, match="do not belong"):
        WorkbookShared.of(other.content, run.cases)
    with pytest.raises(InputError, match="another run"):
        facility_workbook(other.content, other.cases, FEW, shared=WorkbookShared.of(run.content, run.cases))


def test_the_table_of_outcomes_is_that_of_the_rates(run):
    shared = WorkbookShared.of(run.content, run.cases)
    assert shared.tables[OUTCOME][:, 0].tolist() == run.rates.sort_values("facility_id")["observed"].tolist()
