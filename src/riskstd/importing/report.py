"""The report of an import: what came in, what was left out and why, by sheet and cell."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from riskstd.importing.book import DATE_CELL

_CODE_LIKE = re.compile(r"[A-Za-z0-9*+ -]{0,7}")
_WORDS = re.compile(r"(?!.*(\d{4}|\d[-/]\d)).*[A-Za-z]")
Outcome = Literal["new", "unchanged", "replaced"]
SHOWN = 20
"""Rejected cells that the text shows; JSON has them all."""


def shown_cell(text: str) -> str:
    """Return a cell as far as it can be a code; of anything longer, which may be about a person, its length.

    Examples
    --------
    >>> shown_cell("S72.001A"), shown_cell("1EG4TE5MK73"), shown_cell("1950-01-01")
    ('S72.001A', '(11 characters)', '(10 characters)')
    """
    text = text.strip()
    if text == DATE_CELL or _CODE_LIKE.fullmatch(text.replace(".", "")):
        return text
    return f"({len(text)} characters)"


def shown_header(text: str) -> str:
    """Return a cell of a header row as far as it can be a header: words, no long numbers or dates.

    Examples
    --------
    >>> shown_header("Work RVU"), shown_header("1EG4TE51950")
    ('Work RVU', '(11 characters)')
    """
    return text[:24] if _WORDS.match(text) else f"({len(text)} characters)"


@dataclass(frozen=True)
class Rejected:
    """A cell that was not taken."""

    place: str
    found: str
    reason: str


@dataclass
class SheetCount:
    """Counts of one sheet, or of a text file.

    Attributes
    ----------
    rows : int
        Rows below the header that are not blank.
    taken, removed, set_aside, rejected : int
        Rows taken; marked as removed or deleted; not meant for this table (other headers, end marks, modifiers);
        rejected.
    """

    sheet: str
    rows: int = 0
    taken: int = 0
    removed: int = 0
    set_aside: int = 0
    rejected: int = 0


@dataclass
class Findings:
    """What an importer notes while it reads."""

    sheets: dict[str, SheetCount] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, sheet: str) -> SheetCount:
        """Return the counts of a sheet."""
        return self.sheets.setdefault(sheet, SheetCount(sheet))

    def reject(self, sheet: str, place: str, found: str, reason: str, *, is_label: bool = False) -> None:
        """Note a cell that is not taken; its row counts once. Labels are shown as they are, other cells with care."""
        self.rejected.append(Rejected(place, found.strip()[:40] if is_label else shown_cell(found), reason))
        self.of(sheet).rejected += 1


@dataclass(frozen=True)
class TableReport:
    """One table of the import.

    Attributes
    ----------
    name, kind, years, sha256 : str
    lists : dict of str to int
        Distinct codes by list.
    """

    name: str
    kind: str
    years: str
    sha256: str
    lists: dict[str, int]


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    importer : str
    file, file_sha256, dated : str
        The imported file: name, hash, and the day given or carried by the workbook.
    outcome : {'new', 'unchanged', 'replaced'}
    tables : tuple of TableReport
    sheets : tuple of SheetCount
    rejected : tuple of Rejected
    notes : tuple of str
    """

    importer: str
    file: str
    file_sha256: str
    dated: str
    outcome: Outcome
    tables: tuple[TableReport, ...]
    sheets: tuple[SheetCount, ...]
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.importer}: {self.file} (SHA-256 {self.file_sha256[:12]}...): {_OUTCOMES[self.outcome]}"]
        for table in self.tables:
            lines.append(f"  table {table.name} ({table.kind}; service years {table.years or 'all'})")
            lines += [f"    {name}: {count:,}" for name, count in table.lists.items()]
        for sheet in self.sheets:
            lines.append(f"  {_sheet_words(sheet)}")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, *self._rejected_lines()])

    def _rejected_lines(self) -> list[str]:
        lines = [f"  rejected: {one.place}: found {one.found!r}; {one.reason}" for one in self.rejected[:SHOWN]]
        if len(self.rejected) > SHOWN:
            reasons = Counter(one.reason for one in self.rejected)
            listed = "; ".join(f"{count:,} x {reason}" for reason, count in sorted(reasons.items()))
            lines.append(f"  {len(self.rejected):,} rejected in all ({listed}); --json lists them")
        return lines


_OUTCOMES = {
    "new": "imported",
    "unchanged": "was there already, nothing changed",
    "replaced": "replaced what was there",
}


def _sheet_words(count: SheetCount) -> str:
    name = f"sheet {count.sheet!r}" if count.sheet else "file"
    parts = [f"{count.rows:,} rows", f"{count.taken:,} taken"]
    parts += [
        f"{n:,} {word}" for n, word in ((count.removed, "marked as removed"), (count.set_aside, "set aside")) if n
    ]
    return f"{name}: {', '.join(parts)}, {count.rejected:,} rejected"
