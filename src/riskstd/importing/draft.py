"""A mapping file drafted by looking at a workbook: where the headers are, and what the columns seem to hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from riskstd.importing.book import Book, Sheet
from riskstd.importing.codes import CC, FORMS, HCPCS, ICD10CM, ICD10PCS
from riskstd.importing.dictionary import category_list
from riskstd.spec import Measure
from riskstd.spec.clauses import ConditionCategory, DiagnosisCode

_LOOKED_AT = 40
_SHARE = 0.6
_WORD = re.compile(r"[a-z]{3,}")
_LEAST_ALIKE = 0.3
_LABEL = re.compile(r"variable|risk|condition|factor|comorbid")


@dataclass(frozen=True)
class _Look:
    """What a sheet seems to be: header row, titles, and the system of each column of codes."""

    sheet: Sheet
    header: int
    systems: dict[int, str]

    def title(self, column: int) -> str:
        return self.sheet.cell(self.header, column)

    def first(self, *systems: str) -> int | None:
        return next((k for k, system in self.systems.items() if system in systems), None)

    @property
    def words(self) -> str:
        titles = " ".join(self.sheet.rows[self.header]) if self.header < len(self.sheet.rows) else ""
        return f"{self.sheet.name} {titles} {self.sheet.cell(0, 0)}".lower()


def draft_mapping(book: Book, measure: Measure) -> str:
    """Draft a mapping file: one list for each sheet, with a guess of what it means.

    Parameters
    ----------
    book : Book
    measure : Measure
        Whose dictionary the workbook is.

    Returns
    -------
    str
        TOML. A sheet that nothing fits is set to `ignore`; labels of risk variables that no factor resembles have an
        empty name. Texts of the workbook are repeated only as far as they are headers, sheet names and labels of risk
        variables.
    """
    year = measure.spec_year
    lines = [
        f"# What the sheets of {book.file} mean: a draft. Check every list before you import with --mapping.",
        "# meaning: code_list, risk_categories, risk_codes, complication_categories, planned_admission or ignore.",
        "# header_row is the row of the header as the spreadsheet numbers it; code, label and status name columns.",
        f"measure = {_quoted(measure.id)}",
        f"spec_year = {year}",
        f"service_years = {_quoted(str(year - 2))}  # services that the lists are for",
    ]
    for sheet in book.sheets:
        lines += ["", *_draft_list(_look(sheet), measure)]
    lines += [f"# hidden and not read: sheet {_quoted(name)}" for name in book.hidden]
    return "\n".join(lines) + "\n"


def _look(sheet: Sheet) -> _Look:
    """Find the header: the row above the first cell that is a code, in the columns that mostly hold codes."""
    systems = {column: system for column in range(_width(sheet)) if (system := _system(sheet, column))}
    starts = [
        row
        for row in range(1, min(_LOOKED_AT, len(sheet.rows)))
        if any(_reads(sheet.cell(row, column), system) for column, system in systems.items())
    ]
    return _Look(sheet, starts[0] - 1 if starts else 0, systems)


def _width(sheet: Sheet) -> int:
    return max((len(row) for row in sheet.rows), default=0)


def _reads(cell: str, system: str) -> bool:
    return bool(category_list(cell)) if system == CC.name else FORMS[system].read(cell) is not None


def _system(sheet: Sheet, column: int) -> str:
    cells = [row[column] for row in sheet.rows[1:] if len(row) > column and row[column]]
    share = {
        name: sum(_reads(cell, name) for cell in cells) for name in (ICD10CM.name, ICD10PCS.name, HCPCS.name, CC.name)
    }
    fitting = [name for name, n in share.items() if n and n >= _SHARE * len(cells)]
    titles = " ".join(row[column].lower() for row in sheet.rows[:_LOOKED_AT] if len(row) > column)
    if HCPCS.name in fitting and len(fitting) > 1:
        # K5090 could be of two systems, and so could 16070 or 175, which may have lost zeros: the header tells.
        other = next((name for name in (ICD10CM.name, CC.name) if name in fitting), HCPCS.name)
        return HCPCS.name if re.search(r"cpt|hcpcs", titles) else ICD10PCS.name if "pcs" in titles else other
    return fitting[0] if fitting else ""


def _draft_list(look: _Look, measure: Measure) -> Iterator[str]:
    yield "[[list]]"
    yield f"sheet = {_quoted(look.sheet.name)}"
    found = _planned(look) or _complications(look) or _variables(look, measure) or _codes(look, measure)
    if found is None:
        yield 'meaning = "ignore"'
        return
    column, lines = found
    yield f"header_row = {look.header + 1}"
    yield f"code = {_quoted(look.title(column))}"
    status = next((t for t in look.sheet.rows[look.header] if re.search(r"status", t, re.IGNORECASE)), "")
    if status:
        yield f"status = {_quoted(status)}"
    yield from lines


def _planned(look: _Look) -> tuple[int, list[str]] | None:
    part = re.search(r"\bp[ra]\.?\s*([1-4])\b", look.words)
    column = look.first(CC.name, ICD10PCS.name, ICD10CM.name)
    if part is None or column is None:
        return None
    system = "CCS" if look.systems[column] == CC.name else look.systems[column]
    return column, ['meaning = "planned_admission"', f'part = "PA{part.group(1)}"', f"system = {_quoted(system)}"]


def _complications(look: _Look) -> tuple[int, list[str]] | None:
    column = look.first(CC.name)
    return (
        None
        if column is None or "complication" not in look.sheet.name.lower()
        else (column, ['meaning = "complication_categories"'])
    )


def _variables(look: _Look, measure: Measure) -> tuple[int, list[str]] | None:
    column = look.first(CC.name, ICD10CM.name)
    if column is None or not _LABEL.search(look.words):
        return None
    titles = enumerate(look.sheet.rows[look.header])
    label = next((k for k, title in titles if k not in look.systems and _LABEL.search(title.lower())), None)
    if label is None:
        return None
    by_category = look.systems[column] == CC.name
    kind = ConditionCategory if by_category else DiagnosisCode
    factors = {f.name: f"{f.label} {f.name}" for f in measure.definition.risk.factors if isinstance(f, kind)}
    labels = dict.fromkeys(look.sheet.cell(row, label) for row in range(look.header + 1, len(look.sheet.rows)))
    lines = [
        f'meaning = "{"risk_categories" if by_category else "risk_codes"}"',
        f"label = {_quoted(look.title(label))}",
        "[list.factors]  # label in the workbook = factor of the definition; empty leaves the variable as it is",
    ]
    lines += [f"{_quoted(text)} = {_quoted(_alike(text, factors))}" for text in labels if text]
    return column, lines


def _codes(look: _Look, measure: Measure) -> tuple[int, list[str]] | None:
    column = look.first(HCPCS.name, ICD10CM.name)
    if column is None:
        return None
    system = look.systems[column]
    roles = {}
    for name in measure.tables_used():
        table = measure.table(name)
        if table.provenance.kind == "code_list" and system in table.provenance.system:
            roles |= {f"{name}.{role}": f"{role} {table.provenance.says}" for role in table.roles()}
    words = look.words + (" qualifying" if re.search(r"cohort|inclu|qualif", look.words) else "")
    best = _alike(words, {key: key.partition(".")[2].replace("_", " ") for key in roles})
    if not best:
        return None
    name, _, role = best.partition(".")
    others = ", ".join(sorted(roles))
    return column, [
        'meaning = "code_list"',
        f"table = {_quoted(name)}  # of {others}",
        f"role = {_quoted(role)}",
        f"system = {_quoted(system)}",
    ]


def _alike(text: str, names: dict[str, str]) -> str:
    """The name whose words the text shares most of; empty if it shares few."""
    words = set(_WORD.findall(text.lower()))
    scores = []
    for name, said in names.items():
        own = set(_WORD.findall(said.lower().replace("_", " ")))
        scores.append((len(words & own) / max(1, len(own)), name))
    score, name = max(scores, key=lambda pair: (pair[0], pair[1]), default=(0.0, ""))
    return name if score >= _LEAST_ALIKE else ""


def _quoted(text: str) -> str:
    return json.dumps(text)
