"""How many visits more or fewer would change the category of one facility.

Model (average intercept, coefficients, tau) and national rate are held. With k visits in all, the effect of the
facility is the mode u_k of its posterior, the root of  k - sum p_i(u) - u / tau^2 = 0  over its own cases, and its
variance is s_k^2 = 1 / (sum p_i q_i + 1 / tau^2): the equations of `riskstd.model.modes`. They depend on the
outcomes only through k, so it does not matter whose visit is taken away.

The interval runs from the ratio at u_k - z_lower s_k to the ratio at u_k + z_upper s_k. The two z are those at which
it equals the interval of the run at the visits that were observed, so a bootstrap interval keeps its width
against the plug-in interval on the scale of the effect, on each side. The ratio exceeds 1 just where the effect
exceeds 0, so the facility is worse when u_k > z_lower s_k and better when u_k < -z_upper s_k. Both sides of
u_k -+ z s_k rise with k while z s_k < 2, so each category begins at one number of visits, found by bisection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri

from riskstd.report.content import IntervalFacts

FloatArray = NDArray[np.float64]
Kind = Literal["better", "same", "worse"]

_STEP_TOLERANCE = 1e-12
_MAX_STEPS = 200
_WIDEST = 40.0
"""Log-odds beyond which a probability is 0 or 1 in double precision."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Posterior of the effect of one facility, given its number of visits.

    Parameters
    ----------
    log_odds : ndarray, shape (n_cases,)
        Of a visit at an average facility.
    tau : float
        Standard deviation of the facility effects.

    Examples
    --------
    >>> mode, spread = Posterior(np.full(100, -4.0), 0.4).at(5)
    >>> round(mode, 3), round(spread, 3)
    (0.382, 0.337)
    """

    log_odds: FloatArray
    tau: float

    def at(self, visits: int) -> tuple[float, float]:
        """Mode and standard deviation with so many visits; log-odds."""
        if self.tau == 0.0:
            return 0.0, 0.0
        precision, effect = self.tau**-2, 0.0
        for _ in range(_MAX_STEPS):
            p = expit(self.log_odds + effect)
            w = p * (1.0 - p)
            curvature = float(w.sum()) + precision
            newton = min(max((visits - float(p.sum()) - effect * precision) / curvature, -1.0), 1.0)
            # a Halley step; |sum w (1 - 2p)| <= sum w keeps the denominator above half the curvature
            bend = 0.5 * float((w * (1.0 - 2.0 * p)).sum()) * newton
            step = min(max(newton * curvature / (curvature + bend), -1.0), 1.0)
            effect += step
            if abs(step) < _STEP_TOLERANCE:
                break
        p = expit(self.log_odds + effect)
        return effect, 1.0 / math.sqrt(float((p * (1.0 - p)).sum()) + precision)

    def ratio(self, effect: float) -> float:
        """Predicted over expected visits at an effect."""
        return float(expit(self.log_odds + effect).sum() / expit(self.log_odds).sum())

    def effect_at(self, ratio: float) -> float:
        """Effect with this ratio of predicted to expected visits; NaN where no effect has it."""
        expected = expit(self.log_odds)
        target = ratio * float(expected.sum())
        if not 0.0 < target < len(expected):
            return math.nan

        def above(effect: float) -> float:
            return float(expit(self.log_odds + effect).sum()) - target

        ends = -_WIDEST - float(self.log_odds.max()), _WIDEST - float(self.log_odds.min())
        return cast("float", brentq(above, *ends, xtol=1e-13)) if above(ends[0]) < 0.0 < above(ends[1]) else math.nan


@dataclass(frozen=True)
class FlagRule:
    """Numbers of visits at which one facility would be in another category.

    Attributes
    ----------
    better_up_to : int or None
        Most visits with which it is better; None when not even 0 visits are few enough.
    worse_from : int or None
        Fewest visits with which it is worse; None when not even a visit after every case is.
    """

    better_up_to: int | None
    worse_from: int | None

    def category(self, visits: int) -> Kind:
        """Category with so many visits."""
        if self.worse_from is not None and visits >= self.worse_from:
            return "worse"
        return "better" if self.better_up_to is not None and visits <= self.better_up_to else "same"


@dataclass(frozen=True)
class Change:
    """The smallest change of the number of visits that changes the category.

    Attributes
    ----------
    visits : int or None
        How many fewer or more; None when no number would do.
    to : {"better", "same", "worse"}
        The category then.
    """

    visits: int | None
    to: Kind


@dataclass(frozen=True)
class WhatIf:
    """Category of a facility and its smallest changes; None where there is no category on that side."""

    category: Kind
    fewer: Change | None
    more: Change | None


def posterior_of(expected: FloatArray, tau: float) -> Posterior:
    """Posterior of a facility whose cases have these probabilities at an average facility."""
    return Posterior(logit(expected), tau)


def flag_rule(posterior: Posterior, row: dict[str, Any], comparator: float, facts: IntervalFacts) -> FlagRule | None:
    """Find the numbers of visits at which the category of a facility changes.

    Parameters
    ----------
    posterior : Posterior
        Of its own cases.
    row : dict
        Its row in the table `facility_rates`.
    comparator : float
        The national rate in the scale of the measure, or 1.
    facts : IntervalFacts
        Levels of the interval in `row` and of the one that the category is read from.

    Returns
    -------
    FlagRule or None
        None without an interval.
    """
    limits = float(row["lower"]), float(row["upper"])
    if not all(math.isfinite(limit) for limit in limits):
        return None
    if posterior.tau == 0.0:
        return FlagRule(None, None)
    effect, spread = posterior.at(int(row["observed"]))
    low, high = (posterior.effect_at(limit / comparator) for limit in limits)
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    level = float(ndtri(0.5 + facts.category_level / 2.0) / ndtri(0.5 + facts.level / 2.0))
    z_lower, z_upper = level * (effect - low) / spread, level * (high - effect) / spread

    @cache
    def at(visits: int) -> tuple[float, float]:
        return posterior.at(visits)

    def is_worse(visits: int) -> bool:
        mode, width = at(visits)
        return mode > z_lower * width

    def is_not_better(visits: int) -> bool:
        mode, width = at(visits)
        return mode >= -z_upper * width

    n = len(posterior.log_odds)
    above = _first(is_not_better, n)
    return FlagRule(None if above == 0 else n if above is None else above - 1, _first(is_worse, n))


def what_if(rule: FlagRule, visits: int) -> WhatIf:
    """Work out the smallest changes of the category from the visits that were observed.

    Examples
    --------
    >>> what_if(FlagRule(None, 9), 4)
    WhatIf(category='same', fewer=Change(visits=None, to='better'), more=Change(visits=5, to='worse'))
    """
    kind = rule.category(visits)
    best, worst = rule.better_up_to, rule.worse_from
    if kind == "worse":
        return WhatIf(
            kind, Change(visits - worst + 1, rule.category(worst - 1)) if worst else Change(None, "same"), None
        )
    if kind == "better":
        assert best is not None
        return WhatIf(kind, None, Change(best + 1 - visits, rule.category(best + 1)))
    fewer = None if best is None else visits - best
    return WhatIf(kind, Change(fewer, "better"), Change(None if worst is None else worst - visits, "worse"))


def _first(holds: Callable[[int], bool], n: int) -> int | None:
    """Return the least of 0 .. n at which a condition holds that stays true from there on; None if there is none."""
    if not holds(n):
        return None
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
