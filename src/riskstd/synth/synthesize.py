"""A synthetic Medicare with known truth: claims as a researcher gets them, and what is true of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from riskstd.errors import OptionError
from riskstd.synth.blocks import require_outcomes_as_drawn
from riskstd.synth.dialects import LAYOUTS, with_keys, write_delivery
from riskstd.synth.edge_cases import add_edge_cases, write_edge_cases
from riskstd.synth.files import FORMATS, FileFormat
from riskstd.synth.national import Progress, synthesize_nation
from riskstd.synth.place import delivery
from riskstd.synth.profile import measure_profile
from riskstd.synth.simulate import simulate
from riskstd.synth.summary import SynthSummary, readme
from riskstd.synth.truth import events_as_drawn, find_truth, write_truth

MEASURES = ("ASC-12", "ASC-17", "ASC-18", "ASC-19")


def synthesize(
    out: str | Path,
    *,
    measures: Sequence[str] = MEASURES,
    facilities: int = 250,
    procedures: int = 60_000,
    people: int | None = None,
    workers: int = 1,
    seed: int = 1,
    layout: str = "ccw",
    file_format: FileFormat | None = None,
    edge_cases: bool = True,
    progress: Progress | None = None,
) -> SynthSummary:
    """Write a synthetic Medicare: `out/claims/` as a delivery, `out/truth/` with what is true of it.

    Parameters
    ----------
    out : str or Path
        Folder to write to; it is made if needed. Files of an earlier run are replaced.
    measures : sequence of str
        Measures whose procedures are drawn.
    facilities : int
        Surgical centers; most do one or two of the measures.
    procedures : int
        Candidate procedures of all measures; about a tenth of them meets an exclusion.
    people : int, optional
        Write a nation, or the part of it that so many people are, instead: 5,000,000 people are one
        nation with its facilities and cases as CMS published them. `facilities`, `procedures` and
        `edge_cases` are then without effect, and files are numbered parts, each of some ten thousand people.
    workers : int
        Processes that write parts of a nation side by side; the bytes do not depend on it. With more
        than one, a script must have the usual `if __name__ == "__main__":`.
    seed : int
        Same seed and arguments, same bytes.
    layout : str
        Dialect of the claim files: `ccw` (base and line files), `flat` (pipe-delimited, header fields on
        each line) or `lds` (limited data sets). All dialects of one seed describe the same world.
    file_format : str, optional
        `parquet` or `csv`; flat files are `csv` if left out, the others `parquet`.
    edge_cases : bool
        Whether to plant, for every measure, one case for each rule and its limits.
    progress : callable, optional
        Called with steps done, steps in all, and what is being done.

    Returns
    -------
    SynthSummary
        Counts.

    Raises
    ------
    OptionError
        When a measure, layout, format or number is outside its allowed values, or `out` holds claims
        that riskstd did not write.

    Notes
    -----
    Outcomes follow `logit P(y = 1) = mu + x'beta + w`, `w ~ N(0, tau^2)` per facility, with event rates,
    tau and volumes after the CMS facility file of July 2024.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     summary = synthesize(folder, measures=["ASC-18"], facilities=3, procedures=40, edge_cases=False)
    >>> summary.index_procedures["ASC-18"] + summary.excluded_procedures["ASC-18"]
    40
    """
    file_format = file_format or ("csv" if layout == "flat" else "parquet")
    _check(measures, facilities, procedures, seed, layout, file_format)
    tell = progress or (lambda *_: None)
    names = list(dict.fromkeys(name.upper() for name in measures))
    profiles = [measure_profile(name) for name in names]
    if people is not None:
        return synthesize_nation(
            Path(out), people=people, measures=names, seed=seed, layout=layout, file_format=file_format,
            workers=workers, progress=tell,
        )  # fmt: skip
    with delivery(Path(out)) as folder:
        tell(0, 3, "drawing people, procedures and hospital visits")
        world = simulate(profiles, facilities=facilities, procedures=procedures, seed=np.random.SeedSequence(seed))
        cases = add_edge_cases(world) if edge_cases else []
        tell(1, 3, "working out what is true")
        truths = find_truth(world)
        require_outcomes_as_drawn([events_as_drawn(world, truth) for truth in truths])
        tell(2, 3, "writing claims and truth")
        world.people = with_keys(world.people, layout)
        rows = write_delivery(world.plan, world.people, folder / "claims", layout=layout, file_format=file_format)
        write_truth(world, truths, folder / "truth")
        write_edge_cases(world, cases, folder / "truth")
        summary = SynthSummary(
            Path(out),
            layout,
            file_format,
            seed,
            len(world.people),
            len(world.facilities.npi),
            len(cases),
            {truth.profile.id: len(truth.index) for truth in truths},
            {truth.profile.id: len(truth.excluded) for truth in truths},
            {truth.profile.id: int(truth.outcome.sum()) for truth in truths},
            rows,
        )
        line = command(measures, facilities, procedures, seed, layout, file_format, edge_cases)
        (folder / "README.txt").write_text(readme(summary, line), "utf-8")
    tell(3, 3, "written")
    return summary


def command(
    measures: Sequence[str],
    facilities: int,
    procedures: int,
    seed: int,
    layout: str,
    file_format: str,
    edge_cases: bool,
) -> str:
    """Return the command line that writes the same files."""
    parts = [f"riskstd synth --out DIR --facilities {facilities} --procedures {procedures} --seed {seed}"]
    if tuple(measures) != MEASURES:
        parts.append(f"--measures {','.join(measures)}")
    if layout != "ccw":
        parts.append(f"--layout {layout}")
    if file_format != "parquet":
        parts.append(f"--format {file_format}")
    if not edge_cases:
        parts.append("--no-edge-cases")
    return " ".join(parts)


def _check(measures: Sequence[str], facilities: int, procedures: int, seed: int, layout: str, file_format: str) -> None:
    if layout not in LAYOUTS:
        raise OptionError(f"no layout {layout!r} for synthetic claims", expected=", ".join(LAYOUTS))
    if file_format not in FORMATS:
        raise OptionError(f"no file format {file_format!r}", expected=" or ".join(FORMATS))
    if isinstance(measures, str) or not measures:
        raise OptionError("no list of measures", expected=f"one or more of {', '.join(MEASURES)}, as a list")
    for name, value, least in (
        ("facilities", facilities, 2),
        ("procedures", procedures, 10),
        ("seed", seed, 0),
    ):
        if value < least:
            raise OptionError(f"{name} is {value}", expected=f"{least} or more")
    if procedures > 5_000_000:
        raise OptionError(f"procedures is {procedures}", expected="5,000,000 or fewer")
