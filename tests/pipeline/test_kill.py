"""Killed at any moment, `riskstd run` goes on to the same bytes, and nothing half-written is taken for whole."""

from __future__ import annotations

import random

import pytest
from killing import Command, Result, Step, remove

from riskstd.synth import synthesize

SETTINGS = ["--bootstrap", "20", "--seed", "3"]
PARTS = (
    "reading ",
    "numbering people",
    "joining ",
    "claims of candidates",
    ": cohort",
    ": hospital visits",
    ": risk factors",
    ": model and rates",
    ": bootstrap",
    ": writing",
)
"""Parts of a run, as its steps name them."""


def part_of(step: Step) -> str:
    return next((part for part in reversed(PARTS) if part in step.name), step.name)


def check_scratch(command: Command) -> None:
    """Of claims outside the folder of runs, no more is left than of the last process that was killed."""
    assert len(list(command.scratch.iterdir())) <= 1


def drawn(steps: list[Step], draw: random.Random) -> list[Step]:
    """One step of every part of every measure, in their order."""
    by_part: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        measure = step.name.split(":")[0] if step.name.startswith("ASC") else ""
        by_part.setdefault((measure, part_of(step)), []).append(step)
    return [draw.choice(some) for some in by_part.values()]


@pytest.mark.slow
def test_killed_twice_a_run_goes_on_to_the_same_bytes(tmp_path):
    synthesize(tmp_path / "in", measures=["ASC-18", "ASC-17"], facilities=4, procedures=700, seed=3, edge_cases=False)
    draw = random.Random(8)
    whole, killed = (
        Command(tmp_path / "in" / "claims", ["ASC-18", "ASC-17"], tmp_path / name, SETTINGS)
        for name in ("whole", "killed")
    )
    steps = whole.finish()
    result = Result(whole.out)
    assert {part_of(step) for step in steps} >= set(PARTS)
    at = [step.name for step in steps].index("claims of candidates")
    for step in (steps[at - 1], next(step for step in steps if ": writing" in step.name)):
        assert killed.kill(step, draw), step.name
        result.check_partial(killed.out)
    killed.finish("--resume")
    result.check_whole(killed.out)
    check_scratch(killed)


@pytest.mark.slow
def test_killed_at_random_moments_all_over_it_goes_on_to_the_same_bytes(tmp_path):
    measures = ["ASC-18", "ASC-12", "ASC-17", "ASC-19"]
    synthesize(tmp_path / "in", facilities=8, procedures=2_000, seed=3)
    draw = random.Random(1)
    whole, killed = (
        Command(tmp_path / "in" / "claims", measures, tmp_path / name, SETTINGS) for name in ("whole", "killed")
    )
    steps = whole.finish()
    result = Result(whole.out)
    kills = 0
    # Every round begins with nothing, and what one kill leaves the next process finds.
    for _ in range(2):
        remove(killed.out)
        for step in drawn(steps, draw):
            kills += killed.kill(step, draw)
            result.check_partial(killed.out)
            check_scratch(killed)
        killed.finish("--resume")
        result.check_whole(killed.out)
    assert kills >= 25
