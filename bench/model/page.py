"""Tables of a benchmark run: the model's part of docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from fit_peers import GLUM_TOLERANCE, GPBOOST_SETTINGS
from limit import EVALUATIONS, limit_seconds

Results = dict[str, Any]
LAPLACE_PEERS = ("GPBoost default", "GPBoost converged", "lme4 nAGQ=1", "glmmTMB")
METHOD_NAMES = ("laplace", "pql", "agq7")
COMPILED = ("laplace", "pql")
"""Methods whose passes are those of the C program; quadrature has others."""
MANY_ROWS = 5_000_000
"""Rows from which the target of memory is a number of gigabytes."""


@dataclass(frozen=True)
class Ratio:
    """One figure of the summary and what it should be, if anything."""

    words: str
    value: float | None
    target: str = ""
    met: Callable[[float], bool] | None = None
    digits: str = ".3g"
    scaled: bool = False

    def cells(self) -> list[str]:
        if self.value is None:
            return [self.words, "not measured", self.target, ""]
        about = "about " if self.scaled else ""
        met = "" if self.met is None else "yes" if self.met(self.value) else "no"
        return [self.words, f"{about}{self.value:{self.digits}}", self.target, met]


def find(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any] | None:
    """First finished row with these values."""
    return next((r for r in rows if r["status"] == "ok" and all(r.get(k) == v for k, v in wanted.items())), None)


def divide(above: dict[str, Any] | None, below: dict[str, Any] | None) -> float | None:
    """Ratio of the seconds of two rows."""
    return above["seconds"] / below["seconds"] if above and below else None


def ratios(results: Results) -> list[Ratio]:
    """The figures that sum up the run, on its main data."""
    return [*fit_ratios(results), *bootstrap_ratios(results), *memory_ratios(results)]


def fit_ratios(results: Results) -> list[Ratio]:
    def fit(program: str) -> dict[str, Any] | None:
        return find(results["fits"], size=results["main"], program=program)

    laplace = fit("riskstd laplace")
    default, converged = (divide(fit(f"GPBoost {how}"), laplace) for how in ("default", "converged"))
    agq = divide(fit("riskstd agq7"), laplace)
    gain = "log-likelihood, riskstd Laplace minus a peer's at its own optimum: the least of all sizes and peers"
    return [
        Ratio("GPBoost converged / riskstd Laplace", converged, "30 or more", lambda v: v >= 30),
        Ratio("GPBoost default (stops early) / riskstd Laplace", default, ""),
        Ratio("glum, no facilities / riskstd Laplace", divide(fit("glum"), laplace), "over 1", lambda v: v > 1),
        Ratio("riskstd AGQ 7 / riskstd Laplace", agq, "2.5 or less", lambda v: v <= 2.5),
        Ratio(gain, least_gain(results), "-1e-6 or more", lambda v: v >= -1e-6, ".2e"),
        Ratio(
            "log-likelihood, riskstd's own value against the referee's: largest difference, all sizes and methods",
            largest_error(results),
            "1e-6 or less",
            lambda v: v <= 1e-6,
            ".2e",
        ),
        *(
            Ratio(
                f"first {name}, compiled from nothing, seconds",
                results.get("first_call_empty_cache", {}).get("parts", {}).get(part),
                "10 or less",
                lambda v: v <= 10,
            )
            for name, part in (("fit", "laplace"), ("bootstrap after it", "bootstrap"))
        ),
    ]


def bootstrap_ratios(results: Results) -> list[Ratio]:
    size = results["main"]
    rows = [row for row in results["bootstraps"] if row["size"] == size]
    few, many = (pick((row["replicates"] for row in rows), default=0) for pick in (min, max))
    cut = any("measured_replicates" in row for row in rows)
    one = {method: find(rows, method=method, replicates=few, threads=1) for method in METHOD_NAMES}
    long = {method: find(rows, method=method, replicates=many, threads=1) for method in METHOD_NAMES}
    gpboost = find(results["fits"], size=size, program="GPBoost converged")
    out = []
    for method in COMPILED:
        words = f"{few:,} replicates with rates, {method} / one fit of GPBoost converged"
        out.append(Ratio(words, divide(one[method], gpboost), "under 1", lambda v: v < 1, scaled=cut))
    for method, row in long.items():
        words = f"{many:,} replicates with rates, {method}, seconds"
        value = row["seconds"] if row else None
        target = ("25 or less", lambda v: v <= 25) if method in COMPILED else ("", None)
        out.append(Ratio(words, value, *target, scaled=cut))
    quadrature = divide(one["agq7"], one["laplace"])
    out.append(Ratio("bootstrap, AGQ 7 / Laplace", quadrature, "3 or less", lambda v: v <= 3, scaled=cut))
    pairs = {row["method"]: row for row in results.get("scaling", ()) if row["status"] == "ok"}
    for method, row in pairs.items():
        ratios = [one / two for one, two in zip(row["one"], row["two"], strict=True)]
        words = f"bootstrap, {method}, one core / two cores, median of {len(ratios)} pairs"
        out.append(Ratio(words, median(ratios), "1.7 or more", lambda v: v >= 1.7))
        words = f"bootstrap, {method}, one core / two cores, best of each"
        out.append(Ratio(words, min(row["one"]) / min(row["two"]), ""))
    bare = results["limits"].get(size, {}).get("scaling")
    out.append(Ratio("the passes in C, two at once on two cores / one alone", bare, ""))
    same = float(all(row["same_bits"] for row in pairs.values())) if pairs else None
    words = "interval limits on one core and on two the same to the last bit (1 = yes)"
    out.append(Ratio(words, same, "1", lambda v: v == 1))
    for method in COMPILED:
        pairs_of_it = paired_shares(find(results.get("shares", []), size=size, method=method))
        words = f"share of the C limit, {method}, {few:,} replicates, median of {len(pairs_of_it)} pairs"
        value = median(pairs_of_it) if pairs_of_it else None
        out.append(Ratio(words, value, "0.4 or more", lambda v: v >= 0.4, ".3f"))
    return out


def paired_shares(row: dict[str, Any] | None) -> list[float]:
    """Share of the C limit in each pair of a run of the passes and a bootstrap beside it."""
    if row is None:
        return []
    pairs = zip(row["passes"], row["bootstraps"], strict=True)
    return [limit_seconds({"cells": row["cells"], **bare}, row["replicates"]) / took for bare, took in pairs]


def memory_ratios(results: Results) -> list[Ratio]:
    out = []
    for row in (row for row in results["memory"] if row["status"] == "ok"):
        n_rows = results["data"][f"{row['size']}-{row['type']}"]["rows"]
        words = f"memory, {n_rows:,} rows, {row['type']}"
        if n_rows >= MANY_ROWS:
            words += ": peak of the process, GB"
            out.append(Ratio(words, row["peak_mb"] / 1e3, "8 or less", lambda v: v <= 8))
            continue
        words += ": (input + what the fit adds) / input"
        value = (row["input_mb"] + row["peak_mb"] - row["loaded_mb"]) / row["input_mb"]
        out.append(Ratio(words, value, "2 or less", lambda v: v <= 2))
    return out


def least_gain(results: Results) -> float | None:
    """Smallest difference of log-likelihoods, each program at its own optimum, all by the referee."""
    gains = []
    for ours in (r for r in results["fits"] if r["program"] == "riskstd laplace" and r["status"] == "ok"):
        rivals = (find(results["fits"], size=ours["size"], program=name) for name in LAPLACE_PEERS)
        gains += [ours["referee"] - rival["referee"] for rival in rivals if rival]
    return min(gains, default=None)


def largest_error(results: Results) -> float | None:
    """Largest difference between the log-likelihoods riskstd reports and the referee's."""
    own = (row for row in results["fits"] if row["program"].startswith("riskstd") and row["status"] == "ok")
    return max((abs(row["log_likelihood"] - row["referee"]) for row in own), default=None)


