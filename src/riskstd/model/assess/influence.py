"""Influence of each facility: how far the estimates move when it is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.algebra import invert_positive
from riskstd.model.evaluation import unpack
from riskstd.model.frozen import freeze_arrays
from riskstd.model.objective import make_objective
from riskstd.model.paths import path_of
from riskstd.model.pooled import evaluate_pooled
from riskstd.model.result import HierarchicalFit

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class FacilityInfluence:
    """Estimated change of every parameter when one facility is left out.

    Parameters
    ----------
    facilities : ndarray, shape (n_facilities,)
        Labels, sorted.
    terms : tuple of str
        "intercept (mu)", the risk factors, "tau".
    dfbeta : ndarray, shape (n_facilities, n_terms)
        Estimates without the facility less those with it.
    dfbetas : ndarray, shape (n_facilities, n_terms)
        The same in standard errors.
    cook_distance : ndarray, shape (n_facilities,)
        Squared move of all parameters together in the metric of the information, over their
        number.
    """

    facilities: NDArray[Any]
    terms: tuple[str, ...]
    dfbeta: FloatArray
    dfbetas: FloatArray
    cook_distance: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        return (
            f"FacilityInfluence({len(self.facilities)} facilities, largest Cook's distance "
            f"{np.nanmax(self.cook_distance):.4g}, largest move {np.nanmax(np.abs(self.dfbetas)):.4g} standard errors)"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per facility.

        Returns
        -------
        pandas.DataFrame
            Columns facility_id, cook_distance, then dfbetas of every term (in standard errors).
        """
        import pandas as pd

        names = [f"dfbetas {term}" for term in self.terms]
        frame = pd.DataFrame(np.column_stack([self.cook_distance, self.dfbetas]), columns=["cook_distance", *names])
        frame.insert(0, "facility_id", self.facilities)
        return frame


def facility_influence(fit: HierarchicalFit) -> FacilityInfluence:
    """Estimate how far each facility moves the coefficients and tau of a fit.

    Parameters
    ----------
    fit : HierarchicalFit
        With its data, not loaded from a file.

    Returns
    -------
    FacilityInfluence
        At tau = 0 the moves are those of the pooled logistic model, and that of tau is NaN.

    Raises
    ------
    FitError
        A fit without its data.

    Notes
    -----
    One Newton step from the optimum without the facility instead of a refit; see
    `one_step_deletion`. For PQL the working information takes the place of the Hessian.

    Examples
    --------
    >>> from riskstd import fit_hierarchical
    >>> events, cases = [0, 18, 8, 46, 8, 13], [47, 148, 119, 810, 211, 196]
    >>> fit = fit_hierarchical(events, np.zeros((6, 0)), list("ABCDEF"), trials=cases)
    >>> int(facility_influence(fit).cook_distance.argmax())
    1
    """
    scores, curvatures = _boundary_scores(fit) if fit.singular else _scores(fit)
    cells, information = fit.data.cells, curvatures.sum(axis=0)
    moves = one_step_deletion(scores, information, curvatures)
    size = cells.n_coefficients
    dfbeta = np.full((len(scores), size + 1), np.nan)
    dfbeta[:, :size] = np.einsum("jq,rq->jr", moves[:, :size], cells.back_transform())
    if not fit.singular:
        dfbeta[:, size] = fit.tau * np.expm1(moves[:, size])
    by_label = fit.data.order.by_label
    return FacilityInfluence(
        facilities=fit.facilities,
        terms=("intercept (mu)", *fit.factor_names, "tau"),
        dfbeta=by_label(dfbeta),
        dfbetas=by_label(dfbeta / np.sqrt(np.diag(fit.covariance))),
        cook_distance=by_label(cook_distance(moves, information)),
    )


def one_step_deletion(scores: FloatArray, information: FloatArray, curvatures: FloatArray | None = None) -> FloatArray:
    """First Newton step from the optimum when one cluster at a time is left out.

    Parameters
    ----------
    scores : ndarray, shape (n_clusters, n_parameters)
        Score of each cluster at the optimum; their sum is 0.
    information : ndarray, shape (n_parameters, n_parameters)
        Negative Hessian of all clusters together.
    curvatures : ndarray, shape (n_clusters, n_parameters, n_parameters), optional
        Negative Hessian of each cluster, which sum to `information`. Left out, the step uses the
        information of all clusters and understates the move by the cluster's share of it.

    Returns
    -------
    ndarray, shape (n_clusters, n_parameters)
        Estimate without the cluster less the estimate with it; NaN where the information without
        the cluster is not positive definite.

    Notes
    -----
    -(information - curvature_j)^-1 score_j (Pregibon, Annals of Statistics 1981;9:705).

    Examples
    --------
    The mean of 1, 2, 6 without one of them, exactly:

    >>> moves = one_step_deletion(np.array([[-2.0], [-1.0], [3.0]]), np.array([[3.0]]), np.ones((3, 1, 1)))
    >>> moves[:, 0].round(12).tolist()
    [1.0, 0.5, -1.5]
    """
    if curvatures is None:
        return -np.einsum("jq,qr->jr", scores, invert_positive(information))
    moves = np.full(scores.shape, np.nan)
    for j, (score, curvature) in enumerate(zip(scores, curvatures, strict=True)):
        moves[j] = -np.einsum("q,qr->r", score, invert_positive(information - curvature))
    return moves


def cook_distance(moves: FloatArray, information: FloatArray) -> FloatArray:
    """Move' information move / number of parameters, per cluster (Cook, Technometrics 1977;19:15).

    Examples
    --------
    >>> cook_distance(np.array([[1.0, 1.0]]), 2.0 * np.eye(2)).tolist()
    [2.0]
    """
    return np.einsum("jq,qr,jr->j", moves, information, moves) / moves.shape[1]


def _scores(fit: HierarchicalFit) -> tuple[FloatArray, FloatArray]:
    """Score and negative Hessian of each facility, by content, by (beta, log tau) at the optimum."""
    data = fit.data
    objective = make_objective(data.cells, fit.method, fit.n_nodes, data.pql_form)
    theta = np.append(data.beta, np.log(fit.tau))
    at = objective.evaluate(theta, data.order.by_content(fit.effects), np.ones(fit.n_facilities))
    curvature = objective.path.facility_curvature(at, pseudo=objective.pseudo)
    return objective.path.facility_scores(at), unpack(curvature.packed)


def _boundary_scores(fit: HierarchicalFit) -> tuple[FloatArray, FloatArray]:
    """Score and information of each facility, by content, by beta without facility effects."""
    path = path_of(fit.data.cells)
    at = evaluate_pooled(path, fit.data.beta, np.ones(fit.n_facilities))
    curvature = unpack(path.facility_curvature(at, pseudo=True).packed)
    return path.facility_scores(at)[:, :-1], curvature[:, :-1, :-1]
