"""Diagnoses of the look-back and the index day, and the condition categories they fall into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from riskstd.codes import CodeMap, CodeSet
from riskstd.spec.clauses import ConditionCategory, DiagnosisCode
from riskstd.spec.years import Years

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims import Claims
    from riskstd.spec import Measure

_EVERY_YEAR = (0, 9999)
_HITS = pa.schema([("code", pa.string()), ("factor", pa.string()), ("index_day_counts", pa.bool_())])


@dataclass(frozen=True)
class ConditionMaps:
    """The condition-category maps in force: a later map only speaks of codes that no earlier one holds.

    Attributes
    ----------
    maps : tuple of (CodeMap, bool, str)
        Map, whether it holds only for codes without a category, and the service years it is for (empty for all).
    """

    maps: tuple[tuple[CodeMap, bool, str], ...]

    @classmethod
    def of(cls, measure: Measure) -> ConditionMaps:
        """Load the maps of a measure."""
        return cls(
            tuple(
                (measure.table(clause.table).category_map(), clause.only_codes_without_category, clause.service_years)
                for clause in measure.condition_maps
            )
        )

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Stretches of service years with the same maps, first and last year; one if no map is for some years only."""
        return sorted({span for _, _, years in self.maps for span in Years.of(years).spans}) or [_EVERY_YEAR]

    def categories(self, code: str, year: int | None = None) -> frozenset[int]:
        """Return the condition categories of an ICD-10-CM code in a service year, or in any."""
        found: set[int] = set()
        for category_map, only_without, years in self.maps:
            if year is not None and year not in Years.of(years):
                continue
            if not (only_without and found):
                found.update(int(category) for category in category_map.categories(code))
        return frozenset(found)


def relevant_diagnoses(claims: Claims, measure: Measure, procedures: ir.Table) -> ir.Table:
    """List the ICD-10 diagnoses of the look-back and the index day, one row per procedure and code.

    Returns
    -------
    ibis table
        `procedure_id, code, in_history, on_index_day`; `service_year` of the procedure too if a condition-category
        map is for some years only.

    Notes
    -----
    ASCQR manual v14.0, p. 1-17; docs/measure-logic.md, section 4.
    """
    risk = measure.definition.risk
    diagnoses = claims.diagnoses.filter(
        claims.diagnoses.icd_version == 10, claims.diagnoses.setting.isin(risk.settings)
    )
    days = diagnoses.select("person_key", "code", "service_date", "setting")
    joined = procedures.select("procedure_id", "person_key", "procedure_date").inner_join(days, "person_key")
    before = joined.procedure_date.delta(joined.service_date, unit="day")
    near = joined.mutate(days_before=before).filter(before.between(0, risk.history_days))
    on_day = (near.days_before == 0) & near.setting.isin(sorted(measure.index_day_settings))
    near = near.mutate(on_day=on_day if measure.index_day_settings else ibis.literal(False))
    near = near.filter((near.days_before > 0) | near.on_day)
    flags = {"in_history": (near.days_before > 0).any(), "on_index_day": near.on_day.any()}
    if any(clause.service_years for clause in measure.condition_maps):
        flags["service_year"] = near.procedure_date.year().max()
    return near.group_by(["procedure_id", "code"]).aggregate(**flags)


def yearly_hits(codes: list[str], measure: Measure, maps: ConditionMaps) -> pa.Table:
    """Return `factor_hits`; with columns `first_year, last_year` if a map is for some service years only."""
    if maps.spans == [_EVERY_YEAR]:
        return factor_hits(codes, measure, maps)
    parts = []
    for first, last in maps.spans:
        part = factor_hits(codes, measure, maps, year=last if first == 0 else first)
        years = (("first_year", first), ("last_year", last))
        for name, year in years:
            part = part.append_column(name, pa.array([year] * len(part), pa.int32()))
        parts.append(part)
    return pa.concat_tables(parts)


def factor_hits(codes: list[str], measure: Measure, maps: ConditionMaps, year: int | None = None) -> pa.Table:
    """Return which codes make which factors in a service year, or in any, and whether also from the index day.

    Returns
    -------
    pyarrow.Table
        `code, factor, index_day_counts`, sorted.
    """
    complications = measure.complication_categories
    rows: set[tuple[str, str, bool]] = set()
    by_code = [(f.name, CodeSet.of(f.codes)) for f in measure.factors if isinstance(f, DiagnosisCode)]
    by_category = [(f.name, frozenset(f.categories)) for f in measure.factors if isinstance(f, ConditionCategory)]
    for code in codes:
        rows.update((code, name, True) for name, listed in by_code if code in listed)
        categories = maps.categories(code, year)
        for name, wanted in by_category:
            hit = categories & wanted
            if hit:
                rows.add((code, name, bool(hit - complications)))
    names = _HITS.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in sorted(rows)], _HITS)


def unmapped(diagnoses: ir.Table, codes: list[str], maps: ConditionMaps) -> ir.Table:
    """Count, by code, the procedures with a diagnosis that no condition-category map holds."""
    without = [code for code in codes if not maps.categories(code)]
    wanted = ibis.memtable(pa.table({"code": pa.array(without, pa.string())}))
    kept = diagnoses.semi_join(wanted, "code")
    return kept.group_by("code").aggregate(procedures=kept.procedure_id.nunique())
