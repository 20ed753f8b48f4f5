"""Files: Arrow tables written so that the same table gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from riskstd.synth.plan import NO_DAY, Vocabulary

FileFormat = Literal["parquet", "csv"]
_NO_DASH = pc.ReplaceSubstringOptions("-", "")
FORMATS: tuple[FileFormat, ...] = ("parquet", "csv")


def texts(numbers: np.ndarray, vocabulary: Vocabulary) -> pa.Array:
    """Return the texts of numbers, null for blanks."""
    values = pa.array(vocabulary.texts, pa.string())
    numbers = np.ascontiguousarray(numbers)
    return values.take(pa.array(numbers, pa.int32(), mask=numbers < 0))


def dates(days: np.ndarray) -> pa.Array:
    """Return days since 1 January 1970 as dates, null for blanks."""
    days = np.ascontiguousarray(days).astype(np.int32)
    return pa.array(days, pa.int32(), mask=days == NO_DAY).cast(pa.date32())


def write_table(table: pa.Table, folder: Path, name: str, file_format: FileFormat) -> int:
    """Write a table as Parquet, or as CSV with dates as yyyymmdd text; return its rows."""
    if file_format == "parquet":
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd", store_schema=False)
    else:
        options = pacsv.WriteOptions(include_header=False, quoting_style="none")
        with (folder / f"{name}.csv").open("wb") as file:
            file.write((",".join(table.column_names) + "\n").encode())
            pacsv.write_csv(_dates_as_text(table), file, options)
    return table.num_rows


def _dates_as_text(table: pa.Table) -> pa.Table:
    for position, column in enumerate(table.schema):
        if pa.types.is_date(column.type):
            text = pc.call_function("replace_substring", [table[column.name].cast(pa.string())], _NO_DASH)
            table = table.set_column(position, column.name, text)
    return table
