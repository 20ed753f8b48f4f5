"""Benchmark of the hierarchical model: one run, one JSON file, one table.

    python bench/model/run.py                 # all sizes, about half an hour; results.json and results.md here
    python bench/model/run.py --quick         # smoke test with small data, about two minutes; files in build/
    python bench/model/run.py --full          # also lme4 and glmmTMB on the national data, up to hours

Every figure comes from a process of its own, on one core unless it says two.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import page
import processes
from limit import measure_limit
from referee import log_likelihood
from simulate import SIZES, read_data, write_data

HERE = Path(__file__).parent
METHODS = {"laplace": 1, "agq7": 7, "pql": 1}
PYTHON_PEERS = ("GPBoost default", "GPBoost converged", "glum")
R_PEERS = ("lme4 nAGQ=0", "lme4 nAGQ=1", "glmmTMB")
MEMORY = (("asc12_national", "float64"), ("asc12_national", "uint8"), ("asc12_10m", "float64"), ("asc12_10m", "uint8"))


@dataclass(frozen=True)
class Plan:
    """What one run measures.

    Parameters
    ----------
    sizes : tuple of str
        Fitted by riskstd, GPBoost and glum.
    bootstrap_sizes : tuple of str
        With `replicates`.
    main : str
        Also with two cores and `many` replicates.
    r_sizes, statsmodels_sizes : tuple of str
        For the slow peers.
    r_programs : tuple of str
    memory : tuple of (size, type)
    limit : float
        Seconds after which a peer's process is stopped.
    budget : float
        Seconds after which a fit is not repeated.
    limit_seconds : float
        For each pass of the C program.
    """

    sizes: tuple[str, ...]
    bootstrap_sizes: tuple[str, ...]
    main: str
    replicates: int
    many: int
    r_sizes: tuple[str, ...]
    r_programs: tuple[str, ...]
    statsmodels_sizes: tuple[str, ...]
    memory: tuple[tuple[str, str], ...]
    limit: float
    budget: float
    limit_seconds: float


FIRST_CALLS = 3
"""Processes whose first calls are timed; the one of median time counts."""
UNCOLLAPSED = ("asc17", "asc19")
"""Sizes with few equal rows within a facility, for which the C program's one table of patterns is no bound."""
ALL = ("asc12_national", "asc12", "asc17", "asc18", "asc19")
STANDARD = Plan(
    sizes=(*ALL, "small"),
    bootstrap_sizes=ALL,
    main="asc12_national",
    replicates=2_000,
    many=10_000,
    r_sizes=("asc18", "small"),
    r_programs=R_PEERS,
    statsmodels_sizes=("small",),
    memory=MEMORY,
    limit=900.0,
    budget=20.0,
    limit_seconds=1.0,
)
FULL = replace(STANDARD, r_sizes=(*ALL, "small"), statsmodels_sizes=("small", "asc18"), limit=10_800.0)
QUICK = Plan(
    sizes=("small",),
    bootstrap_sizes=("small",),
    main="small",
    replicates=64,
    many=96,
    r_sizes=("small",),
    r_programs=("lme4 nAGQ=0", "glmmTMB"),
    statsmodels_sizes=(),
    memory=(("small", "float64"), ("small", "uint8")),
    limit=30.0,
    budget=0.0,
    limit_seconds=0.05,
)


