"""Dialects: one set of claim tables as base and line files, as flat files, or as limited data sets.

Flat files repeat the header fields of a claim on each of its lines. Limited data sets have other keys and
names, no from-dates and no birth dates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from riskstd.synth.ccw import (
    CLAIM_KINDS,
    LINE_FILES,
    Columns,
    claim_headers,
    claim_lines,
    enrolment_table,
    enrolment_years,
)
from riskstd.synth.files import FileFormat, TextStyle, without_dictionaries, write_table
from riskstd.synth.plan import NO_DAY, People, Plan, year_of

LAYOUTS = ("ccw", "flat", "lds")
_STYLES = {"ccw": TextStyle(), "flat": TextStyle("|", "%d-%b-%Y"), "lds": TextStyle()}
_SHARED = ("BENE_ID", "CLM_ID", "NCH_CLM_TYPE_CD", "CLM_THRU_DT")
_FLAT_NAMES = {
    "BENE_ENROLLMT_REF_YR": "RFRNC_YR",
    "BENE_DEATH_DT": "DEATH_DT",
    **{f"MDCR_ENTLMT_BUYIN_IND_{n:02d}": f"MDCR_ENTLMT_BUYIN_{n}_IND" for n in range(1, 13)},
    **{f"HMO_IND_{n:02d}": f"HMO_{n}_IND" for n in range(1, 13)},
}
_LDS_NAMES = {
    "BENE_ID": "DESY_SORT_KEY",
    "CLM_ID": "CLAIM_NO",
    "BENE_ENROLLMT_REF_YR": "REFERENCE_YEAR",
    "BENE_DEATH_DT": "DATE_OF_DEATH",
    "SEX_IDENT_CD": "SEX_CODE",
    **{f"MDCR_ENTLMT_BUYIN_IND_{n:02d}": f"ENTITLEMENT_BUY_IN_IND{n}" for n in range(1, 13)},
    **{f"HMO_IND_{n:02d}": f"HMO_INDICATOR{n}" for n in range(1, 13)},
}
_NOT_IN_LDS = {"BENE_BIRTH_DT", "CLM_FROM_DT", "LINE_1ST_EXPNS_DT"}
_CLAIMS_A_BLOCK = 10_000_000


def write_delivery(
    plan: Plan,
    people: People,
    folder: Path,
    *,
    layout: str,
    file_format: FileFormat,
    block: int | None = None,
) -> dict[str, int]:
    """Write claims and enrolment in a dialect.

    Parameters
    ----------
    plan, people
        What to write; identifiers of people are written as they are.
    folder : Path
        Folder that takes the files; it must exist.
    layout : str
        `ccw`, `flat` or `lds`.
    file_format : str
        `parquet` (dates as dates) or `csv` (delimited text, dates as the dialect has them).
    block : int, optional
        Number of a part: one file of each kind with all years, numbered. One file of each kind and year
        if left out.

    Returns
    -------
    dict of str to int
        Rows by file name.
    """
    rows: dict[str, int] = {}

    def write(name: str, columns: Columns, years: np.ndarray | None) -> None:
        for file, part in _parts(name, pa.table(_named(columns, layout)), years, block):
            rows[file] = write_table(part, folder, file, file_format, _STYLES[layout])

    for year in enrolment_years():
        columns, birth = enrolment_table(plan.vocabulary, people, year)
        if layout == "lds":
            columns["AGE"] = _age_at_end(birth, year)
        write(f"{'beneficiary' if layout == 'flat' else 'mbsf'}_{year}", columns, None)
    for kind in CLAIM_KINDS:
        claims = claim_headers(plan, people, kind, block=block or 0)
        header, year = claims.columns, claims.year
        if layout == "lds":
            header["CLM_ID"] = _numbers_by_year(year, block or 0)
        if layout != "flat":
            write(f"{kind}_base", header, year)
            header = {name: header[name] for name in _SHARED}
        position = claims.position
        del claims  # what is written makes room for the lines
        lines, at = claim_lines(plan, kind, position)
        repeated = {name: column.take(pa.array(at)) for name, column in header.items() if name not in lines}
        write(kind if layout == "flat" else LINE_FILES[kind], repeated | lines, year[at])
    return rows


def person_keys(person_id: np.ndarray, layout: str) -> np.ndarray:
    """Return the identifiers of people as a dialect has them; limited data sets have digits only.

    Examples
    --------
    >>> person_keys(np.array(["SYN000000000123", "SYNE00000000007"]), "lds").tolist()
    ['000000000123', '990000000007']
    """
    if layout != "lds":
        return person_id
    return np.array([f"99{key[5:]}" if key.startswith("SYNE") else key[3:] for key in person_id.tolist()], dtype="U15")


def with_keys(people: People, layout: str) -> People:
    """Return people under the identifiers of a dialect."""
    return replace(people, person_id=person_keys(people.person_id, layout))


def _parts(name: str, table: pa.Table, years: np.ndarray | None, block: int | None) -> Iterator[tuple[str, pa.Table]]:
    """Give the files of a table: a numbered part, or one per year unless the year is in the name."""
    if block is not None:
        yield f"{name}_{block:04d}", table
    elif years is None:
        yield name, without_dictionaries(table)
    else:
        for year in enrolment_years():
            yield f"{name}_{year}", without_dictionaries(table.filter(pa.array(years == year)))


def _named(columns: Columns, layout: str) -> Columns:
    """Return columns under the names of a dialect, without those that it lacks."""
    if layout == "ccw":
        return columns
    names = _FLAT_NAMES if layout == "flat" else _LDS_NAMES
    absent = _NOT_IN_LDS if layout == "lds" else set()
    return {names.get(name, name): column for name, column in columns.items() if name not in absent}


def _numbers_by_year(year: np.ndarray, block: int) -> pa.Array:
    """Number claims from 1 in each year, so that a number returns in other years and claim types."""
    order = np.argsort(year, kind="stable")
    first = np.searchsorted(year[order], year[order])
    rank = np.empty(len(year), dtype=np.int64)
    rank[order] = np.arange(len(year)) - first
    return pa.array(rank + 1 + block * _CLAIMS_A_BLOCK).cast(pa.string())


def _age_at_end(birth: np.ndarray, year: int) -> pa.Array:
    """Return completed years of age on the last day of a year, null without a birth date."""
    known = birth != NO_DAY
    return pa.array(year - year_of(np.where(known, birth, 0)), pa.int32(), mask=~known)
