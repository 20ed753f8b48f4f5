"""Several measures on one delivery: the claims are read once and kept beside the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from riskstd.claims import Claims
from riskstd.claims.cache import open_or_read_claims
from riskstd.claims.claims import MANIFEST as CLAIMS_MANIFEST
from riskstd.claims.cut import CutClaims
from riskstd.claims.files import find_delivery, fingerprint
from riskstd.cohort.cut import cut_claims
from riskstd.engines import AnyEngine, check_engine, open_engine
from riskstd.pipeline.engine import memory_errors
from riskstd.pipeline.progress import Parts, Progress
from riskstd.pipeline.run import Run, is_complete, run_measure
from riskstd.pipeline.settings import RunSettings, check_settings, period_text, settings_of
from riskstd.pipeline.trace import CLAIMS_FOLDER
from riskstd.pipeline.write import refuse_existing, sweep_abandoned
from riskstd.spec import Measure, load_measure


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
    engine: AnyEngine = "duckdb",
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
    bad_rows
        As in `read_claims`.
    memory
        Memory limit of reading and of the claims steps.
    resume : bool
        Skip measures that were run to the end with the same definition, settings and files.
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
    wanted = RunSettings(period=period_text(period), **settings)
    check_settings(wanted)
    loaded = list({m.id: m for m in (load_measure(measure, year) for measure in measures)}.values())
    chosen = [m.with_options(_own_options(m.options, options or {}, loaded)) for m in loaded]
    folder, source = Path(out), Path(claims)
    reading = _Reading(source, layout, bad_rows, memory)
    inputs = reading.inputs if resume else None
    for m in chosen:
        sweep_abandoned(folder / m.id.lower())
    todo = [
        m for m in chosen if not (resume and is_complete(folder / m.id.lower(), m, settings_of(wanted), inputs or []))
    ]
    for m in todo:
        refuse_existing(folder / m.id.lower(), overwrite=overwrite or resume)
    if not todo:
        return []
    parts = Parts(progress, len(todo) + 2)
    parts.start("claims tables")
    data = reading.tables(folder / CLAIMS_FOLDER, overwrite=overwrite, progress=parts.within, inputs=inputs)
    with memory_errors(memory):
        parts.start("claims of candidates")
        cut = cut_claims(data.on(open_engine(engine, memory=memory).connection), todo, progress=parts.within)
        return [_run(m, cut, parts, out=folder, period=period, overwrite=overwrite or resume, **settings) for m in todo]


def _run(measure: Measure, claims: CutClaims, parts: Parts, **settings: Any) -> Run:
    parts.start(f"{measure.id}: start")
    return run_measure(measure, claims=claims, progress=parts.within, **settings)


@dataclass(frozen=True)
class _Reading:
    """Claim files and how they are to be read."""

    source: Path
    layout: str
    bad_rows: Literal["error", "set_aside"]
    memory: str | None

    @property
    def is_tables(self) -> bool:
        return (self.source / CLAIMS_MANIFEST).is_file()

    @property
    def inputs(self) -> list[Any]:
        """Fingerprint of the files that would be read."""
        if self.is_tables:
            return list(Claims.from_folder(self.source).inputs)
        return fingerprint(find_delivery(self.source, self.layout))

    def tables(self, target: Path, *, overwrite: bool, progress: Progress | None, inputs: list[Any] | None) -> Claims:
        """Claims tables: those given, those kept beside the runs if they are of the same files, or newly read."""
        return open_or_read_claims(
            self.source,
            cache=target,
            layout=self.layout,
            bad_rows=self.bad_rows,
            memory=self.memory,
            overwrite=overwrite,
            progress=progress,
            inputs=inputs,
        )


def _own_options(known: Mapping[str, str], choices: Mapping[str, str], loaded: Sequence[Any]) -> dict[str, str]:
    """Give a measure the choices it has; a choice that no measure of the call has is an error there."""
    nowhere = {name for name in choices if not any(name in m.options for m in loaded)}
    return {name: value for name, value in choices.items() if name in known or name in nowhere}
