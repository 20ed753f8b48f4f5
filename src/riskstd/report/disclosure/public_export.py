"""Results of a run for the public, in the columns of the Provider Data Catalog."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from riskstd.report.content import ReportInput
from riskstd.report.disclosure.counts import Counts, count_run
from riskstd.report.disclosure.csv_text import csv_bytes
from riskstd.report.disclosure.facilities import Facilities, count_categories, read_facilities
from riskstd.report.disclosure.suppression import SMALL_CELL, is_small, shown_parts
from riskstd.report.disclosure.suppression_log import log_bytes, suppression_log
from riskstd.report.wording import SUPPRESSED, Suppressed

if TYPE_CHECKING:
    from riskstd.report.published.directory import Directory

NOT_AVAILABLE = "N/A"
TOO_FEW_FOOTNOTE = "1"
"""CMS footnote for too few cases to report."""
NO_INTERVAL_FOOTNOTE = "5"
"""CMS footnote for results that are not available."""
HIDDEN_FOOTNOTE = "c"
"""Footnote of this tool, not of CMS, for numbers hidden because they tell of a small count."""

FACILITY_FILE, NATIONAL_FILE, STATE_FILE = "ASC_Facility.csv", "ASC_National.csv", "ASC_State.csv"
LOG_FILE = "suppression_log.csv"

_WHO = ("Facility Name", "Facility ID", "NPI", "City/Town", "State", "ZIP Code", "Year")
_RESULTS = (
    "Total Cases",
    "Performance Category",
    "RSHV Rate",
    "Interval Lower Limit",
    "Interval Upper Limit",
    "Footnote",
)
_KINDS = ("Better", "No Different", "Worse", "Too Small")


def public_files(content: ReportInput, *, directory: Directory | None = None) -> dict[str, bytes]:
    """Write the results of a run as the files of the Provider Data Catalog, small cells hidden.

    Parameters
    ----------
    content : ReportInput
    directory : Directory, optional
        Names and places of facilities. Without one these cells are N/A, and there is no file by state.

    Returns
    -------
    dict of str to bytes
        `ASC_Facility.csv`, `ASC_National.csv`, with a directory `ASC_State.csv`, and `suppression_log.csv`.
        A run without rates has the national file and the log only.

    Notes
    -----
    Below the case minimum every number, the case count too, is N/A with footnote 1, as CMS writes it. Numbers
    that tell of 1 to 10 visits, and others that would give such a number away, are N/A with footnote c, which
    the national file explains. Scores and limits have one decimal, and none where it is 0.

    Categories are shown for every facility, as CMS shows them, so facilities by category can be counted; a
    count of facilities is no count of persons. The file by state is held to the rule all the same, so
    that it can be passed on alone.
    """
    counts = count_run(content, "public")
    files = {NATIONAL_FILE: _national(content, counts), LOG_FILE: log_bytes(suppression_log(content))}
    if content.has_rates:
        files[FACILITY_FILE] = _facilities(content, read_facilities(content, "public", counts), directory)
        if directory is not None:
            files[STATE_FILE] = _states(content, directory)
    return dict(sorted(files.items()))


def data_year(content: ReportInput) -> str:
    """Return the year that the results are of: the last one the period names, else the year of the definition."""
    years = re.findall(r"\b(?:19|20)\d{2}\b", content.period)
    return max(years, default=str(content.measure.spec_year))


def catalog_number(value: float, decimals: int = 1) -> str:
    """Write a number as the facility file does: rounded, without trailing zeros.

    Examples
    --------
    >>> catalog_number(9.87), catalog_number(9.97), catalog_number(math.nan)
    ('9.9', '10', 'N/A')
    """
    if not math.isfinite(value):
        return NOT_AVAILABLE
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _facilities(content: ReportInput, facilities: Facilities, directory: Directory | None) -> bytes:
    header = [*_WHO, *(f"{content.measure.id} {name}" for name in _RESULTS)]
    year, rows = data_year(content), []
    for k, row in enumerate(facilities.frame.to_dict("records")):
        who = _who(str(row["facility_id"]), directory, year)
        rows.append([*who, *_results(row, content, bool(facilities.hide_cases[k]), bool(facilities.hide_results[k]))])
    return csv_bytes(header, sorted(rows, key=lambda row: row[2]))


def _who(npi: str, directory: Directory | None, year: str) -> list[str]:
    if directory is None:
        return [NOT_AVAILABLE, NOT_AVAILABLE, npi, NOT_AVAILABLE, NOT_AVAILABLE, NOT_AVAILABLE, year]
    known = directory.entry_of(npi)
    name, ccn, city, state, place = (
        text or NOT_AVAILABLE for text in (known.name, known.ccn, known.city, known.state, known.zip)
    )
    return [name, ccn, npi, city, state, place, year]


def _results(row: dict, content: ReportInput, hide_cases: bool, hide_results: bool) -> list[str]:
    """Write cases, category, score, limits and footnote of one facility."""
    category = row["category"] if isinstance(row["category"], str) else NOT_AVAILABLE
    if category == content.measure.definition.score.categories.labels.too_few:
        return [NOT_AVAILABLE, category, NOT_AVAILABLE, NOT_AVAILABLE, NOT_AVAILABLE, TOO_FEW_FOOTNOTE]
    cases = NOT_AVAILABLE if hide_cases else f"{int(row['cases'])}"
    if hide_results:
        return [cases, category, NOT_AVAILABLE, NOT_AVAILABLE, NOT_AVAILABLE, HIDDEN_FOOTNOTE]
    numbers = [catalog_number(float(row[name])) for name in ("rate", "lower", "upper")]
    footnote = NO_INTERVAL_FOOTNOTE if NOT_AVAILABLE in (category, *numbers) else ""
    return [cases, category, *numbers, footnote]


def _national(content: ReportInput, counts: Counts) -> bytes:
    name, year = content.measure.id, data_year(content)
    header = ["Year", f"{name} Nat Rate", *(f"{name} {kind}" for kind in _KINDS), f"{name} Total Cases", "Notes"]
    row = [year, _national_rate(content, counts), *_national_categories(content), _count_text(counts["cases"])]
    return csv_bytes(header, [[*row, _notes(content)]])


def _national_rate(content: ReportInput, counts: Counts) -> str:
    if content.national_rate is None:
        return f"{NOT_AVAILABLE} ({NO_INTERVAL_FOOTNOTE})"
    if counts.hidden & {"cases", "events"}:
        return f"{NOT_AVAILABLE} ({HIDDEN_FOOTNOTE})"
    return f"{content.comparator:.2f}"


def _national_categories(content: ReportInput) -> list[str]:
    if content.rates is None:
        return [f"{NOT_AVAILABLE} ({NO_INTERVAL_FOOTNOTE})"] * len(_KINDS)
    found = count_categories(content.rates, content.measure)
    return [f"{n:,}" for n in (found.better, found.no_different, found.worse, found.too_few)]


def _notes(content: ReportInput) -> str:
    minimum = content.measure.definition.score.categories.minimum_cases
    return (
        f"Calculated by riskstd {content.version}, not published by CMS; {content.fidelity.label}; {content.period}. "
        f"Score: {content.measure.scale.unit}. "
        f"Footnote {TOO_FEW_FOOTNOTE}: fewer than {minimum} cases. "
        f"Footnote {NO_INTERVAL_FOOTNOTE}: not available. "
        f"Footnote {HIDDEN_FOOTNOTE} (no footnote of CMS, {SUPPRESSED} in the report): not shown because it tells of a "
        f"count of 1 to {SMALL_CELL}, or such a count could be worked out from it."
    )


def _states(content: ReportInput, directory: Directory) -> bytes:
    """Write facilities by category and state."""
    header = ["State", "Year", *(f"{content.measure.id} {kind}" for kind in _KINDS)]
    year, shown = data_year(content), dict(_state_columns(content, directory))
    states = sorted({state for column in shown.values() for state in column} - {""})
    return csv_bytes(header, ([state, year, *(shown[kind][state] for kind in _KINDS)] for state in states))


def _state_columns(content: ReportInput, directory: Directory) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each category with its facilities by state; those of no known state count among what is hidden."""
    assert content.rates is not None
    labels = content.measure.definition.score.categories.labels
    state_of = [directory.state_of(str(npi)) or "" for npi in content.rates["facility_id"]]
    states = sorted({*state_of, ""})
    names = (labels.better, labels.no_different, labels.worse, labels.too_few)
    for kind, name in zip(_KINDS, names, strict=True):
        of_kind = [state for state, found in zip(state_of, content.rates["category"] == name, strict=True) if found]
        yield kind, dict(zip(states, _hidden_parts([of_kind.count(state) for state in states]), strict=True))


def _hidden_parts(parts: list[int]) -> Iterable[str]:
    """Write counts whose total the national file states; all are hidden where that is small."""
    if is_small(sum(parts)):
        return [_count_text(n) for n in [Suppressed()] * len(parts)]
    return [_count_text(n) for n in shown_parts(parts)]


def _count_text(n: int | Suppressed) -> str:
    return f"{NOT_AVAILABLE} ({HIDDEN_FOOTNOTE})" if isinstance(n, Suppressed) else f"{n:,}"
