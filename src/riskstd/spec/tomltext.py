"""Definitions as TOML text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

_INLINE = frozenset({"when", "labels"})
_WIDTH = 100


def to_toml(content: Mapping[str, Any]) -> str:
    """Write nested mappings as TOML: tables, arrays of tables, and a few short tables inline.

    Parameters
    ----------
    content : mapping
        Texts, numbers, booleans, dates, lists of them, mappings and lists of mappings.

    Returns
    -------
    str
        Text that `tomllib` reads back to the same content.

    Examples
    --------
    >>> print(to_toml({"schema": 1, "cohort": {"codes": {"role": "qualifying", "years": [2021, 2022]}}}))
    schema = 1
    <BLANKLINE>
    [cohort.codes]
    role = "qualifying"
    years = [2021, 2022]
    <BLANKLINE>
    """
    return "\n".join(_table(content, ())).lstrip("\n") + "\n"


def _table(content: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in content.items() if not _is_table(key, value)}
    yield from (f"{key} = {_value(value)}" for key, value in plain.items())
    for key, value in content.items():
        if key in plain:
            continue
        inner = (*path, key)
        if isinstance(value, list):
            for item in value:
                yield from ("", f"[[{'.'.join(inner)}]]", *_table(item, inner))
        else:
            own = any(not _is_table(name, item) for name, item in value.items())
            yield from ("", f"[{'.'.join(inner)}]") if own else ()
            yield from _table(value, inner)


def _is_table(key: str, value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) and key not in _INLINE


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case date():
            return value.isoformat()
        case dict():
            return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
        case list():
            short = "[" + ", ".join(_value(item) for item in value) + "]"
            if len(short) <= _WIDTH:
                return short
            return "[\n" + "".join(f"    {_value(item)},\n" for item in value) + "]"
        case _:
            return str(value)
