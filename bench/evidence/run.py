"""Evidence: bias, coverage, flags and power on simulated years of the four measures, where the truth is known.

    python bench/evidence/run.py                    # about an hour on two cores
    python bench/evidence/run.py --quick            # a minute, to try it

Data sets are kept beside this script as they are done (build/), so that a run that was stopped goes on. Writes
results.json; `page.py` makes docs/evidence.md of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from judge import judge
from summary import summarize
from world import MEASURES, build_world

import riskstd

HERE = Path(__file__).parent
BUILD = HERE / "build"
DATA_SETS, REPLICATES = 100, 1_000


def main() -> None:
    """Simulate, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-sets", type=int, default=DATA_SETS)
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    parser.add_argument("--measures", nargs="*", default=list(MEASURES))
    parser.add_argument("--share", type=float, default=1.0, help="of the facilities")
    parser.add_argument("--quick", action="store_true", help="few data sets of a tenth of the facilities")
    parser.add_argument("--json", type=Path, default=HERE / "results.json")
    asked = parser.parse_args()
    if asked.quick:
        asked.data_sets, asked.replicates, asked.share = 4, 100, 0.1
        asked.json = BUILD / "quick.json"
    found: dict[str, Any] = {"data_sets": asked.data_sets, "replicates": asked.replicates, "measures": {}}
    BUILD.mkdir(exist_ok=True)
    for measure in asked.measures:
        found["measures"][measure] = one_measure(measure, asked)
        asked.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def one_measure(measure: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Judge all data sets of a measure; those that were judged before are taken from their file."""
    start = time.perf_counter()
    world = build_world(measure, asked.share)
    about = {
        "riskstd": riskstd.__version__,
        "facilities": len(world.cases),
        "scored": int(world.is_scored.sum()),
        "cases": int(world.n.sum()),
        "factors": world.X.shape[1],
        "truth": [world.mu, *world.beta.tolist(), world.tau],
        "volumes": [[int(c.min()), int(c.max())] for k in range(4) if len(c := world.cases[world.volume_class == k])],
        "replicates": asked.replicates,
    }
    kept = BUILD / f"{measure.lower()}-{len(world.cases)}.jsonl"
    judged = _read(kept, about)
    with kept.open("a", encoding="utf-8") as lines:
        for number in range(len(judged), asked.data_sets):
            judged.append(judge(world, world.draw(number), number, asked.replicates))
            lines.write(json.dumps(judged[-1]) + "\n")
            lines.flush()
            print(f"[{time.perf_counter() - start:6.0f} s] {measure} data set {number + 1}", file=sys.stderr)
    return summarize(about, judged[: asked.data_sets])


def _read(kept: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Data sets in a file whose first line says the same; else a new file."""
    lines = kept.read_text("utf-8").splitlines() if kept.exists() else []
    if not lines or json.loads(lines[0]) != about:
        kept.write_text(json.dumps(about) + "\n", "utf-8")
        return []
    whole = []
    for line in lines[1:]:
        try:
            whole.append(json.loads(line))
        except json.JSONDecodeError:
            break  # cut off while it was written
    kept.write_text("\n".join([lines[0], *map(json.dumps, whole)]) + "\n", "utf-8")
    return whole


if __name__ == "__main__":
    main()
