"""From raw tables to claims tables: persons, enrolment, claims, lines, diagnoses, procedures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from riskstd.claims.staging import ROLE_COLUMNS, columns_in_slots, columns_present
from riskstd.engines.embedded import memory_limit

if TYPE_CHECKING:
    import duckdb

    from riskstd.claims.files import Delivery
    from riskstd.claims.groups import PersonGroup
    from riskstd.claims.layouts import Role

SETTINGS = ("professional", "outpatient", "inpatient")
FIRST_ICD10_DAY = "2015-10-01"
_SLOTS = range(1, 26)
OLDEST_YEARS = 130
_MOST_KEYS = 1 << 24  # that are sorted at once
_BYTES_OF_A_REVENUE_CODE = 200  # while the codes of a claim are gathered
_REASONS = (
    "no_person_or_claim",
    "line_without_claim",
    "duplicate_line",
    "not_final_action",
    "equipment_claim",
    "other_claim_type",
    "managed_care_encounter",
    "denied_claim",
    "voided_claim",
    "denied_line",
    "no_service_date",
)
"""To set a claim or a line aside. As a type of the engine they take a byte a line."""
_PAID = "('A', 'R', 'S')"
_MODIFIERS = "nullif(concat_ws(' ', modifier_1, modifier_2, modifier_3, modifier_4), '')"
_ICD10_BEGAN = f"DATE '{FIRST_ICD10_DAY}'"

LINE_TEXTS = {
    "professional": (
        "hcpcs",
        "modifier_1",
        "modifier_2",
        "modifier_3",
        "modifier_4",
        "type_of_service",
        "specialty",
        "place_of_service",
        "organization_npi",
        "performing_npi",
        "line_diagnosis",
        "line_version",
    ),
    "outpatient": ("revenue_code", "hcpcs", "modifier_1", "modifier_2", "modifier_3", "modifier_4"),
}
"""Texts of a line that claims tables keep, beside those of its claim."""

_LINE_CONTENT = {
    "professional": (
        "hcpcs",
        _MODIFIERS,
        "type_of_service",
        "specialty",
        "place_of_service",
        "organization_npi",
        "performing_npi",
    ),
    "outpatient": ("revenue_code", "hcpcs", _MODIFIERS),
}
"""What orders lines of one number, in the order of the columns of the table."""


def build_person_keys(con: duckdb.DuckDBPyConnection) -> None:
    """Number every person of the delivery by the order of their identifiers."""
    roles = ("beneficiary", "span", *(f"{s}_{part}" for s in SETTINGS for part in ("header", "line")))
    every = " UNION ALL ".join(f"SELECT DISTINCT person_id FROM people_{role}" for role in roles)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE every_person_key AS
        SELECT row_number() OVER (ORDER BY person_id) AS person_key, person_id
        FROM (SELECT DISTINCT person_id FROM ({every}) WHERE person_id IS NOT NULL)""")
    limit_person_keys(con, None)


def limit_person_keys(con: duckdb.DuckDBPyConnection, people: PersonGroup | None) -> None:
    """Let `person_keys` show some people, or all."""
    mine = f" WHERE person_key BETWEEN {people.first_key} AND {people.last_key}" if people is not None else ""
    con.execute(f"CREATE OR REPLACE TEMP VIEW person_keys AS SELECT person_key, person_id FROM every_person_key{mine}")


