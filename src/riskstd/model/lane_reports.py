"""What becomes of resamples whose estimates are found, eight side by side: refits, or ratios with drawn effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstd.model.cells import FloatArray, IntArray
from riskstd.model.lane_arrays import Eights, LaneWork, precision, rows_of
from riskstd.model.lane_covariance import added_variance
from riskstd.model.ratio_draws import RatioDraws
from riskstd.model.refit import Refit

if TYPE_CHECKING:
    from riskstd.model.lanes import LaneRefitter

BoolArray = NDArray[np.bool_]


class Found(NamedTuple):
    """Estimates of some resamples.

    Parameters
    ----------
    number : ndarray of int, shape (8 n_eights,)
        Places among the multiplicities; -1 in lanes whose estimates are not found.
    theta : ndarray, shape (8 n_eights, n_coefficients + 1)
    flagged : ndarray of bool, shape (8 n_eights,)
    n_evaluations : ndarray of int, shape (8 n_eights,)
    eights : Eights
        Modes and sums of w at theta; the forms are those of the last evaluation, some hundredths away.
    """

    number: NDArray[Any]
    theta: FloatArray
    flagged: BoolArray
    n_evaluations: NDArray[Any]
    eights: Eights


class RefitReport:
    """Collects refits, None where there is none.

    Parameters
    ----------
    n : int
    """

    def __init__(self, n: int) -> None:
        self.refits: list[Refit | None] = [None] * n

    def __call__(self, found: Found) -> BoolArray:
        """Keep the estimates; whether the variances of each lane are sound."""
        eights = found.eights
        variance = eights.sum_w + precision(found.theta)
        np.divide(1.0, variance, out=variance)
        prediction = added_variance(eights, found.theta)
        prediction += variance
        is_sound = np.all(np.isfinite(prediction) & (prediction >= variance), axis=1).ravel()
        lanes = np.flatnonzero(is_sound & (found.number >= 0))
        rows = zip(lanes, *(rows_of(values, lanes) for values in (eights.u, variance, prediction)), strict=True)
        for lane, effects, effects_variance, prediction_variance in rows:
            self.refits[found.number[lane]] = Refit(
                beta=found.theta[lane, :-1],
                tau=float(np.exp(found.theta[lane, -1])),
                effects=effects,
                effects_variance=effects_variance,
                prediction_variance=prediction_variance,
                flagged=bool(found.flagged[lane]),
                retried=False,
                n_evaluations=int(found.n_evaluations[lane]),
            )
        return is_sound


class RatioReport:
    """Draws effects and keeps the ratios, without a row a resample in between.

    Parameters
    ----------
    of : LaneRefitter
    work : LaneWork
    normals : ndarray, shape (n, n_facilities)
    with_beta : bool
        Whether effects are drawn with the uncertainty of beta.
    place : ndarray of int, shape (n_facilities,)
        Rows of the facilities.
    draws : RatioDraws
    """

    def __init__(
        self,
        of: LaneRefitter,
        work: LaneWork,
        normals: FloatArray,
        with_beta: bool,
        place: IntArray,
        draws: RatioDraws,
    ) -> None:
        self._of, self._work, self.draws = of, work, draws
        self._normals, self._with_beta, self._place = normals, with_beta, place

    def __call__(self, found: Found) -> BoolArray:
        """Keep the ratios; whether the variances of each lane are sound."""
        sound = self._work.draw_ratios(
            self._of, found.eights, found.theta, found.number, self._normals, self._with_beta, self._place,
            self.draws.ratio,
        )  # fmt: skip
        kept = sound & (found.number >= 0)
        into = found.number[kept]
        self.draws.flagged[into], self.draws.n_evaluations[into] = found.flagged[kept], found.n_evaluations[kept]
        return sound
