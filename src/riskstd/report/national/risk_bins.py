"""Cases by predicted risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstd.report.national.risk_groups import merged_runs

FloatArray = NDArray[np.float64]

_BINS_PER_TENFOLD = 10


@dataclass(frozen=True)
class RiskBins:
    """Cases by predicted risk.

    Attributes
    ----------
    edges : tuple of float
        Limits of the bins, one more than bins; proportions.
    cases : tuple of int
    percentiles : tuple of float
        Predicted risk that 10, 50 and 90 % of the cases lie below.
    """

    edges: tuple[float, ...]
    cases: tuple[int, ...]
    percentiles: tuple[float, float, float]


def risk_bins(risk: FloatArray, *, public: bool = False) -> RiskBins | None:
    """Count the cases by predicted risk, on limits that are equal steps of its logarithm.

    Examples
    --------
    >>> found = risk_bins(np.repeat([0.011, 0.021], [20, 30]))
    >>> [round(edge, 4) for edge in found.edges], found.cases
    ([0.01, 0.0126, 0.0158, 0.02, 0.0251], (20, 0, 0, 30))
    """
    if len(risk) == 0:
        return None
    place = np.floor(np.log10(risk) * _BINS_PER_TENFOLD + 1e-9).astype(np.int64)
    first = int(place.min())
    count = np.bincount(place - first)
    runs = [(k, k + 1) for k in range(len(count))]
    if public:
        runs = merged_runs([(int(n),) for n in count])
    if not runs:
        return None
    ends = [first + runs[0][0], *(first + last for _, last in runs)]
    percentiles = np.quantile(risk, [0.1, 0.5, 0.9])
    return RiskBins(
        tuple(float(10.0 ** (k / _BINS_PER_TENFOLD)) for k in ends),
        tuple(int(count[a:b].sum()) for a, b in runs),
        (float(percentiles[0]), float(percentiles[1]), float(percentiles[2])),
    )
