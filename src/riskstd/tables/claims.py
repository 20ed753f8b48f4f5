"""The claims tables: what every reader produces and every later stage reads."""

from __future__ import annotations

from riskstd.tables.schema import Column, Table

_PERSON = Column("person_key", "key", "dense number of the person; the map to identifiers is kept apart", required=True)
_CLAIM = Column("claim_id", "text", "claim key of the source", required=True, identifying=True)

PERSON_KEYS = Table(
    "person_keys",
    "map from person_key to the identifier of the source; readable by its owner only",
    (
        _PERSON,
        Column("person_id", "text", "person identifier of the source", required=True, identifying=True),
    ),
    ("person_key",),
)

PEOPLE = Table(
    "people",
    "one row per person who has a beneficiary record",
    (
        _PERSON,
        Column("birth_date", "date", "date of birth", identifying=True),
        Column("death_date", "date", "date of death, null if none is known", identifying=True),
        Column("sex", "text", "sex on the record", allowed=("male", "female")),
    ),
    ("person_key",),
)

ENROLLMENT = Table(
    "enrollment",
    "one row per person and month with a beneficiary record",
    (
        _PERSON,
        Column("month", "integer", "calendar month: year x 12 + month - 1", unit="months", required=True),
        Column("buy_in", "text", "monthly entitlement code; 3 and C mean Part A and Part B"),
        Column("hmo", "text", "monthly managed-care code; 0, 4 mean fee for service; empty text if blank"),
    ),
    ("person_key", "month"),
)

INPATIENT_CLAIMS = Table(
    "inpatient_claims",
    "one row per inpatient claim, with the stay it belongs to",
    (
        _PERSON,
        _CLAIM,
        Column("stay_id", "key", "stay that the claim belongs to", required=True),
        Column("from_date", "date", "first service day of the bill"),
        Column("thru_date", "date", "last service day of the bill"),
        Column("admission_date", "date", "day of admission, else first service day", required=True),
        Column("discharge_date", "date", "day of discharge, else last service day"),
        Column("provider_ccn", "text", "CMS certification number of the hospital"),
        Column("facility_npi", "text", "NPI of the hospital"),
        Column("bill_type", "text", "type of bill, three characters"),
        Column("discharge_status", "text", "patient status at discharge; 02 transfer, 30 still a patient"),
        Column("admission_source", "text", "source of admission; 4 another hospital"),
        Column("principal_diagnosis", "text", "principal diagnosis code, null if missing"),
        Column("principal_icd_version", "integer", "ICD version of the principal diagnosis", unit="9 or 10"),
        Column("revenue_codes", "text", "distinct revenue codes of the claim, sorted, blank between"),
    ),
    ("person_key", "admission_date", "claim_id"),
)

STAYS = Table(
    "stays",
    "one row per inpatient stay: interim bills and transfers joined",
    (
        _PERSON,
        Column("stay_id", "key", "dense number of the stay", required=True),
        Column("admission_date", "date", "first day of the stay", required=True),
        Column("discharge_date", "date", "last day of the stay"),
        Column("provider_ccn", "text", "CMS certification number of the first hospital"),
        Column("facility_npi", "text", "NPI of the first hospital"),
        Column("claims", "integer", "claims joined in the stay", unit="claims", required=True),
    ),
    ("person_key", "admission_date", "stay_id"),
)

OUTPATIENT_LINES = Table(
    "outpatient_lines",
    "one row per revenue line of a hospital outpatient claim",
    (
        _PERSON,
        _CLAIM,
        Column("line_number", "integer", "line of the claim"),
        Column("line_date", "date", "service day of the line, else first day of the claim", required=True),
        Column("bill_type", "text", "type of bill, three characters"),
        Column("provider_ccn", "text", "CMS certification number of the hospital"),
        Column("facility_npi", "text", "NPI of the hospital"),
        Column("revenue_code", "text", "revenue code, four characters"),
        Column("hcpcs", "text", "HCPCS code"),
        Column("modifiers", "text", "HCPCS modifiers in order, blank between"),
    ),
    ("person_key", "line_date", "claim_id", "line_number"),
)

PROFESSIONAL_LINES = Table(
    "professional_lines",
    "one row per line of a Part B professional (carrier) claim",
    (
        _PERSON,
        _CLAIM,
        Column("line_number", "integer", "line of the claim"),
        Column("line_date", "date", "first service day of the line", required=True),
        Column("hcpcs", "text", "HCPCS code"),
        Column("modifiers", "text", "HCPCS modifiers in order, blank between"),
        Column("type_of_service", "text", "CMS type of service; F is an ASC facility line"),
        Column("specialty", "text", "CMS specialty of the performer; 49 is an ASC"),
        Column("place_of_service", "text", "place of service; 24 is an ASC"),
        Column("billing_npi", "text", "NPI that billed the claim"),
        Column("organization_npi", "text", "NPI of the performer's organisation"),
        Column("performing_npi", "text", "NPI of the performer"),
    ),
    ("person_key", "line_date", "claim_id", "line_number"),
)

DIAGNOSES = Table(
    "diagnoses",
    "one row per diagnosis of an inpatient, outpatient or professional claim",
    (
        _PERSON,
        _CLAIM,
        Column(
            "setting",
            "text",
            "kind of claim",
            allowed=("inpatient", "outpatient", "professional"),
            required=True,
        ),
        Column(
            "service_date",
            "date",
            "discharge day of an inpatient claim, last service day of others, last day of the line",
            required=True,
        ),
        Column("role", "text", "where the code stood", allowed=("principal", "claim", "line"), required=True),
        Column("position", "integer", "0 principal; slot of the claim; number of the line", required=True),
        Column("code", "text", "ICD code without point", required=True),
        Column("icd_version", "integer", "version of the code system", unit="9 or 10", required=True),
    ),
    ("person_key", "service_date", "claim_id", "role", "position"),
)

PROCEDURES = Table(
    "procedures",
    "one row per ICD procedure of an inpatient claim",
    (
        _PERSON,
        _CLAIM,
        Column("position", "integer", "slot of the claim", required=True),
        Column("code", "text", "ICD-10-PCS code", required=True),
        Column("procedure_date", "date", "day of the procedure"),
    ),
    ("person_key", "claim_id", "position"),
)

CLAIMS_TABLES: tuple[Table, ...] = (
    PEOPLE,
    ENROLLMENT,
    INPATIENT_CLAIMS,
    STAYS,
    OUTPATIENT_LINES,
    PROFESSIONAL_LINES,
    DIAGNOSES,
    PROCEDURES,
)
