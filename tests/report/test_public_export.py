"""The public files: columns and cells of the Provider Data Catalog, and what is hidden in them."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from riskstd.report.disclosure.csv_text import plain_cell
from riskstd.report.disclosure.public_export import catalog_number, data_year, public_files
from riskstd.report.disclosure.suppression import is_small
from riskstd.report.disclosure.suppression_log import suppression_log
from riskstd.report.published.directory import Directory, Entry
from riskstd.report.published.file import read_published


def rows_of(files, name):
    return list(csv.DictReader(io.StringIO(files[name].decode("utf-8"))))


def directory_of(content, **changes):
    ids = content.rates["facility_id"].tolist()
    entries = {
        npi: Entry(
            name=f"Center {k}", city="Springfield", state=("MA", "NY", "TX", "VT")[k % 4], zip="01234", ccn=f"22C{k:07}"
        )
        for k, npi in enumerate(ids)
    }
    return Directory({**entries, **changes})


@pytest.mark.parametrize("measure", ["ASC-12", "ASC-19"])
def test_columns_and_their_order_are_those_of_the_catalog(make_report, measure):
    content = make_report(measure, 40)
    header = public_files(content)["ASC_Facility.csv"].decode().splitlines()[0].split(",")
    assert header == [
        "Facility Name",
        "Facility ID",
        "NPI",
        "City/Town",
        "State",
        "ZIP Code",
        "Year",
        f"{measure} Total Cases",
        f"{measure} Performance Category",
        f"{measure} RSHV Rate",
        f"{measure} Interval Lower Limit",
        f"{measure} Interval Upper Limit",
        f"{measure} Footnote",
    ]


def test_the_facility_file_reads_back_as_a_published_file(make_report, tmp_path):
    content = make_report("ASC-17", 200)
    path = tmp_path / "ASC_Facility.csv"
    path.write_bytes(public_files(content, directory=directory_of(content))["ASC_Facility.csv"])
    published = read_published(path)
    assert list(published.problems) == []
    read = published.frame.set_index("npi")
    truth = content.rates.set_index("facility_id")
    shown = read[read["score"].notna()]
    assert 20 < len(shown) < 200
    assert np.allclose(shown["score"], truth.loc[shown.index, "rate"], atol=0.0501)
    assert (shown["cases"].astype(int) == truth.loc[shown.index, "cases"]).all()
    assert set(read["ccn"].str[:3]) == {"22C"}


def test_hidden_numbers_have_a_footnote_each(make_report):
    content = make_report("ASC-17", 300)
    minimum = content.measure.definition.score.categories.minimum_cases
    truth = content.rates.set_index("facility_id")
    seen = set()
    for row in rows_of(public_files(content), "ASC_Facility.csv"):
        cases, events = (int(truth.loc[row["NPI"], name]) for name in ("cases", "observed"))
        numbers = [row[f"ASC-17 {n}"] for n in ("RSHV Rate", "Interval Lower Limit", "Interval Upper Limit")]
        footnote = row["ASC-17 Footnote"]
        seen.add(footnote)
        assert row["ASC-17 Performance Category"] == truth.loc[row["NPI"], "category"]
        if cases < minimum:
            assert (row["ASC-17 Total Cases"], footnote, set(numbers)) == ("N/A", "1", {"N/A"})
        elif is_small(events) or is_small(cases - events):
            assert (footnote, set(numbers)) == ("c", {"N/A"})
            assert row["ASC-17 Total Cases"] in {"N/A", str(cases)}
        elif footnote == "":
            assert float(numbers[0]) == pytest.approx(truth.loc[row["NPI"], "rate"], abs=0.0501)
    assert seen == {"", "1", "c"}


def test_numbers_are_written_as_cms_writes_them():
    cells = [catalog_number(value) for value in (3.0, 9.96, 2.149, 0.04, 1234.5, float("nan"))]
    assert cells == ["3", "10", "2.1", "0", "1234.5", "N/A"]


def test_facilities_without_intervals_have_footnote_5(make_report):
    content = make_report("ASC-12", 60)
    rates = content.rates.assign(lower=np.nan, upper=np.nan)
    labels = content.measure.definition.score.categories.labels
    rates["category"] = rates["category"].where(rates["category"] == labels.too_few, None)
    rows = rows_of(public_files(make_report("ASC-12", rates=rates)), "ASC_Facility.csv")
    shown = [row for row in rows if row["ASC-12 RSHV Rate"] != "N/A"]
    assert shown
    assert {(row["ASC-12 Performance Category"], row["ASC-12 Footnote"]) for row in shown} == {("N/A", "5")}


def test_the_national_file_states_the_rate_and_explains_the_footnotes(make_report):
    content = make_report("ASC-12", 80)
    (row,) = rows_of(public_files(content), "ASC_National.csv")
    assert row["ASC-12 Nat Rate"] == f"{1000 * content.national_rate:.2f}"
    assert row["ASC-12 Total Cases"] == f"{content.n_cases:,}"
    assert row["Year"] == "2024"
    counts = [int(row[f"ASC-12 {kind}"].replace(",", "")) for kind in ("Better", "No Different", "Worse", "Too Small")]
    assert sum(counts) == 80
    assert "Footnote c (no footnote of CMS" in row["Notes"]
    (ratio,) = rows_of(public_files(make_report("ASC-19", 80)), "ASC_National.csv")
    assert ratio["ASC-19 Nat Rate"] == "1.00"


def test_a_small_number_of_events_hides_the_national_rate(make_report, make_rates):
    rates = make_rates(make_report("ASC-17", 3).measure, 3, 1)
    rates = rates.assign(
        cases=[200, 300, 400], observed=[0, 0, 7], category=["No Different Than the National Rate"] * 3
    )
    content = make_report("ASC-17", rates=rates)
    (row,) = rows_of(public_files(content), "ASC_National.csv")
    assert row["ASC-17 Nat Rate"] == "N/A (c)"
    assert ("national", "rate") in {(entry.table, entry.cell) for entry in suppression_log(content)}


def test_states_follow_the_rule_and_keep_others_from_giving_them_away(make_report):
    content = make_report("ASC-12", 300)
    files = public_files(content, directory=directory_of(content))
    rows = rows_of(files, "ASC_State.csv")
    assert [row["State"] for row in rows] == ["MA", "NY", "TX", "VT"]
    for kind in ("Better", "No Different", "Worse", "Too Small"):
        cells = [row[f"ASC-12 {kind}"] for row in rows]
        assert not any(cell.isdigit() and is_small(int(cell)) for cell in cells)
        assert cells.count("N/A (c)") != 1
    assert "ASC_State.csv" not in public_files(content)


def test_a_run_without_rates_has_the_national_file_and_the_log(make_report):
    files = public_files(make_report("ASC-12", rates=None, n_cases=40, n_events=2))
    assert list(files) == ["ASC_National.csv", "suppression_log.csv"]
    (row,) = rows_of(files, "ASC_National.csv")
    assert row["ASC-12 Nat Rate"] == "N/A (5)"


def test_names_that_look_like_formulas_are_text(make_report):
    content = make_report("ASC-12", 5)
    npi = content.rates["facility_id"].iloc[0]
    for name in ("=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", " =1"):
        files = public_files(content, directory=directory_of(content, **{npi: Entry(name=name, state="MA")}))
        row = next(row for row in rows_of(files, "ASC_Facility.csv") if row["NPI"] == npi)
        assert row["Facility Name"] == f"'{name}"
    assert plain_cell("Center = 1") == "Center = 1"


def test_files_are_the_same_for_any_order_of_rows(make_report):
    content = make_report("ASC-17", 80)
    shuffled = make_report("ASC-17", rates=content.rates.sample(frac=1.0, random_state=3).reset_index(drop=True))
    directory = directory_of(content)
    assert public_files(content, directory=directory) == public_files(shuffled, directory=directory)
    assert public_files(content) == public_files(content)


def test_the_log_names_cells_and_reasons_but_no_values(make_report):
    one, other = (make_report("ASC-17", 30, excluded=[500, n, 40, 900, 77]) for n in (3, 4))
    assert one.attrition["excluded"].tolist() != other.attrition["excluded"].tolist()
    logs = [public_files(content)["suppression_log.csv"] for content in (one, other)]
    assert logs[0] == logs[1]
    rows = rows_of(public_files(one), "suppression_log.csv")
    assert list(rows[0]) == ["table", "cell", "rule", "step"]
    assert {row["rule"] for row in rows} == {"primary", "derived", "complementary"}
    assert {(row["rule"], row["step"]) for row in rows if row["table"] == "attrition"} == {
        ("primary", "1"),
        ("complementary", "3"),
    }


def test_the_year_is_the_last_of_the_period(make_report):
    assert data_year(make_report("ASC-12", 5)) == "2024"
    content = make_report("ASC-12", 5, period="every procedure date in the claims")
    assert data_year(content) == str(content.measure.spec_year)
