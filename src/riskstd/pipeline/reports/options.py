"""What reports are asked for, and from which files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskstd.errors import InputError, OptionError
from riskstd.pipeline.manifest import MANIFEST, versions
from riskstd.report.content import Profile, check_profile

FORMATS = ("workbook", "page", "pdf")
"""Kinds of facility report: report.xlsx, report.html, report.pdf."""


@dataclass(frozen=True)
class ReportOptions:
    """Options of the reports of one run; every process of a batch starts from them.

    Attributes
    ----------
    run : Path
        Folder of a finished run.
    profile : str
    formats : tuple of str
        Kinds of facility report.
    published, directory : Path or None
        Facility file of the Provider Data Catalog; CSV of facilities with npi, name and state.
    earlier : tuple of Path
        Folders of earlier runs of the measure, oldest first.
    national_pdf : bool
    overdispersion : bool
        Whether the funnel's limits are widened by the spread that all facilities share.
    """

    run: Path
    profile: Profile = "facility"
    formats: tuple[str, ...] = ("workbook", "page")
    published: Path | None = None
    directory: Path | None = None
    earlier: tuple[Path, ...] = ()
    national_pdf: bool = False
    overdispersion: bool = False

    @property
    def is_private(self) -> bool:
        """Whether the reports hold cases of persons."""
        return self.profile == "facility-phi"

    @property
    def folder(self) -> Path:
        """Where the reports of this profile go: what is to be passed on lies in one folder."""
        return self.run / "report" / self.profile

    def checked(self) -> ReportOptions:
        """Return the options if they can be met.

        Raises
        ------
        OptionError
            An unknown profile or format.
        InputError
            A file that is not there.
        """
        check_profile(self.profile)
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown or not self.formats:
            raise OptionError(
                f"format {', '.join(unknown) or 'missing'}", expected=f"one or more of {', '.join(FORMATS)}"
            )
        for path in (self.published, self.directory):
            if path is not None and not path.is_file():
                raise InputError(f"no file {path}", expected="a CSV file of facilities")
        if "pdf" in self.formats or self.national_pdf:
            from riskstd.report.pdf import load_weasyprint

            load_weasyprint()
        return self

    def fingerprint(self) -> dict[str, Any]:
        """What the bytes of the reports depend on; reports of another fingerprint are not mixed with these."""
        files = {"run": self.run / MANIFEST, "published": self.published, "directory": self.directory}
        return {
            "profile": self.profile,
            "formats": list(self.formats),
            "national_pdf": self.national_pdf,
            "overdispersion": self.overdispersion,
            "versions": versions(),
            "inputs": {name: _sha256(path) for name, path in files.items() if path is not None},
            "earlier": [_sha256(path / MANIFEST) for path in self.earlier],
        }


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path} is missing or cannot be read") from error


def as_json(content: dict[str, Any]) -> bytes:
    """JSON with keys in the order given, one value a line."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8")
