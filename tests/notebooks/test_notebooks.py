"""Every notebook runs in its small form, says what its figures show, and shows no person."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from html import escape
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

pytest.importorskip("nbclient")
pytest.importorskip("nbconvert")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9]*.ipynb"))
LINK = re.compile(r"\]\(([^)#\s]+)\)")
KERNEL_NOTES = re.compile(r"IPKernelApp|Kernel is running over TCP")


@pytest.fixture(scope="module")
def runner(monkeypatch_module) -> Any:
    monkeypatch_module.syspath_prepend(str(FOLDER))
    sys.modules.pop("run", None)
    import run

    return run


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """Claims and runs, made by the first notebook and used by the others, also of other processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "notebooks"
    folder.mkdir(exist_ok=True)
    return folder


def test_there_are_eight():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{n:02d}" for n in range(1, 9)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, runner, cache):
    notebook = runner.execute(path, size="small", cache=cache)
    assert _errors(notebook) == []
    shown = list(runner.figures(notebook))
    assert shown
    assert [place for place, (_, words) in enumerate(shown) if not words] == []
    assert _persons_shown(notebook, cache) == []
    page = runner.render(notebook, path.stem)
    assert page.count("<img ") == len(shown)
    assert runner.NO_WORDS not in page
    assert all(f'alt="{escape(words)}"' in page for _, words in shown)
    text, images = runner.render_markdown(notebook, path.stem)
    assert len(images) == len(shown)
    assert all(f"![{words}]({name})" in text for (_, words), name in zip(shown, images, strict=True))
    assert "<style" not in text
    assert ".ipynb)" not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_in_its_plain_form(path, runner):
    assert path.read_text("utf-8") == runner.tidy(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    targets = [link for link in LINK.findall(text) if "://" not in link]
    assert targets
    assert [link for link in targets if not (FOLDER / link).exists()] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_imports_only_what_the_project_has(path):
    """A reader with `pip install riskstd` can run them; PyMC is behind a condition."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    known = {"riskstd", "workbench", "matplotlib", "numpy", "pandas", "scipy", "statsmodels"}
    assert {name for name in found if name not in sys.stdlib_module_names} <= known


def test_size_is_checked(monkeypatch, runner):
    assert runner is not None
    import workbench

    monkeypatch.setenv("RISKSTD_NOTEBOOK_SIZE", "large")
    with pytest.raises(ValueError, match="expected: full or small"):
        workbench.pick(full=1, small=2)


def test_a_notebook_that_shows_a_person_is_found(tmp_path):
    output = {"output_type": "stream", "name": "stdout", "text": "BENE_ID SYN000000000012"}
    notebook = _Bag(cells=[_Bag(cell_type="code", outputs=[_Bag(output)])])
    assert _persons_shown(notebook, tmp_path) == [0]


class _Bag(dict):
    __getattr__ = dict.__getitem__


def _errors(notebook: Any) -> list[str]:
    """What went to standard error, but for notes of the kernel itself: a warning is a defect."""
    return [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name == "stderr" and not KERNEL_NOTES.search(output.text)
    ]


def _persons_shown(notebook: Any, cache: Path) -> list[int]:
    """Cells with an output that holds an identifier of a person, by the form that synthetic ones have, or by name."""
    known = {
        str(value)
        for path in sorted(cache.rglob("person_keys.parquet"))
        for value in pq.read_table(path, columns=["person_id"])["person_id"].to_pylist()
    }
    form = re.compile(r"SYN\d{12}")
    return [
        place
        for place, cell in enumerate(notebook.cells)
        for text in (json.dumps(cell.get("outputs", [])),)
        if form.search(text) or any(name in text for name in known)
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_the_rendered_pages_lead_somewhere(path, runner):
    """As a page of its own, in notebooks/html, and as a page of the site, in its folder notebooks."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    pages = {f"{other.stem}{suffix}" for other in NOTEBOOKS for suffix in (".html", ".md")}
    page, _ = runner.render_markdown(notebook, path.stem)
    targets = {
        ROOT / "docs" / "notebooks": set(LINK.findall(page)),
        FOLDER / "html": set(re.findall(r'<a href="([^"#:]+)"', runner.render(notebook, path.stem))),
    }
    assert all(targets.values())
    lost = {
        target
        for folder, found in targets.items()
        for target in found - pages
        if not Path(os.path.normpath(folder / target)).is_file()
    }
    assert lost == set()