def build_people(con: duckdb.DuckDBPyConnection) -> None:
    """One row per person with a record; the latest year's birth date, the latest death date.

    Where records have no birth date: the latest on the claims of the person, else 1 July of the year that the age
    at the end of the latest year gives (`born_by_age`).
    """
    born = " UNION ALL ".join(
        f"SELECT person_id, claim_birth_date AS birth FROM raw_{setting}_header WHERE claim_birth_date IS NOT NULL"
        for setting in SETTINGS
    )
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE people AS
        WITH records AS (
          SELECT person_id, year, birth_date AS birth, age, death_date AS death, sex FROM raw_beneficiary
          UNION ALL
          SELECT person_id, year(span_end), birth_date, NULL, death_date, sex FROM raw_span
        ),
        on_claims AS (SELECT person_id, max(birth) AS birth FROM ({born}) GROUP BY person_id),
        persons AS (
          SELECT person_id,
            (max({{'year': coalesce(year, 0), 'birth': birth}}) FILTER (birth IS NOT NULL)).birth AS birth,
            max({{'year': year, 'age': age}}) FILTER (year IS NOT NULL AND age BETWEEN 0 AND {OLDEST_YEARS}) AS aged,
            max(death) AS death_date,
            CASE (max({{'year': coalesce(year, 0), 'sex': sex}}) FILTER (sex IS NOT NULL)).sex
              WHEN '1' THEN 'male' WHEN '2' THEN 'female' WHEN 'm' THEN 'male' WHEN 'f' THEN 'female'
              WHEN 'male' THEN 'male' WHEN 'female' THEN 'female' END AS sex
          FROM records GROUP BY person_id)
        SELECT person_key, coalesce(p.birth, c.birth, make_date(aged.year - aged.age, 7, 1)) AS birth_date,
          death_date, sex, p.birth IS NULL AND c.birth IS NULL AND aged IS NOT NULL AS born_by_age
        FROM persons p JOIN person_keys USING (person_id) LEFT JOIN on_claims c USING (person_id)""")


def birth_statements(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Say how many people's birth dates follow from their age, and for how many that leaves the age of 65 open."""
    people, open_ = con.execute("""
        SELECT count(*), count(*) FILTER (year(birth_date) + 65 BETWEEN
          (SELECT min(year) FROM raw_beneficiary) AND (SELECT max(year) FROM raw_beneficiary))
        FROM people WHERE born_by_age""").fetchall()[0]
    if not people:
        return []
    taken = (
        f"{people:,} people have an age at the end of the year and no birth date: 1 July of the year that it gives "
        "is taken as their birth date, so that an age can be wrong by one year on days before or after the birthday."
    )
    undecided = (
        f"{open_:,} of them turn 65 in a year of the delivery: whether they are 65 at a procedure of that year "
        "cannot be decided from these files, and goes by that 1 July."
    )
    return [taken, undecided]


def build_enrollment(con: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """One row per person and month, in this order, from monthly flags or from spans."""
    if delivery.of_role("span"):
        con.execute("""
            CREATE OR REPLACE TEMP VIEW enrollment AS
            SELECT DISTINCT person_key, '3' AS buy_in, '0' AS hmo,
              unnest(range(year(s) * 12 + month(s) - 1, year(e) * 12 + month(e))) AS month
            FROM (SELECT person_id, span_start AS s, coalesce(span_end, (SELECT max(span_end) FROM raw_span)) AS e
                  FROM raw_span WHERE payer = 'medicare') JOIN person_keys USING (person_id)
            WHERE s <= e ORDER BY person_key, month""")
        return
    flags = [f"{name}_{n}" for name in ("buy_in", "hmo") for n in range(1, 13)]
    again = "SELECT 1 FROM raw_beneficiary GROUP BY hash(person_id, year) HAVING count(*) > 1 LIMIT 1"
    repeated = bool(con.execute(again).fetchall())
    cells = ", ".join(f"max({name}) AS {name}" if repeated else name for name in flags)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE person_years AS
        SELECT person_key, year, {cells} FROM raw_beneficiary JOIN person_keys USING (person_id)
        WHERE year IS NOT NULL {"GROUP BY person_key, year" if repeated else ""}""")
    # Twelve rows for each of the sorted years come out sorted: no sort of the months is needed.
    con.execute(f"""
        CREATE OR REPLACE TEMP VIEW enrollment AS
        SELECT person_key, year * 12 + unnest(range(12)) AS month, unnest([{", ".join(flags[:12])}]) AS buy_in,
          coalesce(unnest([{", ".join(flags[12:])}]), '') AS hmo
        FROM (FROM person_years ORDER BY person_key, year)""")


def build_claims(con: duckdb.DuckDBPyConnection, delivery: Delivery, setting: str) -> None:
    """One row per claim of a setting, with the reason to set it aside if there is one."""
    con.execute(f"CREATE TYPE IF NOT EXISTS reason AS ENUM {_REASONS}")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {setting}_claims AS
        SELECT row, person_key, {"person_id," if setting == "inpatient" else ""} claim_id,
          {_text_number("person_id")} AS person_number, hash(claim_id) AS claim_number, {_claim_status(setting)} AS claim_status,
          from_date AS from_day, thru_date AS thru_day, {_own_columns(delivery, setting)}
        FROM raw_{setting}_header LEFT JOIN person_keys USING (person_id) WHERE claim_id IS NOT NULL""")
    key = "hash(person_number, claim_number)"
    any_repeated = _repeated(con, setting, f"{setting}_claims", key, "true")
    _choose_headers(
        con, delivery, setting, f"SELECT row FROM {setting}_claims WHERE {key} IN (FROM {setting}_repeated)"
    )
    if any_repeated:
        con.execute(f"""
            DELETE FROM {setting}_claims
            WHERE {key} IN (FROM {setting}_repeated) AND row NOT IN (SELECT row FROM {setting}_standing)""")


