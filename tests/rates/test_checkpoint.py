"""Checkpoints: what an interrupted bootstrap leaves, and what may be continued from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from riskstd.errors import OptionError
from riskstd.model import fit_hierarchical
from riskstd.rates import checkpoint, standardize
from riskstd.rates.bootstrap import CHUNK, Resampler

N = CHUNK + 30
BITS = ("rate", "lower", "upper", "flip_probability", "replicates_to_settle")


@pytest.fixture(scope="module")
def small():
    """A fit that refits fast."""
    rng = np.random.default_rng(4)
    cases = rng.integers(20, 80, 12)
    deaths = rng.binomial(cases, 1 / (1 + np.exp(2 - rng.normal(0, 0.7, 12))))
    return fit_hierarchical(deaths, np.zeros((12, 0)), [f"ASC{j:02d}" for j in range(12)], trials=cases)


@pytest.fixture(scope="module")
def uninterrupted(small):
    return standardize(small, n_bootstrap=N, seed=6)


@pytest.fixture
def numbers_drawn(monkeypatch):
    drawn = []
    tasks = Resampler._tasks

    def noted(self, numbers, *rest):
        drawn.extend(numbers)
        return tasks(self, numbers, *rest)

    monkeypatch.setattr(Resampler, "_tasks", noted)
    return drawn


def assert_same_bits(one, two):
    for name in BITS:
        assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.category.tolist() == two.category.tolist()
    assert one.warnings == two.warnings


def test_interrupted_run_is_continued_with_the_same_bits(small, uninterrupted, numbers_drawn, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        standardize(small, n_bootstrap=N, seed=6, checkpoint=tmp_path / "kept", progress=stop)
    assert numbers_drawn[:CHUNK] == list(range(CHUNK))
    numbers_drawn.clear()
    calls = []
    rates = standardize(
        small, n_bootstrap=N, seed=6, checkpoint=tmp_path / "kept", progress=lambda *call: calls.append(call)
    )
    assert numbers_drawn == list(range(CHUNK, N))
    assert calls == [(CHUNK, N), (N, N)]
    assert_same_bits(rates, uninterrupted)


def counts_by_label(fit):
    cells, by_label = fit.data.cells, fit.data.order.by_label
    return {"events": by_label(cells.events), "cases": by_label(cells.cases)}


@pytest.mark.parametrize("calls_before_death", [1, 2, 3])
def test_killed_process_leaves_a_usable_checkpoint(small, uninterrupted, numbers_drawn, tmp_path, calls_before_death):
    """The process dies while it writes the identity (1), the first chunk (2) and the second (3)."""
    folder, model = tmp_path / "kept", tmp_path / "model.npz"
    # by label, as the fixture
    np.savez(model, **counts_by_label(small))
    script = f"""
import os, signal
import numpy as np
from riskstd.model import fit_hierarchical
from riskstd.rates import checkpoint, standardize
calls, fsync = [], os.fsync
def die(descriptor):
    calls.append(1)
    if len(calls) == {calls_before_death}:
        os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = die
data = np.load({str(model)!r})
labels = [f"ASC{{j:02d}}" for j in range(12)]
fit = fit_hierarchical(data["events"], np.zeros((12, 0)), labels, trials=data["cases"])
standardize(fit, n_bootstrap={N}, seed=6, checkpoint={str(folder)!r})
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert any(path.name.endswith(".part") for path in folder.iterdir())
    rates = standardize(small, n_bootstrap=N, seed=6, checkpoint=folder)
    assert len(numbers_drawn) == {1: N, 2: N, 3: N - CHUNK}[calls_before_death]
    assert_same_bits(rates, uninterrupted)
    assert not any(path.name.endswith(".part") for path in folder.iterdir())


def test_more_and_fewer_replicates_from_the_same_checkpoint(small, uninterrupted, numbers_drawn, tmp_path):
    standardize(small, n_bootstrap=40, seed=6, checkpoint=tmp_path)
    assert_same_bits(standardize(small, n_bootstrap=N, seed=6, checkpoint=tmp_path), uninterrupted)
    assert numbers_drawn == list(range(N))
    fewer = standardize(small, n_bootstrap=40, seed=6, checkpoint=tmp_path)
    assert numbers_drawn == list(range(N))
    assert_same_bits(fewer, standardize(small, n_bootstrap=40, seed=6))


