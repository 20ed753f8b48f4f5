"""What a method maximises or solves: likelihood by Laplace or quadrature, or pseudo-likelihood.

Pseudo-likelihood (PQL) is the linear mixed model of the working response, iterated. REML form:
RSPL, the default of SAS PROC GLIMMIX; ML form: MSPL. It has no likelihood to climb: for beta
it solves for the joint mode of beta and the effects, for log tau
sum_j { u^2/tau^2 - f W + tau^2 a' V a / D^2 },  the last term in the REML form
(D = 1 + tau^2 W, f = tau^2 / D, a = sum w x, V the covariance of the fixed effects).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskstd.model.algebra import central_differences, invert_positive, quadratic_form, symmetric, total
from riskstd.model.cells import Cells, FloatArray
from riskstd.model.evaluation import MODE_STEP, Curvature, Evaluation, HermiteRule
from riskstd.model.paths import Path, path_of


@dataclass(frozen=True, eq=False, repr=False)
class Objective:
    """The objective of a method on one set of cells.

    Parameters
    ----------
    path : CompiledPath or PlainPath
    rule : HermiteRule
        One node for Laplace and pseudo-likelihood.
    pseudo, reml : bool
        Whether pseudo-likelihood is solved, and whether in its REML form.
    """

    path: Path
    rule: HermiteRule
    pseudo: bool
    reml: bool

    @property
    def cells(self) -> Cells:
        """The cells."""
        return self.path.cells

    @property
    def is_closed_form(self) -> bool:
        """Whether the log-likelihood has a closed form: Laplace."""
        return not self.pseudo and len(self.rule.x) == 1

    def evaluate(
        self, theta: FloatArray, start: FloatArray, multiplicity: FloatArray, step_tolerance: float = MODE_STEP
    ) -> Evaluation:
        """Evaluate at theta = (beta, log tau), facilities counted `multiplicity` times."""
        at = self.path.evaluate(
            theta[:-1],
            float(np.exp(theta[-1])),
            start,
            multiplicity,
            self.rule,
            pseudo=self.pseudo,
            step_tolerance=step_tolerance,
        )
        if not self.reml or at.tau == 0.0:
            return at
        curvature = self.path.curvature(at, multiplicity, pseudo=True)
        added = added_variance(at, curvature, None) / at.tau**2
        score = at.score.copy()
        score[-1] += np.sum(multiplicity * added)
        return replace(at, score=score, score_tau=at.score_tau + added, curvature=curvature)

    def curvature(self, at: Evaluation, multiplicity: FloatArray) -> Curvature:
        """Negative Hessian of the Laplace objective, or the expected one of the pseudo-likelihood."""
        if self.pseudo or self.is_closed_form:
            return self.exact_curvature(at, multiplicity)
        return self.path.curvature(at, multiplicity, pseudo=False)

    def exact_curvature(self, at: Evaluation, multiplicity: FloatArray) -> Curvature:
        """Negative Hessian of the log-likelihood, or the expected one of the pseudo-likelihood."""
        return at.curvature or self.path.curvature(at, multiplicity, pseudo=self.pseudo, rule=self.rule)

    def working_curvature(self, at: Evaluation, multiplicity: FloatArray) -> Curvature:
        """Expected curvature of the pseudo-likelihood, whatever the method."""
        if self.pseudo:
            return self.curvature(at, multiplicity)
        return self.path.curvature(at, multiplicity, pseudo=True)

    def curvature_by_differences(self, theta: FloatArray, at: Evaluation, multiplicity: FloatArray) -> FloatArray:
        """Negative Jacobian of the score, shape (n_coefficients + 1, n_coefficients + 1)."""
        jacobian = central_differences(lambda t: self.evaluate(t, at.u, multiplicity).score, theta)
        return jacobian if self.pseudo else symmetric(jacobian)

    def observed_curvature(self, theta: FloatArray, at: Evaluation, multiplicity: FloatArray) -> FloatArray:
        """Exact negative Hessian of the log-likelihood, or Jacobian of the pseudo-likelihood equations."""
        if self.pseudo:
            return self.curvature_by_differences(theta, at, multiplicity)
        return self.exact_curvature(at, multiplicity).hessian


def make_objective(cells: Cells, method: str, n_nodes: int, pql_form: str, threads: int | None = None) -> Objective:
    """Objective of a method."""
    nodes = n_nodes if method == "agq" else 1
    pseudo = method == "pql"
    return Objective(path_of(cells, threads), HermiteRule.of(nodes), pseudo, pseudo and pql_form == "reml")


def added_variance(at: Evaluation, curvature: Curvature, free: NDArray[np.bool_] | None) -> FloatArray:
    """f^2 a' V a: what the uncertainty of beta adds to the variance of each effect.

    Parameters
    ----------
    at : Evaluation
    curvature : Curvature
        Of the pseudo-likelihood, whose block of beta is the working information.
    free : ndarray of bool, shape (n_coefficients,), optional
        Estimated coefficients; the others are held and count as known.

    Returns
    -------
    ndarray, shape (n_facilities,)
        NaN when the information on beta is singular.
    """
    a, information = curvature.sum_wx, curvature.hessian[:-1, :-1]
    if free is not None and not free.all():
        a, information = a[:, free], information[np.ix_(free, free)]
    return at.variance**2 * quadratic_form(a, invert_positive(information))


def total_value(at: Evaluation, multiplicity: FloatArray) -> float:
    """Log-likelihood over all facilities, without binomial constants."""
    return float(total(multiplicity, at.log_likelihood))