def _text_number(text: str) -> str:
    """Number of an identifier, by which joins cost less than by texts.

    Lines join claims by the numbers of person and claim. What could go wrong is that two claims of one person share a
    number of 64 bits: for five million people with two hundred claims each the chance of a single one is 1e-8.
    """
    return f"CASE WHEN {text} IS NOT NULL THEN hash({text}) END"


def _choose_headers(con: duckdb.DuckDBPyConnection, delivery: Delivery, setting: str, repeated: str) -> None:
    """Of the base rows of a claim that comes more than once, choose the first in order of its cells."""
    columns = ", ".join(f"raw.{name}" for name in ROLE_COLUMNS[f"{setting}_header"])  # type: ignore[index]
    con.execute(f"CREATE OR REPLACE TEMP TABLE copies AS {_whole_headers(delivery, setting, repeated)}")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {setting}_standing AS
        WITH claims AS (
          SELECT person_id, claim_id, min(row) AS row, min(content) <> max(content) AS differ
          FROM (SELECT row, person_id, claim_id, hash({columns}) AS content FROM copies raw) GROUP BY ALL)
        SELECT row, differ FROM claims WHERE NOT differ
        UNION ALL
        SELECT row, true FROM (
          SELECT raw.row, row_number() OVER (PARTITION BY raw.person_id, raw.claim_id ORDER BY {columns}) AS place
          FROM copies raw JOIN claims c
            ON c.differ AND raw.claim_id = c.claim_id AND raw.person_id IS NOT DISTINCT FROM c.person_id)
        WHERE place = 1""")
    con.execute("DROP TABLE copies")


def _whole_headers(delivery: Delivery, setting: str, rows: str) -> str:
    """SQL of some base rows with all their columns, those of diagnoses from their slots."""
    role: Role = f"{setting}_header"  # type: ignore[assignment]
    cells = columns_in_slots(delivery, role)
    if not cells:
        return f"SELECT * FROM raw_{role} WHERE row IN ({rows})"
    collected = ", ".join(f"{sql} AS {name}" for name, sql in cells.items())
    whole = ", ".join(f"slots.{name} AS {name}" for name in cells)
    return f"""
        SELECT raw.* REPLACE ({whole}) FROM raw_{role} raw
        LEFT JOIN (SELECT row, {collected} FROM raw_{role}_slots WHERE row IN ({rows}) GROUP BY row) slots
          ON slots.row = raw.row
        WHERE raw.row IN ({rows})"""


def _own_columns(delivery: Delivery, setting: str) -> str:
    if setting == "professional":
        return "billing_npi"
    own = f"provider_ccn, facility_npi, {_bill_type()} AS bill_type"
    if setting == "outpatient":
        return own
    principal, version = _principal(delivery, setting)
    return f"{own}, admission_date, discharge_date, discharge_status, admission_source, {principal} AS principal, {version} AS version"


def _claim_status(setting: str) -> str:
    tests = [("final_action = 'N'", "not_final_action")]
    if setting == "professional":
        tests += [
            ("claim_type = '72'", "equipment_claim"),
            ("claim_type <> '71'", "other_claim_type"),
            ("denial = '0'", "denied_claim"),
        ]
    else:
        own = {"outpatient": "40", "inpatient": "60"}[setting]
        tests += [
            ("claim_type = '61'", "managed_care_encounter"),
            (f"claim_type <> '{own}'", "other_claim_type"),
            ("nonpayment IS NOT NULL", "denied_claim"),
            ("coalesce(frequency, substr(bill_type, 3, 1)) = '8'", "voided_claim"),
        ]
    return _first_reason([(test, _reason(name)) for test, name in tests])


def _first_reason(tests: list[tuple[str, str]]) -> str:
    return "CASE " + " ".join(f"WHEN {test} THEN {reason}" for test, reason in tests) + " END"


def _reason(name: str) -> str:
    return f"CAST('{name}' AS reason)"


def build_lines(con: duckdb.DuckDBPyConnection, setting: str) -> None:
    """Lines of a setting joined to their claims, with the reason to set each aside if there is one."""
    day, last_day = {
        "professional": ("coalesce(first_date, last_date, from_day)", "coalesce(last_date, first_date, from_day)"),
        "outpatient": ("coalesce(line_date, from_day, thru_day)", "NULL"),
    }[setting]
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {setting}_staged AS
        SELECT line.row, c.row AS claim_row, person_key, line_number, {day} AS day, {last_day} AS last_day, 0 AS tie,
          {_line_status(setting, day)} AS status
        FROM raw_{setting}_line line
        LEFT JOIN {setting}_claims c ON c.person_number = {_text_number("line.person_id")}
          AND c.claim_number = {_text_number("line.claim_id")}""")
    _mark_copies(con, setting)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {setting}_unused_claims AS
        SELECT DISTINCT claim_row AS row FROM {setting}_staged WHERE status IS NOT NULL AND claim_row IS NOT NULL""")
    con.execute(f"""
        DELETE FROM {setting}_unused_claims WHERE row IN (
          SELECT claim_row FROM {setting}_staged
          WHERE status IS NULL AND claim_row IN (SELECT row FROM {setting}_unused_claims))""")


def _line_status(setting: str, day: str) -> str:
    tests = [
        ("line.person_id IS NULL OR line.claim_id IS NULL", _reason("no_person_or_claim")),
        ("c.row IS NULL", _reason("line_without_claim")),
        ("claim_status IS NOT NULL", "claim_status"),
    ]
    if setting == "professional":
        tests.append((f"processing NOT IN {_PAID}", _reason("denied_line")))
    return _first_reason([*tests, (f"{day} IS NULL", _reason("no_service_date"))])


def _mark_copies(con: duckdb.DuckDBPyConnection, setting: str) -> None:
    """Of the lines of a claim with one number, set copies aside, and order those that differ by their content."""
    key = "hash(claim_row, coalesce(line_number, 0))"
    if not _repeated(con, f"{setting}_line", f"{setting}_staged", key, "claim_row IS NOT NULL"):
        return
    every = ", ".join(f"line.{name}" for name in ROLE_COLUMNS[f"{setting}_line"])  # type: ignore[index]
    content = ", ".join(f"coalesce({cell}, '')" for cell in _LINE_CONTENT[setting])
    rows = f"SELECT row FROM {setting}_staged WHERE claim_row IS NOT NULL AND {key} IN (FROM {setting}_line_repeated)"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {setting}_line_copies AS
        SELECT row, row_number() OVER (PARTITION BY {every}) AS copy,
          CAST(rank() OVER (
            PARTITION BY person_id, claim_id, coalesce(line_number, 0) ORDER BY concat_ws('|', {content})) AS INTEGER) AS tie
        FROM raw_{setting}_line line WHERE row IN ({rows})""")
    con.execute(f"""
        UPDATE {setting}_staged staged
        SET tie = copies.tie, status = CASE WHEN copy > 1 THEN {_reason("duplicate_line")} ELSE status END
        FROM {setting}_line_copies copies WHERE copies.row = staged.row""")


