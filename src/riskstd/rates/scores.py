"""Predicted, expected and their ratio per facility, with any coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskstd.errors import FitError
from riskstd.model.algebra import log_odds_of_rows
from riskstd.model.cells import Cells
from riskstd.model.inputs import code_facilities, read_factors, read_values
from riskstd.model.paths import path_of
from riskstd.rates.rules import Standardization, check_national_rate

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class PredictedExpected:
    """Predicted and expected means per facility.

    Parameters
    ----------
    facilities : ndarray, shape (n_facilities,)
        Labels, sorted.
    cases : ndarray of int, shape (n_facilities,)
    predicted : ndarray, shape (n_facilities,)
        Mean of invlogit(mu + x'beta + effect).
    expected : ndarray, shape (n_facilities,)
        Mean of invlogit(mu + x'beta).
    ratio : ndarray, shape (n_facilities,)
        predicted / expected.
    """

    facilities: NDArray[Any]
    cases: NDArray[np.int64]
    predicted: FloatArray
    expected: FloatArray
    ratio: FloatArray

    def __repr__(self) -> str:
        return f"PredictedExpected({len(self.facilities)} facilities, {int(self.cases.sum())} cases)"

    def rate(self, national_rate: float, scale: str = "percent") -> FloatArray:
        """Ratio x national rate in a scale.

        Parameters
        ----------
        national_rate : float
            Proportion.
        scale : {"per_1000", "percent", "ratio"}
            A ratio stays as it is.

        Returns
        -------
        ndarray, shape (n_facilities,)

        Raises
        ------
        OptionError
        """
        check_national_rate(national_rate)
        return self.ratio * Standardization(scale=scale).multiplier(national_rate)

    def to_frame(self) -> pd.DataFrame:
        """Pandas frame: facility_id, cases, predicted, expected, ratio."""
        import pandas as pd

        return pd.DataFrame(
            {
                "facility_id": self.facilities,
                "cases": self.cases,
                "predicted": self.predicted,
                "expected": self.expected,
                "ratio": self.ratio,
            }
        )


def predicted_expected(
    X: Any,
    facility: Any,
    *,
    mu: float,
    beta: Any,
    effects: Any,
) -> PredictedExpected:
    """Score cases with given coefficients: a published model, or a CMS facility report.

    Parameters
    ----------
    X : array or frame, shape (n_cases, n_factors)
    facility : array of labels, shape (n_cases,)
    mu : float
        Average intercept, log-odds (AVG_EFFECT of a CMS report).
    beta : array, shape (n_factors,), or mapping or series of factor name to coefficient
        A mapping, or a pandas series with labels, is matched to the columns of a frame by name.
    effects : array, shape (n_facilities,), or mapping or series of label to effect
        Facility effects around `mu`, an array in the order of the sorted labels (in a CMS
        report HOSP_EFFECT - AVG_EFFECT).

    Returns
    -------
    PredictedExpected

    Raises
    ------
    FitError
        Shapes or names that do not match, missing values.

    Notes
    -----
    The formulas reproduce the figures of the CMS hospital-specific reports; the ASCQR manual does not state them.

    Examples
    --------
    >>> scored = predicted_expected([[0], [1]], ["A", "A"], mu=0.0, beta=[0.0], effects={"A": 0.0})
    >>> scored.predicted.tolist(), scored.expected.tolist(), scored.ratio.tolist()
    ([0.5], [0.5], [1.0])
    """
    rows, names = read_factors(X)
    coefficients = read_coefficients(beta, names)
    labels, codes = code_facilities(read_values(facility, "facility"))
    if len(codes) != len(rows):
        raise FitError(f"facility has {len(codes)} labels, X has {len(rows)} rows", expected="one label per row")
    facility_effects = read_effects(effects, labels)
    average = log_odds_of_rows(rows, mu, coefficients)
    cases = np.bincount(codes, minlength=len(labels))
    predicted = np.bincount(codes, expit(average + facility_effects[codes]), len(labels)) / cases
    expected = np.bincount(codes, expit(average), len(labels)) / cases
    return PredictedExpected(labels, cases, predicted, expected, predicted / expected)


def sum_predicted_expected(cells: Cells, beta: FloatArray, effects: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums over each facility's cases of the probability with its effect and without.

    Facilities, also of the effects, in the order of the cells.

    Returns
    -------
    predicted, expected : ndarray, shape (n_facilities,)
    """
    return path_of(cells).predicted_expected(beta, effects)


def by_label(values: Any) -> Any:
    """Return a pandas series with its own labels as a mapping, so that it is matched by name; else the values."""
    index = getattr(values, "index", None)
    if not type(values).__module__.startswith("pandas") or index is None or type(index).__name__ == "RangeIndex":
        return values
    return values.to_dict()


def read_coefficients(beta: Any, names: tuple[str, ...]) -> FloatArray:
    """Coefficients in the order of the columns `names`, given in that order or by name."""
    beta = by_label(beta)
    if isinstance(beta, Mapping):
        missing = [name for name in names if name not in beta]
        unused = [str(name) for name in beta if name not in names]
        if missing or unused:
            raise FitError(
                f"columns without coefficient: {', '.join(missing) or 'none'}; "
                f"coefficients without column: {', '.join(unused) or 'none'}",
                expected="one coefficient per column of X, by name",
            )
        beta = [beta[name] for name in names]
    values = np.asarray(beta, dtype=np.float64)
    if values.shape != (len(names),) or not np.all(np.isfinite(values)):
        raise FitError(
            f"beta of shape {values.shape} with {int(np.sum(~np.isfinite(values)))} values not finite",
            expected=f"{len(names)} finite coefficients, one per column of X",
        )
    return values


def read_effects(effects: Any, labels: NDArray[Any]) -> FloatArray:
    """Effects in the order of the sorted labels, given in that order or by label."""
    effects = by_label(effects)
    if isinstance(effects, Mapping):
        absent = [label for label in labels.tolist() if label not in effects]
        if absent:
            raise FitError(f"{len(absent)} of {len(labels)} facilities have no effect", expected="an effect for each")
        effects = [effects[label] for label in labels.tolist()]
    values = np.asarray(effects, dtype=np.float64)
    if values.shape != (len(labels),) or not np.all(np.isfinite(values)):
        raise FitError(
            f"effects of shape {values.shape} with {int(np.sum(~np.isfinite(values)))} values not finite",
            expected=f"{len(labels)} finite effects, one per facility in sorted order",
        )
    return values
