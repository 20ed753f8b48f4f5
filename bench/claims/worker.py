"""One engine on one folder of claims tables, in a process of its own: seconds by step, peak memory, rows as Parquet."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import lookups

STAGES = ("cohort", "excluded", "visits", "outcomes", "risk_factors")


def main() -> None:
    """Run what the command line asks for and print it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=["scan", "riskstd", "pandas", "polars"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--measures", nargs="+", default=list(lookups.MEASURES))
    parser.add_argument("--memory")
    parser.add_argument("--limit-gb", type=float, help="end instead of taking more address space")
    parser.add_argument("--rows", type=Path, help="write the stage tables here")
    asked = parser.parse_args()
    if asked.limit_gb:
        limit = int(asked.limit_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    start = time.perf_counter()
    found = ENGINES[asked.engine](asked)
    found["seconds"] = time.perf_counter() - start if "seconds" not in found else found["seconds"]
    used = resource.getrusage(resource.RUSAGE_SELF)
    found["cpu_seconds"] = used.ru_utime + used.ru_stime
    found["peak_gb"] = used.ru_maxrss * 1024 / 1e9
    json.dump(found, sys.stdout)


def scan(asked: argparse.Namespace) -> dict:
    """Read every needed column of every table once: an aggregate that no statistics of the files can answer."""
    import duckdb

    con = duckdb.connect(config={"disabled_optimizers": "statistics_propagation"})
    steps = {}
    for name, columns in lookups.COLUMNS.items():
        start = time.perf_counter()
        aggregates = ", ".join(f"max({column})" for column in columns)
        con.execute(f"SELECT {aggregates} FROM '{asked.folder / name}.parquet'").fetchall()
        steps[name] = time.perf_counter() - start
    return {"steps": steps, "seconds": sum(steps.values())}


def riskstd(asked: argparse.Namespace) -> dict:
    """Run the three stages as `riskstd run` does: one cut for all measures, then each measure."""
    from riskstd.cohort import build_cohort
    from riskstd.cohort.cut import cut_claims
    from riskstd.outcome import find_hospital_visits
    from riskstd.pipeline.engine import claims_for_run
    from riskstd.riskfactors import build_risk_factors

    measures = lookups.measures(tuple(asked.measures))
    start = time.perf_counter()
    steps: dict[str, float] = {"open": 0.0}
    doing, since = "open", start

    def tell(what: str) -> None:
        nonlocal doing, since
        now = time.perf_counter()
        steps[doing] = steps.get(doing, 0.0) + now - since
        doing, since = what, now

    claims = claims_for_run(asked.folder, layout="auto", memory=asked.memory)
    claims = cut_claims(claims, measures, progress=lambda _done, _total, what: tell(f"cut {what.split(': ')[1]}"))
    results, counts = {}, {}
    for measure in measures:
        tell("cohort")
        cohort = build_cohort(claims, measure)
        tell("outcome")
        visits = find_hospital_visits(claims, cohort, measure)
        tell("risk factors")
        risk = build_risk_factors(claims, cohort, measure)
        tell("frames")
        tables = (cohort.procedures, cohort.excluded, visits.visits, visits.outcomes, risk.table)
        counts[measure.id] = len(tables[0])
        if asked.rows is not None:
            # Kept for the comparison alone: a run lets go of a measure before it begins the next.
            results[measure.id] = dict(zip(STAGES, tables, strict=True))
        del cohort, visits, risk, tables
    tell("end")
    seconds = time.perf_counter() - start
    write(asked, results)
    return {"seconds": seconds, "steps": steps, "procedures": counts}


def peer(asked: argparse.Namespace) -> dict:
    """Run the same logic in pandas or polars."""
    import importlib

    module = importlib.import_module(f"in_{asked.engine}")
    start = time.perf_counter()
    results, steps = module.run(asked.folder, lookups.measures(tuple(asked.measures)))
    seconds = time.perf_counter() - start
    write(asked, results)
    return {"seconds": seconds, "steps": steps, "procedures": {name: len(t["cohort"]) for name, t in results.items()}}


def write(asked: argparse.Namespace, results: dict) -> None:
    """Write the stage tables, for the comparison of rows."""
    if asked.rows is None:
        return
    import polars as pl

    asked.rows.mkdir(parents=True, exist_ok=True)
    for measure, tables in results.items():
        for name, table in tables.items():
            frame = table if isinstance(table, pl.DataFrame) else pl.from_pandas(table)
            frame.write_parquet(asked.rows / f"{measure}-{name}.parquet")


ENGINES = {"scan": scan, "riskstd": riskstd, "pandas": peer, "polars": peer}

if __name__ == "__main__":
    main()
