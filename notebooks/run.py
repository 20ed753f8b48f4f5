"""Run the notebooks and render them, each as a page of its own and as a page of the documentation site.

python notebooks/run.py --out notebooks/html              all, in full
python notebooks/run.py --size small 03-the-model         one, in the small form of the tests
python notebooks/run.py --tidy                            take outputs out, bring the files into their plain form
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter

HERE = Path(__file__).parent
SECONDS_PER_CELL = 1800
SECONDS_TO_START = 600
NO_WORDS = 'alt="No description has been provided for this image"'
_READING = re.compile(r"\*\*What it shows\.\*\*\s*(.+?)(?:\n\n|\Z)", re.DOTALL)


def notebooks() -> list[Path]:
    """Return the notebooks in their order."""
    return sorted(HERE.glob("[0-9]*.ipynb"))


def execute(path: Path, *, size: str, cache: Path | None) -> Any:
    """Run a notebook in a kernel of its own and return it with its outputs.

    Parameters
    ----------
    path : Path
    size : {"small", "full"}
    cache : Path or None
        Folder that keeps claims and runs for other notebooks.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        When a cell fails; the message has the cell and the traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    env = {
        **os.environ,
        "RISKSTD_NOTEBOOK_SIZE": size,
        "RISKSTD_DEFINITIONS": "",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    env.pop("RISKSTD_NOTEBOOK_CACHE", None)
    if cache is not None:
        env["RISKSTD_NOTEBOOK_CACHE"] = str(cache)
    with tempfile.TemporaryDirectory(prefix="riskstd-ipython-") as ipython:
        env["IPYTHONDIR"] = ipython
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=SECONDS_PER_CELL,
            startup_timeout=SECONDS_TO_START,
            resources={"metadata": {"path": str(HERE)}},
        )
        client.execute(env=env)
    return notebook


def render(notebook: Any, title: str) -> str:
    """Return an executed notebook as one HTML page, each figure with a text alternative."""
    body, _ = HTMLExporter().from_notebook_node(notebook, resources={"metadata": {"name": title}})
    # The template has no place for a text alternative; images stand in the order of the figures.
    for _, words in figures(notebook):
        body = body.replace(NO_WORDS, f'alt="{escape(words)}"', 1)
    # Links between the notebooks lead to their pages; those pages lie a folder deeper.
    body = re.sub(r'href="(\d\d-[\w-]+)\.ipynb"', r'href="\1.html"', body)
    return body.replace('href="../', 'href="../../')


def render_markdown(notebook: Any, title: str) -> tuple[str, dict[str, bytes]]:
    """Return an executed notebook as a page of the site, and its figures by name; each has a text alternative."""
    resources = {"unique_key": title, "output_files_dir": title}
    text, found = MarkdownExporter().from_notebook_node(notebook, resources=resources)
    for _, words in figures(notebook):
        text = text.replace("![png](", f"![{words}](", 1)
    # Frames carry a style of their own, which the site has already.
    text = re.sub(r"<style scoped>.*?</style>\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"\]\((\d\d-[\w-]+)\.ipynb\)", r"](\1.md)", text)
    return text.replace("](../docs/", "](../"), found["outputs"]


def figures(notebook: Any) -> Iterator[tuple[Any, str]]:
    """Give every figure with the words after it that say what it shows; empty where there are none."""
    for place, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                after = notebook.cells[place + 1] if place + 1 < len(notebook.cells) else None
                found = _READING.search(after.source) if after is not None and after.cell_type == "markdown" else None
                yield output, re.sub(r"[*`\[\]]|\(\S+\)", "", found.group(1)).strip() if found else ""


def tidy(path: Path) -> str:
    """Return a notebook as it is kept: no outputs, no counts, no metadata but the kernel."""
    notebook = json.loads(path.read_text("utf-8"))
    cells = []
    for cell in notebook["cells"]:
        kept = {"cell_type": cell["cell_type"], "id": cell["id"], "metadata": {}, "source": cell["source"]}
        if cell["cell_type"] == "code":
            kept |= {"execution_count": None, "outputs": []}
        cells.append(dict(sorted(kept.items())))
    plain = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def _run(paths: Sequence[Path], *, size: str, out: Path, cache: Path | None) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        begun = time.monotonic()
        notebook = execute(path, size=size, cache=cache)
        (out / f"{path.stem}.html").write_text(render(notebook, path.stem), "utf-8")
        page, images = render_markdown(notebook, path.stem)
        (out / path.stem).mkdir(exist_ok=True)
        for name, image in images.items():
            (out / name).write_bytes(image)
        (out / f"{path.stem}.md").write_text(page, "utf-8")
        print(f"{path.stem}: {time.monotonic() - begun:.0f} s", file=sys.stderr)


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description="Run the notebooks and render them.")
    parser.add_argument("names", nargs="*", help="notebooks by name; all if left out")
    parser.add_argument("--size", choices=("small", "full"), default="full")
    parser.add_argument("--out", type=Path, default=HERE / "html", help="folder of the pages")
    parser.add_argument("--cache", type=Path, help="folder that keeps claims and runs; temporary if left out")
    parser.add_argument("--tidy", action="store_true", help="take outputs out of the files, and run nothing")
    asked = parser.parse_args()
    known = {path.stem: path for path in notebooks()}
    unknown = [name for name in asked.names if name not in known]
    if unknown:
        parser.error(f"no notebook called {', '.join(unknown)}; there are: {', '.join(known)}")
    paths = [known[name] for name in asked.names] or list(known.values())
    if asked.tidy:
        for path in paths:
            path.write_text(tidy(path), "utf-8")
    elif asked.cache is not None:
        _run(paths, size=asked.size, out=asked.out, cache=asked.cache)
    else:
        with tempfile.TemporaryDirectory(prefix="riskstd-notebooks-") as folder:
            _run(paths, size=asked.size, out=asked.out, cache=Path(folder))


if __name__ == "__main__":
    main()
