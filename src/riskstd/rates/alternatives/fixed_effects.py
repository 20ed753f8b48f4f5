"""Fixed facility effects: an intercept per facility instead of a distribution of them, and exact tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, ndtri

from riskstd.errors import FitError
from riskstd.model.algebra import quadratic_form
from riskstd.model.cells import Cells, order_by_content, weighted_gram
from riskstd.model.frozen import freeze_arrays
from riskstd.model.options import check_level
from riskstd.rates.alternatives.columns import FloatArray, check_choice
from riskstd.rates.alternatives.exact_test import RULES, ExactTest, group_cases, judge_groups
from riskstd.rates.alternatives.firth import cells_of, read_penalized, refuse_unsolved, rows_of
from riskstd.rates.alternatives.logistic_solver import Rows, Solution, evaluate, solve

if TYPE_CHECKING:
    import pandas as pd

NORMS = ("national", "median")
FARTHEST = 60.0
"""Log-odds between which an average intercept is sought."""


@dataclass(frozen=True, eq=False, repr=False)
class FixedEffects:
    """A logistic regression with an intercept per facility; facilities by sorted label.

    Parameters
    ----------
    facility_id : ndarray, shape (n_facilities,)
    intercept, intercept_se : ndarray, shape (n_facilities,)
        Log-odds where all risk factors are 0; infinite, with standard error NaN, without events or with
        nothing but events, unless penalized.
    beta, beta_se : ndarray, shape (n_factors,)
    factor_names : tuple of str
    norm : str
    norm_intercept : float
        Intercept of the facility that expected events are counted at.
    test : ExactTest
        Observed against expected events at the norm.
    penalized : bool
    log_likelihood : float
        Penalized if `penalized`; without binomial constants.
    """

    facility_id: NDArray[Any]
    intercept: FloatArray
    intercept_se: FloatArray
    beta: FloatArray
    beta_se: FloatArray
    factor_names: tuple[str, ...]
    norm: str
    norm_intercept: float
    test: ExactTest
    penalized: bool
    log_likelihood: float

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        return (
            f"FixedEffects({len(self.facility_id)} facilities, {len(self.beta)} factors, norm={self.norm!r}, "
            f"penalized={self.penalized})"
        )

    def wald_limits(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Wald limits of the odds ratios of the risk factors, shape (n_factors,)."""
        check_level(level)
        half = float(ndtri(0.5 + level / 2.0)) * self.beta_se
        return np.exp(self.beta - half), np.exp(self.beta + half)

    def to_frame(self) -> pd.DataFrame:
        """Frame of the exact test with intercept and intercept_se, one row per facility."""
        return self.test.to_frame().assign(intercept=self.intercept, intercept_se=self.intercept_se)


def fixed_effects(
    y: Any,
    X: Any,
    facility: Any,
    *,
    trials: Any = None,
    offset: Any = None,
    factor_names: Any = None,
    penalized: bool = False,
    norm: str = "national",
    rule: str = "double",
    mid_p: bool = True,
    level: float = 0.95,
) -> FixedEffects:
    """Fit an intercept per facility and test each facility against the norm.

    Parameters
    ----------
    y, X, facility, trials, offset, factor_names
        As for `fit_hierarchical`; X may have no columns.
    penalized : bool
        With Firth's penalty, by which every intercept is finite.
    norm : {"national", "median"}
        Expected events at the intercept at which they add up to all events; or at the median of the
        facilities' intercepts.
    rule, mid_p, level
        As for `exact_test`.

    Returns
    -------
    FixedEffects

    Raises
    ------
    FitError
        Rows out of range; no risk factor that varies within facilities; no finite estimate; an infinite median.
    OptionError

    Notes
    -----
    logit P = gamma_j + x'beta. H0: gamma_j is the norm; under it a facility's events are Poisson-binomial with
    beta taken as known (He, Kalbfleisch, Li and Li, Lifetime Data Analysis 2013;19:490). Facilities without
    events or with nothing but events add nothing to the likelihood of beta at its maximum, where their
    intercepts are infinite; they are tested all the same. Maximum likelihood estimates of beta are biased away
    from 0 where facilities have few cases (Neyman and Scott, Econometrica 1948;16:1); the penalty takes out
    most of it.

    Examples
    --------
    >>> found = fixed_effects([0, 5, 9], np.zeros((3, 0)), ["A", "B", "C"], trials=[20, 40, 40], penalized=True)
    >>> found.intercept.round(3).tolist(), found.test.expected.round(2).tolist()
    ([-3.714, -1.865, -1.199], [2.8, 5.6, 5.6])
    """
    check_choice("norm", norm, NORMS)
    check_choice("rule", rule, RULES)
    check_level(level)
    given = read_penalized(y, X, facility, trials=trials, offset=offset, factor_names=factor_names)
    cells, order = order_by_content(cells_of(given, given.facility, len(given.labels)))
    found, informative = _fit(cells, bool(penalized))
    scale = cells.scale
    beta, shift = found.state.beta / scale, float(np.sum(found.state.beta / scale * cells.center))
    intercept, error = _intercepts(cells, found, informative)
    average = _log_odds(cells, found.state.beta)
    at_norm = _norm_intercept(cells, average, intercept, norm)
    observed = order.by_label(cells.events)
    groups = group_cases(order.label_position[cells.facility], cells.n, at_norm + average, observed)
    return FixedEffects(
        facility_id=given.labels,
        intercept=order.by_label(intercept) - shift,
        intercept_se=order.by_label(error),
        beta=beta,
        beta_se=np.sqrt(np.diag(found.state.covariance)) / scale,
        factor_names=given.factor_names,
        norm=norm,
        norm_intercept=at_norm - shift,
        test=judge_groups(given.labels, groups, rule, mid_p=bool(mid_p), level=float(level)),
        penalized=bool(penalized),
        log_likelihood=found.state.objective + (float(np.log(scale).sum()) if penalized else 0.0),
    )


