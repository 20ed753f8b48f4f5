"""Diagnoses of the look-back and the index day, and the condition categories they fall into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from riskstd.codes import CodeMap, CodeSet
from riskstd.spec.clauses import ConditionCategory, DiagnosisCode

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims import Claims
    from riskstd.spec import Measure

_HITS = pa.schema([("code", pa.string()), ("factor", pa.string()), ("index_day_counts", pa.bool_())])


@dataclass(frozen=True)
class ConditionMaps:
    """The condition-category maps in force: a later map only speaks of codes that no earlier one holds."""

    maps: tuple[tuple[CodeMap, bool], ...]

    @classmethod
    def of(cls, measure: Measure) -> ConditionMaps:
        """Load the maps of a measure."""
        return cls(
            tuple(
                (measure.table(clause.table).category_map(), clause.only_codes_without_category)
                for clause in measure.condition_maps
            )
        )

    def categories(self, code: str) -> frozenset[int]:
        """Return the condition categories of an ICD-10-CM code."""
        found: set[int] = set()
        for category_map, only_without in self.maps:
            if not (only_without and found):
                found.update(int(category) for category in category_map.categories(code))
        return frozenset(found)


def relevant_diagnoses(claims: Claims, measure: Measure, procedures: ir.Table) -> ir.Table:
    """List the ICD-10 diagnoses of the look-back and the index day, one row per procedure and code.

    Returns
    -------
    ibis table
        `procedure_id, code, in_history, on_index_day`.

    Notes
    -----
    ASCQR manual v14.0, p. 1-17; docs/measure-logic.md, section 4.
    """
    risk = measure.definition.risk
    diagnoses = claims.diagnoses.filter(
        claims.diagnoses.icd_version == 10, claims.diagnoses.setting.isin(risk.settings)
    )
    days = diagnoses.select("person_key", "code", "service_date", "setting").distinct()
    joined = procedures.select("procedure_id", "person_key", "procedure_date").inner_join(days, "person_key")
    before = joined.procedure_date.delta(joined.service_date, unit="day")
    near = joined.mutate(days_before=before).filter(before.between(0, risk.history_days))
    on_day = (near.days_before == 0) & near.setting.isin(sorted(measure.index_day_settings))
    near = near.mutate(on_day=on_day if measure.index_day_settings else ibis.literal(False))
    near = near.filter((near.days_before > 0) | near.on_day)
    return near.group_by(["procedure_id", "code"]).aggregate(
        in_history=(near.days_before > 0).any(), on_index_day=near.on_day.any()
    )


def factor_hits(codes: list[str], measure: Measure, maps: ConditionMaps) -> pa.Table:
    """Return which codes make which factors, and whether they do so from the index day too.

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
        categories = maps.categories(code)
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
