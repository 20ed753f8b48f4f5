"""Blocks of people: each simulated and written by itself, by one process or several."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path

import numpy as np
import pyarrow as pa

from riskstd.errors import RiskstdError
from riskstd.synth.dialects import with_keys, write_delivery
from riskstd.synth.files import FileFormat
from riskstd.synth.nation import Nation, simulate_block
from riskstd.synth.simulate import Land
from riskstd.synth.truth import events_as_drawn, find_truth, write_truth


@dataclass(frozen=True)
class BlockCounts:
    """Counts of a block: rows by kind of file, and procedures by measure."""

    people: int
    rows: dict[str, int]
    index_procedures: dict[str, int]
    excluded_procedures: dict[str, int]
    events: dict[str, int]


@dataclass(frozen=True)
class Writer:
    """Simulates and writes blocks of a nation into a folder with `claims/` and `truth/`."""

    nation: Nation
    land: Land
    folder: Path
    layout: str
    file_format: FileFormat

    def write(self, block: int) -> BlockCounts:
        """Simulate a block and write its claims and its truth.

        Raises
        ------
        RiskstdError
            When a procedure has another outcome than was drawn for it, which is an error of the generator.
        """
        world = simulate_block(self.nation, self.land, block)
        truths = find_truth(world)
        require_outcomes_as_drawn([events_as_drawn(world, truth) for truth in truths])
        world.people = with_keys(world.people, self.layout)
        rows = write_delivery(
            world.plan, world.people, self.folder / "claims",
            layout=self.layout, file_format=self.file_format, block=block,
        )  # fmt: skip
        write_truth(world, truths, self.folder / "truth", block=block)
        return BlockCounts(
            len(world.people),
            {name.removesuffix(f"_{block:04d}"): count for name, count in rows.items()},
            {truth.profile.id: len(truth.index) for truth in truths},
            {truth.profile.id: len(truth.excluded) for truth in truths},
            {truth.profile.id: int(np.sum(truth.outcome)) for truth in truths},
        )


def write_blocks(
    nation: Nation, folder: Path, *, layout: str, file_format: FileFormat, workers: int
) -> Iterator[BlockCounts]:
    """Write all blocks of a nation; gives the counts of each as it is done, in any order.

    Raises
    ------
    RiskstdError
        When a block cannot be simulated, or a process ends by itself.
    """
    if workers == 1 or nation.blocks == 1:
        writer = Writer(nation, nation.land(), folder, layout, file_format)
        for block in range(nation.blocks):
            yield writer.write(block)
            _give_back_memory()
        return
    pool = ProcessPoolExecutor(
        min(workers, nation.blocks),
        mp_context=get_context("spawn"),
        initializer=_start,
        initargs=(nation, folder, layout, file_format),
    )
    try:
        for done in as_completed([pool.submit(_write, block) for block in range(nation.blocks)]):
            yield done.result()
    except BrokenProcessPool as error:
        raise RiskstdError(
            "a process that wrote a part of the claims was ended from outside or could not start",
            expected="about 1.2 GB of memory for each of the workers",
            hint='use fewer --workers; a script needs `if __name__ == "__main__":` around the call',
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def require_outcomes_as_drawn(counts: list[tuple[int, int]]) -> None:
    """Raise unless every simulated index procedure has the outcome that was drawn for it.

    Raises
    ------
    RiskstdError
    """
    wrong = sum(different for _, different in counts)
    if wrong:
        raise RiskstdError(
            f"{wrong} of {sum(n for n, _ in counts)} simulated procedures have another outcome than drawn",
            hint="this is an error of the generator: please report it with the command and the seed",
        )


# ---- in a process of its own ------------------------------------------------------------------

_writers: list[Writer] = []


def _start(nation: Nation, folder: Path, layout: str, file_format: FileFormat) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _writers.append(Writer(nation, nation.land(), folder, layout, file_format))


def _write(block: int) -> BlockCounts:
    counts = _writers[0].write(block)
    _give_back_memory()
    return counts


def _give_back_memory() -> None:
    """Return what a block has used, so that hundreds of blocks need no more than one."""
    gc.collect()
    pa.default_memory_pool().release_unused()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, which a killed one cannot ask for."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
