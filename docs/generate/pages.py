"""All pages of the reference by path, and which of those on disk are stale."""

from __future__ import annotations

from pathlib import Path

from docs.generate import api, commands, failures, layouts, measures, tables


def reference_pages() -> dict[str, str]:
    """Return the text of every generated page by its path below docs/."""
    return {
        "reference/tables.md": tables.tables_page(),
        "reference/layouts.md": layouts.layouts_page(),
        **measures.measure_pages(),
        "reference/errors.md": failures.errors_page(),
        "reference/cli.md": commands.commands_page(),
        "reference/api.md": api.functions_page(),
        "reference/results.md": api.results_page(),
    }


def stale_pages(pages: dict[str, str], docs: Path) -> list[str]:
    """Return paths of pages that are missing, differ, or are made by nothing any more."""
    found = {path.relative_to(docs).as_posix() for path in (docs / "reference").rglob("*.md")}
    differ = {name for name in found & set(pages) if (docs / name).read_text("utf-8") != pages[name]}
    return sorted(differ | (found ^ set(pages)))


def write_pages(pages: dict[str, str], docs: Path) -> None:
    """Write the pages and remove those that nothing makes any more."""
    for name in stale_pages(pages, docs):
        if name not in pages:
            (docs / name).unlink()
            continue
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(pages[name], "utf-8")
