"""The claims part of docs/performance.md: what was asked, what was found."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def sections() -> str:
    """All that was measured so far, as Markdown; what was not measured is left out."""
    parts = [of(known) for name, of in PARTS.items() if (known := read_results(name)) is not None]
    return "\n".join(line for part in parts for line in part)


def read_results(name: str) -> dict[str, Any] | None:
    path = HERE / name
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def generating(found: dict[str, Any]) -> list[str]:
    """Making a synthetic nation, with its targets."""
    minutes = found["seconds"] / 60
    return [
        "## A synthetic nation",
        "",
        f"`riskstd synth --scale {found['people']} --workers {found['workers']}`: {found['claims_gb']:.1f} GB of",
        "claims in Parquet. Memory is that of all its processes.",
        "",
        "| measured | value | target | met |",
        "|---|---|---|---|",
        row("minutes", minutes, "60 or less", minutes <= 60),
        row("peak of memory, GB", found["peak_gb"], "4 or less", found["peak_gb"] <= 4),
        f"| processor, minutes | {found['processor_seconds'] / 60:.3g} | | |",
        "",
    ]


def whole_run(found: dict[str, Any]) -> list[str]:
    """The run of all measures, with its split."""
    settings, steps = found["settings"], found["steps"]
    names = list(dict.fromkeys(name for one in steps.values() for name in one))
    shared = next(iter(steps.values())).get("claims_of_candidates", 0.0)
    known = shared + sum(s for one in steps.values() for name, s in one.items() if name != "claims_of_candidates")
    lines = [
        "## A whole run",
        "",
        f"`riskstd run {' '.join(steps)} --memory {found['memory']}` on the raw files of {found['people']:,} people:",
        f"{found['seconds'] / 60:.1f} minutes, {found['processor_seconds'] / 60:.1f} minutes of processor. The limit",
        "is that of the engine's work; Python, the model and tables of a measure come on top.",
        f"Settings: {', '.join(f'{name} {value}' for name, value in settings.items() if value is not None)}.",
        "",
        "| measured | value | target | met |",
        "|---|---|---|---|",
        row("peak of memory, GB", found["peak_gb"], "2 or less", found["peak_gb"] <= 2),
        "",
        "| step | " + " | ".join(steps) + " | all, s | share |",
        "|---|" + "---|" * (len(steps) + 2),
    ]
    reading = found["seconds"] - known
    blank = " | ".join("" for _ in steps)
    lines.append(
        f"| start, claims tables from raw files | {blank} | {reading:.0f} | {reading / found['seconds']:.0%} |"
    )
    for name in names:
        each = [one.get(name, 0.0) for one in steps.values()]
        total = shared if name == "claims_of_candidates" else sum(each)
        cells = ["" for _ in each] if name == "claims_of_candidates" else [f"{value:.1f}" for value in each]
        words = "claims of candidates, one cut for all" if name == "claims_of_candidates" else name.replace("_", " ")
        lines.append(f"| {words} | {' | '.join(cells)} | {total:.0f} | {total / found['seconds']:.0%} |")
    counted = [f"{one['index_procedures']:,}" for one in found["counts"].values()]
    return [*lines, f"| index procedures | {' | '.join(counted)} | | |", ""]


def run_on_tables(found: dict[str, Any]) -> list[str]:
    """The same run where claims tables are there."""
    return [
        f"On claims tables of {found['people']:,} people that are there, with `--memory {found['memory']}`:",
        f"{found['processor_seconds'] / 60:.1f} minutes of processor, at most {found['peak_gb']:.2f} GB of memory.",
        "",
    ]


def reading(found: dict[str, Any]) -> list[str]:
    """Reading delimited files, with its target."""
    ratios, pairs = found["ratios"], found["pairs"]
    return [
        "## Reading delimited files",
        "",
        f"{found['input_mb']:,.0f} MB of text into claims tables, beside DuckDB's bare scan and write of the files",
        f"as Parquet, in turn, each in a process of its own; median of {len(pairs)} pairs.",
        "",
        "| measured | value | target | met |",
        "|---|---|---|---|",
        row("reader / bare, elapsed", ratios["elapsed_s"], "1.5 or less", ratios["elapsed_s"] <= 1.5),
        f"| reader / bare, processor | {ratios['processor_s']:.3g} | | |",
        f"| reader, elapsed, s | {statistics.median(p['reader']['elapsed_s'] for p in pairs):.3g} | | |",
        f"| reader, peak of memory, GB | {max(p['reader']['peak_mb'] for p in pairs) / 1e3:.3g} | | |",
        "",
    ]


def steps(found: dict[str, Any]) -> list[str]:
    """Cohort, outcome and risk factors."""
    sizes = {int(people): size for people, size in found["sizes"].items()}
    return [*head(found, sizes), *targets(found, sizes), *costs(sizes), *shares(sizes), *peers(sizes), ""]


def head(found: dict[str, Any], sizes: dict[int, dict[str, Any]]) -> list[str]:
    machine, last = found["machine"], sizes[max(sizes)]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return [
        "## Cohort, outcome and risk factors",
        "",
        f"Up to {max(sizes):,} people, {last['gigabytes']:.1f} GB of claims tables in Parquet. {found['note']}",
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}; {versions}.",
        "Every engine runs in a process of its own, with the files in the page cache as far as they fit. A bare",
        "scan is one aggregate over every column that the rules look at, table by table, in DuckDB, no statistics.",
        "",
    ]


def targets(found: dict[str, Any], sizes: dict[int, dict[str, Any]]) -> list[str]:
    """One line a target, at the largest size that was run."""
    top = sizes[max(sizes)]
    ratio = statistics.median(top["ratios"])
    lines = [
        "| measured | value | target | met |",
        "|---|---|---|---|",
        row(f"all four measures / bare scan, {max(sizes):,} people", ratio, "3 or less", ratio <= 3),
    ]
    for people, size in sizes.items():
        for peer, run in size["peers"].items():
            if "ratio" in run:
                lines.append(row(f"{peer} / riskstd, {people:,} people", run["ratio"], "1 or more", run["ratio"] >= 1))
    survived = [p for p, size in sizes.items() if "ratio" in size["peers"].get("pandas", {})]
    if survived:
        slower = sizes[max(survived)]["peers"]["pandas"]["ratio"]
        text = f"pandas / riskstd at the largest size it survives, {max(survived):,} people"
        lines.append(row(text, slower, "5 or more", slower >= 5))
    for steps, exponent in found["growth"].items():
        text = "growth with people, exponent over all sizes" if steps == "all" else f"growth from {steps}, exponent"
        lines.append(row(text, exponent, "1.05 or less", exponent <= 1.05))
    peak = top["limited"]["peak_gb"]
    lines.append(row(f"peak of the process with memory {found['memory']}, GB", peak, "2 or less", peak < 2))
    return [*lines, ""]


def row(what: str, value: float, target: str, met: bool) -> str:
    return f"| {what} | {value:.3g} | {target} | {'yes' if met else 'no'} |"


def costs(sizes: dict[int, dict[str, Any]]) -> list[str]:
    lines = [
        "| people | GB | index procedures | scan, s | four measures, s | ASC-12 alone, s | ratio (range) | peak, GB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for people, size in sizes.items():
        ratios, run = sorted(size["ratios"]), size["riskstd"]
        cells = [
            f"{people:,}",
            f"{size['gigabytes']:.2f}",
            f"{sum(run['procedures'].values()):,}",
            f"{size['scan']['seconds']:.2f}",
            f"{run['seconds']:.2f}",
            f"{size['one_measure']['seconds']:.2f}",
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            f"{run['peak_gb']:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    limited = sizes[max(sizes)]["limited"]
    return [*lines, "", f"With the limit on memory the largest size takes {limited['seconds']:.1f} s.", ""]


def shares(sizes: dict[int, dict[str, Any]]) -> list[str]:
    """Share of every step, by size; a step of the cut stands beside the scan of the same table."""
    steps = list(sizes[max(sizes)]["riskstd"]["steps"])
    lines = [
        "Share of the time by step (in brackets: the bare scan of that table, as a share of the same time):",
        "",
        f"| step | {' | '.join(f'{people:,} people' for people in sizes)} |",
        f"|---|{'---|' * len(sizes)}",
    ]
    for step in steps:
        cells = []
        for size in sizes.values():
            total = size["riskstd"]["seconds"]
            scan = size["scan"]["steps"].get(step.removeprefix("cut ").replace(" ", "_"))
            beside = "" if scan is None or not step.startswith("cut ") else f" ({scan / total:.0%})"
            cells.append(f"{size['riskstd']['steps'].get(step, 0) / total:.0%}{beside}")
        lines.append(f"| {step} | {' | '.join(cells)} |")
    return [*lines, ""]


def peers(sizes: dict[int, dict[str, Any]]) -> list[str]:
    lines = ["| people | engine | s | times riskstd | peak, GB | rows |", "|---|---|---|---|---|---|"]
    for people, size in sizes.items():
        for peer, run in size["peers"].items():
            if "failed" in run:
                lines.append(f"| {people:,} | {peer} | - | - | - | did not end: {run['failed']} |")
                continue
            same = "the same" if not run["differences"] else f"{len(run['differences'])} tables differ"
            cells = (f"{people:,}", peer, f"{run['seconds']:.2f}", f"{run['ratio']:.2f}", f"{run['peak_gb']:.2f}", same)
            lines.append(f"| {' | '.join(cells)} |")
    return lines


PARTS = {
    "whole.json": whole_run,
    "whole_tables.json": run_on_tables,
    "generate.json": generating,
    "read.json": reading,
    "results.json": steps,
}
