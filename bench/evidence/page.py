"""docs/evidence.md and its figure from results.json.

python bench/evidence/page.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from judge import CMS_WAY, INTERVALS, METHODS, OURS, RATIO_EDGES
from world import MINIMUM_CASES, VOLUME_CLASSES

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
FIGURE = Path("images") / "power.png"
COLOURS = ("#b7c9e2", "#7ba3d0", "#3b77b5", "#0b3c6f")
MIDDLES = (0.65, 0.75, 0.85, 0.95, 1.05, 1.15, 1.25, 1.4, 1.62, 1.85)
"""Of the classes of true ratios, for the figure."""

HEAD = """\
# How good are these numbers?

{data_sets} years were simulated for each of the four measures with the facilities, volumes, rates and spread of
facility effects of their public files of July 2024 (`bench/evidence/world.py` says which and where from; risk factors
are invented), so that the true rate of every facility is known. Each was fitted by all three methods, and each facility
with at least {minimum} cases got its 95 % interval, the bootstrap's with {replicates:,} replicates. ± is one Monte
Carlo standard error, from the spread between data sets. `make bench-evidence` makes this page, within two hours on two
cores; it is seeded. [Do the intervals hold the true rate?](coverage.md) looks at one measure more closely.
"""
COVERAGE = """\
## Do 95 % intervals hold the true rate?

The true rate is predicted over expected events by the true coefficients and effects, times the true national rate.
Coverage should be 95 % over all facilities and over those of any volume. Where it falls short, it is because every
interval rests on the estimated spread of facility effects, tau: where that comes out too small, intervals are too
short, and more is lost there than is gained where it comes out too large. It shows most where facilities are few or
events rare. A facility that is truly among the worst is covered less often than 95 %: estimates are pulled to the
national rate ([measured](coverage.md)).
"""
FLAGS = """\
## False flags and power

A facility is flagged where its 95 % interval lies wholly above or below the national rate. Intervals of shrunken
estimates flag few facilities wrongly, and miss many that are truly different: with a hundred cases and a rate of a few
percent, data cannot tell a facility with half as many events again from an average one. An unflagged facility is not
a facility known to be average.

![Share of facilities flagged worse by their true ratio and volume](images/power.png)
"""
APART = """\
## What pseudo-likelihood changes

CMS' programs fit by pseudo-likelihood (PQL). Against quadrature, on the same data and seed:
"""
BIAS = """\
## Do estimates hit the truth?

