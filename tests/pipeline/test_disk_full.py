"""A disk that gets full at any step of a run is said, with the place; nothing half-written stays, and a run goes on."""

from __future__ import annotations

import gc
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager

import pytest

import riskstd
from riskstd.claims import Claims
from riskstd.engines import open_engine
from riskstd.errors import InputError
from riskstd.pipeline.engine import memory_errors
from riskstd.pipeline.saved import open_run
from riskstd.synth import synthesize

FAST = {"interval": "none"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    synthesize(folder, measures=["ASC-18"], facilities=4, procedures=600, seed=3, edge_cases=False)
    return folder / "claims"


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@contextmanager
def largest_file(size: int):
    """The system refuses to let any file grow beyond a size, as it refuses to let it grow on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run(files, out, *, full_from="", size=0, **settings):
    """Run a measure on a disk that is full from a step on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def tell(_done, _total, what):
        if full_from and what.startswith(full_from):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    try:
        return riskstd.run_measures(["ASC-18"], claims=files, out=out, progress=tell, **FAST, **settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(files, out, scratch, step, size):
    """Run on a disk that is full from a step on; check what is said and what is left."""
    writing, place = "claims tables", out
    if not step.startswith(("claims tables", "joining")):
        writing, place = ("results", out) if "writing" in step else ("what the claims steps keep", scratch)
    with pytest.raises(InputError) as error:
        run(files, out, full_from=step, size=size, resume=True)
    said = str(error.value)
    assert said.startswith(f"there is no room left to write {writing} in {place}: the disk is full"), step
    assert "what to do: free space" in said
    del error
    gc.collect()
    assert {path.name for path in out.iterdir()} == {".claims.lock"} | (
        {"claims"} if "tables" not in writing else set()
    )
    assert list(scratch.iterdir()) == []


def test_a_full_disk_is_said_step_by_step(files, tmp_path, scratch):
    for step, size in (("claims tables", 20_000), ("claims of candidates", 20_000), ("ASC-18: writing", 4_000)):
        fill(files, tmp_path / "runs", scratch, step, size)


@pytest.mark.slow
def test_after_a_full_disk_the_run_goes_on(files, tmp_path, scratch):
    out = tmp_path / "runs"
    for step, size in (("claims tables", 3_000), ("joining stays", 3_000), ("ASC-18: writing", 300_000)):
        fill(files, out, scratch, step, size)
    assert len(run(files, out, resume=True)) == 1
    assert Claims.from_folder(out / "claims").counts["kept"]["people"] > 0
    before = (out / "asc-18" / "manifest.json").read_bytes()
    with pytest.raises(InputError, match="no room left to write results"):
        run(files, out, full_from="ASC-18: writing", size=50_000, overwrite=True)
    assert (out / "asc-18" / "manifest.json").read_bytes() == before
    assert open_run(out / "asc-18").manifest["status"] == "rates"
    assert {path.name for path in out.iterdir()} == {".claims.lock", "claims", "asc-18"}


def test_a_full_disk_while_the_engine_spills(scratch):
    engine = open_engine(memory="60MB", cores=1)
    much = "CREATE TEMP TABLE much AS SELECT hash(i) AS h, i FROM range(6_000_000) t(i) ORDER BY h"
    said = pytest.raises(InputError, match=f"no room left to write .* in {scratch}")
    with said, largest_file(1 << 20), memory_errors("60MB"):
        engine.connection.raw_sql(much)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a disk of its own")
@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [1, 2, 3, 4, 5])
def test_a_real_disk_that_is_too_small(files, tmp_path, megabytes):
    disk = tmp_path / "disk"
    disk.mkdir()
    words = f"run ASC-18 --claims {files} --out {disk}/runs --interval none"
    script = (
        f"mount -t tmpfs -o size={megabytes}M tmpfs {disk} || exit 77; {sys.executable} -m riskstd.cli {words}; "
        f"code=$?; find {disk}/runs -mindepth 1 -maxdepth 1; exit $code"
    )
    ran = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=240, check=False
    )
    if ran.returncode in (1, 77) and "riskstd" not in ran.stderr and "error" not in ran.stderr:
        pytest.skip("disks cannot be mounted here")
    left = set(ran.stdout.split()) - set(words.split())
    if ran.returncode == 2:
        assert "no room left to write" in ran.stderr, ran.stderr
        assert not any("asc-18" in name for name in left)
    else:
        assert ran.returncode == 0, ran.stderr
        assert f"{disk}/runs/asc-18" in left
    assert [name for name in left if "/." in name] in ([f"{disk}/runs/.claims.lock"], [])
