"""Every code block of the README and of docs/model.md runs; every link in the documents leads somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")


def blocks(language: str, page: str = "README.md") -> list[str]:
    return [body for name, body in BLOCK.findall((ROOT / page).read_text("utf-8")) if name == language]


@pytest.fixture
def here(tmp_path):
    (tmp_path / "data").symlink_to(ROOT / "data")
    return tmp_path


def test_every_block_has_a_language_that_is_run():
    languages = {name for name, _ in BLOCK.findall((ROOT / "README.md").read_text("utf-8"))}
    assert languages == {"bash", "python"}


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_block(number, here):
    command = [sys.executable, "-W", "error", "-c", _quiet() + blocks("python")[number]]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "facility_id" in done.stdout


@pytest.mark.parametrize("name", ["model.md", "bayesian-model.md"])
def test_pages_run_from_top_to_bottom(name, here):
    """The blocks of a page build on each other."""
    page = (ROOT / "docs" / name).read_text("utf-8")
    script = "\n".join(body for name, body in BLOCK.findall(page) if name == "python")
    assert "riskstd" in script
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


def test_commands_in_order(here):
    pages = (*blocks("bash"), *blocks("bash", "docs/reports.md"))
    lines = [line.split("#")[0].strip() for block in pages for line in block.splitlines()]
    commands = [shlex.split(line) for line in lines if line]
    assert {words[0] for words in commands} == {"make", "riskstd"}
    for words in commands:
        if words[0] == "make":
            done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        else:
            module = [sys.executable, "-m", "riskstd.cli", *words[1:]]
            done = subprocess.run(module, cwd=here, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, (words, done.stderr)


def test_trace_page_runs_from_top_to_bottom(here):
    """The Python block of docs/trace.md looks at the run that its commands made."""
    lines = [line for block in blocks("bash", "docs/trace.md") for line in block.splitlines()]
    for line in lines:
        words = [sys.executable, "-m", "riskstd.cli", *shlex.split(line)[1:]]
        done = subprocess.run(words, cwd=here, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, (line, done.stderr)
    (script,) = blocks("python", "docs/trace.md")
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "excluded the procedure"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    targets = [link for link in LINK.findall(path.read_text("utf-8")) if "://" not in link]
    assert [link for link in targets if not (path.parent / link).exists()] == []


def _quiet() -> str:
    return "import warnings; warnings.filterwarnings('ignore', '.*is deprecated, use', DeprecationWarning)\n"
