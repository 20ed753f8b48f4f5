"""Files of the definitions that a draft can be made from."""

from __future__ import annotations

from pathlib import Path

from riskstd.errors import SpecError
from riskstd.spec.codetables import DATA

_PROGRAM = "ascqr"


def shipped_files() -> dict[tuple[str, int], Path]:
    """Return the definition files of the project, by measure id and specification year."""
    files = sorted((DATA / _PROGRAM).glob("*/*.toml"))
    return {(file.stem.upper(), int(file.parent.name)): file for file in files}


def definition_path(measure: str, year: int) -> Path:
    """Return the file of a shipped measure, or the path itself if a file is named.

    Raises
    ------
    SpecError
        When there is none.

    Examples
    --------
    >>> definition_path("asc-17", 2025).name
    'asc-17.toml'
    """
    if measure.endswith(".toml"):
        if not Path(measure).is_file():
            raise SpecError(f"no definition file {measure}")
        return Path(measure)
    files = shipped_files()
    if (measure.upper(), year) not in files:
        known = ", ".join(f"{name} ({known_year})" for name, known_year in files)
        raise SpecError(f"no definition of measure {measure!r} for year {year}", expected=f"one of {known}")
    return files[measure.upper(), year]
