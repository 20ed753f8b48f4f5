"""The demo: synthetic claims, all four measures, reports; nothing else needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from riskstd.pipeline.batch import run_measures
from riskstd.pipeline.run import Run
from riskstd.spec import list_measures
from riskstd.synth import synthesize

Progress = Callable[[int, int, str], None]
DEMO_PROCEDURES = 60_000
DEMO_FACILITIES = 250
DEMO_SEED = 1


def run_demo(
    out: str | Path,
    *,
    procedures: int = DEMO_PROCEDURES,
    facilities: int = DEMO_FACILITIES,
    n_bootstrap: int | None = None,
    seed: int = DEMO_SEED,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[Run]:
    """Make synthetic claims and run every measure of the latest specification year on them.

    Parameters
    ----------
    out : str or Path
        Folder; claims and truth go to `synthetic/`, runs to `runs/`.
    procedures, facilities, seed : int
        Size of the synthetic claims, and seed.
    n_bootstrap : int, optional
        Bootstrap replicates; those of the definitions when left out.
    overwrite : bool
        Replace what is there.
    progress : callable, optional
        Called with steps done, steps in all, and what is being done.

    Returns
    -------
    list of Run
    """
    folder = Path(out)
    year = max(y for _, y in list_measures())
    ids = [measure for measure, y in list_measures() if y == year]
    tell = progress or (lambda *_: None)
    tell(0, 1, "making synthetic claims")
    # Edge cases have events by design and would spread the facilities that they are planted at.
    synthesize(
        folder / "synthetic",
        measures=tuple(ids),
        facilities=facilities,
        procedures=procedures,
        seed=seed,
        edge_cases=False,
    )
    tell(1, 1, "synthetic claims made")
    return run_measures(
        ids,
        claims=folder / "synthetic" / "claims",
        year=year,
        out=folder / "runs",
        n_bootstrap=n_bootstrap,
        seed=seed,
        overwrite=overwrite,
        progress=progress,
    )
