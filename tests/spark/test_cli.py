"""The command line on Spark: the same files as on DuckDB, nothing on standard error, nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("connection")]


def run(folder, tables, engine):
    scratch, place = folder / f"scratch-{engine}", folder / f"place-{engine}"
    scratch.mkdir()
    place.mkdir()
    words = ["run", "ASC-18", "--claims", tables, "--out", folder / engine, "--interval", "none", "--memory", "1GB"]
    command = [sys.executable, "-m", "riskstd.cli", *map(str, words), "--engine", engine]
    env = {**os.environ, "TMPDIR": str(scratch)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=env, cwd=place)
    left = [path.name for path in (*scratch.iterdir(), *place.iterdir()) if "matplotlib" not in path.name]
    return done, left


def test_same_files_silence_and_no_leftovers(claims, tmp_path):
    found = {}
    for engine in ("duckdb", "spark"):
        done, left = run(tmp_path, claims.folder, engine)
        assert (done.returncode, done.stderr, left) == (0, "", [])
        folder = tmp_path / engine
        found[engine] = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    assert set(found["duckdb"]) == set(found["spark"])
    manifest = "asc-18/manifest.json"
    assert json.loads(found["spark"].pop(manifest).read_text())["engine"].startswith("spark 4")
    assert json.loads(found["duckdb"].pop(manifest).read_text())["engine"].startswith("duckdb ")
    assert len(found["spark"]) > 8
    assert [
        name for name, path in found["spark"].items() if path.read_bytes() != found["duckdb"][name].read_bytes()
    ] == []
