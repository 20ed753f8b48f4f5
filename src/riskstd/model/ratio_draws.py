"""Ratios of resamples with effects drawn at the estimates of their refits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.cells import FloatArray

if TYPE_CHECKING:
    from riskstd.model.refit import Refit


@dataclass(frozen=True, eq=False, repr=False)
class RatioDraws:
    """Ratios of n resamples, and how their refits went.

    Parameters
    ----------
    ratio : ndarray, shape (n_facilities, n)
        Predicted / expected, facilities by label; NaN where one is not in the resample or the resample is dropped.
    dropped, flagged, retried : ndarray of bool, shape (n,)
        No convergence; a separated risk factor kept its coefficient; a full fit was needed.
    n_evaluations : ndarray of int, shape (n,)
        Evaluations of the objective; 0 when dropped.
    """

    ratio: FloatArray
    dropped: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    retried: NDArray[np.bool_]
    n_evaluations: NDArray[np.integer[Any]]

    @classmethod
    def room(cls, n_facilities: int, n: int) -> RatioDraws:
        """Room for so many resamples, each to be entered or dropped."""
        dropped, flagged, retried = (np.zeros(n, dtype=bool) for _ in range(3))
        return cls(np.empty((n_facilities, n)), dropped, flagged, retried, np.zeros(n, dtype=np.int64))

    def enter(self, k: int, ratio: FloatArray, refit: Refit) -> None:
        """Set resample k; `ratio` by label."""
        self.ratio[:, k] = ratio
        self.flagged[k], self.retried[k], self.n_evaluations[k] = refit.flagged, refit.retried, refit.n_evaluations

    def drop(self, k: int) -> None:
        """Resample k has no estimate."""
        self.ratio[:, k] = np.nan
        self.dropped[k] = True
