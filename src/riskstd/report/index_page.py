"""The first page of a folder of reports: what is there, for which facility, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.csv_text import csv_bytes
from riskstd.report.templating import environment

if TYPE_CHECKING:
    from riskstd.report.published.directory import Directory

FILE_NAMES = {"workbook": "report.xlsx", "page": "report.html", "pdf": "report.pdf"}
"""File of each kind of facility report."""
KIND_WORDS = {"workbook": "workbook", "page": "page", "pdf": "PDF"}
FILE_WORDS = {
    "national.html": "National report of this run",
    "national.pdf": "National report as PDF",
    "facilities.csv": "List of the facility reports",
    "suppression_log.csv": "Which numbers are not shown, and by which rule",
}


class Outcome(Protocol):
    """What became of the report of one facility."""

    @property
    def facility_id(self) -> str:
        """Its id."""
        ...

    @property
    def folder(self) -> str:
        """Name of its folder below `facilities/`."""
        ...

    @property
    def reason(self) -> str:
        """Why there is no report; empty when there is one."""
        ...


@dataclass(frozen=True)
class _Entry:
    facility_id: str
    name: str
    category: str
    folder: str
    reason: str
    links: tuple[tuple[str, str], ...]


def facility_list(
    content: ReportInput, outcomes: Sequence[Outcome], directory: Directory | None, formats: Sequence[str]
) -> bytes:
    """Return a CSV of the facility reports: id, name, category, folder, status and reason.

    Text that a spreadsheet would take for a formula is led by an apostrophe.
    """
    rows = []
    for one in _entries(content, outcomes, directory, formats):
        status = "failed" if one.reason else "written"
        folder = "" if one.reason else one.folder
        rows.append((one.facility_id, one.name, one.category, folder, status, one.reason))
    return csv_bytes(["facility_id", "name", "category", "folder", "status", "reason"], rows)


def render_index(
    content: ReportInput,
    outcomes: Sequence[Outcome],
    profile: Profile,
    *,
    files: Sequence[str],
    formats: Sequence[str],
    directory: Directory | None = None,
) -> str:
    """Write the first page.

    Parameters
    ----------
    content : ReportInput
    outcomes : sequence of Outcome
        One for each facility asked for.
    profile : {"facility-phi", "facility", "public"}
    files : sequence of str
        Other files of the folder.
    formats : sequence of str
        Kinds of facility report.
    directory : Directory, optional

    Returns
    -------
    str
    """
    entries = _entries(content, outcomes, directory, formats)
    own = [name for name in files if "/" not in name and name != "index.html"]
    known = [name for name in FILE_WORDS if name in own]
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            measure=content.measure,
            head=content.measure.definition.measure,
            period=content.period,
            version=content.version,
            fidelity=content.fidelity.label,
            profile=profile,
            files=[(name, FILE_WORDS.get(name, name)) for name in [*known, *(n for n in own if n not in known)]],
            n_figures=sum(name.startswith("figures/") and name.endswith(".png") for name in files),
            has_names=any(one.name for one in entries),
            entries=[one for one in entries if not one.reason],
            failed=[one for one in entries if one.reason],
        )
    )


def _entries(
    content: ReportInput, outcomes: Sequence[Outcome], directory: Directory | None, formats: Sequence[str]
) -> list[_Entry]:
    categories: dict[str, str] = {}
    if content.rates is not None:
        pairs = zip(content.rates["facility_id"].astype(str), content.rates["category"], strict=True)
        categories = {one: category if isinstance(category, str) else "" for one, category in pairs}
    return [
        _Entry(
            facility_id=one.facility_id,
            name=(directory.name_of(one.facility_id) or "") if directory is not None else "",
            category=categories.get(one.facility_id, ""),
            folder=f"facilities/{one.folder}",
            reason=one.reason,
            links=tuple((f"facilities/{quote(one.folder)}/{FILE_NAMES[k]}", KIND_WORDS[k]) for k in formats),
        )
        for one in outcomes
    ]
