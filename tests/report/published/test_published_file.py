"""Reading the public facility file: every header it has had, every defect it is known for."""

from __future__ import annotations

import gzip
import random
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskstd.errors import InputError
from riskstd.report.published.cells import read_category, read_number
from riskstd.report.published.file import read_published

WITH_RESULTS = ("2016", "2017", "2021", "starred")


@pytest.mark.parametrize("dialect", WITH_RESULTS)
def test_every_dialect_gives_the_same_result(samples, read, dialect):
    row = samples.facility(asc12=samples.result(897, 11.2, 8.2, 15.5))
    published = read([row], dialect=dialect)
    assert published.dialect == dialect
    found = published.measure("ASC-12").loc[0]
    assert found[["cases", "score", "lower", "upper"]].tolist() == [897, 11.2, 8.2, 15.5]
    assert found[["npi", "ccn", "state", "zip", "year"]].tolist() == [
        "1000000001", "99C0000001", "MA", "02134", "2022",
    ]  # fmt: skip
    assert found["category"] == "no different"
    assert found["footnote"] is None
    assert not found["cut_lower"]
    assert published.problems == []


def test_file_of_2015_gives_places_and_no_result(samples, read):
    published = read([samples.facility(year="2015")], dialect="2015")
    assert published.dialect == "2015"
    assert published.frame.empty
    assert published.facilities["name"].tolist() == ["HILL 1 SURGERY CENTER"]
    assert published.measures == []
    assert "no claims-based measure" in " ".join(published.problems)
    with pytest.raises(InputError, match="no results of ASC-12"):
        published.measure("ASC-12")


def test_columns_are_found_in_any_order(samples, tmp_path):
    columns = samples.columns_2021()
    random.Random(1).shuffle(columns)
    path = tmp_path / "file.csv"
    path.write_text(samples.file_text(columns, [samples.facility(asc18=samples.result(40, 5.3, 3.5, 8.3))]))
    assert read_published(path).measure("asc-18").loc[0, "upper"] == 8.3


