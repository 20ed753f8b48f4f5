"""Time and memory of one command with all its processes, and the size of what it wrote; Linux only.

    python bench/claims/command.py --out FOLDER --json FILE -- riskstd synth --scale 5000000 --workers 2 --out FOLDER

Memory is the proportional share (PSS) of every process of the command's session, added up twice a second: pages that
processes share count once. What falls between two looks is not seen.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SECONDS_BETWEEN_LOOKS = 0.5


def main() -> None:
    """Run the command and print what it took as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder whose size is told")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    found = run(asked.command)
    if asked.out:
        found["written_gb"] = sum(path.stat().st_size for path in asked.out.rglob("*") if path.is_file()) / 1e9
    text = json.dumps(found, indent=1)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n", "utf-8")
    sys.exit(found["exit"])


def run(command: list[str]) -> dict[str, Any]:
    """Run a command in a session of its own: seconds, seconds of processor, peak of memory in GB."""
    start, peak_kb, most = time.perf_counter(), 0, 0
    process = subprocess.Popen(command, start_new_session=True)
    while True:
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        shares = [share_kb(pid) for pid in members(process.pid)]
        peak_kb, most = max(peak_kb, sum(shares)), max(most, len(shares))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return {
        "command": [Path(command[0]).name, *command[1:]],
        "exit": os.waitstatus_to_exitcode(status),
        "seconds": time.perf_counter() - start,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "peak_gb": peak_kb * 1024 / 1e9,
        "processes": most,
    }


def members(session: int) -> list[int]:
    """Return the processes of a session."""
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == session:
                pids.append(int(entry.name))
        except OSError:  # it ended while we looked
            continue
    return pids


def share_kb(pid: int) -> int:
    """Return the proportional set size of a process in kB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
