"""From raw text tables to claims tables: persons, enrolment, lines, diagnoses, procedures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskstd.claims.staging import ROLE_COLUMNS, columns_present

if TYPE_CHECKING:
    import duckdb

    from riskstd.claims.files import Delivery

SETTINGS = ("professional", "outpatient", "inpatient")
FIRST_ICD10_DAY = "DATE '2015-10-01'"
_SLOTS = range(1, 26)
_PAID = "('A', 'R', 'S')"


def build_person_keys(con: duckdb.DuckDBPyConnection) -> None:
    """Number every person of the delivery by the order of their identifiers."""
    roles = ("beneficiary", "span", *(f"{s}_{part}" for s in SETTINGS for part in ("header", "line")))
    every = " UNION ".join(f"SELECT person_id FROM raw_{role} WHERE person_id IS NOT NULL" for role in roles)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE person_keys AS "
        f"SELECT row_number() OVER (ORDER BY person_id) AS person_key, person_id FROM ({every})"
    )


def build_people(con: duckdb.DuckDBPyConnection) -> None:
    """One row per person with a record; the latest year's birth date, the latest death date."""
    con.execute("""
        CREATE OR REPLACE TEMP TABLE people AS
        WITH records AS (
          SELECT person_id, as_year(year) AS year, as_date(birth_date) AS birth, as_date(death_date) AS death, sex
          FROM raw_beneficiary
          UNION ALL
          SELECT person_id, year(as_date(span_end)), as_date(birth_date), as_date(death_date), sex FROM raw_span
        )
        SELECT person_key,
          (max({'year': coalesce(year, 0), 'birth': birth}) FILTER (birth IS NOT NULL)).birth AS birth_date,
          max(death) AS death_date,
          CASE (max({'year': coalesce(year, 0), 'sex': lower(sex)}) FILTER (sex IS NOT NULL)).sex
            WHEN '1' THEN 'male' WHEN '2' THEN 'female' WHEN 'm' THEN 'male' WHEN 'f' THEN 'female'
            WHEN 'male' THEN 'male' WHEN 'female' THEN 'female' END AS sex
        FROM records JOIN person_keys USING (person_id) GROUP BY person_key""")


def build_enrollment(con: duckdb.DuckDBPyConnection) -> None:
    """One row per person and month, from monthly flags or from spans."""
    months = " UNION ALL ".join(
        f"SELECT person_id, as_year(year) * 12 + {n - 1} AS month, "
        f"upper(buy_in_{n}) AS buy_in, coalesce(upper(hmo_{n}), '') AS hmo FROM raw_beneficiary"
        for n in range(1, 13)
    )
    spans = """
        SELECT person_id, unnest(range(year(s) * 12 + month(s) - 1, year(e) * 12 + month(e))) AS month, '3', '0'
        FROM (SELECT person_id, as_date(span_start) AS s,
                coalesce(as_date(span_end), (SELECT max(as_date(span_end)) FROM raw_span)) AS e
              FROM raw_span WHERE lower(payer) = 'medicare') WHERE s <= e"""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE enrollment AS
        SELECT person_key, CAST(month AS INTEGER) AS month, max(buy_in) AS buy_in, max(hmo) AS hmo
        FROM ({months} UNION ALL {spans}) JOIN person_keys USING (person_id)
        WHERE month IS NOT NULL GROUP BY person_key, month""")


def build_headers(con: duckdb.DuckDBPyConnection, setting: str) -> None:
    """One row per claim of a setting, with the reason to set it aside if there is one."""
    columns = ", ".join(ROLE_COLUMNS[f"{setting}_header"])  # type: ignore[index]
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {setting}_claims AS
        SELECT person_key, raw.*, {_claim_status(setting)} AS claim_status,
          as_date(from_date) AS from_day, as_date(thru_date) AS thru_day
        FROM raw_{setting}_header raw LEFT JOIN person_keys USING (person_id)
        WHERE claim_id IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY person_id, claim_id ORDER BY {columns}) = 1""")


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
            ("coalesce(frequency, substr(as_bill_type(bill_type), 3, 1)) = '8'", "voided_claim"),
        ]
    return "CASE " + " ".join(f"WHEN {test} THEN '{reason}'" for test, reason in tests) + " END"


