"""What was read, kept and set aside, in numbers without names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from riskstd.claims.staging import ROLE_COLUMNS

if TYPE_CHECKING:
    import duckdb

    from riskstd.claims.files import Delivery
    from riskstd.claims.staging import Staged


def count_reading(
    con: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    staged: Staged,
    kept: dict[str, int],
    before: dict[str, Any],
    with_lines: int,
    unreadable_dates: dict[str, int],
) -> dict[str, Any]:
    """Count rows by file, rows kept by table, and rows set aside by table and reason.

    Parameters
    ----------
    con : duckdb connection
    delivery : Delivery
    staged : Staged
    kept : dict of str to int
        Rows by table.
    before : dict
        What `count_joined` returned; its `claims_without_lines` are those without a line that is set aside.
    with_lines : int
        Claims with lines that are kept.
    unreadable_dates : dict of str to int
        Cells by column.

    Returns
    -------
    dict
        `files`, `lines_of_other_settings`, `ignored_files`, `rows_read`, `kept`, `set_aside`, `unreadable_dates`, `notes`.
    """
    return {
        "files": [{"file": file.name, "kind": file.kind, "rows": staged.rows[file.name]} for file in delivery.files],
        "lines_of_other_settings": staged.of_other_settings,
        "ignored_files": list(delivery.ignored),
        "rows_read": {role: _count(con, f"raw_{role}") for role in ROLE_COLUMNS},
        "kept": kept,
        "set_aside": before["set_aside"],
        "unreadable_dates": unreadable_dates,
        "notes": _notes(con)
        | before["notes"]
        | {"claims_without_lines": before["notes"]["claims_without_lines"] - with_lines},
    }


def count_inpatient(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Count what inpatient claims tell; the same keys as those of `count_joined`, to which it is added."""
    differ = "SELECT count(*) FROM inpatient_standing WHERE differ"
    return {
        "set_aside": {"professional_lines": {}, "outpatient_lines": {}, "inpatient_claims": _inpatient_set_aside(con)},
        "notes": dict.fromkeys(_JOINED_NOTES, 0) | _counted(con, {"claims_with_two_different_base_rows": differ}),
    }


def count_joined(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Count what lines and claims tell once they are joined, while the joined rows are there.

    Returns
    -------
    dict
        `set_aside`, `notes`.
    """
    return {
        "set_aside": {
            "professional_lines": _by_status(con, "professional_staged", "status"),
            "outpatient_lines": _by_status(con, "outpatient_staged", "status"),
            "inpatient_claims": {},
        },
        "notes": _counted(con, _JOINED_NOTES),
    }


def add_counts(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Add up counts by name, however deep; names come in their order.

    Examples
    --------
    >>> add_counts({"a": {"y": 1}, "n": 2}, {"a": {"x": 3, "y": 1}, "n": 1})
    {'a': {'x': 3, 'y': 2}, 'n': 3}
    """
    return {
        name: one.get(name, 0) + other.get(name, 0)
        if isinstance(one.get(name, other.get(name)), int)
        else add_counts(one.get(name, {}), other.get(name, {}))
        for name in sorted({*one, *other})
    }


_JOINED_NOTES = {
    "lines_with_same_number_and_other_content": (
        "SELECT count(*) FROM (SELECT 1 FROM professional_staged WHERE status IS NULL AND tie > 0 "
        "GROUP BY claim_row, line_number HAVING count(*) > 1)"
    ),
    "claims_with_two_different_base_rows": "SELECT "
    + " + ".join(f"(SELECT count(*) FROM {s}_standing WHERE differ)" for s in ("professional", "outpatient")),
    "claims_without_lines": "SELECT "
    + " + ".join(
        f"(SELECT count(*) FROM {s}_claims WHERE claim_status IS NULL AND row NOT IN (FROM {s}_unused_claims))"
        for s in ("professional", "outpatient")
    ),
}


def _notes(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count what a reader should know; `written_<table>` is the table as it was written."""
    queries = {
        "people_in_claims_without_a_record": "SELECT (SELECT count(*) FROM person_keys) - (SELECT count(*) FROM people)",
        "people_without_birth_date": "SELECT count(*) FROM people WHERE birth_date IS NULL",
        "people_who_died_before_birth": "SELECT count(*) FROM people WHERE death_date < birth_date",
        "person_months_with_blank_managed_care_flag": "SELECT count(*) FROM written_enrollment WHERE hmo = ''",
        "person_years_with_two_records": (
            "SELECT count(*) FROM (SELECT person_id, year FROM raw_beneficiary GROUP BY ALL HAVING count(*) > 1)"
        ),
        "enrolment_spans_without_end": "SELECT count(*) FROM raw_span WHERE span_end IS NULL",
        "enrolment_spans_of_other_payers": "SELECT count(*) FROM raw_span WHERE payer <> 'medicare'",
        "outpatient_lines_without_bill_type": "SELECT count(*) FROM written_outpatient_lines WHERE bill_type IS NULL",
        "icd9_diagnoses": "SELECT count(*) FROM written_diagnoses WHERE icd_version = 9",
        "inpatient_claims_without_principal_diagnosis": (
            "SELECT count(*) FROM inpatient_numbered WHERE principal_diagnosis IS NULL"
        ),
        "professional_lines_without_any_npi": (
            "SELECT count(*) FROM written_professional_lines "
            "WHERE billing_npi IS NULL AND organization_npi IS NULL AND performing_npi IS NULL"
        ),
    }
    return _counted(con, queries)


def _counted(con: duckdb.DuckDBPyConnection, queries: dict[str, str]) -> dict[str, int]:
    return {name: int(con.execute(sql).fetchall()[0][0]) for name, sql in queries.items()}


def _inpatient_set_aside(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = _by_status(con, "inpatient_claims", "claim_status")
    undated = (
        "SELECT count(*) FROM inpatient_claims WHERE claim_status IS NULL AND "
        "(coalesce(admission_date, from_day, thru_day) IS NULL OR person_key IS NULL)"
    )
    missing = int(con.execute(undated).fetchall()[0][0])
    return {**found, "no_service_date": missing} if missing else found


def _by_status(con: duckdb.DuckDBPyConnection, table: str, column: str) -> dict[str, int]:
    rows = con.execute(
        f"SELECT CAST({column} AS VARCHAR), count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {reason: int(n) for reason, n in rows}


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
