"""The commands on definitions, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from riskstd.spec.folder import VARIABLE


@pytest.fixture
def riskstd(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "riskstd.cli", *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)

    return run


def test_new_then_list_check_and_diff(riskstd, tmp_path):
    done = riskstd("spec", "new", "KNEE-30", "--codes", "29881 29880", "--window", "0:30")
    assert done.returncode == 0, done.stderr
    assert "passes" in done.stdout
    assert "open: knee-30.toml, cohort.codes.source" in done.stdout
    assert (tmp_path / "riskstd-definitions" / "measures" / "knee-30.toml").is_file()
    assert "KNEE-30" in riskstd("spec", "list").stdout
    found = json.loads(riskstd("spec", "diff", "ASC-17", "KNEE-30", "--format", "json").stdout)
    window = next(change for change in found["clauses"] if change["path"] == "outcome")
    assert {"key": "last_day", "before": 7, "after": 30, "added": [], "removed": []} in window["fields"]


def test_new_says_what_is_wrong(riskstd, tmp_path):
    done = riskstd("spec", "new", "KNEE-30", "--codes", "29881", "--window", "a:b")
    assert done.returncode == 2
    assert "window 'a:b'" in done.stderr
    done = riskstd("spec", "new", "KNEE-30", "--codes", "0SG00A0")
    assert done.returncode == 2
    assert "not codes of HCPCS: 0SG00A0" in done.stderr


def test_check_of_a_defect_names_place_and_mend(riskstd, tmp_path):
    riskstd("spec", "new", "KNEE-30", "--codes", "29881", "--window", "0:30")
    file = tmp_path / "riskstd-definitions" / "measures" / "knee-30.toml"
    file.write_text(file.read_text("utf-8").replace("age_years = 65", "age_years = 0"), "utf-8")
    done = riskstd("spec", "check", "KNEE-30")
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "knee-30.toml, cohort.exclusions[age_under_65].age_years: nobody is younger than 0" in said
    assert "what to do: write an age above 0" in said


def test_diff_refuses_tables_on_claims_and_other_forms(riskstd, tmp_path):
    tables = ("planned_admission_ry2021", "planned_admission_ry2024")
    assert "code tables cannot be run" in riskstd("spec", "diff", *tables, "--claims", tmp_path).stderr
    assert "--format cannot be" in riskstd("spec", "diff", *tables, "--format", "pdf").stderr
