"""The page of results: what was asked, what was found."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any


def write_page(found: dict[str, Any], path: Path) -> None:
    """Write the figures as Markdown."""
    sizes = {int(people): size for people, size in found["sizes"].items()}
    parts = [*head(found, sizes), *targets(found, sizes), *costs(sizes), *shares(sizes), *peers(sizes)]
    path.write_text("\n".join(parts) + "\n", "utf-8")


def head(found: dict[str, Any], sizes: dict[int, dict[str, Any]]) -> list[str]:
    machine, last = found["machine"], sizes[max(sizes)]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return [
        "# Cohort, outcome and risk factors: cost",
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
