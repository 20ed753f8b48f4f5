"""Wald tests of linear hypotheses on the coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from riskstd.errors import FitError, OptionError
from riskstd.model.algebra import solve_positive
from riskstd.model.assess.likelihood_ratio import Fit, name_terms
from riskstd.model.frozen import freeze_arrays

FloatArray = NDArray[np.floating[Any]]
MIN_EIGENVALUE = 1e-10
"""Smallest eigenvalue of the contrasts' correlation, under which one of them is redundant."""


@dataclass(frozen=True, eq=False, repr=False)
class WaldTest:
    """Joint Wald test of linear hypotheses on the coefficients.

    Parameters
    ----------
    statistic : float
    df : int
    p_value : float
    terms : tuple of str
        Risk factors that take part.
    estimate, se : ndarray, shape (n_hypotheses,)
        Contrast less its hypothesised value, and its standard error.
    """

    statistic: float
    df: int
    p_value: float
    terms: tuple[str, ...]
    estimate: FloatArray
    se: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        return (
            f"Wald test of {', '.join(self.terms)}: {self.statistic:.4f} (chi-square, {self.df} df), "
            f"p = {self.p_value:.4g}"
        )


def wald_test(fit: Fit, terms: Any = None, *, contrast: Any = None, value: Any = 0.0) -> WaldTest:
    """Test coefficients, or linear combinations of them, jointly.

    Parameters
    ----------
    fit : HierarchicalFit or PooledLogistic
        Cluster-robust standard errors of a pooled fit are used as they are.
    terms : str or sequence of str, optional
        Risk factors whose coefficients are all 0 under the hypothesis.
    contrast : array, shape (n_hypotheses, n_factors), optional
        Instead of `terms`: one linear combination of the coefficients a row, in the order of
        `fit.factor_names`.
    value : float or array, shape (n_hypotheses,)
        Hypothesised values.

    Returns
    -------
    WaldTest

    Raises
    ------
    FitError
        Terms the fit does not have, contrasts of another shape or redundant, covariance unknown.
    OptionError
        Both or neither of `terms` and `contrast`.

    Notes
    -----
    Statistic (C beta - c)' (C V C')^-1 (C beta - c), chi-square with as many degrees of freedom as
    rows of C (Wald, Transactions of the AMS 1943;54:426). tau = 0 lies on the boundary, where this
    does not hold: `likelihood_ratio_test` against `pooled_logistic` does.

    Examples
    --------
    >>> from riskstd.model.assess import pooled_logistic
    >>> fit = pooled_logistic([10, 20], [[0], [1]], trials=[100, 100], factor_names=["diabetes"])
    >>> wald_test(fit, "diabetes")
    Wald test of diabetes: 3.7878 (chi-square, 1 df), p = 0.05163
    """
    if (terms is None) == (contrast is None):
        raise OptionError("wald_test with both or neither of terms and contrast", expected="one of them")
    matrix = _contrast_of_terms(fit, terms) if contrast is None else _read_contrast(fit, contrast)
    size = len(fit.beta)
    gap = np.einsum("hq,q->h", matrix, fit.beta) - _read_values(value, len(matrix))
    covariance = np.einsum("hq,qr,gr->hg", matrix, fit.covariance[1 : size + 1, 1 : size + 1], matrix)
    se = np.sqrt(np.diag(covariance))
    if not np.all(se > 0):
        raise FitError("the covariance of the contrasts is not known", expected="finite, positive standard errors")
    correlation = covariance / (se[:, None] * se)
    solution = solve_positive(correlation, gap / se)
    if solution is None or np.linalg.eigvalsh(correlation)[0] < MIN_EIGENVALUE:
        raise FitError(
            f"the {len(matrix)} hypotheses are not independent of one another",
            expected="linearly independent contrasts, no more than clusters when standard errors are robust",
            hint="drop redundant ones",
        )
    statistic = float(np.sum(gap / se * solution))
    taking_part = tuple(fit.factor_names[k] for k in np.flatnonzero(np.any(matrix != 0, axis=0)))
    return WaldTest(statistic, len(matrix), float(chdtrc(len(matrix), statistic)), taking_part, gap, se)


def _contrast_of_terms(fit: Fit, terms: str | Sequence[str]) -> FloatArray:
    wanted = [terms] if isinstance(terms, str) else [str(term) for term in terms]
    if "tau" in wanted and "tau" not in fit.factor_names:
        raise FitError(
            "tau among the terms: 0 is the boundary of its range, where a Wald test does not hold",
            expected="risk factors",
            hint="use likelihood_ratio_test(fit, pooled_logistic(...))",
        )
    unknown = [term for term in wanted if term not in fit.factor_names]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        raise FitError(
            f"terms the fit does not have: {name_terms(unknown)}"
            if unknown
            else f"{len(wanted)} terms, repeated or none",
            expected=f"distinct names among: {', '.join(fit.factor_names)}",
        )
    return np.eye(len(fit.beta))[[fit.factor_names.index(term) for term in wanted]]


def _read_contrast(fit: Fit, contrast: Any) -> FloatArray:
    try:
        matrix = np.atleast_2d(np.asarray(contrast, dtype=np.float64))
    except (TypeError, ValueError):
        raise FitError("contrast cannot be read as a matrix of numbers", expected=_contrast_shape(fit)) from None
    usable = matrix.ndim == 2 and matrix.shape[1] == len(fit.beta) and len(matrix) > 0
    if not usable or not np.all(np.isfinite(matrix)) or not np.all(np.any(matrix != 0, axis=1)):
        raise FitError(
            f"contrast of shape {matrix.shape}" + (", with rows of zeros or values not finite" if usable else ""),
            expected=_contrast_shape(fit),
        )
    return matrix


def _contrast_shape(fit: Fit) -> str:
    return f"finite numbers of shape (n_hypotheses, {len(fit.beta)}), one column per risk factor"


def _read_values(value: Any, length: int) -> FloatArray:
    values = np.asarray(value, dtype=np.float64)
    if values.shape not in ((), (length,)) or not np.all(np.isfinite(values)):
        raise FitError(f"hypothesised values of shape {values.shape}", expected=f"one finite number or {length}")
    return np.broadcast_to(values, (length,))
