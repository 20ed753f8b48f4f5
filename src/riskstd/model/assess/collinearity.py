"""Variance inflation: how much of each risk factor the others already say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError
from riskstd.model.algebra import invert_positive
from riskstd.model.checks import check_columns
from riskstd.model.collapse import collapse_rows
from riskstd.model.frozen import freeze_arrays
from riskstd.model.inputs import count_text, read_factors, read_numbers, refuse_rows

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class VarianceInflation:
    """Variance inflation factors of the risk factors.

    Parameters
    ----------
    factor_names : tuple of str
    vif : ndarray, shape (n_factors,)
        1 / (1 - R^2) of each risk factor regressed on the others; 1 without any correlation.
    condition_number : float
        Square root of largest over smallest eigenvalue of the correlation matrix.
    correlation : ndarray, shape (n_factors, n_factors)
    n_cases : float
        Rows, each times its weight.
    """

    factor_names: tuple[str, ...]
    vif: FloatArray
    condition_number: float
    correlation: FloatArray
    n_cases: float

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        largest = int(np.argmax(self.vif))
        return (
            f"largest variance inflation {self.vif[largest]:.4g} ('{self.factor_names[largest]}') of "
            f"{len(self.vif)} risk factors, condition number {self.condition_number:.4g}, "
            f"{count_text(self.n_cases)} cases"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per risk factor.

        Returns
        -------
        pandas.DataFrame
            Columns term, vif, tolerance (1 / vif), r_squared.
        """
        import pandas as pd

        tolerance = 1.0 / self.vif
        columns = {"term": self.factor_names, "vif": self.vif, "tolerance": tolerance, "r_squared": 1.0 - tolerance}
        return pd.DataFrame(columns)


def variance_inflation(X: Any, weights: Any = None, factor_names: Any = None) -> VarianceInflation:
    """Compute variance inflation factors from the inverse correlation matrix.

    Parameters
    ----------
    X : array or frame (pandas, polars, pyarrow), shape (n_rows, n_factors)
        Risk factors without an intercept column.
    weights : array, shape (n_rows,), optional
        How often each row counts; p(1 - p) gives the inflation in the logistic model itself.
    factor_names : sequence of str, optional
        Names of the columns; a frame brings its own.

    Returns
    -------
    VarianceInflation

    Raises
    ------
    FitError
        Constant or linearly dependent columns, by name; missing or infinite values.

    Notes
    -----
    Marquardt DW. Technometrics 1970;12:591. Condition number: Belsley, Kuh and Welsch, Regression
    Diagnostics 1980, of centred columns of unit length (SAS option COLLINOINT); above 30 is their
    rule of thumb for harm.

    Examples
    --------
    >>> found = variance_inflation([[0, 0], [0, 1], [1, 1], [1, 1]], factor_names=["copd", "oxygen"])
    >>> found.vif.round(6).tolist()
    [1.5, 1.5]
    """
    rows, names = read_factors(X, factor_names)
    if rows.shape[1] == 0 or len(rows) == 0:
        raise FitError(f"X has {len(rows)} rows and {rows.shape[1]} columns", expected="at least one of each")
    n = np.ones(len(rows)) if weights is None else read_numbers(weights, "weights", len(rows))
    refuse_rows(n <= 0, "weights", "0 or below", "positive weights", "leave those rows out")
    cells = collapse_rows(rows, np.zeros(len(rows), dtype=np.int64), n, np.zeros(len(rows)), None, 1)
    check_columns(cells, names)
    correlation = correlation_of(cells.gram(cells.n))
    inverse = invert_positive(correlation)
    eigenvalues = np.linalg.eigvalsh(correlation)
    return VarianceInflation(
        factor_names=names,
        vif=np.diag(inverse).copy(),
        condition_number=math.sqrt(eigenvalues[-1] / eigenvalues[0]),
        correlation=correlation,
        n_cases=float(cells.cases.sum()),
    )


def correlation_of(moments: FloatArray) -> FloatArray:
    """Correlation of columns 1, 2, ... from the sums of products of (1, columns).

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0, 5.0], [1.0, 2.0, 1.0]])
    >>> correlation_of(rows.T @ rows).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    mean = moments[0, 1:] / moments[0, 0]
    covariance = moments[1:, 1:] / moments[0, 0] - mean[:, None] * mean
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / (sd[:, None] * sd)
    np.fill_diagonal(correlation, 1.0)
    return correlation
