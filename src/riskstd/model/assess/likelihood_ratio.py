"""Likelihood-ratio tests of coefficients and of tau."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from riskstd.errors import FitError
from riskstd.model.assess.logistic_result import PooledLogistic
from riskstd.model.result import HierarchicalFit

Fit = HierarchicalFit | PooledLogistic

COUNT_RTOL = 1e-9
"""Relative difference of weighted counts that rounding explains."""
MAX_FALL = 1e-9
"""Relative fall of the log-likelihood that the optimiser's tolerance explains."""


@dataclass(frozen=True, repr=False)
class LikelihoodRatioTest:
    """Twice the difference of two nested models' log-likelihoods, and its p-value.

    Parameters
    ----------
    statistic : float
    df : int
        Parameters that the restricted model leaves out.
    p_value : float
    on_boundary : bool
        Whether tau is among them, so that the p-value is of a mixture.
    terms : tuple of str
        Names of those parameters.
    """

    statistic: float
    df: int
    p_value: float
    on_boundary: bool
    terms: tuple[str, ...]

    def __repr__(self) -> str:
        reference = f"chi-square, {self.df} df"
        if self.on_boundary:
            reference = f"equal mixture of chi-square, {self.df - 1} and {self.df} df"
        return (
            f"likelihood-ratio test of {', '.join(self.terms)}: {self.statistic:.4f} ({reference}), "
            f"p = {self.p_value:.4g}"
        )


def likelihood_ratio_test(full: Fit, restricted: Fit) -> LikelihoodRatioTest:
    """Test risk factors, or tau, by the likelihoods of two nested fits to the same cases.

    Parameters
    ----------
    full : HierarchicalFit or PooledLogistic
        Fitted by "agq" or "laplace" when hierarchical; PQL has no likelihood.
    restricted : HierarchicalFit or PooledLogistic
        Fitted by the same method with some of the risk factors; a `PooledLogistic` beside a
        hierarchical `full` tests tau = 0 as well.

    Returns
    -------
    LikelihoodRatioTest

    Raises
    ------
    FitError
        Fits of other cases, by another method, not nested, not converged, or by PQL.

    Notes
    -----
    With q coefficients and tau tested, tau = 0 lies on the boundary and the statistic follows an
    equal mixture of chi-square with q and q + 1 degrees of freedom (Self and Liang, JASA
    1987;82:605; Stram and Lee, Biometrics 1994;50:1171). That both fits saw the same rows can be
    checked by counts and facilities only.

    Examples
    --------
    >>> from riskstd.model.assess import pooled_logistic
    >>> y, trials = [10, 20], [100, 100]
    >>> full = pooled_logistic(y, [[0], [1]], trials=trials, factor_names=["diabetes"])
    >>> likelihood_ratio_test(full, pooled_logistic(y, np.zeros((2, 0)), trials=trials))
    likelihood-ratio test of diabetes: 3.9866 (chi-square, 1 df), p = 0.04586
    """
    _check_comparable(full, restricted)
    on_boundary = isinstance(full, HierarchicalFit) and isinstance(restricted, PooledLogistic)
    left_out = [name for name in full.factor_names if name not in restricted.factor_names]
    terms = (*left_out, "tau") if on_boundary else tuple(left_out)
    unknown = [name for name in restricted.factor_names if name not in full.factor_names]
    if unknown or not terms:
        raise FitError(
            f"the restricted model is not nested: {name_terms(unknown)} in it alone"
            if unknown
            else "both models have the same parameters",
            expected="a restricted model with some of the full model's risk factors, by name",
            hint="test combinations of coefficients with wald_test",
        )
    gain = full.log_likelihood - restricted.log_likelihood
    if gain < -MAX_FALL * (1.0 + abs(restricted.log_likelihood)):
        raise FitError(
            f"the full model has the lower log-likelihood, by {-gain:.4g}",
            expected="fits to the same rows, with the same offset, trials and weights",
        )
    statistic, df = max(2.0 * gain, 0.0), len(terms)
    if terms == ("tau",) and isinstance(full, HierarchicalFit) and full.singular:
        statistic = 0.0  # one and the same model, whatever rounding says
    p_value = mixture_p_value(statistic, df) if on_boundary else float(chdtrc(df, statistic))
    return LikelihoodRatioTest(statistic, df, p_value, on_boundary, terms)


def mixture_p_value(statistic: float, df: int) -> float:
    """p-value of an equal mixture of chi-square with df - 1 and df degrees of freedom.

    Examples
    --------
    >>> mixture_p_value(0.0, 1), round(mixture_p_value(2.705543, 1), 6)
    (1.0, 0.05)
    """
    lower = float(chdtrc(df - 1, statistic)) if df > 1 else float(statistic <= 0)
    return 0.5 * lower + 0.5 * float(chdtrc(df, statistic))


def _check_comparable(full: Fit, restricted: Fit) -> None:
    if isinstance(full, PooledLogistic) and isinstance(restricted, HierarchicalFit):
        raise FitError("the restricted model has facility effects, the full one has none", hint="swap them")
    hierarchical = [fit for fit in (full, restricted) if isinstance(fit, HierarchicalFit)]
    if any(fit.method == "pql" for fit in hierarchical):
        raise FitError(
            "a fit by PQL, which has no likelihood",
            expected='fits by "agq" or "laplace"',
            hint="fit by one of these, or use wald_test",
        )
    if len({(fit.method, fit.n_nodes) for fit in hierarchical}) > 1:
        raise FitError("fits by different methods or numbers of nodes", expected="the same approximation for both")
    if not all(fit.converged for fit in hierarchical):
        raise FitError("a fit that did not converge", expected="converged fits")
    for name in ("n_cases", "n_events"):
        one, two = getattr(full, name), getattr(restricted, name)
        if abs(one - two) > COUNT_RTOL * max(one, two):
            raise FitError(f"fits of different data: {name} {one:.12g} and {two:.12g}", expected="the same cases")
    if len(hierarchical) > 1 and not np.array_equal(hierarchical[0].facilities, hierarchical[1].facilities):
        raise FitError("fits of different data: other facilities", expected="the same cases")


def name_terms(names: list[str]) -> str:
    """Names in quotes, for messages."""
    return ", ".join(f"'{name}'" for name in names)
