"""The cover of a workbook, and its data dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.suppression import SMALL_CELL
from riskstd.report.wording import MISSING, SUPPRESSED, sentence
from riskstd.report.workbook.own import Own
from riskstd.report.workbook.results import result_sentence
from riskstd.report.workbook.sheet import NO_CASES, NOT_APPLICABLE, Field, Sheet, text_sheet
from riskstd.spec.definition import columns_of

PRIVACY: Mapping[Profile, str] = {
    "facility-phi": (
        "Holds protected health information: one row per case with an identifier and dates. For staff of this "
        "facility whose work needs it. Keep it in a folder with restricted access, do not send it by e-mail, and "
        "remove both sheets of cases before passing anything on."
    ),
    "facility": (
        "Holds no row for any person, no identifier of a person or a claim, and no date but the period. It shows "
        "small counts of this facility, so it is for the facility itself and not for publication."
    ),
    "public": (
        f"May be published. No count from 1 to {SMALL_CELL} is shown; there is no row for any person, no identifier "
        "of a person or a claim, and no date but the period."
    ),
}
READ_ONLY = "Opens as read-only recommended: a number changed here changes no result. Save a copy to work in."
MARKS = "; ".join(
    f"{mark} {says}"
    for mark, says in (
        (SUPPRESSED, f"suppressed: a count from 1 to {SMALL_CELL}, or a figure that would give one away"),
        (NO_CASES, "no qualifying cases, visits or facilities, so there is no figure"),
        (NOT_APPLICABLE, "not applicable: the figure makes no sense here"),
        (MISSING, "missing: the source has no value, or none was computed"),
        ("0", "a true zero"),
    )
)


def cover_sheet(own: Own, sheets: Sequence[Sheet]) -> Sheet:
    """Say what the workbook is for, what each sheet holds, and who may read it."""
    content, head = own.content, own.content.measure.definition.measure
    rows = [
        ("Purpose", "Shows one facility its risk-standardized result, how sure it is, and what it is made of."),
        ("Result", result_sentence(own)),
        ("Privacy", PRIVACY[own.profile]),
        ("Measure", f"{content.measure.id}: {head.title}. {sentence(head.says)}"),
        ("Period", content.period),
        ("Fidelity", sentence(content.fidelity.statement())),
        ("Read only", READ_ONLY),
        *((f"Sheet {sheet.name}", sheet.holds) for sheet in sheets),
        ("Marks", sentence(MARKS)),
    ]
    title = f"Facility report: {content.measure.id}, {head.short_title}"
    return text_sheet("Cover", title, ("Part", "What it says"), rows, "What this workbook is.")


def dictionary_sheet(own: Own, sheets: Sequence[Sheet]) -> Sheet:
    """List every column of every sheet with its meaning, then the risk factors with their definition."""
    factors = own.cases.factors
    labels = {factor.label for factor in factors}
    rows = [
        [sheet.name, column.header, column.kind, column.meaning]
        for sheet in sheets
        for column in sheet.fields
        if not (sheet.name == "Cases" and column.header in labels)
    ]
    says = _definitions(own.content)
    for factor in factors:
        kind = "0 or 1" if factor.is_flag else "number"
        rows.append(["Risk factor", factor.label, kind, says.get(factor.name, "Risk factor of the model.")])
    return Sheet(
        "Data dictionary",
        "Data dictionary",
        (
            Field("Sheet", "Sheet of the column.", "wrap", 18),
            Field("Column", "Header of the column, with its unit.", "wrap", 44),
            Field("Kind", "Text, date, whole number or number with decimals.", "wrap", 16),
            Field("Meaning", "What the column holds.", "wrap", 90),
        ),
        rows,
        intro="What each column holds.",
        holds="What each column of each sheet means.",
    )


def _definitions(content: ReportInput) -> dict[str, str]:
    """What the definition says of each column of the risk factors, with its source."""
    return {
        column: f"{sentence(clause.says)} Source: {clause.source}."
        for clause in content.measure.factors
        for column in columns_of(clause)
    }
