"""docs/implementations.md from results.json: `python bench/implementations/page.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "docs" / "implementations.md"

HEAD = """\
# The same model by other programs

Every program below fits the same model to the same rows: published data sets that textbooks and packages fit (their
citations are in `tests/model/data/README.md`), and two simulated years of facilities (`bench/model/simulate.py`). What
they found is judged by plain code that shares nothing with any of them. `make bench-implementations` makes this page.

{versions}. SAS is not among them: nobody here has it. [Performance](performance.md) has the times.

**How to read the tables.** *Behind* is how far the log-likelihood at a program's estimates lies below the highest of
those who approximate it in the same way, in units of log-likelihood: below 0.000001 nobody could tell, 0.01 is a fit
that stopped early. *Coefficients* is the largest distance of a coefficient from riskstd's by the same approximation, in
standard errors. *Ratio* is the largest distance of a facility's predicted over expected from riskstd's by the same
approximation, *ratio, exact* that from riskstd's by quadrature with 25 nodes. `glmmPQL` is compared with MSPL.
"""
SETS = {
    "cbpp": "Herds of cattle, 56 rows of counts",
    "surgical": "Twelve hospitals, no risk factor",
    "contraception": "Districts of Bangladesh",
    "bacteria": "Children, few cases each",
    "toenail": "Patients with seven visits each: the hard case",
    "boundary": "No spread between facilities",
    "simulated small": "A simulated year of 260 facilities",
    "simulated asc18": "A simulated year of 1,300 facilities",
}
SAYS = {
    "toenail": "Most patients have one outcome only and the spread is very large. The Laplace approximation is far off "
    "here, and so is any program that uses it; even 7 nodes are. No facility measure looks like this.",
    "boundary": "The best spread is zero, and every ratio is 1.",
}
NOTES = """\
## What explains the distances

- Laplace is Laplace: riskstd, lme4 with one node, glmmTMB and GPBoost maximise the same function; glmmTMB, and GPBoost
  with a tight tolerance, find the same highest point.
- Programs that stop when the objective hardly changes from one step to the next stop early: GPBoost with its defaults,
  and lme4 on the larger sets. The likelihood is flat there, so that standard errors hardly change, but ratios differ in
  the third or fourth digit.
- `glmmPQL` of MASS estimates a dispersion beside the spread of the facilities, which the model of the measures does not
  have; its estimates therefore differ from MSPL as well as from RSPL, the form that SAS uses by default.
- Pseudo-likelihood differs from quadrature by its method, not by a program; where facilities have few cases each its
  spread is too small. The explanation is on [PQL, Laplace, quadrature](explanation/estimators.md).
"""


def main() -> None:
    """Write the page."""
    found = json.loads((HERE / "results.json").read_text("utf-8"))
    used = sorted({fit["version"] for one in found.values() for fit in one["fits"].values() if "version" in fit})
    parts = [HEAD.format(versions=", ".join(used)), *(section(name, one) for name, one in found.items()), NOTES]
    TARGET.write_text("\n".join(parts), "utf-8")


def section(name: str, one: dict[str, Any]) -> str:
    """Heading, size and table of a data set."""
    size = (
        f"`{name}`: {one['events']:,.0f} events of {one['cases']:,.0f} cases, {one['facilities']:,} facilities, "
        f"{one['factors']} risk factor{'' if one['factors'] == 1 else 's'}."
    )
    lines = [f"## {SETS[name]}", "", f"{size} {SAYS.get(name, '')}".strip(), ""]
    lines += ["| program | tau | behind | coefficients | ratio | ratio, exact |", "|---|---:|---:|---:|---:|---:|"]
    best = _best(one["fits"])
    said = []
    for program, fit in one["fits"].items():
        if "tau" not in fit:
            lines.append(f"| {program} | {fit['status']} | | | | |")
            continue
        behind = "" if fit["family"] == "pql" else _small(best[fit["family"], fit["nodes"]] - fit["log_likelihood"])
        ours = program.startswith("riskstd")
        apart = ["" if ours else _small(fit[key]) for key in ("coefficients_apart_se", "ratio_apart")]
        apart.append(_small(fit["ratio_from_reference"]))
        lines.append(f"| {program} | {fit['tau']:.5f} | {behind} | {' | '.join(apart)} |")
        said += [f"{program}: {text}" for text in fit["warnings"]]
    if said:
        lines += ["", "Warnings of the programs:", "", *(f"- {text}" for text in said)]
    return "\n".join([*lines, ""])


def _best(fits: dict[str, Any]) -> dict[tuple[str, int], float]:
    best: dict[tuple[str, int], float] = {}
    for fit in fits.values():
        if "tau" in fit:
            key = (fit["family"], fit["nodes"])
            best[key] = max(best.get(key, float("-inf")), fit["log_likelihood"])
    return best


def _small(value: float) -> str:
    """A distance by its first two digits; below a billionth it is none.

    Examples
    --------
    >>> _small(0.000123), _small(0.25), _small(3e-12)
    ('0.00012', '0.25', '0')
    """
    if value < 1e-9:
        return "0"
    if value < 1e-4:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa} × 10<sup>{int(exponent)}</sup>"
    return f"{float(f'{value:.2g}'):.7f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    main()