def test_file_with_one_measure_only(samples, tmp_path):
    path = tmp_path / "file.csv"
    path.write_text(samples.file_text(samples.columns_2021(["ASC-17"]), [samples.facility()]))
    assert read_published(path).measures == ["ASC-17"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_line_ends_and_byte_order_mark(samples, read, line_end, encoding):
    published = read([samples.facility(asc12=samples.result())], line_end=line_end, encoding=encoding)
    assert published.encoding == "UTF-8"
    assert len(published.measure("ASC-12")) == 1
    assert published.problems == []


def test_windows_letters_and_no_break_space(samples, read):
    published = read([samples.facility(name="CLÍNICA\xa0DEL  VALLE")], dialect="2016", encoding="cp1252")
    assert published.encoding == "Windows-1252"
    assert published.facilities.loc[0, "name"] == "CLÍNICA DEL VALLE"
    assert "Windows-1252" in published.problems[0]


def test_bytes_that_windows_does_not_define(samples, tmp_path):
    path = samples.write(tmp_path, [samples.facility(name="HILL @")])
    path.write_bytes(path.read_bytes().replace(b"@", b"\x81"))
    published = read_published(path)
    assert "1 character of the file cannot be read" in " ".join(published.problems)
    assert published.facilities.loc[0, "name"] == "HILL \N{REPLACEMENT CHARACTER}"


def test_packed_with_gzip(samples, tmp_path):
    path = samples.write(tmp_path, [samples.facility(asc12=samples.result())])
    packed = tmp_path / "ASC_Facility.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_published(packed).frame.equals(read_published(path).frame)


def test_missing_numbers_keep_their_footnote(samples, read):
    cells = {"asc12": samples.too_small(), "asc17": ("", "", "", "", "", "7"), "asc18": ("N/A (28)", *["N/A"] * 5)}
    frame = read([samples.facility(**cells)]).frame.set_index("measure_id")
    assert frame["footnote"].tolist() == ["1", "7", "28", "5"]
    assert frame["category"].tolist() == ["too few cases", None, None, None]
    assert frame[["cases", "score", "lower", "upper"]].isna().to_numpy().all()


def test_cut_lower_limits_are_flagged(samples, read):
    rows = [
        samples.facility(1, asc12=samples.result(2000, 12.4, "10.", 15.0)),
        samples.facility(2, asc12=samples.result(2000, 12.4, "10", 15.0)),
    ]
    published = read(rows)
    frame = published.measure("ASC-12")
    assert frame["cut_lower"].tolist() == [True, False]
    assert frame["lower"].tolist() == [10.0, 10.0]
    assert published.problems == [
        "In row 2 the lower limit of ASC-12 is cut after the decimal point and lower than the true one."
    ]


def test_second_row_for_a_part_of_a_year_is_not_used(samples, read):
    rows = [
        samples.facility(asc12=samples.result()),
        samples.facility(year="2023_Q3", asc12=samples.result(score=99)),
    ]
    published = read(rows)
    assert published.years == ["2022"]
    assert published.measure("ASC-12")["score"].tolist() == [9.8]
    assert len(published.facilities) == 1


def test_only_parts_of_years(samples, read):
    published = read([samples.facility(year="2023_Q3")])
    assert published.frame.empty
    assert "No row has a data year of four digits (found: 2023_Q3)" in published.problems[-1]


def test_last_year_unless_told(samples, read):
    rows = [samples.facility(year=year, asc12=samples.result(score=s)) for year, s in (("2022", 9.0), ("2021", 10.0))]
    published = read(rows)
    assert published.measure("ASC-12")["score"].tolist() == [9.0]
    assert published.measure("ASC-12", year="2021")["score"].tolist() == [10.0]
    with pytest.raises(InputError, match="year asked for"):
        published.measure("ASC-12", year="2019")


def test_several_ccns_of_an_npi_collapse_to_one_result(samples, read):
    same = samples.result()
    rows = [samples.facility(asc12=same, ccn=f"99C000000{k}", name=f"SITE {k}") for k in (3, 2, 5)]
    published = read(rows)
    assert published.measure("ASC-12")[["ccn", "name"]].to_numpy().tolist() == [["99C0000002", "SITE 2"]]
    assert published.facilities["ccn"].tolist() == ["99C0000002", "99C0000003", "99C0000005"]
    assert published.problems == [
        "2 results are repeats of the same NPI's result in another row and counted once.",
        "1 NPI has several CCNs; a result belongs to the NPI and counts once.",
    ]


def test_a_result_beats_a_row_without_one(samples, read):
    rows = [samples.facility(ccn="99C0000001"), samples.facility(ccn="99C0000002", asc12=samples.result())]
    assert read(rows).measure("ASC-12")[["ccn", "cases"]].to_numpy().tolist() == [["99C0000002", 120]]


def test_several_npis_of_a_ccn_stay_apart(samples, read):
    rows = [samples.facility(k, ccn="99C0000001", asc12=samples.result(score=9 + k)) for k in (1, 2)]
    published = read(rows)
    assert published.measure("ASC-12")["score"].tolist() == [10, 11]
    assert published.problems == ["1 CCN has several NPIs; each NPI is a facility here."]


def test_results_of_an_npi_that_differ_are_left_out(samples, read):
    rows = [samples.facility(ccn=f"99C000000{k}", asc12=samples.result(score=9 + k)) for k in (1, 2)]
    published = read([*rows, samples.facility(7, asc12=samples.result())])
    assert published.measure("ASC-12")["npi"].tolist() == ["1000000007"]
    assert len(published.measure("ASC-17")) == 2
    assert "1 facility (NPI) has different results of ASC-12 for one year (rows 2 and 3)" in published.problems[0]


@pytest.mark.parametrize(("cell", "padded"), [("2134", "02134"), ("501", "00501"), ("02134", "02134"), ("", "")])
def test_zip_codes_get_their_zeros(samples, read, cell, padded):
    published = read([samples.facility(zip=cell)])
    assert published.facilities.loc[0, "zip"] == padded
    assert bool(published.problems) == (cell == "")


def test_odd_zip_codes_and_ccns_are_kept_and_said(samples, read):
    published = read([samples.facility(zip="021345", ccn="99D0000001"), samples.facility(2, ccn="X1")])
    assert published.facilities["zip"].tolist() == ["021345", "02134"]
    assert published.facilities["ccn"].tolist() == ["99D0000001", "X1"]
    assert [problem[:9] for problem in published.problems] == ["1 row has", "1 row has"]
    assert "row 2" in published.problems[0]
    assert "row 3" in published.problems[1]


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("Better Than the National Rate", "better"),
        ("no different than the national rate", "no different"),
        ("No Different than expected", "no different"),
        ("WORSE THAN EXPECTED", "worse"),
        ("Number of cases too small", "too few cases"),
        ("N/A", None),
    ],
)
def test_labels_are_compared_without_case(label, word):
    assert read_category(label).word == word
    assert read_category(label).readable


