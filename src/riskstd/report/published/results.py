"""Results of the public facility file: one row per facility, measure and year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from riskstd.report.published.cells import read_category, read_number, row_list
from riskstd.report.published.frames import keep_columns, keep_rows, matches, texts
from riskstd.report.published.header import Header
from riskstd.report.wording import counted

if TYPE_CHECKING:
    import pandas as pd

WHO = ("npi", "ccn", "name", "city", "state", "zip")
RESULT_COLUMNS = (
    *WHO,
    "year",
    "measure_id",
    "cases",
    "category",
    "score",
    "lower",
    "upper",
    "footnote",
    "cut_lower",
)
_KEY = ["npi", "year", "measure_id"]
_RESULT = ["cases", "category", "score", "lower", "upper", "cut_lower"]
_NUMBERS = {"cases": "case count", "score": "score", "lower": "lower limit", "upper": "upper limit"}


def read_results(rows: pd.DataFrame, facilities: pd.DataFrame, header: Header, problems: list[str]) -> pd.DataFrame:
    """Read the claims-based measures of rows with a data year of four digits.

    A second row of a facility for part of a year (such as 2023_Q3) holds other measures and is not used.

    Parameters
    ----------
    rows : pandas.DataFrame
        Cells as text; the index is the position.
    facilities : pandas.DataFrame
        Who and when of the rows with an NPI, by position.
    header : Header
    problems : list of str
        Sentences are added to it.

    Returns
    -------
    pandas.DataFrame
        Columns `RESULT_COLUMNS`, sorted by measure, year and NPI.
    """
    import pandas as pd

    whole_years = keep_rows(facilities, matches(facilities, "year", r"[0-9]{4}"))
    parts = [_read_measure(rows, whole_years, m, columns, problems) for m, columns in header.measures.items()]
    read = pd.concat(parts, ignore_index=True) if parts else _empty()
    kept = _one_per_facility(read, problems)
    kept = kept.sort_values(["measure_id", "year", "npi"], kind="stable").reset_index(drop=True)
    kept["cases"] = kept["cases"].astype("Int64")
    kept = kept.astype(dict.fromkeys(("score", "lower", "upper"), "float64") | {"cut_lower": "bool"})
    return keep_columns(kept, RESULT_COLUMNS)


def _read_measure(
    rows: pd.DataFrame, who: pd.DataFrame, measure_id: str, columns: Mapping[str, int], problems: list[str]
) -> pd.DataFrame:
    import pandas as pd

    cells = {role: rows.loc[who.index, place].tolist() for role, place in columns.items()}
    positions = who.index.tolist()
    numbers = {role: [read_number(cell) for cell in cells[role]] for role in _NUMBERS}
    categories = [read_category(cell) for cell in cells["category"]]
    for role, word in _NUMBERS.items():
        bad = [k for k, cell in zip(positions, numbers[role], strict=True) if not cell.readable]
        _say(bad, f"{word} of {measure_id}", "cannot be read as a number and counts as missing", problems)
        cut = [k for k, cell in zip(positions, numbers[role], strict=True) if cell.cut]
        _say(cut, f"{word} of {measure_id}", "is cut after the decimal point and lower than the true one", problems)
    bad = [k for k, cell in zip(positions, categories, strict=True) if not cell.readable]
    _say(bad, f"category of {measure_id}", "is not known and counts as missing", problems)
    footnotes = [
        _footnote(own, [cell.footnote for cell in others])
        for own, *others in zip(cells["footnote"], *numbers.values(), categories, strict=True)
    ]
    read = who.assign(
        measure_id=pd.Series(measure_id, index=who.index, dtype=object),
        category=pd.Series([cell.word for cell in categories], index=who.index, dtype=object),
        footnote=pd.Series(footnotes, index=who.index, dtype=object),
        cut_lower=[cell.cut for cell in numbers["lower"]],
        row=positions,
        **{role: [cell.value for cell in numbers[role]] for role in _NUMBERS},
    )
    _say_implausible(read, measure_id, problems)
    return read


def _say_implausible(read: pd.DataFrame, measure_id: str, problems: list[str]) -> None:
    parts = read["cases"].notna() & (read["cases"] % 1 != 0)
    rows = read.loc[parts, "row"].tolist()
    _say(rows, f"case count of {measure_id}", "is not a whole number and counts as missing", problems)
    read.loc[parts, "cases"] = float("nan")
    outside = (read["lower"] > read["score"]) | (read["score"] > read["upper"]) & ~read["cut_lower"]
    _say(read.loc[outside, "row"].tolist(), f"score of {measure_id}", "lies outside its limits", problems)


def _one_per_facility(read: pd.DataFrame, problems: list[str]) -> pd.DataFrame:
    """Collapse equal results of an NPI; leave out those that differ. The order of rows does not matter."""
    has_result = read["cases"].notna() | read["category"].notna() | read["score"].notna()
    read = read.assign(blank=~has_result).sort_values(
        [*_KEY, "blank", "ccn", "name", "city", "state", "zip", "footnote"], kind="stable"
    )
    results = keep_rows(read, ~read["blank"])
    distinct = results.drop_duplicates(subset=[*_KEY, *_RESULT])
    repeats = len(results) - len(distinct)
    if repeats:
        text = counted(repeats, "result is a repeat", "results are repeats")
        problems.append(f"{text} of the same NPI's result in another row and counted once.")
    clashes = set(_keys(keep_rows(distinct, distinct.duplicated(subset=_KEY))))
    _say_clashes(keep_rows(results, [key in clashes for key in _keys(results)]), problems)
    first = read.drop_duplicates(subset=_KEY)
    return keep_rows(first, [key not in clashes for key in _keys(first)])


def _keys(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    return list(zip(*(rows[name].tolist() for name in _KEY), strict=True))


def _say_clashes(rows: pd.DataFrame, problems: list[str]) -> None:
    for measure_id in texts(rows, "measure_id"):
        clashing = keep_rows(rows, rows["measure_id"] == measure_id)
        n = len(set(_keys(clashing)))
        problems.append(
            f"{counted(n, 'facility (NPI) has', 'facilities (NPI) have')} different results of {measure_id} for one "
            f"year ({row_list(clashing['row'].tolist())}); none of these is used."
        )


def _footnote(own: str, others: Sequence[str]) -> str | None:
    """Footnote of the footnote column, and those in brackets behind values."""
    found = [own.strip(), *others]
    notes = dict.fromkeys(note for note in found if note and note.lower() not in {"n/a", "na"})
    return ", ".join(notes) or None


def _say(positions: Sequence[int], what: str, how: str, problems: list[str]) -> None:
    if positions:
        problems.append(f"In {row_list(positions)} the {what} {how}.")


def _empty() -> pd.DataFrame:
    import pandas as pd

    types: dict[str, Any] = {name: pd.Series(dtype=object) for name in (*RESULT_COLUMNS, "row")}
    return pd.DataFrame(types)
