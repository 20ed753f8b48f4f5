"""A data dictionary of unknown layout: a mapping is drafted, checked by a person, and imported with."""

from __future__ import annotations

import hashlib
import re
import tomllib

import pytest

from importing.books import MIXED, write_book
from riskstd.errors import InputError
from riskstd.importing.book import read_book
from riskstd.importing.draft import draft_mapping
from riskstd.importing.mapping import DictionaryMapping
from riskstd.spec import fidelity_of, load_measure
from riskstd.spec.folder import open_definitions

BOOK = {
    "Read me": [["This workbook belongs to nobody"], ["It is invented"]],
    "Cohort": [
        ["Procedures of the cohort"],
        [],
        ["CPT Code", "Text", "Status"],
        [29881, "x", None],
        ["27447 ", "x", None],
        ["0042T", "x", "Deleted 2023"],
        ["G0289", "x", "Added"],
    ],
    "Risk variables": [
        ["Risk variables of the model"],
        ["Risk variable", "CCs"],
        ["Congestive heart failure", "CC 85"],
        ["Vascular disease", "CC 106-108, 109"],
        ["Something that no one knows", 12],
    ],
    "Risk codes": [
        ["Risk variable", "ICD-10-CM code"],
        ["Long-term anticoagulant use", "Z79.01"],
        ["Tobacco use", "F17.2x"],
        ["Tobacco use", "Z72.0"],
    ],
    "Complications": [["Complications of care"], ["CC", "Text"], [2, "x"], [7.0, "x"], ["CC 177", "x"]],
}


@pytest.fixture
def measure():
    return load_measure("ASC-17", definitions=None)


@pytest.fixture
def book(tmp_path):
    return write_book(tmp_path / "dictionary.xlsx", BOOK, hidden={"Old": BOOK["Cohort"]})


@pytest.fixture
def mapping(tmp_path, book, measure):
    path = tmp_path / "map.toml"
    path.write_text(draft_mapping(read_book(book), measure), "utf-8")
    return path


def change(path, *pairs):
    text = path.read_text("utf-8")
    for old, new in pairs:
        assert old in text, text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    return path


def test_the_draft_finds_headers_columns_and_meanings(mapping):
    found = DictionaryMapping.model_validate(tomllib.loads(mapping.read_text("utf-8")))
    lists = {one.sheet: one for one in found.list}
    assert (found.measure, found.spec_year, found.service_years) == ("ASC-17", 2025, "2023")
    assert lists["Read me"].meaning == "ignore"
    assert lists["Cohort"].model_dump() == {
        "sheet": "Cohort",
        "header_row": 3,
        "code": "CPT Code",
        "status": "Status",
        "meaning": "code_list",
        "table": "orthopedic_codes",
        "role": "qualifying",
        "system": "HCPCS",
    }
    assert lists["Risk variables"].model_dump() == {
        "sheet": "Risk variables",
        "header_row": 2,
        "code": "CCs",
        "status": "",
        "meaning": "risk_categories",
        "label": "Risk variable",
        "factors": {
            "Congestive heart failure": "heart_failure",
            "Vascular disease": "vascular_disease",
            "Something that no one knows": "",
        },
    }
    assert lists["Risk codes"].model_dump()["factors"] == {
        "Long-term anticoagulant use": "anticoagulant_use",
        "Tobacco use": "tobacco_use",
    }
    assert lists["Complications"].meaning == "complication_categories"
    assert "hidden and not read" in mapping.read_text("utf-8")


def test_the_mapping_imports_to_lists_and_values(folder, run_import, book, mapping, measure):
    report = run_import("dictionary", book, mapping=mapping)
    assert [table.name for table in report.tables] == ["orthopedic_codes_2025", "values_asc_17_2025"]
    changed = load_measure("ASC-17", definitions=folder)
    for year in (2020, 2023, 2030):
        assert changed.table("orthopedic_codes").codes("qualifying", year=year).exact == {"29881", "27447", "G0289"}
    factors = {factor.name: factor for factor in changed.factors}
    assert factors["heart_failure"].categories == (85,)  # type: ignore[union-attr]
    assert factors["vascular_disease"].categories == (106, 107, 108, 109)  # type: ignore[union-attr]
    assert factors["tobacco_use"].codes == ("F172*", "Z720")  # type: ignore[union-attr]
    assert factors["anticoagulant_use"].codes == ("Z7901",)  # type: ignore[union-attr]
    assert factors["tobacco_use"].values_origin == "user_import"
    assert changed.complication_categories == {2, 7, 177}
    assert {f.name: f for f in measure.factors}["hypertension"] == factors["hypertension"]
    assert "values_asc_17_2025" in changed.tables_used()
    counts = {sheet.sheet: (sheet.taken, sheet.removed, sheet.set_aside) for sheet in report.sheets}
    assert counts == {
        "Cohort": (3, 1, 0),
        "Risk variables": (2, 0, 1),
        "Risk codes": (3, 0, 0),
        "Complications": (3, 0, 0),
    }


def test_other_measures_and_years_are_left_alone(folder, run_import, book, mapping):
    run_import("dictionary", book, mapping=mapping)
    assert load_measure("ASC-18", definitions=folder).definition == load_measure("ASC-18", definitions=None).definition
    assert fidelity_of(load_measure("ASC-18", definitions=folder)) == fidelity_of(load_measure("ASC-18"))


