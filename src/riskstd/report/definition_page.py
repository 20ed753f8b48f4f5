"""A measure definition as one HTML page that needs no script, no network and no other file."""

from __future__ import annotations

from riskstd.report.national.definition_view import ORIGIN_NAMES
from riskstd.report.templating import environment
from riskstd.report.wording import sentence
from riskstd.spec import Clause, Measure, fidelity_of
from riskstd.spec.definition import TRUSTED_ORIGINS
from riskstd.spec.describe import SECTIONS, ama_notice, clause_facts, clauses_of, code_lists, origin_of
from riskstd.spec.fidelity import OFFICIAL


def definition_page(measure: Measure) -> str:
    """Write a measure under its options as an HTML page: every clause with its values, source and origin.

    Parameters
    ----------
    measure : Measure
        Definition under its options.

    Returns
    -------
    str
        The same text for the same definition, options and tables.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> page = definition_page(load_measure("ASC-18"))
    >>> page.startswith("<!DOCTYPE html>"), "http" in page.partition("</style>")[0]
    (True, False)
    """
    fidelity = fidelity_of(measure)
    sections = [
        (title, [_row(path, clause) for path, clause in clauses_of(measure, section)])
        for section, title in SECTIONS.items()
    ]
    return (
        environment()
        .get_template("definition.html.j2")
        .render(
            measure=measure,
            head=measure.definition.measure,
            fidelity=fidelity.statement(),
            official=fidelity.label == OFFICIAL,
            sections=sections,
            options=[
                (name, measure.options[name], option) for name, option in sorted(measure.definition.options.items())
            ],
            origin_names=ORIGIN_NAMES,
            trusted=TRUSTED_ORIGINS,
            tables=[measure.table(name) for name in measure.tables_used()],
            code_lists=code_lists(measure),
            sources=sorted(measure.definition.sources.items()),
            ama_notice=ama_notice(),
        )
    )


def _row(path: str, clause: Clause) -> dict[str, object]:
    source, origin = origin_of(clause)
    return {
        "path": path,
        "says": sentence(clause.says),
        "facts": clause_facts(clause),
        "source": source,
        "origin": origin,
    }
