"""Write the report of a run into its folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from riskstd.report.content import Profile, ReportInput, check_profile
from riskstd.report.page import build_page, make_plots

_FIGURES = tuple(f"figures/{name}.{kind}" for name in ("caterpillar", "funnel") for kind in ("svg", "png"))


def write_report_files(content: ReportInput, run_dir: Path | str, *, profile: Profile = "facility") -> list[Path]:
    """Write `report/index.html` and its figures into the folder of a run.

    Everything is drawn and written under other names first and then renamed, the page last, so that no reader
    meets half a file. Figures of an earlier report that this one does not have are removed.

    Parameters
    ----------
    content : ReportInput
    run_dir : Path or str
        Folder of the run of one measure.
    profile : {"facility", "public"}
        As in `render_report`. The public profile writes figures as images only, since vector files
        hold the points.

    Returns
    -------
    list of Path
        The files written; the page is the last.
    """
    plots = make_plots(content, profile=check_profile(profile))
    files: dict[str, bytes] = {}
    for plot in plots:
        files[f"figures/{plot.name}.png"] = plot.png
        if plot.svg is not None:
            files[f"figures/{plot.name}.svg"] = plot.svg
    files["index.html"] = build_page(content, profile, plots).encode("utf-8")
    folder = Path(run_dir) / "report"
    written = _write_together(folder, files)
    for name in _FIGURES:
        if name not in files:
            (folder / name).unlink(missing_ok=True)
    return written


def _write_together(folder: Path, files: dict[str, bytes]) -> list[Path]:
    """Write every file under a name of its own, then rename them all in order."""
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
            temporary_path.chmod(0o644)
            temporary_path.replace(target)
    finally:
        for temporary_path, _ in ready:
            temporary_path.unlink(missing_ok=True)
    return [target for _, target in ready]
