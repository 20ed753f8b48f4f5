"""Names and places of facilities, when the user has a file of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from riskstd.errors import InputError
from riskstd.report.published.bytes import TextRows, read_text_rows
from riskstd.report.published.cells import pad_zip, row_list
from riskstd.report.published.file import PublishedResults
from riskstd.report.published.header import IDENTITY, plain_name
from riskstd.report.wording import counted, listed

_COLUMNS: Mapping[str, frozenset[str]] = {
    "npi": IDENTITY["npi"] | {"facility_npi"},
    "name": IDENTITY["name"] | {"name"},
    "city": IDENTITY["city"],
    "state": IDENTITY["state"],
    "zip": IDENTITY["zip"] | {"zip", "zipcode"},
    "ccn": (IDENTITY["ccn"] - {"facility_id"}) | {"ccn"},
}
_EXPECTED = "a first line with npi and one or more of name, city, state, zip and ccn, separated by commas"


@dataclass(frozen=True)
class Entry:
    """One facility; what is not known is empty."""

    name: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    ccn: str = ""


@dataclass(frozen=True)
class Directory:
    """Facilities by NPI.

    Parameters
    ----------
    entries : mapping of str to Entry

    Examples
    --------
    >>> directory = Directory({"1000000001": Entry(name="Hill Surgery Center", state="MA")})
    >>> directory.name_of("1000000001"), directory.state_of("1000000009"), directory.npis_in("ma")
    ('Hill Surgery Center', None, ['1000000001'])
    """

    entries: Mapping[str, Entry] = field(repr=False)

    @classmethod
    def of(cls, published: PublishedResults) -> Directory:
        """Take names and places from a published file; of several CCNs of an NPI the first one counts."""
        columns = (published.facilities[what].tolist() for what in ("npi", "name", "city", "state", "zip", "ccn"))
        entries: dict[str, Entry] = {}
        for npi, *rest in zip(*columns, strict=True):
            entries.setdefault(npi, Entry(*rest))
        return cls(entries)

    @classmethod
    def from_csv(cls, path: Path | str) -> Directory:
        """Read a file of the user's own: `npi` and some of `name`, `city`, `state`, `zip`, `ccn`.

        Upper and lower case and the order of columns do not matter; further columns are not used.

        Raises
        ------
        InputError
            When there is no such file or column, a row has no NPI, or rows of one NPI differ.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "mine.csv")
        ...     _ = file.write_text("NPI,State,Name\\n1000000001,ma,Hill Surgery Center\\n", encoding="utf-8")
        ...     Directory.from_csv(file).state_of("1000000001")
        'MA'
        """
        path = Path(path)
        text = read_text_rows(path)
        places = _places(text.header, path.name)
        _refuse_broken_rows(text, places["npi"], path.name)
        entries: dict[str, Entry] = {}
        clashes: list[int] = []
        for position, row in zip(text.positions, text.rows, strict=True):
            values = {what: " ".join(row[place].split()) for what, place in places.items()}
            npi = _whole_number(values.pop("npi"))
            entry = _entry(values)
            if entries.setdefault(npi, entry) != entry:
                clashes.append(position)
        if clashes:
            text_of = counted(len(clashes), "row contradicts", "rows contradict")
            raise InputError(
                f"{text_of} an earlier row of the same NPI in file {path.name} ({row_list(clashes)})",
                expected="one row per NPI",
                hint="keep one row for each facility",
            )
        return cls(entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, npi: object) -> bool:
        return npi in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.entries))

    def entry_of(self, npi: str) -> Entry:
        """Return all that is known of a facility; an empty entry when nothing is."""
        return self.entries.get(npi, _UNKNOWN)

    def name_of(self, npi: str) -> str | None:
        """Return the name, None when it is not known."""
        return self.entry_of(npi).name or None

    def state_of(self, npi: str) -> str | None:
        """Return the state as two letters, None when it is not known."""
        return self.entry_of(npi).state or None

    def city_of(self, npi: str) -> str | None:
        """Return the city, None when it is not known."""
        return self.entry_of(npi).city or None

    def ccn_of(self, npi: str) -> str | None:
        """Return the CMS certification number, None when it is not known."""
        return self.entry_of(npi).ccn or None

    def npis_in(self, state: str) -> list[str]:
        """Return the facilities of a state, sorted."""
        return list(self._by_state.get(state.strip().upper(), ()))

    @property
    def states(self) -> list[str]:
        """States that some facility is in, sorted."""
        return sorted(self._by_state)

    @cached_property
    def _by_state(self) -> dict[str, list[str]]:
        by_state: dict[str, list[str]] = {}
        for npi in self:
            if self.entries[npi].state:
                by_state.setdefault(self.entries[npi].state, []).append(npi)
        return by_state


_UNKNOWN = Entry()


def _entry(values: dict[str, str]) -> Entry:
    changed = {"state": values.get("state", "").upper(), "ccn": values.get("ccn", "").upper()}
    return Entry(**{**values, **changed, "zip": pad_zip(values.get("zip", ""))})


def _whole_number(cell: str) -> str:
    return cell.removesuffix(".0")


def _places(header: list[str], name: str) -> dict[str, int]:
    """Position of each column known; a published facility file fits as well, its Facility ID being the CCN."""
    plain = [plain_name(cell) for cell in header]
    places: dict[str, int] = {}
    for what, known in _COLUMNS.items():
        found = [place for place, cell in enumerate(plain) if cell in known]
        if len(found) > 1:
            raise InputError(f"file {name} has several columns for {what}", expected="one", hint="keep one of them")
        if found:
            places[what] = found[0]
    if "npi" not in places or len(places) == 1:
        known = listed(sorted(places)) if places else "none that is known"
        raise InputError(
            f"file {name} has {counted(len(header), 'column', 'columns')}, of them {known}",
            expected=_EXPECTED,
            hint="name the columns so; an ASC_Facility.csv is read as a published file instead",
        )
    return places


def _refuse_broken_rows(text: TextRows, npi: int, name: str) -> None:
    broken = [k for k, row in zip(text.positions, text.rows, strict=True) if len(row) != len(text.header)]
    if broken:
        raise InputError(
            f"{counted(len(broken), 'row has', 'rows have')} more or fewer cells than the first line of file {name} "
            f"({row_list(broken)})",
            expected=f"{len(text.header)} cells in each row",
            hint="put names with commas in quotation marks",
        )
    bad = [
        k
        for k, row in zip(text.positions, text.rows, strict=True)
        if not re.fullmatch(r"[0-9]{10}", _whole_number(row[npi].strip()))
    ]
    if bad:
        raise InputError(
            f"{counted(len(bad), 'row has', 'rows have')} no NPI of ten digits in file {name} ({row_list(bad)})",
            expected="ten digits in column npi",
            hint="spreadsheet programs shorten long numbers: format the column as text",
        )
