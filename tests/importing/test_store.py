"""Imports are written whole or not at all, change nothing the second time, and leave hand-written entries alone."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from importing.books import CATEGORIES, PLANNED, with_rows, write_book
from riskstd.errors import InputError, OptionError, SpecError
from riskstd.importing import ImportRequest, import_file
from riskstd.importing.book import read_book
from riskstd.spec.folder import VARIABLE, open_definitions

OWN = """
# mine
[my_codes]
file = "my_codes.csv"
kind = "code_list"
system = "HCPCS"
version = "1"
says = "Lists codes."
source = "me"
origin = "assumed"
grade = "C"
"""
OWN_ROWS = "role,system,codes,years,origin,grade,source\nqualifying,HCPCS,22551 22612,,assumed,C,me\n"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def planned(tmp_path):
    return write_book(tmp_path / "2024_HWR.xlsx", PLANNED)


@pytest.fixture
def other(tmp_path):
    rows = [*PLANNED["PR.2 Always planned diag"][:3], ["194", "x"]]
    return write_book(tmp_path / "2024_HWR_v2.xlsx", with_rows(PLANNED, "PR.2", rows))


def test_the_second_import_of_a_file_changes_nothing(folder, run_import, planned):
    assert run_import("paa", planned).outcome == "new"
    before, times = snapshot(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    report = run_import("paa", planned)
    assert report.outcome == "unchanged"
    assert "nothing changed" in str(report)
    assert snapshot(folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_same_input_gives_the_same_bytes(tmp_path, planned):
    for name in ("one", "two"):
        import_file(ImportRequest("paa", planned, tmp_path / name))
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")
    assert str(tmp_path).encode() not in b"".join(snapshot(tmp_path / "one").values())


def test_another_file_of_the_same_year_needs_replace(folder, run_import, planned, other):
    run_import("paa", planned)
    before = snapshot(folder)
    with pytest.raises(InputError, match=r"planned_admission_ry2024 already, from 2024_HWR\.xlsx[\s\S]*--replace"):
        run_import("paa", other)
    assert snapshot(folder) == before
    assert run_import("paa", other, replace=True).outcome == "replaced"
    found = open_definitions(folder)
    assert found is not None
    assert found.entries["planned_admission_ry2024"].source_file == "2024_HWR_v2.xlsx"
    assert len(list(folder.glob("tables/planned_admission_ry2024-*.csv"))) == 1


def test_years_stand_side_by_side(folder, run_import, planned, other):
    run_import("paa", planned)
    run_import("paa", other, year=2023)
    found = open_definitions(folder)
    assert found is not None
    assert found.standing_for("planned_admission") == ["planned_admission_ry2023", "planned_admission_ry2024"]


def test_two_tables_for_the_same_years_are_refused(folder, run_import, planned, other):
    run_import("paa", planned)
    before = snapshot(folder)
    with pytest.raises(InputError, match=r"has planned_admission_ry2024 for service years 2022 already"):
        run_import("paa", other, year=2023, service_years="2022")
    assert snapshot(folder) == before


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_an_import_that_is_stopped_leaves_what_was_there(folder, run_import, planned, other, monkeypatch, stop_at):
    run_import("paa", planned)
    before = snapshot(folder)
    real, calls = os.replace, []

    def stop(a, b):
        calls.append(b)
        if len(calls) == stop_at:
            raise OSError(28, "No space left on device")
        real(a, b)

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(OSError, match="No space"):
        run_import("paa", other, replace=True)
    monkeypatch.undo()
    found = open_definitions(folder)
    assert found is not None
    assert found.table("planned_admission_ry2024").sha256 == found.entries["planned_admission_ry2024"].sha256
    assert snapshot(folder)["tables/index.toml"] == before["tables/index.toml"]
    assert not list(folder.rglob("*.new"))


def test_entries_written_by_hand_stay_as_they_are(folder, run_import, planned, other):
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / "index.toml").write_text(OWN, "utf-8")
    (folder / "tables" / "my_codes.csv").write_text(OWN_ROWS, "utf-8")
    run_import("paa", planned)
    run_import("paa", other, replace=True)
    text = (folder / "tables" / "index.toml").read_text("utf-8")
    assert text.startswith(OWN.rstrip("\n"))
    assert text.count("[planned_admission_ry2024]") == 1
    assert set(tomllib.loads(text)) == {"my_codes", "planned_admission_ry2024"}


def test_the_report_is_kept_as_json_with_every_rejected_cell(tmp_path, folder, run_import):
    rows = [*CATEGORIES, *([f"bad {n}", 85] for n in range(2))]
    report = run_import("cc", write_book(tmp_path / "map_2023.xlsx", {"Map": rows}))
    kept = json.loads((folder / "imports" / "condition_categories_2023.json").read_text("utf-8"))
    assert kept == {key: value for key, value in json.loads(json.dumps(report.to_dict())).items() if key != "outcome"}
    assert [one["place"] for one in kept["rejected"]] == ["sheet 'Map', cell A11", "sheet 'Map', cell A12"]


def test_a_table_that_was_changed_after_its_import_is_refused(folder, run_import, planned):
    run_import("paa", planned)
    (table,) = folder.glob("tables/planned_admission_ry2024-*.csv")
    table.write_text(table.read_text("utf-8").replace("64 105", "64 106"), "utf-8")
    found = open_definitions(folder)
    assert found is not None
    with pytest.raises(SpecError, match=r"is not the file that the import wrote[\s\S]*import the source file again"):
        found.table("planned_admission_ry2024")


def test_mostly_rejected_files_write_nothing(tmp_path, folder, run_import):
    rows = [["ICD", "CC"], ["I50.9", 85], ["E11.9", 19], ["I10", 95], *([f"I50.{n}", f"x{n}"] for n in range(2))]
    with pytest.raises(InputError, match=r"'Map', cell B5: found 'x0'; in all 2 of 5 rows"):
        run_import("cc", write_book(tmp_path / "map_2023.xlsx", {"Map": rows}))
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("old.xls", b"\xd0\xcf\x11\xe0" + bytes(600), r"Excel 97 workbook \(\.xls\)[\s\S]*save it as \.xlsx"),
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n \n", "is empty"),
        ("picture.csv", b"\x89PNG\x00\x00\x00", "neither a workbook nor text"),
        ("broken.xlsx", b"PK\x03\x04" + bytes(50), "damaged"),
    ],
)
def test_files_of_other_kinds_are_refused(tmp_path, name, content, said):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_book(file)


def test_archives_are_refused_with_what_they_hold(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "rvu25a.zip", "w") as archive:
        archive.writestr("PPRRVU25_JAN.csv", "x")
    with pytest.raises(InputError, match=r"it holds PPRRVU25_JAN\.csv[\s\S]*unpack"):
        read_book(tmp_path / "rvu25a.zip")


def test_leading_zeros_that_a_cell_shows_are_read(tmp_path):
    book = write_book(tmp_path / "b.xlsx", {"S": [[42, 45378.0, 3.26, True]]}, formats={("S", "A1"): "00000"})
    assert read_book(book).sheets[0].rows == [["00042", "45378", "3.26", "True"]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"importer": "hcc"}, "no importer 'hcc'"),
        ({"importer": "paa", "column": "x"}, "--column with paa"),
        ({"importer": "paa", "dated": "yesterday"}, "--date 'yesterday' is not a day"),
        ({"importer": "paa", "year": 24}, "--year 24"),
        ({"importer": "dictionary"}, "no layout that is known"),
    ],
)
def test_options(folder, planned, options, said):
    with pytest.raises(OptionError, match=said):
        import_file(ImportRequest(file=planned, definitions=folder, **options))
    with pytest.raises(SpecError, match="cannot be read"):
        import_file(ImportRequest("paa", planned, folder, service_years="soon"))


def test_where_an_import_goes_without_a_folder(tmp_path, planned, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="is set and empty"):
        import_file(ImportRequest("paa", planned))
    monkeypatch.delenv(VARIABLE)
    import_file(ImportRequest("paa", planned))
    assert (tmp_path / "riskstd-definitions" / "tables" / "index.toml").is_file()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    import_file(ImportRequest("paa", planned))
    assert (tmp_path / "elsewhere" / "tables" / "index.toml").is_file()


PERSONS = "BENE_ID,BIRTH_DT,DX,AGE\n" + "".join(f"1EG4TE5MK7{n},1950-01-0{n},I50.9,{70 + n}\n" for n in range(1, 8))


@pytest.mark.parametrize("kind", ["cc", "rvu", "addendum-aa", "icd10cm", "icd10pcs", "paa", "ccs"])
@pytest.mark.parametrize("header", [True, False])
def test_a_file_about_persons_taken_by_mistake_shows_none_of_them(tmp_path, folder, run_import, kind, header):
    file = tmp_path / "people_2024.csv"
    file.write_text(PERSONS if header else PERSONS.split("\n", 1)[1], "utf-8")
    try:
        said = str(run_import(kind, file))
    except InputError as error:
        said = str(error)
    assert "1EG4TE5MK7" not in said
    assert "1950-01" not in said
