"""A map of diagnosis codes to condition categories: any header, any text form, one numbering."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importing.books import CATEGORIES, write_book
from riskstd.errors import InputError
from riskstd.importing import ImportRequest, import_file
from riskstd.spec.folder import open_definitions

EXPECTED = {
    "19": {"E119"},
    "49": {"D509"},
    "85": {"I132", "I501", "I5022", "I509"},
    "95": {"I10"},
    "136": {"I132", "N186"},
}


def pairs(folder, name="condition_categories_2023"):
    found = open_definitions(folder)
    assert found is not None
    rows = found.table(name).rows
    assert {row["model"] for row in rows} == {"V22"}
    return {row["category"]: set(row["codes"].split()) for row in rows}


def text(rows, mark=","):
    return "\n".join(mark.join(str(cell) for cell in row) for row in rows) + "\n"


def test_workbook(tmp_path, folder, run_import):
    report = run_import("cc", write_book(tmp_path / "map.xlsx", {"Sheet1": CATEGORIES}), year=2023)
    assert pairs(folder) == EXPECTED
    assert report.tables[0].lists == {"categories": 5, "codes": 8, "pairs": 9}


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", [True, False])
def test_text_with_or_without_a_header_and_with_a_byte_order_mark(tmp_path, folder, run_import, mark, header):
    file = tmp_path / "map_2023.csv"
    file.write_bytes(b"\xef\xbb\xbf" + text(CATEGORIES[0 if header else 1 :], mark).encode())
    run_import("cc", file)
    assert pairs(folder) == EXPECTED


def test_windows_text_and_utf_16(tmp_path, folder, run_import):
    rows = [["Diagn\u00f3stico", "Grupo"], *CATEGORIES[1:]]
    for encoding in ("cp1252", "utf-16"):
        file = tmp_path / f"map_{encoding}.csv"
        file.write_bytes(text(rows).encode(encoding))
        run_import("cc", file, year=2023, replace=True)
        assert pairs(folder) == EXPECTED


def test_titles_and_further_columns(tmp_path, folder, run_import):
    rows = [["A map"], [], ["Text", "ICD", "V22 category"], *(["x y", *row] for row in CATEGORIES[1:])]
    run_import("cc", write_book(tmp_path / "map.xlsx", {"Notes": [["read me"]], "Map": rows}), year=2023)
    assert pairs(folder) == EXPECTED


def test_several_columns_of_numbers_need_a_name_or_v22_in_the_header(tmp_path, folder, run_import):
    rows = [["ICD", "First", "Second"], *([row[0], row[1], 7] for row in CATEGORIES[1:])]
    file = write_book(tmp_path / "map.xlsx", {"Map": rows})
    with pytest.raises(InputError, match=r"'Map', row 1: 2 columns could hold the categories.*B 'First', C 'Second'"):
        run_import("cc", file, year=2023)
    run_import("cc", file, year=2023, column="first")
    assert pairs(folder) == EXPECTED
    rows[0] = ["ICD", "CMS-HCC V22", "CMS-HCC V24"]
    run_import("cc", write_book(tmp_path / "other.xlsx", {"Map": rows}), year=2023, replace=True)
    assert pairs(folder) == EXPECTED


@pytest.mark.parametrize("model", ["V23", "V24", "CMS-HCC Model V28"])
def test_another_model_in_the_header_is_refused(tmp_path, run_import, model):
    rows = [["ICD", model], *CATEGORIES[1:]]
    with pytest.raises(InputError, match=r"'Map', cell B1: header.*\n.*V22.*\n.*V23, V24 and V28"):
        run_import("cc", write_book(tmp_path / "map.xlsx", {"Map": rows}), year=2023)


def test_another_numbering_shows_by_its_codes(tmp_path, folder, run_import):
    # In V24 major depression is 59, in V22 it is 58.
    rows = [["ICD", "CC"], ["F32.0", 59], ["F32.1", 59], ["F32.2", 59], ["F33.0", 59], ["I50.9", 85]]
    with pytest.raises(InputError, match=r"1 categories hold codes that V22 has elsewhere: 59 \(4 of 4 codes"):
        run_import("cc", write_book(tmp_path / "map.xlsx", {"Map": rows}), year=2023)
    assert not folder.exists()


def test_a_table_without_codes_is_refused(tmp_path, run_import):
    with pytest.raises(InputError, match="no sheet has a column of ICD-10-CM codes; sheets: 'People'"):
        run_import("cc", write_book(tmp_path / "map.xlsx", {"People": [["name", "age"], ["x", 70]]}), year=2023)


CODE = st.from_regex(r"[A-TV-Z][0-9][0-9A-B][0-9]{0,4}", fullmatch=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.tuples(CODE, st.sampled_from([2, 13, 38, 49, 94, 95, 118, 178])), min_size=1, max_size=30), st.data())
def test_every_pair_written_comes_back(tmp_path_factory, drawn, data):
    tmp_path = tmp_path_factory.mktemp("map")
    rows = []
    for code, category in sorted(drawn):
        written = f"{code[:3]}.{code[3:]}" if len(code) > 3 and data.draw(st.booleans()) else code
        blank = data.draw(st.sampled_from(["", " ", "\u00a0"]))
        form = data.draw(st.sampled_from(["{}", "{}.0", "CC {}", "HCC{}", "0{}"]))
        rows.append((written + blank, form.format(category)))
    file = tmp_path / "m.csv"
    file.write_text("code,cc\n" + text(rows), "utf-8")
    try:
        import_file(ImportRequest("cc", file, tmp_path / "d", year=2023))
    except InputError as error:
        assert "V22 has elsewhere" in str(error)  # noqa: PT017 - drawn codes may by chance be of another category
        return
    found = {(code, category) for category, codes in pairs(tmp_path / "d").items() for code in codes}
    assert found == {(code, str(category)) for code, category in drawn}
