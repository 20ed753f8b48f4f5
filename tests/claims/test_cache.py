"""Claims tables kept beside results are opened again only while they are of the same files, and whole."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
import tempfile
import time

import deliveries
import pytest

from riskstd.claims import read_claims
from riskstd.claims.cache import open_or_read_claims
from riskstd.errors import ClaimsError
from riskstd.tables import CLAIMS_TABLES

KILLED = """
import os, signal, sys
from riskstd.claims import read_claims
read_claims(sys.argv[1], out=sys.argv[2] or None, progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.fixture
def folder(tmp_path):
    return deliveries.write(tmp_path / "in", deliveries.ccw_rows())


def tables_of(cache):
    return {table.name: (cache / f"{table.name}.parquet").read_bytes() for table in CLAIMS_TABLES}


def test_tables_are_written_once_and_again_when_a_file_changed(tmp_path, folder):
    cache = tmp_path / "runs" / "claims"
    steps = []
    open_or_read_claims(folder, cache=cache, progress=lambda *step: steps.append(step))
    assert steps
    assert (steps[-1][0], steps[-1][1]) == (1000, 1000)
    assert [step[0] for step in steps] == sorted(step[0] for step in steps)
    steps.clear()
    open_or_read_claims(folder, cache=cache, progress=lambda *step: steps.append(step))
    assert steps == []
    rows = deliveries.ccw_rows()
    rows["carrier_line"][0]["HCPCS_CD"] = "45380"
    deliveries.write(folder, rows)
    with pytest.raises(ClaimsError, match="claims tables of other files"):
        open_or_read_claims(folder, cache=cache)
    claims = open_or_read_claims(folder, cache=cache, overwrite=True)
    assert claims.professional_lines.hcpcs.to_pyarrow().to_pylist() == ["45380"]


def test_another_way_of_reading_is_not_the_same_tables(tmp_path, folder):
    open_or_read_claims(folder, cache=tmp_path / "claims")
    with pytest.raises(ClaimsError, match="read in another way"):
        open_or_read_claims(folder, cache=tmp_path / "claims", bad_rows="set_aside")


def test_tables_without_one_of_them_are_not_whole(tmp_path, folder):
    cache = tmp_path / "claims"
    open_or_read_claims(folder, cache=cache)
    (cache / "diagnoses.parquet").unlink()
    open_or_read_claims(folder, cache=cache, overwrite=True)
    assert (cache / "diagnoses.parquet").is_file()


def test_a_folder_of_something_else_is_left_alone(tmp_path, folder):
    cache = tmp_path / "claims"
    cache.mkdir()
    (cache / "mine.txt").write_text("keep")
    with pytest.raises(ClaimsError, match="something else than claims tables"):
        open_or_read_claims(folder, cache=cache, overwrite=True)
    with pytest.raises(ClaimsError, match="the claim files lie in"):
        open_or_read_claims(folder, cache=tmp_path, overwrite=True)
    assert [path.name for path in cache.iterdir()] == ["mine.txt"]


def test_two_processes_at_once_write_the_tables_once(tmp_path, folder):
    cache = tmp_path / "claims"
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=open_or_read_claims, args=(folder,), kwargs={"cache": cache}) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".claims.lock", "claims", "in"]


@pytest.mark.parametrize("out", [None, "tables/claims"])
def test_claims_that_a_killed_reader_left_go_with_the_next(tmp_path, folder, out, monkeypatch):
    scratch = tmp_path / "tables"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    target = out and tmp_path / out
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(target or "")], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    (left,) = scratch.iterdir()
    claims = read_claims(folder, out=target)
    assert not left.exists()
    assert claims.people.count().to_pyarrow().as_py() == 1


@pytest.mark.slow
def test_killed_at_random_moments_it_starts_over_to_the_same_bytes(tmp_path, folder):
    whole = tmp_path / "whole" / "claims"
    start = time.perf_counter()
    _reader(folder, whole).wait(120)
    seconds = time.perf_counter() - start
    cache = tmp_path / "killed" / "claims"
    draw = random.Random(1)
    for _ in range(8):
        process = _reader(folder, cache)
        time.sleep(draw.uniform(0.3, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        assert not cache.exists() or tables_of(cache) == tables_of(whole)
    assert _reader(folder, cache).wait(120) == 0
    assert tables_of(cache) == tables_of(whole)
    assert sorted(path.name for path in cache.parent.iterdir()) == [".claims.lock", "claims"]


def _reader(folder, cache):
    code = (
        "import sys; from riskstd.claims.cache import open_or_read_claims; "
        "open_or_read_claims(sys.argv[1], cache=sys.argv[2])"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(folder), str(cache)])
