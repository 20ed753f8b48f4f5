"""Claim lines whose code is on a list of the definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from riskstd.claims.cut import once

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.claims.claims import Claims
    from riskstd.spec import CodeTable


def code_years(claims: Claims, lines: ir.Table) -> list[tuple[str, int]]:
    """Return the pairs of HCPCS code and year of service in some lines of these claims, sorted."""

    def look() -> list[tuple[str, int]]:
        found = lines.filter(lines.hcpcs.notnull()).select("hcpcs", "year").distinct().to_pyarrow()
        return sorted(zip(found["hcpcs"].to_pylist(), found["year"].to_pylist(), strict=True))

    return once(claims, ("code_years", lines.op()), look)


def lines_with_listed_code(claims: Claims, lines: ir.Table, table: CodeTable, role: str) -> ir.Table:
    """Keep the lines whose HCPCS code is listed under a role in the year of service.

    Parameters
    ----------
    claims : Claims
        Claims that the lines are of.
    lines : ibis table
        Lines with `hcpcs` and `year`.
    table : CodeTable
        Code list.
    role : str
        Role within the list.

    Returns
    -------
    ibis table
        The lines that are listed, all columns.
    """
    found = code_years(claims, lines)
    codes_of = {year: table.codes(role, year=year) for year in {year for _, year in found}}
    listed = [(code, year) for code, year in found if code in codes_of[year]]
    wanted = pa.table(
        {
            "hcpcs": pa.array([code for code, _ in listed], pa.string()),
            "year": pa.array([year for _, year in listed], pa.int32()),
        }
    )
    return lines.semi_join(ibis.memtable(wanted), ["hcpcs", "year"])
