"""Without numba everything works by numpy, with the same results, and says so once."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from riskstd.model import engine, fit_hierarchical
from riskstd.model.paths import path_of
from riskstd.model.plain import PlainPath
from riskstd.rates import standardize

METHODS = ({"method": "agq"}, {"method": "laplace"}, {"method": "pql"}, {"method": "pql", "pql_form": "ml"})


@pytest.fixture
def rows(simulator):
    return simulator(n=3000, n_facilities=25, n_factors=4)


@pytest.fixture
def broken_numba(monkeypatch):
    monkeypatch.setattr(engine, "_load", lambda name: (None, "OSError"))
    engine._said.clear()
    yield
    engine._said.clear()


@pytest.mark.parametrize("options", METHODS)
def test_numpy_alone_agrees(rows, options, monkeypatch):
    compiled = fit_hierarchical(rows.y, rows.X, rows.facility, **options)
    monkeypatch.setenv(engine.NO_NUMBA, "1")
    plain = fit_hierarchical(rows.y, rows.X, rows.facility, **options)
    assert isinstance(path_of(plain.data.cells), PlainPath)
    for name in ("mu", "beta", "tau", "log_likelihood", "effects", "effects_variance", "prediction_variance"):
        assert_allclose(getattr(plain, name), getattr(compiled, name), rtol=1e-8, atol=1e-10, err_msg=name)
    assert_allclose(plain.covariance, compiled.covariance, rtol=1e-6, atol=1e-12)
    one, two = (standardize(fit, scale="percent", n_bootstrap=20, seed=1) for fit in (plain, compiled))
    assert_allclose(one.lower, two.lower, rtol=1e-4)
    assert_allclose(one.upper, two.upper, rtol=1e-4)


def test_rows_collapse_to_the_same_cells(rows, monkeypatch):
    compiled = fit_hierarchical(rows.y, rows.X, rows.facility).data.cells
    monkeypatch.setenv(engine.NO_NUMBA, "1")
    plain = fit_hierarchical(rows.y, rows.X, rows.facility).data.cells
    for name in ("pattern", "pointer", "n", "y", "center", "scale"):
        assert np.array_equal(getattr(plain, name), getattr(compiled, name)), name
    for name in ("pointer", "column", "value", "offset", "index"):
        assert np.array_equal(getattr(plain.design, name), getattr(compiled.design, name)), name


@pytest.mark.usefixtures("broken_numba")
def test_a_broken_numba_is_said_once(rows):
    with pytest.warns(engine.SlowPathWarning, match=r"numba cannot be used \(OSError\).*slower") as said:
        fit = fit_hierarchical(rows.y, rows.X, rows.facility, method="laplace")
    assert len(said) == 1
    assert fit.converged
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_hierarchical(rows.y, rows.X, rows.facility, method="laplace")


def test_an_absent_numba_is_no_error():
    script = """
import sys, warnings
sys.modules["numba"] = None
import numpy as np, riskstd
rng = np.random.default_rng(1)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    fit = riskstd.fit_hierarchical(rng.random(900) < 0.3, rng.random(900) < 0.4, np.arange(900) % 9)
print(fit.converged, [type(one.message).__name__ for one in said])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "True ['SlowPathWarning']"
