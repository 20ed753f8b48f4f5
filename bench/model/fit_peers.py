"""Measured process: a peer written for Python. Its one argument is a job as JSON text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from simulate import Data, read_data
from worker import WARM_UP_SHARE, measure, read_job, write_result

GPBOOST_SETTINGS: dict[str, dict[str, Any] | None] = {
    "GPBoost default": None,
    # the loosest tolerance whose log-likelihood is within 1e-6 of that of the tightest
    "GPBoost converged": {"optimizer_cov": "lbfgs", "delta_rel_conv": 1e-10, "maxit": 1000},
}
GLUM_TOLERANCE = 1e-6
"""The loosest gradient tolerance whose log-likelihood is within 1e-6 of that of the tightest."""


def with_intercept(data: Data) -> Data:
    return Data(np.column_stack([np.ones(len(data.y)), data.X]), data.y.astype(np.float64), data.facility)


def fit_gpboost(data: Data, program: str) -> Any:
    import gpboost

    model = gpboost.GPModel(group_data=data.facility, likelihood="bernoulli_logit")
    model.fit(y=data.y, X=data.X, params=GPBOOST_SETTINGS[program])
    return model


def read_gpboost(model: Any, data: Data) -> dict[str, Any]:
    coefficients = np.asarray(model.get_coef(), dtype=np.float64).ravel()[: data.X.shape[1]]
    return {
        "mu": coefficients[0],
        "beta": coefficients[1:].tolist(),
        "tau": float(np.asarray(model.get_cov_pars(), dtype=np.float64).ravel()[0]) ** 0.5,
        "log_likelihood": -float(model.get_current_neg_log_likelihood()),
    }


def fit_glum(data: Data, _: str) -> Any:
    import glum

    model = glum.GeneralizedLinearRegressor(family="binomial", alpha=0, gradient_tol=GLUM_TOLERANCE)
    return model.fit(data.X, data.y)


def read_glum(model: Any, _: Data) -> dict[str, Any]:
    return {"mu": float(model.intercept_), "beta": model.coef_.tolist(), "tau": 0.0, "iterations": int(model.n_iter_)}


def fit_statsmodels(data: Data, _: str) -> Any:
    from scipy.sparse import csr_array
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    labels, position = np.unique(data.facility, return_inverse=True)
    rows = np.arange(len(position))
    groups = csr_array((np.ones(len(rows)), (rows, position)), shape=(len(rows), len(labels)))
    ident = np.zeros(len(labels), dtype=int)
    return BinomialBayesMixedGLM(data.y, data.X, groups, ident, vcp_p=1.0, fe_p=100.0).fit_vb()


def read_statsmodels(model: Any, _: Data) -> dict[str, Any]:
    return {
        "mu": float(model.fe_mean[0]),
        "beta": model.fe_mean[1:].tolist(),
        "tau": float(np.exp(model.vcp_mean[0])),
    }


Fit = Callable[[Data, str], Any]
Read = Callable[[Any, Data], dict[str, Any]]
PROGRAMS: dict[str, tuple[Fit, Read]] = {
    "GPBoost default": (fit_gpboost, read_gpboost),
    "GPBoost converged": (fit_gpboost, read_gpboost),
    "glum": (fit_glum, read_glum),
    "statsmodels VB": (fit_statsmodels, read_statsmodels),
}


def main() -> None:
    job = read_job()
    program = job["program"]
    fit, read = PROGRAMS[program]
    data = read_data(Path(job["folder"]))
    part = data.part(WARM_UP_SHARE)
    if program != "glum":  # it has its own intercept
        data, part = with_intercept(data), with_intercept(part)
    fit(part, program)
    model, measured = measure(lambda: fit(data, program), job["budget"])
    write_result(job, **measured, **read(model, data))


if __name__ == "__main__":
    main()
