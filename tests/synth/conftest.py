"""One small delivery with edge cases, and one larger without, made once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskstd.synth import SynthSummary, synthesize


class Delivery:
    """A delivery, opened table by table."""

    def __init__(self, summary: SynthSummary) -> None:
        self.summary = summary

    @property
    def folder(self) -> Path:
        return self.summary.folder

    def claims(self, name: str) -> pa.Table:
        """Return a kind of claim file, all years."""
        return pa.concat_tables([pq.read_table(p) for p in sorted((self.folder / "claims").glob(f"{name}_2*"))])

    def truth(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / "truth" / f"{name}.parquet")


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Delivery:
    return Delivery(synthesize(tmp_path_factory.mktemp("small"), facilities=10, procedures=300, seed=7))


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> Delivery:
    out = tmp_path_factory.mktemp("large")
    return Delivery(synthesize(out, facilities=80, procedures=12_000, seed=11, edge_cases=False))
