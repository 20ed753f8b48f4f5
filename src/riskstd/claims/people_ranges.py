"""Claims cut to ranges of people, for steps that would not fit in memory for all of them at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from riskstd.engines.embedded import memory_limit
from riskstd.tables import count_rows

if TYPE_CHECKING:
    from riskstd.claims.cut import CutClaims

BYTES_OF_A_ROW = 32
"""What a step may take in memory for each row of the claims tables; those that only pass by counted in."""
_LARGE = ("professional_lines", "outpatient_lines", "diagnoses")


def people_ranges(claims: CutClaims) -> list[tuple[int, int]]:
    """Return ranges of person keys, as many as the memory of the engine asks for; one where the engine sees to it.

    Parameters
    ----------
    claims : CutClaims
        Claims of candidates.

    Returns
    -------
    list of (int, int)
        First and last key of each range; together they hold everybody.
    """
    last = claims.people.person_key.max().to_pyarrow().as_py() or 0
    parts = 1
    if claims.connection.name == "duckdb":
        rows = sum(count_rows(claims.tables[name]) for name in _LARGE)
        parts = -(-rows * BYTES_OF_A_ROW // int(memory_limit(claims.connection.con)))  # type: ignore[attr-defined]
    parts = max(1, min(parts, last))
    first = [last * number // parts + 1 for number in range(parts)]
    return list(zip(first, [key - 1 for key in first[1:]] + [last], strict=True))


def of_range(claims: CutClaims, first: int, last: int) -> CutClaims:
    """Return the claims of the people whose keys lie in a range."""
    some = {name: rows.filter(rows.person_key.between(first, last)) for name, rows in claims.tables.items()}
    return replace(claims, tables=some)
