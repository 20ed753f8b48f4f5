"""How often the intervals of facility rates hold the true rate, on simulated years of ASC-18's size.

    python bench/model/interval_coverage.py [docs/coverage.md]

The cases and their risk factors are drawn once; facility effects and outcomes are drawn anew for every data set,
so that truth is known for every facility.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulate import SIZES, draw_facilities, draw_rows, draw_truth, find_intercept

import riskstd

FloatArray = NDArray[np.float64]

ASC18 = replace(SIZES["asc18"], event_rate=0.051, tau=0.235)
"""100,000 cases in 1,300 facilities, nine risk factors. The ASC-18 file of July 2024 has 1,083 facilities, those with
a score 160,000 cases in two years; its national rate is 5.1 %, and 0.235 is the standard deviation of facility
effects that its printed limits imply. The manual has nine risk variables for ASC-18 (v14.0, p. 1-30)."""
INTERVALS = ("bootstrap", "plug-in", "closed-form")
WORST_SHARE = 0.05
N_CLASSES = 4
DATA_SETS = 200
REPLICATES = 1_000
PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


@dataclass(frozen=True, eq=False)
class Country:
    """Cases whose outcomes can be drawn again and again.

    Parameters
    ----------
    X : ndarray of uint8, shape (n_cases, n_factors)
    facility : ndarray of int, shape (n_cases,)
    mu, tau : float
    beta : ndarray, shape (n_factors,)
    seed : int
    """

    X: NDArray[np.uint8]
    facility: NDArray[np.int64]
    mu: float
    beta: FloatArray
    tau: float
    seed: int

    @cached_property
    def log_odds(self) -> FloatArray:
        """Of every case at the average facility."""
        return self.mu + self.X @ self.beta

    @cached_property
    def cases(self) -> NDArray[np.int64]:
        return np.bincount(self.facility)

    @cached_property
    def volume_class(self) -> NDArray[np.int64]:
        """Quarter of the facilities by cases, 0 the smallest; equal volumes stay together."""
        edges = np.quantile(self.cases, np.arange(1, N_CLASSES) / N_CLASSES)
        return np.searchsorted(edges, self.cases)

    @property
    def estimands(self) -> FloatArray:
        """mu, beta, tau."""
        return np.concatenate([[self.mu], self.beta, [self.tau]])

    def draw(self, number: int) -> Outcomes:
        """Effects and outcomes of one data set."""
        rng = np.random.default_rng([self.seed, 4, number])
        effects = rng.normal(0.0, self.tau, len(self.cases))
        p = inverse_logit(self.log_odds + effects[self.facility])
        predicted = np.bincount(self.facility, p)
        return Outcomes(
            y=rng.random(len(p)) < p,
            ratio=predicted / np.bincount(self.facility, inverse_logit(self.log_odds)),
            national_rate=float(p.mean()),
        )


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One data set and what it was drawn from.

    Parameters
    ----------
    y : ndarray of bool, shape (n_cases,)
    ratio : ndarray, shape (n_facilities,)
        True predicted / true expected events.
    national_rate : float
        Mean of the true probabilities of all cases, as a proportion.
    """

    y: NDArray[np.bool_]
    ratio: FloatArray
    national_rate: float

    @property
    def rate(self) -> FloatArray:
        """True risk-standardised rate, in percent."""
        return 100.0 * self.national_rate * self.ratio

    @property
    def worst(self) -> NDArray[np.bool_]:
        """The facilities of highest true ratio."""
        return self.ratio > np.quantile(self.ratio, 1.0 - WORST_SHARE)


@dataclass(frozen=True, eq=False)
class Limits:
    """How one kind of interval did in one data set, per facility.

    Parameters
    ----------
    below, above : ndarray of bool, shape (n_facilities,)
        The true rate lies below the lower, above the upper limit.
    flagged : ndarray of bool, shape (n_facilities,)
        The lower limit is above the observed national rate.
    width : ndarray, shape (n_facilities,)
        Upper / lower limit.
    tau : float
        As estimated.
    outcomes : Outcomes
    """

    below: NDArray[np.bool_]
    above: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    width: FloatArray
    tau: float
    outcomes: Outcomes

    @property
    def covers(self) -> NDArray[np.bool_]:
        return ~(self.below | self.above)


Runs = dict[str, list[Limits]]
"""Limits of every data set, by kind of interval."""


