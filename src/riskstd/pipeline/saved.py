"""A run read back from its folder, for reports and for whoever wants to go on with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq

from riskstd.errors import InputError
from riskstd.pipeline.manifest import MANIFEST
from riskstd.pipeline.reporting import report_input
from riskstd.report import ReportInput
from riskstd.report.cases import Cases, read_cases
from riskstd.spec import load_measure_of_run, tables_that_differ

if TYPE_CHECKING:
    from riskstd.spec import Measure


@dataclass(frozen=True, eq=False)
class SavedRun:
    """A finished run of one measure.

    Attributes
    ----------
    folder : Path
    measure : Measure
        The definition under the options of the run.
    manifest : mapping
    content : ReportInput
        What its national report is made of.
    """

    folder: Path
    measure: Measure
    manifest: Mapping[str, Any] = field(repr=False)
    content: ReportInput = field(repr=False)

    @cached_property
    def cases(self) -> Cases:
        """Cases of the run with their risk factors and probabilities.

        Raises
        ------
        InputError
            When the run came to no rates.
        """
        content = self.content
        if content.model is None or content.rates is None:
            raise InputError(
                f"the run in {self.folder} has no model and no rates",
                expected="a run with rates",
                hint=content.no_model_reason,
            )
        return read_cases(
            _parquet(self.folder / "index_procedures.parquet"),
            content.visits,
            content.outcomes,
            _parquet(self.folder / "risk_factors.parquet"),
            content.model,
            content.rates,
        )


def open_run(folder: str | Path) -> SavedRun:
    """Read a finished run.

    Parameters
    ----------
    folder : str or Path
        Folder of the run of one measure, which holds `manifest.json`.

    Returns
    -------
    SavedRun

    Raises
    ------
    InputError
        When the folder holds no finished run, a file of it is missing or cannot be read, or the run was
        made with a definition or code tables that this version does not have.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    measure = _definition(folder, manifest)
    with_rates = manifest["status"] == "rates"
    model = _json(folder / "model.json") if with_rates else None
    rates = _parquet(folder / "facility_rates.parquet") if with_rates else None
    content = report_input(
        measure,
        manifest,
        attrition=_csv(folder / "attrition.csv"),
        visits=_parquet(folder / "hospital_visits.parquet"),
        outcomes=_parquet(folder / "outcomes.parquet"),
        model=model,
        rates=rates,
    )
    return SavedRun(folder, measure, manifest, content)


def find_runs(folder: str | Path) -> list[Path]:
    """Folders of finished runs: the folder itself, or those in it, by name.

    Raises
    ------
    InputError
        When there is none.
    """
    folder = Path(folder)
    if (folder / MANIFEST).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}")) if folder.is_dir() else []
    if not found:
        raise InputError(
            f"no finished run in {folder}",
            expected="the folder of a run, with manifest.json, or a folder of such folders",
            hint="`riskstd run` makes one",
        )
    return found


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(
            f"no finished run in {folder}: {MANIFEST} is not there",
            expected="the folder of a run of one measure",
            hint="`riskstd run` makes one, `riskstd run --resume` finishes one",
        )
    manifest = _json(path)
    needed = ("definition", "settings", "status", "counts", "notes", "claims", "versions", "no_model_reason")
    missing = [name for name in needed if name not in manifest]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)}",
            expected="the manifest of a run of this version",
            hint="run the measure again with this version",
        )
    return manifest


def _definition(folder: Path, manifest: Mapping[str, Any]) -> Measure:
    """The measure of a run, if this version has just the same definition and code tables."""
    known = manifest["definition"]
    measure = load_measure_of_run(known)
    what = [] if known["sha256"] == measure.sha256 else ["definition"]
    what += [f"table {name}" for name in tables_that_differ(measure, known)]
    if what:
        raise InputError(
            f"the run in {folder} was made by riskstd {manifest['versions']['riskstd']} with another "
            f"{', '.join(what)} of {measure.id} {measure.spec_year}",
            expected="a run whose definition and code tables this version has",
            hint="run the measure again, or report with the version that made the run",
        )
    return measure


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pq.read_table(path).to_pandas()
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error


def _csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> InputError:
    return InputError(
        f"{path} is missing or cannot be read",
        expected="a file that the run wrote",
        hint="run the measure again",
    )
