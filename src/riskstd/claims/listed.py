"""Claim lines whose code is on a list of the definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from riskstd.spec import CodeTable


def lines_with_listed_code(lines: ir.Table, table: CodeTable, role: str) -> ir.Table:
    """Keep the lines whose HCPCS code is listed under a role in the year of service.

    Parameters
    ----------
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
    found = lines.filter(lines.hcpcs.notnull()).select("hcpcs", "year").distinct().to_pyarrow().to_pylist()
    codes_of = {year: table.codes(role, year=year) for year in {row["year"] for row in found}}
    listed = sorted((row["hcpcs"], row["year"]) for row in found if row["hcpcs"] in codes_of[row["year"]])
    wanted = pa.table(
        {
            "hcpcs": pa.array([code for code, _ in listed], pa.string()),
            "year": pa.array([year for _, year in listed], pa.int32()),
        }
    )
    return lines.semi_join(ibis.memtable(wanted), ["hcpcs", "year"])
