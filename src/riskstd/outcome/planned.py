"""The planned admission algorithm: which inpatient stays are planned, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from riskstd.errors import SpecError
from riskstd.spec.years import Years

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims import Claims
    from riskstd.codes import CodeMap
    from riskstd.spec import CodeTable, Measure
    from riskstd.spec.clauses import PlannedTables

_PRINCIPAL = "principal_diagnosis"


@dataclass(frozen=True)
class StayCodes:
    """What the algorithm looks at: procedures of every claim of some stays, and the codes on the stays."""

    procedures: ir.Table
    procedure_codes: list[str]
    diagnosis_codes: list[str]


def codes_of_stays(claims: Claims, stays: ir.Table) -> StayCodes:
    """Collect the codes of some stays (`person_key, stay_id, principal_diagnosis`)."""
    of_stays = claims.inpatient_claims.semi_join(stays, ["person_key", "stay_id"])
    done = of_stays.select("person_key", "stay_id", "claim_id").inner_join(
        claims.procedures.select("person_key", "claim_id", "code"), ["person_key", "claim_id"]
    )
    done = done.select("person_key", "stay_id", "code").distinct().cache()
    return StayCodes(done, _distinct(done, "code"), _distinct(stays.filter(stays[_PRINCIPAL].notnull()), _PRINCIPAL))


def judge_stays(measure: Measure, stays: ir.Table, codes: StayCodes) -> ir.Table:
    """Decide for each stay whether the admission is planned.

    Parameters
    ----------
    measure : Measure
        Names the version and the tables of the algorithm.
    stays : ibis table
        `person_key, stay_id, start_date, principal_diagnosis` (null when missing), and other columns.
    codes : StayCodes
        Of these stays.

    Returns
    -------
    ibis table
        The stays with `planned, planned_rule`.

    Raises
    ------
    SpecError
        When no version holds, or a year of admission has none or several.

    Notes
    -----
    Planned admission algorithm 4.0: the principles are in ASCQR manual v14.0 (p. 1-16, 1-25, 1-29, 1-33);
    docs/measure-logic.md, section 3.
    """
    if not measure.planned_tables:
        raise SpecError(
            f"no version of planned_admission.tables holds in {measure.file} under its options",
            expected="a version for the value that its option has",
            hint="add that version, or choose another value with --option",
        )
    _require_one_version(measure, stays)
    parts = [_judge_by(measure, tables, admitted_in(stays, tables), codes) for tables in measure.planned_tables]
    return reduce(lambda a, b: a.union(b), parts)


def _require_one_version(measure: Measure, stays: ir.Table) -> None:
    """Refuse versions that leave out a year of admission of these stays, which would be lost, or share one."""
    versions = [Years.of(tables.admission_years) for tables in measure.planned_tables]
    if len(versions) == 1 and not versions[0].spans:
        return
    years = stays.select(year=stays.start_date.year()).distinct().to_pyarrow()["year"].to_pylist()
    held = {year: sum(year in version for version in versions) for year in sorted(years)}
    wrong = [str(year) for year, number in held.items() if number != 1]
    if wrong:
        raise SpecError(
            f"planned_admission.tables in {measure.file}: no version, or more than one, for admissions of "
            f"{', '.join(wrong)}",
            expected="one version for each year of admission",
            hint="set admission_years so that every year of admission has exactly one",
        )


def admitted_in(stays: ir.Table, tables: PlannedTables) -> ir.Table:
    """Keep the stays that began in the years of a version of the tables; all if it names none."""
    spans = Years.of(tables.admission_years).spans
    if not spans:
        return stays
    year = stays.start_date.year()
    return stays.filter(ibis.or_(*(year.between(first, last) for first, last in spans)))


def _judge_by(measure: Measure, tables: PlannedTables, stays: ir.Table, codes: StayCodes) -> ir.Table:
    diagnoses = ibis.memtable(_flag_diagnoses(measure, tables, codes.diagnosis_codes))
    flagged = stays.left_join(_procedure_flags(measure, tables, codes), ["person_key", "stay_id"])
    flagged = flagged.left_join(diagnoses, _PRINCIPAL)
    missing_is_planned = measure.options.get("missing_principal") == "planned"
    return flagged.select(*stays.columns, **_decide(flagged, missing_is_planned=missing_is_planned))


def newer_code_notes(measure: Measure, codes: StayCodes) -> tuple[str, ...]:
    """Count the codes of some stays that are newer than the maps into categories, as sentences."""
    names = sorted({tables.newer_codes for tables in measure.planned_tables if tables.newer_codes is not None})
    return tuple(note for name in names for note in _newer_code_note(measure.table(name), codes))


def _newer_code_note(newer: CodeTable, codes: StayCodes) -> tuple[str, ...]:
    diagnoses = newer.codes("diagnosis").select(codes.diagnosis_codes)
    procedures = newer.codes("procedure").select(codes.procedure_codes)
    if not diagnoses and not procedures:
        return ()
    note = (
        f"{len(procedures)} procedure code(s) and {len(diagnoses)} principal diagnosis code(s) of admissions in the "
        "window are newer than the map into categories of the planned admission algorithm; they take the category of "
        "the codes around them, or none."
    )
    return (note,)


def _decide(stays: ir.Table, *, missing_is_planned: bool) -> dict[str, ir.Value]:
    missing = stays.principal_diagnosis.isnull()
    pa1, pa2 = stays.pa1.fill_null(False), stays.pa2.fill_null(False)
    pa3, pa4 = stays.pa3.fill_null(False), stays.pa4.fill_null(False)
    rule = ibis.cases(
        (pa1, "PA1"),
        (pa2, "PA2"),
        (~pa3, "no_planned_procedure"),
        (missing, "missing_principal_diagnosis"),
        (pa4, "PA4"),
        else_="PA3",
    )
    planned = pa1 | pa2 | (pa3 & ~pa4 & ~missing)
    if missing_is_planned:
        planned = planned | (pa3 & missing)
    return {"planned": planned, "planned_rule": rule}


def _procedure_flags(measure: Measure, tables: PlannedTables, codes: StayCodes) -> ir.Table:
    """Tell for each stay whether any procedure of any of its claims is in PA1 or PA3."""
    flags = ibis.memtable(_flag_procedures(measure, tables, codes.procedure_codes))
    joined = codes.procedures.inner_join(flags, "code")
    return joined.group_by(["person_key", "stay_id"]).aggregate(pa1=joined.pa1.any(), pa3=joined.pa3.any())


def _flag_procedures(measure: Measure, tables: PlannedTables, codes: list[str]) -> pa.Table:
    categories = measure.table(tables.procedure_categories).category_map()
    always, maybe = ("PA1", "pa1"), ("PA3", "pa3")
    return _flag_codes(measure.table(tables.table), codes, "code", categories, "procedure", always, maybe)


def _flag_diagnoses(measure: Measure, tables: PlannedTables, codes: list[str]) -> pa.Table:
    categories = measure.table(tables.diagnosis_categories).category_map()
    always, acute = ("PA2", "pa2"), ("PA4", "pa4")
    return _flag_codes(measure.table(tables.table), codes, _PRINCIPAL, categories, "diagnosis", always, acute)


def _flag_codes(
    table: CodeTable,
    codes: list[str],
    column: str,
    categories: CodeMap,
    kind: str,
    by_category: tuple[str, str],
    by_category_or_code: tuple[str, str],
) -> pa.Table:
    """Tell for each code whether it is in a part that lists categories, and in one that lists codes as well."""
    first = table.planned_part(by_category[0], f"{kind}_category")
    second = table.planned_part(by_category_or_code[0], f"{kind}_category")
    second_codes = table.planned_part(by_category_or_code[0], f"{kind}_code")
    found = {code: categories.categories(code) for code in codes}
    return pa.table(
        {
            column: pa.array(codes, pa.string()),
            by_category[1]: pa.array([any(c in first for c in found[code]) for code in codes], pa.bool_()),
            by_category_or_code[1]: pa.array(
                [code in second_codes or any(c in second for c in found[code]) for code in codes], pa.bool_()
            ),
        }
    )


def _distinct(table: ir.Table, column: str) -> list[str]:
    return sorted(table.select(column).distinct().to_pyarrow()[column].to_pylist())