def test_thousands_commas(samples, read):
    frame = read([samples.facility(asc12=samples.result("12,931"))]).measure("ASC-12")
    assert frame["cases"].tolist() == [12931]


def test_cells_that_cannot_be_read(samples, read):
    rows = [samples.facility(asc12=samples.result("many", "9,8", category="Splendid")), samples.facility(2)]
    published = read([*rows, samples.facility(3, asc12=samples.result("12.5", 20.0))])
    frame = published.measure("ASC-12")
    assert frame["cases"].isna().all()
    assert frame.loc[0, "category"] is None
    assert np.isnan(frame.loc[0, "score"])
    assert published.problems == [
        "In row 2 the case count of ASC-12 cannot be read as a number and counts as missing.",
        "In row 2 the score of ASC-12 cannot be read as a number and counts as missing.",
        "In row 2 the category of ASC-12 is not known and counts as missing.",
        "In row 4 the case count of ASC-12 is not a whole number and counts as missing.",
        "In row 4 the score of ASC-12 lies outside its limits.",
    ]


@pytest.mark.parametrize("cell", ["nan", "inf", "1e5", "-3", "0x1", "1_000", "٣", "1.2.3", "12,34"])
def test_what_is_no_number(cell):
    assert not read_number(cell).readable


def test_rows_without_an_npi_are_left_out(samples, read):
    published = read([samples.facility(1), samples.facility(2, npi=""), samples.facility(3, npi="1.00E+09")])
    assert published.facilities["npi"].tolist() == ["1000000001"]
    assert published.problems == ["2 rows are left out for want of an NPI of ten digits (rows 3 and 4)."]


def test_a_download_cut_off_in_the_middle(samples, tmp_path):
    path = samples.write(tmp_path, [samples.facility(k, asc12=samples.result()) for k in range(1, 6)])
    path.write_bytes(path.read_bytes().rstrip()[:-40])
    published = read_published(path)
    assert len(published.facilities) == 4
    assert "1 row is left out for having more or fewer cells than the first line (row 6)" in published.problems[0]


def test_blank_lines_do_not_move_positions(samples, tmp_path):
    path = samples.write(tmp_path, [samples.facility(1), samples.facility(2, zip="")])
    path.write_text(path.read_text().replace("\n", "\n\n"))
    assert read_published(path).problems == ["1 row has no ZIP code (row 5)."]


