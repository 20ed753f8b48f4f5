"""Cells of claim files: from text to dates, codes and padded numbers, each distinct text of a block once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

DATE_FORMATS = ("%Y%m%d", "%Y-%m-%d", "%d-%b-%Y", "%m/%d/%Y", "%d%b%Y", "%Y-%m-%d %H:%M:%S")

FIRST_YEAR, LAST_YEAR = 1880, 2100
"""Years that a date of a claim or a birth may have; others are taken for dates that cannot be read."""

_MACROS = f"""
CREATE OR REPLACE MACRO as_any_date(x) AS CASE
  WHEN x = '0' THEN NULL
  WHEN regexp_full_match(x, '[0-9]{{4}}') AND TRY_CAST(x AS INTEGER) BETWEEN {FIRST_YEAR} AND {LAST_YEAR} THEN NULL
  WHEN regexp_full_match(x, '-?[0-9]{{1,5}}(\\.0+)?')
    THEN DATE '1960-01-01' + CAST(TRY_CAST(x AS DOUBLE) AS INTEGER)
  ELSE CAST(try_strptime(regexp_replace(x, '\\.0+$', ''), {list(DATE_FORMATS)!r}) AS DATE) END;
CREATE OR REPLACE MACRO as_date(x) AS
  CASE WHEN year(as_any_date(x)) BETWEEN {FIRST_YEAR} AND {LAST_YEAR} THEN as_any_date(x) END;
CREATE OR REPLACE MACRO as_number(x) AS TRY_CAST(TRY_CAST(x AS DOUBLE) AS INTEGER);
CREATE OR REPLACE MACRO as_year(x) AS
  CASE WHEN TRY_CAST(x AS DOUBLE) BETWEEN {FIRST_YEAR} AND {LAST_YEAR} THEN as_number(x) END;
CREATE OR REPLACE MACRO as_revenue_code(x) AS
  CASE WHEN regexp_full_match(regexp_replace(x, '\\.0+$', ''), '[0-9]{{1,3}}')
    THEN lpad(regexp_replace(x, '\\.0+$', ''), 4, '0') ELSE upper(regexp_replace(x, '\\.0+$', '')) END;
CREATE OR REPLACE MACRO as_padded(x, n) AS
  CASE WHEN regexp_full_match(x, '[0-9]+') AND length(x) < n THEN lpad(x, n, '0') ELSE upper(x) END;
CREATE OR REPLACE MACRO as_two(x) AS as_padded(x, 2);
CREATE OR REPLACE MACRO as_six(x) AS as_padded(x, 6);
CREATE OR REPLACE MACRO as_bill_type(x) AS
  CASE WHEN length(x) = 4 AND left(x, 1) = '0' THEN upper(substr(x, 2)) ELSE upper(x) END;
CREATE OR REPLACE MACRO as_claim_birth(x) AS CASE WHEN length(x) >= 8 THEN as_date(x) END;
CREATE OR REPLACE MACRO as_icd(x) AS
  CASE WHEN replace(replace(lower(x), '-', ''), ' ', '') LIKE 'icd9%' THEN '9' ELSE '0' END;
CREATE OR REPLACE MACRO as_lower(x) AS lower(x);
"""

# What a cell is, by the name of its column without the number of its slot; text that is only trimmed is not named.
_KINDS = {
    "claim_id": "key",
    **dict.fromkeys(("span_start", "span_end", "procedure_day"), "date"),
    **dict.fromkeys(("diagnosis", "principal_diagnosis", "line_diagnosis", "procedure", "hcpcs"), "code"),
    **dict.fromkeys(("buy_in", "hmo", "modifier", "type_of_service", "processing", "admission_source"), "upper"),
    **dict.fromkeys(("specialty", "place_of_service", "discharge_status"), "two"),
    **dict.fromkeys(("claim_kind", "payer"), "lower"),
    **dict.fromkeys(("line_number", "age"), "number"),
    "provider_ccn": "six",
    "revenue_code": "revenue_code",
    "bill_type": "bill_type",
    "year": "year",
    "sex": "lower",
    "claim_birth_date": "claim_birth",
    "code_system": "icd",
}
_ARROW = {"date": pa.date32(), "claim_birth": pa.date32(), "number": pa.int32(), "year": pa.int32()}
_SQL = {"date": "DATE", "claim_birth": "DATE", "number": "INTEGER", "year": "INTEGER"}
_MUST_READ = ("date", "year")


def kind_of(column: str) -> str:
    """Return the kind of the cells of a canonical column.

    Examples
    --------
    >>> kind_of("diagnosis_3"), kind_of("from_date"), kind_of("denial")
    ('code', 'date', 'text')
    """
    stem, _, number = column.rpartition("_")
    name = stem if number.isdigit() else column
    return _KINDS.get(name) or ("date" if name.endswith("_date") else "text")


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type of cells of a kind, as `Cleaner.clean` returns them."""
    return pa.string() if kind == "key" else _ARROW.get(kind, pa.dictionary(pa.int32(), pa.string()))


