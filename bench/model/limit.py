"""How fast the bootstrap could be: `limit.c` on the real layout of a data set.

A bootstrap of R replicates needs at least R x cells x (2.8 x (moments + scatter) + rates): 2.8 evaluations of
the likelihood take a replicate to its optimum, one more pass gives predicted and expected.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from simulate import pattern_codes, read_data

HERE = Path(__file__).parent
BUILD = HERE / "build"
EVALUATIONS = 2.8
PASSES = ("moments_ns", "scatter_ns", "rates_ns")
PROCESSES = 6
"""Which part of the shared cache a process gets differs, and with it the speed; the fastest counts."""
FLAGS = ["-O3", "-march=native", "-std=gnu11", "-Wall", "-Wextra", "-Wno-psabi"]


def write_layout(folder: Path, out: Path) -> dict[str, int]:
    """Write cells sorted by facility and pattern, as the C program reads them."""
    data = read_data(folder)
    pattern = pattern_codes(data.X)
    labels, facility = np.unique(data.facility, return_inverse=True)
    n_patterns = int(pattern.max()) + 1
    key, cases = np.unique(facility * n_patterns + pattern, return_counts=True)
    pointer = np.searchsorted(key // n_patterns, np.arange(len(labels) + 1))
    with out.open("wb") as file:
        file.write(np.array([len(key), n_patterns, len(labels)], dtype=np.int64).tobytes())
        file.write(pointer.astype(np.int64).tobytes())
        file.write(cases.astype(np.float64).tobytes())
        file.write((key % n_patterns).astype(np.int32).tobytes())
    return {"cells": len(key), "patterns": n_patterns}


def measure_limit(folder: Path, seconds: float, prefix: list[str], at_once: Sequence[list[str]] = ()) -> dict[str, Any]:
    """Nanoseconds per cell and replicate of the three passes; a status where gcc is absent.

    Parameters
    ----------
    folder : pathlib.Path
        Data set of `simulate.write_data`.
    seconds : float
        For each pass.
    prefix : list of str
        Command that pins the program to a core, or nothing.
    at_once : sequence of list of str
        Commands that pin it to one core each: how much slower it is when all of them work.
    """
    built = build_limit()
    if isinstance(built, str):
        return {"status": built}
    program, layout = built, BUILD / "layout.bin"
    counts = write_layout(folder, layout)
    command = [*prefix, program, layout, str(seconds)]
    runs = [_run([command])[0] for _ in range(PROCESSES)]
    found: dict[str, Any] = {name: min(run[name] for run in runs) for name in PASSES}
    if at_once:
        together = [[*pin, program, layout, str(seconds)] for pin in at_once]
        pairs = [(_run([command])[0], _run(together)) for _ in range(PROCESSES)]
        found["scaling"] = median(len(together) * _total(alone) / max(map(_total, crowd)) for alone, crowd in pairs)
    layout.unlink()
    return {"status": "ok", **counts, **found}


def build_limit() -> Path | str:
    """Compile the program; the reason in words where that cannot be done."""
    gcc = shutil.which("gcc")
    if gcc is None:
        return "gcc is not installed"
    BUILD.mkdir(exist_ok=True)
    program = BUILD / "limit"
    compiled = subprocess.run([gcc, *FLAGS, "-o", program, HERE / "limit.c"], capture_output=True, text=True)
    return f"gcc failed: {compiled.stderr.strip().splitlines()[-1]}" if compiled.returncode else program


def run_passes(program: Path | str, layout: Path | str, seconds: float) -> dict[str, float]:
    """Run the compiled program once: nanoseconds per cell and replicate of each pass."""
    return _run([[program, layout, str(seconds)]])[0]


def _total(passes: dict[str, float]) -> float:
    return sum(passes[name] for name in PASSES)


def _run(commands: Sequence[Sequence[Any]]) -> list[dict[str, float]]:
    """What programs print that run at the same time."""
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    return [json.loads(process.communicate()[0]) for process in running]


def limit_seconds(limit: dict[str, Any], replicates: int, evaluations: float = EVALUATIONS) -> float:
    """Seconds of a bootstrap that does nothing but its passes.

    Examples
    --------
    >>> limit_seconds({"cells": 10**6, "moments_ns": 0.2, "scatter_ns": 0.3, "rates_ns": 0.1}, 1000, 2.0)
    1.1
    """
    each = evaluations * (limit["moments_ns"] + limit["scatter_ns"]) + limit["rates_ns"]
    return replicates * limit["cells"] * each * 1e-9
