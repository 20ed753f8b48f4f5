"""The result of a fit: estimates, effects, how the optimiser got there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from riskstd.errors import FitError
from riskstd.model.cells import Cells, FloatArray
from riskstd.model.inputs import count_text, read_factors, read_values
from riskstd.model.newton import PathStep

if TYPE_CHECKING:
    import pandas as pd

Z_95 = 1.959963984540054


@dataclass(frozen=True, eq=False, repr=False)
class FitData:
    """What scoring and refitting need: the cells and the optimum on the standardised scale."""

    cells: Cells
    beta: FloatArray
    curvatures: FloatArray | None
    pql_form: str


@dataclass(frozen=True, eq=False, repr=False)
class HierarchicalFit:
    """A fitted random-intercept logistic model, logit P = mu + x'beta + w_j.

    Parameters
    ----------
    mu : float
        Average intercept, log-odds.
    beta : ndarray, shape (n_factors,)
        Log-odds per unit of each risk factor.
    tau : float
        Standard deviation of the facility effects.
    factor_names : tuple of str
    mu_se, tau_se : float
        Standard errors; `tau_se` is NaN at the boundary tau = 0.
    beta_se : ndarray, shape (n_factors,)
    covariance : ndarray, shape (n_factors + 2, n_factors + 2)
        Of (mu, beta, tau). For PQL the block of tau is the working information alone.
    log_likelihood : float
        With the binomial constant. For PQL, which has no likelihood, the Laplace value at its
        estimates.
    facilities : ndarray, shape (n_facilities,)
        Labels, sorted; the order of every array per facility.
    effects : ndarray, shape (n_facilities,)
        Conditional modes w_hat.
    effects_variance : ndarray, shape (n_facilities,)
        Posterior variance f = 1 / (sum p(1-p) + 1/tau^2) at the mode.
    prediction_variance : ndarray, shape (n_facilities,)
        f + f^2 a'V a: with the uncertainty of the coefficients (SAS StdErrPred squared).
    effects_mean : ndarray, shape (n_facilities,)
        Posterior means; the modes for Laplace and PQL.
    converged : bool
    singular : bool
        Whether tau is 0, so that every ratio is 1.
    newton_decrement : float
        Distance to the optimum in standard errors at the last iteration.
    n_iterations : int
    path : tuple of PathStep
        Per iteration: log_likelihood (without binomial constant), tau, decrement.
    method : str
        "agq", "laplace" or "pql".
    n_nodes : int
    n_cases, n_events : float
    n_facilities : int
    warnings : tuple of str

    Notes
    -----
    `repr` and `summary` show estimates and counts, never a row or a label.
    """

    mu: float
    beta: FloatArray
    tau: float
    factor_names: tuple[str, ...]
    mu_se: float
    beta_se: FloatArray
    tau_se: float
    covariance: FloatArray
    log_likelihood: float
    facilities: NDArray[Any]
    effects: FloatArray
    effects_variance: FloatArray
    prediction_variance: FloatArray
    effects_mean: FloatArray
    converged: bool
    singular: bool
    newton_decrement: float
    n_iterations: int
    path: tuple[PathStep, ...]
    method: str
    n_nodes: int
    n_cases: float
    n_events: float
    n_facilities: int
    warnings: tuple[str, ...]
    _data: FitData

    def __repr__(self) -> str:
        return (
            f"HierarchicalFit(method={self.method!r}, n_cases={self.n_cases:.12g}, "
            f"n_events={self.n_events:.12g}, n_facilities={self.n_facilities}, "
            f"n_factors={len(self.beta)}, tau={self.tau:.6g}, "
            f"converged={self.converged}, singular={self.singular})"
        )

    def summary(self) -> str:
        """Table of the estimates as text.

        Returns
        -------
        str
        """
        estimator = f"{self.method}, {self.n_nodes} nodes" if self.method == "agq" else self.method
        outcome = "converged" if self.converged else "NOT converged"
        likelihood = "Laplace log-likelihood" if self.method == "pql" else "log-likelihood"
        edge = "; singular: tau is 0" if self.singular else ""
        counts = f"{count_text(self.n_cases)} cases, {count_text(self.n_events)} events"
        lines = [
            f"Hierarchical logistic regression ({estimator})",
            f"{counts}, {count_text(self.n_facilities)} facilities",
            f"{likelihood} {self.log_likelihood:.4f}; {outcome} after {self.n_iterations} iterations{edge}",
            "",
        ]
        width = max(len(name) for name in ("intercept (mu)", *self.factor_names))
        lines.append(f"{'':{width}}  {'estimate':>10}  {'std. error':>10}  {'odds ratio':>10}  {'95% interval':>19}")
        for term, estimate, se in self._terms():
            ratio, low, high = np.exp([estimate, estimate - Z_95 * se, estimate + Z_95 * se])
            odds = f"{ratio:10.4g}  {low:8.4g} to {high:7.4g}" if term in self.factor_names else ""
            lines.append(f"{term:{width}}  {estimate:10.5f}  {se:10.5f}  {odds}".rstrip())
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)

    def predict(self, X: Any, facility: Any = None) -> FloatArray:
        """Predict the probability of the event.

        Parameters
        ----------
        X : array or frame, shape (n_rows, n_factors)
            Columns in the order of `factor_names`.
        facility : array of labels, shape (n_rows,), optional
            Left out: the average facility (effect 0).

        Returns
        -------
        ndarray, shape (n_rows,)

        Raises
        ------
        FitError
            Columns that do not fit, labels the model has not seen.
        """
        rows, names = read_factors(X)
        if rows.shape[1] != len(self.beta):
            raise FitError(f"X has {rows.shape[1]} columns", expected=f"{len(self.beta)} risk factors of the fit")
        if hasattr(X, "columns") and names != self.factor_names:
            raise FitError(
                "columns of X differ from the risk factors of the fit in name or order",
                expected=", ".join(self.factor_names),
            )
        log_odds = self.mu + np.einsum("iq,q->i", rows, self.beta)
        if facility is None:
            return expit(log_odds)
        position = {label: k for k, label in enumerate(self.facilities.tolist())}
        labels = read_values(facility, "facility").tolist()
        if len(labels) != len(rows):
            raise FitError(f"facility has {len(labels)} labels, X has {len(rows)} rows", expected="one per row")
        codes = np.array([position.get(label, -1) for label in labels], dtype=int)
        if np.any(codes < 0):
            raise FitError(
                f"{int(np.sum(codes < 0))} of {len(codes)} rows belong to facilities the model has not seen",
                expected="labels of the fit",
                hint="leave facility out for the average facility",
            )
        return expit(log_odds + self.effects[codes])

    def to_frame(self) -> pd.DataFrame:
        """Estimates as a pandas frame: term, estimate, standard_error, odds_ratio and its limits.

        Returns
        -------
        pandas.DataFrame
            One row each for mu, the risk factors and tau; odds ratios for risk factors only.
        """
        import pandas as pd

        rows = []
        for term, estimate, se in self._terms():
            odds = [np.nan] * 3
            if term in self.factor_names:
                odds = [float(np.exp(estimate + z * se)) for z in (0.0, -Z_95, Z_95)]
            rows.append((term, estimate, se, *odds))
        columns = ["term", "estimate", "standard_error", "odds_ratio", "odds_ratio_lower", "odds_ratio_upper"]
        return pd.DataFrame(rows, columns=columns)

    def _terms(self) -> list[tuple[str, float, float]]:
        factors = zip(self.factor_names, self.beta.tolist(), self.beta_se.tolist(), strict=True)
        return [("intercept (mu)", self.mu, self.mu_se), *factors, ("tau", self.tau, self.tau_se)]
