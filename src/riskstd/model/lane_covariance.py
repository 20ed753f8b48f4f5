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
from riskstd.model.lane_arrays import Eights, columns_by_lane, precision
from riskstd.model.score_expansion import hold, inverses

if TYPE_CHECKING:
    from riskstd.model.lanes import LaneRefitter

BoolArray = NDArray[np.bool_]


def fill_forms(of: LaneRefitter, eights: Eights, theta: FloatArray, held: BoolArray) -> None:
    """Set `eights.form` to r' V r of each facility and resample, at their copies and sums of w.

    The spreads of all facilities, some megabytes, come from memory once for all eights.

    Parameters
    ----------
    theta, held : ndarray, shape (8 n_eights, n_coefficients + 1)
    """
    weights = (eights.weight, eights.mean_weight)
    of.forms.set_information_weights(eights.copies, eights.sum_w, precision(theta), *weights)
    sums = of.spread.sums(of.forms, eights.weight) + of.mean_squares.sums(of.forms, eights.mean_weight)
    information = unpack(sums.reshape(len(theta), -1))
    hold(information, held)
    covariance = inverses(information)
    covariance[held[:, :-1]] = 0.0
    packed = pack(2.0 * covariance - covariance * np.eye(covariance.shape[1]))
    of.forms.quadratic_forms(of.mean_rows, columns_by_lane(packed), eights.form)


def added_variance(eights: Eights, theta: FloatArray) -> FloatArray:
    """f^2 a' V a of each facility and resample, shape (n_eights, n_facilities, 8), by the forms of `fill_forms`."""
    share = eights.sum_w + precision(theta)
    np.divide(eights.sum_w, share, out=share)
    share *= share
    share *= eights.form
    return share


def reml_term(of: LaneRefitter, eights: Eights, theta: FloatArray) -> FloatArray:
    """Sum of f^2 a' V a / tau^2 over the facilities of each resample, shape (8 n_eights,)."""
    by_tau = precision(theta)
    sums = np.empty_like(by_tau)
    of.forms.sum_added_variances(eights.copies, eights.sum_w, by_tau, eights.form, sums)
    return (sums * by_tau).ravel()
