"""Raw files as tables of text with canonical columns, and the SQL functions that clean cells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from riskstd.errors import ClaimsError

if TYPE_CHECKING:
    from riskstd.claims.files import Delivery, SourceFile
    from riskstd.claims.layouts import Layout, Role

_HEADER = ("person_id", "claim_id", "claim_type", "final_action", "from_date", "thru_date", "code_system")
_DIAGNOSES = ("principal_diagnosis", "principal_version", "diagnosis_{25}", "version_{25}")
_INSTITUTION = (
    "provider_ccn",
    "facility_type",
    "service_class",
    "frequency",
    "bill_type",
    "nonpayment",
    "facility_npi",
)
_LINE = ("person_id", "claim_id", "line_number")
_MODIFIERS = ("modifier_1", "modifier_2", "modifier_3", "modifier_4")


def _expand(columns: Iterable[str]) -> tuple[str, ...]:
    out: list[str] = []
    for column in columns:
        slots = re.fullmatch(r"(\w+)_\{(\d+)\}", column)
        out += [f"{slots[1]}_{n}" for n in range(1, int(slots[2]) + 1)] if slots else [column]
    return tuple(out)


ROLE_COLUMNS: dict[Role, tuple[str, ...]] = {
    "beneficiary": _expand(("person_id", "year", "birth_date", "death_date", "sex", "buy_in_{12}", "hmo_{12}")),
    "span": ("person_id", "birth_date", "death_date", "sex", "span_start", "span_end", "payer"),
    "professional_header": _expand((*_HEADER, "denial", "billing_npi", *_DIAGNOSES)),
    "professional_line": (
        *_LINE,
        "hcpcs",
        *_MODIFIERS,
        "type_of_service",
        "specialty",
        "place_of_service",
        "first_date",
        "last_date",
        "processing",
        "performing_npi",
        "organization_npi",
        "line_diagnosis",
        "line_version",
    ),
    "outpatient_header": _expand((*_HEADER, *_INSTITUTION, *_DIAGNOSES)),
    "outpatient_line": (*_LINE, "revenue_code", "line_date", "hcpcs", *_MODIFIERS),
    "inpatient_header": _expand(
        (
            *_HEADER,
            *_INSTITUTION,
            "admission_date",
            "discharge_date",
            "discharge_status",
            "admission_source",
            *_DIAGNOSES,
            "procedure_{25}",
            "procedure_day_{25}",
        )
    ),
    "inpatient_line": (*_LINE, "revenue_code"),
}

# In a layout with all kinds of claims in one file, kind and bill type tell the roles apart.
_INPATIENT_BILLS = "('11', '41')"
_OTHER_BILLS = "('18', '21', '28', '32', '33', '34', '81', '82')"
ROLE_FILTERS = {
    "professional": "lower(claim_kind) = 'professional'",
    "inpatient": f"lower(claim_kind) = 'institutional' AND left(as_bill_type(bill_type), 2) IN {_INPATIENT_BILLS}",
    "outpatient": (
        "lower(claim_kind) = 'institutional' AND coalesce(left(as_bill_type(bill_type), 2), '') "
        f"NOT IN {_INPATIENT_BILLS} AND coalesce(left(as_bill_type(bill_type), 2), '') NOT IN {_OTHER_BILLS}"
    ),
}

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
CREATE OR REPLACE MACRO as_year(x) AS
  CASE WHEN TRY_CAST(x AS DOUBLE) BETWEEN {FIRST_YEAR} AND {LAST_YEAR} THEN CAST(TRY_CAST(x AS DOUBLE) AS INTEGER) END;
CREATE OR REPLACE MACRO as_revenue_code(x) AS
  CASE WHEN regexp_full_match(regexp_replace(x, '\\.0+$', ''), '[0-9]{{1,3}}')
    THEN lpad(regexp_replace(x, '\\.0+$', ''), 4, '0') ELSE upper(regexp_replace(x, '\\.0+$', '')) END;
CREATE OR REPLACE MACRO as_code(x) AS nullif(upper(replace(replace(x, '.', ''), ' ', '')), '');
CREATE OR REPLACE MACRO as_padded(x, n) AS
  CASE WHEN regexp_full_match(x, '[0-9]+') AND length(x) < n THEN lpad(x, n, '0') ELSE upper(x) END;
CREATE OR REPLACE MACRO as_bill_type(x) AS
  CASE WHEN length(x) = 4 AND left(x, 1) = '0' THEN upper(substr(x, 2)) ELSE upper(x) END;
"""


