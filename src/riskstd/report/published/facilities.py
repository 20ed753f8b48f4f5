"""Who the facilities of the public file are: identifiers, names and places, cleaned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import InputError
from riskstd.report.published.cells import pad_zip, row_list
from riskstd.report.published.frames import count_with_several, keep_rows, matches
from riskstd.report.published.header import Header
from riskstd.report.wording import counted

if TYPE_CHECKING:
    import pandas as pd

_ODD_ZIP = "a ZIP code that is not five digits, kept as it is"
_ODD_CCN = "a CCN (Facility ID) of another form than two digits, a letter and seven digits, kept as it is"


def read_facility_rows(rows: pd.DataFrame, header: Header, name: str, problems: list[str]) -> pd.DataFrame:
    """Who and when, cleaned, for every row with an NPI; the index is the position."""
    import pandas as pd

    clean: dict[str, Callable[[str], str]] = {"npi": _npi, "ccn": _upper, "state": _upper, "zip": pad_zip}
    found = pd.DataFrame(
        {what: [clean.get(what, _text)(cell) for cell in rows[place]] for what, place in header.identity.items()},
        index=rows.index,
        columns=pd.Index(["npi", "ccn", "name", "city", "state", "zip", "year"]),
        dtype=object,
    )
    valid = matches(found, "npi", r"[0-9]{10}")
    bad = keep_rows(found, ~valid).index.tolist()
    if len(bad) == len(found):
        raise InputError(
            f"no row of file {name} has an NPI of ten digits ({counted(len(bad), 'row', 'rows')})",
            expected="ten digits in column NPI",
            hint="use the file as downloaded; spreadsheet programs shorten long numbers",
        )
    if bad:
        problems.append(
            f"{counted(len(bad), 'row is', 'rows are')} left out for want of an NPI of ten digits ({row_list(bad)})."
        )
    found = keep_rows(found, valid)
    _say_where(found, ~matches(found, "zip", r"[0-9]{5}(-?[0-9]{4})?|"), _ODD_ZIP, problems)
    _say_where(found, matches(found, "zip", ""), "no ZIP code", problems)
    _say_where(found, ~matches(found, "ccn", r"[0-9]{2}[A-Z][0-9]{7}"), _ODD_CCN, problems)
    _say_where(found, ~matches(found, "state", r"[A-Z]{2}"), "no state of two letters", problems)
    return found


def _say_where(found: pd.DataFrame, odd: NDArray[np.bool_], what: str, problems: list[str]) -> None:
    rows = keep_rows(found, odd).index.tolist()
    if rows:
        problems.append(f"{counted(len(rows), 'row has', 'rows have')} {what} ({row_list(rows)}).")


def pairs_of(facilities: pd.DataFrame, problems: list[str]) -> pd.DataFrame:
    """Pairs of NPI and CCN, once each with the name of the first year; whatever the order of rows."""
    ordered = facilities.sort_values(["npi", "ccn", "year", "name", "city", "state", "zip"], kind="stable")
    pairs = ordered.drop_duplicates(["npi", "ccn"]).reset_index(drop=True)
    several_npis, several_ccns = count_with_several(pairs, "ccn"), count_with_several(pairs, "npi")
    if several_npis:
        problems.append(f"{counted(several_npis, 'CCN has', 'CCNs have')} several NPIs; each NPI is a facility here.")
    if several_ccns:
        text = counted(several_ccns, "NPI has", "NPIs have")
        problems.append(f"{text} several CCNs; a result belongs to the NPI and counts once.")
    return pairs


def _text(cell: str) -> str:
    text = " ".join(cell.replace("\N{NO-BREAK SPACE}", " ").split())
    return "" if text.lower() == "n/a" else text


def _upper(cell: str) -> str:
    return _text(cell).upper()


def _npi(cell: str) -> str:
    return _text(cell).removesuffix(".0")
