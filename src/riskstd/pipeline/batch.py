"""Several measures on one delivery: the claims are read once and kept beside the runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from riskstd.claims import Claims, read_claims
from riskstd.claims.claims import MANIFEST as CLAIMS_MANIFEST
from riskstd.claims.cut import CutClaims
from riskstd.claims.files import find_delivery, fingerprint
from riskstd.claims.reader import how_read
from riskstd.cohort.cut import cut_claims
from riskstd.engines import AnyEngine, check_engine, open_engine
from riskstd.errors import InputError
from riskstd.pipeline.engine import memory_errors
from riskstd.pipeline.progress import Parts, Progress
from riskstd.pipeline.run import Run, is_complete, run_measure
from riskstd.pipeline.settings import RunSettings, check_settings, period_text, settings_of
from riskstd.pipeline.trace import CLAIMS_FOLDER
from riskstd.pipeline.write import refuse_existing
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
    loaded = [load_measure(measure, year) for measure in dict.fromkeys(name.upper() for name in measures)]
    chosen = [m.with_options(_own_options(m.options, options or {}, loaded)) for m in loaded]
    folder, source = Path(out), Path(claims)
    reading = _Reading(source, layout, bad_rows, memory)
    inputs = reading.inputs if resume else []
    todo = [m for m in chosen if not (resume and is_complete(folder / m.id.lower(), m, settings_of(wanted), inputs))]
    for m in todo:
        refuse_existing(folder / m.id.lower(), overwrite=overwrite or resume)
    if not todo:
        return []
    parts = Parts(progress, len(todo) + 2)
    parts.start("claims tables")
    data = reading.tables(folder / CLAIMS_FOLDER, overwrite=overwrite, progress=parts.within)
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

    @cached_property
    def inputs(self) -> list[Any]:
        """Fingerprint of the files that would be read."""
        if self.is_tables:
            return list(Claims.from_folder(self.source).inputs)
        return fingerprint(find_delivery(self.source, self.layout))

    def tables(self, target: Path, *, overwrite: bool, progress: Progress | None) -> Claims:
        """Claims tables: those given, those kept beside the runs if they are of the same files, or newly read."""
        if self.is_tables:
            return Claims.from_folder(self.source)
        self._refuse_overlap(target)
        if not target.exists():
            return self._read(target, progress)
        known = _known_tables(target)
        if (known.get("inputs"), known.get("reading")) == (self.inputs, how_read(self.bad_rows)):
            return Claims.from_folder(target)
        if not overwrite:
            raise InputError(
                f"claims tables of other files, or read in another way, are in {target}",
                hint="name another --out, or replace them with --overwrite",
            )
        fresh = target.with_name(f".{target.name}-new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._read(fresh, progress)
        shutil.rmtree(target)
        fresh.replace(target)
        return Claims.from_folder(target)

    def _read(self, target: Path, progress: Progress | None) -> Claims:
        return read_claims(
            self.source, layout=self.layout, out=target, bad_rows=self.bad_rows, memory=self.memory, progress=progress
        )

    def _refuse_overlap(self, target: Path) -> None:
        """The tables must never take the place of the files that they are made from."""
        source, place = self.source.resolve(), target.resolve()
        if source == place or place in source.parents:
            raise InputError(
                f"the claim files lie in {target}, where the claims tables of the runs go",
                expected="an --out whose folder `claims` is not the folder of the claim files",
                hint="name another --out",
            )


def _known_tables(target: Path) -> dict[str, Any]:
    manifest = target / CLAIMS_MANIFEST
    if not manifest.is_file():
        raise InputError(
            f"{target} holds something else than claims tables and is not replaced", hint="name another --out"
        )
    return json.loads(manifest.read_text("utf-8"))


def _own_options(known: Mapping[str, str], choices: Mapping[str, str], loaded: Sequence[Any]) -> dict[str, str]:
    """Give a measure the choices it has; a choice that no measure of the call has is an error there."""
    nowhere = {name for name in choices if not any(name in m.options for m in loaded)}
    return {name: value for name, value in choices.items() if name in known or name in nowhere}
