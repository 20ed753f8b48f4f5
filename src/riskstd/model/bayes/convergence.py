"""Whether the draws may be believed: r-hat, effective sample sizes, divergences, energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.model.bayes.libraries import load_library
from riskstd.model.bayes.sampling import Draws

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ConvergenceLimits:
    """What draws must meet to be believed.

    Parameters
    ----------
    max_r_hat : float
        Largest rank-normalised split r-hat of any quantity.
    min_ess : float
        Least effective sample size, in the bulk and in the tails, of any quantity.
    max_divergent : int
        Draws after which the trajectory left the posterior.
    min_e_bfmi : float
        Least energy fraction of missing information of any chain.

    Notes
    -----
    r-hat and sample sizes: Vehtari A, Gelman A, Simpson D, Carpenter B, Buerkner P-C, Bayesian Anal
    2021;16:667-718 (1.01, and 100 a chain of four). Divergences and energy: Betancourt M, arXiv:1701.02434, 1604.00695
    (0.3 as Stan warns).
    """

    max_r_hat: float = 1.01
    min_ess: float = 400.0
    max_divergent: int = 0
    min_e_bfmi: float = 0.3


@dataclass(frozen=True, eq=False, repr=False)
class Convergence:
    """Checks of the draws.

    Parameters
    ----------
    r_hat, ess_bulk, ess_tail : dict of str to ndarray
        Under "mu", "beta", "tau", "effects" and "log_posterior"; NaN where a quantity does not move.
    n_divergent, n_at_max_depth : int
        Draws of all chains.
    e_bfmi : ndarray, shape (chains,)
    limits : ConvergenceLimits
    """

    r_hat: Mapping[str, FloatArray]
    ess_bulk: Mapping[str, FloatArray]
    ess_tail: Mapping[str, FloatArray]
    n_divergent: int
    n_at_max_depth: int
    e_bfmi: FloatArray
    limits: ConvergenceLimits

    def __repr__(self) -> str:
        return (
            f"Convergence(converged={self.converged}, max_r_hat={self.max_r_hat:.4f}, min_ess={self.min_ess:.0f}, "
            f"n_divergent={self.n_divergent}, min_e_bfmi={float(self.e_bfmi.min()):.2f})"
        )

    @property
    def max_r_hat(self) -> float:
        """Largest r-hat of any quantity; NaN when one does not move."""
        return float(max((values.max(initial=1.0) for values in self.r_hat.values()), key=_nan_first))

    @property
    def min_ess(self) -> float:
        """Least effective sample size of any quantity, bulk or tail; NaN when one does not move."""
        groups = (*self.ess_bulk.values(), *self.ess_tail.values())
        return float(min((values.min(initial=np.inf) for values in groups), key=lambda ess: -_nan_first(-ess)))

    @property
    def converged(self) -> bool:
        """Whether every check is met."""
        return not self.problems

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence per check that is not met."""
        limits, found = self.limits, []
        # a comparison with NaN is false, and a quantity that does not move has not converged
        if not self.max_r_hat < limits.max_r_hat:
            where = _where(self.r_hat, lambda values: ~(values < limits.max_r_hat))
            found.append(f"r-hat {self.max_r_hat:.3f} is not below {limits.max_r_hat:g} ({where}): chains disagree")
        if not self.min_ess >= limits.min_ess:
            few = [_where(ess, lambda values: ~(values >= limits.min_ess)) for ess in (self.ess_bulk, self.ess_tail)]
            found.append(
                f"effective sample size {self.min_ess:.0f} is below {limits.min_ess:g} "
                f"(bulk: {few[0]}; tail: {few[1]}): more draws"
            )
        if self.n_divergent > limits.max_divergent:
            found.append(f"{self.n_divergent} divergent draws: a larger target_accept, or narrower priors")
        least = float(np.min(self.e_bfmi))
        if not least >= limits.min_e_bfmi:
            found.append(f"E-BFMI {least:.2f} is below {limits.min_e_bfmi:g}: more tuning, or a narrower prior of tau")
        return tuple(found)


def check_convergence(quantities: Mapping[str, FloatArray], draws: Draws, limits: ConvergenceLimits) -> Convergence:
    """Judge draws.

    Parameters
    ----------
    quantities : dict of str to ndarray, shape (chains, draws) or (chains, draws, n)
    draws : Draws
    limits : ConvergenceLimits

    Returns
    -------
    Convergence
    """
    arviz = load_library("arviz")
    dataset = arviz.convert_to_dataset({name: values for name, values in quantities.items() if values.size})

    def measure(function: Any, **options: Any) -> dict[str, FloatArray]:
        # a quantity that does not move divides by zero, and is reported as such
        with np.errstate(divide="ignore", invalid="ignore"):
            found = function(dataset, **options)
        return {name: np.atleast_1d(found[name].values) for name in found.data_vars}

    return Convergence(
        r_hat=measure(arviz.rhat),
        ess_bulk=measure(arviz.ess, method="bulk"),
        ess_tail=measure(arviz.ess, method="tail"),
        n_divergent=int(draws.diverging.sum()),
        n_at_max_depth=int(draws.at_max_depth.sum()),
        e_bfmi=np.asarray(arviz.bfmi(draws.energy)),
        limits=limits,
    )


def _nan_first(value: float) -> float:
    return np.inf if np.isnan(value) else float(value)


def _where(values: Mapping[str, FloatArray], fails: Any) -> str:
    """Counts of the quantities at fault, by kind; no facility is named."""
    counts = {name: int(np.sum(fails(value))) for name, value in values.items()}
    found = [f"{count} of {values[name].size} {name}" for name, count in counts.items() if count]
    return ", ".join(found) or "none"
