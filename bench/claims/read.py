"""Time to read delimited claims into claims tables, against DuckDB's bare scan and write of the same columns.

Run as `python bench/claims/read.py FOLDER [--memory 1GB] [--times 3]` on a folder of delimited claim files, such as
`riskstd synth --format csv` writes. Both sides run in processes of their own, one after the other and in turn; the
ratio is the median over the pairs, of elapsed and of processor time. The bare side writes every file by itself as
Parquet, all columns as text, with the compression and the threads of the reader.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import csv, sys
from pathlib import Path
import duckdb
source, out, memory, threads = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
out.mkdir()
con = duckdb.connect()
con.execute(f"SET threads = {threads}")
if memory != "-":
    con.execute(f"SET memory_limit = '{memory}'")
    con.execute(f"SET temp_directory = '{out / 'spill'}'")
for path in sorted(source.glob("*.csv")):
    with path.open() as stream:
        names = next(csv.reader(stream))
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    scan = f"read_csv('{path}', delim=',', header=true, auto_detect=false, columns={{{columns}}})"
    con.execute(f"COPY (SELECT * FROM {scan}) TO '{out / path.stem}.parquet' (FORMAT parquet, COMPRESSION zstd)")
"""
READER = """
import sys
from riskstd.claims import read_claims
read_claims(sys.argv[1], out=sys.argv[2], memory=None if sys.argv[3] == "-" else sys.argv[3])
"""


def measure(code: str, source: Path, memory: str, scratch: Path) -> dict[str, float]:
    """Run code in a process: elapsed and processor seconds, and the peak of its memory in MB."""
    out = Path(tempfile.mkdtemp(dir=scratch))
    start = time.perf_counter()
    threads = str(os.cpu_count() or 1)
    process = subprocess.Popen([sys.executable, "-c", code, str(source), str(out / "out"), memory, threads])
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    shutil.rmtree(out)
    if status:
        raise SystemExit("a side of the benchmark failed")
    return {"elapsed_s": seconds, "processor_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}


def main() -> None:
    """Measure pairs and print them with their ratios as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory", default="-")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    given = parser.parse_args()
    empty = "import duckdb, riskstd.claims"
    start = measure(empty, given.folder, given.memory, given.scratch)
    pairs = []
    for _ in range(given.times):
        bare = measure(BARE, given.folder, given.memory, given.scratch)
        reader = measure(READER, given.folder, given.memory, given.scratch)
        pairs.append({"bare": bare, "reader": reader})
    ratios = {
        name: statistics.median(pair["reader"][name] / pair["bare"][name] for pair in pairs)
        for name in ("elapsed_s", "processor_s")
    }
    size = sum(path.stat().st_size for path in given.folder.glob("*.csv"))
    found = {
        "input_mb": size / 1e6,
        "memory": given.memory,
        "start_of_python": start,
        "pairs": pairs,
        "ratios": ratios,
    }
    text = json.dumps(found, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