def _repeated(con: duckdb.DuckDBPyConnection, name: str, table: str, key: str, known: str) -> bool:
    """Put the keys that come more than once into table `<name>_repeated`, and tell whether there are any.

    Sorted as numbers, part by part where all take more than a share of memory.
    """
    rows = int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
    parts = max(1, -(-rows // _MOST_KEYS))
    found = [np.empty(0, np.uint64)]
    for part in range(parts):
        some = f" AND {key} % {parts} = {part}" if parts > 1 else ""
        batches = con.sql(f"SELECT {key} AS key FROM {table} WHERE {known}{some}").to_arrow_reader(1 << 20)
        numbers = np.concatenate([np.empty(0, np.uint64), *(batch.column(0).to_numpy() for batch in batches)])
        numbers.sort()
        found.append(np.unique(numbers[1:][numbers[1:] == numbers[:-1]]))
    repeated = pa.table({"key": np.concatenate(found)})
    con.register("repeated_keys", repeated)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name}_repeated AS FROM repeated_keys")
    con.unregister("repeated_keys")
    return repeated.num_rows > 0


def kept_lines(setting: str) -> str:
    """SQL of the lines of a setting that are kept, by the row of their cells and that of their claim."""
    return (
        f"SELECT row, person_key, claim_row, line_number, day, last_day, tie FROM {setting}_staged WHERE status IS NULL"
    )


def claims_in_use(setting: str) -> str:
    """SQL of the claims of a setting that are kept and do not have all their lines set aside, with the day of their diagnoses."""
    day = {"inpatient": "coalesce(discharge_date, thru_day, admission_date, from_day)"}.get(
        setting, "coalesce(thru_day, from_day)"
    )
    own = {"professional": ", billing_npi", "outpatient": ", bill_type, provider_ccn, facility_npi"}.get(setting, "")
    unused = f"AND row NOT IN (FROM {setting}_unused_claims)" if setting != "inpatient" else ""
    return f"""SELECT row, person_key, claim_id, {day} AS day{own} FROM {setting}_claims
        WHERE claim_status IS NULL AND person_key IS NOT NULL {unused}"""


def build_inpatient_claims(con: duckdb.DuckDBPyConnection) -> None:
    """Inpatient claims as declared, without the stays; claims set aside and claims without any day are left out.

    For as many claims at a time as memory holds: the texts that an aggregate collects cannot go to disk.
    """
    lines = con.execute("SELECT count(*) FROM raw_inpatient_line").fetchall()[0][0]
    parts = max(1, -(-lines * _BYTES_OF_A_REVENUE_CODE // int(memory_limit(con))))
    for part in range(parts):
        into = "INSERT INTO inpatient_kept" if part else "CREATE OR REPLACE TEMP TABLE inpatient_kept AS"
        con.execute(f"{into} {_inpatient_part(parts, part)}")


def _inpatient_part(parts: int, part: int) -> str:
    """Inpatient claims of one part of the claim identifiers, with their revenue codes as one text."""
    day = "coalesce(discharge_date, thru_day, from_day)"
    mine = f"hash(claim_id) % {parts} = {part}"
    return f"""
        WITH codes AS (
          SELECT person_id, claim_id, string_agg(revenue_code, ' ' ORDER BY revenue_code) AS revenue_codes
          FROM (SELECT DISTINCT person_id, claim_id, revenue_code FROM raw_inpatient_line WHERE {mine}) GROUP BY ALL)
        SELECT row, person_key, claim_id, from_day AS from_date, thru_day AS thru_date,
          coalesce(admission_date, from_day, thru_day) AS admission_date,
          coalesce(discharge_date, thru_day) AS discharge_date,
          provider_ccn, facility_npi, bill_type, discharge_status, admission_source,
          principal AS principal_diagnosis,
          CASE WHEN principal IS NOT NULL THEN {_icd_version("version", day)} END AS principal_icd_version,
          revenue_codes
        FROM (FROM inpatient_claims WHERE {mine}) LEFT JOIN codes USING (person_id, claim_id)
        WHERE claim_status IS NULL AND coalesce(admission_date, from_day, thru_day) IS NOT NULL
          AND person_key IS NOT NULL"""


def build_procedures(con: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """ICD procedures of kept inpatient claims, long."""
    slots = [n for n in _SLOTS if columns_present(delivery, "inpatient_header", f"procedure_{n}")]
    cells = " UNION ALL ".join(
        f"SELECT row, {n} AS position, procedure_{n} AS code, procedure_day_{n} AS procedure_date "
        f"FROM raw_inpatient_header WHERE procedure_{n} IS NOT NULL"
        for n in slots or [1]
    )
    con.execute(f"""
        CREATE OR REPLACE TEMP VIEW procedures AS
        SELECT person_key, claim_id, position, code, procedure_date
        FROM ({cells}) JOIN (SELECT row, person_key, claim_id FROM inpatient_kept) USING (row)""")


def _principal(delivery: Delivery, setting: str) -> tuple[str, str]:
    """Columns of the principal diagnosis and its version: their own, else slot 1."""
    role = f"{setting}_header"
    if columns_present(delivery, role, "principal_diagnosis"):  # type: ignore[arg-type]
        return "principal_diagnosis", "principal_version"
    return "diagnosis_1", _slot_version(delivery, setting, 1)


def _slot_version(delivery: Delivery, setting: str, slot: int) -> str:
    """Version of a slot: its own column, else the code system that the claim names."""
    if columns_present(delivery, f"{setting}_header", "code_system"):  # type: ignore[arg-type]
        return "code_system"
    return f"version_{slot}"


def _icd_version(version: str, day: str) -> str:
    """Version 0 is ICD-10 and 9 is ICD-9; blank goes by the day that ICD-10 began."""
    return (
        f"CAST(CASE {version} WHEN '0' THEN 10 WHEN '10' THEN 10 WHEN '9' THEN 9 "
        f"ELSE CASE WHEN {day} >= {_ICD10_BEGAN} THEN 10 ELSE 9 END END AS INTEGER)"
    )


def _bill_type() -> str:
    built = "CASE WHEN facility_type IS NOT NULL AND service_class IS NOT NULL THEN right(facility_type, 1) || right(service_class, 1) || coalesce(frequency, '') END"
    return f"coalesce(bill_type, upper({built}))"
