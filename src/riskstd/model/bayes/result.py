"""The result of a Bayesian fit: the other fits' fields from posterior means, and the draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from riskstd.errors import FitError
from riskstd.model.bayes.convergence import Convergence
from riskstd.model.bayes.density import LogDensity
from riskstd.model.bayes.libraries import load_library
from riskstd.model.bayes.posterior import Posterior
from riskstd.model.bayes.priors import Priors
from riskstd.model.bayes.pymc_model import build_pymc_model
from riskstd.model.bayes.sampling import Sampling
from riskstd.model.inputs import count_text
from riskstd.model.result import HierarchicalFit

if TYPE_CHECKING:
    import pandas as pd

INTERVAL_PROBABILITIES = (0.025, 0.5, 0.975)


@dataclass(frozen=True, eq=False, repr=False)
class BayesianFit(HierarchicalFit):
    """A sampled random-intercept logistic model.

    The fields of `HierarchicalFit` hold posterior means (mu, beta, tau, effects) and posterior
    standard deviations and variances, which include the uncertainty of everything else;
    `log_likelihood` is the marginal one at the posterior means.

    Parameters
    ----------
    posterior : Posterior
        The draws.
    priors : Priors
    sampling : Sampling
        With the seed; `cores` and `progress`, which no draw depends on, are left out.
    convergence : Convergence
        What `converged` and `warnings` say in numbers.
    """

    posterior: Posterior = field(kw_only=True)
    priors: Priors = field(kw_only=True)
    sampling: Sampling = field(kw_only=True)
    convergence: Convergence = field(kw_only=True)

    def __repr__(self) -> str:
        return (
            f"BayesianFit(n_cases={self.n_cases:.12g}, n_events={self.n_events:.12g}, "
            f"n_facilities={self.n_facilities}, n_factors={len(self.beta)}, tau={self.tau:.6g}, "
            f"n_draws={self.posterior.n_draws}, converged={self.converged}, seed={self.sampling.seed})"
        )

    def require_converged(self, allow_unconverged: bool = False) -> None:
        """Refuse draws that do not meet the convergence checks.

        Parameters
        ----------
        allow_unconverged : bool
            Go on all the same.

        Raises
        ------
        FitError
        """
        if self.converged or allow_unconverged:
            return
        raise FitError(
            "the chains of this fit have not converged: " + "; ".join(self.convergence.problems),
            expected="draws that meet every check of fit.convergence",
            hint="sample longer (Sampling(draws=, tune=)) or raise target_accept; allow_unconverged=True goes on, "
            "and every result says so",
        )

    def posterior_frame(self) -> pd.DataFrame:
        """Table of the posterior: one row each for mu, the risk factors and tau.

        Returns
        -------
        pandas.DataFrame
            term, mean, sd, lower, median, upper (95 %), mc_error (of the mean), r_hat, ess_bulk, ess_tail.
        """
        import pandas as pd

        arviz, posterior = load_library("arviz"), self.posterior
        factors = np.moveaxis(posterior.beta, 2, 0)
        rows = []
        for k, (term, draws) in enumerate(
            zip(("mu", *self.factor_names, "tau"), (posterior.mu, *factors, posterior.tau), strict=True)
        ):
            place = ("mu", 0) if k == 0 else ("tau", 0) if k == len(factors) + 1 else ("beta", k - 1)
            checks = [getattr(self.convergence, name)[place[0]][place[1]] for name in ("r_hat", "ess_bulk", "ess_tail")]
            limits = np.quantile(draws, INTERVAL_PROBABILITIES)
            sd = draws.std(ddof=1)
            mc_error = sd / np.sqrt(float(arviz.ess(draws, method="mean")))
            rows.append((term, draws.mean(), sd, *limits, mc_error, *checks))
        columns = ["term", "mean", "sd", "lower", "median", "upper", "mc_error", "r_hat", "ess_bulk", "ess_tail"]
        return pd.DataFrame(rows, columns=columns)

    def to_arviz(self) -> Any:
        """Draws and sampler statistics for ArviZ; its `to_netcdf` keeps them in a file.

        Returns
        -------
        arviz.InferenceData
            Groups posterior (mu, beta by factor, tau, effects by facility) and sample_stats.
        """
        posterior = self.posterior
        return load_library("arviz").from_dict(
            posterior={name: getattr(posterior, name) for name in ("mu", "beta", "tau", "effects")},
            sample_stats={
                "lp": posterior.log_posterior,
                "energy": posterior.energy,
                "diverging": posterior.diverging,
                "n_steps": posterior.steps,
                "reached_max_treedepth": posterior.at_max_depth,
            },
            coords={"factor": list(self.factor_names), "facility": self.facilities},
            dims={"beta": ["factor"], "effects": ["facility"]},
        )

    def pymc_model(self) -> Any:
        """The model with this fit's data and priors as a PyMC model, to go on from.

        Returns
        -------
        pymc.Model
            Variables intercept (at average risk factors), beta (per standard deviation), tau, standardised_effect.
        """
        return build_pymc_model(LogDensity(self.data.cells, self.priors))

    def save(self, path: str | Path) -> None:  # noqa: ARG002
        """Refused: a file of a fit holds no draws.

        Raises
        ------
        FitError
        """
        raise FitError(
            "a Bayesian fit cannot be saved as estimates alone",
            expected="a file that holds its draws",
            hint="fit.to_arviz().to_netcdf(path)",
        )

    def _summary_parts(self) -> tuple[list[str], list[tuple[str, ...]], list[str]]:
        _, table, notes = super()._summary_parts()
        chains, draws = self.posterior.mu.shape
        counts = f"{count_text(self.n_cases)} cases, {count_text(self.n_events)} events"
        checks = self.convergence
        divergent = f"{checks.n_divergent} divergent, E-BFMI at least {float(np.min(checks.e_bfmi)):.2f}"
        head = [
            "Bayesian hierarchical logistic regression: posterior means and standard deviations",
            f"{counts}, {count_text(self.n_facilities)} facilities",
            f"{chains} chains of {draws} draws ({self.sampling.sampler}, seed {self.sampling.seed}); "
            + ("converged" if self.converged else "NOT converged"),
            f"r-hat at most {checks.max_r_hat:.4f}, effective draws at least {checks.min_ess:.0f}, {divergent}",
            "priors: " + "; ".join(self.priors.describe()),
        ]
        return head, table, notes
