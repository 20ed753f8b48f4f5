"""Measured process: riskstd by its public functions. Its one argument is a job as JSON text.

kind "fit": one estimator, end to end from arrays. "bootstrap": rates with replicates. "scaling": the same on one
thread and on two, in turn. "share": the same on one thread and the bare passes in C, in turn.
"first call": everything once on a small file, from whatever compiled code the cache holds.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from limit import BUILD, build_limit, run_passes, write_layout
from simulate import Data, read_data
from worker import WARM_UP_SHARE, measure, read_job, write_result

import riskstd
from riskstd.model.collapse import collapse_rows
from riskstd.model.inputs import read_model_input
from riskstd.rates.bootstrap import draw_replicates

METHODS: dict[str, dict[str, Any]] = {
    "laplace": {"method": "laplace"},
    "agq7": {"method": "agq", "n_nodes": 7},
    "pql": {"method": "pql"},
}
TRIAL_REPLICATES = 48
FEWEST_REPLICATES = 64
PAIRS = 15


def fit(data: Data, method: str) -> Any:
    return riskstd.fit_hierarchical(data.y, data.X, data.facility, **METHODS[method])


def run_fit(job: dict[str, Any], data: Data) -> dict[str, Any]:
    part = data.part(WARM_UP_SHARE)
    start = time.perf_counter()
    fit(part, job["method"])
    warm_up = time.perf_counter() - start
    del part
    result, measured = measure(lambda: fit(data, job["method"]), job["budget"])
    return {
        **measured,
        "warm_up_seconds": warm_up,
        "input_mb": data.bytes / 1e6,
        "collapse_seconds": collapse_seconds(data),
        "log_likelihood": result.log_likelihood,
        "mu": result.mu,
        "beta": result.beta.tolist(),
        "tau": result.tau,
        "mu_se": result.mu_se,
        "beta_se": result.beta_se.tolist(),
        "tau_se": result.tau_se,
        "newton_decrement": result.newton_decrement,
        "iterations": result.n_iterations,
        "converged": result.converged,
    }


def collapse_seconds(data: Data) -> float:
    """Part of a fit spent on reading and collapsing rows, from a run of these steps alone."""
    start = time.perf_counter()
    rows = read_model_input(data.y, data.X, data.facility)
    collapse_rows(rows.X, rows.facility, rows.n, rows.y, rows.offset, len(rows.labels))
    return time.perf_counter() - start


def run_bootstrap(job: dict[str, Any], data: Data) -> dict[str, Any]:
    """Time `standardize`; fewer replicates, marked as such, when the limit would not suffice."""
    model = fit(data, job["method"])
    _standardize(model, TRIAL_REPLICATES)  # compiles
    start = time.perf_counter()
    _standardize(model, TRIAL_REPLICATES)
    each = (time.perf_counter() - start) / TRIAL_REPLICATES
    replicates = job["replicates"]
    if each * replicates > job["limit"]:
        replicates = max(FEWEST_REPLICATES, int(job["limit"] / each))
    rates, measured = measure(lambda: _standardize(model, replicates), job["budget"])
    if replicates < job["replicates"]:
        measured["measured_replicates"] = replicates
        measured["seconds"] *= job["replicates"] / replicates
    return {
        **measured,
        "replicates": job["replicates"],
        "dropped": rates.n_dropped,
        "flagged": rates.n_flagged,
        "retried": rates.n_retried,
        "evaluations": evaluations_each(model),
    }


def run_scaling(job: dict[str, Any], data: Data) -> dict[str, Any]:
    """Seconds on one thread and on two, pair by pair: what else the machine does changes from minute to minute."""
    model = fit(data, job["method"])
    _standardize(model, TRIAL_REPLICATES)
    seconds: dict[str, list[float]] = {"one": [], "two": []}
    digests = set()
    for _ in range(PAIRS):
        for threads, name in ((1, "one"), (2, "two")):
            start = time.perf_counter()
            rates = _standardize(model, job["replicates"], threads)
            seconds[name].append(time.perf_counter() - start)
            digests.add(digest(rates))
    return {"replicates": job["replicates"], **seconds, "same_bits": len(digests) == 1}


def run_share(job: dict[str, Any], data: Data) -> dict[str, Any]:
    """Seconds of the bootstrap and speed of the bare passes in C on the same core, pair by pair."""
    program = build_limit()
    if isinstance(program, str):
        return {"failed": program}
    model = fit(data, job["method"])
    _standardize(model, TRIAL_REPLICATES)
    seconds: list[float] = []
    passes: list[dict[str, float]] = []
    with tempfile.NamedTemporaryFile(dir=BUILD) as layout:
        counts = write_layout(Path(job["folder"]), Path(layout.name))
        for _ in range(PAIRS):
            passes.append(run_passes(program, layout.name, job["limit_seconds"]))
            start = time.perf_counter()
            _standardize(model, job["replicates"], threads=1)
            seconds.append(time.perf_counter() - start)
    return {"replicates": job["replicates"], **counts, "bootstraps": seconds, "passes": passes}


def digest(rates: Any) -> str:
    """Hash of the interval limits."""
    return hashlib.sha256(np.concatenate([rates.lower, rates.upper]).tobytes()).hexdigest()


def _standardize(model: Any, replicates: int, threads: int | None = None) -> Any:
    return riskstd.standardize(model, scale="percent", n_bootstrap=replicates, seed=1, threads=threads)


def evaluations_each(model: Any) -> float:
    """Evaluations of the likelihood per replicate, on average over some."""
    return float(draw_replicates(model, range(TRIAL_REPLICATES), seed=1, threads=1).evaluations.mean())


def run_first_call(_: dict[str, Any], data: Data) -> dict[str, Any]:
    seconds = {}
    start = time.perf_counter()
    for method in METHODS:
        model = fit(data, method)
        seconds[method] = time.perf_counter() - start
        start = time.perf_counter()
    _standardize(model, TRIAL_REPLICATES)
    seconds["bootstrap"] = time.perf_counter() - start
    return {"seconds": sum(seconds.values()), "parts": seconds}


RUNS = {
    "fit": run_fit,
    "bootstrap": run_bootstrap,
    "scaling": run_scaling,
    "share": run_share,
    "first call": run_first_call,
}


if __name__ == "__main__":
    given = read_job()
    write_result(given, **RUNS[given["kind"]](given, read_data(Path(given["folder"]))))
