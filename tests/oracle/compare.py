"""Compare two judgements row by row, and say in words where they differ."""

from __future__ import annotations

from typing import Any

from oracle.judge import Judgement

TABLES = ("procedures", "excluded", "attrition", "visits", "outcomes", "risk_factors", "unmapped_codes")
KEYS = {
    "attrition": ("rule",),
    "unmapped_codes": ("code",),
    "visits": ("person_key", "facility_id", "procedure_date", "visit_type", "start_date"),
}
DEFAULT_KEY = ("person_key", "facility_id", "procedure_date")


def differences(oracle: Judgement, engine: Judgement, tables: tuple[str, ...] = TABLES) -> list[str]:
    """Return one sentence per row or value in which the two differ."""
    found: list[str] = []
    for name in tables:
        found += table_differences(name, getattr(oracle, name), getattr(engine, name))
    return found


def table_differences(name: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[str]:
    """Compare one table as a multiset of rows, matched by key."""
    key_columns = KEYS.get(name, DEFAULT_KEY)
    ours_by_key, theirs_by_key = grouped(ours, key_columns), grouped(theirs, key_columns)
    found = []
    for key in sorted({*ours_by_key, *theirs_by_key}, key=repr):
        mine, other = ours_by_key.get(key, []), theirs_by_key.get(key, [])
        if mine == other:
            continue
        label = f"{name} {dict(zip(key_columns, key, strict=True))}"
        if len(mine) != len(other):
            found.append(f"{label}: oracle has {len(mine)} row(s), engine {len(other)}: {mine} / {other}")
            continue
        for a, b in zip(mine, other, strict=True):
            found += [
                f"{label}: {column} is {a.get(column)!r} in the oracle, {b.get(column)!r} in the engine"
                for column in sorted({*a, *b})
                if a.get(column) != b.get(column)
            ]
    return found


def grouped(rows: list[dict[str, Any]], key_columns: tuple[str, ...]) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Return rows by key, in an order of their own values, missing values last."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in key_columns), []).append(normal(row))
    for group in groups.values():
        group.sort(key=lambda row: [(value is None, str(value)) for _, value in sorted(row.items())])
    return groups


def normal(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row in which an unknown death is no death in the window."""
    return {name: bool(value) if name == "died_in_window" else value for name, value in row.items()}
