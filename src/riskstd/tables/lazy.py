"""From lazy tables to numbers and frames: through Arrow, which keeps types and order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    import pyarrow as pa


def count_rows(table: ir.Table) -> int:
    """Return the number of rows of a lazy table."""
    return int(table.count().to_pyarrow().as_py())


def to_frame(table: ir.Table | pa.Table) -> pd.DataFrame:
    """Return a lazy or Arrow table as a pandas frame; dates as datetime64."""
    import pyarrow as pa

    arrow = table if isinstance(table, pa.Table) else table.to_pyarrow()
    return arrow.to_pandas(date_as_object=False)
