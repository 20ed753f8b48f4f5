"""The contract of every table between stages."""

from riskstd.tables.arrays import coded_texts, factor_matrix
from riskstd.tables.claims import (
    CLAIMS_TABLES,
    DIAGNOSES,
    ENROLLMENT,
    INPATIENT_CLAIMS,
    OUTPATIENT_LINES,
    PEOPLE,
    PERSON_KEYS,
    PROCEDURES,
    PROFESSIONAL_LINES,
    STAYS,
)
from riskstd.tables.lazy import (
    LazyFrames,
    count_rows,
    discard,
    materialize,
    materialize_parts,
    narrow_columns,
    to_frame,
)
from riskstd.tables.results import (
    ATTRITION,
    EXCLUDED_PROCEDURES,
    FACILITY_RATES,
    HOSPITAL_VISITS,
    INDEX_PROCEDURES,
    OUTCOMES,
    RESULT_TABLES,
)
from riskstd.tables.schema import Column, ColumnType, Table

__all__ = [
    "ATTRITION",
    "CLAIMS_TABLES",
    "DIAGNOSES",
    "ENROLLMENT",
    "EXCLUDED_PROCEDURES",
    "FACILITY_RATES",
    "HOSPITAL_VISITS",
    "INDEX_PROCEDURES",
    "INPATIENT_CLAIMS",
    "OUTCOMES",
    "OUTPATIENT_LINES",
    "PEOPLE",
    "PERSON_KEYS",
    "PROCEDURES",
    "PROFESSIONAL_LINES",
    "RESULT_TABLES",
    "STAYS",
    "Column",
    "ColumnType",
    "LazyFrames",
    "Table",
    "coded_texts",
    "count_rows",
    "discard",
    "factor_matrix",
    "materialize",
    "materialize_parts",
    "narrow_columns",
    "to_frame",
]
