"""Tables of pandas, polars and pyarrow as plain pandas columns."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError
from riskstd.model.inputs import SHOWN_POSITIONS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """A table of any library.

    Parameters
    ----------
    frame : narwhals.DataFrame
    """

    frame: nw.DataFrame[Any]

    @classmethod
    def of(cls, data: Any) -> Table:
        """Wrap a table.

        Raises
        ------
        FitError
            No table, a lazy one, or one with repeated column names.
        """
        try:
            frame = nw.from_native(data, eager_only=True)
        except (TypeError, ValueError):
            raise FitError(
                f"data of type {type(data).__name__}, or with repeated column names",
                expected="a pandas, polars or pyarrow table with distinct column names",
                hint="collect lazy tables first",
            ) from None
        return cls(frame)

    def native(self, name: str) -> Any:
        """Return a column as a series of its own library."""
        return self.frame[name].to_native()

    def refuse_unknown(self, names: list[str]) -> None:
        """Refuse names that are not columns."""
        known = [name for name in self.frame.columns if isinstance(name, str)]
        unknown = [name for name in dict.fromkeys(names) if name not in known]
        if not unknown:
            return
        near = [close[0] for name in unknown if (close := difflib.get_close_matches(name, known, 1))]
        raise FitError(
            f"columns not in the table: {', '.join(unknown)}",
            expected="columns of data",
            hint=f"did you mean {', '.join(near)}?" if near else "check the names; case matters",
        )

    def refuse_missing(self, names: list[str]) -> None:
        """Refuse missing and infinite values of all columns at once."""
        bad = {name: positions for name in dict.fromkeys(names) if len(positions := self._bad_rows(name))}
        if bad:
            found = "; ".join(f"'{name}' {_positions_text(at)}" for name, at in bad.items())
            raise FitError(
                f"missing or infinite values in {len(bad)} columns of {len(self.frame)} rows: {found}",
                expected="a value in every row; no row is dropped silently",
                hint="fill them, or leave those rows out",
            )

    def _bad_rows(self, name: str) -> NDArray[np.int64]:
        column = self.frame[name]
        bad = column.is_null().to_numpy().astype(bool)
        if column.dtype.is_float():
            values = column.cast(nw.Float64).to_numpy().astype(np.float64)
            bad = bad | ~np.isfinite(values)
        return np.flatnonzero(bad)

    def to_pandas(self, names: list[str]) -> pd.DataFrame:
        """Plain pandas columns: numbers as numpy numbers, text as text, categories without unused levels."""
        import pandas as pd

        return pd.DataFrame({name: self._column(name) for name in names}, index=range(len(self.frame)))

    def _column(self, name: str) -> Any:
        import pandas as pd

        column = self.frame[name]
        if column.dtype == nw.Boolean:
            return column.to_numpy().astype(bool)
        if column.dtype.is_integer():
            values = column.to_numpy()
            return values if values.dtype.kind in "iu" else values.astype(np.int64)
        if column.dtype.is_float() or column.dtype.is_decimal():
            return column.cast(nw.Float64).to_numpy().astype(np.float64)
        if column.dtype == nw.Enum or (column.dtype == nw.Categorical and _is_pandas(column)):
            return pd.Series(column.to_pandas().to_numpy(), dtype=_used_levels(column))
        if column.dtype in (nw.String, nw.Categorical):
            return np.array(column.cast(nw.String).to_list(), dtype=object)
        if column.dtype.is_temporal():
            raise FitError(
                f"column '{name}' holds dates or times",
                expected="numbers, true and false, text or categories",
                hint="count days or years from a fixed date",
            )
        values = column.to_numpy()
        return _refuse_mixed(values, name) if values.dtype.kind == "O" else values


def _is_pandas(column: nw.Series[Any]) -> bool:
    return column.implementation.is_pandas_like()


def _used_levels(column: nw.Series[Any]) -> pd.CategoricalDtype:
    import pandas as pd

    series = column.to_pandas().astype("category").cat.remove_unused_categories()
    return pd.CategoricalDtype(series.cat.categories)


def _refuse_mixed(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Objects are all text, or all numbers."""
    kinds = sorted({type(value).__name__ for value in values.tolist()})
    if kinds == ["str"]:
        return values
    try:
        if not any(isinstance(value, str) for value in values.tolist()):
            return values.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise FitError(f"column '{name}' holds values of type {', '.join(kinds)}", expected="numbers, or text")


def _positions_text(positions: NDArray[np.int64]) -> str:
    shown = ", ".join(str(p) for p in positions[:SHOWN_POSITIONS])
    more = ", ..." if len(positions) > SHOWN_POSITIONS else ""
    return f"{len(positions)} (row positions from 0: {shown}{more})"
