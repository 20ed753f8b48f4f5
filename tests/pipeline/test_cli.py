"""The command line: exit codes, where results and messages go."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

SETTINGS = ["--bootstrap", "20", "--seed", "3"]


def riskstd(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "riskstd.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def runs(delivery, tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "runs"
    done = riskstd("run", "ASC-18", "ASC-17", "--claims", delivery / "claims", "--out", out, *SETTINGS)
    assert done.returncode == 0, done.stderr
    return out


def test_run_writes_a_folder_per_measure_and_keeps_the_claims(runs):
    assert {path.name for path in runs.glob("[!.]*")} == {"asc-17", "asc-18", "claims"}


def test_resume_skips_what_is_done(runs, delivery):
    before = (runs / "asc-18" / "manifest.json").stat().st_mtime_ns
    done = riskstd("run", "ASC-18", "--claims", delivery / "claims", "--out", runs, "--resume", *SETTINGS)
    assert done.returncode == 0
    assert "done already" in done.stdout
    assert (runs / "asc-18" / "manifest.json").stat().st_mtime_ns == before


def test_existing_run_is_an_error_of_the_user(runs, delivery):
    done = riskstd("run", "ASC-18", "--claims", delivery / "claims", "--out", runs, *SETTINGS)
    assert done.returncode == 2
    assert "--resume" in done.stderr


def test_missing_folder_exits_with_2_and_a_hint(tmp_path):
    done = riskstd("run", "ASC-12", "--claims", tmp_path / "none", "--out", tmp_path / "runs")
    assert done.returncode == 2
    assert "no folder" in done.stderr
    assert "what to do" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "runs" / "asc-12").exists()


def test_too_few_data_exit_with_3_and_complete_files(delivery, tmp_path):
    period = ["--period", "2030-01-01:2030-12-31"]
    done = riskstd("run", "ASC-18", "--claims", delivery / "claims", "--out", tmp_path / "runs", *period)
    assert done.returncode == 3
    assert pq.read_table(tmp_path / "runs" / "asc-18" / "outcomes.parquet").num_rows == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--period", "soon:later"],
        ["--option", "colour=red"],
        ["--option", "psychiatric"],
        ["--engine", "abacus"],
    ],
)
def test_options_that_cannot_be_exit_with_2(delivery, tmp_path, words):
    done = riskstd("run", "ASC-17", "--claims", delivery / "claims", "--out", tmp_path / "runs", *words)
    assert done.returncode == 2, done.stderr


def test_validate_counts_files_and_candidates(delivery):
    done = riskstd("validate", delivery / "claims", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["layout"] == "ccw"
    assert found["candidates"]["ASC-12"] > 100


def test_trace_shows_lines_rules_visits_and_diagnoses(runs):
    visits = pq.read_table(runs / "asc-18" / "hospital_visits.parquet").to_pandas()
    procedure = int(visits.loc[visits["counted"], "procedure_id"].iloc[0])
    done = riskstd("trace", runs / "asc-18", "--procedure", procedure, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["outcome"]) == ("in the cohort", 1)
    assert len(found["lines"]) >= 1
    assert [decision["answer"] for decision in found["exclusions"]] == [False] * len(found["exclusions"])
    assert any(visit["counted"] for visit in found["visits"])


def test_trace_of_an_excluded_procedure_names_the_rule(runs):
    excluded = pq.read_table(runs / "asc-18" / "excluded_procedures.parquet").to_pandas()
    row = excluded[excluded["excluded_by"] == "age_under_65"].iloc[0]
    done = riskstd("trace", runs / "asc-18", "--procedure", row["procedure_id"], "--json")
    found = json.loads(done.stdout)
    assert found["verdict"] == "excluded by age_under_65"
    assert "cohort.exclusions[age_under_65]" in {d["clause"] for d in found["exclusions"] if d["answer"]}
    assert found["outcome"] is None


def test_trace_of_an_unknown_id_exits_with_2(runs):
    assert riskstd("trace", runs / "asc-18", "--procedure", 10**9).returncode == 2


def test_fit_on_a_table(runs, tmp_path):
    factors = pq.read_table(runs / "asc-18" / "risk_factors.parquet").to_pandas()
    cases = pq.read_table(runs / "asc-18" / "index_procedures.parquet").to_pandas()
    outcomes = pq.read_table(runs / "asc-18" / "outcomes.parquet").to_pandas()
    table = factors.merge(cases[["procedure_id", "facility_id"]]).merge(outcomes)
    table.to_csv(tmp_path / "cases.csv", index=False)
    words = ["--outcome", "outcome", "--facility", "facility_id", "--factors", "age_years_over_65,work_rvu"]
    done = riskstd("fit", tmp_path / "cases.csv", *words, "--out", tmp_path / "fit", "--bootstrap", 20)
    assert done.returncode == 0, done.stderr
    model = json.loads((tmp_path / "fit" / "model.json").read_text())
    assert [c["factor"] for c in model["coefficients"]] == ["age_years_over_65", "work_rvu"]
    missing = riskstd("fit", tmp_path / "cases.csv", *words[:-1], "age,rvu", "--out", tmp_path / "other")
    assert missing.returncode == 2
    assert "lacks 2 column(s): age, rvu" in missing.stderr


def test_spec_list_show_and_check():
    assert "ASC-19" in riskstd("spec", "list").stdout
    shown = riskstd("spec", "show", "ASC-17").stdout
    assert "manual p. 1-26" in shown
    assert "American Medical Association" in shown
    assert riskstd("spec", "check").returncode == 0


def test_spec_check_names_file_and_key(tmp_path):
    from riskstd.spec.codetables import DATA

    text = (DATA / "ascqr" / "2025" / "asc-18.toml").read_text("utf-8")
    (tmp_path / "mine.toml").write_text(text.replace('rule = "age_below"', 'rule = "age_above"', 1))
    done = riskstd("spec", "check", tmp_path / "mine.toml")
    assert done.returncode == 2
    assert "mine.toml" in done.stderr
    assert "rule or kind without an implementation" in done.stderr


def test_unforeseen_errors_show_places_and_no_values(monkeypatch, capsys):
    import riskstd.cli as cli

    def burst(**_: object) -> None:
        raise ValueError("SECRET-VALUE")

    monkeypatch.setattr(cli, "app", burst)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    shown = capsys.readouterr().err
    assert "ValueError" in shown
    assert "SECRET-VALUE" not in shown
