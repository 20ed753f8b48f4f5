"""Do methods flag the same facilities: agreement and kappa of every pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError
from riskstd.model.inputs import read_values
from riskstd.rates.alternatives.columns import ColumnResult, FloatArray, IntArray, check_choice

if TYPE_CHECKING:
    import pandas as pd

VALUES = ("both", "agreement", "kappa", "worse", "better")


@dataclass(frozen=True, eq=False, repr=False)
class FlagAgreement(ColumnResult):
    """Pairs of methods, each with itself too; arrays of shape (n_methods^2,).

    Parameters
    ----------
    first, second : ndarray of str
    both : ndarray of int
        Facilities that both methods judge.
    worse, better : ndarray of int
        Facilities flagged 1, and -1, by both.
    agreement : ndarray
        Share of `both` with the same flag; NaN without any.
    kappa : ndarray
        Agreement beyond chance; NaN where chance alone makes agreement complete.
    methods : tuple of str
    """

    columns: ClassVar[tuple[str, ...]] = ("first", "second", "both", "worse", "better", "agreement", "kappa")

    first: NDArray[Any]
    second: NDArray[Any]
    both: IntArray
    worse: IntArray
    better: IntArray
    agreement: FloatArray
    kappa: FloatArray
    methods: tuple[str, ...]

    def matrix(self, value: str = "kappa") -> pd.DataFrame:
        """One value as a square frame, methods in the order given.

        Parameters
        ----------
        value : {"both", "agreement", "kappa", "worse", "better"}
        """
        import pandas as pd

        check_choice("value", value, VALUES)
        size = len(self.methods)
        names = list(self.methods)
        return pd.DataFrame(getattr(self, value).reshape(size, size), index=names, columns=names)


def flag_agreement(flags: Mapping[str, Any]) -> FlagAgreement:
    """Compare the flags of several methods, facility by facility.

    Parameters
    ----------
    flags : mapping of method to array, shape (n_facilities,)
        1 worse than expected, -1 better, 0 neither, NaN not judged; facilities in the same order throughout.

    Returns
    -------
    FlagAgreement

    Raises
    ------
    FitError
        Lengths that differ, flags of another value.

    Notes
    -----
    kappa = (p_o - p_e) / (1 - p_e), p_o the share of equal flags, p_e that of independent flags with the same
    margins (Cohen, Educational and Psychological Measurement 1960;20:37, eq. 1). Where few facilities are flagged,
    agreement is high whatever the methods do; kappa is what to read.

    Examples
    --------
    >>> found = flag_agreement({"exact": [1, 0, 0, -1], "funnel": [1, 1, 0, 0]})
    >>> found.matrix("agreement").to_numpy().tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    names = tuple(str(name) for name in flags)
    if not names:
        raise FitError("no flags", expected="an array of flags per method")
    columns = [_read_flags(values, name) for name, values in zip(names, flags.values(), strict=True)]
    if len({len(column) for column in columns}) > 1:
        lengths = ", ".join(f"{name}: {len(column)}" for name, column in zip(names, columns, strict=True))
        raise FitError(f"flags of different lengths ({lengths})", expected="the same facilities in the same order")
    pairs = [compare_flags(first, second) for first in columns for second in columns]
    both, worse, better, agreement, kappa = (np.array(part) for part in zip(*pairs, strict=True))
    return FlagAgreement(
        first=np.repeat(np.array(names, dtype=object), len(names)),
        second=np.tile(np.array(names, dtype=object), len(names)),
        both=both,
        worse=worse,
        better=better,
        agreement=agreement,
        kappa=kappa,
        methods=names,
    )


def compare_flags(first: FloatArray, second: FloatArray) -> tuple[int, int, int, float, float]:
    """Facilities judged by both, flagged 1 by both, -1 by both; agreement; kappa.

    Examples
    --------
    >>> compare_flags(np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0]))
    (4, 1, 0, 0.5, 0.0)
    """
    judged = ~(np.isnan(first) | np.isnan(second))
    a, b = first[judged], second[judged]
    if len(a) == 0:
        return 0, 0, 0, float("nan"), float("nan")
    same = float(np.mean(a == b))
    chance = float(sum(np.mean(a == flag) * np.mean(b == flag) for flag in (-1.0, 0.0, 1.0)))
    kappa = (same - chance) / (1.0 - chance) if chance < 1.0 else float("nan")
    return len(a), int(np.sum((a == 1) & (b == 1))), int(np.sum((a == -1) & (b == -1))), same, kappa


def _read_flags(values: Any, name: str) -> FloatArray:
    try:
        column = np.asarray(read_values(values, f"flags of '{name}'"), dtype=np.float64)
    except (TypeError, ValueError):
        raise FitError(f"flags of '{name}' are not numbers", expected="1, 0, -1, or NaN") from None
    if column.ndim != 1:
        raise FitError(f"flags of '{name}' have shape {column.shape}", expected="one flag per facility")
    other = int(np.sum(~np.isnan(column) & ~np.isin(column, [-1.0, 0.0, 1.0])))
    if other:
        raise FitError(f"flags of '{name}': {other} of {len(column)} of another value", expected="1, 0, -1, or NaN")
    return column
