"""A small data set and its posterior; every test that samples needs the extra riskstd[bayes]."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest


class Rows(NamedTuple):
    y: np.ndarray
    X: np.ndarray
    facility: np.ndarray


def simulate(n: int = 900, n_facilities: int = 12, tau: float = 0.6, seed: int = 4) -> Rows:
    rng = np.random.default_rng(seed)
    facility = np.concatenate([np.arange(n_facilities), rng.integers(0, n_facilities, n - n_facilities)])
    X = np.column_stack([rng.integers(0, 5, n), rng.random(n) < 0.3]).astype(float)
    log_odds = -1.5 + X @ [0.2, 0.5] + rng.normal(0, tau, n_facilities)[facility]
    return Rows((rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int), X, facility)


@pytest.fixture(scope="session")
def simulator():
    return simulate


@pytest.fixture(scope="session")
def rows():
    return simulate()


@pytest.fixture(scope="session")
def fit(rows):
    pytest.importorskip("nutpie")
    from riskstd.model.bayes import Sampling, fit_bayes

    return fit_bayes(*rows, sampling=Sampling(draws=1000, tune=500, seed=11))


@pytest.fixture(scope="session")
def short_fit(rows):
    """Far too few draws."""
    pytest.importorskip("nutpie")
    from riskstd.model.bayes import Sampling, fit_bayes

    return fit_bayes(*rows, sampling=Sampling(draws=8, tune=5, seed=1))