def test_the_service_year_picks_the_edition_of_a_list(tmp_path, folder, run_import, mapping):
    def cohort(name, code, spec_year, service_year):
        text = mapping.read_text("utf-8").replace("spec_year = 2025", f"spec_year = {spec_year}")
        head, cohort = text.replace('"2023"', f'"{service_year}"').split("[[list]]")[::2][:2]
        path = tmp_path / f"{name}.toml"
        path.write_text(f"{head}[[list]]{cohort}", "utf-8")
        book = write_book(tmp_path / f"{name}.xlsx", {"Cohort": [*BOOK["Cohort"][:3], [code, "x"]]})
        return run_import("dictionary", book, mapping=path)

    cohort("first", 29880, 2025, 2022)
    table = load_measure("ASC-17", definitions=folder).table("orthopedic_codes")
    assert table.codes("qualifying", year=2030).exact == {"29880"}
    # The measure of the next year is not there: its lists are stored through the measure at hand.
    with pytest.raises(InputError, match="no definition of measure 'ASC-17' for year 2026"):
        cohort("second", 29881, 2026, 2024)


def test_editions_share_the_service_years(folder, run_import, book, mapping):
    run_import("dictionary", book, mapping=mapping)
    index = folder / "tables" / "index.toml"
    text = index.read_text("utf-8")
    entry = next(part for part in text.split("\n\n") if part.startswith("[orthopedic_codes_2025]"))
    later = entry.replace("[orthopedic_codes_2025]", "[orthopedic_codes_2026]").replace('"2023"', '"2025"')
    file = re.search(r'file = "(.*)"', entry).group(1)  # type: ignore[union-attr]
    rows = (folder / "tables" / file).read_bytes().replace(b"27447 ", b"")
    (folder / "tables" / "later.csv").write_bytes(rows)
    later = re.sub(r'sha256 = ".*?"', f'sha256 = "{hashlib.sha256(rows).hexdigest()}"', later, count=1)
    index.write_text(text + "\n" + later.replace(file, "later.csv") + "\n", "utf-8")
    table = load_measure("ASC-17", definitions=folder).table("orthopedic_codes")
    found = {year: "27447" in table.codes("qualifying", year=year) for year in (2020, 2023, 2024, 2025, 2030)}
    assert found == {2020: True, 2023: True, 2024: True, 2025: False, 2030: False}
    assert len(table.imports) == 2


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([('sheet = "Cohort"', 'sheet = "Kohort"')], r"no sheet 'Kohort'; its sheets are 'Read me'"),
        ([('sheet = "Cohort"', 'sheet = "Old"')], r"no sheet 'Old' \(it is hidden\)"),
        ([("header_row = 3", "header_row = 1")], r"'Cohort', cell A1: no column 'CPT Code'; row 1 has A 'Procedures"),
        ([('code = "CPT Code"', 'code = "Code"')], r"'Cohort', cell A3: no column 'Code'; row 3 has A 'CPT Code'"),
        ([('role = "qualifying"', 'role = "other"')], r"role 'other' of table 'orthopedic_codes'"),
        ([('table = "orthopedic_codes"', 'table = "nowhere"')], "nowhere"),
        ([('= "heart_failure"', '= "tobacco_use"')], r"'Congestive heart failure' the factor 'tobacco_use'"),
        ([('meaning = "complication_categories"', 'meaning = "guess"')], r"4 problem|list\.4.*guess|1 problem"),
        ([("spec_year = 2025", "spec_year = 2025\ncolour = 1")], "colour"),
        ([('measure = "ASC-17"', 'measure = "ASC-99"')], "no definition of measure 'ASC-99'"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(folder, run_import, book, mapping, pairs, said):
    with pytest.raises(InputError) as caught:
        run_import("dictionary", book, mapping=change(mapping, *pairs))
    assert re.search(said, str(caught.value)), str(caught.value)
    assert not folder.exists()


def test_labels_without_a_factor_are_rejected_by_cell(folder, run_import, book, mapping):
    more = [[label, 85] for label in ("Congestive heart failure",) * 4]
    wider = write_book(book, {**BOOK, "Risk variables": [*BOOK["Risk variables"], *more]})
    change(mapping, ('"Vascular disease" = "vascular_disease"\n', ""))
    report = run_import("dictionary", wider, mapping=mapping)
    assert [(one.place, one.found) for one in report.rejected] == [
        ("sheet 'Risk variables', cell A4", "Vascular disease")
    ]


def test_planned_lists_need_all_four_parts(tmp_path, folder, run_import, measure):
    part = [["t"], MIXED[1:], [64, "x"], [105, "x"]]
    sheets = {f"PA{n}": part for n in (1, 2, 3, 4)}
    book = write_book(tmp_path / "d.xlsx", sheets)
    text = draft_mapping(read_book(book), measure)
    assert text.count('meaning = "planned_admission"') == 4
    mapping = tmp_path / "m.toml"
    mapping.write_text(text, "utf-8")
    run_import("dictionary", book, mapping=mapping)
    found = open_definitions(folder)
    assert found is not None
    assert {row["part"] for row in found.table("planned_admission_asc_17_2025").rows} == {"PA1", "PA2", "PA3", "PA4"}
    assert [t.table for t in load_measure("ASC-17", definitions=folder).planned_tables] == [
        "planned_admission_asc_17_2025"
    ]
    assert [t.table for t in load_measure("ASC-18", definitions=folder).planned_tables] == ["planned_admission_ry2021"]
    mapping.write_text("\n[[list]]".join(text.split("\n[[list]]")[:-1]) + "\n", "utf-8")
    with pytest.raises(InputError, match="names planned admission lists PA1, PA2, PA3"):
        run_import("dictionary", book, mapping=mapping, replace=True)
