"""No-U-turn sampling of the posterior, by nutpie or by PyMC."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import OptionError
from riskstd.interpreter import quick_handover
from riskstd.model.bayes.density import LogDensity
from riskstd.model.bayes.libraries import load_library
from riskstd.model.bayes.pymc_model import build_pymc_model

FloatArray = NDArray[np.floating[Any]]
SAMPLERS = ("nutpie", "pymc")
MIN_CHAINS = 2
"""Agreement between chains is what r-hat judges."""
MIN_DRAWS = 8
"""Each half of a chain needs draws for a variance and for the correlation between them."""
MAX_DEPTH = 10


@dataclass(frozen=True)
class Sampling:
    """How the posterior is sampled.

    Parameters
    ----------
    draws, tune : int
        Kept and adaptation draws of each chain.
    chains : int
        2 or more.
    seed : int
        The same seed gives the same draws, whatever the number of cores.
    sampler : {"nutpie", "pymc"}
        Two implementations of the no-U-turn sampler; their draws differ, their posterior does not.
    cores : int, optional
        Chains that run side by side; all processors when left out.
    target_accept : float
        Acceptance rate the step size is adapted to; nearer to 1 for fewer divergences.
    progress : bool
        Bar on standard error.

    Raises
    ------
    OptionError
        A value outside its range.

    Examples
    --------
    >>> Sampling(draws=500, seed=3).sampler
    'nutpie'
    """

    draws: int = 2000
    tune: int = 1000
    chains: int = 4
    seed: int = 0
    sampler: str = "nutpie"
    cores: int | None = None
    target_accept: float = 0.9
    progress: bool = False

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise OptionError(f"sampler {self.sampler!r}", expected="one of " + ", ".join(SAMPLERS))
        least = {"draws": MIN_DRAWS, "tune": 1, "chains": MIN_CHAINS, "seed": 0}
        if self.cores is not None:
            least["cores"] = 1
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
                raise OptionError(f"{name} {value!r}", expected=f"a whole number of {low} or more")
        if not 0.0 < self.target_accept < 1.0:
            raise OptionError(f"target_accept {self.target_accept!r}", expected="a number between 0 and 1, such as 0.9")

    @property
    def side_by_side(self) -> int:
        """Chains at a time."""
        return min(self.chains, self.cores or os.cpu_count() or 1)


@dataclass(frozen=True, eq=False, repr=False)
class Draws:
    """Points of the chains and what the sampler says of them.

    Parameters
    ----------
    points : ndarray, shape (chains, draws, n_coordinates)
    log_posterior : ndarray, shape (chains, draws)
        Log density in the sampler's coordinates, without constants.
    energy : ndarray, shape (chains, draws)
    diverging, at_max_depth : ndarray of bool, shape (chains, draws)
    steps : ndarray of int, shape (chains, draws)
        Evaluations of the density.
    """

    points: FloatArray
    log_posterior: FloatArray
    energy: FloatArray
    diverging: NDArray[np.bool_]
    at_max_depth: NDArray[np.bool_]
    steps: NDArray[np.integer[Any]]


Start = Callable[[int | np.random.SeedSequence], FloatArray]


def sample(density: LogDensity, start: Start, options: Sampling) -> Draws:
    """Sample the posterior.

    Parameters
    ----------
    density : LogDensity
    start : callable(seed)
        Starting point of a chain.
    options : Sampling

    Returns
    -------
    Draws

    Raises
    ------
    OptionError
        Without the extra riskstd[bayes].

    Notes
    -----
    Hoffman MD, Gelman A. J Mach Learn Res 2014;15:1593-1623.
    """
    return _by_nutpie(density, start, options) if options.sampler == "nutpie" else _by_pymc(density, start, options)


def _by_nutpie(density: LogDensity, start: Start, options: Sampling) -> Draws:
    """nutpie runs chains as threads and calls the compiled density directly: nothing is compiled per data set."""
    nutpie = load_library("nutpie")
    model = load_library("nutpie.compiled_pyfunc").from_pyfunc(
        density.n_coordinates,
        lambda: density,
        lambda *_, **__: lambda point: {"point": point},
        [np.dtype(np.float64)],
        [(density.n_coordinates,)],
        ["point"],
        make_initial_point_fn=start,
    )
    # chains come out of the compiled density all the time and wait for the interpreter
    with quick_handover():
        found = nutpie.sample(
            model,
            draws=options.draws,
            tune=options.tune,
            chains=options.chains,
            cores=options.side_by_side,
            seed=options.seed,
            target_accept=options.target_accept,
            maxdepth=MAX_DEPTH,
            save_warmup=False,
            progress_bar=options.progress,
        )
    stats = found.sample_stats
    return Draws(
        points=found.posterior["point"].values,
        log_posterior=stats["logp"].values,
        energy=stats["energy"].values,
        diverging=stats["diverging"].values.astype(bool),
        at_max_depth=stats["maxdepth_reached"].values.astype(bool),
        steps=stats["n_steps"].values.astype(np.int64),
    )


def _by_pymc(density: LogDensity, start: Start, options: Sampling) -> Draws:
    """PyMC runs chains as processes."""
    pm = load_library("pymc")
    model = build_pymc_model(density)
    seeds = np.random.SeedSequence(options.seed).spawn(options.chains)
    starts = [_pymc_start(start(seed), density) for seed in seeds]
    with model:
        found = pm.sample(
            draws=options.draws,
            tune=options.tune,
            chains=options.chains,
            cores=options.side_by_side,
            random_seed=int(options.seed),
            initvals=starts,
            init="adapt_diag",
            nuts={"target_accept": options.target_accept, "max_treedepth": MAX_DEPTH},
            progressbar=options.progress,
            quiet=not options.progress,
            compute_convergence_checks=False,
        )
    posterior, stats = found.posterior, found.sample_stats
    parts = [
        posterior["intercept"].values[..., None],
        posterior["beta"].values,
        np.log(posterior["tau"].values)[..., None],
        posterior["standardised_effect"].values,
    ]
    points = np.concatenate(parts, axis=2)
    return Draws(
        points=points,
        log_posterior=np.array([[density(point)[0] for point in chain] for chain in points]),
        energy=stats["energy"].values,
        diverging=stats["diverging"].values.astype(bool),
        at_max_depth=stats["reached_max_treedepth"].values.astype(bool),
        steps=stats["n_steps"].values.astype(np.int64),
    )


def _pymc_start(point: FloatArray, density: LogDensity) -> dict[str, Any]:
    q = density.n_factors
    return {
        "intercept": point[0],
        "beta": point[1 : q + 1],
        "tau": np.exp(point[q + 1]),
        "standardised_effect": point[q + 2 :],
    }
