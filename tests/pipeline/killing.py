"""`riskstd run` as a process that is killed at a step of its own, and what must be true of what it leaves."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from riskstd.claims import Claims
from riskstd.pipeline.saved import find_runs, open_run
from riskstd.tables import CLAIMS_TABLES, count_rows

FINISHED = (0, 3)
"""With rates, and with too few data for the rates of a measure."""
LONGEST_SECONDS = 240


@dataclass(frozen=True)
class Step:
    """A step that a run told of, and the seconds until the next."""

    name: str
    seconds: float


class Command:
    """A command line `riskstd run` over one delivery, its folder of runs, and its own folder for temporary files."""

    def __init__(self, claims: Path, measures: list[str], folder: Path, settings: list[str]) -> None:
        self.out, self.scratch = folder / "runs", folder / "scratch"
        self.scratch.mkdir(parents=True, exist_ok=True)
        words = ["--debug", "run", *measures, "--claims", str(claims), "--out", str(self.out), *settings]
        self._command = [sys.executable, "-m", "riskstd.cli", *words]

    def finish(self, *more: str) -> list[Step]:
        """Run to the end; the steps that it told of."""
        steps: list[Step] = []
        process, told = self._start(more), time.perf_counter()
        for name in self._steps(process):
            now = time.perf_counter()
            steps.append(Step(name, 0.0))
            if len(steps) > 1:
                steps[-2] = Step(steps[-2].name, now - told)
            told = now
        assert process.wait() in FINISHED, process.returncode
        return steps

    def kill(self, at: Step, draw: random.Random) -> bool:
        """Kill all its processes at some moment of a step; tell whether it got there."""
        process = self._start(["--resume"])
        for name in self._steps(process):
            if name == at.name:
                time.sleep(draw.uniform(0, at.seconds))
                os.killpg(process.pid, signal.SIGKILL)
                break
        return process.wait() == -signal.SIGKILL

    def _start(self, more: list[str] | tuple[str, ...]) -> subprocess.Popen[str]:
        environment = os.environ | {"TMPDIR": str(self.scratch)}
        return subprocess.Popen(
            [*self._command, *more],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=environment,
        )

    @staticmethod
    def _steps(process: subprocess.Popen[str]):
        timer = threading.Timer(LONGEST_SECONDS, process.kill)
        timer.start()
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                if " DEBUG " in line and " of " in line:
                    yield line.split(" DEBUG ")[1].rsplit(" (", 1)[0]
        timer.cancel()


class Result:
    """The files of a run that nothing disturbed."""

    def __init__(self, out: Path) -> None:
        self._files = {folder.name: files(folder) for folder in out.iterdir() if folder.is_dir()}

    def check_whole(self, out: Path) -> None:
        """Everything is there, byte for byte."""
        assert {folder.name: files(folder) for folder in out.iterdir() if folder.is_dir()} == self._files
        assert hidden(out) == [".claims.lock"]

    def check_partial(self, out: Path) -> None:
        """What could be taken for whole is whole; no more is left over than of one run that was killed."""
        if not out.exists():
            return
        for folder in out.iterdir():
            if folder.is_dir() and not folder.name.startswith("."):
                assert files(folder) == self._files[folder.name], folder.name
        if (out / "claims").exists():
            claims = Claims.from_folder(out / "claims")
            assert [count_rows(claims.tables[table.name]) for table in CLAIMS_TABLES] == [
                claims.counts["kept"][table.name] for table in CLAIMS_TABLES
            ]
        runs = [folder for folder in out.glob("asc-*") if folder.is_dir()]
        assert [open_run(folder).folder for folder in sorted(runs)] == (find_runs(out) if runs else [])
        assert len(hidden(out)) <= 2, hidden(out)


def files(folder: Path) -> dict[str, bytes]:
    """Files by name; of a manifest what does not tell of the time or the place of the run."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if "manifest.json" in found:
        manifest = json.loads(found["manifest.json"])
        del manifest["timings_seconds"], manifest["claims"]["tables"]
        found["manifest.json"] = json.dumps(manifest).encode()
    return found


def hidden(folder: Path) -> list[str]:
    """Names that begin with a point."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def remove(folder: Path) -> None:
    """Remove a folder that may be there."""
    shutil.rmtree(folder, ignore_errors=True)
