"""The project's code tables: sizes, spot values, provenance and guards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from riskstd.errors import SpecError
from riskstd.spec import codetables
from riskstd.spec.codetables import DATA, INDEX, CodeTable, code_table_names, load_code_table

CATEGORY_MAPS = [
    "ccs_diagnoses",
    "ccs_procedures",
    "condition_categories_public",
    "condition_categories_rebuilt",
]
COHORTS = ["colonoscopy_codes", "orthopedic_codes", "urology_codes", "general_surgery_codes"]
HCPCS_TABLES = [*COHORTS, "general_surgery_types", "work_rvu"]


def patterns(table: CodeTable) -> list[str]:
    return [code for row in table.rows for code in row.get("codes", row.get("code", "")).split()]


# ---- every table -----------------------------------------------------------------------------


def test_all_tables_of_the_index_are_present_and_no_file_is_left_over():
    files = {load_code_table(name).provenance.file for name in code_table_names()}
    assert files == {path.name for path in INDEX.parent.glob("*.csv")}
    assert len(files) == 16


def test_the_data_folder_stays_small():
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 2_000_000


@pytest.mark.parametrize("name", code_table_names())
def test_every_row_has_origin_grade_and_source(name: str):
    table = load_code_table(name)
    assert len(table.rows) > 0
    assert set(table.origins()) <= {"cms_public", "reconstructed", "assumed"}
    if table.provenance.kind == "work_rvu":
        return
    for row in table.rows:
        assert row["origin"]
        assert row["grade"] in {"A", "A-", "B", "C"}
        assert row["source"].strip()
        assert row["codes"].split()


@pytest.mark.parametrize("name", code_table_names())
def test_patterns_are_codes_or_prefixes_of_three_characters_or_more(name: str):
    for pattern in patterns(load_code_table(name)):
        assert re.fullmatch(r"[0-9A-Z]{3,7}(\*|\.\.[0-9A-Z]{3,7})?|\d{1,3}", pattern), pattern


@pytest.mark.parametrize("name", HCPCS_TABLES)
def test_procedure_numbers_come_without_descriptors_and_with_the_notice(name: str):
    table = load_code_table(name)
    numbers = patterns(table)
    assert all(re.fullmatch(r"\d{5}|G\d{4}", number) for number in numbers)
    assert "AMA-NOTICE.txt" in table.provenance.note
    wordy = {cell for row in table.rows for cell in row.values() if re.search("[a-z]", cell)}
    allowed = {
        "qualifying",
        "HCPCS",
        *table.origins(),
        *({row["source"] for row in table.rows if "source" in row}),
    }
    assert wordy <= allowed | set(table.roles() if "role" in table.rows[0] else ())
    assert len({row.get("source") for row in table.rows}) < 15 < len(numbers)  # a source is never about one number


def test_the_ama_notice_is_shipped():
    notice = (DATA / "AMA-NOTICE.txt").read_text("utf-8")
    assert notice.startswith("CPT only copyright 2024 American Medical Association.")


# ---- clinical classification -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("I10", "98"),
        ("I21.4", "100"),
        ("C18.9", "14"),
        ("Z51.11", "45"),
        ("J18.9", "122"),
        ("S72.001A", "226"),
        ("K57.32", "146"),
        ("A41.9", "2"),
    ],
)
def test_diagnoses_fall_into_their_category(code: str, category: str):
    assert load_code_table("ccs_diagnoses").category_map().categories(code) == (category,)


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("0TY00Z0", "105"),
        ("0FT44ZZ", "84"),
        ("0DTJ4ZZ", "80"),
        ("0SR9019", "153"),
        ("021009W", "44"),
        ("30233N1", "222"),
    ],
)
def test_procedures_fall_into_their_category(code: str, category: str):
    assert load_code_table("ccs_procedures").category_map().categories(code) == (category,)


def test_the_classification_has_all_its_categories():
    assert len({row["category"] for row in load_code_table("ccs_diagnoses").rows}) == 283
    assert len({row["category"] for row in load_code_table("ccs_procedures").rows}) == 224


def test_codes_newer_than_the_map_are_counted_and_partly_inherit():
    newer = load_code_table("ccs_codes_newer_than_map")
    for role, name, count, inheriting in [
        ("diagnosis", "ccs_diagnoses", 2541, 2072),
        ("procedure", "ccs_procedures", 1942, 919),
    ]:
        codes = newer.codes(role)
        mapped = load_code_table(name).category_map()
        assert len(codes) == count
        assert sum(code in mapped for code in codes.exact) == inheriting


# ---- planned admissions ----------------------------------------------------------------------


SIZES = {
    "planned_admission_ry2021": (3, 2, 65, 2521, 80, 12333),
    "planned_admission_ry2023": (3, 2, 65, 2521, 82, 11185),
    "planned_admission_ry2024": (3, 2, 65, 2521, 82, 11185),
}
LISTS = [
    ("PA1", "procedure_category"),
    ("PA2", "diagnosis_category"),
    ("PA3", "procedure_category"),
    ("PA3", "procedure_code"),
    ("PA4", "diagnosis_category"),
    ("PA4", "diagnosis_code"),
]


@pytest.mark.parametrize("name", SIZES)
def test_planned_admission_lists_have_their_sizes(name: str):
    """Categories of all years and single codes of 2021 as published; the single codes of later years are not public."""
    table = load_code_table(name)
    codes = [table.planned_part(part, kind) for part, kind in LISTS]
    assert tuple(len(listed.exact) for listed in codes) == SIZES[name]
    assert not any(listed.prefixes for listed in codes)


@pytest.mark.parametrize("name", SIZES)
def test_planned_admission_table_holds_nothing_else_and_nothing_twice(name: str):
    rows = load_code_table(name).rows
    listed = [(row["part"], row["kind"], code) for row in rows for code in row["codes"].split()]
    assert len(listed) == len(set(listed)) == sum(SIZES[name])


@pytest.mark.parametrize("planned", SIZES)
def test_planned_admission_categories_exist_in_the_classification(planned: str):
    table = load_code_table(planned)
    for kind, name in [("diagnosis_category", "ccs_diagnoses"), ("procedure_category", "ccs_procedures")]:
        known = {row["category"] for row in load_code_table(name).rows}
        for part in ("PA1", "PA2", "PA3", "PA4"):
            assert table.planned_part(part, kind).exact <= known


@pytest.mark.parametrize("planned", SIZES)
def test_no_listed_code_is_already_in_a_listed_category(planned: str):
    table = load_code_table(planned)
    newer = load_code_table("ccs_codes_newer_than_map")
    for part, code_kind, category_kind, name, role in [
        ("PA3", "procedure_code", "procedure_category", "ccs_procedures", "procedure"),
        ("PA4", "diagnosis_code", "diagnosis_category", "ccs_diagnoses", "diagnosis"),
    ]:
        mapped = load_code_table(name).category_map()
        categories = table.planned_part(part, category_kind).exact
        codes = table.planned_part(part, code_kind).exact - newer.codes(role).exact
        assert not [code for code in codes if set(mapped.categories(code)) & categories]


# ---- condition categories --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "categories"),
    [
        ("E11.9", ("19",)),
        ("I50.20", ("85",)),
        ("J44.9", ("111",)),
        ("N18.6", ("136",)),
        ("Z99.2", ("134",)),
        ("C78.00", ("8",)),
        ("I13.2", ("85", "136")),
        ("R09.02", ("84",)),
        ("I10", ()),
        ("D50.9", ()),
    ],
)
def test_public_condition_categories(code: str, categories: tuple[str, ...]):
    assert load_code_table("condition_categories_public").category_map().categories(code) == categories


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("D50.9", "49"),
        ("E87.6", "24"),
        ("I10", "95"),
        ("I25.10", "89"),
        ("F41.9", "62"),
        ("J45.909", "113"),
        ("K72.00", "30"),
        ("K76.0", "31"),
        ("R07.9", "178"),
        ("R21", "179"),
        ("R09.1", "116"),
        ("S09.90XA", "168"),
        ("S01.01XA", "174"),
        ("T86.10", "132"),
        ("T78.2XXA", "175"),
        ("T81.4XXA", "177"),
    ],
)
def test_rebuilt_condition_categories(code: str, category: str):
    assert load_code_table("condition_categories_rebuilt").category_map().categories(code) == (category,)


def test_public_and_rebuilt_categories_are_disjoint():
    public = {row["category"] for row in load_code_table("condition_categories_public").rows}
    rebuilt = {row["category"] for row in load_code_table("condition_categories_rebuilt").rows}
    assert (len(public), len(rebuilt), public & rebuilt) == (87, 37, set())


def test_public_categories_list_whole_codes_only():
    codes = patterns(load_code_table("condition_categories_public"))
    assert not [code for code in codes if code.endswith("*")]
    assert len(set(codes)) == 10_347


@pytest.mark.parametrize("name", ["condition_categories_public", "condition_categories_rebuilt"])
def test_condition_categories_are_numbered_by_v22_or_v21(name: str):
    assert {row["model"] for row in load_code_table(name).rows} <= {"V22", "V21"}


@pytest.fixture
def own_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(codetables, "INDEX", tmp_path / "index.toml")
    codetables._index.cache_clear()
    load_code_table.cache_clear()
    yield tmp_path
    codetables._index.cache_clear()
    load_code_table.cache_clear()


def write_map(folder: Path, model: str) -> None:
    (folder / "index.toml").write_text(
        '[own]\nfile = "own.csv"\nkind = "category_map"\nsystem = "ICD-10-CM"\nversion = "1"\n'
        'says = "A map."\nsource = "test"\norigin = "assumed"\ngrade = "C"\n',
        "utf-8",
    )
    (folder / "own.csv").write_text(
        "category,label,model,codes,origin,grade,source\n"
        "58,one,V22,F20*,assumed,C,test\n"
        f"59,two,{model},F32*,assumed,C,test\n",
        "utf-8",
    )


@pytest.mark.parametrize("model", ["V23", "V24", "V28"])
def test_categories_of_another_model_are_refused(own_tables: Path, model: str):
    write_map(own_tables, model)
    with pytest.raises(SpecError, match=rf"line 3: categories numbered by model '{model}'"):
        load_code_table("own")


def test_categories_of_v21_share_their_numbers(own_tables: Path):
    write_map(own_tables, "V21")
    assert load_code_table("own").category_map().categories("F329") == ("59",)


# ---- cohorts and work RVU --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "all_years", "in_2021", "in_2022"),
    [
        ("orthopedic_codes", 1333, 1132, 1101),
        ("urology_codes", 245, 240, 225),
        ("general_surgery_codes", 453, 431, 400),
    ],
)
def test_cohort_sizes_follow_the_covered_years(name: str, all_years: int, in_2021: int, in_2022: int):
    table = load_code_table(name)
    assert len(table.codes("qualifying")) == all_years
    assert len(table.codes("qualifying", year=2021)) == in_2021
    assert len(table.codes("qualifying", year=2022)) == in_2022
    assert len(table.codes("qualifying", year=2020)) == 0


def test_no_code_qualifies_for_two_measures():
    codes = [code for name in COHORTS for code in load_code_table(name).codes("qualifying").exact]
    assert len(codes) == len(set(codes))


def test_colonoscopy_codes_by_year():
    table = load_code_table("colonoscopy_codes")
    always = {"45378", "45380", "45381", "45384", "45385", "G0105", "G0121"}
    assert table.codes("qualifying", year=2014).exact == always | {"45383"}
    assert table.codes("qualifying", year=2015).exact == always | {"G6024"}
    assert table.codes("qualifying", year=2022).exact == always | {"45388"}
    assert table.roles() == [
        "different_procedure",
        "high_risk_colonoscopy",
        "high_risk_upper_gi_endoscopy",
        "polypectomy",
        "qualifying",
        "upper_gi_endoscopy",
    ]
    assert len(table.codes("high_risk_upper_gi_endoscopy")) == 22
    for role in ("high_risk_colonoscopy", "different_procedure", "high_risk_upper_gi_endoscopy"):
        assert not table.codes("qualifying").exact & table.codes(role).exact


def test_colonoscopy_diagnoses_by_code_system():
    table = load_code_table("colonoscopy_diagnoses")
    bowel = table.codes("inflammatory_bowel_disease", system="ICD-10-CM")
    assert "K51.90" in bowel
    assert "K57.32" not in bowel
    assert "555.9" in table.codes("inflammatory_bowel_disease", system="ICD-9-CM")
    diverticulitis = table.codes("diverticulitis", system="ICD-10-CM")
    assert ("K57.32" in diverticulitis, "K57.30" in diverticulitis) == (True, False)
    assert len(diverticulitis) == 16


def test_procedure_types_cover_the_cohort_but_lymph_nodes():
    cohort = load_code_table("general_surgery_codes").codes("qualifying").exact
    types = load_code_table("general_surgery_types")
    assert types.roles() == ["abdomen", "alimentary", "breast", "skin", "vascular", "wound"]
    typed = [code for role in types.roles() for code in types.codes(role).exact]
    assert len(typed) == len(set(typed)) == 431
    assert set(typed) < cohort
    assert {code[:2] for code in cohort - set(typed)} == {"38"}


@pytest.mark.parametrize(
    ("code", "year", "value"),
    [
        ("45378", 2022, 3.26),
        ("45378", 2023, 3.26),
        ("45380", 2022, 3.56),
        ("45384", 2022, 4.07),
        ("45385", 2022, 4.57),
        ("45385", 2023, 4.57),
        ("29881", 2023, 7.03),
        ("52356", 2023, 8.00),
        ("47562", 2023, 10.47),
    ],
)
def test_work_rvu_spot_values(code: str, year: int, value: float):
    assert load_code_table("work_rvu").work_rvu(code, year) == (value, year)


def test_work_rvu_falls_back_to_the_nearest_year():
    table = load_code_table("work_rvu")
    assert table.work_rvu("45378", 2026) == (3.26, 2024)
    assert table.work_rvu("45378", 2012) == (3.26, 2020)


def test_every_qualifying_code_has_a_work_rvu_but_two_that_ended_before_2016():
    table = load_code_table("work_rvu")
    known = {row["code"] for row in table.rows}
    qualifying = {code for name in COHORTS for code in load_code_table(name).codes("qualifying").exact}
    assert qualifying - known == {"45383", "G6024"}
    assert known <= qualifying
