"""Any result as a table for a paper or a page, by Great Tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from riskstd.errors import OptionError
from riskstd.tables import CLAIMS_TABLES, RESULT_TABLES

if TYPE_CHECKING:
    from great_tables import GT

_DIGITS = 3
"""Significant digits of the middle value of a column."""
_MOST_DECIMALS = 6
_LABELS = ("facility_id", "name", "factor", "term", "label", "stratum")
"""Columns that name a row, the first that is there."""
_PARTS = ("probability", "p_value", "share")


def great_table(
    result: Any, *, title: str | None = None, subtitle: str | None = None, columns: Sequence[str] | None = None
) -> GT:
    """Make a table of a result that Great Tables can style, show in a notebook and save.

    Parameters
    ----------
    result : result or frame
        Anything with `to_frame()`, such as a fit, rates or a calibration, or a frame (pandas, polars, pyarrow).
    title, subtitle : str, optional
        Above the table.
    columns : sequence of str, optional
        Columns to show, in this order; all if left out.

    Returns
    -------
    great_tables.GT
        Whole numbers with thousands separators, shares and probabilities with three decimals, other columns with as
        many decimals as give their middle value three significant digits; missing values as dashes.

    Raises
    ------
    OptionError
        Without the extra riskstd[tables]; a column that is not there; a frame with columns that identify persons.

    Notes
    -----
    Nothing is suppressed: counts of 1 to 10 stay, as in `to_frame()`. For a page to publish see `write_report`.

    Examples
    --------
    >>> rates = pd.DataFrame({"facility_id": ["a", "b"], "cases": [1234, 56], "rate": [1.2345, float("nan")]})
    >>> table = great_table(rates, title="Rates")
    >>> text = table.as_raw_html()
    >>> [words in text for words in ("Rates", "1,234", "1.23", "facility id")]
    [True, True, True, True]
    """
    try:
        from great_tables import GT
    except ImportError:
        raise OptionError(
            "great_table needs Great Tables, which is not installed",
            expected="the extra riskstd[tables]",
            hint='pip install "riskstd[tables]"',
        ) from None
    frame = _chosen(_frame_of(result), columns)
    label = next((name for name in _LABELS if name in frame.columns), None)
    # Without an id of its own each table gets one by chance.
    content = frame.to_csv(index=False).encode()
    table = GT(frame, rowname_col=label, id=f"riskstd-{sha256(content).hexdigest()[:10]}").cols_label(
        {name: name.replace("_", " ") for name in frame.columns}
    )
    if label is not None:
        table = table.tab_stubhead(label.replace("_", " "))
    if title is not None:
        table = table.tab_header(title, subtitle)
    for name, decimals in _decimals(frame).items():
        table = table.fmt_number(name, decimals=decimals)
    return table.sub_missing(missing_text="\N{EN DASH}")


def _frame_of(result: Any) -> pd.DataFrame:
    """A pandas frame of a result, or of another frame."""
    if hasattr(result, "to_frame") and callable(result.to_frame) and not nw.dependencies.is_into_series(result):
        result = result.to_frame()
    try:
        frame = nw.from_native(result, eager_only=True).to_pandas()
    except TypeError:
        raise OptionError(
            f"a {type(result).__name__}", expected="a result with to_frame(), or a frame (pandas, polars, pyarrow)"
        ) from None
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()


def _chosen(frame: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    absent = [name for name in columns or () if name not in frame.columns]
    if absent:
        raise OptionError(f"no column {', '.join(absent)}", expected="some of " + ", ".join(map(str, frame.columns)))
    chosen = frame if columns is None else frame.loc[:, list(columns)]
    declared = (column for table in (*CLAIMS_TABLES, *RESULT_TABLES) for column in table.columns)
    identifying = {"person_key", "person_id", *(column.name for column in declared if column.identifying)}
    found = [name for name in chosen.columns if name in identifying]
    if found:
        raise OptionError(
            f"columns that identify persons: {', '.join(found)}",
            expected="a table of facilities, factors or groups",
            hint="choose others with columns=",
        )
    return chosen


def _decimals(frame: pd.DataFrame) -> dict[str, int]:
    """Decimals of every column of numbers."""
    found: dict[str, int] = {}
    for name in frame.columns:
        if not is_numeric_dtype(frame[name].dtype) or is_bool_dtype(frame[name].dtype):
            continue
        values = np.abs(frame[name].to_numpy(dtype=float, na_value=np.nan))
        values = values[np.isfinite(values) & (values > 0.0)]
        if not np.any(values % 1):
            found[name] = 0
        elif any(part in str(name) for part in _PARTS):
            found[name] = 3
        else:
            magnitude = math.floor(math.log10(float(np.median(values))))
            found[name] = min(max(_DIGITS - 1 - magnitude, 0), _MOST_DECIMALS)
    return found
