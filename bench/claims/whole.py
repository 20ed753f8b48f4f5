"""Time and memory of a national year from nothing: making it, and `riskstd run` of all four measures on its files.

    python bench/claims/whole.py --people 5000000 --memory 1GB

Makes `bench/.data/nation-PEOPLE-parquet` anew unless --keep is given, runs the measures from its raw files, and writes
`generate.json` and `whole.json` beside this script; with --tables on claims tables, which writes
`whole_tables.json`. Linux only; 40 GB of disk for five million people.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from command import run
from data import DATA, SEED

HERE = Path(__file__).parent
MEASURES = ("ASC-12", "ASC-17", "ASC-18", "ASC-19")
RISKSTD = str(Path(sys.executable).parent / "riskstd")


def main() -> None:
    """Measure, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=5_000_000)
    parser.add_argument("--memory", default="1GB", help="limit of the engine in the run")
    parser.add_argument("--workers", type=int, default=2, help="processes that make the data")
    parser.add_argument("--keep", action="store_true", help="take the data that are there")
    parser.add_argument("--tables", action="store_true", help="run on the claims tables of data.py, which are there")
    asked = parser.parse_args()
    if asked.tables:
        run_on(DATA / f"tables-{asked.people}", "whole_tables.json", asked)
        return
    delivery = DATA / f"nation-{asked.people}-parquet"
    if not asked.keep:
        generate(delivery, asked)
    if not (delivery / "claims").is_dir():
        raise SystemExit(f"there are no claims at {delivery}\n  what to do: leave out --keep")
    run_on(delivery / "claims", "whole.json", asked)


def run_on(claims: Path, name: str, asked: argparse.Namespace) -> None:
    """Run all measures and write what that took."""
    out = DATA / f"runs-{asked.people}"
    shutil.rmtree(out, ignore_errors=True)
    command = [RISKSTD, "run", *MEASURES, "--claims", str(claims), "--out", str(out)]
    found = run([*command, "--memory", asked.memory])
    if found["exit"]:
        raise SystemExit("the run failed")
    write(name, {"people": asked.people, "memory": asked.memory, **found, **split(out)})


def generate(delivery: Path, asked: argparse.Namespace) -> None:
    """Make the nation and write what that took."""
    shutil.rmtree(delivery, ignore_errors=True)
    command = [RISKSTD, "synth", "--out", str(delivery), "--scale", str(asked.people), "--seed", str(SEED)]
    found = run([*command, "--workers", str(asked.workers)])
    if found["exit"]:
        raise SystemExit("making the data failed")
    claims_gb = sum(path.stat().st_size for path in (delivery / "claims").iterdir()) / 1e9
    write("generate.json", {"people": asked.people, "workers": asked.workers, "claims_gb": claims_gb, **found})


def split(out: Path) -> dict[str, Any]:
    """Seconds of every step of every measure, as the runs state them, and what the runs are."""
    manifests = {name: json.loads((out / name.lower() / "manifest.json").read_text("utf-8")) for name in MEASURES}
    return {
        "settings": manifests[MEASURES[0]]["settings"],
        "counts": {name: manifest["counts"] for name, manifest in manifests.items()},
        "steps": {name: manifest["timings_seconds"] for name, manifest in manifests.items()},
    }


def write(name: str, found: dict[str, Any]) -> None:
    (HERE / name).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
