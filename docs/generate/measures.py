"""The page of each measure, as `riskstd spec show` words it, and the list of all."""

from __future__ import annotations

import re

from docs.generate.markdown import escape, page, table

from riskstd.spec import Measure, fidelity_of, list_measures, load_measure
from riskstd.spec.describe import describe_measure

_INTRO = """\
Each page states every clause in force with its values, where it was read and its origin: `cms_public`,
`reconstructed` or `assumed` (and `user_import` once you [imported a table](../definitions-folder.md)). What the
origins add up to is the fidelity of a run. `riskstd spec show ASC-17` prints the same for your definitions and
options. CPT codes are numbers only."""


def measure_pages() -> dict[str, str]:
    """Return the list of measures and a page for each, by path."""
    shipped = [load_measure(name, year, definitions=None) for name, year in list_measures(definitions=None)]
    return {
        "reference/measures.md": _overview(shipped),
        **{f"reference/measures/{_file(one)}": _measure_page(one) for one in shipped},
    }


def _file(measure: Measure) -> str:
    return f"{measure.id.lower()}-{measure.spec_year}.md"


def _overview(shipped: list[Measure]) -> str:
    rows = [
        (
            f"[{one.id}](measures/{_file(one)})",
            str(one.spec_year),
            escape(one.definition.measure.title),
            one.scale.kind.replace("_", " "),
            str(one.definition.score.categories.minimum_cases),
            str(len(one.definition.risk.factors)),
            fidelity_of(one).label,
        )
        for one in shipped
    ]
    header = ("measure", "year", "title", "scale", "least cases", "risk variables", "fidelity")
    return page("Measures", "the measure definitions", [_INTRO, table(header, rows)])


def _measure_page(measure: Measure) -> str:
    title, _, body = describe_measure(measure).partition("\n")
    # Lists within lists need four blanks; lines of prose keep their signs.
    body = re.sub(r"^  - ", "    - ", body, flags=re.MULTILINE)
    lines = [line if line.startswith("#") else escape(line) for line in body.strip().splitlines()]
    return page(title.removeprefix("# "), f"the definition of {measure.id}", ["\n".join(lines)])
