"""Pages as PDF."""

from __future__ import annotations

import builtins
import sys

import pytest

from riskstd.errors import OptionError
from riskstd.report.pdf import has_pdf, html_to_pdf

PAGE = '<html lang="en"><head><title>Rates</title></head><body><h1>Rates</h1><p>One page.</p></body></html>'


def test_the_same_page_gives_the_same_bytes():
    made = html_to_pdf(PAGE, title="ASC-18")
    assert made.startswith(b"%PDF")
    assert made == html_to_pdf(PAGE, title="ASC-18")
    assert made != html_to_pdf(PAGE.replace("One page", "Another"), title="ASC-18")


def test_nothing_outside_of_the_page_is_read(tmp_path):
    from weasyprint.urls import FatalURLFetchingError

    (tmp_path / "a.txt").write_text("outside")
    with pytest.raises(FatalURLFetchingError):
        html_to_pdf(f'<img src="{(tmp_path / "a.txt").as_uri()}">')


def test_without_the_library_the_message_names_what_to_install(monkeypatch):
    imported = builtins.__import__

    def lacks(name, *arguments, **options):
        if name == "weasyprint":
            raise OSError("cannot load library 'pango'")
        return imported(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(builtins, "__import__", lacks)
    assert not has_pdf()
    with pytest.raises(OptionError, match="WeasyPrint") as error:
        html_to_pdf(PAGE)
    assert "riskstd[pdf]" in str(error.value)
