"""A synthetic Medicare with known truth: claims as a researcher gets them, and what is true of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from riskstd.errors import OptionError, RiskstdError
from riskstd.synth.ccw import write_ccw
from riskstd.synth.edge_cases import add_edge_cases, write_edge_cases
from riskstd.synth.files import FORMATS, FileFormat
from riskstd.synth.profile import measure_profile
from riskstd.synth.simulate import simulate
from riskstd.synth.truth import events_as_drawn, find_truth, write_truth

MEASURES = ("ASC-12", "ASC-17", "ASC-18", "ASC-19")
LAYOUTS = ("ccw",)
LAYOUTS_TO_COME = ("flat", "lds")

_README = """Synthetic Medicare claims with known truth
==========================================

Nobody in these files exists. People, facilities, dates and diagnoses were drawn at random by
riskstd, and no real claim was used. Facility and physician numbers begin with 9, hospital numbers
with 99: such numbers are never issued.

seed:    {seed}
command: {command}

claims/   a delivery in the layout "{layout}" ({file_format}); years 2021 to 2024,
          index procedures from 1 July 2022 to 30 June 2024
truth/    what is true of it: which procedures are index procedures and why the others are not,
          hospital visits, planned or not, outcomes, risk factors, facility effects, coefficients;
          edge_cases.parquet names the cases planted on purpose

Codes of the CPT set are numbers only; the notice in AMA-NOTICE.txt of the definitions applies.
"""


@dataclass(frozen=True)
class SynthSummary:
    """Counts of a synthetic delivery; no identifiers.

    Attributes
    ----------
    people, facilities, edge_cases : int
        People with a record or a claim, facilities that do some measure, cases planted on purpose.
    index_procedures, excluded_procedures, events : dict of str to int
        By measure.
    rows : dict of str to int
        Rows by file.
    """

    folder: Path
    layout: str
    file_format: str
    seed: int
    people: int
    facilities: int
    edge_cases: int
    index_procedures: dict[str, int]
    excluded_procedures: dict[str, int]
    events: dict[str, int]
    rows: dict[str, int] = field(repr=False)


def synthesize(
    out: str | Path,
    *,
    measures: Sequence[str] = MEASURES,
    facilities: int = 250,
    procedures: int = 60_000,
    seed: int = 1,
    layout: str = "ccw",
    file_format: FileFormat = "parquet",
    edge_cases: bool = True,
    progress: Callable[[str], None] | None = None,
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
    seed : int
        Same seed and arguments, same bytes.
    layout : str
        Dialect of the claim files: `ccw`.
    file_format : str
        `parquet` or `csv`.
    edge_cases : bool
        Whether to plant, for every measure, one case for each rule and its limits.
    progress : callable, optional
        Is called with a sentence before each step.

    Returns
    -------
    SynthSummary
        Counts.

    Raises
    ------
    OptionError
        When a measure, layout, format or number is outside its allowed values.

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
    _check(measures, facilities, procedures, seed, layout, file_format)
    say = progress or (lambda _: None)
    profiles = [measure_profile(name) for name in dict.fromkeys(name.upper() for name in measures)]
    say("Drawing people, procedures and hospital visits")
    world = simulate(profiles, facilities=facilities, procedures=procedures, seed=np.random.SeedSequence(seed))
    cases = add_edge_cases(world) if edge_cases else []
    say("Working out what is true")
    truths = find_truth(world)
    _require_outcomes_as_drawn([events_as_drawn(world, truth) for truth in truths])
    say("Writing claims and truth")
    folder = Path(out)
    claims_folder, truth_folder = folder / "claims", folder / "truth"
    for path in (claims_folder, truth_folder):
        path.mkdir(parents=True, exist_ok=True)
        for old in sorted(path.iterdir()):
            if old.suffix in (".csv", ".parquet", ".json"):
                old.unlink()
    rows = write_ccw(world.plan, world.people, claims_folder, file_format)
    write_truth(world, truths, truth_folder)
    write_edge_cases(world, cases, truth_folder)
    readme = _README.format(
        seed=seed,
        layout=layout,
        file_format=file_format,
        command=command(measures, facilities, procedures, seed, layout, file_format, edge_cases),
    )
    (folder / "README.txt").write_text(readme, "utf-8")
    return SynthSummary(
        folder,
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
    if layout in LAYOUTS_TO_COME:
        raise OptionError(
            f"synthetic claims in the layout {layout!r} are not available yet", expected=", ".join(LAYOUTS)
        )
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


def _require_outcomes_as_drawn(counts: list[tuple[int, int]]) -> None:
    """Raise unless every simulated index procedure has the outcome that was drawn for it."""
    wrong = sum(different for _, different in counts)
    if wrong:
        raise RiskstdError(
            f"{wrong} of {sum(n for n, _ in counts)} simulated procedures have another outcome than drawn",
            hint="this is an error of the generator: please report it with the command and the seed",
        )