def limit_share(results: Results, row: dict[str, Any] | None, evaluations: float = EVALUATIONS) -> float | None:
    """Time of the C passes / time of the bootstrap."""
    limit = results["limits"].get(row["size"]) if row else None
    if row is None or limit is None or limit["status"] != "ok":
        return None
    return limit_seconds(limit, row["replicates"], evaluations) / row["seconds"]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def seconds_text(row: dict[str, Any]) -> str:
    if row["status"] != "ok":
        return row["status"]
    about = "about " if "measured_replicates" in row else ""
    return f"{about}{row['seconds']:.3g}" if row["seconds"] < 100 else f"{about}{row['seconds']:,.0f}"


def number(value: Any, how: str) -> str:
    return "" if value is None else format(value, how)


def data_table(results: Results) -> str:
    head = ["name", "measure", "rows", "columns", "facilities", "events", "patterns", "cells", "true tau", "input MB"]
    rows = [
        [
            f"{d['size']} ({d['type']})",
            d["measure"],
            *(f"{d[key]:,}" for key in ("rows", "columns", "facilities", "events", "patterns", "cells")),
            f"{d['true_tau']:g}",
            f"{d['input_mb']:,.0f}",
        ]
        for d in results["data"].values()
    ]
    return table(head, rows)


def fit_tables(results: Results) -> str:
    head = ["program", "seconds", "of it collapse", "peak MB", "fit adds MB", "log-likelihood", "by the referee", "tau",
            "intercept", "first coefficient", "off (SE)", "tau off (SE)"]  # fmt: skip
    parts = []
    for size in dict.fromkeys(row["size"] for row in results["fits"]):
        rows = []
        for row in (r for r in results["fits"] if r["size"] == size):
            if row["status"] != "ok":
                rows.append([row["program"], row["status"], *[""] * (len(head) - 2)])
                continue
            rows.append([
                row["program"],
                seconds_text(row),
                number(row.get("collapse_seconds"), ".3g"),
                f"{row['peak_mb']:,.0f}",
                f"{row['peak_mb'] - row['loaded_mb']:,.0f}",
                number(row.get("log_likelihood"), ".6f"),
                f"{row['referee']:.6f}",
                f"{row['tau']:.6f}",
                f"{row['mu']:.5f}",
                f"{row['beta'][0]:.5f}",
                number(row.get("off_in_se"), ".2g"),
                number(row.get("tau_off_in_se"), ".2g"),
            ])  # fmt: skip
        warned = [
            f"{row['program']} warns: {text.strip().rstrip('.')}."
            for row in results["fits"]
            if row["size"] == size
            for text in row.get("warnings", ())
        ]
        parts.append("\n\n".join([f"### {size}", table(head, rows), *warned]))
    return "\n\n".join(parts)


