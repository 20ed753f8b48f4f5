"""Covariance of beta of eight resamples, what it adds to the variance of effects, and the REML term.

Within a facility the spread of x weighted by w hardly changes: the information on beta is
sum_j m_j { W_j S_j + W_j f_j / tau^2 r_j r_j' },  r and S the mean and spread of the full fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskstd.model.cells import FloatArray
from riskstd.model.evaluation import pack, unpack
from riskstd.model.lane_arrays import LaneWork
from riskstd.model.score_expansion import hold, inverses

if TYPE_CHECKING:
    from riskstd.model.lanes import LaneRefitter

BoolArray = NDArray[np.bool_]


def fill_forms(of: LaneRefitter, work: LaneWork, theta: FloatArray, held: BoolArray) -> None:
    """Set `work.form` to r' V r of each facility and resample, at the copies and sums of w of `work`.

    Parameters
    ----------
    theta, held : ndarray, shape (8, n_coefficients + 1)
    """
    precision = np.exp(-2.0 * theta[:, -1])
    work.weight[:] = work.copies * work.sum_w
    spread = of.spread.sums(of.kernels, work.weight[None])[0]
    work.weight[:] = work.copies * precision * shrinkage(work, theta)
    information = unpack(spread + of.mean_squares.sums(of.kernels, work.weight[None])[0])
    hold(information, held)
    covariance = inverses(information)
    covariance[held[:, :-1]] = 0.0
    work.packed[:] = pack(2.0 * covariance - covariance * np.eye(covariance.shape[1])).T
    of.kernels.quadratic_forms(of.mean_rows, work.packed, work.form)


def shrinkage(work: LaneWork, theta: FloatArray) -> FloatArray:
    """f times the sum of w of each facility and resample, shape (n_facilities, 8)."""
    return work.sum_w / (work.sum_w + np.exp(-2.0 * theta[:, -1]))


def added_variance(work: LaneWork, theta: FloatArray) -> FloatArray:
    """f^2 a' V a of each facility and resample, shape (n_facilities, 8), from the forms of `fill_forms`."""
    return shrinkage(work, theta) ** 2 * work.form


def reml_term(work: LaneWork, theta: FloatArray) -> FloatArray:
    """Sum of f^2 a' V a / tau^2 over the facilities of each lane, shape (8,), from the forms of `fill_forms`."""
    return np.einsum("jl,jl->l", work.copies, added_variance(work, theta)) * np.exp(-2.0 * theta[:, -1])
