"""Codes: which code a pattern takes, which years a row holds, which category a code has.

A pattern is a whole code, a beginning (`K50*`) or a range of numbers (`99281..99285`).
"""

from __future__ import annotations

from functools import cache

from riskstd.spec import CodeTable


def pattern_takes(pattern: str, code: str) -> bool:
    """Tell whether one pattern takes a code."""
    if pattern.endswith("*"):
        return code.startswith(pattern[:-1])
    if ".." in pattern:
        first, last = pattern.split("..")
        return len(code) == len(first) and code in _numbers_between(first, last)
    return code == pattern


def any_takes(patterns: tuple[str, ...], code: str | None) -> bool:
    """Tell whether any of the patterns takes a code; a missing code is never taken."""
    return code is not None and _any_takes(patterns, code)


@cache
def _any_takes(patterns: tuple[str, ...], code: str) -> bool:
    return any(pattern_takes(pattern, code) for pattern in patterns)


@cache
def _numbers_between(first: str, last: str) -> list[str]:
    digits = 0
    while digits < len(first) and first[-1 - digits].isdigit():
        digits += 1
    head, low, high = first[: len(first) - digits], int(first[-digits:]), int(last[-digits:])
    return [head + str(number).zfill(digits) for number in range(low, high + 1)]


def year_in(years: str, year: int) -> bool:
    """Tell whether a year is in `2021 2024-2026`, `-2014` or `2016-`; nothing written means every year."""
    if not years.strip():
        return True
    for span in years.split():
        if "-" not in span:
            if year == int(span):
                return True
            continue
        first, last = span.split("-")
        if (not first or year >= int(first)) and (not last or year <= int(last)):
            return True
    return False


@cache
def listed(table: CodeTable, role: str, year: int, system: str | None = None) -> tuple[str, ...]:
    """Return the patterns of a role that hold in a year."""
    patterns: list[str] = []
    for row in table.rows:
        if row["role"] == role and year_in(row["years"], year) and (system is None or row["system"] == system):
            patterns.extend(row["codes"].split())
    return tuple(patterns)


@cache
def categories_of(table: CodeTable, code: str) -> frozenset[str]:
    """Return the categories of the longest entries that take a code; a whole code goes before a beginning."""
    best_length = 0.0
    best: set[str] = set()
    for row in table.rows:
        for pattern in row["codes"].split():
            if not pattern_takes(pattern, code):
                continue
            length = len(pattern) - 1 if pattern.endswith("*") else len(code) + 0.5
            if length > best_length:
                best_length, best = length, {row["category"]}
            elif length == best_length:
                best.add(row["category"])
    return frozenset(best)


@cache
def planned_list(table: CodeTable, part: str, kind: str) -> tuple[str, ...]:
    """Return one list of the planned admission algorithm."""
    patterns: list[str] = []
    for row in table.rows:
        if row["part"] == part and row["kind"] == kind:
            patterns.extend(row["codes"].split())
    return tuple(patterns)


@cache
def work_rvu_of(table: CodeTable, code: str, year: int) -> float | None:
    """Return the work RVU of the year, else of the nearest earlier year, else of the nearest later one."""
    value_of_year: dict[int, float] = {}
    for row in table.rows:
        if row["code"] != code:
            continue
        for span in row["years"].split():
            first, _, last = span.partition("-")
            for each in range(int(first), int(last or first) + 1):
                value_of_year[each] = float(row["work_rvu"])
    if year in value_of_year:
        return value_of_year[year]
    earlier = [each for each in value_of_year if each < year]
    if earlier:
        return value_of_year[max(earlier)]
    return value_of_year[min(value_of_year)] if value_of_year else None
