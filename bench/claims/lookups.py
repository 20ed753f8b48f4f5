"""What the peers look up in the measure definitions: lists of codes, never rows of claims."""

from __future__ import annotations

from riskstd.codes import CodeSet
from riskstd.riskfactors.conditions import ConditionMaps, factor_hits
from riskstd.spec import load_measure

MEASURES = ("ASC-12", "ASC-17", "ASC-18", "ASC-19")
COLUMNS = {
    "people": ("person_key", "birth_date", "death_date"),
    "enrollment": ("person_key", "month", "buy_in", "hmo"),
    "inpatient_claims": (
        "person_key",
        "claim_id",
        "stay_id",
        "thru_date",
        "admission_date",
        "discharge_date",
        "provider_ccn",
        "facility_npi",
        "bill_type",
        "principal_diagnosis",
        "principal_icd_version",
    ),
    "stays": ("person_key", "stay_id", "admission_date", "discharge_date"),
    "outpatient_lines": (
        "person_key",
        "claim_id",
        "line_date",
        "bill_type",
        "provider_ccn",
        "facility_npi",
        "revenue_code",
        "hcpcs",
    ),
    "professional_lines": (
        "person_key",
        "claim_id",
        "line_date",
        "hcpcs",
        "type_of_service",
        "specialty",
        "place_of_service",
        "billing_npi",
        "organization_npi",
        "performing_npi",
    ),
    "diagnoses": ("person_key", "claim_id", "setting", "service_date", "role", "code", "icd_version"),
    "procedures": ("person_key", "claim_id", "code"),
}
"""The columns that the rules of the four measures look at, by table."""

KEY = ["person_key", "line_date", "facility_id"]
COHORT = [
    "procedure_id",
    "person_key",
    "facility_id",
    "procedure_date",
    "codes",
    "index_code",
    "work_rvu",
    "qualifying_procedures",
    "age_years",
]
VISITS = ["procedure_id", "visit_type", "start_date", "claim_id", "planned", "planned_rule", "not_counted_because"]


RULES = (
    "outside_period",
    "facility_unknown",
    "person_unknown",
    "age_below",
    "not_enrolled_before",
    "not_enrolled_after",
    "concurrent_code",
    "diagnosis_present",
    "followed_by_procedure",
)
"""Exclusion rules of the four measures under their default options."""


def measures(names: tuple[str, ...] = MEASURES) -> list:
    """Load measures under their default options."""
    return [load_measure(name) for name in names]


def qualifying(measure, pairs) -> list[tuple[str, int, float | None]]:
    """Return code, year and work RVU of the pairs that qualify."""
    clauses = measure.definition.cohort
    listed, rvus = measure.table(clauses.codes.table), measure.table(clauses.record.work_rvu_table)
    years = {year: listed.codes(clauses.codes.role, year=year) for year in {year for _, year in pairs}}
    found = [(code, year) for code, year in pairs if code in years[year]]
    return [(code, year, (rvus.work_rvu(code, year) or (None,))[0]) for code, year in found]


def listed_codes(measure, table: str, role: str, pairs) -> list[tuple[str, int]]:
    """Return the pairs of procedure code and year that are listed."""
    years = {year: measure.table(table).codes(role, year=year) for year in {year for _, year in pairs}}
    return [(code, year) for code, year in pairs if code in years[year]]


def listed_diagnoses(measure, clause, triples) -> list[tuple[str, int, int]]:
    """Return the triples of diagnosis code, ICD version and year that are listed."""
    table = measure.table(clause.table)
    sets = {
        (version, year): table.codes(clause.role, year=year, system=f"ICD-{version}-CM")
        for version, year in {(version, year) for _, version, year in triples}
    }
    return [(code, version, year) for code, version, year in triples if code in sets[version, year]]


def visit_codes(clause) -> list[str]:
    """Return the codes that show a visit."""
    return sorted(CodeSet.of(clause.codes).exact)


def factors_of(measure, codes: list[str]) -> list[tuple[str, str, bool]]:
    """Return code, factor, and whether the code makes it from the index day too."""
    rows = factor_hits(sorted(codes), measure, ConditionMaps.of(measure)).to_pylist()
    return [(row["code"], row["factor"], row["index_day_counts"]) for row in rows]


def planned_procedures(measure, codes: list[str]) -> dict[str, tuple[bool, bool]]:
    """Return PA1 and PA3 of procedure codes."""
    return planned(measure, codes, "procedure", "PA1", "PA3")


def planned_diagnoses(measure, codes: list[str]) -> dict[str, tuple[bool, bool]]:
    """Return PA2 and PA4 of principal diagnosis codes."""
    return planned(measure, codes, "diagnosis", "PA2", "PA4")


def planned(measure, codes: list[str], kind: str, always: str, other: str) -> dict[str, tuple[bool, bool]]:
    """Tell for each code whether it is in the part that lists categories, and in the one that lists codes too."""
    (tables,) = measure.planned_tables
    table = measure.table(tables.table)
    of_code = measure.table(getattr(tables, f"{kind}_categories")).category_map()
    first, second = (table.planned_part(part, f"{kind}_category") for part in (always, other))
    listed = table.planned_part(other, f"{kind}_code")
    found = {code: of_code.categories(code) for code in codes}
    return {
        code: (any(c in first for c in mine), code in listed or any(c in second for c in mine))
        for code, mine in found.items()
    }


def types_of(measure, factor, codes: list[str]) -> dict[str, list[str]]:
    """Return the index codes of every procedure type but the reference."""
    table = measure.table(factor.table)
    return {kind: table.codes(kind).select(codes) for kind in factor.types if kind != factor.reference}


def rules(names: dict) -> dict:
    """Return the exclusion rules that a peer's module defines, by name."""
    return {rule: names[rule] for rule in RULES}
