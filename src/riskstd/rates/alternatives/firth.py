"""Firth's logistic regression: a penalty that keeps estimates finite and takes out most of their bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri, ndtri

from riskstd.errors import FitError
from riskstd.model.cells import Cells
from riskstd.model.checks import check_columns
from riskstd.model.collapse import collapse_rows
from riskstd.model.inputs import ModelInput, read_model_input, read_values
from riskstd.model.options import check_level
from riskstd.rates.alternatives.columns import ColumnResult, FloatArray, check_choice
from riskstd.rates.alternatives.logistic_solver import Rows, Solution, solve

INTERVALS = ("profile", "wald")
FARTHEST_LIMIT = 60
"""Standard errors from the estimate within which a profile limit is sought."""


@dataclass(frozen=True, eq=False, repr=False)
class FirthLogistic(ColumnResult):
    """A penalized logistic regression; arrays of shape (n_factors + 1,), the intercept first.

    Parameters
    ----------
    term : ndarray of str
    estimate, standard_error : ndarray
        Log-odds; standard errors from the inverse information at the estimates.
    lower, upper : ndarray
        Limits of the log-odds at `level`.
    p_value : ndarray
        Of 0, by the penalized likelihood ratio or Wald's test, as the interval.
    covariance : ndarray, shape (n_factors + 1, n_factors + 1)
    log_likelihood : float
        Penalized, without binomial constants.
    interval : str
    level : float
    n_cases, n_events : float
    """

    columns: ClassVar[tuple[str, ...]] = ("term", "estimate", "standard_error", "lower", "upper", "p_value")

    term: NDArray[Any]
    estimate: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    covariance: FloatArray
    log_likelihood: float
    interval: str
    level: float
    n_cases: float
    n_events: float


def firth_logistic(
    y: Any,
    X: Any,
    *,
    trials: Any = None,
    weights: Any = None,
    offset: Any = None,
    factor_names: Any = None,
    interval: str = "profile",
    level: float = 0.95,
) -> FirthLogistic:
    """Fit a logistic regression by penalized maximum likelihood.

    Parameters
    ----------
    y, X, trials, weights, offset, factor_names
        As for `pooled_logistic`; separated factors and outcomes that never vary are allowed.
    interval : {"profile", "wald"}
    level : float

    Returns
    -------
    FirthLogistic

    Raises
    ------
    FitError
        Rows out of range; constant or redundant columns; no convergence.
    OptionError

    Notes
    -----
    Maximizes log L + log|I| / 2 (Firth, Biometrika 1993;80:27), for a logistic regression by the score
    sum (y - p + h (1/2 - p)) x, h the leverages (Heinze and Schemper, Statistics in Medicine 2002;21:2409).
    Profile limits are where twice the drop of the penalized likelihood is the chi-squared quantile, the
    penalty being that of the whole model.

    Examples
    --------
    >>> fit = firth_logistic([0, 5], [[0], [1]], trials=[10, 10])
    >>> fit.estimate.round(4).tolist()  # log-odds of (0 + 1/2) / (10 + 1) and (5 + 1/2) / (10 + 1)
    [-3.0445, 3.0445]
    """
    check_choice("interval", interval, INTERVALS)
    check_level(level)
    given = read_penalized(y, X, trials=trials, weights=weights, offset=offset, factor_names=factor_names)
    cells = cells_of(given, np.zeros(len(given.y), dtype=np.int64), 1)
    rows = rows_of(cells, intercept=True)
    best = solve(rows, np.zeros(rows.X.shape[1]), np.zeros(0), penalized=True)
    refuse_unsolved(best)
    back = cells.back_transform()
    covariance = back @ best.state.covariance @ back.T
    estimate, error = back @ best.state.beta, np.sqrt(np.diag(covariance))
    if interval == "wald":
        half = float(ndtri(0.5 + level / 2.0)) * error
        limits, p_value = (estimate - half, estimate + half), chdtrc(1, (estimate / error) ** 2)
    else:
        # profiles of the original columns' coefficients: the intercept is that where all columns are 0
        raw = Rows(rows.X @ np.linalg.inv(back), rows.n, rows.y, rows.offset)
        limits, p_value = profile_limits(raw, solve(raw, estimate, np.zeros(0), penalized=True), level)
    return FirthLogistic(
        term=np.array(["intercept (mu)", *given.factor_names], dtype=object),
        estimate=estimate,
        standard_error=error,
        lower=limits[0],
        upper=limits[1],
        p_value=p_value,
        covariance=covariance,
        # the determinant is that of the information of the original columns
        log_likelihood=best.state.objective + float(np.log(cells.scale).sum()),
        interval=interval,
        level=float(level),
        n_cases=float(cells.cases.sum()),
        n_events=float(cells.events.sum()),
    )


def profile_limits(rows: Rows, best: Solution, level: float) -> tuple[tuple[FloatArray, FloatArray], FloatArray]:
    """Profile limits of each coefficient, and the p-value of 0.

    Returns
    -------
    (lower, upper) : ndarray, shape (n_factors,)
        Infinite where the profile does not fall far enough.
    p_value : ndarray, shape (n_factors,)
    """
    drop, size = 0.5 * float(chdtri(1, 1.0 - level)), len(best.state.beta)
    error = np.sqrt(np.diag(best.state.covariance))
    limits, p_value = np.empty((2, size)), np.empty(size)
    for k in range(size):
        profile = _Profile(rows, best, k)
        for side, sign in enumerate((-1.0, 1.0)):
            limits[side, k] = _profile_limit(profile, best.state.beta[k], sign * error[k], drop)
        p_value[k] = chdtrc(1, max(2.0 * profile(0.0), 0.0))
    return (limits[0], limits[1]), p_value


class _Profile:
    """How far the penalized likelihood falls where coefficient `k` is held."""

    def __init__(self, rows: Rows, best: Solution, k: int) -> None:
        self._rows, self._best, self._k = rows, best, k
        self._last = best.state

    def __call__(self, value: float) -> float:
        start = self._last.beta.copy()
        start[self._k] = value
        held = np.arange(len(start)) == self._k
        found = solve(self._rows, start, self._last.intercepts, penalized=True, held=held)
        refuse_unsolved(found)
        self._last = found.state
        return self._best.state.objective - found.state.objective


def _profile_limit(profile: _Profile, estimate: float, step: float, drop: float) -> float:
    """Where the profile has fallen by `drop`, in the direction of `step`."""
    inner = outer = estimate
    for _ in range(FARTHEST_LIMIT):
        outer = inner + step
        if profile(outer) > drop:
            return cast("float", brentq(lambda value: profile(value) - drop, inner, outer, xtol=1e-9))
        inner = outer
    return float(np.sign(step) * np.inf)


def read_penalized(y: Any, X: Any, facility: Any = None, **given: Any) -> ModelInput:
    """Read rows; refuse none at all."""
    length = len(np.atleast_1d(read_values(y, "outcome y")))
    labels = np.zeros(length, dtype=np.int64) if facility is None else facility
    rows = read_model_input(y, X, labels, **given)
    if len(rows.y) == 0:
        raise FitError("no rows", expected="at least one case")
    return rows


def cells_of(given: ModelInput, facility: NDArray[Any], n_facilities: int) -> Cells:
    """Collapse equal rows; refuse constant and redundant columns."""
    cells = collapse_rows(given.X, facility, given.n, given.y, given.offset, n_facilities)
    check_columns(cells, given.factor_names)
    return cells


def rows_of(cells: Cells, *, intercept: bool) -> Rows:
    """Rows of the solver from cells, with a column of ones or with facilities."""
    X = cells.X[cells.pattern]
    offset = cells.at_cells(cells.linear_predictor(np.zeros(cells.n_coefficients)))
    if intercept:
        return Rows(X, cells.n, cells.y, offset)
    return Rows(X[:, 1:], cells.n, cells.y, offset, cells.facility, cells.n_facilities)


def refuse_unsolved(found: Solution) -> None:
    """Refuse a solution that was not reached."""
    if not found.converged:
        raise FitError(
            f"the logistic regression did not converge in {found.n_iterations} iterations",
            expected="risk factors that do not separate events from the rest, and that vary within facilities",
            hint="drop or merge risk factors",
        )