def create_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Define the functions that turn cells into dates, codes and padded numbers.

    Dates: yyyymmdd, ISO, dd-Mon-yyyy, m/d/yyyy, ddMonyyyy, and SAS day numbers (days from 1960, up to five digits).
    """
    con.execute(_MACROS)


def stage_role(con: duckdb.DuckDBPyConnection, delivery: Delivery, role: Role) -> dict[str, int]:
    """Create table `raw_<role>`: every row of the files of a role, cells trimmed, blanks null.

    Returns
    -------
    dict of str to int
        Rows of the role by file.

    Raises
    ------
    ClaimsError
        When a file has rows that do not fit its header.
    """
    columns = ROLE_COLUMNS[role]
    empty = ", ".join(f"CAST(NULL AS VARCHAR) AS {name}" for name in columns)
    con.execute(f"CREATE OR REPLACE TEMP TABLE raw_{role} AS SELECT {empty} WHERE false")
    rows = {}
    for file in delivery.of_role(role):
        select = _select(delivery.layout, role, file)
        inserted = _run(con, f"INSERT INTO raw_{role} SELECT {', '.join(columns)} FROM ({select})", file)
        rows[file.name] = int(inserted[0][0])
    return rows


def count_rows_of(con: duckdb.DuckDBPyConnection, file: SourceFile) -> int:
    """Count the data rows of a file."""
    return int(_run(con, f"SELECT count(*) FROM {scan(file)}", file)[0][0])


def columns_present(delivery: Delivery, role: Role, canonical: str) -> bool:
    """Tell whether any file of a role has a column."""
    layout = delivery.layout
    files = delivery.of_role(role)
    return any(layout.source_column(canonical, list(file.header)) for file in files)


def files_without(delivery: Delivery, role: Role, canonical: str) -> list[str]:
    """Return the names of the files of a role that lack a column."""
    layout = delivery.layout
    files = delivery.of_role(role)
    return [file.name for file in files if layout.source_column(canonical, list(file.header)) is None]


def scan(file: SourceFile) -> str:
    """Return the SQL that reads a file as text, by column name."""
    path = quoted_path(file.path)
    if file.is_parquet:
        return f"read_parquet({path})"
    quote = "'\"'"
    names = ", ".join(f"'{_quoted(name)}': 'VARCHAR'" for name in file.header)
    return (
        f"read_csv({path}, delim='{file.delimiter}', header=true, quote={quote}, escape={quote}, "
        f"columns={{{names}}}, auto_detect=false, null_padding=false, strict_mode=true, encoding='utf-8')"
    )


def quoted_path(path: Path) -> str:
    """Return a path as an SQL text."""
    return "'" + str(path).replace("'", "''") + "'"


def cell(layout: Layout, canonical: str, header: Iterable[str]) -> str:
    """Return the SQL of one canonical column of a file; NULL if the file has no such column."""
    source = layout.source_column(canonical, list(header))
    if source is None:
        return "CAST(NULL AS VARCHAR)"
    name = source.replace('"', '""')
    return f"nullif(trim(CAST(\"{name}\" AS VARCHAR)), '')"


def _select(layout: Layout, role: Role, file: SourceFile) -> str:
    wanted = [*ROLE_COLUMNS[role]]
    in_one_file = "claim_kind" in layout.columns and role != "span"
    extra = [name for name in ("claim_kind", "bill_type") if in_one_file and name not in wanted]
    cells = ", ".join(f"{cell(layout, name, file.header)} AS {name}" for name in [*wanted, *extra])
    select = f"SELECT {cells} FROM {scan(file)}"
    if in_one_file:
        return f"SELECT * FROM ({select}) WHERE {ROLE_FILTERS[role.split('_')[0]]}"
    return select


def _run(con: duckdb.DuckDBPyConnection, sql: str, file: SourceFile) -> list[tuple]:
    try:
        return con.execute(sql).fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        line = re.search(r"[Ll]ine:?\s+(\d+)", str(error))
        where = f" (first at line {line[1]} of the file)" if line else ""
        raise ClaimsError(
            f"file {file.name} has rows that do not fit its header of {len(file.header)} columns{where}",
            expected=f"{len(file.header)} cells in every row, delimited like the header, in UTF-8",
            hint="check the delimiter and quotes of that row, or deliver the file again",
        ) from None


def _quoted(name: str) -> str:
    return name.replace("'", "''")
