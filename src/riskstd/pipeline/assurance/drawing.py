"""From a drawn patient to rows of the claims tables, with defaults for what was not drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from riskstd.errors import PatientFileError
from riskstd.pipeline.assurance.patients import NONE, Index, Patient
from riskstd.pipeline.assurance.texttable import MISSING, TableError, parse_table
from riskstd.tables import CLAIMS_TABLES, Table

Rows = list[dict[str, Any]]
MONTHS_BEFORE, MONTHS_AFTER = 24, 13
BLANK = "blank"
_RELATIVE = re.compile(r"^([+-]\d+|0)$")
_PLACEHOLDER = re.compile(r"^<([a-z][a-z0-9_]*)>$")
_TABLES = {table.name: table for table in CLAIMS_TABLES}
_INDEX_TABLES = {
    "asc": "professional_lines",
    "surgeon": "professional_lines",
    "outpatient": "outpatient_lines",
    "inpatient": "inpatient_claims",
}


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
        "professional_lines": _rows(patient, "professional_lines", drawing, _professional_line),
        "outpatient_lines": _rows(patient, "outpatient_lines", drawing, _outpatient_line),
        "inpatient_claims": _rows(patient, "inpatient_claims", drawing, _inpatient_claim),
        "diagnoses": _rows(patient, "diagnoses", drawing, _diagnosis),
        "procedures": _rows(patient, "procedures", drawing, _procedure),
    }
    index_rows = _rows(patient, "index_lines", drawing, _index_line) or _unless_none(
        patient.index_lines, [_index_line(1, {}, drawing)]
    )
    name = _INDEX_TABLES[drawing.index.setting]
    tables[name] = [*index_rows, *tables[name]]
    if drawing.index.setting == "inpatient":
        tables["procedures"] += _index_procedures(index_rows, tables["procedures"], drawing)
    tables["diagnoses"] += [
        _principal_row(claim) for claim in tables["inpatient_claims"] if claim["principal_diagnosis"]
    ]
    _check_claims_of_procedures(tables)
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
        raise PatientFileError(f"{text!r} is no day: write +7, 0, -365 or 2022-12-31") from None


def _unless_none(text: str | None, default: Rows) -> Rows:
    return [] if text is not None and text.strip() == NONE else default


def _rows(
    patient: Patient,
    name: str,
    drawing: Drawing,
    complete: Callable[[int, dict[str, Any], Drawing], dict[str, Any]],
) -> Rows:
    table = _TABLES[_INDEX_TABLES[drawing.index.setting] if name == "index_lines" else name]
    columns = [column for column in table.names if column not in ("person_key", "stay_id")]
    rows = []
    for position, cells in enumerate(_drawn_cells(patient, name), start=1):
        unknown = sorted(set(cells) - set(columns))
        if unknown:
            raise PatientFileError(f"table {name}: no column {', '.join(unknown)}; it has {', '.join(columns)}")
        try:
            values = {column: _value(table, column, cell, drawing) for column, cell in cells.items()}
            rows.append(complete(position, values, drawing))
        except PatientFileError as error:
            raise PatientFileError(f"table {name}, row {position}: {error.found}") from None
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
    cell = _filled(cell, drawing)
    if cell is None:
        return None
    if cell == BLANK:
        return ""
    declared = table.column(column)
    if declared.allowed and cell not in declared.allowed:
        raise PatientFileError(f"column {column}: {cell!r} is not one of {', '.join(declared.allowed)}")
    try:
        return _typed(cell, declared.type, drawing)
    except ValueError:
        raise PatientFileError(f"column {column}: {cell!r} is not a whole number") from None
    except PatientFileError as error:
        raise PatientFileError(f"column {column}: {error.found}") from None


def _filled(cell: str | None, drawing: Drawing) -> str | None:
    """Return a cell with the code or value that a placeholder stands for."""
    placeholder = None if cell is None else _PLACEHOLDER.match(cell)
    value = cell if placeholder is None else _code_of(placeholder.group(1), drawing)
    return None if value == MISSING else value


def _typed(cell: str, kind: str, drawing: Drawing) -> Any:
    if kind == "date":
        return day_of(cell, drawing.index)
    return int(cell) if kind in ("integer", "key") else cell


def _code_of(name: str, drawing: Drawing) -> str:
    if name not in drawing.codes:
        raise PatientFileError(f"no [codes.{name}] in the file, nor {name} in each, for <{name}>")
    return drawing.codes[name]


# ---- defaults of each table -----------------------------------------------------------------


def _person(_position: int, drawn: dict[str, Any], _drawing: Drawing) -> dict[str, Any]:
    return {"birth_date": date(1950, 1, 1), "death_date": None, "sex": "female", **drawn}


def _index_line(position: int, drawn: dict[str, Any], drawing: Drawing) -> dict[str, Any]:
    """Return a line of the usual index procedure: where its setting looks for it."""
    index, code = drawing.index, drawing.codes["index"]
    usual: dict[str, Any] = {"claim_id": "index", "hcpcs": code, "line_date": index.date}
    match index.setting:
        case "asc":
            place = {"type_of_service": "F", "specialty": "49", "place_of_service": "24", "billing_npi": index.facility}
            return _line(_TABLES["professional_lines"], position, {**usual, **place, **drawn})
        case "surgeon":
            place = {"type_of_service": "2", "specialty": "20", "place_of_service": "24"}
            surgeon = {**usual, **place, "performing_npi": index.facility, **drawn}
            return _line(_TABLES["professional_lines"], position, surgeon)
        case "outpatient":
            place = {"bill_type": "131", "facility_npi": index.facility, "revenue_code": "0360"}
            return _line(_TABLES["outpatient_lines"], position, {**usual, **place, **drawn})
        case "inpatient":
            name = "index" if position == 1 else f"index{position}"
            stay = {"claim_id": name, "admission_date": index.date, "facility_npi": index.facility}
            return _inpatient_claim(position, {**stay, **drawn}, drawing)


def _index_procedures(claims: Rows, drawn: Rows, drawing: Drawing) -> Rows:
    """Return the usual procedure for the index claims that no procedure was drawn for, on the day of admission."""
    done = {row["claim_id"] for row in drawn}
    return [
        {
            "claim_id": claim["claim_id"],
            "position": 1,
            "code": drawing.codes["index"],
            "procedure_date": claim["admission_date"],
        }
        for claim in claims
        if claim["claim_id"] not in done
    ]


def _professional_line(position: int, drawn: dict[str, Any], _drawing: Drawing) -> dict[str, Any]:
    usual = {"type_of_service": "1", "specialty": "11", "place_of_service": "22", "claim_id": f"P{position}"}
    return _line(_TABLES["professional_lines"], position, {**usual, **drawn})


def _outpatient_line(position: int, drawn: dict[str, Any], _drawing: Drawing) -> dict[str, Any]:
    usual = {"bill_type": "131", "provider_ccn": "050001", "claim_id": f"O{position}"}
    return _line(_TABLES["outpatient_lines"], position, {**usual, **drawn})


def _line(table: Table, position: int, drawn: dict[str, Any]) -> dict[str, Any]:
    _require("line_date", drawn)
    return {**dict.fromkeys(table.names), "line_number": position, **drawn}


def _inpatient_claim(position: int, drawn: dict[str, Any], _drawing: Drawing) -> dict[str, Any]:
    _require("admission_date", drawn)
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


def _diagnosis(position: int, drawn: dict[str, Any], _drawing: Drawing) -> dict[str, Any]:
    _require("service_date", drawn)
    _require("code", drawn)
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


def _check_claims_of_procedures(tables: dict[str, Rows]) -> None:
    claims = [row["claim_id"] for row in tables["inpatient_claims"]]
    for position, row in enumerate(tables["procedures"], start=1):
        if row["claim_id"] not in claims:
            raise PatientFileError(
                f"table procedures, row {position}: column claim_id: no inpatient claim {row['claim_id']!r}; "
                f"there is {', '.join(claims) or 'none'}"
            )


def _procedure(position: int, drawn: dict[str, Any], _drawing: Drawing) -> dict[str, Any]:
    _require("code", drawn)
    return {"claim_id": "I1", "position": position, "procedure_date": None, **drawn}


def _require(column: str, drawn: dict[str, Any]) -> None:
    if drawn.get(column) is None:
        raise PatientFileError(f"column {column} is missing")


def _enrollment(patient: Patient, drawing: Drawing) -> Rows:
    """Return months in fee for service; the drawn months, relative to the index month, differ."""
    index_month = drawing.index.date.year * 12 + drawing.index.date.month - 1
    offsets = range(-MONTHS_BEFORE, MONTHS_AFTER + 1)
    months: dict[int, dict[str, Any]] = {n: {"buy_in": "3", "hmo": "0"} for n in offsets}
    if patient.enrollment is not None and patient.enrollment.strip() == NONE:
        return []
    for position, cells in enumerate(_drawn_cells(patient, "enrollment"), start=1):
        if "month" not in cells or not set(cells) <= {"month", "buy_in", "hmo"}:
            raise PatientFileError("table enrollment: the columns are month, buy_in and hmo")
        cells = {name: _filled(cell, drawing) for name, cell in cells.items()}
        month = _month(position, cells["month"])
        if cells.get("buy_in") == NONE:
            months.pop(month, None)
            continue
        drawn = {name: "" if cell == BLANK else cell for name, cell in cells.items() if name != "month"}
        months[month] = {"buy_in": "3", "hmo": "0", **drawn}
    return [{"month": index_month + n, **flags} for n, flags in sorted(months.items())]


def _month(position: int, cell: str | None) -> int:
    try:
        return int(cell or "")
    except ValueError:
        raise PatientFileError(
            f"table enrollment, row {position}, column month: {cell!r} is not a number of months, such as -12 or +1"
        ) from None
