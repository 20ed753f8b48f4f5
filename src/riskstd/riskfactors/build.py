"""The risk-factor table: one row per index procedure, one column per term of the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from riskstd.claims.cut import narrowest
from riskstd.claims.listed import lines_with_listed_code
from riskstd.interpreter import rare_collections
from riskstd.riskfactors.conditions import ConditionMaps, relevant_diagnoses, unmapped, yearly_hits
from riskstd.spec.clauses import (
    AgeBands,
    ConditionCategory,
    DiagnosisCode,
    Factor,
    Interaction,
    ProcedureCount,
    ProcedureType,
    SameDayCode,
    WorkRvu,
    YearsOver,
)
from riskstd.spec.definition import columns_of
from riskstd.tables import LazyFrames, narrow_columns, to_frame

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from riskstd.claims import Claims
    from riskstd.spec import Measure


class HasProceduresAndLines(Protocol):
    """A cohort: lazy tables of index procedures and of the facility lines."""

    @property
    def table(self) -> ir.Table: ...  # noqa: D102

    @property
    def facility_lines(self) -> ir.Table: ...  # noqa: D102


@dataclass(frozen=True)
class RiskFactors(LazyFrames):
    """Risk factors of the index procedures.

    Attributes
    ----------
    lazy_table : ibis table
        `procedure_id` and the columns of `Measure.factor_columns`, unordered.
    unmapped_table : ibis table
        `code, procedures`: diagnosis codes that no condition-category map holds.
    """

    lazy_table: ir.Table = field(repr=False)
    unmapped_table: ir.Table = field(repr=False)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per index procedure, ordered by `procedure_id`."""
        return to_frame(self.lazy_table.order_by("procedure_id"))

    @cached_property
    def narrow_table(self) -> pd.DataFrame:
        """`table` with a byte a row where that holds all values of a risk factor: a quarter of the memory."""
        names = [name for name in self.lazy_table.columns if name != "procedure_id"]
        return to_frame(narrow_columns(self.lazy_table, names).order_by("procedure_id"))

    @cached_property
    def unmapped_codes(self) -> pd.DataFrame:
        """Codes without a condition category with the number of procedures, most frequent first."""
        return to_frame(self.unmapped_table.order_by([ibis.desc("procedures"), "code"]))


@rare_collections()
def build_risk_factors(claims: Claims, cohort: HasProceduresAndLines, measure: Measure) -> RiskFactors:
    """Build the risk factors of every index procedure.

    Parameters
    ----------
    claims : Claims
        Claims tables.
    cohort : Cohort
        Index procedures and facility lines.
    measure : Measure
        Definition under its options.

    Returns
    -------
    RiskFactors
        Columns named as in the definition, in its order.

    Notes
    -----
    ASCQR manual v14.0, p. 1-17, 1-26, 1-30, 1-34; docs/measure-logic.md, section 4.
    """
    claims = narrowest(claims, cohort)
    procedures = cohort.table
    diagnoses = relevant_diagnoses(claims, measure, procedures).cache()
    maps = ConditionMaps.of(measure)
    codes = sorted(diagnoses.select("code").distinct().to_pyarrow()["code"].to_pylist())
    wide = procedures.select(
        "procedure_id",
        "person_key",
        "procedure_date",
        "age_years",
        "work_rvu",
        "qualifying_procedures",
        "index_code",
    )
    flags = _condition_flags(diagnoses, yearly_hits(codes, measure, maps), measure)
    wide = _add_flags(wide, flags, _same_days(claims, cohort.facility_lines, measure))
    wide = wide.mutate(**_simple_columns(wide, measure))
    wide = wide.mutate(**_interactions(wide, measure))
    table = wide.select("procedure_id", *measure.factor_columns).cache()
    return RiskFactors(table, unmapped(diagnoses, codes, maps))


