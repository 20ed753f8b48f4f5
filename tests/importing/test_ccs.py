"""The modified CCS map imports to one category per code."""

from __future__ import annotations

import pytest

from importing.books import CCS, with_rows, without, write_book
from riskstd.errors import InputError
from riskstd.spec.folder import open_definitions


def categories(folder, name):
    found = open_definitions(folder)
    assert found is not None
    return {row["category"]: (row["label"], row["codes"].split()) for row in found.table(name).rows}


def test_both_sheets_with_their_quirks(tmp_path, folder, run_import):
    report = run_import("ccs", write_book(tmp_path / "Map_for_2024_Reporting.xlsx", CCS))
    assert categories(folder, "ccs_diagnoses_ry2024") == {
        "2": ("Septicemia", ["A400", "A419"]),
        "45": ("Maintenance chemotherapy", ["Z5111"]),
        "100": ("Acute myocardial infarction", ["I214"]),
    }
    assert categories(folder, "ccs_procedures_ry2024") == {
        "1": ("Incision and excision of CNS", ["0016070"]),
        "64": ("Bone marrow transplant", ["30233G0"]),
        "76": ("Colonoscopy and biopsy", ["0DJD8ZZ"]),
    }
    assert [(one.place, one.reason) for one in report.rejected] == [
        ("sheet 'CCS-ICD10CM', cell C7", "A419 has category 2 in a row above")
    ]


def test_a_category_merged_over_its_codes_is_that_of_each(tmp_path, folder, run_import):
    head = CCS["CCS-ICD10CM"][1]
    rows = [["t"], head, ["A400", "x", 2], ["A401", "x"], ["A403", "x"], ["I214", "x", 100]]
    book = write_book(tmp_path / "m2024.xlsx", with_rows(CCS, "CCS-ICD10CM", rows), merged={"CCS-ICD10CM": ["C3:C5"]})
    report = run_import("ccs", book)
    assert categories(folder, "ccs_diagnoses_ry2024")["2"][1] == ["A400", "A401", "A403"]
    assert not report.rejected


def test_codes_turned_into_dates_or_powers_are_rejected(tmp_path, run_import):
    from datetime import datetime

    rows = [*CCS["CCS-ICD10PCS"][:-1], [datetime(2024, 3, 1), "x", 1], [3e20, "x", 1]]
    rows += [[f"30233G{n}", "x", 64] for n in range(1, 9)]
    report = run_import("ccs", write_book(tmp_path / "m2024.xlsx", with_rows(CCS, "CCS-ICD10PCS", rows)))
    assert [(one.place[-7:], one.found) for one in report.rejected[1:]] == [
        ("cell A6", "(a date)"),
        ("cell A7", "3e+20"),
    ]


def test_a_map_without_a_sheet_is_refused(tmp_path, folder, run_import):
    with pytest.raises(InputError, match="has 0 sheets of ICD-10-PCS codes; its sheets are 'CCS-ICD10CM'"):
        run_import("ccs", write_book(tmp_path / "m2024.xlsx", without(CCS, "CCS-ICD10PCS")))
    assert not folder.exists()
