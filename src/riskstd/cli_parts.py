"""What the commands share: where results and messages go, tables, choices of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from riskstd.errors import OptionError

to_user = Console(stderr=True)
"""Messages and progress."""
results = Console()
"""Results."""


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text as a table of results."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    results.print(table)


def print_records(title: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Print records that have the same keys as a table of results; say so if there are none."""
    if not records:
        results.print(f"{title}: none")
        return
    columns = list(records[0])
    print_table(title, columns, [["" if r[c] is None else str(r[c]) for c in columns] for r in records])


def choices_of(texts: Sequence[str] | None) -> dict[str, str]:
    """Read choices of options, each as `name=value`.

    Raises
    ------
    OptionError
        When one cannot be read.
    """
    choices = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise OptionError(f"option {text!r} cannot be read", expected="name=value")
        choices[name.strip()] = value.strip()
    return choices


def write_or_print(text: str, out: Path | None) -> None:
    """Write a text to a file, whole or not at all, or print it as it is."""
    if out is None:
        print(text)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = out.with_name(f".{out.name}.new")
    scratch.write_text(text.rstrip("\n") + "\n", "utf-8")
    scratch.replace(out)
    to_user.print(f"written to {out}", soft_wrap=True, markup=False)
