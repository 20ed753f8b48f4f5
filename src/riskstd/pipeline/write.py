"""Files of a run: written whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from riskstd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from riskstd.tables import Table


@contextmanager
def whole_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a scratch folder that takes the place of the target only if everything went well.

    Raises
    ------
    InputError
        When the target is there and is not to be overwritten.
    """
    if target.exists() and not overwrite:
        raise InputError(
            f"{target} is there already",
            expected="a new folder",
            hint="name another --out, go on with --resume, or replace it with --overwrite",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    scratch.chmod(0o755)
    try:
        yield scratch
        if target.exists():
            shutil.rmtree(target)
        scratch.replace(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def write_parquet(frame: pd.DataFrame | pa.Table, path: Path, table: Table | None = None) -> None:
    """Write a frame as Parquet, with exactly the declared columns if a table is given."""
    arrow = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    if table is not None:
        table.require_names(arrow.column_names)
        arrow = arrow.select(list(table.names)).cast(table.arrow_schema(), safe=False)
    pq.write_table(arrow.replace_schema_metadata(None), path, compression="zstd")


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write JSON, keys in the order given, one value a line."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write CSV at full precision."""
    frame.to_csv(path, index=False, lineterminator="\n")
