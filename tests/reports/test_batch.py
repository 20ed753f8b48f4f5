"""Batches of facility reports: the same bytes however they are made, and nothing lost on the way."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest

from riskstd.errors import InputError, OptionError, TooFewDataError
from riskstd.pipeline.reports import ReportOptions, batch, write_reports
from riskstd.pipeline.reports.batch import folder_names
from riskstd.pipeline.reports.source import ReportSource
from riskstd.pipeline.write import write_json
from riskstd.report import files as report_files
from riskstd.report.content import Profile

PROFILES = get_args(Profile)


@pytest.fixture
def run(run_folders, tmp_path) -> Path:
    """A copy of a run without reports of a profile."""
    target = tmp_path / run_folders[0].name
    shutil.copytree(run_folders[0], target, ignore=shutil.ignore_patterns(*PROFILES))
    return target


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_one_and_two_processes_write_the_same_bytes(run, reported):
    options = ReportOptions(run, "facility")
    write_reports(options, facilities=None, workers=2)
    one = next(folder for folder in reported if folder.parts[-3:] == (run.name, "report", "facility"))
    assert contents(options.folder) == contents(one)


def test_killed_and_resumed_equals_uninterrupted(run, reported):
    command = [sys.executable, "-m", "riskstd.cli", "report", str(run), "--all", "--workers", "1"]
    place = run / "report" / "facility" / "facilities"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while len(list(place.glob("*/report.html"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    n_done = len(list(place.glob("*/report.html")))
    result = write_reports(ReportOptions(run, "facility"), facilities=None, workers=1)
    assert 2 <= n_done < len(result.outcomes)
    assert sum(one.status == "kept" for one in result.outcomes) in (n_done, n_done - 1)
    one = next(folder for folder in reported if folder.parts[-3:] == (run.name, "report", "facility"))
    left = {name: data for name, data in contents(run / "report" / "facility").items() if not name.endswith(".part")}
    assert left == contents(one)


def test_a_bad_facility_stops_nothing_and_is_listed(run, monkeypatch):
    made = ReportSource.facility_files

    def fails_for_some(self, facility_id):
        if facility_id == self.run.cases.facility_ids[1]:
            raise ValueError("a value that must not be told: 123-45-6789")
        if facility_id == self.run.cases.facility_ids[2]:
            raise InputError("no such thing")
        return made(self, facility_id)

    monkeypatch.setattr(ReportSource, "facility_files", fails_for_some)
    options = ReportOptions(run, "facility")
    result = write_reports(options, facilities=None, workers=1)
    assert len(result.failed) == 2
    assert "unforeseen error: ValueError at test_batch.py" in result.failed[0].reason
    assert result.failed[1].reason == "no such thing"
    listed = (options.folder / "facilities.csv").read_text()
    assert listed.count(",failed,") == 2
    assert "123-45" not in listed + (options.folder / "index.html").read_text()
    monkeypatch.undo()
    again = write_reports(options, facilities=None, workers=1)
    assert not again.failed
    assert sum(one.status == "written" for one in again.outcomes) == 2


def test_unknown_facilities_are_named_with_a_known_one(run):
    with pytest.raises(InputError, match="no cases in this run: 999") as error:
        write_reports(ReportOptions(run), facilities=["999"])
    assert "facility_rates.csv" in str(error.value)


def test_reports_of_other_options_are_not_mixed(run):
    options = ReportOptions(run, formats=("workbook",))
    write_reports(options, facilities=())
    other = ReportOptions(run, formats=("page",))
    with pytest.raises(InputError, match="other inputs or options"):
        write_reports(other, facilities=())
    write_reports(other, facilities=(), overwrite=True)
    (other.folder / "reports.json").unlink()
    with pytest.raises(InputError, match="something else than reports"):
        write_reports(other, facilities=(), overwrite=True)


def test_a_folder_that_cannot_be_written_to(run):
    shutil.rmtree(run / "report")
    (run / "report").write_text("a file where the folder goes")
    with pytest.raises(InputError, match="cannot be written to"):
        write_reports(ReportOptions(run), facilities=())


def test_a_full_disk_is_told_and_leaves_no_part(run, monkeypatch):
    opened = os.fdopen
    n_files = 0

    def full(handle, mode):
        nonlocal n_files
        n_files += 1
        if n_files < 4:
            return opened(handle, mode)
        os.close(handle)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(report_files.os, "fdopen", full)
    options = ReportOptions(run)
    with pytest.raises(InputError, match="is full") as error:
        write_reports(options, facilities=None, workers=1)
    assert "free some space" in str(error.value)
    assert not list(options.folder.rglob("*.part"))
    monkeypatch.undo()
    assert not write_reports(options, facilities=None, workers=1).failed


def test_reports_with_cases_are_for_their_owner_only(reported):
    folder = next(folder for folder in reported if folder.name == "facility-phi")
    for path in folder.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() and "facilities" in path.parts[-2:] else 0o600) or path.is_dir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_run_of_another_definition_is_refused(run):
    import json

    manifest = json.loads((run / "manifest.json").read_text())
    manifest["definition"]["sha256"] = "0" * 64
    write_json(manifest, run / "manifest.json")
    with pytest.raises(InputError, match="with another definition"):
        write_reports(ReportOptions(run), facilities=())


@pytest.mark.parametrize("name", ["model.json", "facility_rates.parquet", "outcomes.parquet", "attrition.csv"])
def test_a_missing_or_broken_file_of_the_run_is_named(run, name):
    (run / name).write_bytes(b"\x00\xff broken")
    with pytest.raises(InputError, match=name):
        write_reports(ReportOptions(run), facilities=())
    (run / name).unlink()
    with pytest.raises(InputError, match=name):
        write_reports(ReportOptions(run), facilities=())


def test_a_run_without_rates_has_a_national_report_only(run):
    import json

    manifest = json.loads((run / "manifest.json").read_text())
    manifest |= {"status": "no rates", "no_model_reason": "Too few data for a model: 3 events; needed: 20."}
    write_json(manifest, run / "manifest.json")
    options = ReportOptions(run)
    with pytest.raises(TooFewDataError, match="came to no rates"):
        write_reports(options, facilities=None)
    assert (options.folder / "national.html").is_file()
    assert "No model, no rates" in (options.folder / "national.html").read_text()
    write_reports(options, facilities=())


def test_no_folder_of_a_run(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json is not there"):
        write_reports(ReportOptions(tmp_path), facilities=())


@pytest.mark.parametrize("options", [{"profile": "press"}, {"formats": ("word",)}, {"formats": ()}])
def test_options_outside_their_values(run, options):
    with pytest.raises(OptionError):
        write_reports(ReportOptions(run, **options), facilities=())


def test_ten_thousand_folders_have_names_of_their_own():
    ids = [f"10{n:08}" for n in range(10_000)] + ["a b", "A B", "../up", "=1+1", "x" * 300, "Ä", ""]
    names = folder_names(ids)
    assert len({name.lower() for name in names.values()}) == len(ids)
    assert all("/" not in name and not name.startswith(".") and len(name) < 140 for name in names.values())


def test_few_facilities_start_no_process(run, monkeypatch):
    monkeypatch.setattr(batch, "ProcessPoolExecutor", lambda *_, **__: pytest.fail("a process was started"))
    ids = ReportSource(ReportOptions(run)).run.cases.facility_ids[:3].tolist()
    result = write_reports(ReportOptions(run), facilities=ids, workers=2)
    assert [one.facility_id for one in result.outcomes] == ids
    more = ReportSource(ReportOptions(run)).run.cases.facility_ids[3:4].tolist()
    again = write_reports(ReportOptions(run), facilities=more)
    assert [one.facility_id for one in again.listed] == [*ids, *more]
    assert (run / "report" / "facility" / "facilities.csv").read_text().count(",written,") == 4


def test_the_funnel_is_widened_when_that_is_asked_for(run):
    write_reports(ReportOptions(run, overdispersion=True), facilities=())
    assert "chance and the common spread" in (run / "report" / "facility" / "national.html").read_text()
    with pytest.raises(InputError, match="other inputs or options"):
        write_reports(ReportOptions(run), facilities=())
