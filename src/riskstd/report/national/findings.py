"""What the figures and the text of one report both rest on, worked out once."""

from __future__ import annotations

from functools import cached_property

from riskstd.report.cases import Cases
from riskstd.report.content import Profile, ReportInput, check_profile
from riskstd.report.disclosure.counts import Counts, count_run
from riskstd.report.disclosure.facilities import Facilities, read_facilities
from riskstd.report.national.model_quality import ModelQuality, model_quality


class Findings:
    """Counts, facilities and model quality of a run as a profile may show them.

    Parameters
    ----------
    content : ReportInput
    profile : {"facility-phi", "facility", "public"}
    cases : Cases, optional

    Raises
    ------
    OptionError
        When there is no such profile.
    """

    def __init__(self, content: ReportInput, profile: Profile, cases: Cases | None = None) -> None:
        self.content, self.cases = content, cases
        self.profile: Profile = check_profile(profile)

    @cached_property
    def counts(self) -> Counts:
        """Counts of the run, and which are hidden."""
        return count_run(self.content, self.profile)

    @cached_property
    def facilities(self) -> Facilities:
        """Facilities of a run with rates."""
        return read_facilities(self.content, self.profile, self.counts)

    @cached_property
    def quality(self) -> ModelQuality:
        """How well the model does on its cases; nothing is judged without them."""
        if self.cases is None or self.content.model is None:
            return ModelQuality()
        return model_quality(self.content, self.cases, self.counts, self.profile)
