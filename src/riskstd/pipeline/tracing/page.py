"""A trace as one HTML page that needs no script, no network and no other file."""

from __future__ import annotations

from typing import Any

from riskstd.pipeline.tracing import words
from riskstd.report.templating import environment


def trace_page(content: dict[str, Any]) -> str:
    """Write a trace as an HTML page.

    Parameters
    ----------
    content : dict
        `Trace.content`.

    Returns
    -------
    str
        The same text for the same trace.
    """
    return (
        environment()
        .get_template("trace.html.j2")
        .render(
            trace=content,
            measure=content["measure"],
            procedure=content["procedure"],
            verdict=words.verdict_words(content),
            lines=words.shown_lines(content),
            factors=words.factors_that_count(content),
            zero=words.zero_factors(content),
            found=words.found_words,
            line_words=words.line_words,
            visit_words=words.visit_words,
            planned_words=words.planned_words,
            trusted=("cms_public", "user_import"),
        )
    )
