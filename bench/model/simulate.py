"""Seeded data of the sizes of the four measures, written once as .npy files.

    python bench/model/simulate.py asc12_national asc18        # writes bench/.data/<size>-<type>/

A case has a health state out of `N_STATES`; the states raise or lower the prevalence of every
flag together, so that flags come in clusters as diagnoses do. Age and relative value units, where
a size has them, are drawn independently. Facility volumes are lognormal, rows are in random order.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parents[1] / ".data"
FORMAT = 1
"""Raise it whenever the same size would give other data."""
CHUNK = 250_000
N_STATES = 16
STATE_SPREAD = 0.8
"""Standard deviation of the health state in log-odds of every flag's prevalence."""
VOLUME_SPREAD = 1.1
"""Standard deviation of log volume: 8 % of 4,000 facilities with a mean of 250 cases stay below 30."""
AGES = np.arange(65, 96)
N_RVU_LEVELS = 250


@dataclass(frozen=True)
class Size:
    """One data set.

    Parameters
    ----------
    rows, facilities : int
    flags : int
        Columns of 0 and 1; with `age_years`, `age_groups` and `rvu` they are the columns.
    most_common, rarest : float
        Prevalence of the first and the last flag in the middle health state; geometric between.
    event_rate, tau : float
        True values, tau the standard deviation of the facility effects.
    seed : int
    age_years, rvu : bool
        Age 65 to 95 in years; relative value units with `N_RVU_LEVELS` levels.
    age_groups : int
        Levels of age, coded 0, 1, ...; none when 0.
    measure : str
    """

    rows: int
    facilities: int
    flags: int
    most_common: float
    rarest: float
    event_rate: float
    tau: float
    seed: int
    measure: str
    age_years: bool = False
    rvu: bool = False
    age_groups: int = 0

    @property
    def columns(self) -> int:
        return self.flags + self.age_years + self.rvu + (self.age_groups > 0)


SIZES = {
    "asc12_national": Size(1_000_000, 4_000, 21, 0.183, 0.003, 0.015, 0.304, 1201, "ASC-12", age_groups=5),
    "asc12": Size(200_000, 800, 21, 0.183, 0.003, 0.015, 0.304, 1202, "ASC-12", age_groups=5),
    "asc17": Size(250_000, 2_300, 28, 0.42, 0.006, 0.021, 0.35, 1701, "ASC-17", age_years=True, rvu=True),
    "asc18": Size(100_000, 1_300, 8, 0.35, 0.02, 0.050, 0.35, 1801, "ASC-18", age_groups=5),
    "asc19": Size(150_000, 2_000, 26, 0.42, 0.006, 0.017, 0.44, 1901, "ASC-19", age_years=True),
    "asc12_10m": Size(10_000_000, 4_000, 21, 0.183, 0.003, 0.015, 0.304, 1203, "ASC-12", age_groups=5),
    "small": Size(20_000, 260, 8, 0.35, 0.02, 0.050, 0.35, 1802, "ASC-18", age_groups=5),
}
TYPES = {"float64": np.float64, "uint8": np.uint8}


@dataclass(frozen=True, eq=False)
class Data:
    """Arrays as a user would hold them; `y` and `facility` are int64."""

    X: NDArray[Any]
    y: NDArray[np.int64]
    facility: NDArray[np.int64]

    @property
    def bytes(self) -> int:
        return self.X.nbytes + self.y.nbytes + self.facility.nbytes

    def part(self, share: float) -> Data:
        """The cases of the first facilities, at least 60, without the columns that are separated in them."""
        labels = np.unique(self.facility)
        kept = self.facility <= labels[min(len(labels), max(60, int(share * len(labels)))) - 1]
        X, y = self.X[kept], self.y[kept]
        usable = np.ptp(X[y == 1], axis=0) * np.ptp(X[y == 0], axis=0) > 0
        return Data(np.ascontiguousarray(X[:, usable]), y, self.facility[kept])


@dataclass(frozen=True, eq=False)
class Truth:
    """What the rows are drawn from."""

    state_share: NDArray[np.float64]
    prevalence: NDArray[np.float64]
    rvu_levels: NDArray[np.float64]
    beta: NDArray[np.float64]
    effects: NDArray[np.float64]
    volume_share: NDArray[np.float64]
    labels: NDArray[np.int64]


def draw_truth(size: Size) -> Truth:
    rng = np.random.default_rng([size.seed, 0])
    middle = np.geomspace(size.most_common, size.rarest, size.flags)
    quantiles = np.linspace(-1.75, 1.75, N_STATES)
    share = np.exp(-0.5 * quantiles**2)
    log_odds = np.log(middle / (1 - middle)) + STATE_SPREAD * quantiles[:, None]
    beta = rng.normal(0.2, 0.25, size.flags)
    extra = [0.25] * (size.age_groups > 0) + [0.03] * size.age_years + [0.04] * size.rvu
    volume = rng.lognormal(0.0, VOLUME_SPREAD, size.facilities)
    return Truth(
        state_share=share / share.sum(),
        prevalence=1.0 / (1.0 + np.exp(-log_odds)),
        rvu_levels=np.sort(np.round(rng.lognormal(1.2, 0.7, N_RVU_LEVELS), 2)),
        beta=np.append(beta, extra),
        effects=rng.normal(0.0, size.tau, size.facilities),
        volume_share=volume / volume.sum(),
        labels=rng.permutation(np.arange(100_000, 1_000_000))[: size.facilities],
    )