def _condition_flags(diagnoses: ir.Table, hits: pa.Table, measure: Measure) -> ir.Table:
    """Tell for each procedure with a relevant diagnosis which factors its diagnoses make."""
    names = [f.name for f in measure.factors if isinstance(f, ConditionCategory | DiagnosisCode)]
    position = pc.index_in(hits["factor"], pa.array(names, pa.string()))
    hits = hits.set_column(hits.column_names.index("factor"), "factor", position)
    joined = diagnoses.inner_join(ibis.memtable(hits), "code")
    if "first_year" in hits.column_names:
        joined = joined.filter(joined.service_year.between(joined.first_year, joined.last_year))
    counts = joined.filter(joined.in_history | joined.index_day_counts)
    any_of = {name: (counts.factor == position).any() for position, name in enumerate(names)}
    return counts.group_by("procedure_id").aggregate(**any_of)


def _same_days(claims: Claims, lines: ir.Table, measure: Measure) -> dict[str, ir.Table]:
    """People and days with a line that makes a factor, by factor."""
    found = {}
    for factor in measure.factors:
        if isinstance(factor, SameDayCode):
            days = lines_with_listed_code(claims, lines, measure.table(factor.table), factor.role)
            names = {f"{factor.name}_person": "person_key", f"{factor.name}_date": "line_date"}
            found[factor.name] = days.select(**names).distinct()
    return found


def _add_flags(wide: ir.Table, flags: ir.Table, same_days: dict[str, ir.Table]) -> ir.Table:
    joined = wide.left_join(flags, "procedure_id")
    for name, days in same_days.items():
        person, day = days[f"{name}_person"], days[f"{name}_date"]
        joined = joined.left_join(days, [wide.person_key == person, wide.procedure_date == day])
    columns = {name: joined[name].fill_null(False).cast("int32") for name in flags.columns if name != "procedure_id"}
    columns |= {name: joined[f"{name}_person"].notnull().cast("int32") for name in same_days}
    return joined.select(*wide.columns, **columns)


def _simple_columns(wide: ir.Table, measure: Measure) -> dict[str, ir.Value]:
    columns: dict[str, ir.Value] = {}
    for factor in measure.factors:
        columns.update(_columns(wide, factor, measure))
    return columns


def _columns(wide: ir.Table, factor: Factor, measure: Measure) -> dict[str, ir.Value]:
    match factor:
        case YearsOver():
            return {factor.name: (wide.age_years - factor.start_years).cast("int32")}
        case WorkRvu():
            return {factor.name: wide.work_rvu.cast("float64")}
        case AgeBands():
            return _bands(wide.age_years, factor)
        case ProcedureCount():
            return _bands(wide.qualifying_procedures, factor)
        case ProcedureType():
            return _types(wide, factor, measure)
        case _:
            return {}


def _bands(value: ir.IntegerValue, factor: AgeBands | ProcedureCount) -> dict[str, ir.Value]:
    lows = factor.lower_bounds[1:]
    highs: list[int | None] = [*(low - 1 for low in lows[1:]), None]
    return {
        name: ((value >= low) if high is None else value.between(low, high)).cast("int32")
        for name, low, high in zip(columns_of(factor), lows, highs, strict=True)
    }


def _types(wide: ir.Table, factor: ProcedureType, measure: Measure) -> dict[str, ir.Value]:
    table = measure.table(factor.table)
    kinds = [kind for kind in factor.types if kind != factor.reference]
    found = [code for code in wide.select("index_code").distinct().to_pyarrow()["index_code"].to_pylist() if code]
    return {
        f"{factor.name}_{kind}": _is_one_of(wide.index_code, table.codes(kind).select(found)).cast("int32")
        for kind in kinds
    }


def _is_one_of(code: ir.StringValue, codes: list[str]) -> ir.BooleanValue:
    return code.isin(codes).fill_null(False) if codes else ibis.literal(False)


def _interactions(wide: ir.Table, measure: Measure) -> dict[str, ir.Value]:
    columns: dict[str, list[str]] = {f.name: columns_of(f) for f in measure.factors}
    products: dict[str, ir.Value] = {}
    for factor in measure.factors:
        if isinstance(factor, Interaction):
            first, second = factor.factors
            for a in columns[first]:
                for b in columns[second]:
                    products[f"{a}_x_{b}"] = wide[a] * wide[b]
    return products
