"""Checks on raw claims: dates that cannot be read, found before anything is written."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from riskstd.claims.cells import DATE_FORMATS
from riskstd.claims.filing import SHOWN_POSITIONS
from riskstd.claims.staging import ROLE_COLUMNS
from riskstd.errors import ClaimsError

if TYPE_CHECKING:
    from riskstd.claims.files import Delivery
    from riskstd.claims.filing import UnreadableCells

_READABLE = "yyyymmdd, yyyy-mm-dd, dd-Mon-yyyy, m/d/yyyy, ddMonyyyy or SAS day numbers"


def refuse_unreadable_dates(delivery: Delivery, cells: list[UnreadableCells], *, set_aside: bool) -> dict[str, int]:
    """Count cells that hold text in a date column that no known style reads.

    Parameters
    ----------
    delivery : Delivery
        Files and layout.
    cells : list of UnreadableCells
        As the files were read.
    set_aside : bool
        Count them and go on; the cell counts as blank.

    Returns
    -------
    dict of str to int
        Cells by `role.column`.

    Raises
    ------
    ClaimsError
        Naming columns, counts, files and row positions, unless they are to be set aside.
    """
    found: dict[str, list[UnreadableCells]] = defaultdict(list)
    for cell in cells:
        found[f"{_role(delivery, cell)}.{cell.column}"].append(cell)
    counts = {name: sum(cell.count for cell in some) for name, some in found.items()}
    if counts and not set_aside:
        details = "\n  ".join(_detail(name, some) for name, some in found.items())
        raise ClaimsError(
            f"{sum(counts.values())} date cell(s) cannot be read:\n  {details}",
            expected=f"dates as {_READABLE} ({len(DATE_FORMATS)} styles and SAS numbers are tried)",
            hint="correct the cells, or go on with bad_rows='set_aside' (--bad-rows set-aside): they count as blank",
        )
    return counts


def _role(delivery: Delivery, cell: UnreadableCells) -> str:
    roles = [role for role in delivery.layout.files[cell.kind].provides if cell.column in ROLE_COLUMNS[role]]
    return roles[0] if len(roles) == 1 else cell.kind


def _detail(name: str, cells: list[UnreadableCells]) -> str:
    """Count and first places of a column; places are shown up to a few over all files."""
    count = sum(cell.count for cell in cells)
    columns = " / ".join(sorted({cell.source for cell in cells}))
    if name == "beneficiary.year":
        columns += ", the year of the beneficiary record (no year of four digits)"
    places, shown = [], 0
    for cell in cells:
        rows = cell.first_rows[: SHOWN_POSITIONS - shown]
        shown += len(rows)
        if rows:
            places.append(f"{', '.join(map(str, rows))} of {cell.file}")
    return f"column {columns}: {count} cell(s), first at data row(s) {'; '.join(places)}"
