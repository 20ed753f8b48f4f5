"""Bayesian cross-check of the hierarchical logistic model, by the extra riskstd[bayes].

`fit_bayes` samples the posterior; `check_predictions` asks whether data like those seen come out of it.
"""

from riskstd.model.bayes.convergence import Convergence, ConvergenceLimits
from riskstd.model.bayes.fit import fit_bayes
from riskstd.model.bayes.posterior import Posterior
from riskstd.model.bayes.predictive import PredictiveChecks, check_predictions
from riskstd.model.bayes.priors import Priors
from riskstd.model.bayes.result import BayesianFit
from riskstd.model.bayes.sampling import Sampling

__all__ = [
    "BayesianFit",
    "Convergence",
    "ConvergenceLimits",
    "Posterior",
    "PredictiveChecks",
    "Priors",
    "Sampling",
    "check_predictions",
    "fit_bayes",
]
