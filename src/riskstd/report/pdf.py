"""Pages as PDF, by WeasyPrint, which needs no browser."""

from __future__ import annotations

import logging
from typing import Any

from riskstd.errors import OptionError


def html_to_pdf(html: str, *, title: str = "") -> bytes:
    """Lay a self-contained page out on paper.

    Parameters
    ----------
    html : str
        With style and images inside; nothing is fetched.
    title : str
        Seed of the document's identifier, so that the same page gives the same bytes.

    Returns
    -------
    bytes

    Raises
    ------
    OptionError
        When WeasyPrint, or a system library of it, is not installed.
    """
    weasyprint = load_weasyprint()
    # nothing outside of the page is fetched: a report refers to nothing else
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols={"data"}, fail_on_errors=True)
    document = weasyprint.HTML(string=html, url_fetcher=fetcher)
    return document.write_pdf(pdf_identifier=title.encode("utf-8"))


def has_pdf() -> bool:
    """Whether pages can be written as PDF on this machine."""
    try:
        load_weasyprint()
    except OptionError:
        return False
    return True


def load_weasyprint() -> Any:
    """Return WeasyPrint.

    Raises
    ------
    OptionError
        When it, or a system library of it, is not installed.
    """
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        raise OptionError(
            "PDF needs WeasyPrint, which is not installed or lacks a system library",
            expected="the extra `pdf`, and Pango",
            hint='pip install "riskstd[pdf]"; Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0',
        ) from error
    return weasyprint