class Run:
    """Results so far; written after every row, so that an interrupted run keeps what it has."""

    def __init__(self, plan: Plan, out: Path, *, peers: bool, bootstrap_limit: float) -> None:
        self.plan, self.out, self.peers, self.bootstrap_limit = plan, out, peers, bootstrap_limit
        self.folders: dict[tuple[str, str], Path] = {}
        self.started = time.perf_counter()
        self.results: dict[str, Any] = {
            "machine": read_machine(),
            "versions": read_versions(),
            "limit_of_a_process_seconds": plan.limit,
            "main": plan.main,
            "data": {},
            "fits": [],
            "bootstraps": [],
            "scaling": [],
            "shares": [],
            "memory": [],
            "limits": {},
        }

    def folder(self, size: str, kind: str = "float64") -> Path:
        """Folder of a data set, drawn when it is asked for first."""
        if (size, kind) not in self.folders:
            folder = self.folders[size, kind] = write_data(size, kind)
            spec = SIZES[size]
            about = json.loads((folder / "about.json").read_text("utf-8"))
            arrays = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("X", "y", "facility"))
            self.results["data"][f"{size}-{kind}"] = {
                "size": size,
                "type": kind,
                "measure": spec.measure,
                "rows": spec.rows,
                "columns": spec.columns,
                "facilities": spec.facilities,
                "true_tau": spec.tau,
                "true_event_rate": spec.event_rate,
                "input_mb": sum(array.nbytes for array in arrays) / 1e6,
                **about,
            }
        return self.folders[size, kind]

    def add(self, where: str, row: dict[str, Any]) -> dict[str, Any]:
        self.results[where].append(row)
        self.save()
        words = [row.get(key) for key in ("size", "type", "program", "method", "replicates", "threads")]
        seconds = f"{row['seconds']:.3f} s" if "seconds" in row else row["status"]
        print(f"[{time.perf_counter() - self.started:6.0f} s]", *(w for w in words if w), seconds, file=sys.stderr)
        return row

    def take_up(self) -> None:
        """Go on with the results of an earlier run."""
        self.results = json.loads(self.out.read_text("utf-8"))
        self.results["first_call_apart"] = True
        self.started -= self.results["run_seconds"]

    def save(self) -> None:
        self.results["run_seconds"] = time.perf_counter() - self.started
        self.out.write_text(json.dumps(self.results, indent=1) + "\n", "utf-8")

    def fits(self, size: str) -> None:
        """All programs on one data set, judged by the referee."""
        folder = self.folder(size)
        rows = []
        for method in METHODS:
            job = {"kind": "fit", "folder": str(folder), "method": method, "budget": self.plan.budget}
            found = processes.run_riskstd(job, limit=max(self.plan.limit, 600.0))
            rows.append(self.add("fits", {"size": size, "program": f"riskstd {method}", **found}))
        for program, run in self.peer_runs(size):
            found = run(program, folder, budget=self.plan.budget, limit=self.plan.limit)
            rows.append(self.add("fits", {"size": size, "program": program, **found}))
        judge(folder, rows)
        self.save()

    def peer_runs(self, size: str) -> list[tuple[str, Callable[..., dict[str, Any]]]]:
        if not self.peers:
            return []
        plan = self.plan
        runs: list[tuple[str, Callable[..., dict[str, Any]]]] = [(name, processes.run_peer) for name in PYTHON_PEERS]
        if size in plan.statsmodels_sizes:
            runs.append(("statsmodels VB", processes.run_peer))
        if size in plan.r_sizes:
            runs += [(name, processes.run_r) for name in plan.r_programs]
        return runs

    def bootstraps(self) -> None:
        plan = self.plan
        cores = os.cpu_count() or 1
        for size in plan.bootstrap_sizes:
            for method in METHODS:
                self.bootstrap(size, method, plan.replicates, 1)
        for method in METHODS:
            if cores > 1:
                self.scaling(plan.main, method, plan.replicates)
            if method in page.COMPILED and plan.main not in UNCOLLAPSED:
                self.share(plan.main, method, plan.replicates)
            self.bootstrap(plan.main, method, plan.many, 1)

    def scaling(self, size: str, method: str, replicates: int) -> None:
        job = {"kind": "scaling", "folder": str(self.folder(size)), "method": method, "replicates": replicates}
        found = processes.run_riskstd(job, threads=2, limit=20 * self.bootstrap_limit + 600.0)
        self.add("scaling", {"size": size, "method": method, **found})

    def share(self, size: str, method: str, replicates: int) -> None:
        job = {
            "kind": "share",
            "folder": str(self.folder(size)),
            "method": method,
            "replicates": replicates,
            "limit_seconds": self.plan.limit_seconds,
        }
        found = processes.run_riskstd(job, limit=20 * self.bootstrap_limit + 600.0)
        if "failed" in found:
            found["status"] = found.pop("failed")
        self.add("shares", {"size": size, "method": method, **found})

    def bootstrap(self, size: str, method: str, replicates: int, threads: int) -> None:
        job = {
            "kind": "bootstrap",
            "folder": str(self.folder(size)),
            "method": method,
            "replicates": replicates,
            "limit": self.bootstrap_limit,
            "budget": self.plan.budget,
        }
        found = processes.run_riskstd(job, threads=threads, limit=20 * self.bootstrap_limit + 600.0)
        self.add("bootstraps", {"size": size, "method": method, "replicates": replicates, "threads": threads, **found})

    def memory(self) -> None:
        """One Laplace fit in a process that has only warmed up; its time is a by-product."""
        for size, kind in self.plan.memory:
            job = {"kind": "fit", "folder": str(self.folder(size, kind)), "method": "laplace", "budget": 0.0}
            found = processes.run_riskstd(job, limit=3600.0)
            self.add("memory", {"size": size, "type": kind, "method": "laplace", **found})

    def first_call(self) -> None:
        """Time to first results with an empty and with a filled cache of compiled code, the middle of some tries."""
        job = {"kind": "first call", "folder": str(self.folder("small"))}
        found: dict[str, list[dict[str, Any]]] = {"empty": [], "filled": []}
        for _ in range(FIRST_CALLS):
            with tempfile.TemporaryDirectory() as cache:
                for runs in found.values():
                    runs.append(processes.run_riskstd(job, limit=600.0, extra={"NUMBA_CACHE_DIR": cache}))
        for name, runs in found.items():
            runs.sort(key=lambda run: run.get("seconds", math.inf))
            self.results[f"first_call_{name}_cache"] = runs[FIRST_CALLS // 2]

    def limits(self) -> None:
        for size in (size for size in self.plan.bootstrap_sizes if size not in UNCOLLAPSED):
            at_once = processes.each_core() if size == self.plan.main else []
            self.results["limits"][size] = measure_limit(
                self.folder(size), self.plan.limit_seconds, processes.pinned(1), at_once
            )


def judge(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Add to each fit the log-likelihood by the referee and its distance from riskstd's Laplace fit."""
    done = [row for row in rows if row["status"] == "ok"]
    ours = next((row for row in done if row["program"] == "riskstd laplace"), None)
    data = read_data(folder)
    for row in done:
        beta = np.array(row["beta"])
        nodes = METHODS.get(row["program"].removeprefix("riskstd "), 1)
        row["referee_nodes"] = nodes
        row["referee"] = log_likelihood(
            data.y, data.X, data.facility, mu=row["mu"], beta=beta, tau=row["tau"], nodes=nodes
        )
        if ours is not None:
            off = np.append(beta - ours["beta"], row["mu"] - ours["mu"])
            row["off_in_se"] = float(np.max(np.abs(off) / np.append(ours["beta_se"], ours["mu_se"])))
            row["tau_off_in_se"] = abs(row["tau"] - ours["tau"]) / ours["tau_se"]


def read_machine() -> dict[str, Any]:
    """Processor, cores, memory and system."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text("utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
        flags = next((line for line in lines if line.startswith("flags")), "")
        model += " with AVX-512" if " avx512f " in flags else " without AVX-512"
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_at_start": os.getloadavg()[0],
    }


def read_versions() -> dict[str, str]:
    ours = {name: version(name) for name in ("riskstd", "numpy", "scipy", "numba")}
    peers = processes.peer_versions()
    if "numpy" in peers:
        peers["numpy of the peers"] = peers.pop("numpy")
    return {"python": platform.python_version(), **ours, **peers, **processes.r_versions()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--quick", action="store_true", help="small data, few replicates, about two minutes")
    how_much.add_argument("--full", action="store_true", help="R's packages on every size, three hours each at most")
    parser.add_argument("--no-peers", action="store_true", help="riskstd alone; then there are no ratios to peers")
    parser.add_argument("--bootstrap-limit", type=float, default=300.0, help="seconds; longer ones are cut and scaled")
    parser.add_argument("--out", type=Path, help="JSON file; the table goes beside it as .md")
    parser.add_argument("--first-call", action="store_true", help="measure the first calls again, into results there")
    given = parser.parse_args()
    plan = QUICK if given.quick else FULL if given.full else STANDARD
    out = given.out or (HERE / "build" / "quick.json" if given.quick else HERE / "results.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    run = Run(plan, out, peers=not given.no_peers, bootstrap_limit=5.0 if given.quick else given.bootstrap_limit)
    if given.first_call:
        run.take_up()
    else:
        for size in plan.sizes:
            run.fits(size)
        run.bootstraps()
        run.limits()
        run.memory()
    run.first_call()
    run.save()
    text = page.write_tables(run.results)
    out.with_suffix(".md").write_text(text, "utf-8")
    print(text)
    return int(any_failed(run.results))


def any_failed(results: dict[str, Any]) -> bool:
    """Whether a process of riskstd itself came to nothing."""
    own = [row for row in results["fits"] if row["program"].startswith("riskstd")]
    own += [*results["bootstraps"], *results["scaling"], *results["memory"]]
    own += [row for row in results["shares"] if not row["status"].startswith("gcc")]
    own += [results[f"first_call_{name}_cache"] for name in ("empty", "filled")]
    return any(row["status"] != "ok" for row in own)


if __name__ == "__main__":
    sys.exit(main())
