"""Docstrings in the numpydoc form: their sections, and both as Markdown."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from docs.generate.markdown import escape

LISTED = ("Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns")


class MissingDocstringError(Exception):
    """Public names that say nothing about themselves."""


@dataclass(frozen=True)
class Entry:
    """One parameter, result or error: its head (`name : type`) and what it says."""

    head: str
    says: str

    @property
    def names(self) -> list[str]:
        """Names in the head; several may share one entry."""
        return [name.strip().lstrip("*") for name in self.head.split(":")[0].split(",")]


def docstring_of(one: Any, name: str) -> str:
    """Return the docstring of an object's own.

    Raises
    ------
    MissingDocstringError
        When there is none.
    """
    said = one.__doc__
    # A dataclass without a docstring gets its signature as one.
    if not said or not said.strip() or said.startswith(f"{name.rsplit('.', 1)[-1]}("):
        raise MissingDocstringError(f"`{name}` has no docstring")
    return inspect.cleandoc(said)


def sections(text: str) -> dict[str, str]:
    """Return the sections of a docstring by title; what comes first has the title "".

    A section is a title above a line of hyphens.
    """
    lines = text.splitlines()
    starts = [n for n in range(len(lines) - 1) if lines[n].strip() and re.fullmatch(r"-{3,}", lines[n + 1].strip())]
    found = {"": "\n".join(lines[: starts[0] if starts else len(lines)]).strip()}
    for start, end in pairwise([*starts, len(lines)]):
        found[lines[start].strip()] = textwrap.dedent("\n".join(lines[start + 2 : end])).strip("\n").rstrip()
    return found


def entries(body: str) -> list[Entry]:
    """Return the entries of a listed section: a head, then what is indented below it."""
    found: list[Entry] = []
    for line in body.splitlines():
        if line and not line[0].isspace():
            found.append(Entry(line.strip(), ""))
        elif found and line.strip():
            found[-1] = Entry(found[-1].head, f"{found[-1].says} {line.strip()}".strip())
    return found


def in_markdown(text: str) -> list[str]:
    """Return a docstring as parts of a page; titles of sections are bold."""
    parts: list[str] = []
    for title, body in sections(text).items():
        if not body:
            continue
        if title:
            parts.append(f"**{title}**")
        if title in LISTED:
            parts.append("\n".join(_entry_line(one) for one in entries(body)))
        elif title == "Examples":
            parts += _examples(body)
        else:
            parts += _prose(body)
    return parts


def _entry_line(one: Entry) -> str:
    """One entry as an item of a list; names are code, words are not."""
    name, colon, kind = one.head.partition(" : ")
    head = ", ".join(f"`{part.strip()}`" for part in name.split(",")) if " " not in name.replace(", ", ",") else name
    head = head if "`" in head else escape(head)
    kind = f" ({escape(kind)})" if colon else ""
    return f"- {head}{kind}" + (f": {escape(one.says)}" if one.says else "")


def _prose(body: str) -> list[str]:
    """Paragraphs; indented ones are shown as they are."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", body):
        if all(line.startswith("    ") for line in paragraph.splitlines()):
            parts.append(paragraph)
        else:
            parts.append("\n".join(_line(line) for line in paragraph.splitlines()))
    return parts


def _line(line: str) -> str:
    marker = re.match(r"\s*(-|\d+\.) ", line)
    return (marker[0] + escape(line[marker.end() :])) if marker else escape(line.strip())


def _examples(body: str) -> list[str]:
    """Code as Python sessions, words between as prose."""
    parts = []
    for block in re.split(r"\n\s*\n", body):
        parts += [f"```pycon\n{block}\n```"] if ">>>" in block else _prose(block)
    return parts
