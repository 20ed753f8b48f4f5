"""Checks on raw claims: dates that cannot be read, found before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskstd.claims.staging import DATE_FORMATS, columns_present
from riskstd.errors import ClaimsError

if TYPE_CHECKING:
    import duckdb

    from riskstd.claims.files import Delivery
    from riskstd.claims.layouts import Role

DATE_COLUMNS: dict[Role, tuple[str, ...]] = {
    "beneficiary": ("birth_date", "death_date"),
    "span": ("birth_date", "death_date", "span_start", "span_end"),
    "professional_header": ("from_date", "thru_date"),
    "professional_line": ("first_date", "last_date"),
    "outpatient_header": ("from_date", "thru_date"),
    "outpatient_line": ("line_date",),
    "inpatient_header": ("from_date", "thru_date", "admission_date", "discharge_date"),
}
_SHOWN_POSITIONS = 5
_READABLE = "yyyymmdd, yyyy-mm-dd, dd-Mon-yyyy, m/d/yyyy, ddMonyyyy or SAS day numbers"


def refuse_unreadable_dates(con: duckdb.DuckDBPyConnection, delivery: Delivery, *, set_aside: bool) -> dict[str, int]:
    """Count cells that hold text in a date column that no known style reads.

    Parameters
    ----------
    con : duckdb connection
        With the raw tables.
    delivery : Delivery
        Files and layout.
    set_aside : bool
        Count them and go on; the cell counts as blank.

    Returns
    -------
    dict of str to int
        Cells by `role.column`.

    Raises
    ------
    ClaimsError
        Naming columns, counts and row positions, unless they are to be set aside.
    """
    counts: dict[str, int] = {}
    details: list[str] = []
    for role, columns in DATE_COLUMNS.items():
        for column in columns:
            if columns_present(delivery, role, column):
                found = _unreadable(con, role, column)
                if found:
                    counts[f"{role}.{column}"] = found
                    details.append(_detail(con, delivery, role, column, found))
    years = _unreadable_years(con)
    if years:
        counts["beneficiary.year"] = years
        details.append(f"year of the beneficiary record: {years} cell(s) are no year of four digits")
    if counts and not set_aside:
        raise ClaimsError(
            f"{sum(counts.values())} date cell(s) cannot be read:\n  " + "\n  ".join(details),
            expected=f"dates as {_READABLE} ({len(DATE_FORMATS)} styles and SAS numbers are tried)",
            hint="correct the cells, or go on with bad_rows='set_aside' (--bad-rows set-aside): they count as blank",
        )
    return counts


def _unreadable_years(con: duckdb.DuckDBPyConnection) -> int:
    sql = "SELECT count(*) FROM raw_beneficiary WHERE year IS NOT NULL AND as_year(year) IS NULL"
    return int(con.execute(sql).fetchall()[0][0])


def _unreadable(con: duckdb.DuckDBPyConnection, role: Role, column: str) -> int:
    sql = f"SELECT count(*) FROM raw_{role} WHERE {column} IS NOT NULL AND as_date({column}) IS NULL"
    return int(con.execute(sql).fetchall()[0][0])


def _detail(con: duckdb.DuckDBPyConnection, delivery: Delivery, role: Role, column: str, found: int) -> str:
    of_role = delivery.of_role(role)
    found_names = (delivery.layout.source_column(column, list(file.header)) for file in of_role)
    names = sorted({name for name in found_names if name})
    files = ", ".join(file.name for file in of_role)
    rows = con.execute(
        f"SELECT position FROM (SELECT row_number() OVER () AS position, {column} FROM raw_{role}) "
        f"WHERE {column} IS NOT NULL AND as_date({column}) IS NULL ORDER BY position LIMIT {_SHOWN_POSITIONS}"
    ).fetchall()
    positions = ", ".join(str(position) for (position,) in rows)
    return f"column {' / '.join(names)}: {found} cell(s), first at data row(s) {positions} of {files}"