def sql_type(kind: str) -> str:
    """Return the SQL type of cells of a kind."""
    return _SQL.get(kind, "VARCHAR")


@dataclass
class Cleaner:
    """Turns texts into values of a kind; remembers those it has seen.

    Dates: yyyymmdd, ISO, dd-Mon-yyyy, m/d/yyyy, ddMonyyyy, and SAS day numbers (days from 1960, up to five digits).

    Examples
    --------
    >>> cells = pa.array([" 20230502", "2023-05-02", "", "soon"])
    >>> values, unreadable = Cleaner().clean("date", cells)
    >>> values.to_pylist()[:2], unreadable
    ([datetime.date(2023, 5, 2), datetime.date(2023, 5, 2)], [3])
    """

    _seen: dict[str, dict[str, object]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _engine: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def __post_init__(self) -> None:
        self._engine.execute("SET threads = 1")
        self._engine.execute(_MACROS)

    def clean(self, kind: str, cells: pa.Array) -> tuple[pa.Array, list[int]]:
        """Return the values of a column, and where text stood that must be read and cannot.

        Parameters
        ----------
        kind : str
            `key` and `text` (trimmed), `upper`, `code`, or the name of a macro `as_<kind>`.
        cells : pyarrow array of text or of dictionary-coded text

        Returns
        -------
        tuple of pyarrow array and list of int
            Positions count from 0.
        """
        if kind == "key":
            return _trimmed(cells), []
        coded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
        texts = _trimmed(coded.dictionary)
        values = self._values(kind, texts)
        unreadable: list[int] = []
        if kind in _MUST_READ and values.null_count > texts.null_count:
            bad = pc.and_(pc.is_null(values), pc.is_valid(texts)).take(coded.indices)
            unreadable = pc.indices_nonzero(bad).to_pylist()
        if kind in _ARROW:
            return values.take(coded.indices), unreadable
        return _coded(coded.indices, values), unreadable

    def _values(self, kind: str, texts: pa.Array) -> pa.Array:
        if kind == "text":
            return texts
        if kind == "upper":
            return pc.utf8_upper(texts)
        if kind == "code":
            return _trimmed(pc.utf8_upper(pc.replace_substring(pc.replace_substring(texts, ".", ""), " ", "")))
        return self._looked_up(kind, texts)

    def _looked_up(self, kind: str, texts: pa.Array) -> pa.Array:
        found = texts.to_pylist()
        with self._lock:
            seen = self._seen.setdefault(kind, {None: None})  # type: ignore[dict-item]
            fresh = [text for text in found if text not in seen]
            if fresh:
                rows = self._engine.execute(f"SELECT x, as_{kind}(x) FROM (SELECT unnest(?) AS x)", [fresh])
                seen.update(rows.fetchall())
        return pa.array([seen[text] for text in found], _ARROW.get(kind, pa.string()))


def _coded(indices: pa.Array, values: pa.Array) -> pa.Array:
    """Texts by number; a blank is a missing number, since not every engine looks for it among the texts."""
    if values.null_count:
        blank = pc.is_null(values).take(indices)
        indices = pc.if_else(blank, pa.scalar(None, indices.type), indices)
        values = values.fill_null("")
    return pa.DictionaryArray.from_arrays(indices, values)


def _trimmed(texts: pa.Array) -> pa.Array:
    """Texts without blanks around them; nothing but blanks is null."""
    out = pc.utf8_trim(texts, " ")
    blank = pc.equal(out, "")
    return pc.if_else(blank, pa.scalar(None, out.type), out) if pc.any(blank).as_py() else out
