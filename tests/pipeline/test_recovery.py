"""From claim files to estimates: tau and coefficients come back within their standard errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import chi2

import riskstd
from riskstd.synth import synthesize

SIZES = {"ASC-12": 120_000, "ASC-17": 80_000, "ASC-18": 50_000, "ASC-19": 80_000}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_truth_is_recovered_within_standard_errors(name, tmp_path):
    synthesize(tmp_path, measures=(name,), facilities=120, procedures=SIZES[name], seed=5, edge_cases=False)
    run = riskstd.run_measure(name, claims=tmp_path / "claims", out=tmp_path / "runs", interval="none")
    truth = json.loads((tmp_path / "truth" / "coefficients.json").read_text())[name]
    assert run.modelled is not None
    fit = run.modelled.fit
    assert fit.converged
    assert not fit.singular
    off_tau = (fit.tau - truth["tau"]) / fit.tau_se
    off = np.array(
        [(b - truth["beta"][f]) / se for f, b, se in zip(fit.factor_names, fit.beta, fit.beta_se, strict=True)]
    )
    assert abs(off_tau) < 3
    assert abs((fit.mu - truth["mu"]) / fit.mu_se) < 3.5
    # Together the squared distances follow chi-square; 0.999 leaves one false alarm in a thousand.
    assert float(off @ off) < chi2.ppf(0.999, len(off))
    assert np.abs(off).max() < 4
