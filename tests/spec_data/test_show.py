"""A measure in words, as Markdown and as a page."""

from __future__ import annotations

from html import unescape

import pytest

from riskstd.report.definition_page import definition_page
from riskstd.report.wording import sentence
from riskstd.spec import list_measures, load_measure
from riskstd.spec.describe import describe_measure

MEASURES = [name for name, _ in list_measures(definitions=None)]


@pytest.mark.parametrize("name", MEASURES)
def test_every_clause_in_force_is_shown_with_its_source(name: str):
    measure = load_measure(name)
    markdown, page = describe_measure(measure), unescape(definition_page(measure))
    for path, clause in measure.active_clauses():
        if path.partition(".")[0] not in {"measure", "options"}:
            assert f"`{path}`: {clause.says} [{clause.source}" in markdown
            assert sentence(clause.says) in page
            assert clause.source in page
            assert f"<code>{path}</code>" in page
    for text in (markdown, page):
        assert "American Medical Association" in text
        assert "not a CMS result" in text


def test_options_change_what_is_shown():
    measure = load_measure("ASC-12", options={"planned_admission_tables": "ry2024"})
    assert "planned_admission_ry2024" in definition_page(measure)
    assert "planned_admission_ry2021" not in describe_measure(measure)


def test_weak_origins_are_marked_and_codes_of_lists_are_there():
    page = definition_page(load_measure("ASC-12"))
    assert '<span class="weak">assumed</span>' in page
    assert "45378 45380" in page


def test_the_page_needs_nothing_else():
    page = definition_page(load_measure("ASC-19"))
    assert "<script" not in page
    assert "src=" not in page
    assert "@import" not in page
    assert page == definition_page(load_measure("ASC-19"))