def build_lines(con: duckdb.DuckDBPyConnection, setting: str) -> None:
    """Lines of a setting joined to their claims, with the reason to set each aside if there is one."""
    columns = ROLE_COLUMNS[f"{setting}_line"]  # type: ignore[index]
    every = ", ".join(f"line.{name}" for name in columns)
    denied = f"WHEN upper(processing) NOT IN {_PAID} THEN 'denied_line'" if setting == "professional" else ""
    day = {
        "professional": "coalesce(as_date(line.first_date), as_date(line.last_date), from_day)",
        "outpatient": "coalesce(as_date(line.line_date), from_day, thru_day)",
        "inpatient": "from_day",
    }[setting]
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {setting}_staged AS
        SELECT c.person_key, line.*, {day} AS day,
          CASE WHEN line.person_id IS NULL OR line.claim_id IS NULL THEN 'no_person_or_claim'
               WHEN c.claim_id IS NULL THEN 'line_without_claim'
               WHEN copy > 1 THEN 'duplicate_line'
               WHEN claim_status IS NOT NULL THEN claim_status
               {denied}
               WHEN {day} IS NULL THEN 'no_service_date' END AS status
        FROM (SELECT *, row_number() OVER (PARTITION BY {every}) AS copy FROM raw_{setting}_line line) line
        LEFT JOIN {setting}_claims c ON c.person_id = line.person_id AND c.claim_id = line.claim_id""")


def build_professional_lines(con: duckdb.DuckDBPyConnection) -> None:
    """The declared table of professional lines."""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE professional_lines AS
        SELECT l.person_key, l.claim_id, {_line_number("l")} AS line_number, day AS line_date, as_code(hcpcs) AS hcpcs,
          {_modifiers()} AS modifiers, upper(type_of_service) AS type_of_service,
          as_padded(specialty, 2) AS specialty, as_padded(place_of_service, 2) AS place_of_service,
          c.billing_npi, organization_npi, performing_npi
        FROM professional_staged l JOIN professional_claims c USING (person_id, claim_id) WHERE status IS NULL""")


def build_outpatient_lines(con: duckdb.DuckDBPyConnection) -> None:
    """The declared table of hospital outpatient lines."""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE outpatient_lines AS
        SELECT l.person_key, l.claim_id, {_line_number("l")} AS line_number, day AS line_date, {_bill_type()} AS bill_type,
          as_padded(provider_ccn, 6) AS provider_ccn, facility_npi,
          as_revenue_code(revenue_code) AS revenue_code, as_code(hcpcs) AS hcpcs, {_modifiers()} AS modifiers
        FROM outpatient_staged l JOIN outpatient_claims c USING (person_id, claim_id) WHERE status IS NULL""")


def build_inpatient_claims(con: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """Inpatient claims as declared, without the stays; claims set aside and claims without any day are left out."""
    principal, version = _principal(delivery, "inpatient")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE inpatient_kept AS
        SELECT person_key, c.claim_id, from_day AS from_date, thru_day AS thru_date,
          coalesce(as_date(admission_date), from_day, thru_day) AS admission_date,
          coalesce(as_date(discharge_date), thru_day) AS discharge_date,
          as_padded(provider_ccn, 6) AS provider_ccn, facility_npi, {_bill_type()} AS bill_type,
          as_padded(discharge_status, 2) AS discharge_status, upper(admission_source) AS admission_source,
          as_code({principal}) AS principal_diagnosis,
          CASE WHEN as_code({principal}) IS NOT NULL THEN {_icd_version(version, "coalesce(as_date(discharge_date), thru_day, from_day)")} END
            AS principal_icd_version,
          revenue_codes
        FROM inpatient_claims c LEFT JOIN (
          SELECT person_id, claim_id, string_agg(DISTINCT as_revenue_code(revenue_code), ' ' ORDER BY as_revenue_code(revenue_code))
            AS revenue_codes
          FROM raw_inpatient_line GROUP BY ALL) USING (person_id, claim_id)
        WHERE claim_status IS NULL AND coalesce(as_date(admission_date), from_day, thru_day) IS NOT NULL
          AND person_key IS NOT NULL""")


