"""Finished runs with all their reports, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

import riskstd
from riskstd.pipeline.reports import ReportOptions, write_reports
from riskstd.synth import synthesize

PROFILES = ("facility-phi", "facility", "public")


@pytest.fixture(scope="session")
def run_folders(tmp_path_factory) -> list[Path]:
    """A run whose score is a rate and one whose score is a ratio, of the same claims."""
    folder = tmp_path_factory.mktemp("reported")
    synthesize(folder / "synthetic", facilities=16, procedures=2400, seed=7)
    runs = riskstd.run_measures(
        ["ASC-18", "ASC-19"], claims=folder / "synthetic" / "claims", out=folder / "runs", n_bootstrap=40, seed=1
    )
    assert all(run.rates is not None for run in runs)
    return [run.folder for run in runs]


@pytest.fixture(scope="session")
def reported(run_folders) -> list[Path]:
    """Folders of the reports of each run and profile, facility reports for all."""
    made = []
    for run in run_folders:
        for profile in PROFILES:
            options = ReportOptions(run, profile)
            result = write_reports(options, facilities=None, workers=1)
            assert result.outcomes
            assert not result.failed
            made.append(options.folder)
    return made