def inverse_logit(log_odds: FloatArray) -> FloatArray:
    """Probability of log-odds.

    Examples
    --------
    >>> inverse_logit(np.array([0.0])).tolist()
    [0.5]
    """
    return 1.0 / (1.0 + np.exp(-log_odds))


def draw_country(size: Any = ASC18) -> Country:
    """Cases of a size of `simulate.py`, sorted by facility."""
    truth = draw_truth(size)
    return Country(
        X=draw_rows(size, truth, np.random.default_rng([size.seed, 3]), size.rows),
        facility=np.sort(draw_facilities(size, truth)),
        mu=find_intercept(size, truth),
        beta=truth.beta,
        tau=size.tau,
        seed=size.seed,
    )


def fit(country: Country, outcomes: Outcomes, **method: Any) -> Any:
    """Fit of one data set by `riskstd.fit_hierarchical`."""
    return riskstd.fit_hierarchical(outcomes.y, country.X, country.facility, **method)


def judge_limits(
    model: Any, outcomes: Outcomes, interval: str, *, n_bootstrap: int = REPLICATES, seed: int = 0, level: float = 0.95
) -> Limits:
    """Limits of one fit against the true rates."""
    options: dict[str, Any] = {"n_bootstrap": n_bootstrap, "seed": seed} if interval == "bootstrap" else {}
    rates = riskstd.standardize(model, scale="percent", interval=interval, level=level, **options)
    return Limits(
        below=outcomes.rate < rates.lower,
        above=outcomes.rate > rates.upper,
        flagged=rates.lower > rates.comparator,
        width=rates.upper / rates.lower,
        tau=model.tau,
        outcomes=outcomes,
    )


def coverage_at_true_tau(country: Country, limits: list[Limits]) -> tuple[float, float]:
    """Coverage in data sets whose estimate of tau hits the truth, and its Monte Carlo error.

    From a quadratic curve of coverage over the estimate of tau, one point a data set.
    """
    off = np.array([one.tau for one in limits]) - country.tau
    covered = np.array([one.covers.mean() for one in limits])
    basis = np.column_stack([np.ones_like(off), off, off**2])
    curve, *_ = np.linalg.lstsq(basis, covered)
    rest = covered - basis @ curve
    variance = rest @ rest / (len(off) - 3) * np.linalg.inv(basis.T @ basis)[0, 0]
    return float(curve[0]), float(np.sqrt(variance))


def write_page(country: Country, runs: Runs, replicates: int) -> str:
    """Text of docs/coverage.md, from the same data sets for every kind of interval."""
    truths = [one.outcomes for one in next(iter(runs.values()))]
    explanation = EXPLANATION.format(
        n=len(truths),
        rows=len(country.facility),
        facilities=len(country.cases),
        factors=len(country.beta),
        rate=100 * np.mean([true.national_rate for true in truths]),
        tau=country.tau,
        replicates=replicates,
    )
    return "\n".join(
        [
            "# Do the intervals hold the true rate?\n",
            explanation,
            "## All facilities\n",
            *table_by_volume(country, runs),
            *table_of_sides(runs),
            f"## The truly worst {100 * WORST_SHARE:.0f} %\n",
            f"The {truths[0].worst.sum()} facilities of each data set whose true rate is highest.\n",
            *table_of_the_worst(country, runs),
            "## Flags\n",
            'A facility is flagged "worse" where its lower limit is above the national rate.\n',
            *table_of_flags(runs),
        ]
    )


def table_by_volume(country: Country, runs: Runs) -> list[str]:
    """Coverage and width of all facilities and of each quarter by cases."""
    groups = {"all": np.ones(len(country.cases), dtype=bool)}
    for number in range(N_CLASSES):
        inside = country.volume_class == number
        groups[f"{country.cases[inside].min():,} to {country.cases[inside].max():,}"] = inside
    rows = [
        [
            words,
            f"{inside.sum():,}",
            *shares(runs, lambda one, inside=inside: one.covers[inside]),
            *(f"{np.median([one.width[inside] for one in of]):.2f}" for of in runs.values()),
        ]
        for words, inside in groups.items()
    ]
    known = [coverage_at_true_tau(country, of) for of in runs.values()]
    cells = [f"{100 * value:.1f} ± {100 * error:.1f}" for value, error in known]
    rows.insert(1, ["all, where tau is estimated right", f"{len(country.cases):,}", *cells, *[""] * len(runs)])
    header = [*(f"{kind}: % covered" for kind in runs), *(f"{kind}: median upper / lower limit" for kind in runs)]
    return _table(["cases", "facilities", *header], rows)


