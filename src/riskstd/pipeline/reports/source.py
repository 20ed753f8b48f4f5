"""Everything that the reports of one run are made from, read once by each process of a batch."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from riskstd.errors import InputError
from riskstd.pipeline.reports.options import ReportOptions
from riskstd.pipeline.saved import SavedRun, open_run

if TYPE_CHECKING:
    from riskstd.report import ReportInput
    from riskstd.report.published.compare import PublishedComparison
    from riskstd.report.published.directory import Directory
    from riskstd.report.published.file import PublishedResults


class ReportSource:
    """A run with what its reports need beside it.

    Parameters
    ----------
    options : ReportOptions
    """

    def __init__(self, options: ReportOptions) -> None:
        self.options = options
        self.run: SavedRun = open_run(options.run)

    @cached_property
    def published(self) -> PublishedResults | None:
        """Published results, when a file of them is given."""
        if self.options.published is None:
            return None
        from riskstd.report.published.file import read_published

        return read_published(self.options.published)

    @cached_property
    def comparison(self) -> PublishedComparison | None:
        """This run beside the published results, when the file has the measure."""
        run, published = self.run, self.published
        if published is None or not run.content.has_rates or run.measure.id not in published.measures:
            return None
        from riskstd.report.published.compare import compare_published

        return compare_published(run.content, published, profile=self.options.profile)

    @cached_property
    def directory(self) -> Directory | None:
        """Names and states of facilities: from a directory, else from the published file."""
        from riskstd.report.published.directory import Directory

        if self.options.directory is not None:
            return Directory.from_csv(self.options.directory)
        return Directory.of(self.published) if self.published is not None else None

    @cached_property
    def earlier(self) -> tuple[ReportInput, ...]:
        """Earlier runs, oldest first.

        Raises
        ------
        InputError
            When one is of another measure.
        """
        contents = tuple(open_run(folder).content for folder in self.options.earlier)
        for folder, content in zip(self.options.earlier, contents, strict=True):
            if content.measure.id != self.run.measure.id:
                raise InputError(f"{folder} is a run of {content.measure.id}", expected=self.run.measure.id)
        return contents

    def facility_files(self, facility_id: str) -> dict[str, bytes]:
        """Reports of one facility, by file name.

        Raises
        ------
        InputError
            When the facility has no cases in the run.
        """
        made: dict[str, bytes] = {}
        page = self._page(facility_id) if {"page", "pdf"} & set(self.options.formats) else ""
        if "workbook" in self.options.formats:
            made["report.xlsx"] = self._workbook(facility_id)
        if "page" in self.options.formats:
            made["report.html"] = page.encode("utf-8")
        if "pdf" in self.options.formats:
            from riskstd.report.pdf import html_to_pdf

            made["report.pdf"] = html_to_pdf(page, title=f"{self.run.measure.id} {facility_id}")
        return made

    def _workbook(self, facility_id: str) -> bytes:
        from riskstd.report.workbook.book import facility_workbook

        run = self.run
        return facility_workbook(
            run.content,
            run.cases,
            facility_id,
            profile=self.options.profile,
            directory=self.directory,
            shared=self._workbook_shared,
        )

    def _page(self, facility_id: str) -> str:
        from riskstd.report.facility.page import render_facility_page

        run = self.run
        return render_facility_page(
            run.content,
            run.cases,
            facility_id,
            profile=self.options.profile,
            directory=self.directory,
            history=self.earlier,
            shared=self._page_shared,
        )

    @cached_property
    def _workbook_shared(self) -> Any:
        from riskstd.report.workbook.book import WorkbookShared

        return WorkbookShared.of(self.run.content, self.run.cases, self.directory)

    @cached_property
    def _page_shared(self) -> Any:
        from riskstd.report.facility.page import PageShared

        return PageShared.of(self.run.content, self.run.cases, self.directory)
