"""The definition folder: where it is found, what its tables may claim, and how they stand beside the project's."""

from __future__ import annotations

import shutil

import pytest

from importing.books import CATEGORIES, CCS, COVERED, FEES, PLANNED, write_book
from importing.test_store import OWN, OWN_ROWS
from riskstd.cli import DEFINITIONS_VARIABLE
from riskstd.errors import SpecError
from riskstd.spec import list_measures, load_code_table, load_measure
from riskstd.spec.codetables import DATA
from riskstd.spec.folder import VARIABLE, find_definitions, open_definitions
from riskstd.spec.tableset import CodeTables


def own_tables(folder, index=OWN, rows=OWN_ROWS):
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    (folder / "tables" / "index.toml").write_text(index, "utf-8")
    (folder / "tables" / "my_codes.csv").write_text(rows, "utf-8")
    return folder


# ---- the rule ---------------------------------------------------------------------------------


def test_the_rule_in_its_order(tmp_path, monkeypatch):
    inner = tmp_path / "project" / "sub"
    inner.mkdir(parents=True)
    assert find_definitions(inner) is None
    monkeypatch.delenv(VARIABLE)
    assert find_definitions(inner) is None
    of_user = tmp_path / "data-home" / "riskstd" / "definitions"
    of_user.mkdir(parents=True)
    assert find_definitions(inner) == of_user
    above = tmp_path / "riskstd-definitions"
    above.mkdir()
    assert find_definitions(inner) == above
    nearer = tmp_path / "project" / "riskstd-definitions"
    nearer.mkdir()
    assert find_definitions(inner) == nearer
    named = tmp_path / "named"
    named.mkdir()
    monkeypatch.setenv(VARIABLE, str(named))
    assert find_definitions(inner) == named
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(SpecError, match="nowhere, which is not a folder"):
        find_definitions(inner)


def test_command_line_and_library_mean_the_same_variable():
    assert DEFINITIONS_VARIABLE == VARIABLE


def test_without_a_folder_the_tables_are_the_project_s():
    assert open_definitions("auto") is None
    assert load_measure("ASC-17").table("work_rvu") is load_code_table("work_rvu")


# ---- own tables and measures ------------------------------------------------------------------


def test_a_table_of_one_s_own(tmp_path):
    tables = CodeTables(open_definitions(own_tables(tmp_path)))
    assert tables.get("my_codes").codes("qualifying").exact == {"22551", "22612"}
    assert "my_codes" in tables.names()
    assert "work_rvu" in tables.names()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"assumed"', '"cms_public"', "only tables of the project are cms_public"),
        ('"assumed"', '"user_import"', "without `source_sha256` and `sha256`"),
        ("[my_codes]", "[my_codes", "is not valid TOML"),
        ('kind = "code_list"', 'kind = "list"', "key 'kind'"),
    ],
)
def test_an_entry_that_claims_too_much_or_is_wrong(tmp_path, old, new, said):
    with pytest.raises(SpecError, match=said):
        open_definitions(own_tables(tmp_path, OWN.replace(old, new)))


@pytest.mark.parametrize("origin", ["cms_public", "user_import"])
def test_a_row_cannot_claim_more_than_its_table(tmp_path, origin):
    folder = open_definitions(own_tables(tmp_path, rows=OWN_ROWS.replace("assumed", origin)))
    assert folder is not None
    with pytest.raises(SpecError, match=f"rows with origin {origin}"):
        folder.table("my_codes")


def test_a_measure_of_one_s_own_is_found_by_id_and_year(tmp_path):
    text = (DATA / "ascqr" / "2025" / "asc-18.toml").read_text("utf-8")
    (tmp_path / "measures").mkdir()
    (tmp_path / "measures" / "mine.toml").write_text(text.replace('id = "ASC-18"', 'id = "MINE-1"'), "utf-8")
    assert ("MINE-1", 2025) in list_measures(tmp_path)
    assert load_measure("mine-1", 2025, definitions=tmp_path).id == "MINE-1"
    assert ("MINE-1", 2025) not in list_measures(None)
    shutil.copy(DATA / "ascqr" / "2025" / "asc-18.toml", tmp_path / "measures")
    with pytest.raises(SpecError, match="there is a definition of ASC-18 for 2025 already"):
        load_measure("mine-1", 2025, definitions=tmp_path)


def test_tables_that_only_imports_have(tmp_path, folder, run_import):
    run_import("addendum-aa", write_book(tmp_path / "aa2025.xlsx", {"AA": COVERED}))
    run_import("addendum-aa", write_book(tmp_path / "aa2026.xlsx", {"AA": COVERED[:3]}))
    run_import("rvu", write_book(tmp_path / "PPRRVU25.xlsx", {"P": FEES}))
    tables = CodeTables(open_definitions(folder))
    covered = tables.get("asc_covered_procedures")
    assert covered.codes("covered", year=2025).exact == {"29881", "45378", "0042T"}
    assert covered.codes("covered", year=2026).exact == {"29881"}
    assert covered.codes("covered", year=2024).exact == set()
    assert covered.origins() == {"user_import": 2}
    assert {row["global_days"] for row in tables.get("global_days").rows} == {"000", "090", "XXX", "YYY"}
    with pytest.raises(SpecError, match="not in tables/index"):
        CodeTables().get("asc_covered_procedures")


# ---- years ------------------------------------------------------------------------------------


