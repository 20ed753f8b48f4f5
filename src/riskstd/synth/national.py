"""A synthetic nation written in blocks: as many people as wanted, in bounded memory, by several processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from riskstd.errors import OptionError
from riskstd.synth.blocks import BlockCounts, write_blocks
from riskstd.synth.files import FileFormat
from riskstd.synth.nation import Nation, draw_nation
from riskstd.synth.place import delivery
from riskstd.synth.summary import SynthSummary, readme
from riskstd.synth.truth import write_model

Progress = Callable[[int, int, str], None]
LEAST_PEOPLE = 2_000
MOST_PEOPLE = 100_000_000


def synthesize_nation(
    out: Path,
    *,
    people: int,
    measures: Sequence[str],
    seed: int,
    layout: str,
    file_format: FileFormat,
    workers: int,
    progress: Progress,
) -> SynthSummary:
    """Write a synthetic nation, or the part of it that so many people are; see `synthesize`.

    Raises
    ------
    OptionError
        When a number is outside its allowed values.
    """
    if not LEAST_PEOPLE <= people <= MOST_PEOPLE:
        raise OptionError(f"people is {people}", expected=f"{LEAST_PEOPLE:,} to {MOST_PEOPLE:,}")
    if workers < 1:
        raise OptionError(f"workers is {workers}", expected="1 or more")
    with delivery(out) as folder:
        progress(0, 1, "drawing facilities")
        nation = draw_nation(people, seed, tuple(measures))
        write_model(nation.profiles(), nation.facilities, nation.texts, nation.mu, folder / "truth")
        counts: list[BlockCounts] = []
        progress(0, nation.blocks, "writing blocks of people")
        for block in write_blocks(nation, folder, layout=layout, file_format=file_format, workers=workers):
            counts.append(block)
            progress(len(counts), nation.blocks, "writing blocks of people")
        summary = _summary(out, nation, counts, layout, file_format)
        (folder / "README.txt").write_text(readme(summary, _command(nation, layout, file_format)), "utf-8")
    return summary


def _summary(
    out: Path, nation: Nation, counts: list[BlockCounts], layout: str, file_format: FileFormat
) -> SynthSummary:
    def total(name: str) -> dict[str, int]:
        added: Counter[str] = Counter()
        for block in counts:
            added.update(getattr(block, name))
        return {key: added[key] for key in getattr(counts[0], name)}

    return SynthSummary(
        out,
        layout,
        file_format,
        nation.seed,
        sum(block.people for block in counts),
        len(nation.facilities.npi),
        0,
        total("index_procedures"),
        total("excluded_procedures"),
        total("events"),
        total("rows"),
    )


def _command(nation: Nation, layout: str, file_format: str) -> str:
    return (
        f"riskstd synth --out DIR --scale {nation.people} --seed {nation.seed} "
        f"--measures {','.join(nation.measures)} --layout {layout} --format {file_format}"
    )
