"""The planned-admission workbook imports to exactly the lists in force."""

from __future__ import annotations

import re

import pytest

from importing.books import END, MIXED, PLANNED, SIMPLE, with_rows, without, write_book
from riskstd.errors import InputError, OptionError
from riskstd.spec import load_code_table
from riskstd.spec.folder import open_definitions

EXPECTED = {
    ("PA1", "procedure_category"): {"64", "105", "176"},
    ("PA2", "diagnosis_category"): {"45", "254"},
    ("PA3", "procedure_category"): {"1", "3"},
    ("PA3", "procedure_code"): {"0DJD8ZZ", "0016070", "02HK3JZ"},
    ("PA4", "diagnosis_category"): {"2", "100"},
    ("PA4", "diagnosis_code"): {"I509", "K3580"},
}


def lists(folder, name):
    found = open_definitions(folder)
    assert found is not None
    table = found.table(name)
    assert len({(row["part"], row["kind"]) for row in table.rows}) == len(table.rows)
    return {(row["part"], row["kind"]): set(row["codes"].split()) for row in table.rows}


def test_official_layout_with_all_quirks(tmp_path, folder, run_import):
    book = write_book(
        tmp_path / "2024_HWR_v1.0.xlsx",
        PLANNED,
        hidden={"PR.3 old": PLANNED["PR.3 Potentially planned proc"]},
        merged={"PR.1 Always planned proc": ["A1:D1"]},
        hidden_rows={"PR.4 Acute diagnoses": [4]},
    )
    report = run_import("paa", book)
    assert lists(folder, "planned_admission_ry2024") == EXPECTED
    assert report.outcome == "new"
    assert report.tables[0].lists == {" ".join(key): len(codes) for key, codes in EXPECTED.items()}
    assert [(s.rows, s.taken, s.removed, s.set_aside, s.rejected) for s in report.sheets] == [
        (4, 3, 1, 0, 0),
        (2, 2, 0, 0, 0),
        (8, 6, 1, 1, 0),
        (6, 4, 2, 0, 0),
    ]
    assert any("hidden sheets were not read: 'PR.3 old'" in note for note in report.notes)
    assert any("1 hidden rows were read" in note for note in report.notes)


def test_entry_says_what_came_from_where(tmp_path, folder, run_import):
    report = run_import("paa", write_book(tmp_path / "2024_HWR.xlsx", PLANNED), dated="2025-03-31")
    found = open_definitions(folder)
    assert found is not None
    entry = found.entries["planned_admission_ry2024"]
    assert (entry.origin, entry.years, entry.imported) == ("user_import", "2022", "2025-03-31")
    assert (entry.source_file, entry.source_sha256) == ("2024_HWR.xlsx", report.file_sha256)
    assert found.table("planned_admission_ry2024").origins() == {"user_import": 6}


def test_value_sets_for_accountable_care_with_two_lists_on_a_sheet(tmp_path, folder, run_import):
    simple = [["MCC PAA"], ["AHRQ Procedure CCS", "Description"]]
    sheets = {
        "MCC PAA PA1": [*simple, [64, "x"], [134, "x"]],
        "MCC PAA PA2": [["MCC PAA"], ["AHRQ Diagnosis CCS", "Description"], [45, "x"]],
        "MCC PAA PA3": [*simple, [1, "x"], [2, "x"], [], ["ICD-10-PCS Code", "Description"], ["0DJD8ZZ", "x"]],
        "MCC PAA PA4": [
            ["MCC PAA"],
            ["AHRQ Diagnosis CCS", "Description"],
            ["2", "x"],
            ["ICD-10-CM Code", "Description"],
            ["I50.9", "x"],
        ],
    }
    run_import("paa", write_book(tmp_path / "aco.xlsx", sheets), year=2023, service_years="2021-2023")
    assert lists(folder, "planned_admission_ry2023") == {
        ("PA1", "procedure_category"): {"64", "134"},
        ("PA2", "diagnosis_category"): {"45"},
        ("PA3", "procedure_category"): {"1", "2"},
        ("PA3", "procedure_code"): {"0DJD8ZZ"},
        ("PA4", "diagnosis_category"): {"2"},
        ("PA4", "diagnosis_code"): {"I509"},
    }
    found = open_definitions(folder)
    assert found is not None
    assert found.entries["planned_admission_ry2023"].years == "2021-2023"


