"""Whether two engines found the same rows."""

from __future__ import annotations

from pathlib import Path

import lookups
import polars as pl

COLUMNS = {
    "cohort": lookups.COHORT,
    "excluded": [*lookups.COHORT, "excluded_by"],
    "visits": lookups.VISITS,
    "outcomes": ["procedure_id", "outcome"],
    "risk_factors": None,
}


def differences(ours: Path, theirs: Path) -> list[str]:
    """Return a sentence for every stage table in which two folders differ."""
    found = []
    for path in sorted(ours.glob("*.parquet")):
        measure, name = path.stem.rsplit("-", 1)
        a, b = (plain(folder / path.name, COLUMNS[name]) for folder in (ours, theirs))
        if a.shape != b.shape:
            found.append(f"{measure} {name}: {a.shape} and {b.shape}")
        elif not a.equals(b, null_equal=True):
            columns = [column for column in a.columns if not a[column].equals(b[column], null_equal=True)]
            found.append(f"{measure} {name}: {len(a):,} rows, but {', '.join(columns)} differ")
    return found


def plain(path: Path, columns: list[str] | None) -> pl.DataFrame:
    """Read a stage table with types and order that do not depend on the engine."""
    frame = pl.read_parquet(path)
    frame = frame.select(columns or frame.columns)
    kinds = {
        name: pl.Date if dtype.is_temporal() else pl.Float64 if dtype.is_numeric() or dtype == pl.Boolean else pl.String
        for name, dtype in frame.schema.items()
    }
    frame = frame.with_columns(pl.col(name).cast(kind) for name, kind in kinds.items())
    return frame.sort(frame.columns)