def _bad_files(samples) -> dict[str, tuple[bytes, str]]:
    whole = samples.file_text(samples.columns_2021(), [samples.facility()])
    header = whole.splitlines()[0]
    return {
        "empty": (b"", "is empty"),
        "blank": (b"\n \n", "is empty"),
        "archive": (b"PK\x03\x04rest", "ZIP archive or a workbook"),
        "broken gzip": (b"\x1f\x8bnot", "cannot be unpacked"),
        "binary": (b"a\x00b", "is not text"),
        "header only": (header.encode(), "a first line and no rows"),
        "people": (b"Ann Smith,1950-01-01,1EG4\nBob Jones,1951-01-01,1EG5\n", "none of the columns"),
        "semicolons": (whole.replace(",", ";").encode(), "separated by semicolons"),
        "tabs": (whole.replace(",", "\t").encode(), "separated by tabs"),
        "national": (b'"Year","ASC-12 Nat Rate","ASC-12 Better"\n2022,9.90,8\n', "national or state results"),
        "state": (b'"State","Year","ASC-12 Better"\nMA,2022,0\n', "national or state results"),
        "no npi column": (whole.replace('"NPI"', '"Key"').encode(), "but none for npi"),
        "missing limit": (whole.replace("ASC-17 Interval Upper Limit", "Other").encode(), "ASC-17 but none for upper"),
        "column twice": (whole.replace("ASC-17 RSHV", "ASC-12 RSHV").encode(), "more than once: ASC-12 RSHV Rate"),
        "no npi": (whole.replace("1000000001", "1.00E+09").encode(), "no row of file bad.csv has an NPI"),
        "short rows": (f"{header}\nHILL,99C0000001\n".encode(), "has the 34 cells of its first line"),
        "open quote": (f'{header}\n"HILL,99C0000001\n'.encode(), "quotation mark out of place"),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "empty", "blank", "archive", "broken gzip", "binary", "header only", "people", "semicolons", "tabs", "national",
        "state", "no npi column", "missing limit", "column twice", "no npi", "short rows", "open quote",
    ],
)  # fmt: skip
def test_files_that_are_none_of_these(samples, tmp_path, kind):
    content, message = _bad_files(samples)[kind]
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_published(path)
    assert message in caught.value.found
    assert caught.value.expected
    assert caught.value.hint
    assert not any(value in str(caught.value) for value in ("Smith", "1950", "1EG4", "HILL", "1000000001"))


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_published(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_published(tmp_path)


def test_the_order_of_rows_does_not_matter(samples, tmp_path):
    rng = random.Random(5)
    rows = [
        samples.facility(k // 2, ccn=f"99C{rng.randrange(9):07}", asc12=samples.result(score=9 + (k % 7 == 0)))
        for k in range(60)
    ]
    first = read_published(samples.write(tmp_path, rows))
    rng.shuffle(rows)
    again = read_published(samples.write(tmp_path, rows))
    pd.testing.assert_frame_equal(first.frame, again.frame)
    pd.testing.assert_frame_equal(first.facilities, again.facilities)


_cases = st.integers(25, 99999)
_tenths = st.integers(1, 400).map(lambda n: n / 10)
_results = st.one_of(
    st.none(),
    st.tuples(
        _cases,
        st.lists(_tenths, min_size=3, max_size=3).map(sorted),
        st.sampled_from(["better", "no different", "worse"]),
    ),
)
_names = st.text(st.characters(codec="cp1252", exclude_categories=("Cc", "Zs")), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(
    facilities=st.lists(st.tuples(_names, _results), min_size=1, max_size=8),
    dialect=st.sampled_from(WITH_RESULTS),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    commas=st.booleans(),
)
def test_what_is_written_is_read_back(samples, facilities, dialect, encoding, line_end, commas):
    labels = {
        "better": "Better than the National Rate",
        "no different": "No different than expected",
        "worse": "Worse Than The National Rate",
    }
    rows = []
    for k, (name, found) in enumerate(facilities, start=1):
        cells = {}
        if found is not None:
            cases, (low, middle, high), word = found
            printed = [f"{value:.1f}".removesuffix(".0") for value in (middle, low, high)]
            cells["asc12"] = samples.result(f"{cases:,}" if commas else cases, *printed, category=labels[word])
        rows.append(samples.facility(k, name=name, **cells))
    with tempfile.TemporaryDirectory() as folder:
        published = read_published(samples.write(Path(folder), rows, dialect, encoding, line_end))
    assert published.facilities["npi"].tolist() == [row["npi"] for row in rows]
    if encoding != "cp1252":
        names = ["" if name.lower() == "n/a" else name for name, _ in facilities]
        assert published.facilities["name"].tolist() == names
    for (_, found), row in zip(facilities, published.measure("ASC-12").to_dict("records"), strict=True):
        if found is None:
            assert row["category"] is None
            assert np.isnan(row["score"])
            assert row["footnote"] == "5"
        else:
            cases, (low, middle, high), word = found
            assert (row["cases"], row["lower"], row["score"], row["upper"], row["category"]) == (
                cases, low, middle, high, word,
            )  # fmt: skip


def test_a_file_of_twelve_thousand_rows(samples, tmp_path):
    rng = random.Random(2)
    rows = [
        samples.facility(k, year=year, asc12=samples.result(rng.randrange(30, 9999)), asc19=samples.too_small())
        for k in range(5800)
        for year in ("2022", "2023_Q3")
    ]
    path = samples.write(tmp_path, rows)
    assert len(read_published(path).facilities) == 5800
