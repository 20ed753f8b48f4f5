"""The pages in a browser: no script error, no request, no overflow, and an accessibility check."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(__file__).parents[2] / ".make" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
REQUIRED = "RISKSTD_REQUIRE_BROWSER"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDTHS = (360, 800, 1400)
A4_WIDTH = 718
"""CSS pixels of a sheet of A4 between margins of 1 cm."""


def need(present: object, what: str) -> None:
    """Skip without a tool, but not where it was promised."""
    if not present:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{what} is missing though {REQUIRED} is set")
        pytest.skip(f"{what} is not installed")


@pytest.fixture(scope="session")
def browser():
    need(CHROMIUM, "Chromium")
    with sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def page(browser):
    opened = browser.new_page()
    yield opened
    opened.close()


def pages_of(folders: list[Path]) -> list[Path]:
    """First and national page of each folder, and two facility pages."""
    found = []
    for folder in folders:
        found += [folder / "index.html", folder / "national.html"]
        found += sorted(folder.glob("facilities/*/report.html"))[:2]
    return found


def overflow(page: Page) -> list[str]:
    """Elements that are wider than the window and do not lie in a region that scrolls."""
    return page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.querySelectorAll('body *')]
                .filter(e => e.getBoundingClientRect().right > width + 1 && !e.closest('.scroll'))
                .map(e => e.tagName + '.' + e.className).slice(0, 5).concat(['page']);
        }"""
    )


def test_pages_ask_for_nothing_say_nothing_and_fit(page, reported):
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    paths = pages_of(reported)
    assert len(paths) == 4 * len(reported)
    for path in paths:
        page.emulate_media(media="screen")
        asked.clear()
        page.goto(path.as_uri())
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert overflow(page) == [], f"{path.parent.name}/{path.name} at {width} px"
        page.emulate_media(media="print")
        page.set_viewport_size({"width": A4_WIDTH, "height": 1000})
        assert overflow(page) == [], f"{path.parent.name}/{path.name} in print"
    assert said == []


def test_figures_have_words_and_are_loaded(page, reported):
    n_images = 0
    for path in pages_of(reported):
        page.goto(path.as_uri())
        images = page.evaluate("() => [...document.images].map(i => [i.alt, i.complete && i.naturalWidth > 0])")
        drawn = page.evaluate(
            "() => [...document.querySelectorAll('svg')].filter(s => !s.closest('[aria-hidden=true]'))"
            ".map(s => s.getAttribute('role') === 'img'"
            " && !!(s.getAttribute('aria-label') || s.querySelector('title')))"
        )
        assert all(len(alt) > 40 and loaded for alt, loaded in images), path
        assert all(drawn), path
        n_images += len(images) + len(drawn)
    assert n_images > 2 * len(reported)


def test_accessibility_check_finds_no_serious_issue(page, reported):
    need(AXE.is_file(), "axe-core")
    for path in pages_of(reported):
        page.set_viewport_size({"width": 1000, "height": 900})
        page.goto(path.as_uri())
        page.add_script_tag(path=str(AXE))
        found = page.evaluate("async () => (await axe.run()).violations.map(v => [v.id, v.impact, v.nodes[0].html])")
        assert [one for one in found if one[1] in ("serious", "critical")] == [], f"{path.parent.name}/{path.name}"


def test_the_checks_see_what_they_look_for(page, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<html><body><div style="width:900px">wide</div><img src="https://example.org/a.png">'
        "<script>console.error('said')</script></body></html>"
    )
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(bad.as_uri())
    assert overflow(page) != []
    assert "said" in said
    assert any("example.org" in url for url in asked)
    if AXE.is_file():
        page.add_script_tag(path=str(AXE))
        found = page.evaluate("async () => (await axe.run()).violations.map(v => v.impact)")
        assert "critical" in found
