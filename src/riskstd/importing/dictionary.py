"""A measure's data dictionary, a workbook of unknown layout, read by a mapping file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from riskstd.errors import InputError
from riskstd.importing.book import Book, Sheet, column_letters
from riskstd.importing.codes import CC, FORMS, ICD10CM, plain
from riskstd.importing.dictionary_tables import Taken, dictionary_tables
from riskstd.importing.headers import is_removed, rows_below
from riskstd.importing.mapping import (
    CodeList,
    ComplicationCategories,
    Ignored,
    PlannedList,
    RiskVariable,
    read_mapping,
)
from riskstd.importing.newtable import NewTable
from riskstd.importing.report import Findings, shown_header
from riskstd.spec import Measure, load_measure
from riskstd.spec.clauses import ConditionCategory, DiagnosisCode
from riskstd.spec.folder import Definitions
from riskstd.spec.years import Years

_SEPARATORS = re.compile(r"[,;/\n]|\band\b|&|(?<=\d)\s+(?=\d)")
_RANGE = re.compile(r"^(\d{1,3})(?:-|–|\.\.|to)(\d{1,3})$")
_FAMILY = re.compile(r"(?:\*|X+|-)$")
_KEY_OF = {"risk_categories": "categories", "risk_codes": "codes"}
_KIND_OF = {"risk_categories": ConditionCategory, "risk_codes": DiagnosisCode}
_ReadCell = Callable[[str], list[str] | None]


def read_dictionary(book: Book, mapping: Path, found: Findings, definitions: Definitions = None) -> list[NewTable]:
    """Read the lists that a mapping file names.

    Parameters
    ----------
    book : Book
    mapping : Path
        Mapping file; see `riskstd.importing.mapping`.
    found : Findings
        Takes counts, rejected cells and notes.
    definitions : str, Path or None
        Definition folder with the measure, if it is not the project's.

    Returns
    -------
    list of NewTable
        Code lists, planned admission lists, and a table of kind `clause_values` with the categories and codes of the
        risk factors.

    Raises
    ------
    InputError
        When the mapping does not fit the workbook (names sheet and cell) or the definition.
    """
    plan = read_mapping(mapping)
    Years.of(plan.service_years)
    measure = load_measure(plan.measure, plan.spec_year, definitions=definitions)
    taken = Taken()
    for one in plan.list:
        if isinstance(one, Ignored):
            continue
        sheet, header, at = _place(book, one, mapping.name)
        match one:
            case CodeList():
                _read_codes(one, measure, sheet, header, at, taken, found)
            case PlannedList():
                _read_planned(one, sheet, header, at, taken, found)
            case ComplicationCategories():
                _read_complications(measure, sheet, header, at, taken, found)
            case RiskVariable():
                _read_variables(one, measure, sheet, header, at, taken, found)
    unread = sorted({sheet.name for sheet in book.sheets} - {one.sheet for one in plan.list})
    if unread:
        found.notes.append(f"sheets that the mapping does not name: {', '.join(map(repr, unread))}")
    return dictionary_tables(plan, taken, book.file)


def _place(
    book: Book, one: CodeList | RiskVariable | ComplicationCategories | PlannedList, mapping: str
) -> tuple[Sheet, int, dict[str, int]]:
    """The sheet, its header row and the positions of the columns that a list names."""
    sheets = {sheet.name: sheet for sheet in book.sheets}
    if one.sheet not in sheets:
        hidden = " (it is hidden)" if one.sheet in book.hidden else ""
        raise InputError(
            f"{book.file} has no sheet {one.sheet!r}{hidden}; its sheets are {', '.join(map(repr, sheets))}",
            expected=f"the sheets that {mapping} names",
            hint="correct the mapping file",
        )
    sheet, header = sheets[one.sheet], one.header_row - 1
    wanted = {"code": one.code, "status": one.status, "label": getattr(one, "label", "")}
    texts = sheet.rows[header] if header < len(sheet.rows) else []
    titles = [text.lower() for text in texts]
    at = {}
    for name, title in wanted.items():
        if not title:
            continue
        if title.lower() not in titles:
            shown = (
                ", ".join(f"{column_letters(k)} {shown_header(text)!r}" for k, text in enumerate(texts) if text)
                or "nothing"
            )
            raise InputError(
                f"{book.file}, {sheet.place(header, 0)}: no column {title!r}; row {one.header_row} has {shown}",
                expected=f"the header that {mapping} names for `{name}`",
                hint="correct `header_row` or the column in the mapping file",
            )
        at[name] = titles.index(title.lower())
    return sheet, header, at


def _rows(
    sheet: Sheet, header: int, at: dict[str, int], read: _ReadCell, said: str, found: Findings
) -> list[tuple[int, list[str]]]:
    """Rows with the codes of their cell; removed and blank rows are counted, cells that cannot be read rejected."""
    count, rows = found.of(sheet.name), []
    for row in rows_below(sheet, header):
        count.rows += 1
        text = sheet.cell(row, at["code"])
        codes = read(text) if text else []
        if "status" in at and is_removed(sheet.cell(row, at["status"])):
            count.removed += 1
        elif not text:
            count.set_aside += 1
        elif codes is None:
            found.reject(sheet.name, sheet.place(row, at["code"]), text, f"expected {said}")
        else:
            rows.append((row, codes))
    return rows


def _read_codes(
    one: CodeList, measure: Measure, sheet: Sheet, header: int, at: dict[str, int], taken: Taken, found: Findings
) -> None:
    table = measure.table(one.table)
    if table.provenance.kind != "code_list" or one.role not in table.roles():
        raise InputError(
            f"the mapping of sheet {one.sheet!r} names role {one.role!r} of table {one.table!r}",
            expected=f"a code list of {measure.id}; roles of that table: {', '.join(table.roles())}"
            if table.provenance.kind == "code_list"
            else "a code list",
            hint="correct the mapping file",
        )
    form = FORMS[one.system]
    codes = taken.lists.setdefault(one.table, {}).setdefault((one.role, one.system), [])
    for _, read in _rows(sheet, header, at, _code_reader(form.name), form.says, found):
        codes += read
        found.of(sheet.name).taken += 1


def _read_planned(
    one: PlannedList, sheet: Sheet, header: int, at: dict[str, int], taken: Taken, found: Findings
) -> None:
    side = "procedure" if one.part in {"PA1", "PA3"} else "diagnosis"
    kind = f"{side}_{'category' if one.system == 'CCS' else 'code'}"
    codes = taken.planned.setdefault((one.part, kind), [])
    for _, read in _rows(sheet, header, at, _code_reader(one.system), FORMS[one.system].says, found):
        codes += read
        found.of(sheet.name).taken += 1


def _read_complications(
    measure: Measure, sheet: Sheet, header: int, at: dict[str, int], taken: Taken, found: Findings
) -> None:
    clauses = measure.definition.risk.complication_of_care
    position = clauses.index(measure.active(clauses)[0])
    values = taken.values.setdefault((f"risk.complication_of_care[{position}]", "categories"), [])
    for _, read in _rows(sheet, header, at, category_list, CC.says, found):
        values += read
        found.of(sheet.name).taken += 1


def _read_variables(
    one: RiskVariable, measure: Measure, sheet: Sheet, header: int, at: dict[str, int], taken: Taken, found: Findings
) -> None:
    kinds = {factor.name: factor for factor in measure.definition.risk.factors}
    for label, name in one.factors.items():
        if name and not isinstance(kinds.get(name), _KIND_OF[one.meaning]):
            fitting = [factor for factor, clause in kinds.items() if isinstance(clause, _KIND_OF[one.meaning])]
            raise InputError(
                f"the mapping of sheet {one.sheet!r} gives {label!r} the factor {name!r}",
                expected=f"a factor of {measure.id} with {_KEY_OF[one.meaning]}: {', '.join(fitting)}",
                hint="correct the mapping file, or leave the name empty to leave the variable as it is",
            )
    factors = {label.lower(): name for label, name in one.factors.items()}
    read_cell = category_list if one.meaning == "risk_categories" else _code_reader(ICD10CM.name)
    said = CC.says if one.meaning == "risk_categories" else ICD10CM.says
    for row, read in _rows(sheet, header, at, read_cell, said, found):
        label = sheet.cell(row, at["label"])
        name = factors.get(label.lower())
        if name is None:
            found.reject(
                sheet.name,
                sheet.place(row, at["label"]),
                label,
                "expected a label to which the mapping gives a factor",
                is_label=True,
            )
        elif not name:
            found.of(sheet.name).set_aside += 1
        else:
            taken.values.setdefault((f"risk.factors[{name}]", _KEY_OF[one.meaning]), []).extend(read)
            found.of(sheet.name).taken += 1


def _code_reader(system: str) -> _ReadCell:
    form = FORMS[system]

    def read(text: str) -> list[str] | None:
        family = _FAMILY.sub("", plain(text))
        if system == ICD10CM.name and family != plain(text) and len(family) >= 3 and form.read(family):
            return [f"{family}*"]
        code = form.read(text)
        return None if code is None else [code]

    return read


def category_list(text: str) -> list[str] | None:
    """Read a cell with condition categories: numbers and ranges, with or without the letters CC.

    Examples
    --------
    >>> category_list("CC 85, 86-88"), category_list("78 79"), category_list("see note")
    (['85', '86', '87', '88'], ['78', '79'], None)
    """
    found: list[str] = []
    for part in _SEPARATORS.split(text):
        words = re.sub(r"(?i)\b(cms-?)?h?ccs?\b|\s", "", part).replace("CC", "")
        span = _RANGE.match(words)
        numbers = range(int(span.group(1)), int(span.group(2)) + 1) if span else [words]
        read = [CC.read(str(number)) for number in numbers if str(number)]
        if None in read:
            return None
        found += [number for number in read if number is not None]
    return found or None
