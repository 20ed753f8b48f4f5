"""Data sets on which programs are compared: published ones that textbooks fit, and simulated years.

The published ones are those of tests/model, where each has its citation.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
# The published sets, and the simulator, judge and processes of the benchmark of the model, which this one shares.
sys.path[:0] = [str(ROOT / "bench" / "model"), str(ROOT / "tests" / "model")]

import processes  # noqa: E402
from conftest import READERS  # noqa: E402
from referee import log_likelihood  # noqa: E402
from simulate import DATA, read_data, write_data  # noqa: E402

__all__ = ["Rows", "log_likelihood", "processes", "published", "simulated"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """A data set: events `y` of `n` cases a row, risk factors, facility."""

    y: Array
    n: Array
    X: Array
    facility: NDArray[np.int32]

    def one_by_one(self) -> Rows:
        """One row per case, events first."""
        repeat = np.repeat(np.arange(len(self.y)), self.n.astype(int))
        starts = np.cumsum(self.n) - self.n
        y = (np.arange(len(repeat)) - starts[repeat] < self.y[repeat]).astype(float)
        return Rows(y, np.ones(len(y)), self.X[repeat], self.facility[repeat])


def published(name: str) -> Rows:
    """Rows of a set of tests/model."""
    rows = READERS[name]()
    y = np.asarray(rows.y, dtype=float)
    n = np.ones(len(y)) if rows.trials is None else np.asarray(rows.trials, dtype=float)
    facility = np.unique(rows.facility, return_inverse=True)[1].astype(np.int32)
    return Rows(y, n, np.asarray(rows.X, dtype=float).reshape(len(y), -1), facility)


def simulated(size: str) -> Rows:
    """Rows of a size of bench/model."""
    folder = DATA / f"{size}-float64"
    data = read_data(folder if folder.is_dir() else write_data(size))
    facility = np.unique(data.facility, return_inverse=True)[1].astype(np.int32)
    return Rows(data.y.astype(float), np.ones(len(data.y)), np.asarray(data.X, dtype=float), facility)
