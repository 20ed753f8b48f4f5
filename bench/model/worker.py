"""What every measured process does alike: warm up, time, read its peak memory, write one JSON file.

Standard library and numpy only: it runs in the environment of riskstd and in that of the peers.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_RUNS = 3
WARM_UP_SHARE = 0.05
"""Share of the facilities that the first, untimed fit of every program sees."""
STATUS = Path("/proc/self/status")


def read_job() -> dict[str, Any]:
    """Job of this process: the JSON text in its first argument."""
    return json.loads(sys.argv[1])


def write_result(job: dict[str, Any], **result: Any) -> None:
    Path(job["out"]).write_text(json.dumps(result), "utf-8")


def resident_mb() -> float:
    """Memory of this process now."""
    return _status_mb("VmRSS")


def peak_mb() -> float:
    """Highest memory of this process since `reset_peak`.

    From the kernel's VmHWM where there is one: unlike ru_maxrss it does not start at the size of
    the parent process.
    """
    return _status_mb("VmHWM")


def reset_peak() -> None:
    """Let the peak start anew from the present size (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "utf-8")
    except OSError:
        print("the peak of memory includes the warm-up: /proc/self/clear_refs is closed", file=sys.stderr)


def _status_mb(key: str) -> float:
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS
    line = next(line for line in STATUS.read_text("utf-8").splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024 / 1e6


def measure(fit: Callable[[], Any], budget_seconds: float) -> tuple[Any, dict[str, Any]]:
    """Run up to `MAX_RUNS` times, until the budget is spent; memory is that of the first run.

    Returns
    -------
    object
        Result of the last run.
    dict
        seconds (median), runs, loaded_mb (before), peak_mb (during).
    """
    reset_peak()
    loaded = resident_mb()
    seconds: list[float] = []
    result = None
    peak = 0.0
    while not seconds or (len(seconds) < MAX_RUNS and sum(seconds) < budget_seconds):
        result = None  # the result of the run before is not part of this run's memory
        start = time.perf_counter()
        result = fit()
        seconds.append(time.perf_counter() - start)
        peak = peak or peak_mb()
    return result, {
        "seconds": median(seconds),
        "runs": seconds,
        "loaded_mb": loaded,
        "peak_mb": peak,
    }


def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else 0.5 * (ordered[middle - 1] + ordered[middle])
