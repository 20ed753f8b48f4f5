"""The same model by different programs, on published data sets and on simulated years.

    python bench/implementations/run.py

Writes results.json; `page.py` makes docs/implementations.md of it. Programs that are not installed are left out and
named (`make bench-peers`). About ten minutes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from sets import Rows, log_likelihood, processes, published, simulated

import riskstd

HERE = Path(__file__).parent

SETS: dict[str, Callable[[], Rows]] = {
    **{
        name: partial(published, name)
        for name in ("cbpp", "surgical", "contraception", "bacteria", "toenail", "boundary")
    },
    **{f"simulated {size}": partial(simulated, size) for size in ("small", "asc18")},
}
LIMIT_SECONDS = 1800.0
MAX_NODES_ROWS = 5_000
"""Rows above which lme4 with 25 nodes is left out: it takes hours."""


@dataclass(frozen=True)
class Program:
    """A program, what it approximates the likelihood by, how it is asked, and what it is compared with."""

    name: str
    family: str
    ask: Callable[[Rows], dict[str, Any]]
    nodes: int = 1
    beside: str = ""
    """The fit by riskstd that it is compared with; itself if empty."""


def ask_riskstd(rows: Rows, **options: Any) -> dict[str, Any]:
    """Fit by riskstd."""
    fit = riskstd.fit_hierarchical(rows.y, rows.X, rows.facility, trials=rows.n, **options)
    return {
        "mu": fit.mu,
        "beta": fit.beta.tolist(),
        "tau": fit.tau,
        "effects": fit.effects.tolist(),
        "se": [fit.mu_se, *fit.beta_se.tolist()],
        "warnings": list(fit.warnings),
        "version": f"riskstd {riskstd.__version__}",
    }


def ask_r(rows: Rows, program: str, nodes: int = 1) -> dict[str, Any]:
    """Fit by a package of R."""
    if shutil.which("Rscript") is None:
        return {"status": "not installed"}
    with tempfile.TemporaryDirectory() as scratch:
        for name, values in (("X", rows.X), ("y", rows.y), ("n", rows.n)):
            (Path(scratch) / f"{name}.bin").write_bytes(values.astype(np.float64).tobytes(order="F"))
        (Path(scratch) / "facility.bin").write_bytes(rows.facility.tobytes())
        size = [str(len(rows.y)), str(rows.X.shape[1])]
        out = Path(scratch) / "out.json"
        script = [str(HERE / "fit_r.R"), scratch, *size, program, str(nodes), str(out)]
        return processes.run(["Rscript", "--vanilla", *script], out, threads=2, limit=LIMIT_SECONDS)


def ask_gpboost(rows: Rows, *, converged: bool) -> dict[str, Any]:
    """Fit by GPBoost, which takes cases one by one."""
    if not processes.PEERS.exists():
        return {"status": "not installed"}
    cases = rows.one_by_one()
    with tempfile.TemporaryDirectory() as scratch:
        at, out = Path(scratch) / "rows.npz", Path(scratch) / "out.json"
        np.savez(at, y=cases.y, X=cases.X, facility=cases.facility)
        job = json.dumps({"rows": str(at), "out": str(out), "converged": converged})
        return processes.run(
            [str(processes.PEERS), str(HERE / "fit_gpboost.py"), job], out, threads=2, limit=LIMIT_SECONDS
        )


LAPLACE, AGQ_7, AGQ_25, MSPL = "riskstd laplace", "riskstd agq, 7 nodes", "riskstd agq, 25 nodes", "riskstd pql, MSPL"
PROGRAMS = (
    Program(LAPLACE, "laplace", partial(ask_riskstd, method="laplace")),
    Program("lme4, nAGQ = 1", "laplace", partial(ask_r, program="lme4"), beside=LAPLACE),
    Program("glmmTMB", "laplace", partial(ask_r, program="glmmTMB"), beside=LAPLACE),
    Program("GPBoost, defaults", "laplace", partial(ask_gpboost, converged=False), beside=LAPLACE),
    Program("GPBoost, tight tolerance", "laplace", partial(ask_gpboost, converged=True), beside=LAPLACE),
    Program(AGQ_7, "quadrature", partial(ask_riskstd, method="agq", n_nodes=7), 7),
    Program("lme4, nAGQ = 7", "quadrature", partial(ask_r, program="lme4", nodes=7), 7, AGQ_7),
    Program(AGQ_25, "quadrature", partial(ask_riskstd, method="agq", n_nodes=25), 25),
    Program("lme4, nAGQ = 25", "quadrature", partial(ask_r, program="lme4", nodes=25), 25, AGQ_25),
    Program("riskstd pql, RSPL", "pql", partial(ask_riskstd, method="pql")),
    Program(MSPL, "pql", partial(ask_riskstd, method="pql", pql_form="ml")),
    Program("MASS glmmPQL", "pql", partial(ask_r, program="glmmPQL"), beside=MSPL),
)
REFERENCE = AGQ_25


def main() -> None:
    """Fit everything by everything, and write JSON."""
    found = {name: one_set(rows()) for name, rows in SETS.items()}
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def one_set(rows: Rows) -> dict[str, Any]:
    """All programs on one data set, judged."""
    about = {
        "rows": len(rows.y),
        "facilities": int(rows.facility.max()) + 1,
        "events": float(rows.y.sum()),
        "cases": float(rows.n.sum()),
        "factors": rows.X.shape[1],
    }
    fits: dict[str, dict[str, Any]] = {}
    for program in PROGRAMS:
        if program.nodes == 25 and "lme4" in program.name and len(rows.y) > MAX_NODES_ROWS:
            continue
        print(program.name, about["rows"], flush=True)
        fits[program.name] = program.ask(rows)
    truth = _ratio(fits[REFERENCE], rows)
    cases = rows.one_by_one()
    return {**about, "fits": {p.name: _judge(p, fits, rows, cases, truth) for p in PROGRAMS if p.name in fits}}


def _judge(program: Program, fits: dict[str, Any], rows: Rows, cases: Rows, truth: Any) -> dict[str, Any]:
    fit = fits[program.name]
    if "mu" not in fit:
        return {"status": fit["status"]}
    given = {"mu": fit["mu"], "beta": np.array(fit["beta"]), "tau": fit["tau"]}
    ratio = _ratio(fit, rows)
    beside = fits[program.beside or program.name]
    apart = np.abs(np.array([fit["mu"], *fit["beta"]]) - [beside["mu"], *beside["beta"]]) / beside["se"]
    return {
        "family": program.family,
        "nodes": program.nodes,
        "tau": fit["tau"],
        "log_likelihood": log_likelihood(cases.y, cases.X, cases.facility, **given, nodes=program.nodes),
        "coefficients_apart_se": float(apart.max()),
        "ratio_apart": float(np.abs(ratio - _ratio(beside, rows)).max()),
        "ratio_from_reference": float(np.abs(ratio - truth).max()),
        "ratio_from_reference_median": float(np.median(np.abs(ratio - truth))),
        "warnings": fit["warnings"],
        "version": fit["version"],
    }


def _ratio(fit: dict[str, Any], rows: Rows) -> np.ndarray:
    """Predicted over expected of every facility, from its estimates alone."""
    log_odds = fit["mu"] + rows.X @ np.array(fit["beta"]).reshape(-1)
    predicted = np.bincount(rows.facility, rows.n * expit(log_odds + np.array(fit["effects"])[rows.facility]))
    return predicted / np.bincount(rows.facility, rows.n * expit(log_odds))


if __name__ == "__main__":
    main()