def test_cells_that_are_no_codes_are_rejected_by_sheet_and_cell(tmp_path, run_import):
    rows = [*PLANNED["PR.4 Acute diagnoses"][:-1]]
    rows += [["ICD-10-CM", "1.00E+05", "x"], ["ICD-10-PCS", "0DJD8ZZ", "wrong side"]]
    rows += [["ICD-10-CM", f"I21.{n}", "x"] for n in (0, 1, 2, 3, 4, 9)]
    report = run_import("paa", write_book(tmp_path / "2024.xlsx", with_rows(PLANNED, "PR.4", rows)))
    assert [(one.place, one.found) for one in report.rejected] == [
        ("sheet 'PR.4 Acute diagnoses', cell B9", "1.00E+05"),
        ("sheet 'PR.4 Acute diagnoses', row 10", "ICD-10-PCS"),
    ]
    assert "expected an ICD-10-CM code" in report.rejected[0].reason
    assert "rejected: sheet 'PR.4 Acute diagnoses', cell B9: found '1.00E+05'" in str(report)


@pytest.mark.parametrize(
    ("sheets", "said"),
    [
        (without(PLANNED, "PR.2"), r"has 0 sheets PR\.2 \(or PA2\); its sheets are 'PR\.1.*"),
        (with_rows(PLANNED, "PR.1", [["Notes"], ["nothing", "here"]]), r"PR\.1 Always planned proc', cell A\d.*header"),
        (
            with_rows(PLANNED, "PR.1", [["t"], SIMPLE, *([["0DJD8ZZ", "x"]] * 3)]),
            r"'PR\.1.*', cell A3: found '0DJD8ZZ'",
        ),
        (with_rows(PLANNED, "PR.1", [["t"], SIMPLE, [64, "x", "Removed"], END]), r"1 rows below the header, none"),
        (with_rows(PLANNED, "PR.3", [["t"], MIXED, *([["CPT", "45378"]] * 4)]), r"'PR\.3.*', row 3: found 'CPT'"),
    ],
)
def test_a_workbook_that_is_something_else_is_refused(tmp_path, folder, run_import, sheets, said):
    with pytest.raises(InputError) as caught:
        run_import("paa", write_book(tmp_path / "2024.xlsx", sheets))
    assert re.search(said, str(caught.value)), str(caught.value)
    assert "expected:" in str(caught.value)
    assert "what to do:" in str(caught.value)
    assert not folder.exists()


def test_a_hidden_sheet_is_named(tmp_path, run_import):
    hidden = {"PR.2 Always planned diag": PLANNED["PR.2 Always planned diag"]}
    with pytest.raises(InputError, match=r"hidden 'PR\.2[^\n]*\n.*\n.*unhide"):
        run_import("paa", write_book(tmp_path / "2024.xlsx", without(PLANNED, "PR.2"), hidden=hidden))


def test_the_year_comes_from_the_name_the_titles_or_the_option(tmp_path, run_import):
    plain = write_book(tmp_path / "tables.xlsx", PLANNED)
    with pytest.raises(OptionError, match=r"reporting year of tables\.xlsx cannot be told"):
        run_import("paa", plain)
    assert run_import("paa", plain, year=2023).tables[0].name == "planned_admission_ry2023"
    titled = with_rows(PLANNED, "PR.2", [["Tables for 2022 reporting"], *PLANNED["PR.2 Always planned diag"][1:]])
    titled = with_rows(titled, "PR.1", [["t"], SIMPLE, [64]])
    titled = with_rows(titled, "PR.3", [["t"], MIXED, ["CCS", 1]])
    titled = with_rows(titled, "PR.4", [["t"], MIXED, ["CCS", 2]])
    assert run_import("paa", write_book(tmp_path / "t.xlsx", titled)).tables[0].name == "planned_admission_ry2022"


def test_a_workbook_of_official_size_gives_just_its_lists(tmp_path, folder, run_import):
    expected: dict[tuple[str, str], set[str]] = {}
    for row in load_code_table("planned_admission_ry2021").rows:
        expected.setdefault((row["part"], row["kind"]), set()).update(row["codes"].split())
    sheets = {f"PR.{part}": [["Table"], SIMPLE if part < 3 else MIXED] for part in (1, 2, 3, 4)}
    for (part, kind), codes in expected.items():
        number = int(part[2])
        said = "CCS" if kind.endswith("category") else "ICD-10-PCS" if number == 3 else "ICD-10-CM"
        sheets[f"PR.{number}"] += [[code] if number < 3 else [said, code] for code in sorted(codes)]
    run_import("paa", write_book(tmp_path / "2021_HWR.xlsx", {name: [*rows, END] for name, rows in sheets.items()}))
    assert lists_of(folder, "planned_admission_ry2021") == expected
    assert sorted(map(len, expected.values())) == [2, 3, 65, 80, 2521, 12333]


def lists_of(folder, name):
    found = open_definitions(folder)
    assert found is not None
    merged: dict[tuple[str, str], set[str]] = {}
    for row in found.table(name).rows:
        merged.setdefault((row["part"], row["kind"]), set()).update(row["codes"].split())
    return merged
