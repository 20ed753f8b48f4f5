"""The manifest of a workbook: what identifies the run it was made from."""

from __future__ import annotations

import xlsxwriter

from riskstd.report.wording import MISSING, level_text, number
from riskstd.report.workbook.own import Own
from riskstd.report.workbook.sheet import Sheet, text_sheet


def manifest_sheet(own: Own) -> Sheet:
    """List definition, model, interval, seed and versions of the run; no counts of people."""
    return text_sheet(
        "Manifest",
        "Manifest",
        ("Fact", "Value"),
        [*_definition(own), *_model(own), *_versions(own)],
        "What the run was made of.",
        holds="Measure, definition, model, interval, seed and versions of the run.",
    )


def _definition(own: Own) -> list[tuple[str, str]]:
    content, measure = own.content, own.content.measure
    head = measure.definition.measure
    return [
        ("Measure", measure.id),
        ("Title", head.title),
        ("Specification year", str(measure.spec_year)),
        ("Definition", f"{measure.file}, revision {head.revision}"),
        ("Definition SHA-256", measure.sha256),
        *((f"Option {name}", value) for name, value in sorted(measure.options.items())),
        *((f"Table {name} SHA-256", measure.table(name).sha256) for name in measure.tables_used()),
        ("Fidelity", content.fidelity.statement()),
        ("Period", content.period),
        ("Claims layout", content.layout),
    ]


def _model(own: Own) -> list[tuple[str, str]]:
    interval, model = own.content.interval, own.content.model
    assert interval is not None
    assert model is not None
    return [
        ("Model", f"{model['method']}, {'converged' if model['converged'] else 'did not converge'}"),
        ("Intercept (mu, log odds)", number(float(model["mu"]), 6)),
        ("Spread of facility effects (tau, log odds)", number(float(model["tau"]), 6)),
        ("Interval method", interval.method),
        ("Interval level", level_text(interval.level)),
        ("Category level", level_text(interval.category_level)),
        ("Bootstrap replicates", f"{interval.replicates:,}"),
        ("Seed of the interval", MISSING if interval.seed is None else str(interval.seed)),
    ]


def _versions(own: Own) -> list[tuple[str, str]]:
    content = own.content
    return [
        ("Seed of the run", MISSING if content.seed is None else str(content.seed)),
        ("Profile", own.profile),
        ("Directory of facilities", "none" if own.shared.by_state is None else "given"),
        ("riskstd", content.version),
        ("XlsxWriter", xlsxwriter.__version__),
        *((name, str(value)) for name, value in sorted(content.run_facts.items())),
    ]