def bootstrap_table(results: Results) -> str:
    head = ["data", "method", "replicates", "seconds", "ms a replicate", "evaluations each", "share of limit",
            "same, evaluations made", "dropped", "flagged", "refitted in full", "peak MB"]  # fmt: skip
    rows = []
    for row in results["bootstraps"]:
        first = [row["size"], row["method"], f"{row['replicates']:,}"]
        if row["status"] != "ok":
            rows.append([*first, row["status"], *[""] * (len(head) - 4)])
            continue
        compared = row["method"] in COMPILED
        share = limit_share(results, row) if compared else None
        made = limit_share(results, row, row["evaluations"]) if compared and row["evaluations"] else None
        counts = [str(row[key]) for key in ("dropped", "flagged", "retried")]
        rows.append([
            *first,
            seconds_text(row),
            f"{1e3 * row['seconds'] / row['replicates']:.3g}",
            number(row["evaluations"], ".2f"),
            number(share, ".0%"),
            number(made, ".0%"),
            *counts,
            f"{row['peak_mb']:,.0f}",
        ])  # fmt: skip
    return table(head, rows)


def limits_table(results: Results) -> str:
    head = ["data", "cells", "patterns", "moments", "scatter", "rates", "1,000 replicates, s"]
    rows = []
    for size, limit in results["limits"].items():
        if limit["status"] != "ok":
            rows.append([size, limit["status"], *[""] * (len(head) - 2)])
            continue
        passes = [f"{limit[key]:.3f}" for key in ("moments_ns", "scatter_ns", "rates_ns")]
        counts = [f"{limit[key]:,}" for key in ("cells", "patterns")]
        rows.append([size, *counts, *passes, f"{limit_seconds(limit, 1000):.2f}"])
    return table(head, rows)


def memory_table(results: Results) -> str:
    head = [
        "data",
        "input MB",
        "before MB",
        "peak MB",
        "fit adds MB",
        "(input + added) / input",
        "peak / input",
        "seconds",
    ]
    rows = []
    for row in results["memory"]:
        name = f"{row['size']} ({row['type']})"
        if row["status"] != "ok":
            rows.append([name, row["status"], *[""] * (len(head) - 2)])
            continue
        size, before, peak = row["input_mb"], row["loaded_mb"], row["peak_mb"]
        rows.append([
            name, f"{size:,.0f}", f"{before:,.0f}", f"{peak:,.0f}", f"{peak - before:,.0f}",
            f"{(size + peak - before) / size:.2f}", f"{peak / size:.2f}", seconds_text(row),
        ])  # fmt: skip
    return table(head, rows)


