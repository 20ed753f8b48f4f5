"""The site builds, strictly and for a machine without network; what is planted is found."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytest.importorskip("latex2mathml")

from docs.generate import site_hooks
from mkdocs.exceptions import PluginError
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LOADED = re.compile(r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>", re.IGNORECASE)
LINKED = re.compile(r"<link\b(?![^>]*rel=[\"']?canonical)[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>", re.IGNORECASE)


def build(config: Path, site: Path):
    # As `make docs` calls it; by itself, `--quiet` would hide warnings from `--strict`.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(config), "-d", str(site)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def from_outside(page: str) -> list[str]:
    return [*LOADED.findall(page), *LINKED.findall(page), *re.findall(r"@import\s+url\(['\"]?https?:", page)]


def small_site(folder: Path, text: str) -> Path:
    (folder / "docs").mkdir()
    (folder / "docs/index.md").write_text(text, "utf-8")
    (folder / "docs/other.md").write_text("# Other\n", "utf-8")
    config = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:")[0]
    # The theme and the search take seconds and have no part in these mistakes.
    config = re.sub(r"\ntheme:.*?\nextra:", "\ntheme: {name: mkdocs}\nextra:", config, flags=re.DOTALL)
    config = config.replace("plugins:\n  - search\n  - offline", "plugins: []").replace("[assets/site.css]", "[]")
    config = config.replace("docs/generate/site_hooks.py", str(ROOT / "docs/generate/site_hooks.py"))
    (folder / "mkdocs.yml").write_text(config + "\nnav: [index.md, other.md]\n", "utf-8")
    return folder / "mkdocs.yml"


def test_a_sound_small_site_builds_with_its_formula(tmp_path):
    done = build(small_site(tmp_path, "# A\n\n[o](other.md#other) and $x^2$\n"), tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert "<msup>" in (tmp_path / "site/index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ("[a](nowhere.md)", "nowhere.md"),
        ("[a](other.md#no-such-title)", "no-such-title"),
        (r"$\nosuchcommand{x}$", "nosuchcommand"),
    ],
    ids=["link", "anchor", "formula"],
)
def test_a_planted_mistake_fails_the_build(planted, said, tmp_path):
    done = build(small_site(tmp_path, f"# A\n\n{planted}\n"), tmp_path / "site")
    assert done.returncode != 0
    assert said in done.stderr + done.stdout


def test_formulas_become_mathml_and_unknown_commands_are_refused():
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    inline, block = (
        r'<span class="arithmatex">\(\tau^2 &lt; 1\)</span>',
        r'<div class="arithmatex">\[\sum_i p_i\]</div>',
    )
    shown = site_hooks.on_page_content(f"<p>{inline}</p>{block}", page=page)
    assert shown.count("<math") == 2
    assert "arithmatex" not in shown
    with pytest.raises(PluginError, match="nosuchcommand"):
        site_hooks.on_page_content(r'<span class="arithmatex">\(\nosuchcommand\)</span>', page=page)


def test_links_out_of_docs_lead_to_the_pages_taken_in():
    page = SimpleNamespace(file=SimpleNamespace(src_uri="how-to/batch.md"))
    written = site_hooks.on_page_markdown("[m](../../bench/report/results.md)", page=page)
    assert written == "[m](../bench/report/results.md)"


def test_notebooks_are_listed_and_taken_in_once_all_are_rendered(tmp_path, monkeypatch):
    monkeypatch.setattr(site_hooks, "RENDERED", tmp_path)
    plain = site_hooks.list_of_notebooks()
    assert plain.count("- **") == 8
    assert "](notebooks/" not in plain
    assert "make notebooks" in plain
    pages = list(site_hooks.notebooks())
    for page in pages[:-1]:
        page.write_text("# A\n", "utf-8")
    assert not site_hooks.are_rendered()
    pages[-1].write_text("# A\n", "utf-8")
    linked = site_hooks.list_of_notebooks()
    assert linked.count("](notebooks/") == 8
    assert "make notebooks" not in linked
    config = SimpleNamespace(nav=[{"Home": "index.md"}, {"Notebooks": "notebooks.md"}])
    site_hooks.on_config(config)
    assert config.nav[0] == {"Home": "index.md"}
    assert len(config.nav[1]["Notebooks"]) == 9


def test_addresses_outside_are_noticed():
    assert from_outside('<script src="https://cdn.example/x.js"></script><link href="//fonts.example/a.css">')
    assert from_outside('<a href="https://example.org">x</a><script src="assets/x.js"></script>') == []


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The whole site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site") / "site"
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_outside(site):
    built = list(site.rglob("*.html"))
    assert len(built) > 40
    for page in built:
        assert from_outside(page.read_text("utf-8")) == [], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text("utf-8")), sheet.name


@pytest.mark.slow
def test_search_answers_without_server_and_network(site):
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        asked, failed = [], []
        page.on("request", lambda one: asked.append(one.url))
        page.on("pageerror", lambda one: failed.append(str(one)))
        page.goto(f"{(site / 'index.html').as_uri()}?q=bootstrap")
        page.wait_for_selector(".md-search-result__item", state="attached", timeout=90_000)
        assert "matching documents" in page.inner_text(".md-search-result__meta")
        browser.close()
    assert failed == []
    assert [url for url in asked if url.startswith(("http:", "https:", "ws"))] == []
