"""Cost of cohort, outcome and risk factors: against a bare scan, against pandas and polars, by size, and in memory.

Every figure is a ratio of runs that stand side by side in one run of this script, each in a process of its own.

    python bench/claims/run.py --tables 50000=DIR --tables 500000=DIR --tables 5000000=DIR

DIR is a folder of claims tables: `riskstd synth --scale PEOPLE`, read by `riskstd.read_claims(..., out=DIR)`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import rows

HERE = Path(__file__).parent


def main() -> None:
    """Measure, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="append", required=True, metavar="PEOPLE=DIR")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of scan and run at every size; the median counts")
    parser.add_argument("--memory", default="1GB", help="limit of the engine in the run at the largest size")
    parser.add_argument("--peer-gb", type=float, default=16.0, help="address space a peer may take")
    parser.add_argument("--peers", nargs="*", default=["pandas", "polars"])
    parser.add_argument("--peers-up-to", type=int, help="people above whom no peer is tried; all sizes if left out")
    parser.add_argument("--note", default="", help="what the claims tables are")
    parser.add_argument("--json", type=Path, default=HERE / "results.json")
    parser.add_argument("--keep", action="store_true", help="keep other sizes of the results, of this machine only")
    asked = parser.parse_args()
    sizes = dict(sorted((int(people), Path(folder)) for people, folder in (t.split("=", 1) for t in asked.tables)))
    found: dict[str, Any] = {"machine": machine(), "note": asked.note, "memory": asked.memory, "sizes": {}}
    if asked.keep:
        found = kept(asked.json, found)
    largest = max([*sizes, *map(int, found["sizes"])])
    for people, folder in sizes.items():
        peers = asked.peers if asked.peers_up_to is None or people <= asked.peers_up_to else []
        found["sizes"][str(people)] = one_size(folder, asked, peers, largest=people == largest)
        found["sizes"] = dict(sorted(found["sizes"].items(), key=lambda size: int(size[0])))
        found["growth"] = growth({int(n): size["riskstd"]["seconds"] for n, size in found["sizes"].items()})
        asked.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def kept(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Read results to add sizes to; those of another machine or of other versions are refused."""
    found = json.loads(path.read_text("utf-8"))
    if found["machine"] != asked["machine"]:
        raise SystemExit(f"{path} was measured elsewhere\n  what to do: leave out --keep, and measure every size")
    return found


def one_size(folder: Path, asked: argparse.Namespace, peers: list[str], *, largest: bool) -> dict[str, Any]:
    """Measure one folder of claims tables."""
    scratch = Path(tempfile.mkdtemp(prefix="riskstd-bench-"))
    try:
        warm = work("scan", folder)
        pairs = [(work("scan", folder), work("riskstd", folder)) for _ in range(asked.repeats)]
        ours = middle([run for _, run in pairs])
        found: dict[str, Any] = {
            "gigabytes": sum(path.stat().st_size for path in folder.glob("*.parquet")) / 1e9,
            "scan": middle([scan for scan, _ in pairs]),
            "first_scan_seconds": warm["seconds"],
            "riskstd": ours,
            "ratios": [run["seconds"] / scan["seconds"] for scan, run in pairs],
            "one_measure": work("riskstd", folder, "--measures", "ASC-12"),
            "peers": {},
        }
        if peers:
            work("riskstd", folder, "--rows", str(scratch / "riskstd"))
        for peer in peers:
            found["peers"][peer] = one_peer(peer, folder, scratch, asked)
        if largest:
            found["limited"] = work("riskstd", folder, "--memory", asked.memory)
        return found
    finally:
        shutil.rmtree(scratch)


def one_peer(peer: str, folder: Path, scratch: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Run a peer next to a run of ours, and compare the rows."""
    ours = work("riskstd", folder)
    theirs = work(peer, folder, "--limit-gb", str(asked.peer_gb), "--rows", str(scratch / peer))
    if "failed" in theirs:
        return theirs
    differ = rows.differences(scratch / "riskstd", scratch / peer)
    return {**theirs, "ratio": theirs["seconds"] / ours["seconds"], "differences": differ}


def work(engine: str, folder: Path, *options: str) -> dict[str, Any]:
    """Run one engine in a process of its own."""
    command = [sys.executable, str(HERE / "worker.py"), engine, str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(engine, folder.name, *options, f"exit {done.returncode}", flush=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    if engine in ("scan", "riskstd"):
        raise SystemExit(f"{engine} failed: {last}")
    return {"failed": last[:200] if done.returncode > 0 else f"ended by signal {-done.returncode}"}


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run of median time."""
    return sorted(runs, key=lambda run: run["seconds"])[(len(runs) - 1) // 2]


def growth(seconds: dict[int, float]) -> dict[str, float]:
    """Return the exponent of time in people: by least squares over all sizes, and from each size to the next."""
    if len(seconds) < 2:
        return {}
    logs = [(math.log(people), math.log(time)) for people, time in sorted(seconds.items())]
    slope = statistics.linear_regression(*zip(*logs, strict=True)).slope
    steps = {
        f"{a:,} to {b:,}": math.log(seconds[b] / seconds[a]) / math.log(b / a) for a, b in pairwise(sorted(seconds))
    }
    return {"all": slope, **steps}


def machine() -> dict[str, Any]:
    """Say where this was measured."""
    names = ("riskstd", "ibis-framework", "duckdb", "pandas", "polars", "pyarrow")
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }


if __name__ == "__main__":
    main()