def first_call_text(results: Results) -> str:
    found = {name: results.get(f"first_call_{name}_cache", {"status": "not measured"}) for name in ("empty", "filled")}
    head = ["cache of compiled code", "all", "laplace", "agq7", "pql", "bootstrap"]
    rows = []
    for name, call in found.items():
        if call["status"] == "ok":
            rows.append([name, f"{call['seconds']:.2f}", *(f"{call['parts'][part]:.2f}" for part in head[2:])])
        else:
            rows.append([name, call["status"], "", "", "", ""])
    return table(head, rows)


def ratio_table(results: Results) -> str:
    return table(["figure", "measured", "target", "met"], [ratio.cells() for ratio in ratios(results)])


def machine_text(results: Results) -> str:
    machine = results["machine"]
    versions = ", ".join(f"{name} {value}" for name, value in results["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']:g} GB, {machine['system']}; "
        f"load average at the start {machine['load_at_start']:.1f}.\n"
        f"The run took {results['run_seconds'] / 60:.0f} minutes.\n"
        f"Versions: {versions}."
    )


def sections(results: Results) -> str:
    """All tables with what is to be known to read them."""
    settings = ", ".join(f"{key}={value}" for key, value in (GPBOOST_SETTINGS["GPBoost converged"] or {}).items())
    data = results["data"][f"{results['main']}-float64"]
    return f"""## Machine

{machine_text(results)}

## In short

On {results["main"]}: {data["rows"]:,} cases, {data["columns"]} risk factors, {data["facilities"]:,} facilities,
{data["events"]:,} events. Seconds of a fit are from arrays to the result, with the collapse of rows.

{ratio_table(results)}

## Data

Simulated with fixed seeds (`bench/model/simulate.py`). A pattern is a distinct row of risk factors, a cell a
distinct row within a facility.

{data_table(results)}

## Fits

One core. Every program runs in a process of its own, fits a twentieth of the facilities first, then the data up to
three times while 20 seconds last; the median counts. "Peak" is the highest memory of the process during its first fit,
"fit adds" what that is above the memory just before, with the data loaded. "By the referee" is the Laplace
log-likelihood (with 7 nodes for riskstd agq7, without facilities for glum) at the program's estimates, computed by
`bench/model/referee.py`, which shares no code with any of them. "Off" is the largest distance of a coefficient from
riskstd's Laplace fit, in its standard errors; glum fits another model, PQL, nAGQ=0 and quadrature are other estimators.

{fit_tables(results)}

GPBoost converged: {settings}. glum: no penalty, gradient_tol={GLUM_TOLERANCE:g}. Both are the loosest
tolerances, in powers of ten (glum) or a hundred (GPBoost), whose log-likelihood on asc12_national is within 1e-6 of
that of the tightest. lme4 and glmmTMB run as they come, on one row a case. A process is stopped after
{results["limit_of_a_process_seconds"]:,.0f} s. statsmodels has variational Bayes only (BinomialBayesMixedGLM), and no
likelihood to compare; of lme4 and glmmTMB only the smaller sizes are run unless `run.py --full` is asked for.

## Bootstrap

`standardize(fit, n_bootstrap=...)`: facilities with replacement, refit, draw, rates, percentiles; after one compiling
call, on one core. "About" marks figures scaled up from fewer replicates.

{bootstrap_table(results)}

## The limit

`bench/model/limit.c` does the passes of the bootstrap and nothing else, eight replicates in a vector, on the cells of
the same data; nanoseconds per cell and replicate on one core. A replicate takes at least {EVALUATIONS} x (moments +
scatter) + rates. The shares in the table above are this time / the measured time, the second with the evaluations
made; they stand minutes apart, in which a machine can change its speed. The share of the summary is the median of
pairs, the passes and the bootstrap one after the other on the same core. Only data that collapse are here: for the
others riskstd splits the columns and uses several short tables.

{limits_table(results)}

## Memory

A Laplace fit in a process of its own, after the warm-up. The input is X, y and the facility labels (8 bytes each);
"before" is the process with its libraries and the input.

{memory_table(results)}

## First call

Seconds of the first calls of a new process on {results["data"].get("small-float64", {}).get("rows", 0):,} rows; the
middle of three tries{", by itself after the run" if results.get("first_call_apart") else ""}.

{first_call_text(results)}
"""


def write_tables(results: Results) -> str:
    """The table of a run."""
    return f"# Benchmark of the hierarchical model\n\n{sections(results)}"
