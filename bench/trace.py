"""Time of one trace: how long cases of a run take, and a whole call of the command.

`python bench/trace.py RUNS [--cases N]`: RUNS holds the runs and their claims tables, as `riskstd demo` leaves them.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from riskstd.pipeline.trace import Tracer

FILES = ("index_procedures.parquet", "excluded_procedures.parquet")


def cases_of(run: Path, wanted: int) -> list[int]:
    """Cases spread evenly over the run, excluded ones among them."""
    every = [i for file in FILES for i in pq.read_table(run / file, columns=["procedure_id"])[0].to_pylist()]
    return every[:: max(1, len(every) // wanted)]


def time_of_cases(run: Path, wanted: int) -> None:
    tracer = Tracer.open(run)
    wall, busy = [], []
    for case in cases_of(run, wanted):
        start, cpu = time.perf_counter(), time.process_time()
        tracer.trace(case)
        wall.append(time.perf_counter() - start)
        busy.append(time.process_time() - cpu)
    for name, seconds in (("wall", wall), ("processor", busy)):
        times = sorted(1000 * s for s in seconds)
        print(
            f"{run.name} {name}: {len(times):,} cases, median {statistics.median(times):.0f} ms, "
            f"99 % {times[int(0.99 * (len(times) - 1))]:.0f} ms, most {times[-1]:.0f} ms"
        )


def time_of_command(run: Path) -> None:
    case = cases_of(run, 1)[0]
    for form in ("text", "json", "html"):
        call = [sys.executable, "-m", "riskstd.cli", "trace", str(run), "--procedure", str(case), "--format", form]
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run(call, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        print(f"{run.name} command, {form}: median {statistics.median(seconds):.2f} s, least {min(seconds):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--cases", type=int, default=500)
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.runs.glob("*/manifest.json"))
    for run in folders:
        time_of_cases(run, options.cases)
    time_of_command(folders[0])


if __name__ == "__main__":
    main()
