"""Draws of the posterior on the original scale of the risk factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.cells import Cells
from riskstd.model.frozen import freeze_arrays

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Posterior:
    """Draws; arrays are read-only, chains first.

    Parameters
    ----------
    mu, tau : ndarray, shape (chains, draws)
        Log-odds.
    beta : ndarray, shape (chains, draws, n_factors)
    effects : ndarray, shape (chains, draws, n_facilities)
        Facilities in the order of the labels.
    log_posterior : ndarray, shape (chains, draws)
        Log density in the sampler's coordinates, without constants.
    energy : ndarray, shape (chains, draws)
    diverging, at_max_depth : ndarray of bool, shape (chains, draws)
    steps : ndarray of int, shape (chains, draws)
        Evaluations of the density per draw.
    """

    mu: FloatArray
    beta: FloatArray
    tau: FloatArray
    effects: FloatArray
    log_posterior: FloatArray
    energy: FloatArray
    diverging: NDArray[np.bool_]
    at_max_depth: NDArray[np.bool_]
    steps: NDArray[np.integer[Any]]

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        chains, draws, n_facilities = self.effects.shape
        return f"Posterior({chains} chains of {draws} draws, {self.beta.shape[2]} factors, {n_facilities} facilities)"

    @property
    def n_draws(self) -> int:
        """Draws of all chains."""
        return self.mu.size

    def quantities(self) -> dict[str, FloatArray]:
        """What convergence is judged on, by name."""
        names = ("mu", "beta", "tau", "effects", "log_posterior")
        return {name: getattr(self, name) for name in names}

    def cell_coefficients(self, cells: Cells, mu: FloatArray | float, beta: FloatArray) -> FloatArray:
        """Coefficients of the cells' columns, shape (..., n_factors + 1), of those of the original ones."""
        first = np.asarray(mu) + np.einsum("...k,k->...", beta, cells.center)
        return np.concatenate([first[..., None], beta * cells.scale], axis=-1)

    def flat(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """Chains one after another: coefficients of the cells' columns and effects by label.

        Returns
        -------
        coefficients : ndarray, shape (n_draws, n_factors + 1)
        effects : ndarray, shape (n_draws, n_facilities)
        """
        coefficients = self.cell_coefficients(cells, self.mu, self.beta)
        return coefficients.reshape(self.n_draws, -1), self.effects.reshape(self.n_draws, -1)
