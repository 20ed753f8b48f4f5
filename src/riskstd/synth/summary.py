"""What is said of a delivery: counts, and a page for whoever finds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from riskstd.synth.place import TITLE

_README = """{title}
==========================================

Nobody in these files exists. People, facilities, dates and diagnoses were drawn at random by
riskstd, and no real claim was used. Facility and physician numbers begin with 9, hospital numbers
with 99: such numbers are never issued.

seed:    {seed}
command: {command}

claims/   a delivery in the layout "{layout}" ({file_format}); years 2021 to 2024,
          index procedures from 1 July 2022 to 30 June 2024
truth/    what is true of it: which procedures are index procedures and why the others are not,
          hospital visits, planned or not, outcomes, risk factors, facility effects, coefficients;
          edge_cases.parquet names the cases planted on purpose

Codes of the CPT set are numbers only; the notice in AMA-NOTICE.txt of the definitions applies.
"""


@dataclass(frozen=True)
class SynthSummary:
    """Counts of a synthetic delivery; no identifiers.

    Attributes
    ----------
    people, facilities, edge_cases : int
        People with a record or a claim, facilities that do some measure, cases planted on purpose.
    index_procedures, excluded_procedures, events : dict of str to int
        By measure.
    rows : dict of str to int
        Rows by file, by kind of file where a delivery has parts.
    """

    folder: Path
    layout: str
    file_format: str
    seed: int
    people: int
    facilities: int
    edge_cases: int
    index_procedures: dict[str, int]
    excluded_procedures: dict[str, int]
    events: dict[str, int]
    rows: dict[str, int] = field(repr=False)


def readme(summary: SynthSummary, command: str) -> str:
    """Return the page that goes with a delivery."""
    return _README.format(
        title=TITLE, seed=summary.seed, layout=summary.layout, file_format=summary.file_format, command=command
    )
