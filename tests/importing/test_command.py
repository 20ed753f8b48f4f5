"""The command `import`, and the how-to page that shows it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from importing.books import CATEGORIES, CCS, COVERED, FEES, PLANNED, write_book
from importing.test_dictionary import BOOK
from importing.test_icd10 import ORDER_CM, ORDER_PCS, order_file
from riskstd.cli import app
from riskstd.errors import InputError
from riskstd.importing.files import IMPORTERS
from riskstd.importing.mapping import DictionaryMapping
from riskstd.pipeline.manifest import describe_definition
from riskstd.spec import load_measure, load_measure_of_run, tables_that_differ
from riskstd.spec.folder import VARIABLE

PAGE = Path(__file__).parents[2] / "docs" / "definitions-folder.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def files(folder):
    return {
        "paa": write_book(folder / "p2024.xlsx", PLANNED),
        "ccs": write_book(folder / "c2024.xlsx", CCS),
        "cc": write_book(folder / "m2023.xlsx", {"M": CATEGORIES}),
        "rvu": write_book(folder / "PPRRVU25.xlsx", {"P": FEES}),
        "addendum-aa": write_book(folder / "aa2025.xlsx", {"AA": COVERED}),
        "icd10cm": order_file(folder / "icd10cm_order_2024.txt", ORDER_CM),
        "icd10pcs": order_file(folder / "icd10pcs_order_2024.txt", ORDER_PCS),
    }


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_every_importer_from_the_command_line(tmp_path, folder):
    made = files(tmp_path)
    assert set(made) == set(IMPORTERS)
    for kind, file in made.items():
        done = call("import", kind, file, "--definitions", folder, "--json")
        assert done.exit_code == 0, (kind, done.output, done.exception)
        report = json.loads(done.stdout)
        assert (report["importer"], report["outcome"], report["file"]) == (kind, "new", file.name)
    index = tomllib.loads((folder / "tables" / "index.toml").read_text("utf-8"))
    assert len(index) == 9
    assert {entry["origin"] for entry in index.values()} == {"user_import"}
    for name in ("ASC-12", "ASC-17", "ASC-18", "ASC-19"):
        assert load_measure(name, definitions=folder).tables_used()


def test_an_import_says_which_measures_use_it(tmp_path, folder):
    for kind, used in (
        ("rvu", "used by ASC-12 2025, "),
        ("icd10pcs", "no measure uses it yet"),
        ("paa", "used by ASC-12"),
    ):
        done = call("import", kind, files(tmp_path)[kind], "--definitions", folder)
        assert used in done.stdout, (kind, done.exception)


def test_a_draft_then_a_mapping(tmp_path, folder):
    book, mapping = write_book(tmp_path / "d.xlsx", BOOK), tmp_path / "map.toml"
    drafted = call("import", "dictionary", book, "--draft", mapping, "--measure", "ASC-17")
    assert drafted.exit_code == 0
    assert not folder.exists()
    again = call("import", "dictionary", book, "--draft", mapping, "--measure", "ASC-17")
    assert "is there already" in str(again.exception)
    done = call("import", "dictionary", book, "--mapping", mapping, "--definitions", folder)
    assert done.exit_code == 0, done.exception
    assert "table values_asc_17_2025" in done.stdout
    assert "used by ASC-17 2025; fidelity: partly reconstructed, not a CMS result" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["paa", "FILE", "--draft", "m.toml"], "--draft with paa"),
        (["dictionary", "FILE", "--draft", "m.toml"], "--draft without a measure"),
        (["dictionary", "FILE"], "no layout that is known"),
        (["paa", "nowhere.xlsx"], "is not a file"),
        (["paa", "FILE", "--year", "24"], "--year 24"),
    ],
)
def test_wrong_options_are_the_user_s_fault(tmp_path, folder, words, said):
    book = write_book(tmp_path / "p2024.xlsx", PLANNED)
    done = call("import", *(book if word == "FILE" else word for word in words), "--definitions", folder)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)
    assert done.exception.exit_code == 2
    assert not folder.exists()


def test_a_run_that_is_read_back_uses_its_own_folder(tmp_path, folder, run_import, monkeypatch):
    run_import("paa", write_book(tmp_path / "p2024.xlsx", PLANNED))
    described = json.loads(json.dumps(describe_definition(load_measure("ASC-17", definitions=folder))))
    plain = json.loads(json.dumps(describe_definition(load_measure("ASC-17", definitions=None))))
    assert describe_definition(load_measure_of_run(described)) == described
    monkeypatch.setenv(VARIABLE, str(folder))
    assert describe_definition(load_measure_of_run(plain)) == plain
    assert tables_that_differ(load_measure_of_run(described), described) == []
    run_import("paa", tmp_path / "p2024.xlsx", year=2022)
    assert tables_that_differ(load_measure_of_run(described), described) == ["planned_admission_ry2022"]
    assert tables_that_differ(load_measure_of_run(plain), described) == [
        "planned_admission_ry2021",
        "planned_admission_ry2024",
    ]
    folder.rename(tmp_path / "moved")
    with pytest.raises(InputError, match="which is not a folder"):
        load_measure_of_run(described)


# ---- the page ---------------------------------------------------------------------------------


def test_the_blocks_of_the_page_run_and_print_what_it_says(tmp_path):
    script = "\n".join(body for language, body in BLOCKS if language == "bash")
    command = f'riskstd() {{ {shlex.quote(sys.executable)} -m riskstd.cli "$@"; }}\nset -e\n{script}'
    outside = {key: value for key, value in os.environ.items() if key != VARIABLE}
    env = {**outside, "XDG_DATA_HOME": str(tmp_path / "none")}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    (shown,) = [body for language, body in BLOCKS if language == "text"]
    assert done.stdout.startswith(shown)
    assert "imported" not in done.stdout[len(shown) :]
    assert "was there already, nothing changed" in done.stdout[len(shown) :]


def test_the_mapping_of_the_page_is_one():
    (shown,) = [body for language, body in BLOCKS if language == "toml"]
    mapping = DictionaryMapping.model_validate(tomllib.loads(shown))
    assert {one.meaning for one in mapping.list} == {
        "code_list",
        "risk_categories",
        "complication_categories",
        "ignore",
    }


def test_the_page_names_every_importer():
    text = PAGE.read_text("utf-8")
    assert all(f"`import {kind}`" in text or f"`{kind}`" in text for kind in IMPORTERS)
