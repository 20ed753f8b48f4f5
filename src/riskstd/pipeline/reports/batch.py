"""The reports of many facilities side by side: what is done stays done, and one bad facility stops nothing."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote

from riskstd.errors import InputError, RiskstdError
from riskstd.pipeline.reports.options import ReportOptions
from riskstd.pipeline.reports.source import ReportSource
from riskstd.report.files import PRIVATE_MODE, PUBLIC_MODE, write_together
from riskstd.report.index_page import FILE_NAMES

Progress = Callable[[int, int, str], None]
FACILITIES = "facilities"
"""Folder of the facility reports."""
FEW = 4
"""So many facilities or fewer are reported without further processes."""
PRIVATE_FOLDER = 0o700

_source: ReportSource | None = None


@dataclass(frozen=True)
class FacilityOutcome:
    """What became of the report of one facility.

    Attributes
    ----------
    facility_id : str
    folder : str
        Name of its folder below `facilities/`.
    status : str
        "written", "kept" from an earlier call, or "failed".
    reason : str
        Why it failed.
    """

    facility_id: str
    folder: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class BatchResult:
    """Outcomes of a batch, by facility id, and facilities not asked for whose reports are there.

    Attributes
    ----------
    outcomes, others : tuple of FacilityOutcome
    """

    outcomes: tuple[FacilityOutcome, ...]
    others: tuple[FacilityOutcome, ...] = ()

    @property
    def listed(self) -> tuple[FacilityOutcome, ...]:
        """All of them, by facility id."""
        return tuple(sorted((*self.outcomes, *self.others), key=lambda one: one.facility_id))

    @property
    def failed(self) -> tuple[FacilityOutcome, ...]:
        """Facilities without a report."""
        return tuple(one for one in self.outcomes if one.status == "failed")


def write_facility_reports(
    source: ReportSource,
    facility_ids: Sequence[str],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Write the reports of facilities that have none yet.

    Parameters
    ----------
    source : ReportSource
    facility_ids : sequence of str
    workers : int, optional
        Processes; all processors when left out. The files do not depend on it.
    progress : callable, optional
        Called with facilities done, facilities in all, and what is being done.

    Returns
    -------
    BatchResult

    Raises
    ------
    InputError
        When nothing can be written: no right, no room. What was written stays, and the next call goes on from there.
    """
    names = folder_names(source.run.cases.facility_ids.tolist())
    tell = progress or (lambda *_: None)
    place = source.options.folder / FACILITIES
    done = {one for one, name in names.items() if _is_done(place / name, source.options)}
    todo = [one for one in facility_ids if one not in done]
    outcomes = {one: FacilityOutcome(one, names[one], "kept") for one in facility_ids if one in done}
    for outcome in _each(source, [(one, names[one]) for one in todo], workers or os.cpu_count() or 1):
        outcomes[outcome.facility_id] = outcome
        tell(len(outcomes), len(facility_ids), "facility reports")
    others = tuple(FacilityOutcome(one, names[one], "kept") for one in sorted(done - set(facility_ids)))
    return BatchResult(tuple(outcomes[one] for one in sorted(outcomes)), others)


def folder_names(facility_ids: Sequence[str]) -> dict[str, str]:
    """Name a folder for each facility, safe on every file system; names that differ in case only are told apart.

    Examples
    --------
    >>> folder_names(["1003000126", "a/b", "..", "A/B"])
    {'1003000126': '1003000126', 'a/b': 'a%2Fb', '..': '%2E%2E', 'A/B': 'A%2FB~2'}
    """
    taken: dict[str, int] = {}
    names = {}
    for one in facility_ids:
        name = quote(one, safe="")[:120]
        if name.startswith("."):
            name = name.replace(".", "%2E")
        taken[name.lower()] = number = taken.get(name.lower(), 0) + 1
        names[one] = name if number == 1 else f"{name}~{number}"
    return names


def _is_done(folder: Path, options: ReportOptions) -> bool:
    return all((folder / FILE_NAMES[kind]).is_file() for kind in options.formats)


def _each(source: ReportSource, jobs: Sequence[tuple[str, str]], workers: int) -> Iterator[FacilityOutcome]:
    if workers == 1 or len(jobs) <= FEW:
        for job in jobs:
            yield _write_one(source, *job)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(source.options,)) as pool:
        running = [pool.submit(_write_in_process, *job) for job in jobs]
        try:
            for future in as_completed(running):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _begin(options: ReportOptions) -> None:
    global _source
    _source = ReportSource(options)


def _write_in_process(facility_id: str, name: str) -> FacilityOutcome:
    assert _source is not None
    return _write_one(_source, facility_id, name)


def _write_one(source: ReportSource, facility_id: str, name: str) -> FacilityOutcome:
    try:
        files = source.facility_files(facility_id)
    except RiskstdError as error:
        return FacilityOutcome(facility_id, name, "failed", error.found)
    except Exception as error:
        # the text of an unforeseen error may hold a value of the data: only its place is told
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"unforeseen error: {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
        return FacilityOutcome(facility_id, name, "failed", reason)
    place = source.options.folder / FACILITIES
    mode = PRIVATE_MODE if source.options.is_private else PUBLIC_MODE
    write_together(place / name, files, mode=mode)
    if source.options.is_private:
        (place / name).chmod(PRIVATE_FOLDER)
    return FacilityOutcome(facility_id, name, "written")


def chosen_facilities(source: ReportSource, wanted: Sequence[str] | None) -> list[str]:
    """Ids of the facilities to report on: those named, or all.

    Raises
    ------
    InputError
        When one has no cases in the run.
    """
    known = source.run.cases.facility_ids.tolist()
    if wanted is None:
        return known
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        near = [one for one in known if any(one.startswith(str(u)[:6]) for u in unknown)][:3]
        raise InputError(
            f"{len(unknown)} of the facilities asked for have no cases in this run: {', '.join(unknown[:5])}",
            expected=f"ids of facility_rates.csv, {len(known):,} in all" + (f", such as {near[0]}" if near else ""),
        )
    return sorted(set(wanted))
