"""Start a measured process with a given number of threads and read what it wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from simulate import Data, read_data

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
R_ROWS_TYPE = {"X": np.float64, "y": np.int32, "facility": np.int32}


def pinned(threads: int) -> list[str]:
    """Command that keeps a program on the last `threads` cores, where the system has it."""
    if shutil.which("taskset") is None or not hasattr(os, "sched_getaffinity"):
        return []
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    return ["taskset", "--cpu-list", ",".join(map(str, cores))]


def each_core() -> list[list[str]]:
    """Commands that keep one program on each of the last two cores; none where there are fewer."""
    cores = sorted(os.sched_getaffinity(0))[-2:] if pinned(1) else []
    return [["taskset", "--cpu-list", str(core)] for core in cores] if len(cores) == 2 else []


def run(command: list[str], out: Path, *, threads: int, limit: float, extra: dict[str, str] | None = None) -> dict:
    """Run a measured process.

    Returns
    -------
    dict
        What it wrote, with status "ok"; or a status that says why there is nothing.
    """
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), **(extra or {})}
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [*pinned(threads), *command], env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return {"status": f"stopped after {limit:.0f} s", "stopped_after": limit}
    if done.returncode or not out.exists():
        last = said_last(done.stderr)
        print(done.stderr, file=sys.stderr)
        return {"status": f"failed: {last[:200]}"}
    return {"status": "ok", "process_seconds": time.perf_counter() - start, **json.loads(out.read_text("utf-8"))}


def said_last(text: str) -> str:
    """The line of standard error that names the failure.

    Examples
    --------
    >>> said_last("Traceback:\\n  File ...\\nFitError: no rows\\n  expected: rows")
    'FitError: no rows'
    >>> said_last("Error in glmer() : no convergence\\nExecution halted")
    'Error in glmer() : no convergence'
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and lines[-1] == "Execution halted":  # R says why before
        return " ".join(line.strip() for line in lines[:-1][-2:])
    return next((line for line in reversed(lines) if not line.startswith(" ")), "nothing said")


def run_python(
    script: str, job: dict[str, Any], *, python: Path | str, threads: int, limit: float, extra: dict | None = None
) -> dict[str, Any]:
    """Run a script of this folder with a job."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "result.json"
        text = json.dumps({**job, "out": str(out)})
        return run([str(python), str(HERE / script), text], out, threads=threads, limit=limit, extra=extra)


def run_riskstd(job: dict[str, Any], *, threads: int = 1, limit: float, extra: dict | None = None) -> dict[str, Any]:
    """Run riskstd in the environment of this process."""
    return run_python("fit_riskstd.py", job, python=sys.executable, threads=threads, limit=limit, extra=extra)


def run_peer(program: str, folder: Path, *, budget: float, limit: float) -> dict[str, Any]:
    """Run a Python peer on one core."""
    if not PEERS.exists():
        return {"status": "not installed"}
    job = {"program": program, "folder": str(folder), "budget": budget}
    return run_python("fit_peers.py", job, python=PEERS, threads=1, limit=limit)


def run_r(program: str, folder: Path, *, budget: float, limit: float) -> dict[str, Any]:
    """Run lme4 or glmmTMB on one core."""
    package = "glmmTMB" if program == "glmmTMB" else "lme4"
    if package not in r_versions():
        return {"status": "not installed"}
    data = read_data(folder)
    with tempfile.TemporaryDirectory() as scratch:
        write_for_r(data, Path(scratch))
        out = Path(scratch) / "result.json"
        size = [str(len(data.y)), str(data.X.shape[1])]
        command = ["Rscript", "--vanilla", str(HERE / "fit_peers.R"), scratch, *size, program, str(budget), str(out)]
        del data
        return run(command, out, threads=1, limit=limit)


def write_for_r(data: Data, folder: Path) -> None:
    """Write plain binary files, X column by column."""
    for name, kind in R_ROWS_TYPE.items():
        (folder / f"{name}.bin").write_bytes(getattr(data, name).astype(kind).tobytes(order="F"))


def peer_versions() -> dict[str, str]:
    """Versions of the Python peers, empty when their environment is absent."""
    if not PEERS.exists():
        return {}
    code = (
        "import json; from importlib.metadata import version;"
        "print(json.dumps({n: version(n) for n in ('gpboost', 'glum', 'statsmodels', 'numpy')}))"
    )
    done = subprocess.run([PEERS, "-c", code], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def r_versions() -> dict[str, str]:
    """Versions of R and of those of its packages that are installed."""
    if shutil.which("Rscript") is None:
        return {}
    code = (
        'cat("R", as.character(getRversion()), "\\n"); '
        'for (p in c("lme4", "glmmTMB")) if (requireNamespace(p, quietly = TRUE)) '
        'cat(p, as.character(packageVersion(p)), "\\n")'
    )
    done = subprocess.run(["Rscript", "--vanilla", "-e", code], capture_output=True, text=True, check=False)
    return dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
