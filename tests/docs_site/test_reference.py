"""The committed reference is the one the code makes, and holds every public name, table, column, error and command."""

from __future__ import annotations

import inspect
import re
import shutil
import types

import pytest
import typer
from docs.generate import api, failures
from docs.generate.docstrings import MissingDocstringError, entries, sections
from docs.generate.pages import stale_pages, write_pages

import riskstd
from riskstd import errors
from riskstd.cli import app
from riskstd.spec import list_measures, load_measure
from riskstd.tables import CLAIMS_TABLES, PERSON_KEYS, RESULT_TABLES


def headings(page):
    return re.findall(r"^#+ (.+)$", page, re.MULTILINE)


def test_committed_pages_are_those_the_code_makes(pages, docs):
    assert stale_pages(pages, docs) == [], "run `make reference` and commit docs/reference"


def test_a_stale_a_missing_and_a_left_over_page_are_found_and_mended(pages, docs, tmp_path):
    shutil.copytree(docs / "reference", tmp_path / "reference")
    write_pages(pages, tmp_path)
    (tmp_path / "reference/cli.md").write_text(pages["reference/cli.md"].replace("--seed", "--sead"), "utf-8")
    (tmp_path / "reference/tables.md").unlink()
    (tmp_path / "reference/former.md").write_text("# Gone\n", "utf-8")
    assert stale_pages(pages, tmp_path) == ["reference/cli.md", "reference/former.md", "reference/tables.md"]
    write_pages(pages, tmp_path)
    assert stale_pages(pages, tmp_path) == []


def test_every_public_name_has_an_entry(pages):
    found = {heading.removeprefix("class ").strip("`") for heading in headings(pages["reference/api.md"])}
    assert set(riskstd.__all__) <= found


def test_every_result_has_an_entry_with_its_methods(pages):
    found = {heading.removeprefix("class ").strip("`") for heading in headings(pages["reference/results.md"])}
    classes = api.result_classes()
    assert {"HierarchicalFit", "FacilityRates", "Measure", "Cohort", "Visits", "RiskFactors"} <= set(classes)
    assert set(classes) <= found
    assert {"HierarchicalFit.summary", "HierarchicalFit.icc", "FacilityRates.stability"} <= found


@pytest.mark.parametrize("table", [*CLAIMS_TABLES, PERSON_KEYS, *RESULT_TABLES], ids=lambda table: table.name)
def test_every_table_and_column_appears(table, pages):
    start = f"### `{table.name}`\n"
    body = pages["reference/tables.md"].split(start)[1].split("\n#")[0]
    for column in table.columns:
        (row,) = [line for line in body.splitlines() if line.startswith(f"| `{column.name}` |")]
        assert ("**identifying**" in row) == column.identifying
        assert f"| {column.type} |" in row


def test_every_error_class_is_listed_with_its_exit_code(pages):
    page = pages["reference/errors.md"]
    classes = [c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, errors.RiskstdError)]
    assert len(classes) >= 8
    for one in classes:
        body = page.split(f"## `{one.__name__}`\n")[1].split("\n## ")[0]
        assert f"Exit code {one.exit_code}." in body


def test_messages_of_a_file_are_read_with_their_blanks(tmp_path):
    code = 'raise OptionError(f"seed {seed!r}", expected="a whole " + word, hint="try 1")\n'
    (tmp_path / "cli.py").write_text(code, "utf-8")
    assert list(failures.messages_of(tmp_path)) == [
        failures.Message("OptionError", "cli", "seed …", "a whole …", "try 1")
    ]


def test_every_command_and_option_is_listed(pages):
    def leaves(command, path):
        children = getattr(command, "commands", None)
        return (
            [(path, command)]
            if children is None
            else [leaf for name, child in children.items() for leaf in leaves(child, f"{path} {name}")]
        )

    page = pages["reference/cli.md"]
    commands = leaves(typer.main.get_command(app), "riskstd")
    assert {"riskstd run", "riskstd spec diff"} <= {path for path, _ in commands}
    for path, command in commands:
        body = page.split(f"## `{path}`\n")[1].split("\n## ")[0]
        for option in (name for one in command.params for name in one.opts if name.startswith("--")):
            assert option == "--help" or f"`{option}`" in body, (path, option)


def test_every_measure_has_a_page_with_every_clause(pages):
    for name, year in list_measures(definitions=None):
        page = pages[f"reference/measures/{name.lower()}-{year}.md"]
        for path, clause in load_measure(name, year, definitions=None).active_clauses():
            if path.split(".")[0] in {"cohort", "outcome", "risk", "score", "planned_admission"}:
                assert f"`{path}`" in page, path
                assert clause.origin in page


def test_a_missing_docstring_is_found():
    def explained(x):
        """Return x.

        Parameters
        ----------
        x : float
        """

    def silent(x):
        return x

    def half(x, y):
        """Add.

        Parameters
        ----------
        x : float
        """

    class Mute:
        pass

    class Partly:
        """A class."""

        def method(self):
            return 1

    Partly.__module__ = "riskstd.invented"
    assert api.faults_of("explained", explained) == []
    assert api.faults_of("half", half) == ["`half` does not say what `y` is"]
    assert api.faults_of("Mute", Mute) == ["`Mute` has no docstring"]
    assert api.faults_of("Partly", Partly) == ["`Partly.method` has no docstring"]
    module = types.SimpleNamespace(__all__=["silent"], silent=silent)
    with pytest.raises(MissingDocstringError, match="`silent` has no docstring"):
        api.functions_page(module)


def test_sections_and_entries_of_a_docstring():
    text = "Sum.\n\nParameters\n----------\na, b : float\n    Parts.\n    Both.\n\nNotes\n-----\nNone.\n\n    x = 1\n"
    found = sections(text)
    assert list(found) == ["", "Parameters", "Notes"]
    (entry,) = entries(found["Parameters"])
    assert (entry.names, entry.says) == (["a", "b"], "Parts. Both.")
