"""The result of a fit: estimates, effects, how the optimiser got there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from riskstd.errors import FitError
from riskstd.model.algebra import log_odds_of_rows
from riskstd.model.cells import Cells, FacilityOrder, FloatArray
from riskstd.model.frozen import freeze_arrays
from riskstd.model.inputs import count_text, read_factors, read_numbers, read_values
from riskstd.model.newton import PathStep

if TYPE_CHECKING:
    import pandas as pd

    from riskstd.model.encoding import FormulaEncoder

Z_95 = 1.959963984540054
LOGISTIC_VARIANCE = math.pi**2 / 3.0
"""Variance of the standard logistic distribution, of a case's latent log-odds."""
SUMMARY_TITLES = ("", "estimate", "std. error", "odds ratio", "95% interval")


@dataclass(frozen=True, eq=False, repr=False)
class FitData:
    """What scoring and refitting need: the cells and the optimum on the standardised scale.

    Parameters
    ----------
    cells : Cells
        Facilities by content, unlike the arrays of the fit, which are by label.
    order : FacilityOrder
        From one order to the other.
    beta : ndarray, shape (n_coefficients,)
        Of the columns of the cells.
    pql_form : str
    """

    cells: Cells
    order: FacilityOrder
    beta: FloatArray
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
    `repr` and `summary` show estimates and counts, never a row or a label. Arrays are read-only.
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
    _data: FitData | None
    _encoder: FormulaEncoder | None = None

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        return (
            f"HierarchicalFit(method={self.method!r}, n_cases={self.n_cases:.12g}, "
            f"n_events={self.n_events:.12g}, n_facilities={self.n_facilities}, "
            f"n_factors={len(self.beta)}, tau={self.tau:.6g}, "
            f"converged={self.converged}, singular={self.singular})"
        )

    def _repr_html_(self) -> str:
        """Table of the estimates for notebooks: the text of `summary`, in columns."""
        head, table, notes = self._summary_parts()
        cells = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in (term, *row)) + "</tr>" for term, *row in table
        )
        titles = "".join(f"<th>{escape(title)}</th>" for title in SUMMARY_TITLES)
        lines = "<br>".join(escape(line) for line in head)
        last = "<br>".join(escape(line) for line in notes)
        return f"<p>{lines}</p><table><thead><tr>{titles}</tr></thead><tbody>{cells}</tbody></table><p>{last}</p>"

    @property
    def data(self) -> FitData:
        """Cells and optimum, which scoring and refitting need.

        Raises
        ------
        FitError
            When the fit was loaded from a file, which holds no data.
        """
        if self._data is None:
            raise FitError(
                "this fit was saved without its data",
                expected="a fit with the cases it was fitted to",
                hint="fit again, or score cases with predicted_expected and the fit's mu, beta and effects",
            )
        return self._data

    @property
    def icc(self) -> float:
        """Intraclass correlation on the latent scale, tau^2 / (tau^2 + pi^2 / 3).

        Notes
        -----
        Goldstein H, Browne W, Rasbash J. Understanding Statistics 2002;1:223-231, the latent
        variable method.
        """
        return self.tau**2 / (self.tau**2 + LOGISTIC_VARIANCE)

    @property
    def median_odds_ratio(self) -> float:
        """Median odds ratio between two facilities, the higher over the lower: exp(sqrt(2) tau z_0.75).

        Notes
        -----
        Larsen K, Merlo J. Am J Epidemiol 2005;161:81-88.
        """
        return math.exp(math.sqrt(2.0) * self.tau * float(ndtri(0.75)))

    def summary(self) -> str:
        """Table of the estimates as text.

        Returns
        -------
        str
        """
        head, table, notes = self._summary_parts()
        width = max(len(term) for term, *_ in table)
        lines = [*head, ""]
        for term, estimate, se, odds, interval in (SUMMARY_TITLES, *table):
            lines.append(f"{term:{width}}  {estimate:>10}  {se:>10}  {odds:>10}  {interval:>19}".rstrip())
        return "\n".join([*lines, *notes])

    def _summary_parts(self) -> tuple[list[str], list[tuple[str, ...]], list[str]]:
        """Head, one row of text a term, and notes."""
        estimator = f"{self.method}, {self.n_nodes} nodes" if self.method == "agq" else self.method
        outcome = "converged" if self.converged else "NOT converged"
        likelihood = "Laplace log-likelihood" if self.method == "pql" else "log-likelihood"
        edge = "; singular: tau is 0" if self.singular else ""
        counts = f"{count_text(self.n_cases)} cases, {count_text(self.n_events)} events"
        head = [
            f"Hierarchical logistic regression ({estimator})",
            f"{counts}, {count_text(self.n_facilities)} facilities",
            f"{likelihood} {self.log_likelihood:.4f}; {outcome} after {self.n_iterations} iterations{edge}",
        ]
        table = []
        for place, (term, estimate, se) in enumerate(self._terms()):
            odds = interval = ""
            if 0 < place <= len(self.beta):
                ratio, low, high = np.exp([estimate, estimate - Z_95 * se, estimate + Z_95 * se])
                odds, interval = f"{ratio:.4g}", f"{low:.4g} to {high:.4g}"
            table.append((term, f"{estimate:.5f}", f"{se:.5f}", odds, interval))
        between = f"intraclass correlation {self.icc:.4f}, median odds ratio {self.median_odds_ratio:.3f}"
        return head, table, [between, *(f"warning: {text}" for text in self.warnings)]

    def predict(self, X: Any, facility: Any = None, offset: Any = None) -> FloatArray:
        """Predict the probability of the event.

        Parameters
        ----------
        X : array or frame, shape (n_rows, n_factors)
            Columns in the order of `factor_names`; after `fit_formula` a table with the columns of
            the formula, coded as in the fit.
        facility : array of labels, shape (n_rows,), optional
            Left out: the average facility (effect 0). After `fit_formula` also the name of a
            column of `X`.
        offset : array, shape (n_rows,), optional
            Known part of the log-odds, 0 when left out. After `fit_formula` the column that was
            the offset of the fit is read from `X`.

        Returns
        -------
        ndarray, shape (n_rows,)

        Raises
        ------
        FitError
            Columns that do not fit, categories or labels the model has not seen.
        """
        if self._encoder is not None and hasattr(X, "columns"):
            rows, facility, offset = self._encoder.read_new(X, facility, offset, self.factor_names)
        else:
            rows = self._read_design(X)
        log_odds = log_odds_of_rows(rows, self.mu, self.beta)
        if offset is not None:
            log_odds = log_odds + read_numbers(offset, "offset", len(rows))
        if facility is None:
            return expit(log_odds)
        return expit(log_odds + self.effects[self._positions(facility, len(rows))])

    def _read_design(self, X: Any) -> FloatArray:
        rows, names = read_factors(X)
        if rows.shape[1] != len(self.beta):
            raise FitError(f"X has {rows.shape[1]} columns", expected=f"{len(self.beta)} risk factors of the fit")
        if hasattr(X, "columns") and names != self.factor_names:
            raise FitError(
                "columns of X differ from the risk factors of the fit in name or order",
                expected=", ".join(self.factor_names),
            )
        return rows

    def _positions(self, facility: Any, n_rows: int) -> NDArray[np.int64]:
        """Positions of labels among the fit's facilities."""
        values = read_values(facility, "facility")
        if values.shape != (n_rows,):
            raise FitError(f"facility has shape {values.shape}, X has {n_rows} rows", expected="one label per row")
        if self.facilities.dtype.kind == values.dtype.kind == "M":
            values = values.astype(self.facilities.dtype)
        position = {label: k for k, label in enumerate(self.facilities.tolist())}
        codes = np.array([position.get(label, -1) for label in values.tolist()], dtype=np.int64)
        if np.any(codes < 0):
            raise FitError(
                f"{int(np.sum(codes < 0))} of {len(codes)} rows belong to facilities the model has not seen",
                expected="labels of the fit",
                hint="leave facility out for the average facility",
            )
        return codes

    def to_frame(self) -> pd.DataFrame:
        """Estimates as a pandas frame: term, estimate, standard_error, odds_ratio and its limits.

        Returns
        -------
        pandas.DataFrame
            One row each for mu, the risk factors and tau; odds ratios for risk factors only.
        """
        import pandas as pd

        rows = []
        for place, (term, estimate, se) in enumerate(self._terms()):
            odds = [np.nan] * 3
            if 0 < place <= len(self.beta):
                odds = [float(np.exp(estimate + z * se)) for z in (0.0, -Z_95, Z_95)]
            rows.append((term, estimate, se, *odds))
        columns = ["term", "estimate", "standard_error", "odds_ratio", "odds_ratio_lower", "odds_ratio_upper"]
        return pd.DataFrame(rows, columns=columns)

    def effects_frame(self) -> pd.DataFrame:
        """Facility effects as a pandas frame, log-odds around `mu`.

        Returns
        -------
        pandas.DataFrame
            facility_id, effect (conditional mode), posterior_sd, prediction_sd (with the
            uncertainty of the coefficients), posterior_mean.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "facility_id": self.facilities,
                "effect": self.effects,
                "posterior_sd": np.sqrt(self.effects_variance),
                "prediction_sd": np.sqrt(self.prediction_variance),
                "posterior_mean": self.effects_mean,
            }
        )

    def save(self, path: str | Path) -> None:
        """Write the fit to one file, without its data; `load_fit` reads it.

        Parameters
        ----------
        path : str or Path
            Replaced only once the new file is whole.

        Raises
        ------
        FitError
            Facility labels or categories of a type that a file cannot keep.

        Notes
        -----
        The file holds every public field, bit for bit: estimates, effects and facility labels,
        but no cases and no cells. A loaded fit predicts; it cannot be standardized or refitted.
        """
        from riskstd.model.storage import save_fit

        save_fit(self, path)

    def _terms(self) -> list[tuple[str, float, float]]:
        factors = zip(self.factor_names, self.beta.tolist(), self.beta_se.tolist(), strict=True)
        return [("intercept (mu)", self.mu, self.mu_se), *factors, ("tau", self.tau, self.tau_se)]
