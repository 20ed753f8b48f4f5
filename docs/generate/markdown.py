"""Text of pages: tables, escapes, the head of a page that is generated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_NOTE = "<!-- Made by `make reference` from {source}; changes go there. -->"
_CODE = re.compile(r"(``.+?``|`[^`]*`)")
_SPECIAL = re.compile(r"([\\*<>\[\]|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def page(title: str, source: str, parts: Iterable[str]) -> str:
    """Return a page: its note, its title, its parts with a blank line between."""
    return "\n\n".join([f"# {title}", _NOTE.format(source=source), *parts]).rstrip() + "\n"


def escape(text: str) -> str:
    """Return text with the signs of Markdown and HTML taken literally, code spans left as they are."""
    pieces = _CODE.split(text)
    return "".join(piece if number % 2 else _SPECIAL.sub(r"\\\1", piece) for number, piece in enumerate(pieces))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are Markdown already, bars in them are escaped."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))
