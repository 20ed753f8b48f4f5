"""What `spec diff` lists: the versions of the planned admission tables, and definitions with one planted change."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from riskstd.errors import OptionError, SpecError
from riskstd.spec import load_code_table, load_measure
from riskstd.spec.codetables import DATA
from riskstd.spec.diff import diff
from riskstd.spec.diffwords import as_markdown, as_text
from riskstd.spec.sides import read_side

ASC_12 = DATA / "ascqr" / "2025" / "asc-12.toml"


def mutated(tmp_path: Path, before: str, after: str) -> Path:
    text = ASC_12.read_text("utf-8")
    assert text.count(before) >= 1
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(before, after, 1), "utf-8")
    return path


def changes(before: object, after: object) -> list[tuple[str, str]]:
    return [(change.path, change.change) for change in diff(before, after).clauses if change.in_force]


# ---- versions of the planned admission tables -------------------------------------------------


@pytest.mark.parametrize("year", [2023, 2024])
def test_planned_admission_tables_of_later_years_differ_by_two_categories_and_their_codes(year: int):
    old = load_code_table("planned_admission_ry2021")
    found = diff(old, load_code_table(f"planned_admission_ry{year}"))
    assert found.clauses == ()
    categories, codes = found.codes
    assert (categories.group, categories.added, categories.removed) == ("PA4 diagnosis_category", ("237", "661"), ())
    assert (codes.group, codes.added, len(codes.removed)) == ("PA4 diagnosis_code", (), 724 + 424)
    classes = load_code_table("ccs_diagnoses").category_map()
    assert {classes.categories(code) for code in codes.removed} == {("237",), ("661",)}


def test_nothing_is_known_to_differ_between_2023_and_2024():
    tables = (load_code_table(f"planned_admission_ry{year}") for year in (2023, 2024))
    assert not diff(*tables)


def test_versions_compare_as_options_of_a_measure():
    found = diff(read_side("ASC-18"), read_side("ASC-18:planned_admission_tables=ry2024"))
    assert [change.path for change in found.clauses] == [
        "options.planned_admission_tables",
        "planned_admission.tables[ry2021 -> ry2024]",
    ]
    assert {change.group: (len(change.added), len(change.removed)) for change in found.codes} == {
        "PA4 diagnosis_category": (2, 0),
        "PA4 diagnosis_code": (0, 1148),
    }


# ---- definitions ------------------------------------------------------------------------------


def test_a_measure_does_not_differ_from_itself():
    found = diff(load_measure("ASC-17"), load_measure("ASC-17"))
    assert not found
    assert "Nothing changed" in as_text(found)


def test_a_bound_is_named_with_both_values(tmp_path):
    mine = mutated(tmp_path, "age_years = 65", "age_years = 50")
    (change,) = diff(load_measure("ASC-12"), load_measure(mine)).clauses
    (field,) = change.fields
    assert (change.path, change.change) == ("cohort.exclusions[age_under_65]", "changed")
    assert (field.key, field.before, field.after) == ("age_years", 65, 50)


def test_a_dropped_clause_is_removed(tmp_path):
    text = ASC_12.read_text("utf-8")
    start = text.index('[[cohort.exclusions]]\nid = "diverticulitis"')
    end = text.index('[[cohort.exclusions]]\nid = "followed_by_colonoscopy"')
    (tmp_path / "mine.toml").write_text(text[:start] + text[end:], "utf-8")
    assert changes(load_measure("ASC-12"), load_measure(tmp_path / "mine.toml")) == [
        ("cohort.exclusions[diverticulitis]", "removed")
    ]
    assert changes(load_measure(tmp_path / "mine.toml"), load_measure("ASC-12")) == [
        ("cohort.exclusions[diverticulitis]", "added")
    ]


def test_codes_of_a_clause_are_added_and_removed_one_by_one(tmp_path):
    mine = mutated(tmp_path, '["0450", "0451", "0452", "0459", "0981"]', '["0450", "0451", "0456", "0981"]')
    change = next(c for c in diff(load_measure("ASC-12"), load_measure(mine)).clauses if "ed_revenue" in c.path)
    (field,) = change.fields
    assert (field.added, field.removed) == (("0456",), ("0452", "0459"))


def test_another_table_shows_its_codes(tmp_path):
    mine = mutated(
        tmp_path, 'table = "colonoscopy_codes"\nrole = "qualifying"', 'table = "urology_codes"\nrole = "qualifying"'
    )
    found = diff(load_measure("ASC-12"), load_measure(mine))
    (codes,) = found.codes
    assert codes.tables == ("colonoscopy_codes", "urology_codes")
    assert "45378" in codes.removed
    assert "52356" in codes.added


def test_other_years_of_a_code_are_a_change():
    table = load_code_table("urology_codes")
    rows = tuple({**row, "years": "2022-"} if "50080" in row["codes"] else row for row in table.rows)
    later = type(table)(table.name, table.provenance, rows, "0" * 64)
    (change,) = diff(table, later).codes
    assert (change.added, change.removed) == ((), ())
    assert ("50080", "2021-2026", "2022-") in change.changed


def test_a_clause_that_holds_on_neither_side_is_listed_apart(tmp_path):
    mine = mutated(tmp_path, 'modifiers = ["73", "74"]', 'modifiers = ["73"]')
    (change,) = diff(load_measure("ASC-12"), load_measure(mine)).clauses
    assert (change.path, change.in_force) == ("cohort.exclusions[discontinued]", False)
    assert "hold on neither side" in as_markdown(diff(load_measure("ASC-12"), load_measure(mine)))


def test_other_measure_in_words_carries_the_notice_and_every_code_is_in_the_record():
    found = diff(load_measure("ASC-17"), load_measure("ASC-18"))
    assert "American Medical Association" in as_text(found)
    assert "more" in as_text(found)
    with (DATA / "tables" / "urology_codes.csv").open(encoding="utf-8") as file:
        wanted = {code for row in csv.DictReader(file) for code in row["codes"].split()}
    added = {code for change in found.to_dict()["codes"] for code in change["added"]}
    assert wanted <= added


# ---- what cannot be compared ------------------------------------------------------------------


def test_a_measure_and_a_table_are_refused():
    with pytest.raises(SpecError, match="cannot be compared"):
        diff(read_side("ASC-12"), read_side("planned_admission_ry2021"))


def test_tables_of_two_kinds_are_refused():
    with pytest.raises(SpecError, match="work_rvu is a work_rvu and ccs_diagnoses a category_map"):
        diff(read_side("work_rvu"), read_side("ccs_diagnoses"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ASC-12@next", "is not a year"),
        ("ASC-12:carrier_ed=on,x=", "cannot be read"),
        ("ASC-12:colour=red", "no option"),
    ],
)
def test_a_side_that_cannot_be_read_is_refused(text: str, message: str):
    with pytest.raises(OptionError, match=message):
        read_side(text)