def test_level_scale_and_national_rate_may_change(small, numbers_drawn, tmp_path):
    standardize(small, n_bootstrap=40, seed=6, checkpoint=tmp_path)
    options = {"level": 0.8, "scale": "per_1000", "national_rate": 0.1, "n_bootstrap": 40, "seed": 6}
    again = standardize(small, checkpoint=tmp_path, **options)
    assert len(numbers_drawn) == 40
    assert_same_bits(again, standardize(small, **options))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"seed": 7}, r"different: seed \(6 there, 7 now\)"),
        ({"variance": "posterior"}, r"variance \(prediction there, posterior now\)"),
    ],
)
def test_other_options_are_refused(small, tmp_path, options, named):
    standardize(small, n_bootstrap=20, seed=6, checkpoint=tmp_path)
    with pytest.raises(OptionError, match=named) as refused:
        standardize(small, n_bootstrap=20, checkpoint=tmp_path, **{"seed": 6, **options})
    assert "name another folder, or delete this one" in str(refused.value)


def test_other_data_method_and_version_are_refused_without_showing_data(small, tmp_path, monkeypatch):
    standardize(small, n_bootstrap=20, seed=6, checkpoint=tmp_path)
    events, trials = (counts.astype(int) for counts in counts_by_label(small).values())
    events[0] += 1
    labels = list(small.facilities)
    other = fit_hierarchical(events, np.zeros((12, 0)), labels, trials=trials)
    with pytest.raises(OptionError, match="different: estimates of the fit; data of the fit\n"):
        standardize(other, n_bootstrap=20, seed=6, checkpoint=tmp_path)
    events[0] -= 1
    laplace = fit_hierarchical(events, np.zeros((12, 0)), labels, trials=trials, method="laplace")
    with pytest.raises(OptionError, match=r"method \(agq, 7 nodes there, laplace now\); estimates of the fit\n"):
        standardize(laplace, n_bootstrap=20, seed=6, checkpoint=tmp_path)
    monkeypatch.setattr(checkpoint, "version", lambda name: "9.9")
    with pytest.raises(OptionError, match=r"version of riskstd \(.* there, 9.9 now\)"):
        standardize(small, n_bootstrap=20, seed=6, checkpoint=tmp_path)


def test_equal_fit_of_rows_in_another_order_is_accepted(rows, numbers_drawn, tmp_path):
    order = np.random.default_rng(1).permutation(len(rows.y))
    for o in (slice(None), order):
        fit = fit_hierarchical(rows.y[o], rows.X[o], rows.facility[o])
        standardize(fit, n_bootstrap=20, seed=1, checkpoint=tmp_path)
    assert len(numbers_drawn) == 20


@pytest.mark.skipif(os.name == "nt", reason="permissions of another kind")
def test_checkpoint_is_private_and_names_no_facility(small, tmp_path):
    folder = tmp_path / "deep" / "kept"
    standardize(small, n_bootstrap=20, seed=6, checkpoint=folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == ["checkpoint.json", "replicates-000000000.npy"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert not any(b"ASC" in path.read_bytes() for path in files)
    identity = json.loads(files[0].read_text())
    assert identity["seed"] == 6
    assert all(len(identity[key]) == 64 for key in ("estimates", "cells"))


def test_folder_of_other_files_is_left_alone(small, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OptionError, match=r"is not a checkpoint and not empty \(1 entries\)"):
        standardize(small, n_bootstrap=20, seed=6, checkpoint=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(OptionError, match="cannot be used"):
        standardize(small, n_bootstrap=20, seed=6, checkpoint=tmp_path / "notes.txt")


@pytest.mark.parametrize("text", ["", "[1]", '{"seed": 6'])
def test_damaged_identity_is_refused(small, tmp_path, text):
    (tmp_path / "checkpoint.json").write_text(text)
    with pytest.raises(OptionError, match="cannot be read"):
        standardize(small, n_bootstrap=20, seed=6, checkpoint=tmp_path)
