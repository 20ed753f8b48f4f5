"""Files of a report, and how they are written: all of them or none."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from riskstd.errors import InputError
from riskstd.report.content import Profile, ReportInput
from riskstd.report.figures import Plot
from riskstd.report.national.findings import Findings
from riskstd.report.national.page import build_page, make_plots

if TYPE_CHECKING:
    from riskstd.report.cases import Cases
    from riskstd.report.published.compare import PublishedComparison

PUBLIC_MODE, PRIVATE_MODE = 0o644, 0o600


def write_report_files(
    content: ReportInput, run_dir: Path | str, *, profile: Profile = "facility", cases: Cases | None = None
) -> list[Path]:
    """Write `report/index.html` and its figures into the folder of a run.

    Everything is drawn and written under other names first and then renamed, the page last, so that no reader
    meets half a file. Figures of an earlier report that this one does not have are removed.

    Parameters
    ----------
    content : ReportInput
    run_dir : Path or str
        Folder of the run of one measure.
    profile : {"facility-phi", "facility", "public"}
        As in `render_report`. The public profile writes figures as images only, since vector files
        hold the points.
    cases : Cases, optional
        For the sections that need the cases.

    Returns
    -------
    list of Path
        The files written; the page is the last.
    """
    files = national_files(content, profile=profile, cases=cases)
    folder = Path(run_dir) / "report"
    written = write_together(folder, {**files, "index.html": files.pop("national.html")})
    for kind in ("figures", "data"):
        for path in (folder / kind).glob("*"):
            if f"{kind}/{path.name}" not in files:
                path.unlink()
    return written


def national_files(
    content: ReportInput,
    *,
    profile: Profile = "facility",
    cases: Cases | None = None,
    published: PublishedComparison | None = None,
    overdispersion: bool = False,
) -> dict[str, bytes]:
    """Return the national page `national.html`, its figures and their data.

    Parameters
    ----------
    content : ReportInput
    profile : {"facility-phi", "facility", "public"}
    cases : Cases, optional
    published : PublishedComparison, optional
    overdispersion : bool
        Whether the limits of the funnel are widened by the spread that all facilities share.

    Returns
    -------
    dict of str to bytes
        By path below the folder of the report, the page last.
    """
    findings = Findings(content, profile, cases)
    plots = make_plots(
        content, profile=profile, cases=cases, published=published, overdispersion=overdispersion, findings=findings
    )
    files: dict[str, bytes] = {}
    for plot in plots:
        files |= _figure_files(plot)
    page = build_page(content, profile, plots, cases=cases, published=published, findings=findings)
    files["national.html"] = page.encode("utf-8")
    return files


def _figure_files(plot: Plot) -> dict[str, bytes]:
    files = {f"figures/{plot.name}.png": plot.png}
    if plot.svg is not None:
        files[f"figures/{plot.name}.svg"] = plot.svg
    if plot.data is not None:
        files[f"data/{plot.name}.csv"] = plot.data.to_csv(index=False, lineterminator="\n").encode("utf-8")
    return files


def write_together(folder: Path, files: Mapping[str, bytes], *, mode: int = PUBLIC_MODE) -> list[Path]:
    """Write every file under a name of its own, then rename them all in order.

    Parameters
    ----------
    folder : Path
    files : mapping of str to bytes
        By path below the folder.
    mode : int
        Rights of the files.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        When the folder cannot be written to, or the disk is full. No file of this call is left.
    """
    ready: list[tuple[Path, Path]] = []
    try:
        for name, content in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
            ready.append((Path(temporary), target))
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
        for temporary_path, target in ready:
            temporary_path.chmod(mode)
            temporary_path.replace(target)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        for temporary_path, _ in ready:
            temporary_path.unlink(missing_ok=True)
    return [target for _, target in ready]


def write_error(folder: Path, error: OSError) -> InputError:
    """Say why a folder cannot be written to, and what helps."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            f"the disk of {folder} is full", expected="room for the reports", hint="free some space and call again"
        )
    return InputError(
        f"{folder} cannot be written to ({error.strerror or type(error).__name__})",
        expected="a folder with the right to write",
        hint="change its rights, or name another folder",
    )
