"""Load and check measure definitions."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from riskstd.errors import SpecError
from riskstd.spec.clauses import Interaction
from riskstd.spec.codetables import DATA
from riskstd.spec.definition import TABLE_KEYS, Definition, Measure
from riskstd.spec.folder import DefinitionFolder, Definitions, open_definitions
from riskstd.spec.imported import under_imports, values_tables
from riskstd.spec.tableset import CodeTables

_PROGRAM = "ascqr"
_FIRST_WORD = re.compile(r"^[a-z][a-z0-9_]*")


def load_measure(
    measure: str | Path,
    year: int = 2025,
    *,
    options: Mapping[str, str] | None = None,
    definitions: Definitions = "auto",
) -> Measure:
    """Load a measure by its id and specification year, or from a definition file.

    Parameters
    ----------
    measure : str or Path
        Measure id such as `ASC-17` (case does not matter), or the path of a TOML file.
    year : int
        Specification year; ignored for a path.
    options : mapping of str to str, optional
        Choices where sources conflict; the defaults are in the definition.
    definitions : str or Path, optional
        The user's definition folder: its measures are found by id, and its imported tables take the place of the
        project's. `auto` is the folder that the rule of `riskstd.spec.folder.find_definitions` finds; None is none.

    Returns
    -------
    Measure
        The checked definition under the imports and the options.

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
    if is_file and definitions == "auto":
        # A file of a definition folder goes with the tables of that folder.
        definitions = _folder_of(Path(measure)) or definitions
    folder = open_definitions(definitions)
    path = Path(measure) if is_file else _definition_file(str(measure), year, folder)
    return _load(path.resolve(), folder).with_options(options or {})


def load_measure_of_run(definition: Mapping[str, Any]) -> Measure:
    """Load the measure of a finished run: under its options, with the definition folder that it used.

    Parameters
    ----------
    definition : mapping
        `definition` of the run's manifest.

    Raises
    ------
    SpecError
        When the measure or the definition folder is not there any more.

    Examples
    --------
    >>> load_measure_of_run({"measure": "ASC-12", "spec_year": 2025, "options": {}}).id
    'ASC-12'
    """
    folder = definition.get("definitions")
    options = definition["options"]
    return load_measure(definition["measure"], definition["spec_year"], options=options, definitions=folder)


def tables_that_differ(measure: Measure, definition: Mapping[str, Any]) -> list[str]:
    """Return the names of the code tables that are not those of a run: changed since, or not used by it.

    Parameters
    ----------
    measure : Measure
    definition : mapping
        `definition` of the run's manifest.
    """
    known = definition["tables"]
    changed = {name for name, table in known.items() if _sha256_of(measure, name) != table["sha256"]}
    return sorted(changed | (set(measure.tables_used()) - set(known)))


def _sha256_of(measure: Measure, name: str) -> str | None:
    try:
        return measure.table(name).sha256
    except SpecError:
        return None


def list_measures(definitions: Definitions = "auto") -> list[tuple[str, int]]:
    """Return id and specification year of every definition of the project and of the user's folder, sorted.

    Parameters
    ----------
    definitions : str or Path, optional
        Definition folder; the one that `riskstd import` would use if left out.
    """
    return sorted(_definition_files(open_definitions(definitions)))


def parse_definition(content: bytes, name: str, tables: CodeTables | None = None) -> Definition:
    """Parse and check the text of a definition, against the project's tables or those given.

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
    check_references(definition, name, tables)
    return definition


def check_references(definition: Definition, name: str, tables: CodeTables | None = None) -> None:
    """Check that sources, options, tables, roles and factors named in a definition exist.

    Raises
    ------
    SpecError
        Naming the file and the key of every reference that fails.
    """
    problems = [*_source_problems(definition), *_option_problems(definition), *_factor_problems(definition)]
    problems += _table_problems(definition, tables or CodeTables())
    if problems:
        raise SpecError(
            f"{name}: {len(problems)} reference(s) fail:\n  " + "\n  ".join(problems),
            expected="sources, options, tables and factors that exist",
        )


@cache
def _load(path: Path, folder: DefinitionFolder | None) -> Measure:
    if not path.is_file():
        raise SpecError(f"no definition file {path.name!r} in {path.parent}")
    content = path.read_bytes()
    tables = CodeTables(folder)
    definition = parse_definition(content, path.name, tables)
    changed = under_imports(definition, tables)
    if changed is not definition:
        check_references(changed, f"{path.name} with the imports of {folder.path if folder else ''}", tables)
    sha256 = hashlib.sha256(content).hexdigest()
    return Measure(changed, {}, sha256, path.name, tables, tuple(values_tables(definition, tables)))


def _folder_of(file: Path) -> Path | None:
    folder = file.resolve().parent.parent
    return folder if file.resolve().parent.name == "measures" and (folder / "tables").is_dir() else None


def _definition_file(measure: str, year: int, folder: DefinitionFolder | None) -> Path:
    files = _definition_files(folder)
    if (measure.upper(), year) not in files:
        known = ", ".join(f"{m} ({y})" for m, y in sorted(files))
        raise SpecError(f"no definition of measure {measure!r} for year {year}", expected=f"one of {known}")
    return files[measure.upper(), year]


def _definition_files(folder: DefinitionFolder | None) -> dict[tuple[str, int], Path]:
    """Files of the definitions, by id and year; those of the project by their place, the user's by their head."""
    files = {(file.stem.upper(), int(file.parent.name)): file for file in (DATA / _PROGRAM).glob("*/*.toml")}
    for file in [] if folder is None else folder.measures():
        key = _head_of(file)
        if key in files:
            raise SpecError(
                f"{file}: there is a definition of {key[0]} for {key[1]} already, {files[key]}",
                expected="an id and year of its own",
                hint="give the measure another id",
            )
        files[key] = file
    return files


def _head_of(file: Path) -> tuple[str, int]:
    try:
        head = tomllib.loads(file.read_text("utf-8"))["measure"]
        return str(head["id"]), int(head["spec_year"])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise SpecError(
            f"{file} is not a definition: {type(error).__name__}: {error}",
            expected="TOML with measure.id and measure.spec_year",
            hint="`riskstd spec check FILE` says more",
        ) from None


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


def _table_problems(definition: Definition, tables: CodeTables) -> list[str]:
    problems = []
    for path, clause in definition.clauses():
        for key in TABLE_KEYS:
            name = getattr(clause, key, None)
            if name is None:
                continue
            try:
                table = tables.get(name)
            except SpecError as error:
                problems.append(f"{path}.{key}: {error.found}")
                continue
            role = getattr(clause, "role", None)
            if key == "table" and role is not None and role not in table.roles():
                problems.append(f"{path}.role: table {name!r} has no role {role!r}")
    return problems
