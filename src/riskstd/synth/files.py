"""Files: Arrow tables written so that the same table gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from riskstd.synth.plan import ICD9, NO_DAY, Vocabulary

FileFormat = Literal["parquet", "csv"]
FORMATS: tuple[FileFormat, ...] = ("parquet", "csv")


def texts(numbers: np.ndarray, vocabulary: Vocabulary) -> pa.Array:
    """Return the texts of numbers, null for blanks, with a dictionary of the texts that occur."""
    numbers = np.ascontiguousarray(numbers)
    blank = numbers < 0
    occurs = np.zeros(len(vocabulary.texts) + 1, dtype=bool)
    occurs[numbers] = True  # blanks mark the last place
    used = np.flatnonzero(occurs[:-1])
    position = np.zeros(len(occurs), dtype=np.int32)
    position[used] = np.arange(len(used), dtype=np.int32)
    values = pa.array([vocabulary.texts[number] for number in used], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(position[numbers], pa.int32(), mask=blank), values)


def plain_codes(numbers: np.ndarray, vocabulary: Vocabulary) -> pa.Array:
    """Return diagnosis codes as on claims, where nothing marks an ICD-9 code."""
    codes = texts(numbers, vocabulary)
    values = codes.dictionary.to_pylist()
    if not any(value.startswith(ICD9) for value in values):
        return codes
    plain = pa.array([value.removeprefix(ICD9) for value in values], pa.string())
    return plain.take(codes.indices)


def dates(days: np.ndarray) -> pa.Array:
    """Return days since 1 January 1970 as dates, null for blanks."""
    days = np.ascontiguousarray(days).astype(np.int32)
    return pa.array(days, pa.int32(), mask=days == NO_DAY).cast(pa.date32())


@dataclass(frozen=True)
class TextStyle:
    """How delimited files are written: separator, and dates as `strftime` has them."""

    delimiter: str = ","
    date: str = "%Y%m%d"


def write_table(
    table: pa.Table, folder: Path, name: str, file_format: FileFormat, style: TextStyle | None = None
) -> int:
    """Write a table as Parquet, or as delimited text; return its rows."""
    if file_format == "parquet":
        # Numbers of claims hardly repeat, so a dictionary of them costs and saves nothing.
        coded = [name for name in table.column_names if name not in ("CLM_ID", "CLAIM_NO")]
        options: dict[str, Any] = {"use_dictionary": coded if _has_dictionary(table) else True}
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd", store_schema=False, **options)
    else:
        style = style or TextStyle()
        options = pacsv.WriteOptions(include_header=False, quoting_style="none", delimiter=style.delimiter)
        with (folder / f"{name}.csv").open("wb") as file:
            file.write((style.delimiter.join(table.column_names) + "\n").encode())
            pacsv.write_csv(_as_text(table, style), file, options)
    return table.num_rows


def without_dictionaries(table: pa.Table) -> pa.Table:
    """Return a table with plain text in place of dictionaries."""
    for position, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(position, column.name, table.column(position).cast(pa.string()))
    return table


def _has_dictionary(table: pa.Table) -> bool:
    return any(pa.types.is_dictionary(column.type) for column in table.schema)


def _as_text(table: pa.Table, style: TextStyle) -> pa.Table:
    table = without_dictionaries(table)
    for position, column in enumerate(table.schema):
        if pa.types.is_date(column.type):
            days = table.column(position).combine_chunks().cast(pa.int32())
            table = table.set_column(position, column.name, _date_texts(days, style.date))
    return table


def _date_texts(days: pa.Array, style: str) -> pa.Array:
    first, texts_of_days = _calendar(style)
    return texts_of_days.take(pc.subtract(days, first))  # type: ignore[attr-defined]


@cache
def _calendar(style: str) -> tuple[int, pa.Array]:
    """Return the first day of a table of days, and each day from then on as text."""
    first, last = date(1900, 1, 1), date(2050, 1, 1)
    days = ((first + timedelta(days=n)).strftime(style) for n in range((last - first).days))
    return (first - date(1970, 1, 1)).days, pa.array(days, pa.string())
