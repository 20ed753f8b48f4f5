"""Observed against expected events of a facility, exactly: the Poisson-binomial test and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from riskstd.model.options import check_level
from riskstd.rates.alternatives.columns import ColumnResult, FloatArray, IntArray, check_choice, read_cases
from riskstd.rates.alternatives.observed_expected import bisect
from riskstd.rates.alternatives.poisson_binomial import poisson_binomial, tail_probabilities

RULES = ("double", "probability")
FARTHEST_SHIFT = 60.0
"""Shift of the log-odds beyond which probabilities are 0 or 1 to double precision."""
TIE = 1e-7
"""Relative difference within which two probabilities count as equal, as in R's binom.test."""


@dataclass(frozen=True, eq=False, repr=False)
class ExactTest(ColumnResult):
    """Exact tests and limits; arrays of shape (n_facilities,).

    Parameters
    ----------
    facility_id : ndarray
        Labels, sorted.
    cases, observed, expected : ndarray
        Counts, and the sum of the probabilities.
    ratio, lower, upper : ndarray
        Observed / expected, and limits at `level`.
    p_value : ndarray
        Two-sided by `rule`, mid-P if `mid_p`.
    z : ndarray
        Normal score of the upper mid-P tail, positive for more events than expected; what
        `empirical_null` takes.
    rule : str
    mid_p : bool
    level : float
    """

    columns: ClassVar[tuple[str, ...]] = (
        "facility_id", "cases", "observed", "expected", "ratio", "lower", "upper", "p_value", "z",
    )  # fmt: skip

    facility_id: NDArray[Any]
    cases: FloatArray
    observed: FloatArray
    expected: FloatArray
    ratio: FloatArray
    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    z: FloatArray
    rule: str
    mid_p: bool
    level: float

    @property
    def flag(self) -> FloatArray:
        """1 for more events than expected at 1 - `level`, two-sided, -1 for fewer, 0 otherwise."""
        return np.where(self.p_value <= 1.0 - self.level, np.sign(self.ratio - 1.0), 0.0)


def exact_test(
    y: Any,
    probability: Any,
    facility: Any,
    *,
    trials: Any = None,
    rule: str = "double",
    mid_p: bool = True,
    level: float = 0.95,
) -> ExactTest:
    """Test each facility's events against the probabilities of its own cases.

    Parameters
    ----------
    y : array, shape (n_rows,)
        0 or 1; events out of `trials` when those are given.
    probability : array, shape (n_rows,)
        Of an event under the standard, such as `fit.predict(X)`; taken as known.
    facility : array of labels, shape (n_rows,)
    trials : array, shape (n_rows,), optional
        Cases of each row.
    rule : {"double", "probability"}
        Two-sided p-value: twice the smaller tail, at most 1; or all counts no likelier than the observed
        one, as in R's binom.test.
    mid_p : bool
        Count the probability of the observed count half.
    level : float

    Returns
    -------
    ExactTest

    Raises
    ------
    FitError
        Rows that do not match or are out of range.
    OptionError

    Notes
    -----
    O is Poisson-binomial. Limits invert the doubled tails: the shift of all log-odds at which a tail is
    (1 - level) / 2, shown as the ratio of the expected events at that shift to those without; 0 events have the
    lower limit 0, all events the upper limit cases / expected. The test in profiling: He, Kalbfleisch, Li and Li,
    Lifetime Data Analysis 2013;19:490, section 3; mid-P: Lancaster, JASA 1961;56:223.

    Examples
    --------
    >>> found = exact_test([2], [0.2], ["A"], trials=[30], rule="probability", mid_p=False)
    >>> round(float(found.ratio[0]), 4), round(float(found.p_value[0]), 6)
    (0.3333, 0.069795)
    """
    check_choice("rule", rule, RULES)
    check_level(level)
    cases = read_cases(y, probability, facility, trials)
    groups = group_cases(cases.code, cases.n, logit(cases.probability), cases.total(cases.y))
    return judge_groups(cases.labels, groups, rule, mid_p=bool(mid_p), level=float(level))


