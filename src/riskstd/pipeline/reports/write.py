"""All reports of a run under one profile, in one folder that can be passed on as it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from riskstd.errors import InputError, TooFewDataError
from riskstd.pipeline.reports.batch import (
    FACILITIES,
    PRIVATE_FOLDER,
    BatchResult,
    Progress,
    chosen_facilities,
    write_facility_reports,
)
from riskstd.pipeline.reports.options import ReportOptions, as_json
from riskstd.pipeline.reports.source import ReportSource
from riskstd.report.content import check_profile
from riskstd.report.files import PRIVATE_MODE, PUBLIC_MODE, national_files, write_error, write_together
from riskstd.report.index_page import facility_list, render_index

if TYPE_CHECKING:
    from riskstd.pipeline.run import Run

NATIONAL = "national.html"
MARK = "reports.json"
"""What the reports of a folder were made from; without it a folder is not touched."""


def write_report(
    run: Run | str | Path,
    *,
    profile: str = "facility",
    facilities: Sequence[str] | None = (),
    formats: Sequence[str] = ("workbook", "page"),
    published: str | Path | None = None,
    directory: str | Path | None = None,
    earlier: Sequence[str | Path] = (),
    pdf: bool = False,
    overdispersion: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the reports of a finished run for one audience.

    Parameters
    ----------
    run : Run, str or Path
        A run, or the folder of one.
    profile : {"facility-phi", "facility", "public"}
        For a facility with its own cases, for one without persons, or for anyone: counts of 1 to 10 are hidden,
        and what they could be worked out from.
    facilities : sequence of str, optional
        Ids of facilities to report on; None for all, empty for the national report only.
    formats : sequence of {"workbook", "page", "pdf"}
        Kinds of facility report.
    published : str or Path, optional
        Facility file of the Provider Data Catalog to compare with.
    directory : str or Path, optional
        CSV of facilities with npi, name and state.
    earlier : sequence of str or Path
        Earlier runs of the measure, oldest first, for the trend.
    pdf : bool
        Write the national report as PDF too.
    overdispersion : bool
        Widen the limits of the funnel by the spread that all facilities share.
    overwrite, workers, progress
        As in `write_reports`.

    Returns
    -------
    Path
        The first page, `report/<profile>/index.html` of the run.

    Raises
    ------
    InputError
        Unknown facilities, files that cannot be read or written; `facilities.csv` lists facilities that failed.
    TooFewDataError
        Facility reports of a run that came to no rates.
    """
    folder = Path(run) if isinstance(run, str | Path) else run.folder
    options = ReportOptions(
        folder,
        check_profile(profile),
        tuple(formats),
        None if published is None else Path(published),
        None if directory is None else Path(directory),
        tuple(Path(one) for one in earlier),
        national_pdf=pdf,
        overdispersion=overdispersion,
    )
    write_reports(options, facilities=facilities, overwrite=overwrite, workers=workers, progress=progress)
    return options.folder / "index.html"


def write_reports(
    options: ReportOptions,
    *,
    facilities: Sequence[str] | None = (),
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Write the national report, the public export and facility reports of a finished run.

    They go to `report/<profile>/` of the run. A call that was interrupted goes on where it stopped, and ends
    with the same files as one that was not.

    Parameters
    ----------
    options : ReportOptions
    facilities : sequence of str, optional
        Ids of facilities to report on; None for all, empty for none.
    overwrite : bool
        Replace reports that were made from other inputs or with other options.
    workers : int, optional
        Processes; all processors when left out. The files do not depend on it.
    progress : callable, optional
        Called with steps done, steps in all, and what is being done.

    Returns
    -------
    BatchResult
        One outcome for each facility asked for.

    Raises
    ------
    InputError
        Unknown facilities, folders that cannot be written to, reports of other inputs in the way.
    TooFewDataError
        Facility reports of a run that came to no rates; its national report is written.
    """
    source = ReportSource(options.checked())
    tell = progress or (lambda *_: None)
    content = source.run.content
    chosen: list[str] = []
    if content.has_rates:
        chosen = chosen_facilities(source, facilities)
    _prepare(options, overwrite=overwrite)
    tell(0, max(len(chosen), 1), "national report")
    mode = PRIVATE_MODE if options.is_private else PUBLIC_MODE
    if not (options.folder / NATIONAL).is_file():
        write_together(options.folder, _national(source), mode=mode)
    result = BatchResult(())
    if content.has_rates:
        result = write_facility_reports(source, chosen, workers=workers, progress=tell)
    formats, directory = options.formats, source.directory
    listed = {"facilities.csv": facility_list(content, result.listed, directory, formats)}
    there = sorted({*listed, *_files_beside(options.folder)})
    index = render_index(content, result.listed, options.profile, files=there, formats=formats, directory=directory)
    write_together(options.folder, {**listed, "index.html": index.encode("utf-8")}, mode=mode)
    if facilities != () and not content.has_rates:
        raise TooFewDataError(
            f"the run in {options.run} came to no rates, so there are no facility reports",
            expected="a run with rates",
            hint=content.no_model_reason,
        )
    return result


def _national(source: ReportSource) -> dict[str, bytes]:
    """Files of the national report, its page last: where that is, they all are."""
    options, run = source.options, source.run
    cases = run.cases if run.content.has_rates else None
    files = national_files(
        run.content,
        profile=options.profile,
        cases=cases,
        published=source.comparison,
        overdispersion=options.overdispersion,
    )
    page = files.pop(NATIONAL)
    if options.national_pdf:
        from riskstd.report.pdf import html_to_pdf

        files["national.pdf"] = html_to_pdf(page.decode("utf-8"), title=f"{run.measure.id} national")
    if options.profile == "public" and run.content.has_rates:
        from riskstd.report.disclosure.public_export import public_files

        files |= public_files(run.content, directory=source.directory)
    return {**files, NATIONAL: page}


def _files_beside(folder: Path) -> list[str]:
    """Files of a folder of reports that are not of one facility, below it."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [path.as_posix() for path in paths if path.parts[0] != FACILITIES and not path.name.startswith(".")]


def _prepare(options: ReportOptions, *, overwrite: bool) -> None:
    """Make the folder ready: keep reports of the same inputs, refuse or remove those of others."""
    folder, wanted = options.folder, options.fingerprint()
    try:
        if folder.exists() and not _is_of(folder, wanted):
            if not overwrite:
                raise InputError(
                    f"reports of other inputs or options are in {folder}",
                    expected="an empty folder, or reports of the same run, files, formats and version",
                    hint="replace them with --overwrite",
                )
            shutil.rmtree(folder)
        for path in (folder, folder / FACILITIES):
            path.mkdir(parents=True, exist_ok=True)
            if options.is_private:
                path.chmod(PRIVATE_FOLDER)
    except OSError as error:
        raise write_error(folder, error) from error
    write_together(folder, {MARK: as_json(wanted)}, mode=PRIVATE_MODE if options.is_private else PUBLIC_MODE)


def _is_of(folder: Path, wanted: dict[str, object]) -> bool:
    mark = folder / MARK
    if not any(folder.iterdir()):
        return True
    try:
        return json.loads(mark.read_text("utf-8")) == wanted
    except ValueError:
        return False
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} holds something else than reports and is not replaced",
            expected=f"an empty folder, or one with {MARK}",
            hint="move its files away",
        ) from error
