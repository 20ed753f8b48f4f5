"""Simulated facilities and their fits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from riskstd.model import fit_hierarchical


class Rows(NamedTuple):
    y: np.ndarray
    X: np.ndarray
    facility: np.ndarray
    effects: np.ndarray
    beta: np.ndarray
    mu: float


def simulate(n: int = 1500, n_facilities: int = 25, tau: float = 0.5, mu: float = -1.8, seed: int = 3) -> Rows:
    rng = np.random.default_rng(seed)
    facility = np.concatenate([np.arange(n_facilities), rng.integers(0, n_facilities, n - n_facilities)])
    X = np.column_stack([rng.integers(0, 25, n), rng.random((n, 2)) < [0.3, 0.2]]).astype(float)
    beta, effects = np.array([0.03, 0.5, -0.3]), rng.normal(0, tau, n_facilities)
    log_odds = mu + X @ beta + effects[facility]
    y = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
    return Rows(y, X, facility, effects, beta, mu)


@pytest.fixture(scope="session")
def simulator():
    return simulate


@pytest.fixture(scope="session")
def rows():
    return simulate()


@pytest.fixture(scope="session")
def fit(rows):
    return fit_hierarchical(rows.y, rows.X, rows.facility)


@pytest.fixture(scope="session")
def singular_fit():
    """Twenty equal facilities: tau is 0."""
    x = np.tile([0.0, 0, 0, 0, 1, 1, 1, 1, 2, 2], 20)
    y = np.tile([0, 0, 0, 1, 0, 0, 1, 1, 0, 1], 20)
    return fit_hierarchical(y, x, np.repeat(np.arange(20), 10))
