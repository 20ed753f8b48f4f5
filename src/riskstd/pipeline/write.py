"""Files of a run: written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from riskstd.engines.scratch import OLD, abandoned_scratch, new_scratch, remove_scratch
from riskstd.engines.shortage import full_disk_in, in_words
from riskstd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from riskstd.tables import Table


MARKS = ("manifest.json", "claims.json")
"""A folder is replaced only if it holds one of these, which every result has."""


_ROWS_IN_A_GROUP = 1 << 20


@contextmanager
def whole_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a scratch folder that takes the place of the target only if everything went well.

    A process that is killed leaves the target as it was, or whole; what else it left goes with the next call.

    Raises
    ------
    InputError
        When the target is there, or comes to be there meanwhile, and is not to be overwritten, or holds something
        else than a run.
    """
    sweep_abandoned(target)
    refuse_existing(target, overwrite=overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = new_scratch(_scratch_name(target), target.parent)
    fresh = scratch / "new"
    try:
        fresh.mkdir(mode=0o700)
        yield fresh
        refuse_existing(target, overwrite=overwrite)
        if target.exists():
            target.replace(scratch / OLD)
        fresh.replace(target)
    except Exception as error:
        if not full_disk_in(error):
            raise
        hint = "free space there, or name another --out"
        raise in_words(error, doing="a run", writing="results", place=target.parent, hint=hint) from None
    finally:
        remove_scratch(scratch, target)


def sweep_abandoned(target: Path) -> None:
    """Remove what killed processes left beside a folder; one that was killed over puts the folder back first."""
    for scratch in abandoned_scratch(_scratch_name(target), target.parent):
        remove_scratch(scratch, target)


def _scratch_name(target: Path) -> str:
    return f".{target.name}-new"


def refuse_existing(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that is there, unless it is a run that may be replaced.

    Raises
    ------
    InputError
    """
    if not target.exists():
        return
    if not overwrite:
        raise InputError(
            f"{target} is there already",
            expected="a new folder",
            hint="name another --out, go on with --resume, or replace it with --overwrite",
        )
    if not any((target / name).is_file() for name in MARKS):
        raise InputError(
            f"{target} holds something else than results of riskstd and is not replaced",
            expected=f"a new folder, or one with {' or '.join(MARKS)}",
            hint="name another --out",
        )


def write_parquet(
    frame: pd.DataFrame | pa.Table, path: Path, table: Table | None = None, *, schema: pa.Schema | None = None
) -> None:
    """Write a frame as Parquet, with exactly the columns and types of a declared table or a schema if one is given."""
    arrow = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    if table is not None:
        table.require_names(arrow.column_names)
        schema = table.arrow_schema()
    given: pa.Schema = arrow.schema if schema is None else schema
    wanted: pa.Schema = given.remove_metadata()
    arrow = arrow.replace_schema_metadata(None).select(wanted.names)
    with pq.ParquetWriter(path, wanted, compression="zstd") as writer:
        # Types change group by group, so that no second table of all rows is held.
        for first in range(0, max(arrow.num_rows, 1), _ROWS_IN_A_GROUP):
            group = arrow.slice(first, _ROWS_IN_A_GROUP)
            writer.write_table(group.cast(wanted, safe=False))


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write JSON, keys in the order given, one value a line."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write CSV at full precision."""
    frame.to_csv(path, index=False, lineterminator="\n")