Bias of tau in percent of the true one. Bias of a coefficient over its Monte Carlo error: its mean square is 1 where
there is none. Standard errors over spread are 1 where they tell the truth.
"""


def main() -> None:
    """Write the page and the figure."""
    found = json.loads((HERE / "results.json").read_text("utf-8"))
    (DOCS / "evidence.md").write_text(page(found), "utf-8")
    draw_power(found, DOCS / FIGURE)


def page(found: dict[str, Any]) -> str:
    """Text of the page."""
    measures = found["measures"]
    head = HEAD.format(minimum=MINIMUM_CASES, **{name: found[name] for name in ("data_sets", "replicates")})
    parts = [head, sizes(measures), COVERAGE, coverage(measures), FLAGS, flags(measures)]
    return "\n".join([*parts, APART, apart(measures), BIAS, bias(measures)])


def sizes(measures: dict[str, Any]) -> str:
    """Facilities, cases and truth of every measure."""
    rows = [
        [
            name,
            f"{m['facilities']:,}",
            f"{m['scored']:,}",
            f"{m['cases']:,}",
            str(m["factors"]),
            f"{m['truth'][-1]:.3f}",
        ]
        for name, m in measures.items()
    ]
    return table(["measure", "facilities", "with enough cases", "cases", "risk factors", "true tau"], rows)


def coverage(measures: dict[str, Any]) -> str:
    """Coverage of every kind of interval by quarter of volume."""
    rows = [
        [name, kind, *(percent(value) for value in m["limits"][kind]["coverage"])]
        for name, m in measures.items()
        for kind in INTERVALS
    ]
    quarters = ["fewest cases", "second quarter", "third quarter", "most cases"]
    sides = [
        [name, kind, percent(m["limits"][kind]["above"]), percent(m["limits"][kind]["below"])]
        for name, m in measures.items()
        for kind in (CMS_WAY, OURS)
    ]
    return (
        table(["measure", "interval", "% covered, all", *quarters], rows)
        + "\n"
        + table(["measure", "interval", "% of true rates above the upper limit", "% below the lower limit"], sides)
    )


def flags(measures: dict[str, Any]) -> str:
    """Flags a year, how many of them are false, and power by true ratio."""
    rows = []
    for name, m in measures.items():
        for kind in (CMS_WAY, OURS):
            of = m["limits"][kind]
            truth, worse, better = (np.array(of[part]).sum(axis=0) for part in ("truth", "worse", "better"))
            no_worse = np.array([*RATIO_EDGES, np.inf]) <= 1.0
            rows.append(
                [
                    name,
                    kind,
                    plain(of["flagged_worse"]),
                    plain(of["flagged_better"]),
                    share(worse[no_worse].sum(), worse.sum()),
                    share(better[~no_worse].sum(), better.sum()),
                    share(worse[no_worse].sum(), truth[no_worse].sum()),
                    share(worse[-2:].sum(), truth[-2:].sum()),
                ]
            )
    head = ["measure", "interval", "flagged worse a year", "better", "worse, but truly not: % of flags"]
    head += ["better, but truly not: % of flags", "flagged worse, of those truly no worse, %"]
    return table([*head, f"flagged worse, of those with a true ratio over {RATIO_EDGES[-2]}, %"], rows)


def apart(measures: dict[str, Any]) -> str:
    """What changes between PQL and quadrature."""
    rows = [
        [
            name,
            f"{m['estimates']['PQL']['tau_bias'][0] - m['estimates']['quadrature']['tau_bias'][0]:+.1%}",
            f"{m['apart']['median_change'][0]:.2%}",
            f"{m['apart']['largest_change'][0]:.1%}",
            f"{m['apart']['rank_correlation'][0]:.5f}",
            plain(m["apart"]["categories_differ"]),
            f"{m['apart']['flagged_one'][0]:.1f} / {m['apart']['flagged_other'][0]:.1f}",
        ]
        for name, m in measures.items()
    ]
    head = ["measure", "tau", "median change of a rate", "largest, mean over years", "rank correlation"]
    return table([*head, "categories that differ a year", "flags a year, PQL / quadrature"], rows)


def bias(measures: dict[str, Any]) -> str:
    """Bias of tau and coefficients of every estimator."""
    rows = [
        [
            name,
            method,
            percent(e["tau_bias"]),
            f"{100 * e['tau_spread']:.1f}",
            str(e["tau_zero"]),
            f"{e['beta_bias_z']:.2f}",
            f"{e['largest_beta_bias_in_se']:.2f}",
            f"{e['se_to_spread']:.2f}",
            percent(e["beta_coverage"]),
        ]
        for name, m in measures.items()
        for method in METHODS
        for e in (m["estimates"][method],)
    ]
    head = ["measure", "method", "bias of tau, %", "spread of tau, %", "years with tau = 0"]
    head += ["coefficients: mean square of bias", "largest bias, in standard errors", "standard error / spread"]
    return table([*head, "95 % intervals of coefficients: % covered"], rows)


def draw_power(found: dict[str, Any], path: Path) -> None:
    """Share flagged worse by true ratio, a line for each quarter of volume, a panel for each measure."""
    measures = found["measures"]
    figure, panels = plt.subplots(1, len(measures), figsize=(11, 3.2), sharey=True, layout="constrained", squeeze=False)
    for panel, (name, m) in zip(panels[0], measures.items(), strict=True):
        truth, worse = (np.array(m["limits"][CMS_WAY][part]) for part in ("truth", "worse"))
        for quarter in range(VOLUME_CLASSES):
            enough = truth[quarter] >= 50
            low, high = m["volumes"][quarter]
            panel.plot(
                np.array(MIDDLES)[enough],
                100.0 * worse[quarter][enough] / truth[quarter][enough],
                color=COLOURS[quarter],
                marker="o",
                markersize=3,
                label=f"{low:,} to {high:,}",
            )
        panel.axvline(1.0, color="0.6", linewidth=0.8)
        panel.set_title(name, fontsize=10)
        panel.set_xlabel("true predicted / expected")
        panel.legend(title="cases", fontsize=7, title_fontsize=7, frameon=False, loc="upper left")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("flagged worse, % of facilities")
    figure.savefig(path, dpi=130, metadata={"Software": None})


def percent(value: list[float]) -> str:
    """Share and its error in percent."""
    return f"{100 * value[0]:.1f} ± {100 * value[1]:.1f}"


def plain(value: list[float]) -> str:
    """Mean and its error."""
    return f"{value[0]:.1f} ± {value[1]:.1f}"


def share(part: float, of: float) -> str:
    """Percentage; nothing where there is nothing to take it of."""
    return f"{100 * part / of:.2f}" if of else ""


def table(header: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows]) + "\n"


if __name__ == "__main__":
    main()
