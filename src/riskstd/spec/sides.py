"""What `spec show` and `spec diff` are given: a measure under options, a file of one's own, or a code table."""

from __future__ import annotations

from riskstd.errors import OptionError
from riskstd.spec.codetables import CodeTable
from riskstd.spec.definition import Measure
from riskstd.spec.folder import Definitions, open_definitions
from riskstd.spec.loader import load_measure
from riskstd.spec.tableset import CodeTables

FORM = "a measure id, the path of a .toml file or the name of a code table; @YEAR and :option=value,... may follow"


def read_side(text: str, *, year: int = 2025, definitions: Definitions = "auto") -> Measure | CodeTable:
    """Read one side of a comparison.

    Parameters
    ----------
    text : str
        `ASC-17`, `ASC-17@2025`, `my/spine.toml`, each with options after a colon
        (`ASC-17:blank_hmo=not_enrolled,carrier_ed=on`), or the name of a code table.
    year : int
        Specification year, unless the text names one.
    definitions : str or Path, optional
        The user's definition folder, as in `load_measure`.

    Returns
    -------
    Measure or CodeTable

    Raises
    ------
    SpecError
        When there is no such measure, file or table.
    OptionError
        When an option cannot be read, or is not in the definition.

    Examples
    --------
    >>> read_side("ASC-12@2025:carrier_ed=on").options["carrier_ed"]
    'on'
    >>> read_side("planned_admission_ry2024").name
    'planned_admission_ry2024'
    """
    tables = CodeTables(open_definitions(definitions))
    if text in tables.names():
        return tables.get(text)
    name, options = _without_options(text)
    name, _, named_year = name.partition("@")
    if named_year and not named_year.isdigit():
        raise OptionError(f"specification year {named_year!r} of {text!r} is not a year", expected=FORM)
    return load_measure(name, int(named_year or year), options=options, definitions=definitions)


def _without_options(text: str) -> tuple[str, dict[str, str]]:
    head, colon, tail = text.rpartition(":")
    # A colon of a path (C:\...) is not followed by name=value.
    if not colon or "=" not in tail:
        return text, {}
    choices = {}
    for part in tail.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not name or not value:
            raise OptionError(f"option {part!r} of {text!r} cannot be read", expected=FORM)
        choices[name] = value
    return head, choices
