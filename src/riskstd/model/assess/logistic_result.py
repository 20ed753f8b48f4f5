"""The result of a logistic regression without facility effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskstd.errors import FitError
from riskstd.model.algebra import log_odds_of_rows
from riskstd.model.cells import Cells
from riskstd.model.frozen import freeze_arrays
from riskstd.model.inputs import count_text, read_factors, read_numbers

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class PooledLogistic:
    """A fitted logistic regression without facility effects, logit P = mu + x'beta.

    Parameters
    ----------
    mu, mu_se : float
        Intercept, log-odds.
    beta, beta_se : ndarray, shape (n_factors,)
        Log-odds per unit of each risk factor.
    odds_ratio, odds_ratio_lower, odds_ratio_upper : ndarray, shape (n_factors,)
        exp(beta) and its Wald limits at `level`.
    factor_names : tuple of str
    covariance : ndarray, shape (n_factors + 1, n_factors + 1)
        Of (mu, beta); cluster-robust when facilities were given.
    log_likelihood : float
        With the binomial constant.
    log_likelihood_null : float
        Of the intercept alone (and the offset).
    n_cases, n_events : float
    n_clusters : int or None
        Facilities of the cluster-robust standard errors; None for model-based ones.
    level : float

    Notes
    -----
    `repr` and `summary` show estimates and counts, never a row or a label.
    """

    mu: float
    mu_se: float
    beta: FloatArray
    beta_se: FloatArray
    odds_ratio: FloatArray
    odds_ratio_lower: FloatArray
    odds_ratio_upper: FloatArray
    factor_names: tuple[str, ...]
    covariance: FloatArray
    log_likelihood: float
    log_likelihood_null: float
    n_cases: float
    n_events: float
    n_clusters: int | None
    level: float
    _cells: Cells

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __repr__(self) -> str:
        return (
            f"PooledLogistic(n_cases={self.n_cases:.12g}, n_events={self.n_events:.12g}, "
            f"n_factors={len(self.beta)}, log_likelihood={self.log_likelihood:.10g}, n_clusters={self.n_clusters})"
        )

    @property
    def mcfadden(self) -> float:
        """1 - log-likelihood / log-likelihood of the intercept alone (McFadden 1974)."""
        return 1.0 - self.log_likelihood / self.log_likelihood_null

    def summary(self) -> str:
        """Table of the estimates as text.

        Returns
        -------
        str
        """
        errors = "model-based" if self.n_clusters is None else f"robust to {count_text(self.n_clusters)} facilities"
        lines = [
            "Logistic regression without facility effects",
            f"{count_text(self.n_cases)} cases, {count_text(self.n_events)} events; standard errors {errors}",
            f"log-likelihood {self.log_likelihood:.4f}, of the intercept alone {self.log_likelihood_null:.4f}",
            "",
        ]
        names = ("intercept (mu)", *self.factor_names)
        width, title = max(len(name) for name in names), f"{100 * self.level:g}% interval"
        lines.append(f"{'':{width}}  {'estimate':>10}  {'std. error':>10}  {'odds ratio':>10}  {title:>19}")
        lines.append(f"{names[0]:{width}}  {self.mu:10.5f}  {self.mu_se:10.5f}")
        for k, name in enumerate(self.factor_names):
            interval = f"{self.odds_ratio_lower[k]:.4g} to {self.odds_ratio_upper[k]:.4g}"
            lines.append(
                f"{name:{width}}  {self.beta[k]:10.5f}  {self.beta_se[k]:10.5f}  "
                f"{self.odds_ratio[k]:10.4g}  {interval:>19}"
            )
        return "\n".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """Estimates as a pandas frame.

        Returns
        -------
        pandas.DataFrame
            Columns as `HierarchicalFit.to_frame`; one row each for mu and the risk factors.
        """
        import pandas as pd

        odds = (self.odds_ratio, self.odds_ratio_lower, self.odds_ratio_upper)
        return pd.DataFrame(
            {
                "term": ["intercept (mu)", *self.factor_names],
                "estimate": np.append(self.mu, self.beta),
                "standard_error": np.append(self.mu_se, self.beta_se),
                "odds_ratio": np.append(np.nan, odds[0]),
                "odds_ratio_lower": np.append(np.nan, odds[1]),
                "odds_ratio_upper": np.append(np.nan, odds[2]),
            }
        )

    def predict(self, X: Any, offset: Any = None) -> FloatArray:
        """Predict the probability of the event.

        Parameters
        ----------
        X : array or frame, shape (n_rows, n_factors)
            Columns in the order of `factor_names`.
        offset : array, shape (n_rows,), optional
            Known part of the log-odds, 0 when left out.

        Returns
        -------
        ndarray, shape (n_rows,)

        Raises
        ------
        FitError
            Columns that do not fit.
        """
        rows, names = read_factors(X)
        if rows.shape[1] != len(self.beta):
            raise FitError(f"X has {rows.shape[1]} columns", expected=f"{len(self.beta)} risk factors of the fit")
        if hasattr(X, "columns") and names != self.factor_names:
            raise FitError(
                "columns of X differ from the risk factors of the fit in name or order",
                expected=", ".join(self.factor_names),
            )
        log_odds = log_odds_of_rows(rows, self.mu, self.beta)
        if offset is not None:
            log_odds = log_odds + read_numbers(offset, "offset", len(rows))
        return expit(log_odds)

    def as_statsmodels(self) -> Any:
        """The same model as a statsmodels result, for the diagnostics statsmodels has.

        Returns
        -------
        statsmodels.genmod.generalized_linear_model.GLMResults
            Binomial counts, one row per distinct row of risk factors; standard errors model-based.
        """
        import pandas as pd
        from statsmodels.genmod.families import Binomial
        from statsmodels.genmod.generalized_linear_model import GLM

        cells = self._cells
        n, y = cells.at_patterns(cells.n), cells.at_patterns(cells.y)
        design = pd.DataFrame(cells.X[:, 1:] * cells.scale + cells.center, columns=list(self.factor_names))
        design.insert(0, "intercept (mu)", 1.0, allow_duplicates=True)
        offset = cells.linear_predictor(np.zeros(cells.n_coefficients))
        model = GLM(np.column_stack([y, n - y]), design, family=Binomial(), offset=offset)
        return model.fit(start_params=np.append(self.mu, self.beta))
