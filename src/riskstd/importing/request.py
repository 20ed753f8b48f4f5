"""What is to be imported: options, the year of a file, the folder it goes to."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from riskstd.errors import OptionError
from riskstd.importing.book import Book
from riskstd.spec.folder import FOLDER_NAME, VARIABLE, find_definitions
from riskstd.spec.years import Years


@dataclass(frozen=True)
class ImportRequest:
    """What to import, and how.

    Attributes
    ----------
    importer : str
        One of `IMPORTERS`, or `dictionary`.
    file : Path
    definitions : Path or None
        The definition folder; that of the rule if None, else a new one in the working folder.
    year : int or None
        Year of the file in the sense of the importer; from the file's name or titles if None.
    service_years : str
        Years of service, or of admission, that the table is for, for example `2022`; from the year if empty.
    column : str
        Header of the column of categories (`cc`).
    mapping : Path or None
        Mapping file (`dictionary`).
    dated : str
        Day of the import, as ISO text; that which the workbook carries if empty.
    replace : bool
        Replace a table that is there from another file.
    """

    importer: str
    file: Path
    definitions: Path | None = None
    year: int | None = None
    service_years: str = ""
    column: str = ""
    mapping: Path | None = None
    dated: str = ""
    replace: bool = False


def check_options(request: ImportRequest) -> None:
    """Check the options of a request that do not need the file.

    Raises
    ------
    OptionError, SpecError
        When one is not allowed, or cannot be read.
    """
    if request.column and request.importer != "cc":
        raise OptionError(f"--column with {request.importer}", expected="--column with cc only")
    if request.year is not None and not 1990 <= request.year <= 2100:
        raise OptionError(f"--year {request.year}", expected="a year with four digits")
    Years.of(request.service_years)
    if request.dated:
        try:
            date.fromisoformat(request.dated)
        except ValueError:
            raise OptionError(f"--date {request.dated!r} is not a day", expected="for example 2025-03-31") from None


def definitions_to_write(given: Path | None) -> Path:
    """Return the definition folder that an import writes to: that given, that of the rule, else a new one here.

    Raises
    ------
    OptionError
        When the environment variable switches definition folders off.
    """
    if given is not None:
        return given
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if named is not None:
        raise OptionError(
            f"{VARIABLE} is set and empty, so that there is no definition folder", expected="--definitions DIR"
        )
    return find_definitions() or Path(FOLDER_NAME)


def year_of(book: Book, means: str) -> int:
    """Return the one year in the file's name, else the one in its first rows.

    Raises
    ------
    OptionError
        When there is none, or more than one.
    """
    for text in (_name_years(book.file), re.findall(r"\b(20[0-4]\d)\b", book.first_words())):
        years = sorted(set(map(int, text)))
        if len(years) == 1:
            return years[0]
    raise OptionError(
        f"the {means} of {book.file} cannot be told from its name or titles",
        expected=f"--year YEAR, the {means}",
    )


def _name_years(name: str) -> Sequence[str]:
    return re.findall(r"(?<!\d)(20[0-4]\d)(?!\d)", name) or [
        f"20{two}" for two in re.findall(r"(?i)(?:rvu|fy)(\d\d)(?!\d)", name)
    ]
