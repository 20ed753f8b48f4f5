"""Tables as an import makes them, before they are written to the folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from riskstd.spec.codetables import TABLE_COLUMNS

GRADE = "A"
ORIGIN = "user_import"
_CODES_PER_ROW = 500


@dataclass(frozen=True)
class NewTable:
    """One table of an import.

    Attributes
    ----------
    name, kind, stands_for, system, version, says, note, years, measure : str
        As in the entry of the index.
    rows : list of dict of str to str
        In the order in which they are written, with the columns of the kind.
    lists : dict of str to int
        Distinct codes by list, for the report.
    """

    name: str
    kind: str
    stands_for: str
    system: str
    version: str
    says: str
    years: str
    rows: list[dict[str, str]] = field(repr=False)
    lists: dict[str, int]
    note: str = ""
    measure: str = ""

    def content(self) -> bytes:
        """Return the table as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, TABLE_COLUMNS[self.kind], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue().encode()


def list_rows(
    codes_by_list: Mapping[tuple[str, ...], Iterable[str]], names: tuple[str, ...], source: str
) -> list[dict[str, str]]:
    """Write lists of codes as rows: the names of the list, some hundred codes each, origin, grade, source.

    Examples
    --------
    >>> list_rows({("PA1",): ["64", "105"]}, ("part",), "book.xlsx")[0]["codes"]
    '64 105'
    """
    rows = []
    for key, codes in codes_by_list.items():
        ordered = sorted(set(codes), key=code_order)
        for start in range(0, len(ordered), _CODES_PER_ROW):
            part = " ".join(ordered[start : start + _CODES_PER_ROW])
            facts = {"codes": part, "origin": ORIGIN, "grade": GRADE, "source": source}
            rows.append(dict(zip(names, key, strict=True)) | facts)
    return rows


def code_order(code: str) -> tuple[int, str]:
    """Order numbers of categories as numbers, codes as text."""
    return (int(code), "") if code.isdigit() and len(code) < 5 else (1 << 30, code)
