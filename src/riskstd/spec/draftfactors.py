"""Risk factors of a draft: taken over from a shipped measure by name, or written as categories or codes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from riskstd.errors import OptionError
from riskstd.spec.shipped import shipped_files

OPEN_SOURCE = "own: OPEN, where this was read"
OF_PROCEDURES = frozenset({"same_day_code", "procedure_type", "procedure_count", "work_rvu"})
"""Kinds that hang on the procedures of a measure: a draft takes them over only when they are named."""
_NEW = re.compile(r"^(?P<name>[a-z][a-z0-9_]*)=(?P<kind>cc|dx):(?P<values>\S+)$")
FORM = "a factor of a shipped measure, NAME=cc:85,86 or NAME=dx:E66.01,F17*"


def draft_factors(wished: Sequence[str], base: dict[str, Any], age: int) -> list[dict[str, Any]]:
    """Return the risk factors of a draft as they stand in a definition file.

    Parameters
    ----------
    wished : sequence of str
        Names or new factors; those of the base that do not hang on its procedures if empty.
    base : dict
        Definition file that the draft is made from.
    age : int
        Youngest age in the cohort; factors of age begin there.

    Raises
    ------
    OptionError
        When a factor cannot be read or found.
    """
    own = base["risk"]["factors"]
    if not wished:
        found = [factor for factor in own if factor["kind"] not in OF_PROCEDURES]
    else:
        found = [factor for text in wished for factor in _one(text, own)]
    return [_from_age(factor, age) for factor in found]


def _one(text: str, own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    new = _NEW.match(text)
    if new is not None:
        return [_new(new["name"], new["kind"], new["values"].split(","))]
    for factors in (own, *_of_shipped_measures()):
        named = [factor for factor in factors if factor["name"] == text]
        # The readings of an option come along only from the base, which has the option.
        named = named if factors is own else [{k: v for k, v in f.items() if k != "when"} for f in named[:1]]
        if named:
            return named
    known = sorted({f["name"] for factors in (own, *_of_shipped_measures()) for f in factors})
    raise OptionError(f"risk factor {text!r}", expected=FORM, hint=f"known: {', '.join(known)}")


def _of_shipped_measures() -> list[list[dict[str, Any]]]:
    files = shipped_files().values()
    return [tomllib.loads(file.read_text("utf-8"))["risk"]["factors"] for file in files]


def _new(name: str, kind: str, values: list[str]) -> dict[str, Any]:
    label = name.replace("_", " ").capitalize()
    words = {
        "says": f"Flags {label.lower()}.",
        "source": "own: OPEN, where this was read",
        "origin": "assumed",
        "grade": "C",
    }
    if kind == "dx":
        codes = [value.replace(".", "").upper() for value in values]
        return {"name": name, "label": label, "kind": "diagnosis_code", "codes": codes, **words}
    if not all(value.isdigit() for value in values):
        raise OptionError(f"condition categories {', '.join(values)} of {name}", expected=FORM)
    categories = [int(value) for value in values]
    return {"name": name, "label": label, "kind": "condition_category", "categories": categories, **words}


def _from_age(factor: dict[str, Any], age: int) -> dict[str, Any]:
    """Let a factor of age begin at the youngest age."""
    if factor["kind"] == "years_over" and factor["start_years"] != age:
        words = {"label": f"Years over {age}", "says": f"Age enters in years over {age}.", "source": "own: a choice"}
        origin = {"origin": "assumed", "grade": "C"}
        return {**factor, "name": f"age_years_over_{age}", "start_years": age, **words, **origin}
    if factor["kind"] == "age_bands" and factor["lower_bounds"][0] != age:
        bounds = [age, *(bound for bound in factor["lower_bounds"] if bound > age)]
        words = {"says": f"Age enters in classes from {age}.", "source": "own: a choice"}
        return {**factor, "lower_bounds": bounds, **words, "origin": "assumed", "grade": "C"}
    return factor
