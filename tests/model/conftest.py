"""Published data sets as arrays, the reference fits, and a simulator."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

DATA = Path(__file__).parent / "data"

# herd, cases, animals, period 1 to 4
CBPP = """1,2,14,1 1,3,12,2 1,4,9,3 1,0,5,4 2,3,22,1 2,1,18,2 2,1,21,3 3,8,22,1 3,2,16,2 3,0,16,3 3,2,20,4
4,2,10,1 4,0,10,2 4,2,9,3 4,0,6,4 5,5,18,1 5,0,25,2 5,0,24,3 5,1,4,4 6,3,17,1 6,0,17,2 6,0,18,3 6,1,20,4
7,8,16,1 7,1,10,2 7,3,9,3 7,0,5,4 8,12,34,1 9,2,9,1 9,0,6,2 9,0,8,3 9,0,6,4 10,1,22,1 10,1,22,2 10,0,18,3
10,2,22,4 11,0,25,1 11,5,27,2 11,3,22,3 11,1,22,4 12,2,10,1 12,1,8,2 12,0,6,3 12,0,5,4 13,1,21,1 13,2,24,2
13,0,19,3 13,0,23,4 14,11,19,1 14,0,2,2 14,0,3,3 14,0,2,4 15,1,19,1 15,1,15,2 15,1,15,3 15,0,15,4"""
SURGICAL_DEATHS = [0, 18, 8, 46, 8, 13, 9, 31, 14, 8, 29, 24]
SURGICAL_CASES = [47, 148, 119, 810, 211, 196, 148, 215, 207, 97, 256, 360]


class Rows(NamedTuple):
    y: np.ndarray
    X: np.ndarray
    facility: np.ndarray
    trials: np.ndarray | None


def read_cbpp() -> Rows:
    table = np.array([[int(v) for v in row.split(",")] for row in CBPP.split()])
    periods = (table[:, 3:] == [2, 3, 4]).astype(float)
    return Rows(table[:, 1], periods, table[:, 0], table[:, 2])


def read_surgical() -> Rows:
    return Rows(np.array(SURGICAL_DEATHS), np.zeros((12, 0)), np.arange(1, 13), np.array(SURGICAL_CASES))


def read_toenail() -> Rows:
    y, rows, patient = [], [], []
    with (DATA / "toenail.csv").open() as file:
        for number, line in enumerate(csv.DictReader(file)):
            treated = int(line["terbinafine"])
            for month, severe in zip(line["months"].split(), line["severe"], strict=True):
                y.append(int(severe))
                rows.append([treated, float(month), treated * float(month)])
                patient.append(number)
    return Rows(np.array(y), np.array(rows), np.array(patient), None)


def read_contraception() -> Rows:
    y, rows, district = [], [], []
    with (DATA / "contraception.csv").open() as file:
        for line in csv.DictReader(file):
            age, children, women = (
                float(line["age_centered_years"]),
                line["living_children"],
                int(line["women"]),
            )
            row = [age, age * age, int(line["urban"]), *(int(children == k) for k in "123")]
            rows += [row] * women
            y += [int(line["uses_contraception"])] * women
            district += [int(line["district"])] * women
    return Rows(np.array(y), np.array(rows), np.array(district), None)


def read_bacteria() -> Rows:
    y, rows, child = [], [], []
    with (DATA / "bacteria.csv").open() as file:
        for number, line in enumerate(csv.DictReader(file)):
            treated, encouraged = (float(line["treatment"] == arm) for arm in ("drug", "drug_plus"))
            for late, present in enumerate((line["present_to_week_2"], line["present_later"])):
                y += [int(found) for found in present]
                rows += [[treated, encouraged, float(late)]] * len(present)
                child += [number] * len(present)
    return Rows(np.array(y), np.array(rows), np.array(child), None)


def read_boundary() -> Rows:
    y, rows, facility = [], [], []
    with (DATA / "boundary.csv").open() as file:
        for number, line in enumerate(csv.DictReader(file)):
            y += [int(event) for event in line["events"]]
            rows += [[float(x)] for x in line["x"].split()]
            facility += [number] * len(line["events"])
    return Rows(np.array(y), np.array(rows), np.array(facility), None)


READERS = {
    "cbpp": read_cbpp,
    "surgical": read_surgical,
    "toenail": read_toenail,
    "contraception": read_contraception,
    "bacteria": read_bacteria,
    "boundary": read_boundary,
}


@pytest.fixture(scope="session")
def published() -> dict[str, Rows]:
    return {name: read() for name, read in READERS.items()}


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    return json.loads((DATA / "golden.json").read_text())


def simulate(
    n: int = 1200,
    n_facilities: int = 30,
    n_factors: int = 4,
    tau: float = 0.6,
    mu: float = -1.5,
    seed: int = 7,
) -> Rows:
    """Facilities of uneven size; a small-integer column, the others 0/1."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(n_facilities, 2.0))
    facility = np.concatenate([np.arange(n_facilities), rng.choice(n_facilities, n - n_facilities, p=share)])
    X = (rng.random((n, n_factors)) < rng.uniform(0.1, 0.5, n_factors)).astype(float)
    X[:, 0] = rng.integers(0, 25, n)
    beta = np.append(0.03, rng.normal(0, 0.4, n_factors - 1))
    log_odds = mu + X @ beta + rng.normal(0, tau, n_facilities)[facility]
    return Rows((rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int), X, facility, None)


@pytest.fixture(scope="session")
def simulator():
    return simulate


@pytest.fixture(scope="session")
def simulated() -> Rows:
    return simulate()