def table_of_sides(runs: Runs) -> list[str]:
    """On which side of the interval the other true rates lie."""
    rows = [
        ["above the upper limit", *shares(runs, lambda one: one.above)],
        ["below the lower limit", *shares(runs, lambda one: one.below)],
    ]
    return _table(["true rate, % of facilities", *runs], rows)


def table_of_the_worst(country: Country, runs: Runs) -> list[str]:
    """Coverage of the facilities of highest true rate."""
    rows = [
        ["covered", *shares(runs, lambda one: one.covers[one.outcomes.worst])],
        ["true rate above the upper limit", *shares(runs, lambda one: one.above[one.outcomes.worst])],
        ["flagged worse", *shares(runs, lambda one: one.flagged[one.outcomes.worst])],
    ]
    for number in range(N_CLASSES):
        inside = country.volume_class == number
        words = f"covered, of those with {country.cases[inside].min():,} to {country.cases[inside].max():,} cases"
        rows.append([words, *shares(runs, lambda one, inside=inside: one.covers[one.outcomes.worst & inside])])
    return _table(["% of the truly worst", *runs], rows)


def table_of_flags(runs: Runs) -> list[str]:
    """How many facilities are flagged, and how many of them rightly."""
    flagged = [[int(one.flagged.sum()) for one in of] for of in runs.values()]
    rightly = [[int((one.flagged & (one.outcomes.ratio > 1)).sum()) for one in of] for of in runs.values()]
    rows = [
        ["flagged worse, per data set", *(f"{np.mean(each):.1f}" for each in flagged)],
        [
            "of them truly worse than the average facility, %",
            *(f"{100 * sum(r) / sum(f):.1f}" if sum(f) else "none" for r, f in zip(rightly, flagged, strict=True)),
        ],
    ]
    return _table(["facilities", *runs], rows)


def shares(runs: Runs, of: Callable[[Limits], Any]) -> list[str]:
    """Percentage over data sets for each kind of interval, with its Monte Carlo error."""
    cells = []
    for limits in runs.values():
        each = [of(one) for one in limits]
        values = np.array([100.0 * np.mean(one) for one in each if len(one)])
        cells.append(f"{values.mean():.1f} ± {values.std(ddof=1) / np.sqrt(len(values)):.1f}")
    return cells


EXPLANATION = """\
{n} data sets were simulated in which the true rate of every facility is known: {rows:,} cases of {facilities:,}
facilities with {factors} risk factors, {rate:.1f} % events, facility effects with a standard deviation of {tau} on the
log-odds scale. Each was fitted by quadrature (7 nodes), and every facility got its 95 % intervals, the bootstrap's with
{replicates:,} replicates. The truth is a facility's predicted over expected events by the true coefficients and
effects, times the true national rate. ± is one Monte Carlo standard error, from the spread between data sets.
`bench/model/interval_coverage.py` (`make bench-coverage`) makes this page.

Over all facilities, and over those of any volume, 95 % intervals should hold the truth 95 % of the time. The bootstrap
and the plug-in interval fall a little short because both rest on the estimated tau: where the estimate is too small,
intervals are too short, and more is lost there than is gained where it is too large. The second row of the first table
leaves this out (coverage as a smooth function of the estimated tau, read at the true tau). The closed form is wider
throughout.

They hold the truth on average over facilities. Estimates are pulled towards the national rate, the more so the fewer
cases a facility has; a facility that is truly among the worst is therefore estimated as better than it is, and its
interval often ends below its true rate. An interval says where a facility with such data is likely to lie; it does not
promise 95 % to a facility whose care is in truth exceptional. This comes with every shrunken estimate, holds for all
three kinds of interval, and is mildest where a facility has many cases.
"""


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", nargs="?", type=Path, default=PAGE)
    parser.add_argument("--data-sets", type=int, default=DATA_SETS)
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    given = parser.parse_args()
    country = draw_country()
    runs: Runs = {kind: [] for kind in INTERVALS}
    start = time.perf_counter()
    for number in range(given.data_sets):
        outcomes = country.draw(number)
        model = fit(country, outcomes)
        for kind, judged in runs.items():
            judged.append(judge_limits(model, outcomes, kind, n_bootstrap=given.replicates, seed=number))
        print(f"[{time.perf_counter() - start:6.0f} s] data set {number + 1}", file=sys.stderr)
    given.page.write_text(write_page(country, runs, given.replicates), "utf-8")


if __name__ == "__main__":
    main()
