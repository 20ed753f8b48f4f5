"""Published results of the claims-based measures, from the user's copy of the public facility file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from riskstd.errors import InputError
from riskstd.report.published.bytes import TextRows, read_text_rows
from riskstd.report.published.cells import row_list
from riskstd.report.published.facilities import pairs_of, read_facility_rows
from riskstd.report.published.frames import keep_rows, texts
from riskstd.report.published.header import Header, read_header
from riskstd.report.published.results import read_results
from riskstd.report.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class PublishedResults:
    """What CMS published, one row per facility (NPI), measure and year.

    Attributes
    ----------
    frame : pandas.DataFrame
        Columns `npi`, `ccn`, `name`, `city`, `state`, `zip`, `year`, `measure_id`, `cases`, `category`, `score`,
        `lower`, `upper`, `footnote`, `cut_lower`. Categories are "better", "no different", "worse" and
        "too few cases"; the unit of score and limits is that of the measure definition, the file names none.
        `cut_lower` marks lower limits whose decimals are missing after the point. Of several CCNs of an NPI
        the first one stands here.
    facilities : pandas.DataFrame
        Every pair of NPI and CCN: `npi`, `ccn`, `name`, `city`, `state`, `zip`, `year`.
    problems : list of str
        What is odd in the file and how it was read, with positions of rows; the header is row 1.
    dialect : str
        As in `Header`.
    encoding : str
    file_name, sha256 : str
    """

    frame: pd.DataFrame = field(repr=False)
    facilities: pd.DataFrame = field(repr=False)
    problems: list[str] = field(repr=False)
    dialect: str
    encoding: str
    file_name: str
    sha256: str

    @property
    def measures(self) -> list[str]:
        """Claims-based measures in the file."""
        return texts(self.frame, "measure_id")

    @property
    def years(self) -> list[str]:
        """Data years of the claims-based measures."""
        return texts(self.frame, "year")

    def measure(self, measure_id: str, year: str | None = None) -> pd.DataFrame:
        """Return the rows of one measure and year, the last year unless told, sorted by NPI.

        Raises
        ------
        InputError
            When the file does not have the measure or the year.
        """
        rows = keep_rows(self.frame, self.frame["measure_id"] == measure_id.upper())
        if rows.empty:
            raise InputError(
                f"file {self.file_name} has no results of {measure_id.upper()}",
                expected=f"one of {listed(self.measures)}" if self.measures else "results of claims-based measures",
                hint="take the facility file of a year that has this measure",
            )
        years = texts(rows, "year")
        if year is not None and year not in years:
            raise InputError(f"file {self.file_name} has no results of the year asked for", expected=listed(years))
        return keep_rows(rows, rows["year"] == (year or years[-1])).reset_index(drop=True)


def read_published(path: Path | str) -> PublishedResults:
    """Read ASC_Facility.csv of the Provider Data Catalog in any of its forms since data year 2015.

    Parameters
    ----------
    path : Path or str
        The file as downloaded, or packed with gzip.

    Returns
    -------
    PublishedResults
        A result belongs to the NPI: repeats of it under further CCNs collapse into one row. Where they
        differ, none is kept and `problems` says so.

    Raises
    ------
    InputError
        When there is no such file, it is not the facility file, or no row of it can be used.

    Examples
    --------
    >>> import tempfile
    >>> head = ("ASC_Name,Provider_ID,NPI,City,State,Zip_Code,Year,ASC_12_Total_Cases,ASC_12_Performance_Category,"
    ...         "ASC_12_RSHV_Rate,ASC_12_Interval_Lower_Limit,ASC_12_Interval_Upper_Limit,ASC_12_Footnote")
    >>> line = "Hill,99C0000001,1000000001,Hilltown,MA,2134,2017,1204,No Different than the National Rate,12.1,9.4,15,"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "ASC_Facility.csv")
    ...     _ = file.write_text(f"{head}\\n{line}\\n", encoding="utf-8")
    ...     published = read_published(file)
    >>> print(*published.frame.loc[0, ["zip", "cases", "category", "score"]])
    02134 1204 no different 12.1
    """
    path = Path(path)
    text = read_text_rows(path)
    header = read_header(text.header, path.name)
    problems = _encoding_problems(text)
    rows = _whole_rows(text, header, path.name, problems)
    facilities = read_facility_rows(rows, header, path.name, problems)
    frame = read_results(rows, facilities, header, problems)
    _say_what_is_empty(frame, header, facilities, problems)
    pairs = pairs_of(facilities, problems)
    return PublishedResults(frame, pairs, problems, header.dialect, text.encoding, path.name, text.sha256)


def _encoding_problems(text: TextRows) -> list[str]:
    if text.encoding == "UTF-8":
        return []
    problems = ["The file is not UTF-8 and was read as Windows-1252; letters with accents in names may be wrong."]
    if text.n_unknown_characters:
        unknown = counted(text.n_unknown_characters, "character", "characters")
        problems.append(f"{unknown} of the file cannot be read and stand as a question mark in a lozenge.")
    return problems


def _whole_rows(text: TextRows, header: Header, name: str, problems: list[str]) -> pd.DataFrame:
    """Rows with as many cells as the header, as a frame of text; its index is the position."""
    import pandas as pd

    whole = [len(cells) == header.n_columns for cells in text.rows]
    broken = [position for position, good in zip(text.positions, whole, strict=True) if not good]
    if len(broken) == len(text.rows):
        found = (
            f"no row of file {name} has the {header.n_columns} cells of its first line"
            if broken
            else (f"file {name} has a first line and no rows")
        )
        raise InputError(found, expected="one row per facility", hint="download the file again")
    if broken:
        problems.append(
            f"{counted(len(broken), 'row is', 'rows are')} left out for having more or fewer cells than the first "
            f"line ({row_list(broken)})."
        )
    cells = [row for row, good in zip(text.rows, whole, strict=True) if good]
    positions = [position for position, good in zip(text.positions, whole, strict=True) if good]
    return pd.DataFrame(cells, index=pd.Index(positions, name="row"), columns=range(header.n_columns), dtype=object)


def _say_what_is_empty(frame: pd.DataFrame, header: Header, facilities: pd.DataFrame, problems: list[str]) -> None:
    if not header.measures:
        problems.append(
            "The file has no claims-based measure (files up to data year 2015 have none); "
            "it gives names and places only."
        )
    elif frame.empty:
        quarters = [year for year in texts(facilities, "year") if re.fullmatch(r"[0-9]{4}_Q[1-4]", year)]
        found = f" (found: {listed(quarters[:5])})" if quarters else ""
        problems.append(f"No row has a data year of four digits{found}, so there is no result to use.")
