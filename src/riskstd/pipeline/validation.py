"""What is in claim files, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis

from riskstd.claims import Claims, read_claims
from riskstd.cohort.candidates import find_candidates
from riskstd.cohort.cut import cut_claims
from riskstd.engines import open_engine
from riskstd.pipeline.engine import memory_errors
from riskstd.pipeline.notes import claims_notes
from riskstd.spec import list_measures, load_measure
from riskstd.tables import count_rows

Progress = Any


@dataclass(frozen=True)
class Validation:
    """Findings on a delivery.

    Attributes
    ----------
    layout : str
    files : list of dict
        File, kind, rows.
    ignored : list of str
        Files that the layout does not need.
    tables : dict of str to int
        Rows of each claims table.
    years : dict of str to int
        Professional claim lines by year of service.
    candidates : dict of str to int
        Procedures with a qualifying code on an ASC facility line, by measure, before any exclusion.
    findings : list of str
        What a user should know before a run.
    """

    layout: str
    files: list[dict[str, Any]]
    ignored: list[str]
    tables: dict[str, int]
    years: dict[str, int]
    candidates: dict[str, int]
    findings: list[str] = field(default_factory=list)


def validate_claims(
    path: str | Path,
    *,
    layout: str = "auto",
    bad_rows: str = "error",
    memory: str | None = None,
    progress: Progress = None,
) -> Validation:
    """Read a delivery and report what it holds and lacks; nothing is kept.

    Parameters
    ----------
    path, layout, bad_rows, memory, progress
        As in `read_claims`.

    Raises
    ------
    ClaimsError
        When it cannot be read at all: the message says why and what to do.
    InputError
        When the memory limit or the disk is too small.
    """
    measures = [load_measure(measure, year) for measure, year in list_measures()]
    read = read_claims(path, layout=layout, bad_rows=bad_rows, memory=memory, progress=progress)  # type: ignore[arg-type]
    with memory_errors(memory):
        claims = read.on(open_engine(memory=memory).connection)
        lines = cut_claims(claims, measures)
        candidates = {measure.id: count_rows(find_candidates(lines, measure).procedures) for measure in measures}
        years = _lines_by_year(claims)
    counts = claims.counts
    return Validation(
        layout=claims.layout,
        files=list(counts.get("files", [])),
        ignored=list(counts.get("ignored_files", [])),
        tables=dict(counts.get("kept", {})),
        years=years,
        candidates=candidates,
        findings=[*claims.statements, *claims_notes(claims), *_silences(claims, candidates)],
    )


def _lines_by_year(claims: Claims) -> dict[str, int]:
    lines = claims.professional_lines
    by_year = lines.group_by(year=ibis._.line_date.year()).aggregate(n=ibis._.count()).order_by("year")
    return {str(row["year"]): row["n"] for row in by_year.to_pyarrow().to_pylist()}


def _silences(claims: Claims, candidates: dict[str, int]) -> list[str]:
    findings = []
    empty = [name for name, n in claims.counts.get("kept", {}).items() if n == 0]
    if empty:
        findings.append(f"No row in: {', '.join(empty)}.")
    without = [measure for measure, n in candidates.items() if n == 0]
    if without:
        findings.append(f"No qualifying ASC facility line for: {', '.join(without)}.")
    return findings
