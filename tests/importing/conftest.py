"""Workbooks of every layout, made here; imports into a folder of the test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from riskstd.importing import ImportReport, ImportRequest, import_file
from riskstd.spec.folder import VARIABLE

TESTS = str(Path(__file__).parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)

Import = Callable[..., ImportReport]


@pytest.fixture(autouse=True)
def _no_folder_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "definitions"


@pytest.fixture
def run_import(folder: Path) -> Import:
    def run(importer: str, file: Path, **options: object) -> ImportReport:
        return import_file(ImportRequest(importer, file, folder, **options))  # type: ignore[arg-type]

    return run