@dataclass(frozen=True, eq=False, repr=False)
class CaseGroups:
    """Log-odds of single cases facility by facility, with a pointer, and events observed."""

    log_odds: FloatArray
    pointer: IntArray
    observed: FloatArray

    def expected(self, shift: FloatArray) -> FloatArray:
        """Sum of the probabilities at shifted log-odds, per facility."""
        repeated = np.repeat(shift, np.diff(self.pointer))
        return np.add.reduceat(expit(self.log_odds + repeated), self.pointer[:-1])

    def tails(self, shift: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Probabilities of fewer, as many and more events than observed."""
        return tail_probabilities(self.log_odds, self.pointer, self.observed.astype(np.int64), shift)


def group_cases(code: IntArray, n: FloatArray, log_odds: FloatArray, observed: FloatArray) -> CaseGroups:
    """Put cases in order of facility and log-odds, so that no order of rows decides a sum."""
    order = np.lexsort((log_odds, code))
    times = n[order].astype(np.int64)
    sizes = np.bincount(code, n, len(observed)).astype(np.int64)
    return CaseGroups(np.repeat(log_odds[order], times), np.append(0, np.cumsum(sizes)), observed)


def judge_groups(labels: NDArray[Any], groups: CaseGroups, rule: str, *, mid_p: bool, level: float) -> ExactTest:
    """Test grouped cases."""
    none = np.zeros(len(labels))
    expected, tails = groups.expected(none), groups.tails(none)
    fewer, equal, more = tails
    p_value = _doubled(tails, mid_p) if rule == "double" else _by_probability(groups, equal, mid_p)
    lower, upper = _limits(groups, (1.0 - level) / 2.0, mid_p)
    return ExactTest(
        facility_id=labels,
        cases=np.diff(groups.pointer).astype(np.float64),
        observed=groups.observed,
        expected=expected,
        ratio=groups.observed / expected,
        lower=lower / expected,
        upper=upper / expected,
        p_value=p_value,
        z=_score(fewer + 0.5 * equal, more + 0.5 * equal),
        rule=rule,
        mid_p=mid_p,
        level=level,
    )


def _score(lower_tail: FloatArray, upper_tail: FloatArray) -> FloatArray:
    """Normal score from the smaller tail, where rounding costs least."""
    return np.where(upper_tail < lower_tail, -ndtri(upper_tail), ndtri(lower_tail))


def _doubled(tails: tuple[FloatArray, FloatArray, FloatArray], mid_p: bool) -> FloatArray:
    fewer, equal, more = tails
    share = 0.5 if mid_p else 1.0
    return np.minimum(1.0, 2.0 * np.minimum(fewer + share * equal, more + share * equal))


def _by_probability(groups: CaseGroups, equal: FloatArray, mid_p: bool) -> FloatArray:
    out = np.empty(len(equal))
    for j, (start, stop) in enumerate(zip(groups.pointer[:-1], groups.pointer[1:], strict=True)):
        mass = poisson_binomial(expit(groups.log_odds[start:stop]))
        out[j] = mass[mass <= equal[j] * (1.0 + TIE)].sum()
    return np.minimum(1.0, out - 0.5 * equal if mid_p else out)


def _limits(groups: CaseGroups, tail: float, mid_p: bool) -> tuple[FloatArray, FloatArray]:
    """Expected events at the shifts where either tail is `tail`."""
    share, size = 0.5 if mid_p else 1.0, np.diff(groups.pointer)
    far = np.full(len(size), FARTHEST_SHIFT)

    def upper_tail(shift: FloatArray) -> FloatArray:
        _, equal, more = groups.tails(shift)
        return more + share * equal - tail

    def lower_tail(shift: FloatArray) -> FloatArray:
        fewer, equal, _ = groups.tails(shift)
        return tail - fewer - share * equal

    lower = groups.expected(bisect(upper_tail, -far, far))
    upper = groups.expected(bisect(lower_tail, -far, far))
    return np.where(groups.observed > 0, lower, 0.0), np.where(groups.observed < size, upper, size)