def _fit(cells: Cells, penalized: bool) -> tuple[Solution, NDArray[np.bool_]]:
    """Solution over the facilities that hold information, and which these are."""
    rows = rows_of(cells, intercept=False)
    informative = np.ones(cells.n_facilities, dtype=bool)
    if not penalized:
        informative = (cells.events > 0) & (cells.events < cells.cases)
        rows = _keep(rows, informative)
    if len(rows.y) == 0:
        if rows.X.shape[1]:
            raise FitError(
                "no facility has cases both with and without the event",
                expected="at least one such facility",
                hint="penalized=True estimates all the same",
            )
        nobody = evaluate(rows, np.zeros(0), np.zeros(0), penalized=False)
        return Solution(nobody, True, 0), informative
    _refuse_constant_within(rows)
    start = np.log((rows.total(rows.y) + 0.5) / (rows.total(rows.n - rows.y) + 0.5))
    found = solve(rows, np.zeros(rows.X.shape[1]), start, penalized=penalized)
    refuse_unsolved(found)
    return found, informative


def _keep(rows: Rows, facilities: NDArray[np.bool_]) -> Rows:
    """Rows of some facilities, numbered anew."""
    assert rows.code is not None
    kept, number = facilities[rows.code], np.cumsum(facilities) - 1
    code = number[rows.code[kept]]
    return Rows(rows.X[kept], rows.n[kept], rows.y[kept], rows.offset[kept], code, int(facilities.sum()))


def _refuse_constant_within(rows: Rows) -> None:
    """Refuse risk factors that tell facilities apart, not cases within them."""
    assert rows.code is not None
    size = rows.total(rows.n)
    means = np.array([rows.total(rows.n * column) / size for column in rows.X.T]).reshape(-1, rows.n_facilities)
    within = rows.X - means.T[rows.code]
    if not within.shape[1]:
        return
    gram = weighted_gram(within, rows.n) / rows.n.sum()
    if np.linalg.eigvalsh(gram)[0] < 1e-10:
        raise FitError(
            "risk factors, or a combination of them, that are constant within every facility",
            expected="factors that vary among the cases of a facility",
            hint="drop factors of the facility itself: its intercept holds them",
        )


def _intercepts(cells: Cells, found: Solution, informative: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    intercept = np.where(cells.events > 0, np.inf, -np.inf)
    error = np.full(cells.n_facilities, np.nan)
    intercept[informative] = found.state.intercepts
    raw_means = found.state.means + cells.center / cells.scale
    spread = quadratic_form(raw_means, found.state.covariance)
    error[informative] = np.sqrt(1.0 / found.state.information + spread)
    return intercept, error


def _log_odds(cells: Cells, beta: FloatArray) -> FloatArray:
    """Log-odds of the cells at a facility with intercept 0, factors counted from their centres."""
    return cells.at_cells(cells.linear_predictor(np.append(0.0, beta)))


def _norm_intercept(cells: Cells, average: FloatArray, intercept: FloatArray, norm: str) -> float:
    if norm == "median":
        middle = float(np.median(intercept))
        if not np.isfinite(middle):
            raise FitError(
                "a median intercept that is not finite: half of the facilities have no events, or only events",
                expected="norm='national', or penalized=True",
            )
        return middle
    return national_intercept(average, cells.n, float(cells.events.sum()))


def national_intercept(log_odds: FloatArray, n: FloatArray, events: float) -> float:
    """Intercept at which expected events add up to all events.

    Examples
    --------
    >>> round(national_intercept(np.zeros(2), np.array([10.0, 10.0]), 5.0), 4)
    -1.0986
    """
    if not 0 < events < n.sum():
        raise FitError(
            "no events, or only events, over all facilities",
            expected="cases with and without the event",
            hint="exact_test with probabilities from elsewhere needs no events here",
        )
    order = np.lexsort((n, log_odds))
    ordered, size = log_odds[order], n[order]

    def short(intercept: float) -> float:
        return float(np.sum(size * expit(intercept + ordered))) - events

    return cast("float", brentq(short, -FARTHEST, FARTHEST, xtol=1e-12))
