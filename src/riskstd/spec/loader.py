"""Load and check measure definitions."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from riskstd.errors import SpecError
from riskstd.spec.clauses import Interaction
from riskstd.spec.codetables import DATA, load_code_table
from riskstd.spec.definition import TABLE_KEYS, Definition, Measure

_PROGRAM = "ascqr"
_FIRST_WORD = re.compile(r"^[a-z][a-z0-9_]*")


def load_measure(measure: str | Path, year: int = 2025, *, options: Mapping[str, str] | None = None) -> Measure:
    """Load a measure by its id and specification year, or from a definition file.

    Parameters
    ----------
    measure : str or Path
        Measure id such as `ASC-17` (case does not matter), or the path of a TOML file.
    year : int
        Specification year; ignored for a path.
    options : mapping of str to str, optional
        Choices where sources conflict; the defaults are in the definition.

    Returns
    -------
    Measure
        The checked definition under the options.

    Raises
    ------
    SpecError
        When there is no such measure, or the file is not valid: the message names file and key.
    OptionError
        When an option or its value is not in the definition.

    Examples
    --------
    >>> load_measure("asc-18").definition.score.categories.minimum_cases
    35
    """
    is_file = isinstance(measure, Path) or str(measure).endswith(".toml")
    path = Path(measure) if is_file else _definition_file(str(measure), year)
    return _load(path.resolve()).with_options(options or {})


def list_measures() -> list[tuple[str, int]]:
    """Return id and specification year of every definition of the project, sorted."""
    files = (DATA / _PROGRAM).glob("*/*.toml")
    return sorted((file.stem.upper(), int(file.parent.name)) for file in files)


def parse_definition(content: bytes, name: str) -> Definition:
    """Parse and check the text of a definition.

    Raises
    ------
    SpecError
        Naming the file and the key.
    """
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{name} is not valid TOML: {error}") from None
    try:
        definition = Definition.model_validate(raw)
    except ValidationError as error:
        raise SpecError(
            _validation_message(error, name), expected="the keys and values of riskstd.spec.clauses"
        ) from None
    check_references(definition, name)
    return definition


def check_references(definition: Definition, name: str) -> None:
    """Check that sources, options, tables, roles and factors named in a definition exist.

    Raises
    ------
    SpecError
        Naming the file and the key of every reference that fails.
    """
    problems = [*_source_problems(definition), *_option_problems(definition), *_factor_problems(definition)]
    problems += _table_problems(definition)
    if problems:
        raise SpecError(
            f"{name}: {len(problems)} reference(s) fail:\n  " + "\n  ".join(problems),
            expected="sources, options, tables and factors that exist",
        )


@cache
def _load(path: Path) -> Measure:
    if not path.is_file():
        raise SpecError(f"no definition file {path.name!r} in {path.parent}")
    content = path.read_bytes()
    definition = parse_definition(content, path.name)
    return Measure(definition, {}, hashlib.sha256(content).hexdigest(), path.name)


def _definition_file(measure: str, year: int) -> Path:
    path = DATA / _PROGRAM / str(year) / f"{measure.lower()}.toml"
    if not path.is_file():
        known = ", ".join(f"{m} ({y})" for m, y in list_measures())
        raise SpecError(f"no definition of measure {measure!r} for year {year}", expected=f"one of {known}")
    return path


def _validation_message(error: ValidationError, name: str) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        said = {
            "extra_forbidden": "unknown key",
            "missing": "missing key",
            "union_tag_invalid": "rule or kind without an implementation",
            "union_tag_not_found": "missing key `rule` or `kind`",
        }.get(problem["type"], problem["msg"])
        lines.append(f"{key}: {said}")
    return f"{name}: {len(lines)} problem(s):\n  " + "\n  ".join(lines)


def _source_problems(definition: Definition) -> list[str]:
    problems = []
    for path, clause in definition.clauses():
        word = _FIRST_WORD.match(clause.source)
        if word is None or word.group() not in definition.sources:
            problems.append(f"{path}.source: does not start with a key of [sources]")
    return problems


def _option_problems(definition: Definition) -> list[str]:
    problems = []
    for path, clause in definition.clauses():
        if clause.when is None:
            continue
        option = definition.options.get(clause.when.option)
        if option is None:
            problems.append(f"{path}.when.option: no option {clause.when.option!r}")
        elif not set(clause.when.is_in) <= set(option.choices):
            problems.append(f"{path}.when.is_in: not among the choices of {clause.when.option!r}")
    return problems


def _factor_problems(definition: Definition) -> list[str]:
    names = {factor.name for factor in definition.risk.factors}
    return [
        f"risk.factors[{factor.name}].factors: no factor {missing!r}"
        for factor in definition.risk.factors
        if isinstance(factor, Interaction)
        for missing in sorted(set(factor.factors) - names)
    ]


def _table_problems(definition: Definition) -> list[str]:
    problems = []
    for path, clause in definition.clauses():
        for key in TABLE_KEYS:
            name = getattr(clause, key, None)
            if name is None:
                continue
            try:
                table = load_code_table(name)
            except SpecError as error:
                problems.append(f"{path}.{key}: {error.found}")
                continue
            role = getattr(clause, "role", None)
            if key == "table" and role is not None and role not in table.roles():
                problems.append(f"{path}.role: table {name!r} has no role {role!r}")
    return problems
