"""What was read, kept and set aside, in numbers without names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from riskstd.claims.build import SETTINGS
from riskstd.claims.staging import ROLE_COLUMNS, count_rows_of

if TYPE_CHECKING:
    import duckdb

    from riskstd.claims.files import Delivery, SourceFile

_LINE_ROLES = ("professional_line", "outpatient_line", "inpatient_line")
_KEPT = {
    "people": "people",
    "enrollment": "enrollment",
    "inpatient_claims": "inpatient_numbered",
    "stays": "stays",
    "outpatient_lines": "outpatient_lines",
    "professional_lines": "professional_lines",
    "diagnoses": "diagnoses",
    "procedures": "procedures",
}


def count_reading(
    con: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    staged: dict[str, dict[str, int]],
    unreadable_dates: dict[str, int],
) -> dict[str, Any]:
    """Count rows by file, rows kept by table, and rows set aside by table and reason.

    Returns
    -------
    dict
        `files`, `lines_of_other_settings`, `ignored_files`, `rows_read`, `kept`, `set_aside`, `unreadable_dates`, `notes`.
    """
    set_aside = {
        "professional_lines": _by_status(con, "professional_staged", "status"),
        "outpatient_lines": _by_status(con, "outpatient_staged", "status"),
        "inpatient_claims": _inpatient_set_aside(con),
    }
    rows_read = {role: sum(rows.values()) for role, rows in staged.items()}
    files = [
        {"file": file.name, "kind": file.kind, "rows": _rows_of(con, delivery, file, staged)} for file in delivery.files
    ]
    return {
        "files": files,
        "lines_of_other_settings": _other_settings(delivery, files, rows_read),
        "ignored_files": list(delivery.ignored),
        "rows_read": rows_read,
        "kept": {table: _count(con, name) for table, name in _KEPT.items()},
        "set_aside": set_aside,
        "unreadable_dates": unreadable_dates,
        "notes": _notes(con),
    }


def _rows_of(
    con: duckdb.DuckDBPyConnection, delivery: Delivery, file: SourceFile, staged: dict[str, dict[str, int]]
) -> int:
    """Count the rows of a file: as many as were staged, unless its rows are shared out among settings."""
    if file.kind in _mixed_kinds(delivery):
        return count_rows_of(con, file)
    return staged[delivery.layout.files[file.kind].provides[0]][file.name]


def _mixed_kinds(delivery: Delivery) -> set[str]:
    """Kinds of files that hold claims of all three settings."""
    return {kind for kind, about in delivery.layout.files.items() if set(_LINE_ROLES) <= set(about.provides)}


def _other_settings(delivery: Delivery, files: list[dict[str, Any]], rows_read: dict[str, int]) -> int:
    """Count lines of a file with all kinds of claims that belong to none of the three settings."""
    mixed = _mixed_kinds(delivery)
    rows = sum(entry["rows"] for entry in files if entry["kind"] in mixed)
    return rows - sum(rows_read[role] for role in _LINE_ROLES) if mixed else 0


def _notes(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    queries = {
        "people_in_claims_without_a_record": "SELECT count(*) FROM person_keys WHERE person_key NOT IN (SELECT person_key FROM people)",
        "people_without_birth_date": "SELECT count(*) FROM people WHERE birth_date IS NULL",
        "people_who_died_before_birth": "SELECT count(*) FROM people WHERE death_date < birth_date",
        "person_months_with_blank_managed_care_flag": "SELECT count(*) FROM enrollment WHERE hmo = ''",
        "person_years_with_two_records": (
            "SELECT count(*) FROM (SELECT person_id, year FROM raw_beneficiary GROUP BY ALL HAVING count(*) > 1)"
        ),
        "enrolment_spans_without_end": "SELECT count(*) FROM raw_span WHERE span_end IS NULL",
        "enrolment_spans_of_other_payers": "SELECT count(*) FROM raw_span WHERE lower(payer) <> 'medicare'",
        "outpatient_lines_without_bill_type": "SELECT count(*) FROM outpatient_lines WHERE bill_type IS NULL",
        "icd9_diagnoses": "SELECT count(*) FROM diagnoses WHERE icd_version = 9",
        "inpatient_claims_without_principal_diagnosis": (
            "SELECT count(*) FROM inpatient_numbered WHERE principal_diagnosis IS NULL"
        ),
        "professional_lines_without_any_npi": (
            "SELECT count(*) FROM professional_lines WHERE coalesce(billing_npi, organization_npi, performing_npi) IS NULL"
        ),
        "lines_with_same_number_and_other_content": (
            "SELECT count(*) FROM (SELECT 1 FROM professional_lines GROUP BY person_key, claim_id, line_number HAVING count(*) > 1)"
        ),
    }
    counts = {name: int(con.execute(sql).fetchall()[0][0]) for name, sql in queries.items()}
    counts["claims_with_two_different_base_rows"] = sum(_conflicting_headers(con, s) for s in SETTINGS)
    counts["claims_without_lines"] = sum(_without_lines(con, s) for s in ("professional", "outpatient"))
    return counts


def _conflicting_headers(con: duckdb.DuckDBPyConnection, setting: str) -> int:
    """Count claims whose base rows differ; the first in order of their cells stands."""
    columns = ", ".join(ROLE_COLUMNS[f"{setting}_header"])  # type: ignore[index]
    sql = f"""SELECT count(*) FROM (SELECT person_id, claim_id FROM (SELECT DISTINCT {columns} FROM raw_{setting}_header)
              WHERE claim_id IS NOT NULL GROUP BY ALL HAVING count(*) > 1)"""
    return int(con.execute(sql).fetchall()[0][0])


def _without_lines(con: duckdb.DuckDBPyConnection, setting: str) -> int:
    sql = f"""SELECT count(*) FROM {setting}_claims WHERE claim_status IS NULL AND (person_id, claim_id) NOT IN
              (SELECT (person_id, claim_id) FROM raw_{setting}_line WHERE person_id IS NOT NULL AND claim_id IS NOT NULL)"""
    return int(con.execute(sql).fetchall()[0][0])


def _inpatient_set_aside(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = _by_status(con, "inpatient_claims", "claim_status")
    undated = (
        "SELECT count(*) FROM inpatient_claims WHERE claim_status IS NULL AND "
        "(coalesce(as_date(admission_date), from_day, thru_day) IS NULL OR person_key IS NULL)"
    )
    missing = int(con.execute(undated).fetchall()[0][0])
    return {**found, "no_service_date": missing} if missing else found


def _by_status(con: duckdb.DuckDBPyConnection, table: str, column: str) -> dict[str, int]:
    rows = con.execute(
        f"SELECT {column}, count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {reason: int(n) for reason, n in rows}


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
