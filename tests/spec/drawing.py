"""From a drawn patient to rows of the claims tables, with defaults for what was not drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from riskstd.tables import CLAIMS_TABLES, Table
from spec.patients import NONE, Index, Patient, PatientFileError
from spec.texttable import TableError, parse_table

Rows = list[dict[str, Any]]
MONTHS_BEFORE, MONTHS_AFTER = 24, 2
BLANK = "blank"
_RELATIVE = re.compile(r"^([+-]\d+|0)$")
_PLACEHOLDER = re.compile(r"^<([a-z_]+)>$")
_TABLES = {table.name: table for table in CLAIMS_TABLES}
_LINE_NUMBER = "line_number"


@dataclass(frozen=True)
class Drawing:
    """Where a patient is drawn: the usual index procedure, and codes by placeholder."""

    index: Index
    codes: dict[str, str]


def draw(patient: Patient, drawing: Drawing, person_key: int) -> dict[str, Rows]:
    """Return the rows of a patient by claims table.

    Raises
    ------
    PatientFileError
        When a table has unknown columns or a cell that does not fit.
    """
    tables: dict[str, Rows] = {
        "people": _rows(patient, "people", drawing, _person) or _unless_none(patient.people, [_person(0, {}, drawing)]),
        "enrollment": _enrollment(patient, drawing),
        "professional_lines": [
            *(
                _rows(patient, "index_lines", drawing, _index_line)
                or _unless_none(patient.index_lines, [_index_line(1, {}, drawing)])
            ),
            *_rows(patient, "professional_lines", drawing, _professional_line),
        ],
        "outpatient_lines": _rows(patient, "outpatient_lines", drawing, _outpatient_line),
        "inpatient_claims": _rows(patient, "inpatient_claims", drawing, _inpatient_claim),
        "diagnoses": _rows(patient, "diagnoses", drawing, _diagnosis),
        "procedures": _rows(patient, "procedures", drawing, _procedure),
    }
    tables["diagnoses"] += [
        _principal_row(claim) for claim in tables["inpatient_claims"] if claim["principal_diagnosis"]
    ]
    for rows in tables.values():
        for row in rows:
            row["person_key"] = person_key
            if "claim_id" in row:
                row["claim_id"] = f"{person_key}-{row['claim_id']}"
    return tables


def day_of(text: str, index: Index) -> date:
    """Return a date from `+7` (days after the index procedure), `0` or `2022-12-31`."""
    if _RELATIVE.match(text):
        return index.date + timedelta(days=int(text))
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PatientFileError(f"day {text!r}: write +7, 0, -365 or 2022-12-31") from None


def _unless_none(text: str | None, default: Rows) -> Rows:
    return [] if text is not None and text.strip() == NONE else default


def _rows(
    patient: Patient,
    name: str,
    drawing: Drawing,
    complete: Callable[[int, dict[str, Any], Drawing], dict[str, Any]],
) -> Rows:
    table = _TABLES["professional_lines" if name == "index_lines" else name]
    rows = []
    for position, cells in enumerate(_drawn_cells(patient, name), start=1):
        unknown = sorted(set(cells) - set(table.names))
        if unknown:
            raise PatientFileError(f"table {name}: no column {', '.join(unknown)}; it has {', '.join(table.names)}")
        values = {column: _value(table, column, cell, drawing) for column, cell in cells.items()}
        rows.append(complete(position, values, drawing))
    return rows


def _drawn_cells(patient: Patient, name: str) -> list[dict[str, str | None]]:
    text = getattr(patient, name)
    if text is None or text.strip() == NONE:
        return []
    try:
        return parse_table(text)
    except TableError as error:
        raise PatientFileError(f"table {name}: {error}") from None


def _value(table: Table, column: str, cell: str | None, drawing: Drawing) -> Any:
    if cell is None:
        return None
    kind = table.column(column).type
    if kind == "date":
        return day_of(cell, drawing.index)
    if kind in ("integer", "key"):
        return int(cell)
    if cell == BLANK:
        return ""
    placeholder = _PLACEHOLDER.match(cell)
    if placeholder is None:
        return cell
    if placeholder.group(1) not in drawing.codes:
        raise PatientFileError(f"no [codes.{placeholder.group(1)}] in the file for {cell}")
    return drawing.codes[placeholder.group(1)]


# ---- defaults of each table -----------------------------------------------------------------


def _person(position: int, drawn: dict[str, Any], drawing: Drawing) -> dict[str, Any]:
    return {"birth_date": date(1950, 1, 1), "death_date": None, "sex": "female", **drawn}


def _index_line(position: int, drawn: dict[str, Any], drawing: Drawing) -> dict[str, Any]:
    usual = {
        "type_of_service": "F",
        "specialty": "49",
        "place_of_service": "24",
        "billing_npi": drawing.index.facility,
        "claim_id": "index",
        "hcpcs": drawing.codes["index"],
        "line_date": drawing.index.date,
    }
    return _line(_TABLES["professional_lines"], position, {**usual, **drawn})


def _professional_line(position: int, drawn: dict[str, Any], drawing: Drawing) -> dict[str, Any]:
    usual = {"type_of_service": "1", "specialty": "11", "place_of_service": "22", "claim_id": f"P{position}"}
    return _line(_TABLES["professional_lines"], position, {**usual, **drawn})


def _outpatient_line(position: int, drawn: dict[str, Any], drawing: Drawing) -> dict[str, Any]:
    usual = {"bill_type": "131", "provider_ccn": "050001", "claim_id": f"O{position}"}
    return _line(_TABLES["outpatient_lines"], position, {**usual, **drawn})


def _line(table: Table, position: int, drawn: dict[str, Any]) -> dict[str, Any]:
    _require("line_date", table.name, drawn)
    return {**dict.fromkeys(table.names), _LINE_NUMBER: position, **drawn}


def _inpatient_claim(position: int, drawn: dict[str, Any], drawing: Drawing) -> dict[str, Any]:
    _require("admission_date", "inpatient_claims", drawn)
    admitted = drawn["admission_date"]
    discharged = drawn.get("discharge_date") or admitted + timedelta(days=2)
    usual = {
        "claim_id": f"I{position}",
        "discharge_date": discharged,
        "from_date": admitted,
        "thru_date": discharged,
        "provider_ccn": "050001",
        "facility_npi": None,
        "bill_type": "111",
        "discharge_status": "01",
        "admission_source": "1",
        "principal_diagnosis": None,
        "principal_icd_version": 10 if drawn.get("principal_diagnosis") else None,
        "revenue_codes": "0120",
    }
    return {**usual, **drawn}


def _diagnosis(position: int, drawn: dict[str, Any], drawing: Drawing) -> dict[str, Any]:
    _require("service_date", "diagnoses", drawn)
    _require("code", "diagnoses", drawn)
    usual = {"claim_id": f"D{position}", "setting": "outpatient", "role": "claim", "position": position}
    return {**usual, "icd_version": 10, **drawn}


def _principal_row(claim: dict[str, Any]) -> dict[str, Any]:
    return {
        "claim_id": claim["claim_id"],
        "setting": "inpatient",
        "service_date": claim["discharge_date"],
        "role": "principal",
        "position": 0,
        "code": claim["principal_diagnosis"],
        "icd_version": claim["principal_icd_version"],
    }


def _procedure(position: int, drawn: dict[str, Any], drawing: Drawing) -> dict[str, Any]:
    _require("code", "procedures", drawn)
    return {"claim_id": "I1", "position": position, "procedure_date": None, **drawn}


def _require(column: str, table: str, drawn: dict[str, Any]) -> None:
    if drawn.get(column) is None:
        raise PatientFileError(f"table {table}: column {column} is missing in a row")


def _enrollment(patient: Patient, drawing: Drawing) -> Rows:
    """Return months in fee for service; the drawn months, relative to the index month, differ."""
    index_month = drawing.index.date.year * 12 + drawing.index.date.month - 1
    offsets = range(-MONTHS_BEFORE, MONTHS_AFTER + 1)
    months: dict[int, dict[str, Any]] = {n: {"buy_in": "3", "hmo": "0"} for n in offsets}
    if patient.enrollment is not None and patient.enrollment.strip() == NONE:
        return []
    for cells in _drawn_cells(patient, "enrollment"):
        if "month" not in cells or not set(cells) <= {"month", "buy_in", "hmo"}:
            raise PatientFileError("table enrollment: the columns are month, buy_in and hmo")
        month = int(cells["month"] or 0)
        if cells.get("buy_in") == NONE:
            months.pop(month, None)
            continue
        drawn = {name: "" if cell == BLANK else cell for name, cell in cells.items() if name != "month"}
        months[month] = {"buy_in": "3", "hmo": "0", **drawn}
    return [{"month": index_month + n, **flags} for n, flags in sorted(months.items())]