def test_work_rvus_of_a_year_join_those_of_the_project(tmp_path, folder, run_import):
    project = load_code_table("work_rvu")
    run_import("rvu", write_book(tmp_path / "PPRRVU25.xlsx", {"P": FEES}))
    run_import("rvu", write_book(tmp_path / "PPRRVU22.xlsx", {"P": with_value(FEES, 9.99)}), year=2022)
    table = CodeTables(open_definitions(folder)).get("work_rvu")
    assert [table.work_rvu("45378", year) for year in (2022, 2025)] == [(9.99, 2022), (3.26, 2025)]
    for year in (2020, 2021, 2023, 2024):
        assert table.work_rvu("45378", year) == project.work_rvu("45378", year)
    assert table.work_rvu("0042T", 2026) == (0.0, 2025)
    assert table.work_rvu("45385", 2022) == (project.work_rvu("45385", 2021)[0], 2021)  # type: ignore[index]
    assert set(table.origins()) == {"cms_public", "user_import"}
    assert [entry.source_file for entry in table.imports] == ["PPRRVU22.xlsx", "PPRRVU25.xlsx"]


def with_value(rows, value):
    return [[*row[:4], value, *row[5:]] if row[0] == "45378" and not row[1] else row for row in rows]


def test_the_year_of_admission_picks_the_planned_admission_tables(tmp_path, folder, run_import):
    book = write_book(tmp_path / "tables.xlsx", PLANNED)
    for year in (2023, 2024):
        run_import("paa", book, year=year)
    run_import("ccs", write_book(tmp_path / "map2024.xlsx", CCS))
    measure = load_measure("ASC-17", definitions=folder)
    assert measure.options["planned_admission_tables"] == "imported"
    assert [(t.table, t.admission_years, t.diagnosis_categories, t.newer_codes) for t in measure.planned_tables] == [
        ("planned_admission_ry2023", "-2021", "ccs_diagnoses_ry2024", None),
        ("planned_admission_ry2024", "2022-", "ccs_diagnoses_ry2024", None),
    ]
    older = measure.with_options({"planned_admission_tables": "ry2021"})
    assert [t.table for t in older.planned_tables] == ["planned_admission_ry2021"]


def test_lists_without_a_map_use_the_map_of_the_project(tmp_path, folder, run_import):
    run_import("paa", write_book(tmp_path / "t2024.xlsx", PLANNED))
    (tables,) = load_measure("ASC-12", definitions=folder).planned_tables
    assert (tables.table, tables.admission_years) == ("planned_admission_ry2024", "")
    assert (tables.diagnosis_categories, tables.newer_codes) == ("ccs_diagnoses", "ccs_codes_newer_than_map")


def test_maps_of_two_years_share_the_versions_of_the_lists(tmp_path, folder, run_import):
    run_import("paa", write_book(tmp_path / "t.xlsx", PLANNED), year=2024)
    for year in (2022, 2025):
        run_import("ccs", write_book(tmp_path / "m.xlsx", CCS), year=year)
    found = [
        (t.table, t.admission_years, t.diagnosis_categories, t.procedure_categories)
        for t in load_measure("ASC-12", definitions=folder).planned_tables
    ]
    assert found == [
        ("planned_admission_ry2024", "-2022", "ccs_diagnoses_ry2022", "ccs_procedures_ry2022"),
        ("planned_admission_ry2024", "2023-", "ccs_diagnoses_ry2025", "ccs_procedures_ry2025"),
    ]


def test_a_map_without_lists_goes_into_every_version(tmp_path, folder, run_import):
    run_import("ccs", write_book(tmp_path / "m2024.xlsx", CCS))
    measure = load_measure("ASC-12", options={"planned_admission_tables": "admission_year"}, definitions=folder)
    assert [(t.table, t.admission_years, t.procedure_categories) for t in measure.planned_tables] == [
        ("planned_admission_ry2021", "-2020", "ccs_procedures_ry2024"),
        ("planned_admission_ry2023", "2021", "ccs_procedures_ry2024"),
        ("planned_admission_ry2024", "2022-", "ccs_procedures_ry2024"),
    ]


def test_condition_categories_of_an_import_take_the_place_of_the_project_s(tmp_path, folder, run_import):
    run_import("cc", write_book(tmp_path / "m2023.xlsx", {"M": CATEGORIES}))
    measure = load_measure("ASC-17", definitions=folder)
    assert [clause.table for clause in measure.condition_maps] == [
        "condition_categories_2023",
        "condition_categories_public",
        "condition_categories_rebuilt",
    ]
    held = {"19", "49", "85", "95", "136"}
    for name in ("condition_categories_public", "condition_categories_rebuilt"):
        mine, project = measure.table(name), load_code_table(name)
        assert {row["category"] for row in project.rows} - {row["category"] for row in mine.rows} <= held
        assert not held & {row["category"] for row in mine.rows}


def test_a_map_that_holds_all_rebuilt_categories_leaves_nothing_rebuilt(tmp_path, folder, run_import):
    rebuilt = sorted({row["category"] for row in load_code_table("condition_categories_rebuilt").rows}, key=int)
    rows = [["code", "cc"], *([f"U07.{n % 10}", category] for n, category in enumerate(rebuilt))]
    run_import("cc", write_book(tmp_path / "m2023.xlsx", {"M": rows}))
    measure = load_measure("ASC-17", definitions=folder)
    assert "condition_categories_rebuilt" not in measure.tables_used()
    assert "reconstructed" not in {
        o for name in measure.tables_used() if "condition" in name for o in measure.table(name).origins()
    }
