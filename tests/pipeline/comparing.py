"""Engine results and planted truth in one shape."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from riskstd.cohort import build_cohort
from riskstd.outcome import find_hospital_visits
from riskstd.riskfactors import build_risk_factors
from riskstd.spec import load_measure
from riskstd.tables import to_frame

CASE = ["person_id", "facility_id", "procedure_date"]
MEASURES = ("ASC-12", "ASC-17", "ASC-18", "ASC-19")


class Found:
    """What the engine finds on a delivery for one measure, keyed like the truth."""

    def __init__(self, claims, name, **options):
        self.measure = load_measure(name, options=options)
        self.cohort = build_cohort(claims, self.measure)
        self._ids = to_frame(claims.person_keys)
        self.index = self._named(self.cohort.procedures)
        self.excluded = self._named(self.cohort.excluded)
        results = find_hospital_visits(claims, self.cohort, self.measure)
        cases = self.index[["procedure_id", *CASE]]
        self.visits = plain_days(results.visits.merge(cases, on="procedure_id"))
        self.outcomes = results.outcomes.merge(cases, on="procedure_id")
        self.factors = build_risk_factors(claims, self.cohort, self.measure).table.merge(cases, on="procedure_id")

    def _named(self, procedures):
        return plain_days(procedures.merge(self._ids, on="person_key"))


class Truth:
    """What the generator planted for one measure."""

    def __init__(self, folder: Path, name: str):
        self.index = self._read(folder, "index_procedures", name)
        self.excluded = self._read(folder, "excluded_procedures", name)
        self.visits = self._read(folder, "hospital_visits", name)
        self.outcomes = self._read(folder, "outcomes", name)
        self.factors = plain_days(pq.read_table(folder / f"risk_factors_{name}.parquet").to_pandas())

    @staticmethod
    def _read(folder: Path, table: str, name: str) -> pd.DataFrame:
        frame = pq.read_table(folder / f"{table}.parquet").to_pandas()
        return plain_days(frame[frame["measure"] == name])


def plain_days(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    for name in ("procedure_date", "start_date"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name]).dt.strftime("%Y-%m-%d")
    return frame


def rows(frame: pd.DataFrame, columns: list[str]) -> list[tuple]:
    """Rows as sorted tuples of text, so that types of storage do not matter."""
    texts = frame[columns].astype(object).map(lambda v: "" if pd.isna(v) else _text(v))
    return sorted(map(tuple, texts.to_numpy().tolist()))


def _text(value) -> str:
    return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
