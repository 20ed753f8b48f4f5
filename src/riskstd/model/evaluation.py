"""What an evaluation of the model at one point holds, whichever path computed it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_hermite

from riskstd.model.cells import FloatArray

if TYPE_CHECKING:
    from riskstd.model.modes import Modes

MAX_LOG_ODDS = 340.0
"""Log-odds beyond which exp() is held, so that products of two stay finite."""
MODE_STEP = 1e-5
"""Step in log-odds under which a mode counts as found (the error left is its cube)."""


def bounded_exp(log_odds: FloatArray) -> FloatArray:
    """exp() of log-odds held inside +-MAX_LOG_ODDS.

    Examples
    --------
    >>> bounded_exp(np.array([0.0, 1e6])).tolist() == [1.0, float(np.exp(340.0))]
    True
    """
    return np.exp(np.clip(log_odds, -MAX_LOG_ODDS, MAX_LOG_ODDS))


@dataclass(frozen=True, eq=False, repr=False)
class HermiteRule:
    """Gauss-Hermite nodes x_q and log w_q + x_q^2, both of shape (n_nodes,).

    Examples
    --------
    >>> rule = HermiteRule.of(2)
    >>> (rule.x**2).round(12).tolist()
    [0.5, 0.5]
    """

    x: FloatArray
    log_weight: FloatArray

    @classmethod
    def of(cls, n_nodes: int) -> HermiteRule:
        """Build the rule with `n_nodes` nodes."""
        x, weight = roots_hermite(n_nodes)
        # a weight that underflows belongs to a node where the integrand is smaller still
        kept = weight > 0
        return cls(x[kept], np.log(weight[kept]) + x[kept] ** 2)


LAPLACE = HermiteRule.of(1)
"""The rule of one node, which is the Laplace approximation."""


@dataclass(frozen=True, eq=False, repr=False)
class Curvature:
    """Negative Hessian by (beta, log tau) over all facilities, and sum of w x per facility.

    Parameters
    ----------
    hessian : ndarray, shape (n_coefficients + 1, n_coefficients + 1)
    sum_wx : ndarray, shape (n_facilities, n_coefficients)
    """

    hessian: FloatArray
    sum_wx: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The model at given coefficients and tau.

    Parameters
    ----------
    beta : ndarray, shape (n_coefficients,)
    tau : float
    log_likelihood : ndarray, shape (n_facilities,)
        Without binomial constants; for pseudo-likelihood the Laplace value.
    score : ndarray, shape (n_coefficients + 1,)
        By (beta, log tau), facilities counted with their multiplicity.
    score_tau : ndarray, shape (n_facilities,)
    u : ndarray, shape (n_facilities,)
        Conditional modes.
    sum_w, sum_w1 : ndarray, shape (n_facilities,)
        Sums of w = n p (1 - p) and of its derivative w (1 - 2p).
    variance : ndarray, shape (n_facilities,)
        Posterior variance f = 1 / (sum w + 1 / tau^2).
    mean : ndarray, shape (n_facilities,)
        Posterior mean of the effect; the mode for one node.
    residual : ndarray, shape (n_cells,)
        What a cell takes from the score: score_beta = sum y x - sum residual x.
    node_weight : ndarray, shape (n_facilities, n_nodes)
        Posterior weights of the quadrature nodes; no columns without quadrature.
    curvature : Curvature, optional
        The one `Objective.exact_curvature` gives at this point, once it was computed.
    """

    beta: FloatArray
    tau: float
    log_likelihood: FloatArray
    score: FloatArray
    score_tau: FloatArray
    u: FloatArray
    sum_w: FloatArray
    sum_w1: FloatArray
    variance: FloatArray
    mean: FloatArray
    residual: FloatArray
    node_weight: FloatArray
    curvature: Curvature | None = None


def mode_slopes(at: Evaluation | Modes, tau: float, sum_wx: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the modes by beta, shape (n_facilities, n_coefficients), and by log tau."""
    return -at.variance[:, None] * sum_wx, 2.0 * at.u / (1.0 + tau**2 * at.sum_w)


@dataclass(frozen=True, eq=False, repr=False)
class FacilityCurvature:
    """Curvature of each facility.

    Parameters
    ----------
    packed : ndarray, shape (n_facilities, n_packed)
        Negative Hessian by (beta, log tau), rows of its lower triangle.
    sum_wx : ndarray, shape (n_facilities, n_coefficients)
    """

    packed: FloatArray
    sum_wx: FloatArray


def unpack(packed: FloatArray) -> FloatArray:
    """Symmetric matrix (or stack of matrices) of the rows of its lower triangle.

    Examples
    --------
    >>> unpack(np.array([1.0, 2.0, 3.0])).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    size = int((np.sqrt(8 * packed.shape[-1] + 1) - 1) / 2)
    rows, columns = _lower_triangle(size)
    out = np.empty((*packed.shape[:-1], size, size))
    out[..., rows, columns] = packed
    out[..., columns, rows] = packed
    return out


def pack(matrices: FloatArray) -> FloatArray:
    """Rows of the lower triangle of a symmetric matrix or stack of matrices.

    Examples
    --------
    >>> pack(np.array([[1.0, 2.0], [2.0, 3.0]])).tolist()
    [1.0, 2.0, 3.0]
    """
    rows, columns = _lower_triangle(matrices.shape[-1])
    return matrices[..., rows, columns]


@lru_cache(maxsize=8)
def _lower_triangle(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.tril_indices(size)
