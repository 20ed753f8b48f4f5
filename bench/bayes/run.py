"""Time of the Bayesian fit by sampler and size.

    python bench/bayes/run.py                    # 20,000 procedures over 400 facilities, nutpie; results.json here
    python bench/bayes/run.py --all              # also PyMC's own sampler, and 200,000 over 2,000 (long)

Processor seconds are those of all threads and processes, elapsed seconds those of the clock: on a machine with other
work to do only the first mean anything, and half of them is the least the clock can show on two cores.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from riskstd.model.bayes import Sampling, fit_bayes
from riskstd.model.bayes.density import LogDensity

HERE = Path(__file__).parent
SIZES = {"20,000 / 400": (20_000, 400), "200,000 / 2,000": (200_000, 2_000)}
N_FLAGS, EVENT_RATE, TAU = 21, 0.02, 0.35


def simulate(n_rows: int, n_facilities: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flags that come in clusters, an age group, facility volumes lognormal, 2 % events."""
    rng = np.random.default_rng(seed)
    share = rng.lognormal(0.0, 1.1, n_facilities)
    rest = rng.choice(n_facilities, n_rows - n_facilities, p=share / share.sum())
    facility = np.concatenate([np.arange(n_facilities), rest])
    prevalence = np.geomspace(0.183, 0.01, N_FLAGS)
    state = rng.normal(0.0, 0.8, n_rows)[:, None]
    flags = rng.random((n_rows, N_FLAGS)) < 1.0 / (1.0 + np.exp(-(np.log(prevalence / (1 - prevalence)) + state)))
    X = np.column_stack([flags, rng.integers(0, 5, n_rows)]).astype(np.uint8)
    risk = X @ rng.normal(0.2, 0.2, N_FLAGS + 1)
    log_odds = np.log(EVENT_RATE / (1 - EVENT_RATE)) + risk - risk.mean() + rng.normal(0.0, TAU, n_facilities)[facility]
    return (rng.random(n_rows) < 1.0 / (1.0 + np.exp(-log_odds))).astype(np.uint8), X, facility


def processor_seconds() -> float:
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def measure(size: str, sampler: str) -> dict[str, Any]:
    y, X, facility = simulate(*SIZES[size])
    # compiles the kernels and imports the libraries
    fit_bayes(y[:2000], X[:2000, :2], facility[:2000] % 20, sampling=Sampling(draws=8, tune=5))
    elapsed, used = time.perf_counter(), processor_seconds()
    fit = fit_bayes(y, X, facility, sampling=Sampling(sampler=sampler, seed=1, cores=2))
    elapsed, used = time.perf_counter() - elapsed, processor_seconds() - used
    checks = fit.convergence
    return {
        "size": size,
        "sampler": sampler,
        "elapsed_seconds": round(elapsed, 1),
        "processor_seconds": round(used, 1),
        "events": int(fit.n_events),
        "gradients_per_draw": round(float(fit.posterior.steps.mean()), 1),
        "gradient_milliseconds": round(_gradient_milliseconds(fit), 3),
        "max_r_hat": round(checks.max_r_hat, 4),
        "min_effective_draws": round(checks.min_ess),
        "effective_draws_of_tau": round(float(checks.ess_bulk["tau"][0])),
        "n_divergent": checks.n_divergent,
        "min_e_bfmi": round(float(checks.e_bfmi.min()), 2),
        "converged": fit.converged,
    }


def _gradient_milliseconds(fit: Any, repeats: int = 50) -> float:
    density = LogDensity(fit.data.cells, fit.priors)
    point = np.zeros(density.n_coordinates)
    density(point)
    start = time.process_time()
    for _ in range(repeats):
        density(point)
    return (time.process_time() - start) / repeats * 1000.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    wanted = parser.parse_args()
    small, large = SIZES
    plan = [(small, "nutpie"), (small, "pymc"), (large, "nutpie")] if wanted.all else [(small, "nutpie")]
    found = [measure(*one) for one in plan]
    versions = {name: version(name) for name in ("nutpie", "pymc", "pytensor", "arviz", "numpy", "numba")}
    results = {"machine": platform.machine(), "python": platform.python_version(), "versions": versions, "runs": found}
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
