"""Candidates: qualifying facility lines become one procedure per person, day and facility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from riskstd.claims.cut import CutClaims
from riskstd.claims.listed import code_years
from riskstd.cohort.lines import facility_lines, tells_by_place_only

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims import Claims
    from riskstd.spec import Measure

_CODE_YEARS = pa.schema(
    [("hcpcs", pa.string()), ("year", pa.int32()), ("work_rvu", pa.float64()), ("rvu_year", pa.int32())]
)


@dataclass(frozen=True)
class Candidates:
    """Facility lines, the qualifying ones among them, and the procedures that they make."""

    facility_lines: ir.Table
    qualifying_lines: ir.Table
    procedures: ir.Table
    carried_rvus: int


def find_candidates(claims: Claims, measure: Measure) -> Candidates:
    """Build candidate procedures from all claims, before any exclusion.

    Parameters
    ----------
    claims : Claims
        Claims tables.
    measure : Measure
        Its cohort clauses name codes and tables.

    Returns
    -------
    Candidates
        `procedures` has one row per person, day and facility, numbered by `procedure_id` in that order.
    """
    lines = facility_lines(claims, measure)
    lines = lines if isinstance(claims, CutClaims) else lines.cache()
    codes = qualifying_code_years(code_years(claims, lines), measure)
    qualifying = lines.inner_join(ibis.memtable(codes), ["hcpcs", "year"])
    if tells_by_place_only(claims, measure):
        day = ibis.window(group_by=["person_key", "line_date"])
        qualifying = qualifying.mutate(facility_id=qualifying.facility_id.min().over(day))
    qualifying = qualifying.cache()
    procedures = _with_person(claims, _number(_one_per_person_day_facility(qualifying))).cache()
    carried = sum(1 for row in codes.to_pylist() if row["rvu_year"] not in (None, row["year"]))
    return Candidates(lines, qualifying, procedures, carried)


def qualifying_code_years(found: list[tuple[str, int]], measure: Measure) -> pa.Table:
    """Return the pairs of code and service year that qualify, with work RVU and the year it is from."""
    cohort = measure.definition.cohort
    listed = measure.table(cohort.codes.table)
    rvus = measure.table(cohort.record.work_rvu_table)
    codes_of = {year: listed.codes(cohort.codes.role, year=year) for year in {year for _, year in found}}
    rows = []
    for code, year in found:
        if code in codes_of[year]:
            value, rvu_year = rvus.work_rvu(code, year) or (None, None)
            rows.append({"hcpcs": code, "year": year, "work_rvu": value, "rvu_year": rvu_year})
    return pa.Table.from_pylist(rows, _CODE_YEARS)


def _one_per_person_day_facility(lines: ir.Table) -> ir.Table:
    key = ["person_key", "line_date", "facility_id"]
    codes = lines.group_by([*key, "hcpcs"]).aggregate(work_rvu=lines.work_rvu.max(), claim_id=lines.claim_id.min())
    highest = [ibis.desc(codes.work_rvu, nulls_first=False), codes.hcpcs]
    ranked = codes.mutate(rank=ibis.row_number().over(ibis.window(group_by=key, order_by=highest)))
    at_first = ranked["rank"] == 0
    return ranked.group_by(key).aggregate(
        codes=ranked.hcpcs.collect().sort().join(" "),
        index_code=ranked.hcpcs.max(where=at_first),
        work_rvu=ranked.work_rvu.max(where=at_first),
        qualifying_procedures=ranked.count().cast("int32"),
        claim_id=ranked.claim_id.min(),
    )


def _number(procedures: ir.Table) -> ir.Table:
    order = [procedures.person_key, procedures.line_date, ibis.asc(procedures.facility_id, nulls_first=True)]
    day = ibis.window(group_by=["person_key", "line_date"])
    return procedures.mutate(
        procedure_id=(ibis.row_number().over(ibis.window(order_by=order)) + 1).cast("int64"),
        facilities_same_day=ibis._.count().over(day).cast("int32"),
    ).rename(procedure_date="line_date")


def _with_person(claims: Claims, procedures: ir.Table) -> ir.Table:
    people = claims.people.select("person_key", "birth_date", "death_date")
    joined = procedures.left_join(people, "person_key").drop("person_key_right")
    return joined.mutate(age_years=age_in_years(joined.birth_date, joined.procedure_date))


def age_in_years(birth: ir.DateValue, day: ir.DateValue) -> ir.IntegerValue:
    """Return full years from birth to a day."""
    birthday_ahead = (day.month() < birth.month()) | ((day.month() == birth.month()) & (day.day() < birth.day()))
    return (day.year() - birth.year() - birthday_ahead.cast("int32")).cast("int32")
