"""Several measures on one delivery: the claims are read once and kept beside the runs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from riskstd.claims import Claims, read_claims
from riskstd.errors import InputError
from riskstd.pipeline.run import (
    Progress,
    Run,
    RunSettings,
    check_engine,
    is_complete,
    period_text,
    run_measure,
    settings_of,
)
from riskstd.pipeline.trace import CLAIMS_FOLDER
from riskstd.spec import load_measure


def run_measures(
    measures: Sequence[str],
    *,
    claims: str | Path,
    year: int = 2025,
    out: str | Path = "runs",
    layout: str = "auto",
    bad_rows: Literal["error", "set_aside"] = "error",
    memory: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    options: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    engine: str = "duckdb",
    period: Sequence[str] | None = None,
    **settings: Any,
) -> list[Run]:
    """Run several measures on one delivery of claim files.

    Parameters
    ----------
    measures : sequence of str
        Measure ids.
    claims, year, out, layout, options, progress, engine, period, settings
        As in `run_measure`.
    bad_rows, memory
        As in `read_claims`.
    resume : bool
        Skip measures that were run to the end with the same definition and settings, and reuse claims tables.
    overwrite : bool
        Replace runs that are there.

    Returns
    -------
    list of Run
        Of the measures that were run now.

    Raises
    ------
    InputError
        When a run is there and is neither to be resumed nor overwritten.
    """
    check_engine(engine)
    loaded = [load_measure(measure, year) for measure in measures]
    chosen = [m.with_options(_own_options(m.options, options or {}, loaded)) for m in loaded]
    wanted = RunSettings(period=period_text(period), **settings)
    folder = Path(out)
    todo = [m for m in chosen if not (resume and is_complete(folder / m.id.lower(), m, settings_of(wanted)))]
    _refuse_existing(folder, [m.id.lower() for m in todo], resume=resume, overwrite=overwrite)
    if not todo:
        return []
    data = _claims_tables(Path(claims), folder / CLAIMS_FOLDER, layout, bad_rows, memory, resume, overwrite, progress)
    return [
        run_measure(
            m,
            claims=data,
            source=Path(claims),
            out=folder,
            period=period,
            overwrite=overwrite or resume,
            progress=progress,
            **settings,
        )
        for m in todo
    ]


def _own_options(known: Mapping[str, str], choices: Mapping[str, str], loaded: Sequence[Any]) -> dict[str, str]:
    """Give a measure the choices it has; a choice that no measure of the call has is an error there."""
    nowhere = {name for name in choices if not any(name in m.options for m in loaded)}
    return {name: value for name, value in choices.items() if name in known or name in nowhere}


def _refuse_existing(folder: Path, names: list[str], *, resume: bool, overwrite: bool) -> None:
    there = [name for name in names if (folder / name).exists()]
    if there and not (resume or overwrite):
        raise InputError(
            f"{len(there)} run(s) are in {folder} already: {', '.join(there)}",
            expected="a new folder",
            hint="name another --out, go on with --resume, or replace them with --overwrite",
        )


def _claims_tables(
    source: Path,
    target: Path,
    layout: str,
    bad_rows: Literal["error", "set_aside"],
    memory: str | None,
    resume: bool,
    overwrite: bool,
    progress: Progress | None,
) -> Claims:
    if target.exists() and resume:
        return Claims.from_folder(target)
    if target.exists() and overwrite:
        shutil.rmtree(target)
    if target.exists():
        raise InputError(
            f"claims tables are in {target} already",
            hint="name another --out, reuse them with --resume, or replace them with --overwrite",
        )
    return read_claims(source, layout=layout, out=target, bad_rows=bad_rows, memory=memory, progress=progress)
