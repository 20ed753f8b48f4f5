"""How many facility reports a minute, beside what the libraries alone would take, and where the time goes.

Run by `make bench-report`. A run of several hundred simulated facilities is made once and kept in `bench/.data`.
Results go to `bench/report/results.md`.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import os
import pstats
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import xlsxwriter

import riskstd
from riskstd.pipeline.reports import ReportOptions, write_reports
from riskstd.pipeline.reports.source import ReportSource
from riskstd.report.figures import figure_style, new_figure, to_svg
from riskstd.synth import synthesize

HERE = Path(__file__).parent
DATA = HERE.parent / ".data" / "reports"
FACILITIES, PROCEDURES = 400, 70_000
PROFILED = 24
TARGETS = {"workbook": 300, "page": 60}
"""Facility reports a minute on two cores."""
PARTS = (
    ("matplotlib, figures", ("matplotlib", "PIL", "contourpy", "kiwisolver", "fontTools")),
    ("XlsxWriter and zip, workbook", ("xlsxwriter", "zipfile", "zlib")),
    ("Jinja2, page", ("jinja2", "markupsafe")),
    ("pandas, numpy, scipy, pyarrow", ("pandas", "numpy", "scipy", "pyarrow")),
    ("riskstd.report", ("riskstd/report",)),
    ("riskstd, other", ("riskstd",)),
)


def prepared_run() -> Path:
    """Folder of a finished run with the facilities of the benchmark."""
    run = DATA / "runs" / "asc-18"
    if not (run / "manifest.json").is_file():
        shutil.rmtree(DATA, ignore_errors=True)
        synthesize(DATA / "synthetic", measures=["ASC-18"], facilities=FACILITIES, procedures=PROCEDURES, seed=5)
        riskstd.run_measure("ASC-18", claims=DATA / "synthetic" / "claims", out=DATA / "runs", n_bootstrap=200, seed=1)
    return run


def per_minute(run: Path, kind: str, workers: int, n: int) -> tuple[float, float]:
    """Reports a minute of a batch with its start, and seconds of the batch."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("report"))
        options = ReportOptions(copy, "facility-phi" if kind == "workbook" else "facility", formats=(kind,))
        chosen = ReportSource(options).run.cases.facility_ids[:n].tolist()
        # the national report is made by every call; its time is taken off
        start = time.perf_counter()
        write_reports(options, facilities=())
        national = time.perf_counter() - start
        start = time.perf_counter()
        result = write_reports(options, facilities=chosen, workers=workers)
        seconds = time.perf_counter() - start - national
        assert not result.failed
    return 60.0 * len(chosen) / seconds, seconds


def bare_seconds(source: ReportSource, facility_id: str) -> dict[str, float]:
    """Seconds of the libraries alone: as many cells in a plain workbook, as many empty figures."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(source.facility_files(facility_id)["report.xlsx"]))
    n_cells = sum(1 for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None)
    n_figures = source.facility_files(facility_id)["report.html"].count(b"data:image/")
    start = time.perf_counter()
    plain = xlsxwriter.Workbook(io.BytesIO(), {"in_memory": True})
    sheet = plain.add_worksheet()
    for k in range(n_cells):
        sheet.write_number(k // 20, k % 20, 1.5)
    plain.close()
    workbook = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(n_figures):
        with figure_style():
            figure = new_figure()
            figure.add_subplot().plot([0, 1], [0, 1])
        to_svg(figure)
    return {"workbook": workbook, "page": time.perf_counter() - start, "cells": n_cells, "figures": n_figures}


def shares(source: ReportSource, kind: str, ids: list[str]) -> list[tuple[str, float]]:
    """Share of the time by library, in one process."""
    make = source._workbook if kind == "workbook" else source._page
    make(ids[0])
    profile = cProfile.Profile()
    profile.enable()
    for one in ids:
        make(one)
    profile.disable()
    spent: dict[str, float] = defaultdict(float)
    for (file, _, name), row in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        path = f"{file}:{name}"
        spent[next((words for words, keys in PARTS if any(key in path for key in keys)), "Python itself")] += row[2]
    whole = sum(spent.values())
    return sorted(((words, seconds / whole) for words, seconds in spent.items()), key=lambda pair: -pair[1])


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facilities", type=int, default=240, help="facilities of a timed batch")
    given = parser.parse_args()
    run = prepared_run()
    source = ReportSource(ReportOptions(run, "facility-phi"))
    ids = source.run.cases.facility_ids.tolist()
    lines = [
        "# Facility reports a minute",
        "",
        (
            f"{len(ids):,} facilities, {len(source.run.cases):,} cases, ASC-18; {os.cpu_count()} cores; "
            f"batches of {given.facilities} facilities, start of the processes included."
        ),
        "",
        "| report | processes | a minute | wanted on 2 cores | seconds of the batch |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind, target in TARGETS.items():
        for workers in (1, 2):
            rate, seconds = per_minute(run, kind, workers, given.facilities)
            lines.append(f"| {kind} | {workers} | {rate:,.0f} | {target if workers == 2 else ''} | {seconds:.1f} |")
    middle = ids[len(ids) // 2]
    bare = bare_seconds(source, middle)
    lines += ["", "## Beside the libraries alone", ""]
    for kind, what in (("workbook", f"{bare['cells']:,} numbers written plainly"),
                       ("page", f"{bare['figures']:.0f} figures of one line each")):  # fmt: skip
        make = source._workbook if kind == "workbook" else source._page
        make(middle)
        start = time.perf_counter()
        make(middle)
        own = time.perf_counter() - start
        lines.append(f"- {kind}: {own / bare[kind]:.1f} times as long as {what} ({1000 * own:.0f} ms).")
    for kind in TARGETS:
        lines += ["", f"## Where the time of a {kind} goes", "", "| part | share |", "| --- | --- |"]
        lines += [f"| {words} | {100 * share:.0f} % |" for words, share in shares(source, kind, ids[:PROFILED])]
    text = "\n".join(lines) + "\n"
    (HERE / "results.md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
