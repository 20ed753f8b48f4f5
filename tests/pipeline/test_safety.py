"""Nothing of the user's is replaced, and no result vouches for files that were not read."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import riskstd
from riskstd.engines.scratch import new_scratch
from riskstd.errors import FitError, InputError, OptionError
from riskstd.pipeline.table_fit import fit_table
from riskstd.pipeline.trace import trace_procedure

FAST = {"interval": "plug-in"}


@pytest.fixture
def files(delivery, tmp_path):
    folder = tmp_path / "delivery" / "claims"
    shutil.copytree(delivery / "claims", folder)
    return folder


def run(files, out, **settings):
    return riskstd.run_measures(["ASC-18"], claims=files, out=out, **FAST, **settings)


def test_raw_claims_are_never_replaced_by_claims_tables(files):
    before = sorted(path.name for path in files.iterdir())
    for settings in ({}, {"overwrite": True}):
        with pytest.raises(InputError, match="where the claims tables go"):
            run(files, files.parent, **settings)
    assert sorted(path.name for path in files.iterdir()) == before


def test_overwrite_replaces_results_only(files, tmp_path):
    mine = tmp_path / "runs" / "asc-18"
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("keep")
    with pytest.raises(InputError, match="holds something else than results"):
        run(files, tmp_path / "runs", overwrite=True)
    assert (mine / "thesis.txt").read_text() == "keep"


def test_resume_runs_again_when_the_files_changed(files, tmp_path):
    out = tmp_path / "runs"
    assert len(run(files, out)) == 1
    assert run(files, out, resume=True) == []
    (files / "outpatient_base_2021.parquet").unlink()
    with pytest.raises(InputError, match="claims tables of other files"):
        run(files, out, resume=True)
    again = run(files, out, resume=True, overwrite=True)
    assert len(again) == 1
    recorded = json.loads((out / "asc-18" / "manifest.json").read_text())["claims"]["inputs"]
    assert {entry["file"] for entry in recorded} == {path.name for path in files.iterdir()}


def abandoned(out, name):
    """Scratch of a process that has ended, made by that process."""
    code = (
        "import sys; from pathlib import Path; from riskstd.engines.scratch import new_scratch; "
        "print(new_scratch(sys.argv[1], Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, name, str(out)]
    return out / subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


def test_resume_removes_what_a_killed_process_left_of_a_measure_that_is_done(files, tmp_path):
    out = tmp_path / "runs"
    run(files, out)
    of_a_living_one = new_scratch(".asc-18-new", out)
    scratch = abandoned(out, ".asc-18-new")
    (scratch / "new").mkdir()
    assert run(files, out, resume=True) == []
    assert not scratch.exists()
    assert of_a_living_one.is_dir()


def test_resume_puts_back_a_run_that_a_process_was_killed_over(files, tmp_path):
    out = tmp_path / "runs"
    run(files, out)
    scratch = abandoned(out, ".asc-18-new")
    (out / "asc-18").rename(scratch / "old")
    assert run(files, out, resume=True) == []
    assert (out / "asc-18" / "manifest.json").is_file()
    assert not scratch.exists()


def test_claims_tables_of_the_same_files_are_used_again(files, tmp_path):
    out = tmp_path / "runs"
    run(files, out)
    stamp = (out / "claims" / "people.parquet").stat().st_mtime_ns
    riskstd.run_measures(["ASC-17"], claims=files, out=out, **FAST)
    assert (out / "claims" / "people.parquet").stat().st_mtime_ns == stamp


def test_trace_finds_claims_tables_given_as_input(files, tmp_path):
    run(files, tmp_path / "first")
    run(tmp_path / "first" / "claims", tmp_path / "second")
    assert trace_procedure(tmp_path / "second" / "asc-18", 1).measure == "ASC-18"


@pytest.mark.parametrize(
    "settings",
    [{"profile": "publik"}, {"method": "magic"}, {"n_nodes": 500}, {"period": ("bad", "bad")}, {"period": "2023"}],
)
def test_options_are_checked_before_anything_is_read(files, tmp_path, settings):
    with pytest.raises(OptionError):
        run(files, tmp_path / "runs", **settings)
    assert not (tmp_path / "runs").exists()


def test_a_measure_named_twice_runs_once(files, tmp_path):
    runs = riskstd.run_measures(["ASC-18", "asc-18"], claims=files, out=tmp_path / "runs", **FAST)
    assert len(runs) == 1


def test_case_files_are_for_their_owner(files, tmp_path):
    run(files, tmp_path / "runs")
    assert (tmp_path / "runs" / "asc-18").stat().st_mode & 0o077 == 0


def test_fit_keeps_leading_zeros_of_facilities(tmp_path):
    rng = np.random.default_rng(1)
    labels = [f"{k:02}" for k in range(10)] + [str(k) for k in range(10)]
    facility = np.repeat(labels, 40)
    table = pd.DataFrame({"f": facility, "x": rng.random(800), "y": (rng.random(800) < 0.3).astype(int)})
    table.to_csv(tmp_path / "t.csv", index=False)
    made = fit_table(tmp_path / "t.csv", outcome="y", facility="f", factors=["x"], out=tmp_path / "o", interval="none")
    assert made.fit.n_facilities == 20


@pytest.mark.parametrize(("column", "said"), [("f", "facility"), ("x", "blank cell")])
def test_fit_refuses_blanks(tmp_path, column, said):
    table = pd.DataFrame({"f": list("aabb"), "x": ["1", "2", "3", "4"], "y": [0, 1, 0, 1]})
    table.loc[2, column] = None
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=said):
        fit_table(tmp_path / "t.csv", outcome="y", facility="f", factors=["x"], out=tmp_path / "o")


def test_pandas_arguments_are_matched_or_refused():
    rng = np.random.default_rng(2)
    y = pd.Series((rng.random(200) < 0.3).astype(int))
    X = pd.DataFrame({"a": rng.random(200), "b": rng.random(200)})
    facility = pd.Series(np.repeat(list("pqrst"), 40))
    with pytest.raises(FitError, match="different indexes"):
        riskstd.fit_hierarchical(y[::-1], X, facility)
    effects = {label: 0.1 * k for k, label in enumerate("pqrst")}
    named = riskstd.predicted_expected(X, facility, mu=-2.0, beta={"a": 0.5, "b": -1.0}, effects=effects)
    series = riskstd.predicted_expected(
        X, facility, mu=-2.0, beta=pd.Series({"b": -1.0, "a": 0.5}), effects=pd.Series(effects)[::-1]
    )
    assert np.array_equal(named.ratio, series.ratio)


def test_too_few_replicates_are_refused(files, tmp_path):
    with pytest.raises(OptionError, match="20 or more replicates"):
        riskstd.run_measures(["ASC-18"], claims=files, out=tmp_path / "runs", n_bootstrap=5)
