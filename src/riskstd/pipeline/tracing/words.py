"""A trace in words: what each decision found, which lines carried it, and the whole as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from riskstd.pipeline.tracing.found import found_words, number

Content = dict[str, Any]
_WIDTH = 110
_TABLES = {
    "people": "beneficiary record",
    "enrollment": "enrollment month",
    "professional_lines": "professional line",
    "outpatient_lines": "outpatient line",
    "inpatient_claims": "inpatient claim",
    "stays": "stay",
    "procedures": "inpatient procedure",
    "diagnoses": "diagnosis",
}
_HIDDEN = frozenset({"line", "table", "days_after", "claim_id", "month", "stay_id"})
_REASONS = {
    "planned": "planned",
    "part_of_admission": "its day lies in an inpatient stay that is a visit",
    "belongs_to_later_procedure": "it belongs to a later procedure",
}


def verdict_words(content: Content) -> str:
    """Return verdict and outcome as one sentence.

    Examples
    --------
    >>> verdict_words({"excluded_by": "age_under_65", "outcome": None})
    'Excluded by age_under_65.'
    """
    if content["excluded_by"] is not None:
        return f"Excluded by {content['excluded_by']}."
    return f"In the cohort, {'with' if content['outcome'] else 'without'} a hospital visit that counts."


def line_words(line: Content) -> str:
    """Return a claim line as one sentence, without its number.

    Examples
    --------
    >>> line_words({"line": "D1", "table": "diagnoses", "days_after": -3, "claim_id": "7", "code": "D509"})
    'diagnosis, day -3, claim 7: code D509'
    """
    head = [_TABLES[line["table"]]]
    if isinstance(line.get("month"), int):
        head.append(month_words(line["month"]))
    if "days_after" in line:
        head.append(f"day {line['days_after']}")
    if "claim_id" in line:
        head.append(f"claim {line['claim_id']}")
    values = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in line.items()
        if name not in _HIDDEN and value not in (None, "")
    ]
    return f"{', '.join(head)}: {', '.join(values) or 'no further value'}"


def month_words(month: int) -> str:
    """Return a calendar month, which the tables keep as a number.

    Examples
    --------
    >>> month_words(2023 * 12)
    '2023-01'
    """
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def visit_words(visit: Content) -> str:
    """Return type, day and fate of a visit as one sentence."""
    kind = {"ed": "Emergency visit", "observation": "Observation stay", "inpatient": "Inpatient stay"}
    head = f"{kind[visit['visit_type']]} on day {visit['days_after']}"
    if "left_out_as" in visit:
        return f"{head}: left out, it is the stay of the procedure."
    if visit["counted"]:
        return f"{head}: counts."
    return f"{head}: does not count, {_REASONS[visit['not_counted_because']]}."


def planned_words(visit: Content) -> str:
    """Return how the planned admission algorithm decided on a visit."""
    if "left_out_as" in visit:
        return ""
    said = {
        "never_planned_visit_type": "never planned, by its type",
        "PA1": "planned: a procedure that is always planned (PA1)",
        "PA2": "planned: a principal diagnosis that is always planned (PA2)",
        "PA3": "planned: a potentially planned procedure (PA3) without an acute principal diagnosis (PA4)",
        "PA4": "unplanned: a potentially planned procedure, but an acute principal diagnosis (PA4)",
        "no_planned_procedure": "unplanned: no procedure of PA1 or PA3, no principal diagnosis of PA2",
        "missing_principal_diagnosis": "the principal diagnosis is missing: "
        + ("planned" if visit["planned"] else "unplanned"),
    }
    return said[visit["planned_rule"]]


def factors_that_count(content: Content) -> list[tuple[str, float, Content]]:
    """Return column, value and decision of every risk factor that is not 0."""
    return [
        (column, value, decision)
        for decision in content["risk_factors"]
        for column, value in decision["answer"].items()
        if value
    ]


def zero_factors(content: Content) -> list[str]:
    """Return the columns that are 0."""
    return [name for decision in content["risk_factors"] for name, value in decision["answer"].items() if not value]


def shown_lines(content: Content) -> list[Content]:
    """Return the claim lines that carried a decision or are about the procedure, for people to read.

    The others are diagnoses in reach that no rule and no factor took; JSON has them all.
    """
    wanted = {line for decision in _decisions(content) for line in decision["lines"]}
    wanted |= {line for visit in content["visits"] for line in visit["lines"]}
    return [line for line in content["lines"] if line["line"] in wanted]


def as_text(content: Content) -> str:
    """Return a trace as text."""
    measure, procedure = content["measure"], content["procedure"]
    lines = [
        f"{measure['id']} procedure {procedure['procedure_id']}: {verdict_words(content)}",
        f"{measure['title']}, specification year {measure['spec_year']}",
        f"Fidelity: {measure['fidelity']}",
        *(f"Missing: {sentence}" for sentence in content["missing"]),
        "",
        _procedure(procedure),
    ]
    lines += _section("From claim lines to the procedure", content["candidate"], "")
    lines += _section("Exclusions in order", content["exclusions"], "")
    lines += _visits(content)
    lines += _factors(content)
    cited = shown_lines(content)
    if cited:
        lines += ["", "Claim lines"]
        lines += [_wrapped(f"{line['line']:<4} {line_words(line)}", "  ", "       ") for line in cited]
    return "\n".join(lines)


def _procedure(row: Content) -> str:
    place = f"Procedure on {row['procedure_date']} at facility {row['facility_id'] or 'unknown'}"
    return f"{place}: codes {row['codes']}, index code {row['index_code']} (work RVU {number(row['work_rvu'])})"


def _section(title: str, decisions: Sequence[Content], indent: str) -> list[str]:
    if not decisions:
        return []
    lines = ["", f"{indent}{title}"]
    for decision in decisions:
        lines += _decision(decision, f"{indent}  ")
    return lines


def _decision(decision: Content, indent: str) -> list[str]:
    answer = {True: "yes: ", False: "no:  "}.get(decision["answer"], "") if _is_flag(decision) else ""
    lines = [_wrapped(f"{answer}{decision['clause']}", indent, f"{indent}     ")]
    lines.append(_wrapped(f"{decision['says']} {source_words(decision)}", f"{indent}     ", f"{indent}     "))
    lines += [_wrapped(f"- {found}", f"{indent}     ", f"{indent}       ") for found in found_words(decision)]
    return lines


def source_words(decision: Content) -> str:
    """Return source and origin in brackets."""
    return f"[{decision['source']} ({decision['origin']})]"


def _visits(content: Content) -> list[str]:
    if content["excluded_by"] is not None:
        return ["", "Hospital visits and risk factors: not looked at, the procedure is excluded."]
    first, last = content["measure"]["window_days"]
    lines = ["", f"Hospital visits on days {first} to {last}" + ("" if content["visits"] else ": none")]
    for visit in content["visits"]:
        lines.append(_wrapped(visit_words(visit), "  ", "    "))
        if planned_words(visit):
            lines.append(_wrapped(planned_words(visit), "     ", "     "))
        for decision in [*visit["shown_by"], *visit["decisions"]]:
            lines += _decision(decision, "     ")
        if visit["lines"]:
            lines.append(_wrapped(f"lines {', '.join(visit['lines'])}", "     ", "       "))
    return [*lines, f"Outcome: {content['outcome']}"]


def _factors(content: Content) -> list[str]:
    if content["excluded_by"] is not None:
        return []
    lines = ["", "Risk factors that are not 0"]
    for column, value, decision in factors_that_count(content):
        lines.append(_wrapped(f"{column} = {number(value)}  {source_words(decision)}", "  ", "       "))
        lines += [_wrapped(f"- {found}", "       ", "         ") for found in found_words(decision)]
    zero = zero_factors(content)
    return [*lines, _wrapped(f"0: {', '.join(zero)}", "  ", "     ")] if zero else lines


def _decisions(content: Content) -> Iterator[Content]:
    yield from [*content["candidate"], *content["exclusions"]]
    for visit in content["visits"]:
        yield from [*visit["shown_by"], *visit["decisions"]]
    yield from (decision for _, _, decision in factors_that_count(content))


def _is_flag(decision: Content) -> bool:
    return isinstance(decision["answer"], bool)


def _wrapped(text: str, indent: str, then: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )
