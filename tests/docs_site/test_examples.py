"""The bash and Python blocks of a page run from top to bottom, in a folder of its own with the synthetic data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUICK = (
    "explanation/predicted-over-expected.md",
    "explanation/shrinkage.md",
    "explanation/estimators.md",
    "explanation/intervals.md",
    "explanation/condition-categories.md",
    "for-sas-and-r-users.md",
)
WITH_CLAIMS = (
    "tutorial.md",
    "how-to/own-files.md",
    "how-to/other-layouts.md",
    "how-to/notebook.md",
    "how-to/sensitivity.md",
    "how-to/explain-a-category.md",
    "how-to/batch.md",
    "how-to/window-30-days.md",
    "how-to/add-a-risk-factor.md",
    "explanation/planned-admissions.md",
)
SHOWN_ONLY = {"console", "text", "toml", "sas", "r"}
# One process for a page: names of a block are there in the next, and bash blocks run between.
DRIVER = """
import subprocess, sys, warnings
warnings.filterwarnings('error')
warnings.filterwarnings('ignore', '.*is deprecated, use', DeprecationWarning)
warnings.filterwarnings('ignore', category=ResourceWarning)
blocks = {blocks!r}
names = {{'__name__': '__main__'}}
for kind, body in blocks:
    if kind == 'bash':
        subprocess.run(['bash', '-euo', 'pipefail', '-c', body], check=True)
    else:
        exec(compile(body, '<page>', 'exec'), names)
"""


def blocks_of(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))


def run_page(page: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "data").symlink_to(ROOT / "data")
    blocks = [(kind, body) for kind, body in blocks_of(page) if kind in {"bash", "python"}]
    assert blocks
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = {key: value for key, value in os.environ.items() if key != "RISKSTD_DEFINITIONS"}
    surroundings |= {"PATH": path, "MPLBACKEND": "Agg", "XDG_DATA_HOME": str(folder / "home")}
    driver = folder / "driver.py"
    driver.write_text(DRIVER.format(blocks=blocks), "utf-8")
    command = [sys.executable, str(driver)]
    return subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=1800, check=False
    )


@pytest.mark.parametrize("page", QUICK)
def test_quick_page(page, tmp_path):
    done = run_page(page, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CLAIMS)
def test_page_with_claims(page, tmp_path):
    done = run_page(page, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


def test_no_page_with_code_is_forgotten():
    new = [p for folder in ("how-to", "explanation") for p in sorted((ROOT / "docs" / folder).glob("*.md"))]
    new += [ROOT / "docs" / name for name in ("index.md", "tutorial.md", "glossary.md", "for-sas-and-r-users.md")]
    with_code = set()
    for path in new:
        page = path.relative_to(ROOT / "docs").as_posix()
        kinds = {kind for kind, _ in blocks_of(page)}
        assert kinds <= SHOWN_ONLY | {"bash", "python"}, page
        if kinds & {"bash", "python"}:
            with_code.add(page)
    assert with_code == {*QUICK, *WITH_CLAIMS}


def test_a_block_that_fails_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "docs/page.md").write_text("```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n", "utf-8")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "here").mkdir()
    assert "AssertionError" in run_page("page.md", tmp_path / "here").stderr
