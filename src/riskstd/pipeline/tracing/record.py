"""What a run kept of one procedure, and where the claims tables that it was made from are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from riskstd.errors import InputError
from riskstd.pipeline.tracing.evidence import Asker
from riskstd.pipeline.tracing.person import CLAIMS_MANIFEST, ClaimsFolder, Row, rows_where
from riskstd.spec import Measure, fidelity_of, load_measure_of_run
from riskstd.tables import CLAIMS_TABLES

MANIFEST = "manifest.json"
CLAIMS_FOLDER = "claims"
INDEX, EXCLUDED = "index_procedures.parquet", "excluded_procedures.parquet"
_ONLY_KEPT = (
    "so that the trace shows what the run itself kept: no claim lines, and of the exclusions only the one that decided."
)
MISSING_TABLES = f"The claims tables of this run are not there, {_ONLY_KEPT}"
OTHER_TABLES = f"The claims tables beside this run are of other claim files, {_ONLY_KEPT}"


@dataclass(frozen=True)
class Kept:
    """Rows of a run on one procedure.

    Attributes
    ----------
    procedure : dict
        Row of `index_procedures` or `excluded_procedures`.
    excluded_by : str or None
    visits : list of dict
        Rows of `hospital_visits`.
    outcome : int or None
    factors : dict
        Row of `risk_factors` without the id; empty when excluded.
    others : list of dict
        `procedure_id, procedure_date` of every index procedure of the person.
    """

    procedure: Row = field(repr=False)
    excluded_by: str | None
    visits: list[Row] = field(repr=False)
    outcome: int | None
    factors: dict[str, float] = field(repr=False)
    others: list[Row] = field(repr=False)


@dataclass(frozen=True)
class Record:
    """A finished run on disk, opened for looking up single procedures."""

    folder: Path
    measure: Measure = field(repr=False)
    manifest: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: str | Path) -> Record:
        """Open the folder of the run of one measure.

        Raises
        ------
        InputError
            When it is no such folder, or this version has another definition or other code tables.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        if not path.is_file():
            raise InputError(f"{folder} is not the folder of a run", expected=f"a folder with {MANIFEST}")
        manifest = json.loads(path.read_text("utf-8"))
        known = manifest["definition"]
        measure = load_measure_of_run(known)
        changed = [name for name, table in known["tables"].items() if table["sha256"] != measure.table(name).sha256]
        if measure.sha256 != known["sha256"] or changed:
            what = ", ".join(["the definition"] * (measure.sha256 != known["sha256"]) + [f"table {n}" for n in changed])
            raise InputError(
                f"{what} of {measure.id} changed since this run",
                expected="a run whose definition and code tables this version has",
                hint="run the measure again, or trace with the version of riskstd that made the run",
            )
        return cls(folder, measure, manifest)

    @cached_property
    def ask(self) -> Asker:
        """Where the clauses of the measure stand."""
        return Asker.of(self.measure)

    @cached_property
    def fidelity(self) -> str:
        """Statement on the fidelity of the run."""
        return fidelity_of(self.measure).statement()

    @property
    def period(self) -> tuple[date, date] | None:
        """First and last procedure date of the run; None if it took every date."""
        period = self.manifest["settings"]["period"]
        return None if period is None else (date.fromisoformat(period[0]), date.fromisoformat(period[1]))

    def procedure(self, procedure_id: int) -> Kept:
        """Return what the run kept of a procedure.

        Raises
        ------
        InputError
            When the run has no such procedure.
        """
        index = self.rows(INDEX, procedure_id)
        row = next(iter(index or self.rows(EXCLUDED, procedure_id)), None)
        if row is None:
            raise InputError(
                f"no procedure {procedure_id} in {self.folder.name}",
                expected=f"a procedure_id of {INDEX} or {EXCLUDED}",
            )
        if not index:
            return Kept(row, row["excluded_by"], [], None, {}, [])
        factors = self.rows("risk_factors.parquet", procedure_id)[0]
        return Kept(
            row,
            None,
            self.rows("hospital_visits.parquet", procedure_id),
            self.rows("outcomes.parquet", procedure_id)[0]["outcome"],
            {name: value for name, value in factors.items() if name != "procedure_id"},
            self.others(row["person_id"]),
        )

    def rows(self, file: str, procedure_id: int) -> list[Row]:
        """Return the rows of a file of the run on one procedure."""
        return rows_where(self._path(file), "procedure_id", procedure_id).to_pylist()

    def others(self, person_id: str) -> list[Row]:
        """Return id and day of every index procedure of a person."""
        columns = ["procedure_id", "procedure_date"]
        found = rows_where(self._path(INDEX), "person_id", person_id, columns)
        return found.select(columns).to_pylist()

    def table(self, file: str, columns: list[str] | None = None) -> Any:
        """Return a whole file of the run as an Arrow table."""
        return pq.read_table(self._path(file), columns=columns)

    def claims(self) -> tuple[ClaimsFolder | None, str]:
        """Return the claims tables that the run was made from, or None and a sentence that says what is missing."""
        about = self.manifest["claims"]
        places = [self.folder.parent / CLAIMS_FOLDER, *([Path(about["tables"])] if about.get("tables") else [])]
        found = [place for place in places if _is_whole(place)]
        for place in found:
            inputs = json.loads((place / CLAIMS_MANIFEST).read_text("utf-8")).get("inputs", [])
            if inputs == about["inputs"]:
                return ClaimsFolder(place), ""
        return None, OTHER_TABLES if found else MISSING_TABLES

    def _path(self, file: str) -> Path:
        path = self.folder / file
        if not path.is_file():
            raise InputError(
                f"{path} is missing", expected="the files that the run wrote", hint="run the measure again"
            )
        return path


def _is_whole(place: Path) -> bool:
    files = [CLAIMS_MANIFEST, *(f"{table.name}.parquet" for table in CLAIMS_TABLES)]
    return all((place / file).is_file() for file in files)
