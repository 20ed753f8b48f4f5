"""Hooks of the site: formulas become MathML while it is built, and pages that lie outside docs/ are taken in."""

from __future__ import annotations

import html
import json
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
NOTEBOOKS, RENDERED = "notebooks.md", ROOT / "notebooks" / "html"
"""Page that lists the notebooks, and where `make notebooks` renders them."""
_FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)
_LEFT_OVER = re.compile(r"<m\w+[^>]*>\\[^<]+<")


def on_config(config: Any) -> Any:
    """Let warnings through under `--quiet` too: `--strict` fails on those it sees, and `--quiet` hides them from it."""
    log = logging.getLogger("mkdocs")
    log.setLevel(min(log.getEffectiveLevel(), logging.WARNING))
    for entry in config.nav or ():
        if isinstance(entry, dict) and entry.get("Notebooks") == NOTEBOOKS:
            pages = [{title: f"notebooks/{path.name}"} for path, (title, _) in notebooks().items()]
            entry["Notebooks"] = [NOTEBOOKS, *pages] if are_rendered() else NOTEBOOKS
    return config


def on_files(files: Any, *, config: Any) -> Any:
    """Add the pages from outside docs/."""
    for place, address in OUTSIDE.items():
        # The site of a test has no such files beside it.
        if (Path(config.config_file_path).parent / place).is_file():
            text = (ROOT / place).read_text("utf-8")
            text = text.replace("](docs/", "](").replace("](../../docs/", "](../../")
            files.append(File.generated(config, address, content=text))
    if (Path(config.config_file_path).parent / "notebooks").is_dir():
        files.append(File.generated(config, NOTEBOOKS, content=list_of_notebooks()))
        for page in notebooks() if are_rendered() else ():
            for path in (page, *sorted(page.with_suffix("").iterdir())):
                address = f"notebooks/{path.relative_to(RENDERED)}"
                files.append(File.generated(config, address, abs_src_path=str(path)))
    return files


def notebooks() -> dict[Path, tuple[str, str]]:
    """Return title and question of every notebook, by the page that it is rendered to."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        first = "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"])
        title, _, rest = first.partition("\n")
        question = next((part for part in rest.split("\n\n") if "**Question.**" in part), "").replace("\n", " ").strip()
        found[RENDERED / f"{path.stem}.md"] = (title.lstrip("# "), question.removeprefix("**Question.**").strip())
    return found


def are_rendered() -> bool:
    """Tell whether `make notebooks` has made all pages: they link to each other."""
    return all(page.is_file() for page in notebooks())


def list_of_notebooks() -> str:
    """Return the page that lists the notebooks: the question of each, and its page where it has been rendered."""
    lines = ["# Notebooks", "", "Each runs from top to bottom on synthetic claims and asks one question.", ""]
    rendered = are_rendered()
    for page, (title, question) in notebooks().items():
        lines.append(f"- **{f'[{title}](notebooks/{page.name})' if rendered else title}** {question}")
    if not rendered:
        lines += ["", "`make notebooks` runs them and makes a page of each; then `make docs` takes these in."]
    return "\n".join([*lines, ""])


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