def draw_rows(size: Size, truth: Truth, rng: np.random.Generator, n: int) -> NDArray[Any]:
    """Risk factors of n cases."""
    state = rng.choice(N_STATES, n, p=truth.state_share)
    X = np.empty((n, size.columns), dtype=np.float64 if size.rvu else np.uint8)
    for k in range(size.flags):
        X[:, k] = rng.random(n, dtype=np.float32) < truth.prevalence[state, k]
    column = size.flags
    if size.age_groups:
        X[:, column] = rng.integers(0, size.age_groups, n)
        column += 1
    if size.age_years:
        weight = np.exp(-(((AGES - 65) / 14.0) ** 2))
        X[:, column] = rng.choice(AGES, n, p=weight / weight.sum())
        column += 1
    if size.rvu:
        weight = 1.0 / np.arange(1, N_RVU_LEVELS + 1)
        X[:, column] = rng.choice(rng.permuted(truth.rvu_levels), n, p=weight / weight.sum())
    return X


def find_intercept(size: Size, truth: Truth) -> float:
    """Intercept at which a sample of cases has the size's event rate."""
    rng = np.random.default_rng([size.seed, 1])
    facility = rng.choice(size.facilities, CHUNK, p=truth.volume_share)
    rest = draw_rows(size, truth, rng, CHUNK) @ truth.beta + truth.effects[facility]
    low, high = -60.0, 20.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = np.mean(1.0 / (1.0 + np.exp(-(middle + rest)))) > size.event_rate
        low, high = (low, middle) if above else (middle, high)
    return 0.5 * (low + high)


def draw_facilities(size: Size, truth: Truth) -> NDArray[np.int64]:
    """Facility position of every case, each facility at least once, in random order."""
    rng = np.random.default_rng([size.seed, 2])
    cases = 1 + rng.multinomial(size.rows - size.facilities, truth.volume_share)
    return rng.permuted(np.repeat(np.arange(size.facilities), cases))


def draw_chunks(size: Size, truth: Truth, facility: NDArray[np.int64]) -> Iterator[tuple[slice, Any, Any]]:
    """Rows and outcomes, a chunk at a time."""
    intercept = find_intercept(size, truth)
    for number, start in enumerate(range(0, size.rows, CHUNK)):
        rng = np.random.default_rng([size.seed, 3, number])
        here = slice(start, min(start + CHUNK, size.rows))
        X = draw_rows(size, truth, rng, here.stop - start)
        log_odds = intercept + X @ truth.beta + truth.effects[facility[here]]
        yield here, X, rng.random(len(X)) < 1.0 / (1.0 + np.exp(-log_odds))


def write_data(name: str, kind: str = "float64") -> Path:
    """Write X.npy, y.npy, facility.npy and about.json of a size, unless they are there.

    Parameters
    ----------
    name : str
        One of `SIZES`.
    kind : {"float64", "uint8"}
        Type of X; "uint8" for sizes whose columns are all small whole numbers.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    size = SIZES[name]
    if kind == "uint8" and size.rvu:
        raise SystemExit(f"{name} has a column that is no small whole number; use float64")
    folder = DATA / f"{name}-{kind}"
    about = folder / "about.json"
    if about.exists() and json.loads(about.read_text("utf-8"))["format"] == FORMAT:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    truth = draw_truth(size)
    position = draw_facilities(size, truth)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", TYPES[kind], (size.rows, size.columns))
    y = np.empty(size.rows, dtype=np.int64)
    for here, rows, outcome in draw_chunks(size, truth, position):
        X[here] = rows
        y[here] = outcome
    X.flush()
    np.save(folder / "y.npy", y)
    np.save(folder / "facility.npy", truth.labels[position])
    about.write_text(json.dumps({"format": FORMAT, "events": int(y.sum()), **layout(X, position)}) + "\n", "utf-8")
    return folder


def layout(X: NDArray[Any], facility: NDArray[Any]) -> dict[str, int]:
    """Distinct rows of the file, and distinct rows within facilities."""
    pattern = pattern_codes(X)
    n_patterns = int(pattern.max()) + 1
    return {"patterns": n_patterns, "cells": len(np.unique(facility * n_patterns + pattern))}


def pattern_codes(X: NDArray[Any]) -> NDArray[np.int64]:
    """Number of each row among the distinct rows; exact, by mixed-radix keys."""
    key = np.zeros(len(X), dtype=np.int64)
    size = 1
    for column in X.T:
        values, codes = np.unique(column, return_inverse=True)
        if size > 2**62 // len(values):
            distinct, key = np.unique(key, return_inverse=True)
            size = len(distinct)
        key, size = key * len(values) + codes, size * len(values)
    return np.unique(key, return_inverse=True)[1]


def read_data(folder: Path) -> Data:
    """Read the arrays into memory."""
    return Data(*(np.load(folder / f"{part}.npy") for part in ("X", "y", "facility")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="+", choices=sorted(SIZES))
    parser.add_argument("--type", choices=sorted(TYPES), default="float64")
    given = parser.parse_args()
    for name in given.sizes:
        folder = write_data(name, given.type)
        print(name, folder, (folder / "about.json").read_text("utf-8").strip(), file=sys.stdout)


if __name__ == "__main__":
    main()
