"""A comparison of definitions in words: plain text and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from riskstd.spec.describe import ama_notice
from riskstd.spec.diff import ClauseChange, FieldChange, SpecDiff
from riskstd.spec.tablediff import CodeChange

MOST_CODES = 60
"""Codes of a list that are printed; JSON has all of them."""
_WORDS = frozenset(
    {"id", "says", "source", "origin", "grade", "version", "values_source", "values_origin", "values_grade"}
)


def as_text(found: SpecDiff) -> str:
    """Return the changes as plain text.

    Examples
    --------
    >>> from riskstd.spec import load_code_table
    >>> from riskstd.spec.diff import diff
    >>> a, b = (load_code_table(f"planned_admission_ry{year}") for year in (2021, 2024))
    >>> print("\\n".join(as_text(diff(a, b)).splitlines()[4:7]))
    Codes
      planned_admission_ry2021 -> planned_admission_ry2024, PA4 diagnosis_category
          2 added: 237 661
    """
    lines = ["What changed", f"from: {found.before}", f"to:   {found.after}"]
    for title, entries in _sections(found):
        lines += ["", title]
        for head, details in entries:
            lines += [f"  {head}", *(f"      {detail}" for detail in details)]
    return "\n".join([*lines, "", ama_notice()])


def as_markdown(found: SpecDiff) -> str:
    """Return the changes as Markdown."""
    lines = ["# What changed", "", f"From {found.before} to {found.after}."]
    for title, entries in _sections(found):
        lines += ["", f"## {title}", ""]
        for head, details in entries:
            lines += [f"- {head}", *(f"  - {detail}" for detail in details)]
    return "\n".join([*lines, "", "## AMA notice", "", ama_notice()])


def _sections(found: SpecDiff) -> Iterator[tuple[str, list[tuple[str, list[str]]]]]:
    """Titles with entries, each a head line and its details."""
    if not found:
        yield "Nothing changed", []
        return
    held = [change for change in found.clauses if change.in_force]
    dormant = [change for change in found.clauses if not change.in_force]
    if held:
        yield "Clauses in force", [_clause(change) for change in held]
    if dormant:
        yield "Clauses that hold on neither side under the options chosen", [_clause(change) for change in dormant]
    if found.codes:
        yield "Codes", [_codes(change) for change in found.codes]


def _clause(change: ClauseChange) -> tuple[str, list[str]]:
    head = f"{change.change} {change.path}: {change.says} [{change.source} ({change.origin})]"
    # What a clause does comes before how it is worded.
    fields = sorted(change.fields, key=lambda field: field.key in _WORDS)
    return head, [_field(field) for field in fields]


def _field(change: FieldChange) -> str:
    if change.added or change.removed:
        parts = [_listed(change.added, "added"), _listed(change.removed, "removed")]
        return f"{change.key}: " + "; ".join(part for part in parts if part)
    return f"{change.key}: {_value(change.before)} -> {_value(change.after)}"


def _codes(change: CodeChange) -> tuple[str, list[str]]:
    before, after = change.tables
    tables = before if before == after else f"{before} -> {after}"
    changed = [f"{code} ({old} -> {new})" for code, old, new in change.changed]
    parts = [_listed(change.added, "added"), _listed(change.removed, "removed"), _listed(changed, "changed")]
    return f"{tables}, {change.group}", [part for part in parts if part]


def _listed(items: Sequence[Any], what: str) -> str:
    if not items:
        return ""
    shown = " ".join(_value(item) for item in items[:MOST_CODES])
    more = f" and {len(items) - MOST_CODES:,} more" if len(items) > MOST_CODES else ""
    return f"{len(items):,} {what}: {shown}{more}"


def _value(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if value == "":
        return "blank"
    if isinstance(value, list):
        return " ".join(_value(item) for item in value)
    return str(value)
