"""Layouts of claim files: which files, which columns, under which names."""

from __future__ import annotations

from docs.generate.markdown import escape, page, table

from riskstd.claims.layouts import Layout, load_layout

NAMES = ("ccw", "flat", "lds", "tuva")
_INTRO = """\
Four layouts are read. `--layout auto` tells them apart by the columns in the headers, never by the names of the
files; upper and lower case of headers do not matter. A column below may have any of the names given; a header that
has none of them lacks the column. `riskstd validate FOLDER` says what was found. Files of other kinds than Parquet
and text with a header are not read."""


def layouts_page() -> str:
    """Return the page of all layouts."""
    parts = [_INTRO, *(part for name in NAMES for part in _described(load_layout(name)))]
    return page("Layouts of claim files", "`src/riskstd/claims/layouts/`", parts)


def _described(layout: Layout) -> list[str]:
    files = [
        (f"`{name}`", ", ".join(kind.provides).replace("_", " "), ", ".join(f"`{c}`" for c in kind.required))
        for name, kind in layout.files.items()
    ]
    columns = [(f"`{name}`", _names(names)) for name, names in layout.columns.items()]
    columns += [(f"`{name}_1` to `{name}_{slots.count}`", _names(slots.names)) for name, slots in layout.slots.items()]
    return [
        f"## `{layout.name}`",
        f"{escape(layout.title)}",
        *[f"- {escape(said)}" for said in layout.statements],
        "Kinds of file, what each provides, and the columns by which it is known:",
        table(("kind", "provides", "columns it must have"), files),
        "Columns and their names in the files:",
        table(("column", "names"), columns),
    ]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
