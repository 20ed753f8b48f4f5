"""The model in PyMC: for its sampler, and for whoever wants to go on from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from riskstd.model.bayes.density import Likelihood, LogDensity
from riskstd.model.bayes.libraries import load_library


def build_pymc_model(density: LogDensity) -> Any:
    """PyMC model with the variables intercept, beta, tau and standardised_effect.

    Parameters
    ----------
    density : LogDensity

    Returns
    -------
    pymc.Model
        Its likelihood is one node over all cells, with an exact gradient.

    Raises
    ------
    OptionError
        Without the extra riskstd[bayes].
    """
    pm = load_library("pymc")
    pt = load_library("pytensor.tensor")
    priors = density.priors
    with pm.Model() as model:
        intercept = pm.Normal("intercept", priors.mu_mean, priors.mu_sd)
        beta = pm.Normal("beta", density.beta_mean, density.beta_sd, shape=density.n_factors)
        if priors.tau_family == "half-normal":
            tau = pm.HalfNormal("tau", priors.tau_scale)
        else:
            tau = pm.HalfStudentT("tau", nu=priors.tau_df, sigma=priors.tau_scale)
        score = pm.Normal("standardised_effect", 0.0, 1.0, shape=density.n_facilities)
        first = intercept - pt.sum(beta * density.column_mean)
        coefficients = pt.concatenate([pt.stack([first]), beta])
        pm.Potential("likelihood", _make_op(density.likelihood)(coefficients, tau * score)[0])
    return model


def _make_op(likelihood: Likelihood) -> Any:
    """PyTensor operation: value, gradient by coefficients, gradient by effects."""
    op, tensor = load_library("pytensor.graph.op"), load_library("pytensor.tensor")

    class CollapsedBinomial(op.Op):
        itypes = (tensor.dvector, tensor.dvector)
        otypes = (tensor.dscalar, tensor.dvector, tensor.dvector)
        __props__ = ()

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:  # noqa: ARG002
            value, by_coefficient, by_effect = likelihood(*inputs)
            output_storage[0][0] = np.asarray(value)
            output_storage[1][0], output_storage[2][0] = by_coefficient, by_effect

        def L_op(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:  # noqa: ARG002
            return [output_grads[0] * outputs[1], output_grads[0] * outputs[2]]

    return CollapsedBinomial()
