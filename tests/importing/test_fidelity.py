"""Fidelity follows from what a run uses: imports raise it, and nothing else does."""

from __future__ import annotations

import itertools

import pytest

from importing.books import CATEGORIES, CCS, FEES, PLANNED, write_book
from importing.test_folder import own_tables
from importing.test_store import OWN
from riskstd.importing.book import read_book
from riskstd.importing.draft import draft_mapping
from riskstd.pipeline.manifest import describe_definition
from riskstd.spec import fidelity_of, list_measures, load_code_table, load_measure
from riskstd.spec.clauses import ConditionCategory, DiagnosisCode
from riskstd.spec.fidelity import OFFICIAL, PARTLY, TABLES_ONLY, Fidelity

WEAK = {"reconstructed", "assumed"}


@pytest.fixture
def imported(tmp_path, folder, run_import):
    run_import("paa", write_book(tmp_path / "p2024.xlsx", PLANNED))
    run_import("ccs", write_book(tmp_path / "m2024.xlsx", CCS))
    run_import("cc", write_book(tmp_path / "c2023.xlsx", {"M": CATEGORIES}))
    run_import("rvu", write_book(tmp_path / "PPRRVU25.xlsx", {"P": FEES}))
    return folder


def test_the_label_by_what_is_in_use():
    clauses, tables = {"cms_public": 9}, {"t": {"cms_public": 1}, "u": {"user_import": 2}}
    assert Fidelity(clauses, tables, frozenset({"cms_public"})).label == OFFICIAL
    assert Fidelity(clauses | {"assumed": 1}, tables, frozenset({"user_import"})).label == TABLES_ONLY
    assert Fidelity(clauses, tables, frozenset({"reconstructed"})).label == PARTLY
    for weak in WEAK:
        assert Fidelity(clauses, tables | {"v": {"user_import": 999, weak: 1}}).label == PARTLY


@pytest.mark.parametrize(("name", "year"), list_measures(None))
def test_no_option_changes_the_label_of_a_run_with_a_rebuilt_table(imported, name, year):
    measure = load_measure(name, year, definitions=imported)
    singles = [{option: value} for option, facts in measure.definition.options.items() for value in facts.choices]
    pairs = [a | b for a, b in itertools.combinations(singles, 2) if not set(a) & set(b)]
    labels = set()
    for choice in [{}, *singles, *pairs[:: max(1, len(pairs) // 12)]]:
        chosen = measure.with_options(choice)
        rebuilt = [table for table in chosen.tables_used() if WEAK & set(chosen.table(table).origins())]
        label = fidelity_of(chosen).label
        labels.add(label)
        assert (label == PARTLY) or not rebuilt
        assert label != OFFICIAL
    assert labels == {PARTLY}


def test_importing_lifts_the_origins_of_what_it_replaces(imported):
    before, after = (
        fidelity_of(load_measure("ASC-12", definitions=None)),
        fidelity_of(load_measure("ASC-12", definitions=imported)),
    )
    assert "ccs_codes_newer_than_map" in before.tables
    assert "ccs_codes_newer_than_map" not in after.tables
    assert after.tables["planned_admission_ry2024"] == {"user_import": 6}
    assert after.tables["ccs_diagnoses_ry2024"] == {"user_import": 3}
    assert after.clauses["user_import"] == 2
    assert "tables imported by the user: " in after.statement()
    assert "condition_categories_2023" in after.statement().split("imported by the user: ")[1]


def test_a_measure_whose_tables_and_lists_are_all_imported_says_so(tmp_path, folder, run_import):
    """The label rises with the last rebuilt table or list, and not before; the rules stay what they are."""
    rebuilt = sorted({row["category"] for row in load_code_table("condition_categories_rebuilt").rows}, key=int)
    rows = [["code", "cc"], *([f"U07.{n % 10}", category] for n, category in enumerate(rebuilt))]
    run_import("cc", write_book(tmp_path / "c2023.xlsx", {"M": rows}))
    run_import("ccs", write_book(tmp_path / "m2024.xlsx", CCS))
    factors = load_measure("ASC-18", definitions=folder).factors
    values = [[f.label, " ".join(map(str, f.categories))] for f in factors if isinstance(f, ConditionCategory)]
    codes = [[f.label, f.codes[0]] for f in factors if isinstance(f, DiagnosisCode)]
    sheets = {
        "Cohort": [["CPT"], ["52310"], ["52356"]],
        "Risk variables": [["Risk variable", "CC"], *values],
        "Risk codes": [["Risk variable", "ICD-10-CM"], *codes],
        "Complications": [["CC"], [2], [7]],
    }
    labels = []
    for count in range(1, 5):
        book = write_book(tmp_path / f"d{count}.xlsx", dict(list(sheets.items())[:count]))
        mapping = tmp_path / f"m{count}.toml"
        mapping.write_text(draft_mapping(read_book(book), load_measure("ASC-18", definitions=None)), "utf-8")
        run_import("dictionary", book, mapping=mapping, replace=True)
        labels.append(fidelity_of(load_measure("ASC-18", definitions=folder)).label)
    assert labels == [PARTLY, PARTLY, PARTLY, TABLES_ONLY]
    found = fidelity_of(load_measure("ASC-18", definitions=folder))
    assert not any(WEAK & set(rows) for rows in found.tables.values())
    assert WEAK & set(found.clauses)


def test_a_rebuilt_table_written_by_hand_keeps_the_label_down(tmp_path):
    index = OWN.replace("[my_codes]", "[urology_codes]").replace('"assumed"', '"reconstructed"')
    folder = own_tables(tmp_path, index)
    measure = load_measure("ASC-18", definitions=folder)
    assert measure.table("urology_codes").codes("qualifying").exact == {"22551", "22612"}
    assert fidelity_of(measure).label == PARTLY


def test_the_manifest_names_the_file_behind_each_table(imported):
    described = describe_definition(load_measure("ASC-12", definitions=imported))
    assert described["definitions"] == str(imported)
    assert described["tables"]["planned_admission_ry2024"]["imported_from"][0]["source_file"] == "p2024.xlsx"
    rvu = described["tables"]["work_rvu"]
    assert rvu["rows_by_origin"].keys() == {"cms_public", "user_import"}
    assert [one["years"] for one in rvu["imported_from"]] == ["2025"]
    plain = describe_definition(load_measure("ASC-12", definitions=None))
    assert "definitions" not in plain
    assert not any("imported_from" in table for table in plain["tables"].values())
