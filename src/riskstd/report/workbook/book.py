"""The report of one facility as a workbook, in the shape of CMS's facility-specific reports."""

from __future__ import annotations

from collections.abc import Mapping

from riskstd.errors import InputError
from riskstd.report.cases import Cases
from riskstd.report.content import Profile, ReportInput, check_profile
from riskstd.report.workbook.cases import cases_sheet, visits_of_cases_sheet
from riskstd.report.workbook.comparison import comparison_sheet
from riskstd.report.workbook.cover import cover_sheet, dictionary_sheet
from riskstd.report.workbook.factors import factors_sheet
from riskstd.report.workbook.manifest import manifest_sheet
from riskstd.report.workbook.notes import notes_sheet
from riskstd.report.workbook.own import Own
from riskstd.report.workbook.results import results_sheet
from riskstd.report.workbook.shared import FacilityDirectory, WorkbookShared
from riskstd.report.workbook.sheet import Sheet
from riskstd.report.workbook.visits import visits_sheet
from riskstd.report.workbook.writer import write_sheets

__all__ = ["WorkbookShared", "facility_workbook"]

FOOTERS: Mapping[Profile, str] = {
    "facility-phi": "Protected health information",
    "facility": "For the facility, not for publication",
    "public": "Public",
}


def facility_workbook(
    content: ReportInput,
    cases: Cases,
    facility_id: str,
    *,
    profile: Profile = "facility-phi",
    directory: FacilityDirectory | None = None,
    shared: WorkbookShared | None = None,
) -> bytes:
    """Write the workbook of one facility.

    Parameters
    ----------
    content : ReportInput
        The results of a run that came to rates.
    cases : Cases
        All cases of the run.
    facility_id : str
        As in `facility_rates`.
    profile : {"facility-phi", "facility", "public"}
        With the facility's own cases; without any person; or without its small counts too. Counts of other
        facilities follow the rule for small cells in each of them.
    directory : FacilityDirectory, optional
        Names and states of facilities. Not read when `shared` is given.
    shared : WorkbookShared, optional
        What all workbooks of the run have in common; give it when more than one is written.

    Returns
    -------
    bytes
        A file in the format of Excel (.xlsx): the same for the same input.

    Raises
    ------
    InputError
        When the facility has no cases in the run, or the run came to no rates.
    OptionError
        When there is no such profile.

    See Also
    --------
    WorkbookShared.of : everything that is the same for all facilities.
    """
    check_profile(profile)
    shared = WorkbookShared.of(content, cases, directory) if shared is None else shared
    if shared.content.measure.sha256 != content.measure.sha256 or len(cases) != shared.content.n_cases:
        raise InputError("`shared` belongs to another run", expected="WorkbookShared.of(content, cases)")
    own = _own(shared, cases, facility_id, profile)
    heading = (_facility_line(shared, facility_id), f"Period: {content.period}")
    title = f"Facility report, {content.measure.id}"
    return write_sheets(_sheets(own), heading, title=title, footer=FOOTERS[profile])


def _own(shared: WorkbookShared, cases: Cases, facility_id: str, profile: Profile) -> Own:
    """Gather what the sheets need of the facility, and what the profile hides of it."""
    place = shared.place_of(facility_id)
    is_public = profile == "public"
    seen = shared.groups_seen_by(place, nation_only=is_public)
    hide_cases = hide_results = False
    if is_public:
        hide_cases, hide_results = (bool(mask[place]) for mask in shared.hidden_in_public)
    return Own(shared, place, profile, cases.of_facility(facility_id), seen, hide_cases, hide_results)


def _sheets(own: Own) -> list[Sheet]:
    """All sheets of a profile, in order."""
    data = [results_sheet(own), comparison_sheet(own), visits_sheet(own), factors_sheet(own)]
    if own.profile == "facility-phi":
        data += [cases_sheet(own), visits_of_cases_sheet(own)]
    words = [dictionary_sheet(own, data), notes_sheet(own), manifest_sheet(own)]
    return [cover_sheet(own, [*data, *words]), *data, *words]


def _facility_line(shared: WorkbookShared, facility_id: str) -> str:
    """Second row of every sheet: name and state, if known, and id."""
    name, state = shared.names.get(facility_id), shared.states.get(facility_id)
    parts = (name, f"NPI {facility_id}", f"state {state}" if state else "")
    return f"Facility: {', '.join(part for part in parts if part)}"
