"""Hooks of the site: formulas become MathML while it is built, and two pages that lie outside docs/ are taken in."""

from __future__ import annotations

import html
import logging
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
OUTSIDE = {"CHANGELOG.md": "changelog.md", "bench/report/results.md": "bench/report/results.md"}
"""Pages outside docs/, and where they stand in the site."""
_FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)
_LEFT_OVER = re.compile(r"<m\w+[^>]*>\\[^<]+<")


def on_config(config: Any) -> Any:
    """Let warnings through under `--quiet` too: `--strict` fails on those it sees, and `--quiet` hides them from it."""
    log = logging.getLogger("mkdocs")
    log.setLevel(min(log.getEffectiveLevel(), logging.WARNING))
    return config


def on_files(files: Any, *, config: Any) -> Any:
    """Add the pages from outside docs/."""
    for place, address in OUTSIDE.items():
        # The site of a test has no such files beside it.
        if (Path(config.config_file_path).parent / place).is_file():
            text = (ROOT / place).read_text("utf-8")
            text = text.replace("](docs/", "](").replace("](../../docs/", "](../../")
            files.append(File.generated(config, address, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Lead links to those pages to where they stand in the site, one folder less far up."""
    up = "../" * page.file.src_uri.count("/")
    for place, address in OUTSIDE.items():
        markdown = markdown.replace(f"](../{up}{place}", f"]({up}{address}")
    return markdown


def on_page_content(content: str, *, page: Any, **_: Any) -> str:
    """Replace formulas by MathML, which browsers show without script or font."""
    return _FORMULA.sub(lambda found: to_mathml(found, page.file.src_uri), content)


def to_mathml(found: re.Match[str], where: str) -> str:
    """Return one formula as MathML.

    Raises
    ------
    PluginError
        When a command of the formula is not known, so that the site is not built.
    """
    block = found[3] is not None
    source = html.unescape(found[3] if block else found[2]).strip()
    written = convert(source, display="block" if block else "inline")
    if _LEFT_OVER.search(written):
        raise PluginError(f"{where}: a formula holds a command that cannot be shown: {source}")
    if block:
        return f'<div class="formula" tabindex="0" role="region" aria-label="Formula">{written}</div>'
    return written
