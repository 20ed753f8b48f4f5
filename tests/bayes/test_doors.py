"""The Bayesian model by the doors of the others: `fit_hierarchical` and `standardize`."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from riskstd import fit_hierarchical, standardize
from riskstd.errors import OptionError

rng = np.random.default_rng(5)
FACILITY = np.repeat(np.arange(12), 40)
X = rng.integers(0, 2, (480, 1))
Y = rng.random(480) < 0.3


@pytest.mark.slow
def test_rates_of_a_posterior_by_the_common_doors():
    pytest.importorskip("nutpie")
    from riskstd.model.bayes import Sampling
    from riskstd.rates.posterior import posterior_rates

    fit = fit_hierarchical(Y, X, FACILITY, method="pymc", sampling=Sampling(seed=3))
    rates = standardize(fit, scale="percent")
    assert rates.interval == "posterior"
    assert_array_equal(rates.lower, posterior_rates(fit, scale="percent").rates.lower)


@pytest.mark.parametrize("option", ["priors", "sampling"])
def test_what_belongs_to_the_posterior_is_refused_elsewhere(option):
    with pytest.raises(OptionError, match="method 'agq'"):
        fit_hierarchical(Y, X, FACILITY, **{option: object()})
