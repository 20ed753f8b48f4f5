"""The number of events among cases that each have a probability of their own, exactly."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.engine import kernels

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]


def poisson_binomial(probability: FloatArray) -> FloatArray:
    """Probabilities of 0, 1, ... n events among n cases.

    Parameters
    ----------
    probability : ndarray, shape (n_cases,)

    Returns
    -------
    ndarray, shape (n_cases + 1,)

    Notes
    -----
    One case after another is convolved in. Every term is positive, so that small probabilities keep
    their relative precision, which those by the discrete Fourier transform (Hong, Computational Statistics and
    Data Analysis 2013;59:41) lose below 1e-15.

    Examples
    --------
    >>> poisson_binomial(np.array([0.5, 0.1])).round(3).tolist()
    [0.45, 0.5, 0.05]
    """
    mass = np.zeros(len(probability) + 1)
    mass[0] = 1.0
    for k, p in enumerate(probability, start=1):
        mass[1 : k + 1] = mass[1 : k + 1] * (1.0 - p) + mass[:k] * p
        mass[0] *= 1.0 - p
    return mass


def tail_probabilities(
    log_odds: FloatArray, pointer: IntArray, observed: IntArray, shift: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Probabilities of fewer, as many and more events than observed, per facility.

    Parameters
    ----------
    log_odds : ndarray, shape (n_cases,)
        Facility by facility.
    pointer : ndarray of int, shape (n_facilities + 1,)
        Facility j has the cases `pointer[j]` to `pointer[j + 1]`.
    observed : ndarray of int, shape (n_facilities,)
    shift : ndarray, shape (n_facilities,)
        Added to the log-odds of each case of a facility.

    Returns
    -------
    fewer, equal, more : ndarray, shape (n_facilities,)

    Examples
    --------
    >>> found = tail_probabilities(np.zeros(3), np.array([0, 3]), np.array([1]), np.zeros(1))
    >>> [part.tolist() for part in found]
    [[0.125], [0.375], [0.5]]
    """
    out = np.empty((3, len(observed)))
    _compiled_tails()(log_odds, pointer, observed, shift, out)
    return out[0], out[1], out[2]


def _tails(log_odds: Any, pointer: Any, observed: Any, shift: Any, out: Any) -> None:
    """Convolve each facility's cases; more events than observed end in one last state."""
    for j in range(len(observed)):
        mass = np.zeros(observed[j] + 2)
        mass[0] = 1.0
        for i in range(pointer[j], pointer[j + 1]):
            p = 1.0 / (1.0 + np.exp(-(log_odds[i] + shift[j])))
            q = 1.0 / (1.0 + np.exp(log_odds[i] + shift[j]))
            moved = mass[:-1] * p
            mass[:-1] *= q
            mass[1:] += moved
        out[0, j] = mass[: observed[j]].sum()
        out[1, j] = mass[observed[j]]
        out[2, j] = mass[observed[j] + 1]


@functools.cache
def _compiled_tails() -> Callable[..., None]:
    if kernels("facility") is None:
        return _tails
    from numba import njit

    return njit(cache=True, nogil=True, error_model="numpy")(_tails)
