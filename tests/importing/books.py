"""Small workbooks in the official layouts, with invented rows of public codes and all their quirks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook

Rows = Sequence[Sequence[Any]]
SIMPLE = ["AHRQ CCS", "Description", "Status", "Notes"]
MIXED = ["Record Type", "Value", "Description", "Associated CCS", "Status", "Notes"]
END = ["End of worksheet"]

PLANNED: dict[str, Rows] = {
    "PR.1 Always planned proc": [
        ["Table PR.1: procedures that are always planned"],
        SIMPLE,
        [64.0, "Bone marrow transplant", None, None],
        ["105", "Kidney transplant", "", ""],
        [134, "Cesarean section", "Removed in 2014", "not for 65+"],
        ["176 ", "Other organ transplantation", None, None],
        END,
        ["999", "below the end", None, None],
    ],
    "PR.2 Always planned diag": [
        ["Table PR.2"],
        SIMPLE,
        ["45", "Maintenance chemotherapy"],
        ["254\u00a0", "Rehabilitation"],
        [None, None, None, None],
        END,
    ],
    "PR.3 Potentially planned proc": [
        ["Table PR.3"],
        MIXED,
        ["CCS", 1, "Incision and excision of CNS", 1, None, None],
        ["CCS", "0003", "Excision of disc", 3, None, None],
        ["CCS", 47, "Diagnostic cardiac catheterization", 47, "REMOVE", None],
        MIXED,
        ["ICD-10-PCS", "0DJD8ZZ", "Inspection", 76, None, None],
        ["ICD-10-PCS", 16070.0, "zeros were lost", 1, None, None],
        ["icd-10-pcs ", " 02h.K3JZ\u00a0", "Insertion", 48, "Added 2021", None],
        ["ICD-10-PCS", "0DJD8ZZ", "twice", 76, None, None],
        END,
    ],
    "PR.4 Acute diagnoses": [
        ["Table PR.4"],
        MIXED,
        ["CCS", 2, "Septicemia", 2, None, None],
        ["CCS", 100.0, "Acute myocardial infarction", 100, "", ""],
        ["CCS", 237, "Complication of device", 237, "remove", ""],
        ["ICD-10-CM", "I50.9", "Heart failure", 108, None, None],
        ["ICD-10-CM", "k3580 ", "Appendicitis", 142, None, None],
        ["ICD-10-CM", "S72.001A", "Fracture", 226, "deleted", None],
        END,
    ],
}

CCS: dict[str, Rows] = {
    "CCS-ICD10CM": [
        ["Modified CCS map for 2024 reporting"],
        ["ICD-10-CM Code", "Code Description", "CCS Category", "CCS Category Description", "Notes"],
        ["'A40.0'", "Sepsis", "2", "Septicemia", None],
        ["A419", "Sepsis", 2.0, "Septicemia", None],
        ["I21.4", "Infarction", 100, "Acute myocardial infarction", None],
        ["Z5111 ", "Chemotherapy", "'45'", "Maintenance chemotherapy", None],
        ["A419", "again", 3, "Bacterial infection", None],
        END,
    ],
    "CCS-ICD10PCS": [
        ["Modified CCS map for 2024 reporting"],
        ["ICD-10-PCS Code", "Code Description", "CCS Category", "CCS Category Description", "Notes"],
        ["0DJD8ZZ", "Inspection", 76, "Colonoscopy and biopsy", None],
        [16070.0, "Bypass", 1, "Incision and excision of CNS", None],
        ["30233G0", "Transfusion", 64, "Bone marrow transplant", None],
        END,
    ],
}

CATEGORIES: Rows = [
    ["Diagnosis", "Group"],
    ["I50.9", 85.0],
    ["I501", "85"],
    ["I5022", "CC 85"],
    ["E11.9", "19"],
    ["I10", "95"],
    ["D50.9\u00a0", 49],
    ["N18.6", "136"],
    ["I13.2", 85],
    ["I13.2", 136],
]

FEES: Rows = [
    ["2025 National Physician Fee Schedule Relative Value File January Release"],
    ["CPT codes are copyright of their owner"],
    [None, None, None, None, None, "NON-FAC", None, None],
    [None, None, None, "STATUS", "WORK", "PE", "PCTC", "GLOB"],
    ["HCPCS", "MOD", "DESCRIPTION", "CODE", "RVU", "RVU", "IND", "DAYS"],
    ["45378", None, "x", "A", 3.26, 6.0, "0", "000"],
    ["45378", "53", "x", "A", 1.63, 3.0, "0", "000"],
    [29881, None, "x", "A", "7.03", 1, "0", 90],
    [100, None, "x", "J", 0, 0, "9", "XXX"],
    ["0042T", None, "x", "C", 0.0, 0, "9", "YYY"],
    ["G0105", None, "x", "A", 3.36, 7, "0", 0],
]

COVERED: Rows = [
    ["Addendum AA -- Final ASC Covered Surgical Procedures for CY 2025"],
    ["HCPCS Code", "Short Descriptor", "Subject to Multiple Procedure Discounting", "Final Payment Indicator"],
    [29881, "x", "Y", "A2"],
    ["45378 ", "x", "Y", "A2"],
    ["0042T", "x", "N", "N1"],
    ["CPT codes and descriptions are copyright; all rights reserved, see the notice"],
]


def write_book(
    path: Path,
    sheets: Mapping[str, Rows],
    *,
    hidden: Mapping[str, Rows] | None = None,
    merged: Mapping[str, Sequence[str]] | None = None,
    hidden_rows: Mapping[str, Sequence[int]] | None = None,
    formats: Mapping[tuple[str, str], str] | None = None,
) -> Path:
    """Write a workbook; formats are by sheet and cell."""
    book = Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for name, rows in {**sheets, **(hidden or {})}.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        for area in (merged or {}).get(name, ()):
            sheet.merge_cells(area)
        for row in (hidden_rows or {}).get(name, ()):
            sheet.row_dimensions[row].hidden = True
        if name in (hidden or {}):
            sheet.sheet_state = "hidden"
    for (name, cell), number_format in (formats or {}).items():
        book[name][cell].number_format = number_format
    book.save(path)
    return path


def with_rows(sheets: Mapping[str, Rows], name: str, rows: Rows) -> dict[str, Rows]:
    """Return the sheets with other rows on one of them."""
    return {key: rows if key.startswith(name) else old for key, old in sheets.items()}


def without(sheets: Mapping[str, Rows], name: str) -> dict[str, Rows]:
    """Return the sheets without one."""
    return {key: rows for key, rows in sheets.items() if not key.startswith(name)}
