"""Pooled logistic regression against statsmodels."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from riskstd.errors import FitError, OptionError
from riskstd.model import fit_hierarchical
from riskstd.model.assess import pooled_logistic

NAMES = ["years", "diabetes", "copd", "cancer"]
FIELDS = ("mu", "mu_se", "beta", "beta_se", "covariance", "log_likelihood", "log_likelihood_null")


def by_statsmodels(y, X, trials=None, offset=None, weights=None, **options):
    endog = y if trials is None else np.column_stack([y, trials - y])
    model = sm.GLM(endog, sm.add_constant(X), family=sm.families.Binomial(), offset=offset, freq_weights=weights)
    return model.fit(tol=1e-13, **options)


def assert_equal_to(fit, check):
    assert_allclose(np.append(fit.mu, fit.beta), check.params, rtol=1e-8, atol=1e-10)
    assert_allclose(fit.covariance, check.cov_params(), rtol=1e-7, atol=1e-12)
    assert_allclose(np.append(fit.mu_se, fit.beta_se), check.bse, rtol=1e-7)


def assert_same_bits(one, two):
    for name in FIELDS:
        assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


def test_equals_statsmodels(simulated):
    fit = pooled_logistic(simulated.y, simulated.X)
    check = by_statsmodels(simulated.y, simulated.X)
    assert_equal_to(fit, check)
    assert_allclose([fit.log_likelihood, fit.log_likelihood_null], [check.llf, check.llnull], rtol=1e-10)
    assert_allclose(fit.mcfadden, check.pseudo_rsquared("mcf"), rtol=1e-8)
    assert_allclose(fit.predict(simulated.X), check.fittedvalues, rtol=1e-8)
    limits = np.exp(check.conf_int()[1:])
    assert_allclose(np.column_stack([fit.odds_ratio_lower, fit.odds_ratio_upper]), limits, rtol=1e-7)


def test_cluster_robust_errors_equal_statsmodels(simulated):
    fit = pooled_logistic(simulated.y, simulated.X, facility=simulated.facility)
    groups = {"groups": simulated.facility, "use_correction": False}
    check = by_statsmodels(simulated.y, simulated.X, cov_type="cluster", cov_kwds=groups)
    assert_allclose(fit.covariance, check.cov_params() * 30 / 29, rtol=1e-6, atol=1e-12)
    assert fit.n_clusters == 30
    plain = pooled_logistic(simulated.y, simulated.X)
    assert_allclose(fit.beta, plain.beta, rtol=1e-9)
    assert plain.n_clusters is None
    assert fit.mu_se > plain.mu_se


def test_cluster_robust_errors_with_counts_and_weights_equal_rows(simulated):
    weights = np.random.default_rng(2).integers(1, 4, len(simulated.y))
    columns = (simulated.y, simulated.X, simulated.facility)
    repeated = [np.repeat(column, weights, axis=0) for column in columns]
    one = pooled_logistic(columns[0], columns[1], facility=columns[2], weights=weights)
    two = pooled_logistic(repeated[0], repeated[1], facility=repeated[2])
    assert_same_bits(one, two)
    three = pooled_logistic(columns[0] * weights, columns[1], facility=columns[2], trials=weights)
    assert_allclose(three.covariance, two.covariance, rtol=1e-12, atol=1e-15)


def test_counts_offset_and_weights_equal_statsmodels(published):
    rows = published["cbpp"]
    offset = np.linspace(-1, 1, len(rows.y))
    fit = pooled_logistic(rows.y, rows.X, trials=rows.trials, offset=offset)
    check = by_statsmodels(rows.y, rows.X, trials=rows.trials, offset=offset)
    assert_equal_to(fit, check)
    assert_allclose(fit.log_likelihood, check.llf, rtol=1e-10)
    assert_allclose(fit.predict(rows.X, offset), check.fittedvalues, rtol=1e-8)
    y, weights = (rows.y > 1).astype(int), np.arange(1, len(rows.y) + 1) % 3 + 1
    assert_equal_to(pooled_logistic(y, rows.X, weights=weights), by_statsmodels(y, rows.X, weights=weights))


@pytest.mark.parametrize("fractional", [False, True])
def test_row_order_leaves_every_bit(simulated, fractional):
    rng = np.random.default_rng(3)
    weights = rng.uniform(0.5, 2, len(simulated.y)) if fractional else np.ones(len(simulated.y))
    order = rng.permutation(len(simulated.y))
    y, X, facility = simulated.y, simulated.X, simulated.facility
    one = pooled_logistic(y, X, weights=weights, facility=facility)
    two = pooled_logistic(y[order], X[order], weights=weights[order], facility=facility[order])
    assert_same_bits(one, two)


THREADS = """
import numpy as np
from riskstd.model.assess import calibration, pooled_logistic, variance_inflation
rng = np.random.default_rng(0)
X = np.column_stack([rng.integers(0, 2, (30000, 12)), rng.normal(size=30000).round(2)])
y, facility = rng.random(30000) < 0.1 + 0.2 * X[:, 0], rng.integers(0, 50, 30000)
fit = pooled_logistic(y, X, facility=facility)
found = calibration(y, fit.predict(X))
print(fit.beta.tobytes().hex(), fit.covariance.tobytes().hex(), fit.log_likelihood.hex(), found.slope.hex())
print(found.intercept_se.hex(), variance_inflation(X).vif.tobytes().hex())
"""


def test_number_of_threads_leaves_every_bit():
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    printed = [
        subprocess.run(
            [sys.executable, "-c", THREADS],
            env=os.environ | dict.fromkeys(names, threads),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert len(printed[0]) > 1000


def test_is_the_hierarchical_model_without_effects():
    X = np.tile([0.0, 0, 0, 0, 1, 1, 1, 1, 2, 2], 20)[:, None]
    y, facility = np.tile([0, 0, 0, 1, 0, 0, 1, 1, 0, 1], 20), np.repeat(np.arange(20), 10)
    boundary = fit_hierarchical(y, X, facility)
    fit = pooled_logistic(y, X)
    assert boundary.singular
    assert_allclose(fit.log_likelihood, boundary.log_likelihood, rtol=1e-12)
    assert_allclose(fit.beta, boundary.beta, rtol=1e-9)


def test_statsmodels_result_is_the_same_model(simulated):
    fit = pooled_logistic(simulated.y, simulated.X, factor_names=NAMES)
    same = fit.as_statsmodels()
    assert_allclose(same.params.to_numpy(), np.append(fit.mu, fit.beta), rtol=1e-9)
    assert_allclose(same.bse.to_numpy(), np.append(fit.mu_se, fit.beta_se), rtol=1e-7)
    assert list(same.params.index) == ["intercept (mu)", *NAMES]


def test_frames_name_the_factors(simulated):
    table = pd.DataFrame(simulated.X, columns=NAMES)
    fit = pooled_logistic(pd.Series(simulated.y), table)
    assert fit.factor_names == tuple(NAMES)
    assert_same_bits(fit, pooled_logistic(simulated.y, pl.DataFrame(table.to_dict("list"))))
    frame = fit.to_frame()
    assert list(frame["term"]) == ["intercept (mu)", *NAMES]
    assert_allclose(frame["odds_ratio"][1:], np.exp(fit.beta))
    assert np.isnan(frame["odds_ratio"][0])
    with pytest.raises(FitError, match="differ from the risk factors"):
        fit.predict(table[NAMES[::-1]])
    with pytest.raises(FitError, match="X has 2 columns"):
        fit.predict(simulated.X[:, :2])


def test_level_and_text(simulated):
    fit = pooled_logistic(simulated.y, simulated.X, factor_names=NAMES, level=0.9)
    half = norm.ppf(0.95) * fit.beta_se
    assert_allclose(np.log(fit.odds_ratio_upper), fit.beta + half)
    text = fit.summary()
    assert "90% interval" in text
    assert "standard errors model-based" in text
    assert len(text.splitlines()) == 6 + 4
    clustered = pooled_logistic(simulated.y, simulated.X, facility=simulated.facility)
    assert "robust to 30 facilities" in clustered.summary()
    assert repr(clustered).startswith("PooledLogistic(n_cases=1200, n_events=")
    with pytest.raises(ValueError, match="read-only"):
        fit.beta[0] = 0


def test_no_risk_factors():
    fit = pooled_logistic([0, 1, 0, 0], np.zeros((4, 0)))
    assert_allclose([fit.mu, fit.mu_se], [np.log(1 / 3), np.sqrt(1 / 1 + 1 / 3)], rtol=1e-10)
    assert fit.log_likelihood == fit.log_likelihood_null


def refused(error=FitError, **given):
    rng = np.random.default_rng(0)
    rows = {"y": rng.integers(0, 2, 60), "X": np.column_stack([rng.integers(0, 2, 60), rng.normal(size=60)])}
    rows |= given
    with pytest.raises(error) as caught:
        pooled_logistic(rows.pop("y"), rows.pop("X"), **rows)
    return str(caught.value)


def test_bad_input_is_refused():
    x = np.random.default_rng(1).normal(size=60)
    copd = (x > 0.5).astype(int)
    assert "constant risk factors: x2" in refused(X=np.column_stack([x, np.ones(60)]))
    assert "is a linear combination of" in refused(X=np.column_stack([x, copd, 2 * x - copd]))
    assert "separated risk factors: 'copd'" in refused(y=copd, X=copd[:, None], factor_names=["copd"])
    assert "run to infinity: 'x1'" in refused(y=x > 0.2, X=x)
    assert "only events among 60 cases" in refused(y=np.ones(60))
    assert "y has shape (59,)" in refused(y=np.ones(59))
    assert "risk factor 'x1': 1 of 60 rows missing" in refused(X=np.append(x[:-1], np.nan))
    assert "1 facility with cases" in refused(facility=np.zeros(60))
    assert "no rows" in refused(y=[], X=np.zeros((0, 2)))
    assert "level 95" in refused(OptionError, level=95)
