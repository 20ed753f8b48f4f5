"""Fee schedule and Addendum AA: stacked headers, rows with modifiers, lost zeros."""

from __future__ import annotations

import pytest

from importing.books import COVERED, FEES, write_book
from riskstd.errors import InputError
from riskstd.spec.folder import open_definitions


def rows(folder, name):
    found = open_definitions(folder)
    assert found is not None
    return found.table(name).rows


def as_csv(path, table):
    path.write_text("\n".join(",".join("" if c is None else str(c) for c in row) for row in table) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_work_rvus_and_global_days(tmp_path, folder, run_import, form):
    book = tmp_path / f"PPRRVU25_JAN.{form}"
    report = run_import("rvu", write_book(book, {"PPRRVU": FEES}) if form == "xlsx" else as_csv(book, FEES))
    assert [(r["code"], r["years"], r["work_rvu"]) for r in rows(folder, "work_rvu_2025")] == [
        ("00100", "2025", "0.00"),
        ("0042T", "2025", "0.00"),
        ("29881", "2025", "7.03"),
        ("45378", "2025", "3.26"),
        ("G0105", "2025", "3.36"),
    ]
    assert {r["code"]: r["global_days"] for r in rows(folder, "global_days_2025")} == {
        "00100": "XXX",
        "0042T": "YYY",
        "29881": "090",
        "45378": "000",
        "G0105": "000",
    }
    assert (report.sheets[0].rows, report.sheets[0].taken, report.sheets[0].set_aside) == (6, 5, 1)
    assert (folder / "tables" / "AMA-NOTICE.txt").read_text("utf-8").startswith("CPT only copyright")


def test_no_descriptor_is_kept(tmp_path, folder, run_import):
    table = [[*row[:2], "SECRETWORDS", *row[3:]] if row[0] == "45378" else row for row in FEES]
    run_import("rvu", write_book(tmp_path / "PPRRVU2025.xlsx", {"PPRRVU": table}))
    assert not any(b"SECRETWORDS" in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_values_that_cannot_be_read_are_rejected(tmp_path, run_import):
    table = [
        *FEES,
        ["45380", None, "x", "A", "NA", 1, "0", "000"],
        *([f"2988{n}", None, "x", "A", 5, 1, "0", "90"] for n in range(2, 9)),
    ]
    table += [["45384", None, "x", "A", 4.07, 1, "0", "9"]]
    report = run_import("rvu", write_book(tmp_path / "PPRRVU2025.xlsx", {"PPRRVU": table}))
    assert [(one.place, one.found) for one in report.rejected] == [
        ("sheet 'PPRRVU', cell E12", "NA"),
        ("sheet 'PPRRVU', cell H20", "9"),
    ]


def test_covered_procedures(tmp_path, folder, run_import):
    report = run_import("addendum-aa", write_book(tmp_path / "2025_Addendum_AA.xlsx", {"AA": COVERED}))
    assert rows(folder, "asc_covered_procedures_2025")[0] | {"source": ""} == {
        "role": "covered",
        "system": "HCPCS",
        "codes": "0042T 29881 45378",
        "years": "2025",
        "origin": "user_import",
        "grade": "A",
        "source": "",
    }
    assert report.sheets[0].set_aside == 1


@pytest.mark.parametrize("importer", ["rvu", "addendum-aa"])
def test_another_table_is_refused(tmp_path, folder, run_import, importer):
    with pytest.raises(InputError, match=r"x2025\.csv, line 1, column 1: no header with"):
        run_import(importer, as_csv(tmp_path / "x2025.csv", [["name", "age"], ["a", 1], ["b", 2]]))
    assert not folder.exists()


def test_fixed_width_text_is_refused_with_advice(tmp_path, run_import):
    file = tmp_path / "PPRRVU2025.txt"
    file.write_text("HDR2025 file\n" + "45378  some text                A   3.26\n" * 5, "utf-8")
    with pytest.raises(InputError, match="no header with"):
        run_import("rvu", file)
