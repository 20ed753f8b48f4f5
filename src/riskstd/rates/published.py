"""`score_facilities`: benchmark facilities, or a single one, with a model fitted elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError, OptionError
from riskstd.model.algebra import log_odds_of_rows
from riskstd.model.cells import Cells, FacilityOrder, order_by_content
from riskstd.model.collapse import collapse_rows
from riskstd.model.inputs import ModelInput, read_model_input
from riskstd.model.modes import find_modes, modes_at
from riskstd.rates.facility_rates import FacilityRates
from riskstd.rates.intervals import check_interval, formula_limits, score_cells
from riskstd.rates.rules import Standardization, check_national_rate, read_standardization
from riskstd.rates.scores import read_coefficients, read_effects
from riskstd.rates.standardize import assemble_rates

FloatArray = NDArray[np.floating[Any]]
INTERCEPT = np.zeros(1)


def score_facilities(
    y: Any,
    X: Any,
    facility: Any,
    *,
    mu: float,
    beta: Any,
    tau: float,
    effects: Any = None,
    trials: Any = None,
    offset: Any = None,
    measure: Any = None,
    scale: str | None = None,
    national_rate: float | str | None = None,
    interval: str = "plug-in",
    level: float | None = None,
) -> FacilityRates:
    """Rates of facilities under a published model: nothing is fitted, one facility is enough.

    The effect of each facility is its conditional mode given `mu`, `beta` and `tau`, as in the fit that
    these come from.

    Parameters
    ----------
    y : array or series, shape (n_rows,)
        0 or 1; events out of `trials` when those are given.
    X : array or frame, shape (n_rows, n_factors)
    facility : array of labels, shape (n_rows,)
    mu : float
        Average intercept, log-odds.
    beta : array, shape (n_factors,), or mapping or series of factor name to coefficient
        A mapping, or a pandas series with labels, is matched to the columns of a frame by name.
    tau : float
        Standard deviation of the facility effects; 0 makes every ratio 1.
    effects : array, shape (n_facilities,), or mapping or series of label to effect, optional
        Published effects around `mu`, which take the place of the modes.
    trials : array, shape (n_rows,), optional
        Cases of each row; 1 each when left out.
    offset : array, shape (n_rows,), optional
        Known part of the log-odds.
    measure : object, optional
        As for `standardize`.
    scale : {"per_1000", "percent", "ratio"}, optional
        Takes the place of the measure's scale; "percent" without a measure.
    national_rate : float or "observed"
        Proportion the ratios are multiplied by; "observed" takes the rate of the cases given, which
        is national only when they are. Not needed for the scale "ratio".
    interval : {"plug-in", "closed-form", "none"}
    level : float, optional
        As for `standardize`.

    Returns
    -------
    FacilityRates
        With the posterior variance of the effects; the uncertainty of the published
        coefficients is not known here.

    Raises
    ------
    FitError
        Rows, coefficients or effects that do not match or are not numbers.
    OptionError
        An option outside its values; no national rate.

    Notes
    -----
    The ratio, rate and category of one facility do not depend on the others given, except through
    ``national_rate="observed"``.

    Examples
    --------
    >>> rates = score_facilities([0, 1, 0, 0], [[60], [70], [80], [65]], ["mine"] * 4, mu=-4.0, beta=[0.03],
    ...                          tau=0.4, scale="ratio")
    >>> rates.ratio.round(3).tolist(), rates.category.tolist()
    ([1.065], ['no different'])
    """
    rules = read_standardization(measure, scale, level)
    if interval == "bootstrap":
        raise OptionError(
            "interval 'bootstrap' for a given model",
            expected="one of plug-in, closed-form, none",
            hint="the bootstrap refits the model: fit_hierarchical and standardize do that",
        )
    check_interval(interval)
    _check_model(mu, tau)
    rows = read_model_input(y, X, facility, trials=trials, offset=offset)
    if len(rows.y) == 0:
        raise FitError("no rows", expected="at least one case")
    cells, order = _cells_at(rows, mu, read_coefficients(beta, rows.factor_names))
    national = _national_rate(national_rate, rules, float(cells.events.sum() / cells.cases.sum()))
    log_odds = cells.linear_predictor(INTERCEPT)
    if effects is None:
        modes = find_modes(cells, log_odds, float(tau), np.zeros(cells.n_facilities))
    else:
        modes = modes_at(cells, log_odds, order.by_content(read_effects(effects, rows.labels)), float(tau))
    found = (order.by_label(modes.u), order.by_label(modes.variance))
    scored = score_cells(cells, order, INTERCEPT, float(tau), *found)
    return assemble_rates(
        rows.labels,
        scored,
        formula_limits(scored, rules, interval, rules.multiplier(national)),
        rules,
        national_rate=national,
        interval=interval,
        variance="posterior",
        seed=None,
        warnings=("tau is 0: every ratio is 1",) if tau == 0 and effects is None else (),
        measure=measure,
    )


def _cells_at(rows: ModelInput, mu: float, beta: FloatArray) -> tuple[Cells, FacilityOrder]:
    """Cells of the rows, facilities by content, with mu + x'beta as offset, so that cases of equal risk share one."""
    log_odds = log_odds_of_rows(np.asarray(rows.X), mu, beta)
    if rows.offset is not None:
        log_odds = log_odds + rows.offset
    none = np.zeros((len(log_odds), 0))
    return order_by_content(collapse_rows(none, rows.facility, rows.n, rows.y, log_odds, len(rows.labels)))


def _check_model(mu: float, tau: float) -> None:
    if not math.isfinite(mu):
        raise FitError(f"mu {mu!r}", expected="a finite number (log-odds)")
    if not (math.isfinite(tau) and tau >= 0.0):
        raise FitError(f"tau {tau!r}", expected="a finite number of 0 or more (a standard deviation, not a variance)")


def _national_rate(given: float | str | None, rules: Standardization, observed: float) -> float:
    if isinstance(given, str):
        if given != "observed":
            raise OptionError(f"national_rate {given!r}", expected="a proportion, or 'observed'")
        if observed in (0.0, 1.0):
            raise OptionError(
                "national_rate 'observed' of cases that all have the same outcome",
                expected="cases with and without the event",
                hint="give the published national rate",
            )
        return observed
    if given is None:
        if rules.scale == "ratio":
            return observed
        raise OptionError(
            f"no national_rate for the scale {rules.scale!r}",
            expected="the published national rate as a proportion, or 'observed' for the rate of the cases given",
            hint="scale='ratio' needs none",
        )
    check_national_rate(given)
    return float(given)
