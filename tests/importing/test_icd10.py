"""Code lists of ICD-10-CM and ICD-10-PCS in the official layouts."""

from __future__ import annotations

import pytest

from importing.books import write_book
from riskstd.errors import InputError
from riskstd.spec.folder import open_definitions

ORDER_CM = [
    ("A00", 0, "Cholera"),
    ("A000", 1, "Cholera due to Vibrio cholerae 01, biovar cholerae"),
    ("S72001A", 1, "Fracture, initial"),
]
ORDER_PCS = [("0DJ", 0, "Inspection"), ("0DJD8ZZ", 1, "Inspection"), ("0016070", 1, "Bypass")]


def order_file(path, codes):
    lines = [f"{n:05d} {code:<7} {valid} {text[:60]:<60} {text}   " for n, (code, valid, text) in enumerate(codes, 1)]
    path.write_text("\r\n".join(lines) + "\r\n", "utf-8")
    return path


def listed(folder, name):
    found = open_definitions(folder)
    assert found is not None
    return {(row["role"], row["years"]): row["codes"].split() for row in found.table(name).rows}


def test_order_files(tmp_path, folder, run_import):
    run_import("icd10cm", order_file(tmp_path / "icd10cm_order_2024.txt", ORDER_CM))
    run_import("icd10pcs", order_file(tmp_path / "icd10pcs_order_2024.txt", ORDER_PCS))
    assert listed(folder, "icd10cm_codes_2024") == {
        ("heading", "2024"): ["A00"],
        ("billable", "2024"): ["A000", "S72001A"],
    }
    assert listed(folder, "icd10pcs_codes_2024") == {
        ("heading", "2024"): ["0DJ"],
        ("billable", "2024"): ["0016070", "0DJD8ZZ"],
    }


def test_code_file_with_commas_in_its_texts(tmp_path, folder, run_import):
    file = tmp_path / "icd10cm_codes_2024.txt"
    file.write_text("A000    Cholera, due to one\nA001    Cholera, due to two\nS72001A Fracture, initial\n", "utf-8")
    run_import("icd10cm", file)
    assert listed(folder, "icd10cm_codes_2024") == {("billable", "2024"): ["A000", "A001", "S72001A"]}


def test_codes_one_a_line(tmp_path, folder, run_import):
    file = tmp_path / "icd10pcs_2024.txt"
    file.write_text("0DJD8ZZ\n0016070 \n\n", "utf-8")
    run_import("icd10pcs", file)
    assert listed(folder, "icd10pcs_codes_2024") == {("billable", "2024"): ["0016070", "0DJD8ZZ"]}


def test_simple_table(tmp_path, folder, run_import):
    rows = [["Codes"], ["ICD-10-CM Code", "Valid"], ["A00", 0], ["A00.0", 1.0], ["Z99.2 ", "Y"]]
    run_import("icd10cm", write_book(tmp_path / "codes.xlsx", {"Codes": rows}), year=2025)
    assert listed(folder, "icd10cm_codes_2025") == {
        ("heading", "2025"): ["A00"],
        ("billable", "2025"): ["A000", "Z992"],
    }


@pytest.mark.parametrize("importer", ["icd10cm", "icd10pcs"])
def test_other_text_is_refused(tmp_path, folder, run_import, importer):
    file = tmp_path / "notes_2024.txt"
    file.write_text("Read me\nthese are notes\nnot codes\n", "utf-8")
    with pytest.raises(InputError, match=r"notes_2024\.txt, line 1: most lines are no codes of ICD-10"):
        run_import(importer, file)
    assert not folder.exists()


def test_codes_of_the_other_system_are_refused(tmp_path, run_import):
    with pytest.raises(InputError, match=r"line 1: found '0DJ'; in all 3 of 3 rows"):
        run_import("icd10cm", order_file(tmp_path / "icd10pcs_order_2024.txt", ORDER_PCS))