def build_diagnoses(con: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """Diagnoses of kept claims and kept professional lines, long."""
    parts = [_claim_diagnoses(delivery, setting) for setting in SETTINGS]
    line_day = "coalesce(as_date(l.last_date), l.day)"
    parts.append(f"""
        SELECT l.person_key, l.claim_id, 'professional' AS setting, {line_day} AS service_date, 'line' AS role,
          coalesce({_line_number("l")}, 0) AS position, as_code(l.line_diagnosis) AS code,
          {_icd_version("l.line_version", line_day)} AS icd_version
        FROM professional_staged l WHERE status IS NULL AND as_code(l.line_diagnosis) IS NOT NULL""")
    con.execute(f"CREATE OR REPLACE TEMP TABLE diagnoses AS SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)})")


def _claim_diagnoses(delivery: Delivery, setting: str) -> str:
    principal, principal_version = _principal(delivery, setting)
    day = "coalesce(thru_day, from_day)"
    if setting == "inpatient":
        day = "coalesce(as_date(discharge_date), thru_day, as_date(admission_date), from_day)"
    cells = [f"{{'role': 'principal', 'position': 0, 'code': {principal}, 'version': {principal_version}}}"]
    cells += [
        f"{{'role': 'claim', 'position': {n}, 'code': diagnosis_{n}, 'version': {_slot_version(delivery, setting, n)}}}"
        for n in _SLOTS
    ]
    kept = (
        ""
        if setting == "inpatient"
        else f"""AND (person_id, claim_id) NOT IN (
          SELECT (person_id, claim_id) FROM {setting}_staged WHERE person_id IS NOT NULL AND claim_id IS NOT NULL
          GROUP BY person_id, claim_id HAVING count(*) FILTER (status IS NULL) = 0)"""
    )
    return f"""
        SELECT person_key, claim_id, '{setting}' AS setting, day AS service_date, d.role AS role, d.position AS position,
          as_code(d.code) AS code, {_icd_version("d.version", "day")} AS icd_version
        FROM (SELECT person_key, claim_id, {day} AS day, unnest([{", ".join(cells)}]) AS d
              FROM {setting}_claims WHERE claim_status IS NULL AND person_key IS NOT NULL {kept})
        WHERE as_code(d.code) IS NOT NULL AND day IS NOT NULL"""


def build_procedures(con: duckdb.DuckDBPyConnection) -> None:
    """ICD procedures of kept inpatient claims, long."""
    cells = ", ".join(f"{{'position': {n}, 'code': procedure_{n}, 'day': as_date(procedure_day_{n})}}" for n in _SLOTS)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE procedures AS
        SELECT person_key, claim_id, p.position AS position, as_code(p.code) AS code, p.day AS procedure_date
        FROM (SELECT person_key, claim_id, unnest([{cells}]) AS p FROM inpatient_claims WHERE claim_status IS NULL)
        WHERE as_code(p.code) IS NOT NULL AND (person_key, claim_id) IN (SELECT (person_key, claim_id) FROM inpatient_kept)""")


def _principal(delivery: Delivery, setting: str) -> tuple[str, str]:
    """Columns of the principal diagnosis and its version: their own, else slot 1."""
    role = f"{setting}_header"
    if columns_present(delivery, role, "principal_diagnosis"):  # type: ignore[arg-type]
        return "principal_diagnosis", "principal_version"
    return "diagnosis_1", _slot_version(delivery, setting, 1)


def _slot_version(delivery: Delivery, setting: str, slot: int) -> str:
    """Version of a slot: its own column, else the code system that the claim names."""
    if columns_present(delivery, f"{setting}_header", "code_system"):  # type: ignore[arg-type]
        return "CASE WHEN replace(replace(lower(code_system), '-', ''), ' ', '') LIKE 'icd9%' THEN '9' WHEN code_system IS NOT NULL THEN '0' END"
    return f"version_{slot}"


def _icd_version(version: str, day: str) -> str:
    """Version 0 is ICD-10 and 9 is ICD-9; blank goes by the day that ICD-10 began."""
    return (
        f"CAST(CASE {version} WHEN '0' THEN 10 WHEN '10' THEN 10 WHEN '9' THEN 9 "
        f"ELSE CASE WHEN {day} >= {FIRST_ICD10_DAY} THEN 10 ELSE 9 END END AS INTEGER)"
    )


def _line_number(table: str) -> str:
    return f"CAST(TRY_CAST({table}.line_number AS DOUBLE) AS INTEGER)"


def _modifiers() -> str:
    return "nullif(concat_ws(' ', upper(modifier_1), upper(modifier_2), upper(modifier_3), upper(modifier_4)), '')"


def _bill_type() -> str:
    built = "CASE WHEN facility_type IS NOT NULL AND service_class IS NOT NULL THEN right(facility_type, 1) || right(service_class, 1) || coalesce(frequency, '') END"
    return f"coalesce(as_bill_type(bill_type), upper({built}))"
