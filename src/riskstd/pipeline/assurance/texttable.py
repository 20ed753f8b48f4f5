"""Text tables: a header, rows below it, cells two or more blanks apart; `-` is a missing cell."""

from __future__ import annotations

import re

MISSING = "-"
_GAP = re.compile(r"\s{2,}")


class TableError(ValueError):
    """A text table that cannot be read."""


def parse_table(text: str) -> list[dict[str, str | None]]:
    """Read a text table into rows.

    Raises
    ------
    TableError
        When a row has another number of cells than the header, or a column comes twice.

    Examples
    --------
    >>> parse_table('''
    ... line_date  revenue_code  hcpcs
    ... +7         0450          -
    ... ''')
    [{'line_date': '+7', 'revenue_code': '0450', 'hcpcs': None}]
    """
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        raise TableError("a text table without a header")
    header = _GAP.split(lines[0])
    if len(set(header)) != len(header):
        raise TableError(f"a column comes twice in the header: {lines[0]}")
    rows = []
    for position, line in enumerate(lines[1:], start=1):
        cells = _GAP.split(line)
        if len(cells) != len(header):
            raise TableError(
                f"row {position} has {len(cells)} cell(s) under {len(header)} column(s); "
                "write at least two blanks between cells, and - for a missing one"
            )
        rows.append({name: None if cell == MISSING else cell for name, cell in zip(header, cells, strict=True)})
    return rows
