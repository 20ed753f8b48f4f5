"""Links and anchors of all pages resolve, in the pages as they are written; planted mistakes are found."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("latex2mathml")

from docs.generate.site_hooks import NOTEBOOKS, OUTSIDE

FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def slugs(text):
    """Anchors of a page: titles as the site turns them into addresses, with numbers where they repeat."""
    from markdown.extensions.toc import slugify, unique

    seen, found = set(), set()
    for title in re.findall(r"^#{1,6} (.+)$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        found.add(unique(slugify(plain.replace("`", ""), "-"), seen))
    return found


def broken_links(docs):
    broken = []
    for page in sorted(docs.rglob("*.md")):
        text = FENCE.sub("", page.read_text("utf-8"))
        for target in LINK.findall(re.sub(r"`[^`\n]*`", "``", text)):
            if "://" in target or target.startswith("mailto:"):
                continue
            path, _, anchor = target.partition("#")
            other = (page.parent / path).resolve() if path else page
            lost = anchor and other.suffix == ".md" and other.exists() and anchor not in slugs(other.read_text("utf-8"))
            if lost or not other.exists():
                broken.append(f"{page.relative_to(docs)}: {target}")
    return broken


def test_links_and_anchors_resolve(docs):
    assert broken_links(docs) == []


def test_planted_links_are_found(tmp_path):
    (tmp_path / "a.md").write_text(
        "# A `b`\n\n[x](b.md#there) [y](b.md#nowhere) [z](c.md) [h](#a-b)\n\n```text\n[n](n.md)\n```\n", "utf-8"
    )
    (tmp_path / "b.md").write_text("# There\n", "utf-8")
    assert broken_links(tmp_path) == ["a.md: b.md#nowhere", "a.md: c.md"]


def test_pages_outside_are_there(docs):
    assert [place for place in OUTSIDE if not (docs.parent / place).is_file()] == []


def test_every_page_is_in_the_menu(docs):
    menu = (docs.parent / "mkdocs.yml").read_text("utf-8").split("\nnav:")[1]
    named = set(re.findall(r"([\w./-]+\.md)$", menu, re.MULTILINE))
    written = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} | {*OUTSIDE.values(), NOTEBOOKS}
    assert named == written
