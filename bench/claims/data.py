"""Make the data of the claims benchmarks: synthetic nations, as delivered and as claims tables; what is there is kept.

    python bench/claims/data.py --people 50000 500000

Prints the `--tables` of `run.py`, a line for each size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import riskstd
from riskstd.claims.cache import open_or_read_claims
from riskstd.synth.files import FileFormat

DATA = Path(__file__).parents[1] / ".data"
SEED = 1


def main() -> None:
    """Make the data and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--csv", type=int, help="also deliver so many people as delimited files, for read.py")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", default="4GB", help="limit while claims tables are written")
    asked = parser.parse_args()
    if asked.csv:
        deliver(asked.csv, "csv", asked.workers)
    for people in asked.people:
        delivery = deliver(people, "parquet", asked.workers)
        tables = DATA / f"tables-{people}"
        open_or_read_claims(delivery / "claims", cache=tables, memory=asked.memory, overwrite=True)
        print(f"--tables {people}={tables}")


def deliver(people: int, file_format: FileFormat, workers: int) -> Path:
    """Write a synthetic nation unless it is there."""
    folder = DATA / f"nation-{people}-{file_format}"
    if not (folder / "claims").is_dir():
        riskstd.synthesize(folder, people=people, seed=SEED, workers=workers, file_format=file_format)
    return folder


if __name__ == "__main__":
    main()
