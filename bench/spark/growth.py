"""Time of the claims steps on Spark on this machine, beside DuckDB, for folders of claims tables of growing size.

    python bench/spark/growth.py TABLES [TABLES ...] [--memory 8GB] [--cores 2] [--measures ASC-12,ASC-17]

One line per folder and engine, each in a process of its own; then the exponent of growth from each size to the next,
and the two numbers that the formula of docs/spark.md takes, in seconds of processor, which other work on the machine
moves little.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path

MEASURES = "ASC-12,ASC-17,ASC-18,ASC-19"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--measures", default=MEASURES)
    parser.add_argument("--one", choices=["duckdb", "spark"], help=argparse.SUPPRESS)
    known = parser.parse_args()
    if known.one:
        print(json.dumps(one(known.folders[0], known)))
        return
    found = {engine: [run_alone(engine, folder) for folder in known.folders] for engine in ("duckdb", "spark")}
    for before, after in zip(found["spark"], found["spark"][1:], strict=False):
        wider = math.log(after["people"] / before["people"])
        print(f"exponent to {after['people']:,} people: {math.log(after['steps'] / before['steps']) / wider:.2f}")
    if len(known.folders) > 1:
        less, more = found["spark"][0], found["spark"][-1]
        growth = (more["people"] - less["people"]) / (more["processor"] - less["processor"])
        print(f"people per second of one core, all measures: {growth:,.0f}")
        print(f"seconds of one core whatever the size: {less['processor'] - less['people'] / growth:,.0f}")


def run_alone(engine: str, folder: Path) -> dict:
    options = [word for word in sys.argv[1:] if not Path(word).is_dir()]
    words = [sys.executable, __file__, str(folder), "--one", engine, *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Java ends before Python does, so that its time is among that of the children.
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row = {**json.loads(done.stdout.splitlines()[-1]), "processor": round(spent, 1)}
    print(json.dumps(row), flush=True)
    return row


def one(folder: Path, known: argparse.Namespace) -> dict:
    """Run the claims steps of all measures on one engine; seconds of the start, and of the steps."""
    from riskstd.claims import Claims
    from riskstd.cohort import build_cohort
    from riskstd.cohort.cut import cut_claims
    from riskstd.engines import open_engine
    from riskstd.outcome import find_hospital_visits
    from riskstd.riskfactors import build_risk_factors
    from riskstd.spec import load_measure

    measures = [load_measure(name) for name in known.measures.split(",")]
    begin = time.perf_counter()
    engine = open_engine(known.one, memory=known.memory, cores=known.cores)
    claims = Claims.from_folder(folder, engine.connection)
    start = time.perf_counter()
    cut = cut_claims(claims, measures)
    rows = 0
    for measure in measures:
        cohort = build_cohort(cut, measure)
        visits = find_hospital_visits(cut, cohort, measure)
        risk = build_risk_factors(cut, cohort, measure)
        rows += len(cohort.procedures) + len(visits.visits) + len(visits.outcomes) + len(risk.table)
    end = time.perf_counter()
    people = int(claims.people.count().to_pyarrow().as_py())
    size = sum(path.stat().st_size for path in folder.glob("*.parquet")) / 1e9
    return {
        "engine": str(engine),
        "people": people,
        "gigabytes": round(size, 3),
        "rows": rows,
        "start": round(start - begin, 1),
        "cut": cut.seconds,
        "steps": round(end - start, 1),
    }


if __name__ == "__main__":
    main()
